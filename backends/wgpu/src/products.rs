//! Sums of gadget products: one dispatch for all sums whose operands are in the same slabs.

use crate::{
    call::{Call, Operand},
    digits::Digits,
    memory::Words,
    shader::{Kernel, OPERAND_BUFFERS},
    state::Wgpu,
};
use polyformer_kernel::{backend::Pair, ring::Basis};

/// The first word of a term in the table, for the sum over digits. An addend begins with 1 plus its half.
const DIGITS: u32 = 0;

/// Results, and the terms of each sum.
pub(crate) struct Products {
    over: Basis,
    header: [u32; 4],
    ext: Operand,
    source: Operand,
    own: Option<u16>, // the slab of the operand that was cut into digits
    results: Vec<([Operand; 2], bool)>,
    terms: Vec<Term>,
}

/// A term in the table.
struct Term {
    slabs: [u16; OPERAND_BUFFERS],
    result: usize,
    words: Vec<u32>,
}

/// The digits of item `at` and of the following items, times a key whose first item is `item`.
pub(crate) struct Product<'a> {
    pub result: usize,
    pub galois: u32,
    pub at: u32,
    pub key: &'a [Pair<Words>],
    pub item: usize,
}

impl Products {
    /// A table without results. `ext` has the extended digits. `own` has the primes per digit and the slab of `source`,
    /// if the digits' own rows are in `source` and not in `ext`.
    pub fn new(
        over: Basis,
        digits: &Digits,
        specials: u16,
        ext: Operand,
        source: Operand,
        own: Option<(u16, u16)>,
    ) -> Self {
        let alpha = own.map_or(0, |(alpha, _)| alpha);
        let header = [alpha.into(), specials.into(), digits.first as u32, digits.parts.len() as u32];
        Self { over, header, ext, source, own: own.map(|(_, slab)| slab), results: Vec::new(), terms: Vec::new() }
    }

    /// Begins a result. With `begun`, the old contents are part of the sum.
    pub fn result(&mut self, out: [Operand; 2], begun: bool) -> usize {
        self.results.push((out, begun));
        self.results.len() - 1
    }

    /// Adds the product of the digits with a key to a result.
    pub fn product(&mut self, p: &Product<'_>) {
        let [out0, out1] = self.results[p.result].0;
        let halves = |pair: &Pair<Words>| [&pair[0], &pair[1]].map(|half| Operand::new(half, p.item));
        let halves: Vec<_> = p.key.iter().map(halves).collect();
        let like = |x: &Operand, y: &Operand| x.joins(y) && x.stride == y.stride;
        let mut begin = 0;
        for run in halves.chunk_by(|x, y| like(&x[0], &y[0]) && like(&x[1], &y[1])) {
            let end = begin + run.len() as u32;
            let [b, a] = run[0];
            let mut words = vec![DIGITS, p.galois, p.at, begin, end, b.basis, b.stride, a.basis, a.stride];
            words.extend(run.iter().flatten().map(|half| half.offset));
            let third = self.own.unwrap_or(out0.slab);
            let slabs = [out0.slab, out1.slab, self.ext.slab, third, b.slab, a.slab];
            self.terms.push(Term { slabs, result: p.result, words });
            begin = end;
        }
    }

    /// Adds operand `a` to half `half` of result `result`, multiplied per row by the constants at table offset
    /// `factors` (0: no factor). A product for that result must already exist. The addend joins its dispatch when the
    /// slabs allow.
    pub fn add(&mut self, result: usize, galois: u32, half: usize, a: Operand, factors: u32) {
        let mut products = self.terms.iter_mut().rev().filter(|term| term.result == result);
        let Some(last) = products.next() else { return };
        if self.own.is_none() && last.words[0] == DIGITS {
            last.slabs[3] = a.slab; // nothing else is there
        }
        let mut slabs = last.slabs;
        slabs[3] = a.slab;
        let mut words = vec![1 + half as u32, galois, factors];
        words.extend(a.words());
        self.terms.push(Term { slabs, result, words });
    }
}

impl Wgpu<'_> {
    /// Records the dispatches of all results, for `items` items.
    pub(crate) fn products(&mut self, mut all: Products, items: usize) {
        all.terms.sort_by_key(|term| (term.slabs, term.result));
        for together in all.terms.chunk_by(|x, y| x.slabs == y.slabs) {
            let (mut words, mut results) = (all.header.to_vec(), 0);
            for terms in together.chunk_by(|x, y| x.result == y.result) {
                let (out, begun) = &mut all.results[terms[0].result];
                words.extend([u32::from(*begun), terms.len() as u32]);
                words.extend(out.iter().flat_map(Operand::words));
                words.extend(terms.iter().flat_map(|term| &term.words));
                *begun = true;
                results += 1;
            }
            let constants = self.recorder.words(&words);
            let call = Call {
                constants,
                extra: results,
                ..Call::new(all.over, &[all.source, all.source, all.ext, all.source])
            };
            let grid = [self.columns(1 << all.source.log_cols), all.over.len() as u32, items as u32];
            self.recorder.dispatch(Kernel::KeySwitch, &together[0].slabs, &call, grid);
        }
    }
}
