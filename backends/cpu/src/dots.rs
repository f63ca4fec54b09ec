//! Sums of products: one sum, or many sums that share their first factors. Shared first factors are read from memory
//! once. The second factors may be block-constant. The code computes a chunk of columns at a time. A chunk of every
//! first factor then stays in the second-level cache for all sums.

use crate::{
    lanes::{Kernel, LANES, Lanes},
    memory::Words,
    parallel::{row, rows_mut},
    rows::{get, put, spread},
    state::Cpu,
};
use core::ops::Range;
use polyformer_kernel::{backend::Limbs, math::modular::Modulus, ring::Basis};

/// Products of canonical words that fit a 64-bit sum.
const TERMS: usize = 16;
/// Vectors that are summed side by side.
const SIDE: usize = 4;
/// Words of them.
const STRIP: usize = SIDE * LANES;
/// Words a chunk.
const CHUNK: usize = 2048;
/// Sums that share each load of a first factor, where the registers hold them.
const TOGETHER: usize = 4;
/// Words of a first factor that are copied next to those of the others. Rows lie a power of two apart, so that equal
/// columns of many rows evict one another from the first-level cache.
const TILE: usize = 128;
/// Results from which on copies pay.
const COPIES: usize = 4;

/// A second factor: a word for each 2^log words of a first factor.
#[derive(Clone, Copy, Debug)]
pub struct Factor<'a> {
    words: &'a [u32],
    log: u32,
}

impl<'a> Factor<'a> {
    /// For rows of n words.
    pub fn new(words: &'a [u32], n: usize) -> Self {
        Self { words, log: n.trailing_zeros() - words.len().trailing_zeros() }
    }
}

/// `outs[g] = sum_i a[i] b[g][i]`, or `outs[g]` + that.
pub struct Dots<'a> {
    /// Modulus.
    pub q: Modulus,
    /// Results.
    pub outs: Vec<&'a mut [u32]>,
    /// First factors.
    pub a: Vec<&'a [u32]>,
    /// As many second factors for each result.
    pub b: Vec<Factor<'a>>,
    /// Whether the sums are added to the old contents of the results.
    pub accumulate: bool,
}

impl<L: Lanes> Kernel<L> for Dots<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Self { q, mut outs, a, b, accumulate } = self;
        let (n, q, width) = (outs.first().map_or(0, |out| out.len()), &l.modulus(q), a.len());
        if n < STRIP {
            for (out, b) in outs.iter_mut().zip(b.chunks_exact(width)) {
                short(l, q, out, &a, b, accumulate);
            }
            return;
        }
        let run = 1 << b.iter().map(|b| b.log).min().unwrap_or(0);
        for chunk in (0..n).step_by(CHUNK) {
            let to = n.min(chunk + CHUNK);
            for first in (0..width).step_by(TERMS) {
                let a = &a[first..width.min(first + TERMS)];
                let sums = Sums { a, b: &b, width, first, accumulate: accumulate || first > 0 };
                if L::FEW && run >= STRIP && outs.len() >= COPIES {
                    sums.of_copies(l, q, run, &mut outs, chunk..to);
                } else {
                    sums.of_columns(l, q, run, &mut outs, chunk..to);
                }
            }
        }
    }
}

/// All of a short row.
#[inline(always)]
fn short<L: Lanes>(l: L, q: &L::Q, out: &mut [u32], a: &[&[u32]], b: &[Factor<'_>], accumulate: bool) {
    let n = out.len();
    for (i, (a, b)) in a.chunks(TERMS).zip(b.chunks(TERMS)).enumerate() {
        for at in (0..n).step_by(LANES) {
            let mut acc = l.zero();
            for (a, b) in a.iter().zip(b) {
                acc = l.mul_add(acc, get(l, a, at), spread(l, b.words, n, at));
            }
            let mut sum = l.canonical(q, l.reduce(q, acc));
            if accumulate || i > 0 {
                sum = l.add(q, sum, get(l, out, at));
            }
            put(l, out, at, sum);
        }
    }
}

/// At most [`TERMS`] terms of a few sums.
#[derive(Clone, Copy)]
struct Sums<'a> {
    /// First factors `first`..
    a: &'a [&'a [u32]],
    /// All second factors, `width` a sum.
    b: &'a [Factor<'a>],
    width: usize,
    first: usize,
    accumulate: bool,
}

impl Sums<'_> {
    /// A tile at a time, whose first factors are copied side by side. Second factors are constant on `run` columns.
    #[inline(always)]
    fn of_copies<L: Lanes>(self, l: L, q: &L::Q, run: usize, outs: &mut [&mut [u32]], columns: Range<usize>) {
        let (sums, mut tile) = (self, [0; TERMS * TILE]);
        for start in columns.clone().step_by(TILE.min(run)) {
            let columns = start..columns.end.min(start + TILE.min(run));
            for (a, copy) in self.a.iter().zip(tile.chunks_exact_mut(TILE)) {
                copy[..columns.len()].copy_from_slice(&a[columns.clone()]);
            }
            for (k, outs) in outs.chunks_mut(2).enumerate() {
                let (tile, first, columns) = (&tile, 2 * k, columns.clone());
                match outs {
                    [o0, o1] => {
                        let outs = [&mut o0[columns.clone()], &mut o1[columns.clone()]];
                        l.call(OfTile::<L, 2, 2> { sums, q, tile, first, outs, column: start });
                    }
                    [out] => {
                        let outs = [&mut out[columns]];
                        l.call(OfTile::<L, 1, 4> { sums, q, tile, first, outs, column: start });
                    }
                    _ => {}
                }
            }
        }
    }

    /// A few results at a time, all columns of the chunk.
    #[inline(always)]
    fn of_columns<L: Lanes>(self, l: L, q: &L::Q, run: usize, outs: &mut [&mut [u32]], columns: Range<usize>) {
        let together = if L::FEW { 1 } else { TOGETHER };
        for (k, outs) in outs.chunks_mut(together).enumerate() {
            let sums = Sums { b: &self.b[k * together * self.width..], ..self };
            if run >= STRIP {
                sums.of_constants::<L, STRIP>(l, q, outs, columns.clone());
            } else if run >= LANES {
                sums.of_constants::<L, LANES>(l, q, outs, columns.clone());
            } else {
                for (g, out) in outs.iter_mut().enumerate() {
                    let b = &sums.b[g * self.width + self.first..][..self.a.len()];
                    l.call(OfRows { sums, q, b, out, columns: columns.clone() });
                }
            }
        }
    }

    #[inline(always)]
    fn of_constants<L: Lanes, const RUN: usize>(self, l: L, q: &L::Q, outs: &mut [&mut [u32]], columns: Range<usize>) {
        let sums = self;
        match outs {
            [o0, o1, o2, o3] => {
                let outs = [&mut **o0, &mut **o1, &mut **o2, &mut **o3];
                l.call(OfConstants::<L, 4, RUN> { sums, q, outs, columns });
            }
            [o0, o1, o2] => {
                l.call(OfConstants::<L, 3, RUN> { sums, q, outs: [&mut **o0, &mut **o1, &mut **o2], columns });
            }
            [o0, o1] => l.call(OfConstants::<L, 2, RUN> { sums, q, outs: [&mut **o0, &mut **o1], columns }),
            [out] => l.call(OfConstants::<L, 1, RUN> { sums, q, outs: [&mut **out], columns }),
            _ => {}
        }
    }

    /// Reduces and stores a strip.
    #[inline(always)]
    fn finish<L: Lanes, const S: usize>(self, l: L, q: &L::Q, acc: [L::A; S], out: &mut [u32]) {
        let out = &mut out[..S * LANES];
        for (k, acc) in acc.into_iter().enumerate() {
            let mut sum = l.canonical(q, l.reduce(q, acc));
            if self.accumulate {
                sum = l.add(q, sum, l.load(out, k * LANES));
            }
            l.store(out, k * LANES, sum);
        }
    }
}

/// Sums in which every second factor is constant on runs of RUN words, a vector or a strip.
struct OfConstants<'a, 'q, L: Lanes, const G: usize, const RUN: usize> {
    sums: Sums<'a>,
    q: &'q L::Q,
    outs: [&'a mut [u32]; G],
    columns: Range<usize>,
}

impl<L: Lanes, const G: usize, const RUN: usize> Kernel<L> for OfConstants<'_, '_, L, G, RUN> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Self { sums, q, outs, columns } = self;
        for at in columns.step_by(STRIP) {
            let mut acc = [[l.zero(); SIDE]; G];
            for (i, a) in sums.a.iter().enumerate() {
                let a = &a[at..at + STRIP];
                let mut x = [l.splat(0); SIDE];
                for (k, x) in x.iter_mut().enumerate() {
                    *x = l.load(a, k * LANES);
                }
                for (g, acc) in acc.iter_mut().enumerate() {
                    let b = sums.b[g * sums.width + sums.first + i];
                    let mut y = l.splat(b.words[at >> b.log]);
                    for k in 0..SIDE {
                        if RUN < STRIP {
                            y = l.splat(b.words[(at + k * LANES) >> b.log]);
                        }
                        acc[k] = l.mul_add(acc[k], x[k], y);
                    }
                }
            }
            for g in 0..G {
                sums.finish(l, q, acc[g], &mut outs[g][at..]);
            }
        }
    }
}

/// Sums from `first`, of columns on which every second factor is constant: G sums of S vectors side by side.
struct OfTile<'a, 'q, L: Lanes, const G: usize, const S: usize> {
    sums: Sums<'a>,
    q: &'q L::Q,
    /// The columns of the first factors, [`TILE`] words a factor.
    tile: &'a [u32; TERMS * TILE],
    first: usize,
    outs: [&'a mut [u32]; G],
    column: usize,
}

impl<L: Lanes, const G: usize, const S: usize> Kernel<L> for OfTile<'_, '_, L, G, S> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Self { sums, q, tile, first, mut outs, column } = self;
        let (terms, mut factors) = (sums.a.len(), [[0; G]; TERMS]);
        for g in 0..G {
            let b = &sums.b[(first + g) * sums.width + sums.first..][..terms];
            for (factors, b) in factors.iter_mut().zip(b) {
                factors[g] = b.words[column >> b.log];
            }
        }
        for at in (0..outs[0].len()).step_by(S * LANES) {
            let mut acc = [[l.zero(); S]; G];
            for (a, factors) in tile.chunks_exact(TILE).zip(&factors[..terms]) {
                let a = &a[at..at + S * LANES];
                let mut x = [l.splat(0); S];
                for (k, x) in x.iter_mut().enumerate() {
                    *x = l.load(a, k * LANES);
                }
                for (acc, &factor) in acc.iter_mut().zip(factors) {
                    let y = l.splat(factor);
                    for k in 0..S {
                        acc[k] = l.mul_add(acc[k], x[k], y);
                    }
                }
            }
            for (acc, out) in acc.into_iter().zip(&mut outs) {
                sums.finish(l, q, acc, &mut out[at..]);
            }
        }
    }
}

/// One sum, with any second factors.
struct OfRows<'a, 'q, L: Lanes> {
    sums: Sums<'a>,
    q: &'q L::Q,
    b: &'a [Factor<'a>],
    out: &'a mut [u32],
    columns: Range<usize>,
}

impl<L: Lanes> Kernel<L> for OfRows<'_, '_, L> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Self { sums, q, b, out, columns } = self;
        for at in columns.step_by(STRIP) {
            let mut acc = [l.zero(); SIDE];
            for (a, b) in sums.a.iter().zip(b) {
                let a = &a[at..at + STRIP];
                let mut words = [0; STRIP];
                let b = match b.log {
                    0 => &b.words[at..at + STRIP],
                    log if 1 << log >= STRIP => {
                        words = [b.words[at >> log]; STRIP];
                        &words
                    }
                    _ => {
                        for (i, word) in words.iter_mut().enumerate() {
                            *word = b.words[(at + i) >> b.log];
                        }
                        &words
                    }
                };
                for (k, acc) in acc.iter_mut().enumerate() {
                    *acc = l.mul_add(*acc, l.load(a, k * LANES), l.load(b, k * LANES));
                }
            }
            sums.finish(l, q, acc, &mut out[at..]);
        }
    }
}

impl Cpu<'_> {
    /// [`polyformer_kernel::backend::Backend::inner_products`].
    pub(crate) fn shared_dots(
        &self,
        over: Basis,
        outs: &mut [Limbs<Words>],
        a: &[&Limbs<Words>],
        b: &[Option<&Limbs<Words>>],
    ) {
        let Some(shape) = outs.first().map(|out| out.shape) else { return };
        let (n, small) = (shape.cols as usize, self.is_small(over, &outs[0]));
        let mut tasks: Vec<Dots<'_>> = Vec::new();
        for (out, b) in outs.iter_mut().zip(b.chunks_exact(a.len())) {
            for (r, (p, out)) in rows_mut(out, over).into_iter().enumerate() {
                if tasks.len() == r {
                    let a = a.iter().map(|a| row(a, p)).collect();
                    tasks.push(Dots { q: self.ring.modulus(p.m), outs: vec![], a, b: vec![], accumulate: false });
                }
                let words = b.iter().map(|b| b.map_or(&[0][..], |b| row(b, p)));
                tasks[r].b.extend(words.map(|words| Factor::new(words, n)));
                tasks[r].outs.push(out);
            }
        }
        self.threads.each(small, tasks, |task| self.isa.run(task));
    }
}
