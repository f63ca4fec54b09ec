//! Sums of products: one, or many that share their first factors, which then come from memory once. The second
//! factors may be block-constant. Columns are taken a chunk at a time, so that a chunk of every first factor stays in
//! the second-level cache while sum after sum is made of it.

use crate::{
    Cpu, Words,
    isa::Kernel,
    lanes::{LANES, Lanes},
    parallel::{row, rows_mut},
    rows::{get, put, spread},
};
use kernel::{backend::Limbs, modular::Modulus, ring::Basis};

/// Products of canonical words that fit a 64-bit sum.
const TERMS: usize = 16;
/// Vectors that are summed side by side.
const SIDE: usize = 4;
/// Words of them.
const STRIP: usize = SIDE * LANES;
/// Words a chunk.
const CHUNK: usize = 2048;

/// The two factors of a term, the second perhaps block-constant.
pub type Factors<'a> = (&'a [u32], &'a [u32]);

/// `outs[g] = sum of ab`, or `outs[g]` + sum of ab.
pub struct Dots<'a> {
    /// Modulus.
    pub q: Modulus,
    /// Results, and the terms of each.
    pub sums: Vec<(&'a mut [u32], Vec<Factors<'a>>)>,
    /// Whether the sums are added to what the results hold.
    pub accumulate: bool,
}

impl<L: Lanes> Kernel<L> for Dots<'_> {
    type Output = ();
    #[inline(always)]
    fn run(mut self, l: L) {
        let n = self.sums.first().map_or(0, |(out, _)| out.len());
        let q = &l.modulus(self.q);
        for chunk in (0..n).step_by(CHUNK) {
            let end = n.min(chunk + CHUNK);
            for (out, terms) in &mut self.sums {
                for (i, terms) in terms.chunks(TERMS).enumerate() {
                    let accumulate = self.accumulate || i > 0;
                    if n < STRIP {
                        short(l, q, out, terms, accumulate);
                        continue;
                    }
                    for at in (chunk..end).step_by(STRIP) {
                        strip(l, q, out, at, terms, accumulate);
                    }
                }
            }
        }
    }
}

/// All of a short row.
#[inline(always)]
fn short<L: Lanes>(l: L, q: &L::Q, out: &mut [u32], terms: &[Factors<'_>], accumulate: bool) {
    let n = out.len();
    for at in (0..n).step_by(LANES) {
        let mut acc = l.zero();
        for (a, b) in terms {
            acc = l.mul_add(acc, get(l, a, at), spread(l, b, n, at));
        }
        let mut sum = l.canonical(q, l.reduce(q, acc));
        if accumulate {
            sum = l.add(q, sum, get(l, out, at));
        }
        put(l, out, at, sum);
    }
}

/// Words [at, at + STRIP).
#[inline(always)]
fn strip<L: Lanes>(l: L, q: &L::Q, out: &mut [u32], at: usize, terms: &[Factors<'_>], accumulate: bool) {
    let n = out.len();
    let mut acc = [l.zero(); SIDE];
    for (a, b) in terms {
        let a = &a[at..at + STRIP];
        let block = n / b.len();
        if block >= STRIP {
            let b = l.splat(b[at / block]);
            for (k, acc) in acc.iter_mut().enumerate() {
                *acc = l.mul_add(*acc, l.load(a, k * LANES), b);
            }
        } else {
            for (k, acc) in acc.iter_mut().enumerate() {
                *acc = l.mul_add(*acc, l.load(a, k * LANES), spread(l, b, n, at + k * LANES));
            }
        }
    }
    let out = &mut out[at..at + STRIP];
    for (k, acc) in acc.into_iter().enumerate() {
        let mut sum = l.canonical(q, l.reduce(q, acc));
        if accumulate {
            sum = l.add(q, sum, l.load(out, k * LANES));
        }
        l.store(out, k * LANES, sum);
    }
}

impl Cpu<'_> {
    /// [`kernel::backend::Backend::dots`].
    pub(crate) fn shared_dots(
        &self,
        over: Basis,
        outs: &mut [Limbs<Words>],
        a: &[&Limbs<Words>],
        b: &[Option<&Limbs<Words>>],
    ) {
        let small = outs.first().is_some_and(|out| self.is_small(over, out));
        let mut tasks: Vec<Dots<'_>> = Vec::new();
        for (out, b) in outs.iter_mut().zip(b.chunks_exact(a.len())) {
            for (r, (p, out)) in rows_mut(out, over).into_iter().enumerate() {
                if tasks.len() == r {
                    tasks.push(Dots { q: self.ring.modulus(p.m), sums: Vec::new(), accumulate: false });
                }
                let terms = a.iter().zip(b).filter_map(|(a, b)| b.map(|b| (row(a, p), row(b, p))));
                tasks[r].sums.push((out, terms.collect()));
            }
        }
        self.threads.each(small, tasks, |task| self.isa.run(task));
    }
}
