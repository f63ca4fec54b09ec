//! The public key: encryption without the secret.

use super::{gadget::gadget_pair, secret::SecretKey};
use crate::{
    backend::{Backend, Pair},
    error::Result,
    ring::{Basis, sample::Seed},
};

/// A public key (b, a) with b + a s = e over `basis`, the base and main primes of fresh ciphertexts.
pub struct PublicKey<B: Backend> {
    /// b and a.
    pub pair: Pair<B::Buf>,
}

impl<B: Backend> PublicKey<B> {
    /// Draws a public key over `basis`; a is expanded from `seed`. `scratch` holds n integers and is wiped.
    ///
    /// # Errors
    /// Errors of the backend's memory; [`crate::Error::Length`] if `scratch` is not n long.
    pub fn generate(
        be: &mut B,
        sk: &SecretKey<B>,
        basis: Basis,
        seed: &Seed,
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Self> {
        let nothing = Basis::span(basis.start as usize, basis.start as usize);
        let s = sk.limbs();
        Ok(Self { pair: gadget_pair(be, (basis, nothing), s, s, (seed, 0), rng, scratch)? })
    }
}
