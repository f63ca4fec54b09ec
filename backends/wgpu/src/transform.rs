//! The number-theoretic transforms: one dispatch for rows of at most 2^12 words, and two dispatches for longer rows.

use crate::{
    call::{Call, Operand},
    shader::Kernel,
    state::Wgpu,
};
use polyformer_kernel::ring::Basis;

/// log2 of the words that a workgroup holds.
const LOG_TILE: u32 = 12;
/// Stages of the pass over adjacent words, in a transform with two passes.
const LAST: u32 = 8;

/// The passes (first stage, stages) of a forward transform.
fn passes(log_cols: u32) -> Vec<(u32, u32)> {
    if log_cols <= LOG_TILE { vec![(0, log_cols)] } else { vec![(0, log_cols - LAST), (log_cols - LAST, LAST)] }
}

/// The final operation of a forward transform.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// None.
    Plain,
    /// out = x + b c, with c in the table if its offset is not 0.
    Add(Operand, u32),
    /// The own rows of each digit are skipped. The table holds alpha, specials, the first digit and the number of digits.
    Digits(u32),
}

impl Wgpu<'_> {
    /// Rows `over` of `out`, `items` items from `first` on, become the transform of the rows of `a`.
    pub fn forward(&mut self, over: Basis, out: Operand, a: Operand, items: usize, end: End) {
        let log_cols = out.log_cols;
        for (i, (first, stages)) in passes(log_cols).into_iter().enumerate() {
            let source = if i == 0 { a } else { out };
            let (addend, flags, constants) = match end {
                End::Plain => (source, 0, 0),
                End::Add(b, constants) => (b, 1, constants),
                End::Digits(constants) => (source, 2, constants),
            };
            let call = Call::new(over, &[out, source, addend]);
            let call = Call { flags, constants, extra: first | stages << 8, ..call };
            self.pass(Kernel::Ntt, [out, source, addend], &call, items);
        }
    }

    /// Rows `over` of `out` become the inverse transform of the rows of `a`, times the constants in the table.
    pub fn backward(&mut self, over: Basis, out: Operand, a: Operand, items: usize, constants: u32) {
        let log_cols = out.log_cols;
        for (i, (first, stages)) in passes(log_cols).into_iter().rev().enumerate() {
            let source = if i == 0 { a } else { out };
            let call = Call { constants, extra: first | stages << 8, ..Call::new(over, &[out, source]) };
            self.pass(Kernel::Intt, [out, source, source], &call, items);
        }
    }

    fn pass(&mut self, kernel: Kernel, operands: [Operand; 3], call: &Call, items: usize) {
        let tiles = 1 << operands[0].log_cols.saturating_sub(LOG_TILE);
        let grid = [tiles, call.over.len() as u32, items as u32];
        self.recorder.dispatch(kernel, &operands.map(|o| o.slab), call, grid);
    }
}
