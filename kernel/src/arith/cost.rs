//! The units of cost of a circuit: operations, the keys of a circuit, and the backend's work per level.

use alloc::collections::BTreeMap;

/// The operations that a circuit executes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Cost {
    /// Products of two ciphertexts.
    pub mul: u32,
    /// Products with a public vector, including the products inside linear maps.
    pub mul_plain: u32,
    /// Products with a constant.
    pub mul_const: u32,
    /// Rescales.
    pub rescale: u32,
    /// Relinearisations and rotations, including giant steps.
    pub key_switch: u32,
    /// Groups of rotations that share a mod_up.
    pub hoist: u32,
    /// Bootstraps.
    pub bootstrap: u32,
    /// The most vectors alive at one moment, products included.
    pub peak: u32,
}

impl Cost {
    /// The first operation that `executed` counts otherwise, with both numbers. The peak is a plan's alone.
    pub fn differs(&self, executed: &Self) -> Option<(&'static str, u32, u32)> {
        let counts = |c: &Self| [c.bootstrap, c.key_switch, c.mul, c.rescale, c.mul_plain, c.mul_const, c.hoist];
        let names = ["bootstraps", "key switches", "products", "rescales", "plain products", "constants", "hoists"];
        let pairs = names.into_iter().zip(counts(self)).zip(counts(executed));
        pairs.map(|((name, a), b)| (name, a, b)).find(|(_, a, b)| a != b)
    }
}

/// The keys of a circuit, each with the highest level of its uses. A key is stored for that level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Relinearisation.
    pub relin: Option<u8>,
    /// Complex conjugation.
    pub conjugate: Option<u8>,
    /// Rotations, by steps in [1, slots).
    pub rotations: BTreeMap<i32, u8>,
    /// The pair of keys of ModRaise, which bootstrapping uses.
    pub raise: bool,
}

impl Demand {
    /// Takes in the keys of `other`: each key is then for the higher of the two levels.
    pub fn join(&mut self, other: &Self) {
        (self.relin, self.conjugate) = (self.relin.max(other.relin), self.conjugate.max(other.conjugate));
        self.raise |= other.raise;
        for (step, level) in &other.rotations {
            let highest = self.rotations.entry(*step).or_insert(*level);
            *highest = (*highest).max(*level);
        }
    }
}

/// One kind of the backend's work, at the level of its operands. The predicted seconds are the count times the seconds
/// of one at that level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Work {
    /// The digits of a polynomial, extended to P and Q.
    ModUp,
    /// Digits times one key, and the permutation.
    Gadget,
    /// A polynomial over P and Q, divided by P and by the primes of a rescale.
    ModDown,
    /// A public vector times a ciphertext over P and Q, inside a linear map.
    Term,
    /// A product of two ciphertexts, neither relinearised nor rescaled.
    Tensor,
    /// A polynomial divided by primes of Q.
    Rescale,
    /// One pass over a ciphertext: a sum, a constant.
    Pass,
    /// A public vector of this many slots, encoded over P and Q.
    Encode(u32),
    /// ModRaise.
    Raise,
    /// First touch of the memory of one polynomial over P and all of Q (page faults). The tracer does not count this
    /// kind; the caller adds the count for the first run of a process.
    Fresh,
}

/// The number of times of each kind of work at each level.
pub type Tally = BTreeMap<(Work, u8), u32>;
