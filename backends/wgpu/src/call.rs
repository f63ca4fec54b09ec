//! The arguments of one dispatch, in the layout that the shaders declare: `Call` in call.wgsl, or in convert.wgsl.

use crate::memory::Words;
use polyformer_kernel::{
    backend::{Limbs, Shape},
    ring::Basis,
};

/// The stride of an operand whose items are listed in the table.
pub const LISTED: u32 = u32::MAX;

/// A batch of rows as a shader sees the batch, and the slab that holds the rows.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    /// The slab.
    pub slab: u16,
    /// The first word in the slab; if the stride is [`LISTED`], the word of the table from which on offsets are listed.
    pub offset: u32,
    /// Words from one item to the next; 0 if all items are the first.
    pub stride: u32,
    /// The basis of the rows, as [`basis_word`] packs a basis.
    pub basis: u32,
    /// log2 of the words of a row.
    pub log_cols: u32,
}

/// Operands of a call, at most. The shaders name the operands out, a, b, c, d, e, f.
const MOST: usize = 7;

/// Words of the arguments of a dispatch.
const WORDS: usize = 4 + 4 * MOST;

/// A basis in one word: the number of specials, and the start of the span in the upper half.
pub fn basis_word(basis: Basis) -> u32 {
    basis.specials as u32 | (basis.start as u32) << 16
}

impl Operand {
    /// No operand.
    pub const NONE: Self = Self { slab: 0, offset: 0, stride: 0, basis: 0, log_cols: 0 };

    /// `limbs` from `item` on.
    pub fn new(limbs: &Limbs<Words>, item: usize) -> Self {
        let Shape { count, basis, cols } = limbs.shape;
        let words = basis.len() * cols as usize;
        let (slab, offset) = limbs.buf.place(if count == 1 { 0 } else { item }, words);
        let stride = if count == 1 { 0 } else { words as u32 };
        Self { slab, offset: offset as u32, stride, basis: basis_word(basis), log_cols: cols.trailing_zeros() }
    }

    /// Rows `basis` of items one after the other, in a range that starts at `offset`.
    pub fn side_by_side((slab, offset): (u16, usize), basis: Basis, log_cols: u32) -> Self {
        let stride = (basis.len() as u32) << log_cols;
        Self { slab, offset: offset as u32, stride, basis: basis_word(basis), log_cols }
    }

    /// The first items of `operands` as one operand, if the items lie at equal distances. Every two operands must satisfy
    /// [`Operand::joins`].
    pub fn evenly(operands: &[Self]) -> Option<Self> {
        let first = *operands.first()?;
        let stride = operands.get(1).map_or(0, |second| first.distance(second));
        let even = operands.windows(2).all(|pair| pair[0].distance(&pair[1]) == stride);
        even.then_some(Self { stride, ..first })
    }

    /// Words from the first word of `self` to the first word of `other`, modulo 2^32.
    pub fn distance(&self, other: &Self) -> u32 {
        other.offset.wrapping_sub(self.offset)
    }

    /// Whether items of the two operands can be one operand: same slab, same basis, rows of the same length.
    pub fn joins(&self, other: &Self) -> bool {
        (self.slab, self.basis, self.log_cols) == (other.slab, other.basis, other.log_cols)
    }

    /// The words of `Operand` in layout.wgsl.
    pub fn words(&self) -> [u32; 4] {
        [self.offset, self.stride, self.basis, self.log_cols]
    }
}

/// A run of digits with the same number of primes, which one dispatch of `convert` extends.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Targets, the rows of [`Call::over`].
    pub targets: u32,
    /// Digits of the run.
    pub digits: u32,
    /// Primes from the start of one digit to the start of the next.
    pub alpha: u32,
    /// Words of the constants of one digit.
    pub constants: u32,
    /// The place of the first digit of the run among the digits of an item of the result.
    pub first: u32,
    /// Digits of an item of the result.
    pub per_item: u32,
}

/// The operands of a call, and for `convert` a run of digits.
#[derive(Clone, Copy, Debug)]
pub enum Arguments {
    /// out, a, b, c, d, e, f.
    Operands([Operand; MOST]),
    /// The arguments of `convert`: out, a, and the run of digits.
    Run([Operand; 2], Run),
}

/// One dispatch.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The rows that the kernel works on.
    pub over: Basis,
    /// Options of the kernel. The kernel's file says which.
    pub flags: u32,
    /// The word of the table at which the constants of the call start.
    pub constants: u32,
    /// One more argument. The kernel's file says which.
    pub extra: u32,
    /// The operands.
    pub arguments: Arguments,
}

impl Call {
    /// A call on at most seven operands, with zeros elsewhere.
    pub fn new(over: Basis, operands: &[Operand]) -> Self {
        let mut all = [Operand::NONE; MOST];
        for (place, operand) in all.iter_mut().zip(operands) {
            *place = *operand;
        }
        Self { over, flags: 0, constants: 0, extra: 0, arguments: Arguments::Operands(all) }
    }

    /// The words of `Call` in the shader, and zeros.
    pub fn immediates(&self) -> [u32; WORDS] {
        let mut out = [0; WORDS];
        let (head, tail) = out.split_at_mut(4);
        head.copy_from_slice(&[basis_word(self.over), self.flags, self.constants, self.extra]);
        match &self.arguments {
            Arguments::Operands(all) => put(tail, all.iter().flat_map(Operand::words)),
            Arguments::Run(operands, run) => {
                let run = [run.targets, run.digits, run.alpha, run.constants, run.first, run.per_item];
                put(tail, operands.iter().flat_map(Operand::words).chain(run));
            }
        }
        out
    }
}

/// Writes `words` to the start of `out`.
fn put(out: &mut [u32], words: impl Iterator<Item = u32>) {
    out.iter_mut().zip(words).for_each(|(out, word)| *out = word);
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Call, Operand, Run};
    use polyformer_kernel::ring::Basis;

    #[test]
    fn words_are_in_the_order_of_the_shaders() {
        let operand = |of: u32| Operand { slab: 9, offset: of, stride: of + 1, basis: of + 2, log_cols: of + 3 };
        let over = Basis::span(5, 7).with(3);
        let call = Call { flags: 1, constants: 2, extra: 3, ..Call::new(over, &[operand(10), operand(20)]) };
        let head = [3 | 5 << 16, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23];
        assert_eq!(call.immediates()[..12], head);
        assert_eq!(call.immediates()[12..], [0; 20]);
        let run = Run { targets: 31, digits: 32, alpha: 33, constants: 34, first: 35, per_item: 36 };
        let call = Call { arguments: Arguments::Run([operand(10), operand(20)], run), ..call };
        assert_eq!(call.immediates()[..12], head);
        assert_eq!(call.immediates()[12..18], [31, 32, 33, 34, 35, 36]);
    }
}
