//! Basis conversion. Digits with the same number of primes share one dispatch of `convert`.

use crate::{
    call::{Arguments, Call, Operand, Run, basis_word},
    shader::Kernel,
    state::Wgpu,
};
use polyformer_kernel::ring::Basis;

/// Columns of a workgroup of `convert`, and targets of one of its threads.
const CONVERT: (u32, u32) = (256, 8);

/// A conversion from each basis of `from` to the rows `to`.
pub(crate) struct Conversion<'a> {
    /// Bases with the same number of primes, `alpha` primes apart.
    pub from: &'a [Basis],
    /// Primes from the start of one basis to the start of the next.
    pub alpha: u16,
    /// The targets.
    pub to: Basis,
    /// The offset of the constants in the table.
    pub constants: u32,
    /// True if the residues are already multiplied by their constants.
    pub prepared: bool,
    /// The treatment of the targets.
    pub end: Kept,
    /// The place of the first basis among the digits of an item of the result, and the number of these digits.
    pub digits: [u32; 2],
}

impl<'a> Conversion<'a> {
    /// A conversion from one basis.
    pub fn one(from: &'a Basis, to: Basis, (constants, prepared): (u32, bool), end: Kept) -> Self {
        Self { from: core::slice::from_ref(from), alpha: 0, to, constants, prepared, end, digits: [0, 1] }
    }
}

/// How a conversion treats the old words of its targets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    /// Every target is overwritten.
    None = 0,
    /// Targets that are sources keep their words.
    Skip = 1,
    /// Targets that are sources are copied from the input.
    Copy = 2,
    /// The results are added to the old words.
    Sum = 4,
}

impl Wgpu<'_> {
    /// Records a dispatch of `convert` on `items` items.
    pub(crate) fn conversion(&mut self, c: &Conversion<'_>, out: Operand, a: Operand, items: usize) {
        let Some(first) = c.from.first() else { return };
        let (sources, targets, digits) = (first.len() as u32, c.to.len() as u32, c.from.len() as u32);
        let constants = 3 * sources + targets * (sources + 1);
        let [begin, per_item] = c.digits;
        let run = Run { targets, digits, alpha: c.alpha.into(), constants, first: begin, per_item };
        let call = Call {
            over: c.to,
            flags: c.end as u32,
            constants: c.constants,
            extra: basis_word(*first),
            arguments: Arguments::Run([out, a], run),
        };
        let columns = (1u32 << out.log_cols).div_ceil(CONVERT.0);
        let grid = [columns, targets.div_ceil(CONVERT.1), items as u32 * digits];
        self.recorder.dispatch(Kernel::Convert { sources, prepared: c.prepared }, &[out.slab, a.slab], &call, grid);
    }
}
