//! The public key: encryption without the secret.

use super::{
    derive::{UniformHalf, uniform},
    gadget::gadget_pair,
    public_seed,
    secret::SecretKey,
};
use crate::{
    backend::{Backend, Pair},
    error::Result,
    params::{KeySecret, Params},
    ring::{Basis, sample::Seed},
};

/// A public key (b, a) with b + a s = e over `basis`, the base and main primes of fresh ciphertexts.
pub struct PublicKey<B: Backend> {
    /// The public seed of a.
    pub seed: Seed,
    /// b and a.
    pub pair: Pair<B::Buf>,
}

impl<B: Backend> PublicKey<B> {
    /// Draws a public key over `basis`, and its public seed. `scratch` holds n integers and is wiped.
    ///
    /// # Errors
    /// Errors of the backend's memory; [`crate::Error::Length`] if `scratch` is not n long.
    pub fn generate(
        be: &mut B,
        params: &Params,
        sk: &SecretKey<B>,
        basis: Basis,
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Self> {
        let nothing = Basis::span(basis.start as usize, basis.start as usize);
        let (s, seed) = (sk.limbs(), public_seed(rng));
        let a = uniform(params, UniformHalf::PublicKey, 0, &seed);
        Ok(Self { seed, pair: gadget_pair(be, params, (basis, nothing), s, (s, KeySecret::Dense), &a, rng, scratch)? })
    }
}
