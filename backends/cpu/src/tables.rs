//! Twiddle factors in the form of the lanes. The stages between vectors have a word and its quotient. The three stages
//! inside vectors have one word, and the lanes compute the quotient again, because these factors take the most memory.

use crate::{
    isa::Isa,
    lanes::{Kernel, LANES, Lanes, Twiddle},
};
use polyformer_kernel::{math::modular::Modulus, ring::Ring};

/// The shortest transform that lanes do; [`polyformer_kernel::ring::limb`] does shorter ones.
pub const SHORTEST: usize = 2 * LANES;

/// The factors of one direction of one modulus; entry i belongs to node i of the transform's binary tree, as in
/// [`Ring::twiddles`].
#[derive(Clone, Debug)]
pub struct Tree {
    /// Entries below n/8 as factors. Entry 0, which no butterfly uses, is 2^32.
    pub factors: Vec<Twiddle>,
    /// Every entry in its word form.
    pub words: Vec<u32>,
}

/// The factors of one modulus.
#[derive(Clone, Debug)]
pub struct Table {
    /// The prime.
    pub q: Modulus,
    /// From Coeff to Eval.
    pub forward: Tree,
    /// From Eval to Coeff.
    pub inverse: Tree,
}

struct Build<'a> {
    ring: &'a Ring<'a>,
    m: usize,
}

impl<L: Lanes> Kernel<L> for Build<'_> {
    type Output = Table;
    #[inline(always)]
    fn run(self, _: L) -> Table {
        let q = self.ring.modulus(self.m);
        let tree = |twiddles: &[u32]| Tree {
            factors: twiddles[..twiddles.len() / LANES]
                .iter()
                .enumerate()
                .map(|(i, w)| L::twiddle(q, if i == 0 { q.one() } else { q.from_mont(*w) }))
                .collect(),
            words: twiddles.iter().map(|w| L::word(q, *w)).collect(),
        };
        Table { q, forward: tree(self.ring.twiddles(self.m)), inverse: tree(self.ring.inv_twiddles(self.m)) }
    }
}

/// The twiddle factors of the prime with index `m`, for the instruction set `isa`.
pub fn build(isa: Isa, ring: &Ring<'_>, m: usize) -> Table {
    isa.run(Build { ring, m })
}

/// The factors of the last stage of an inverse transform.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Every word.
    pub all: Twiddle,
    /// The factors of the last butterflies in that case: the factor of the root times `all`.
    pub root: Twiddle,
}

impl End {
    /// 1/(n 2^32), as [`polyformer_kernel::ring::limb::intt`] ends, times `c`, plain.
    pub fn new<L: Lanes>(_: L, table: &Table, n: usize, c: u32) -> Self {
        let q = table.q;
        let all = q.mul(q.inv(n as u32), c); // (n^-1 c) / 2^32
        let root = table.inverse.factors.get(1).map_or(0, |w| w[0] as u32);
        Self { all: L::twiddle(q, all), root: L::twiddle(q, q.mul(q.to_mont(all), root)) }
    }
}
