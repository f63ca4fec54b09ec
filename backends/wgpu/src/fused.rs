//! Key switching and switching of moduli along their data flow. The last pass of a transform includes the neighbouring
//! operation, and a conversion includes the neighbouring constants. All digits are transformed and multiplied together.

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
    Result,
    backend::{Limbs, Pair, Shape, Source, Workspace},
    ring::Basis,
};

impl Wgpu<'_> {
    /// out = round(a R/D) for each operand. All operands in the same slabs take five dispatches. `intt` of the dropped
    /// rows includes the constants of the conversion. The conversion includes -1/D. `ntt` includes the sum with a R/D.
    pub(crate) fn fused_mod_switches(
        &mut self,
        from: Basis,
        to: Basis,
        outs: &[Limbs<Words>],
        a: &[&Limbs<Words>],
        ws: &Workspace<Words>,
    ) {
        let Some(shape) = outs.first().map(|out| out.shape) else { return };
        let (ring, drop, log_cols) = (self.ring, from.minus(to), shape.cols.trailing_zeros());
        self.recorder.make_room();
        let dropped = self.recorder.dropped(&ring, from, to, log_cols);
        let quotient = self.recorder.quotient(&ring, from, to);
        let kept = self.recorder.kept(&ring, from, to);
        let items = outs.iter().zip(a).flat_map(|(out, a)| (0..out.shape.count).map(move |i| [(out, i), (*a, i)]));
        let mut items: Vec<_> = items.map(|pair| pair.map(|(limbs, item)| Operand::new(limbs, item.into()))).collect();
        items.sort_by_key(|pair| pair.map(|o| (o.slab, o.basis)));
        let (slab, offset, words) = ws.coeff.buf.first();
        let coeff = Operand::side_by_side((slab, offset), drop, log_cols);
        let room = words / (drop.len() << log_cols);
        for alike in items.chunk_by(|x, y| x[0].joins(&y[0]) && x[1].joins(&y[1])) {
            for batch in alike.chunks(room.max(1)) {
                let [out, a] =
                    [0, 1].map(|i| self.recorder.joined(&batch.iter().map(|pair| pair[i]).collect::<Vec<_>>()));
                self.backward(drop, coeff, a, batch.len(), dropped);
                let conversion = Conversion::one(&drop, to, (quotient, true), Kept::None);
                self.conversion(&conversion, out, coeff, batch.len());
                self.forward(to, out, out, batch.len(), End::Add(a, kept));
            }
        }
    }

    /// Memory for `digits` polynomials for each item of `full`. The polynomials of an item are consecutive.
    pub(crate) fn extended_digits(&mut self, full: Shape, digits: usize) -> Result<Limbs<Words>> {
        let words = digits * full.basis.len() * full.cols as usize;
        let shape = Shape { count: full.count * digits as u16, ..full };
        Ok(Limbs { buf: self.recorder.memory().take_items(full.count.into(), words)?, shape })
    }

    /// The rotated gadget products, with their addends. The dispatches are:
    /// - `intt` of the operand, with the constants of the digits,
    /// - one conversion per size of digit,
    /// - `ntt` of all digits without their own rows,
    /// - one sum over digits for all keys.
    pub(crate) fn fused_key_switch(
        &mut self,
        source: &Source<'_, Words>,
        keys: &[&[Pair<Words>]],
        galois: &[u32],
        outs: &[Pair<Words>],
        ws: &Workspace<Words>,
    ) {
        let Source { q, alpha, d, add } = *source;
        let digits = Digits::new(q, self.ring.specials(), alpha);
        let (Some(digits), Some(ext)) = (digits, ws.ext.first()) else { return };
        // One dispatch serves all items if each operand lies in one range. Otherwise each item has its own.
        let limbs = outs.iter().flatten().chain(keys.iter().copied().flatten().flatten());
        let mut whole = limbs.chain([d, &ws.coeff, ext]).chain(add.into_iter().flatten());
        let whole = whole.all(|limbs| limbs.buf.is_whole());
        let count = d.shape.count as usize;
        for item in 0..if whole { 1 } else { count } {
            let items = if whole { count } else { 1 };
            let ext = self.extend(&digits, d, &ws.coeff, ext, item..item + items);
            let source = Operand::new(d, item);
            let full = q.with(self.ring.specials());
            let raised =
                if add.iter().any(Option::is_some) { self.recorder.raised(&self.ring.clone(), full) } else { 0 };
            let own = Some((digits.alpha, source.slab));
            let mut all = Products::new(full, &digits, self.ring.specials(), ext, source, own);
            for (k, (key, out)) in keys.iter().zip(outs).enumerate() {
                let result = all.result([&out[0], &out[1]].map(|half| Operand::new(half, item)), false);
                let galois = galois.get(k).copied().unwrap_or(1);
                let key = &key[digits.first..digits.first + digits.parts.len()];
                all.product(&Product { result, galois, at: 0, key, item });
                for (half, add) in add.iter().enumerate() {
                    if let Some(add) = add {
                        all.add(result, galois, half, Operand::new(add, item), raised);
                    }
                }
            }
            self.products(all, items);
        }
    }

    /// Every digit of the items, extended, item after item.
    fn extend(
        &mut self,
        digits: &Digits,
        d: &Limbs<Words>,
        coeff: &Limbs<Words>,
        ext: &Limbs<Words>,
        items: core::ops::Range<usize>,
    ) -> Operand {
        let (ring, log_cols) = (self.ring, d.shape.cols.trailing_zeros());
        let coeff_count = coeff.shape.count as usize;
        let (item, items, number) = (items.start, items.len(), digits.parts.len());
        let full = digits.q.with(ring.specials());
        self.recorder.make_room();
        let ends = self.recorder.digits(&ring, digits.q, digits.alpha, &digits.parts, log_cols);
        let own = [digits.alpha.into(), ring.specials().into(), digits.first as u32, number as u32];
        let own = self.recorder.words(&own);
        let (source, coeff) = (Operand::new(d, item), Operand::new(coeff, item));
        self.backward(digits.q, coeff, source, items, ends);
        let words = ext.shape.basis.len() * ext.shape.cols as usize;
        let per_item = ext.shape.count as usize / coeff_count;
        let mut all = Operand::new(ext, 0);
        let (slab, offset) = ext.buf.place(item, per_item * words);
        (all.slab, all.offset, all.stride) = (slab, offset as u32, words as u32);
        self.convert_digits(digits, full, all, coeff, items, Kept::Skip);
        self.forward(full, all, all, items * number, End::Digits(own));
        all
    }

    /// Rows `to` of every digit of each item of `coeff`, item after item of `out`. If the own rows are skipped, the
    /// digits include their constants.
    pub(crate) fn convert_digits(
        &mut self,
        digits: &Digits,
        to: Basis,
        out: Operand,
        coeff: Operand,
        items: usize,
        end: Kept,
    ) {
        let (ring, alpha, number) = (self.ring, digits.alpha, digits.parts.len() as u32);
        let mut done = 0;
        for from in digits.parts.chunk_by(|x, y| x.len() == y.len() && x.start + alpha == y.start) {
            let constants = self.recorder.conversions(&ring, from, alpha, to);
            let prepared = matches!(end, Kept::Skip);
            let conversion = Conversion { from, alpha, to, constants, prepared, end, digits: [done, number] };
            self.conversion(&conversion, out, coeff, items);
            done += from.len() as u32;
        }
    }
}
