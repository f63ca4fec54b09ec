//! The giant steps of a linear map, all together. The quotients by P stay in Coeff, in place, until their decomposition
//! into digits. One sum computes the rotated products with all keys. If memory is short, the rows are computed in
//! several parts.

use crate::{
    call::Operand,
    conversion::{Conversion, Kept},
    digits::Digits,
    memory::Words,
    products::{Product, Products},
    state::Wgpu,
    transform::End,
};
use polyformer_kernel::{
    backend::{BATCH_WORDS, GiantStep, Pair, Workspace},
    ring::Basis,
};

/// One item of a giant step, and the place of its c1.
struct Step<'a, 'k> {
    giant: &'a GiantStep<'k, Words>,
    item: usize,
    c1: Operand,
}

impl Wgpu<'_> {
    /// [`polyformer_kernel::backend::Backend::giant_steps`].
    pub(crate) fn fused_giant_steps(
        &mut self,
        (q, alpha): (Basis, u16),
        giant_steps: &[GiantStep<'_, Words>],
        sum: &Pair<Words>,
        fresh: bool,
        ws: &Workspace<Words>,
    ) {
        let Some(digits) = Digits::new(q, self.ring.specials(), alpha) else { return };
        let (items, n) = (0..sum[0].shape.count as usize, sum[0].shape.cols as usize);
        let step = |giant, item| Step { giant, item, c1: Operand::new(&giant.c[1], item) };
        let mut steps: Vec<_> =
            giant_steps.iter().flat_map(|giant| items.clone().map(move |item| step(giant, item))).collect();
        steps.sort_by_key(|step| (step.c1.slab, step.c1.basis));
        let rows = BATCH_WORDS.min(self.gpu().binding_words()) / (digits.parts.len() * n);
        let full = q.with(self.ring.specials());
        let mut begun = vec![!fresh; items.len()];
        for batch in steps.chunks(rows.clamp(1, full.len())) {
            self.divide(&digits, batch);
            self.switch(&digits, batch, sum, &begun, ws);
            batch.iter().for_each(|step| begun[step.item] = true);
        }
    }

    /// Divides c1 by P in Coeff, in place.
    fn divide(&mut self, digits: &Digits, batch: &[Step<'_, '_>]) {
        let (ring, log_cols) = (self.ring, batch[0].c1.log_cols);
        let p = Basis::specials(ring.specials());
        self.recorder.make_room();
        let ends = self.recorder.divided(&ring, digits.q, log_cols);
        let quotient = self.recorder.quotient(&ring, digits.q.with(ring.specials()), digits.q);
        for run in batch.chunk_by(|x, y| x.c1.joins(&y.c1)) {
            let c1 = self.joined(run);
            self.backward(digits.q.with(ring.specials()), c1, c1, run.len(), ends);
            self.conversion(&Conversion::one(&p, digits.q, (quotient, true), Kept::Sum), c1, c1, run.len());
        }
    }

    /// Computes every sum and the rotated products of its giant steps.
    fn switch(
        &mut self,
        digits: &Digits,
        batch: &[Step<'_, '_>],
        sum: &Pair<Words>,
        begun: &[bool],
        ws: &Workspace<Words>,
    ) {
        let (specials, number, log_cols) = (self.ring.specials(), digits.parts.len(), batch[0].c1.log_cols);
        let a_row = (batch.len() * number) << log_cols;
        let full = digits.q.with(specials);
        let mut rows = (BATCH_WORDS.min(self.gpu().binding_words()) / a_row).clamp(1, full.len());
        // Without enough memory, the buffers of the workspace serve, for fewer rows at a time.
        let own = self.recorder.memory().take_items(1, rows * a_row).ok();
        let place = match &own {
            Some(words) => words.first(),
            None => ws.ext.first().map_or((0, 0, 0), |ext| ext.buf.first()),
        };
        rows = rows.min(place.2 / a_row).max(1);
        for over in pieces(full, rows) {
            self.recorder.make_room();
            let ext = Operand::side_by_side((place.0, place.1), over, log_cols);
            let mut done = 0;
            for run in batch.chunk_by(|x, y| x.c1.joins(&y.c1)) {
                let (mut out, c1) = (ext, self.joined(run));
                out.offset += (done * number) as u32 * ext.stride;
                self.convert_digits(digits, over, out, c1, run.len(), Kept::Copy);
                done += run.len();
            }
            self.forward(over, ext, ext, batch.len() * number, End::Plain);
            let mut all = Products::new(over, digits, specials, ext, ext, None);
            for (item, begun) in begun.iter().enumerate() {
                let result = all.result([&sum[0], &sum[1]].map(|half| Operand::new(half, item)), *begun);
                for (at, step) in batch.iter().enumerate().filter(|(_, step)| step.item == item) {
                    let key = &step.giant.key[digits.first..digits.first + number];
                    let galois = step.giant.galois;
                    all.product(&Product { result, galois, at: at as u32, key, item });
                    all.add(result, galois, 0, Operand::new(&step.giant.c[0], item), 0);
                }
            }
            self.products(all, 1);
        }
    }

    fn joined(&mut self, run: &[Step<'_, '_>]) -> Operand {
        self.recorder.joined(&run.iter().map(|step| step.c1).collect::<Vec<_>>())
    }
}

/// `full` in parts of at most `rows` rows.
fn pieces(full: Basis, rows: usize) -> Vec<Basis> {
    let specials = full.specials as usize;
    let spans = |start: usize, end: usize| {
        (start..end).step_by(rows).map(move |start| Basis::span(start, end.min(start + rows)))
    };
    let (start, end) = (full.start as usize, full.end as usize);
    if rows < specials {
        return spans(0, specials).chain(spans(start, end)).collect();
    }
    let first = end.min(start + rows - specials);
    [Basis::span(start, first).with(full.specials)].into_iter().chain(spans(first, end)).collect()
}
