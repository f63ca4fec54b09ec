//! The arguments of one dispatch, as the shaders' `Call` has them.

use crate::memory::Words;
use polyformer_kernel::{
    backend::{Limbs, Shape},
    ring::Basis,
};

/// A batch of rows as a shader sees it, and the slab that it lies in.
#[derive(Clone, Copy, Debug)]
pub struct Operand {
    /// The slab.
    pub slab: u16,
    /// Offset, stride, basis and log2 of the columns.
    pub words: [u32; 4],
}

/// The operands of a call in the order in which the shader names them: out, a, b, c, d, e, f.
const MOST: usize = 7;

/// A basis in one word.
pub fn basis_word(basis: Basis) -> u32 {
    basis.specials as u32 | (basis.start as u32) << 16
}

impl Operand {
    /// No operand.
    pub const NONE: Self = Self { slab: 0, words: [0; 4] };

    /// `limbs` from `item` on.
    pub fn new(limbs: &Limbs<Words>, item: usize) -> Self {
        let Shape { count, basis, cols } = limbs.shape;
        let words = basis.len() * cols as usize;
        let (slab, offset) = limbs.buf.place(if count == 1 { 0 } else { item }, words);
        let stride = if count == 1 { 0 } else { words as u32 };
        Self { slab, words: [offset as u32, stride, basis_word(basis), cols.trailing_zeros()] }
    }

    /// Rows `basis` of items one after the other, in a range that starts at `offset`.
    pub fn side_by_side((slab, offset): (u16, usize), basis: Basis, log_cols: u32) -> Self {
        let words = (basis.len() as u32) << log_cols;
        Self { slab, words: [offset as u32, words, basis_word(basis), log_cols] }
    }

    /// The first items of these operands, of which every two [`Operand::joins`], as one operand, if they are at equal distances.
    pub fn evenly(operands: &[Self]) -> Option<Self> {
        let Self { slab, words: [offset, _, basis, log_cols] } = *operands.first()?;
        let step = operands.get(1).map_or(0, |second| second.words[0].wrapping_sub(offset));
        let even = operands.windows(2).all(|pair| pair[1].words[0].wrapping_sub(pair[0].words[0]) == step);
        even.then_some(Self { slab, words: [offset, step, basis, log_cols] })
    }

    /// Whether items of both can be one operand.
    pub fn joins(&self, other: &Self) -> bool {
        (self.slab, &self.words[2..]) == (other.slab, &other.words[2..])
    }
}

/// One dispatch.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The basis that is worked on.
    pub over: Basis,
    /// What the shader says.
    pub flags: u32,
    /// Its block in the table.
    pub constants: u32,
    /// What the shader says.
    pub extra: u32,
    /// The operands.
    pub operands: [[u32; 4]; MOST],
}

impl Call {
    /// On these operands.
    pub fn new(over: Basis, operands: &[Operand]) -> Self {
        let mut call = Self { over, flags: 0, constants: 0, extra: 0, operands: [[0; 4]; MOST] };
        for (words, operand) in call.operands.iter_mut().zip(operands) {
            *words = operand.words;
        }
        call
    }

    /// Its bytes.
    pub fn immediates(&self) -> [u32; 4 + 4 * MOST] {
        let mut out = [0; 4 + 4 * MOST];
        out[..4].copy_from_slice(&[basis_word(self.over), self.flags, self.constants, self.extra]);
        out[4..].copy_from_slice(self.operands.as_flattened());
        out
    }
}
