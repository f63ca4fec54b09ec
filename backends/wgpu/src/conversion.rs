//! Basis conversion: one dispatch of `convert` for all digits of as many primes.

use crate::{
    call::{Arguments, Call, Operand, Run, basis_word},
    shader::Kernel,
    state::Wgpu,
};
use polyformer_kernel::ring::Basis;

/// Columns that a workgroup of `convert` works on, and targets that one of its threads serves.
const CONVERT: (u32, u32) = (256, 8);

/// Rows `to` from the rows of each basis `from`, with the constants in the table.
pub(crate) struct Conversion<'a> {
    /// Bases of as many primes, `alpha` apart.
    pub from: &'a [Basis],
    /// Primes from one to the next.
    pub alpha: u16,
    /// Targets.
    pub to: Basis,
    /// Where they are in the table.
    pub constants: u32,
    /// Whether residues come with their constant.
    pub prepared: bool,
    /// What becomes of the targets.
    pub end: Kept,
    /// Where the first basis goes among those of an item, and how many these are.
    pub digits: [u32; 2],
}

impl<'a> Conversion<'a> {
    /// From one basis.
    pub fn one(from: &'a Basis, to: Basis, (constants, prepared): (u32, bool), end: Kept) -> Self {
        Self { from: core::slice::from_ref(from), alpha: 0, to, constants, prepared, end, digits: [0, 1] }
    }
}

/// What is kept of what a conversion finds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    /// Nothing.
    None = 0,
    /// Targets that are sources are left alone.
    Skip = 1,
    /// Targets that are sources are copied.
    Copy = 2,
    /// What comes out is added to what is there.
    Sum = 4,
}

impl Wgpu<'_> {
    /// A dispatch of `convert`.
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
