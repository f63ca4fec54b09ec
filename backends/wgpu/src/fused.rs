//! Key switching and switching moduli along their data flow: what surrounds a transform is in its last pass, a
//! conversion comes with the constants around it, and all digits are transformed and multiplied together.

use crate::{
    Wgpu, Words,
    call::{Call, Operand},
    shader::Kernel,
    transform::End,
};
use kernel::{
    Result,
    backend::{Limbs, MAX_DIGITS, Pair, Shape, Workspace, digit},
    ring::Basis,
};

/// The digits of an operand, and how they lie in the workspace.
struct Digits {
    q: Basis,
    alpha: u16,
    first: usize, // the lowest that is not empty
    parts: Vec<Basis>,
}

impl Wgpu<'_> {
    /// out = round(a R/D) in five dispatches at most: `intt` of the dropped rows, which ends in the constants of the
    /// conversion; the conversion, times -1/D; `ntt`, which ends in the sum with a R/D.
    pub(crate) fn fused_mod_switch(
        &mut self,
        from: Basis,
        to: Basis,
        out: &mut Limbs<Words>,
        a: &Limbs<Words>,
        ws: &mut Workspace<Words>,
    ) {
        let (ring, drop, log_cols) = (self.ring, from.minus(to), out.shape.cols.trailing_zeros());
        self.recorder.make_room();
        let dropped = self.recorder.dropped(&ring, from, to, log_cols);
        let quotient = self.recorder.quotient(&ring, from, to);
        let kept = self.recorder.kept(&ring, from, to);
        self.items(out.shape.count, &[out, a, &ws.coeff, &ws.tmp], |gpu, first, items| {
            let [out, a, coeff, tmp] = [&*out, a, &ws.coeff, &ws.tmp].map(|limbs| Operand::new(limbs, first));
            gpu.backward(drop, coeff, a, items, dropped);
            gpu.conversion((drop, to), tmp, coeff, items, (quotient, true, false));
            gpu.forward(to, out, tmp, items, End::Add(a, kept));
        });
    }

    /// Room for `digits` polynomials for each item of `full`, those of an item side by side.
    pub(crate) fn extended_digits(&mut self, full: Shape, digits: usize) -> Result<Limbs<Words>> {
        let words = digits * full.basis.len() * full.cols as usize;
        let shape = Shape { count: full.count * digits as u16, ..full };
        Ok(Limbs { buf: self.recorder.memory().take_items(full.count.into(), words)?, shape })
    }

    /// The gadget products: `intt` of the operand, which ends in the constants of the digits; a conversion a digit;
    /// `ntt` of all digits but for their own rows; and a sum over digits for each key.
    pub(crate) fn fused_key_switch(
        &mut self,
        q: Basis,
        alpha: u16,
        d: &Limbs<Words>,
        keys: &[&[Pair<Words>]],
        accs: &mut [Pair<Words>],
        ws: &mut Workspace<Words>,
    ) {
        let specials = self.ring.specials();
        let parts = (0..MAX_DIGITS).map(|j| (j, digit(q, specials, alpha, j))).filter(|(_, part)| !part.is_empty());
        let (numbers, parts): (Vec<_>, Vec<_>) = parts.unzip();
        let (Some(first), Some(ext)) = (numbers.first().copied(), ws.ext.first()) else { return };
        let digits = Digits { q, alpha, first, parts };
        // Operands in one range each are done in one go, others item by item.
        let limbs = accs.iter().flatten().chain(keys.iter().copied().flatten().flatten());
        let whole = limbs.chain([d, &ws.coeff, ext]).all(|limbs| limbs.buf.is_whole());
        let count = d.shape.count as usize;
        for item in 0..if whole { 1 } else { count } {
            let items = if whole { count } else { 1 };
            let ext = self.extend(&digits, d, &ws.coeff, ext, item..item + items);
            self.sum_digits(&digits, keys, accs, [ext, Operand::new(d, item)], item..item + items);
        }
    }

    /// Every digit of the items, extended; where they are, item after item.
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
        (all.slab, all.words[0], all.words[1]) = (slab, offset as u32, words as u32);
        for (j, part) in digits.parts.iter().enumerate() {
            let mut out = all;
            out.words[0] += (j * words) as u32;
            out.words[1] = (number * words) as u32;
            let constants = self.recorder.conversion(&ring, *part, full);
            self.conversion((*part, full), out, coeff, items, (constants, true, true));
        }
        self.forward(full, all, all, items * number, End::Digits(own));
        all
    }

    /// Every acc = the sum over digits of the extended digit times its key. `x` is the extended digits, and what they were.
    fn sum_digits(
        &mut self,
        digits: &Digits,
        keys: &[&[Pair<Words>]],
        accs: &[Pair<Words>],
        x: [Operand; 2],
        items: core::ops::Range<usize>,
    ) {
        let (first, number, specials) = (digits.first, digits.parts.len(), self.ring.specials());
        let full = digits.q.with(specials);
        let pair = |pair: &Pair<Words>| [&pair[0], &pair[1]].map(|half| Operand::new(half, items.start));
        // Keys and sums that lie in the same slabs share a dispatch.
        let mut sums: Vec<Sum> = Vec::new();
        for (key, acc) in keys.iter().zip(accs) {
            let (out, mut begin) = (pair(acc), 0);
            let halves: Vec<_> = key[first..first + number].iter().map(pair).collect();
            for run in halves.chunk_by(|x, y| (x[0].slab, x[1].slab) == (y[0].slab, y[1].slab)) {
                let [a, b, c, d] = [out[0].slab, out[1].slab, run[0][0].slab, run[0][1].slab];
                let operands = [out].iter().chain(run).flatten().flat_map(|half| half.words).collect();
                sums.push(Sum {
                    range: [begin, begin + run.len()],
                    slabs: [a, b, x[0].slab, x[1].slab, c, d],
                    operands,
                });
                begin += run.len();
            }
        }
        sums.sort_by_key(|sum| sum.range); // what comes first for a key stays first
        for together in sums.chunk_by(|x, y| (x.range, x.slabs) == (y.range, y.slabs)) {
            let Sum { range: [begin, end], slabs, .. } = together[0];
            let header = [digits.alpha.into(), specials.into(), first as u32, number as u32, begin as u32, end as u32];
            let operands = together.iter().flat_map(|sum| &sum.operands);
            let words: Vec<u32> = header.iter().chain(operands).copied().collect();
            let constants = self.recorder.words(&words);
            let (flags, extra) = (u32::from(begin > 0), together.len() as u32);
            let call = Call { flags, constants, extra, ..Call::new(full, &[x[1], x[1], x[0], x[1]]) };
            let grid = [self.columns(1 << x[1].words[3]), full.len() as u32, items.len() as u32];
            self.recorder.dispatch(Kernel::KeySwitch, &slabs, &call, grid);
        }
    }
}

/// The sum of one key over a range of digits, its result and the halves of the key as the table has them.
struct Sum {
    range: [usize; 2],
    slabs: [u16; 6],
    operands: Vec<u32>,
}
