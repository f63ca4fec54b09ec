//! Sums of products: one dispatch for all results whose operands are in the same slabs.

use crate::{
    call::{Call, Operand},
    memory::Words,
    shader::Kernel,
    state::Wgpu,
};
use polyformer_kernel::{
    backend::{Limbs, Term},
    ring::Basis,
};

/// Terms of one result that lie in the same slabs.
struct Sum {
    number: usize, // among the runs of the result
    slabs: [u16; 3],
    words: Vec<u32>, // for the table
}

impl Wgpu<'_> {
    /// Each result is the sum of its products.
    pub(crate) fn sums(&mut self, over: Basis, sums: &[(&Limbs<Words>, Vec<Term<'_, Words>>)]) {
        let Some(shape) = sums.first().map(|(out, _)| out.shape) else { return };
        let factors = sums.iter().flat_map(|(_, terms)| terms.iter().flat_map(|(a, b)| [*a, *b]));
        let operands: Vec<&Limbs<Words>> = sums.iter().map(|(out, _)| *out).chain(factors).collect();
        self.items(shape.count, &operands, |gpu, first, items| {
            let mut runs: Vec<Sum> = Vec::new();
            for (out, terms) in sums {
                let place = |limbs| Operand::new(limbs, first);
                let (out, terms) = (place(out), terms.iter().map(|(a, b)| (place(a), place(b))).collect::<Vec<_>>());
                let alike =
                    |x: &(Operand, Operand), y: &(Operand, Operand)| (x.0.slab, x.1.slab) == (y.0.slab, y.1.slab);
                for (number, run) in terms.chunk_by(alike).enumerate() {
                    let factors = run.iter().flat_map(|(a, b)| [a.words(), b.words()]).flatten();
                    let words = [run.len() as u32].into_iter().chain(out.words()).chain(factors).collect();
                    runs.push(Sum { number, slabs: [out.slab, run[0].0.slab, run[0].1.slab], words });
                }
            }
            runs.sort_by_key(|run| run.number); // what comes first for a result stays first
            for together in runs.chunk_by(|x, y| (x.number, x.slabs) == (y.number, y.slabs)) {
                let words: Vec<u32> = together.iter().flat_map(|run| &run.words).copied().collect();
                let constants = gpu.recorder.words(&words);
                let (flags, extra) = (u32::from(together[0].number > 0), together.len() as u32);
                let any = Operand { log_cols: shape.cols.trailing_zeros(), ..Operand::NONE };
                let call = Call { flags, constants, extra, ..Call::new(over, &[any]) };
                let grid = [gpu.columns(shape.cols), over.len() as u32, items as u32];
                gpu.recorder.dispatch(Kernel::Dot, &together[0].slabs, &call, grid);
            }
        });
    }
}
