//! Twiddle factors in the form that the lanes want: for the stages between vectors a word and its quotient, for the
//! three stages inside vectors one word, from which the quotient is recomputed, because there they fill memory.

use crate::{
    isa::{Isa, Kernel},
    lanes::{LANES, Lanes, Twiddle},
};
use kernel::{modular::Modulus, ring::Ring};

/// The shortest transform that lanes do; [`kernel::ring::limb`] does shorter ones.
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

/// The table of line index `m`.
pub fn build(isa: Isa, ring: &Ring<'_>, m: usize) -> Table {
    isa.run(Build { ring, m })
}

/// What [`limb::intt`] multiplies by at its end, 1/(n 2^32), times `c`; plain.
pub fn inverse_scale(q: Modulus, n: usize, c: u32) -> u32 {
    q.mul(q.inv(n as u32), c) // (n^-1 c) / 2^32
}
