//! What a seed is expanded to. A seed never generates words itself. A chain derives a key from the seed, the kind of
//! the words, an index, and the parameter set ([`crate::ring::chain`], docs/math.md §6.1). One seed therefore gives
//! unrelated words to two kinds of key, to two indices, and to two parameter sets; a secret is unrelated to everything
//! that is public.

use crate::{
    params::Params,
    ring::{chain::chain, sample::Seed},
};

/// The first word of every chain: "polykeys", in ASCII.
const DOMAIN: u64 = 0x7379_656b_796c_6f70;

/// The uniform half of a key or of a ciphertext, by kind. An index beside the kind counts the halves of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniformHalf {
    /// Of the public key; index 0.
    PublicKey,
    /// Of a relinearisation key for levels up to `level`; index j for digit j.
    Relinearize {
        /// The highest level of the key.
        level: u8,
    },
    /// Of the key of X -> X^`element` for levels up to `level`; index j for digit j.
    Galois {
        /// The Galois element.
        element: u32,
        /// The highest level of the key.
        level: u8,
    },
    /// Of the keys of ModRaise; index 0 to the sparse secret, 1 back.
    Raise,
    /// Of a key from a small ring's secret; index 0.
    Lift,
    /// Of a key to a small ring's secret; index j for digit j.
    Lower,
    /// Of ciphertexts; index 0. Item i of one seed is item i of the expansion.
    Ciphertext,
}

/// What stays secret.
#[derive(Clone, Copy)]
pub(super) enum Secrecy {
    /// The dense secret; index 0.
    Dense,
    /// A sparse secret; the index is the weight.
    Sparse,
    /// The keys that bind a client's randomness to the message; index 0 to hash the message, 1 to derive the generator.
    Hedge,
}

impl UniformHalf {
    fn word(self) -> u64 {
        let word = |tag: u64, level: u8, element: u32| (tag << 8 | level as u64) << 32 | element as u64;
        match self {
            Self::PublicKey => word(1, 0, 0),
            Self::Relinearize { level } => word(2, level, 0),
            Self::Galois { element, level } => word(3, level, element),
            Self::Raise => word(4, 0, 0),
            Self::Lift => word(5, 0, 0),
            Self::Lower => word(6, 0, 0),
            Self::Ciphertext => word(7, 0, 0),
        }
    }
}

/// The key of [`crate::backend::Backend::upload_uniform`], from stream 0, for a half that `seed` stands for.
/// Everything here is public. Cost: 7 calls of ChaCha20.
pub fn uniform(params: &Params, half: UniformHalf, index: u64, seed: &Seed) -> Seed {
    let mut key = *seed;
    derive(params, half.word(), index, &mut key);
    key
}

/// A secret key from a secret seed, in place.
pub(super) fn secret(params: &Params, what: Secrecy, index: u64, key: &mut Seed) {
    let tag = match what {
        Secrecy::Dense => 128,
        Secrecy::Sparse => 129,
        Secrecy::Hedge => 130,
    };
    derive(params, tag << 40, index, key);
}

fn derive(params: &Params, what: u64, index: u64, key: &mut Seed) {
    let [a, b, c, d] = *params.fingerprint();
    chain(key, [DOMAIN, what, index, a, b, c, d]);
}
