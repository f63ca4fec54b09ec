//! All keys of a demand, drawn in one call.

use super::{
    evaluation_keys::Keys,
    gadget::{EvaluationKey, Switch},
    raise::RaiseKeys,
    secret::SecretKey,
};
use crate::{arith::cost::Demand, backend::Backend, error::Result, params::Params, ring::sample::Seed};
use alloc::vec;

/// A public seed of 32 bytes from `rng`, from which the uniform half of a key or a ciphertext is expanded.
pub fn public_seed(rng: &mut impl rand_core::CryptoRng) -> Seed {
    let mut seed = Seed::default();
    rng.fill_bytes(&mut seed);
    seed
}

impl<B: Backend> Keys<B> {
    /// Draws the keys of `demand`. `sk` covers P and the whole chain ([`Params::modulus_chain`] with
    /// [`Params::specials`]). `rng` also gives the public seeds.
    ///
    /// # Errors
    ///
    /// The errors of [`Keys::generate_seeded`].
    pub fn generate(
        be: &mut B,
        params: &Params,
        sk: &SecretKey<B>,
        demand: &Demand,
        rng: &mut impl rand_core::CryptoRng,
    ) -> Result<Self> {
        Self::generate_seeded(be, params, sk, demand, rng, |rng| public_seed(rng))
    }

    /// [`Keys::generate`] with public seeds from `seed`, which is called once for each key, before the key is drawn.
    /// The order: relinearisation, rotations by rising step, conjugation, ModRaise.
    ///
    /// # Errors
    /// [`crate::Error::NoBootstrap`] and [`crate::Error::Insecure`] for keys of ModRaise that the parameters do not
    /// allow; errors of the backend's memory.
    pub fn generate_seeded<R: rand_core::CryptoRng>(
        be: &mut B,
        params: &Params,
        sk: &SecretKey<B>,
        demand: &Demand,
        rng: &mut R,
        mut seed: impl FnMut(&mut R) -> Seed,
    ) -> Result<Self> {
        let (mut keys, mut scratch) = (Self::default(), vec![0; params.n()]);
        let mut draw = |be: &mut B, switch: Switch, level: u8, rng: &mut R, seed: &Seed| {
            EvaluationKey::generate(be, params, sk, (switch, level), seed, rng, &mut scratch)
        };
        if let Some(level) = demand.relin {
            let seed = seed(rng);
            keys.relin = Some(draw(be, Switch::Relinearize, level, rng, &seed)?);
        }
        let rotations = demand.rotations.iter().map(|(k, level)| (params.galois(*k), *level));
        let conjugate = demand.conjugate.map(|level| (params.galois_conjugate(), level));
        for (g, level) in rotations.chain(conjugate) {
            let seed = seed(rng);
            keys.galois.insert(g, draw(be, Switch::Galois(g), level, rng, &seed)?);
        }
        if demand.raise {
            let seed = seed(rng);
            keys.raise = Some(RaiseKeys::generate(be, params, sk, &seed, rng, &mut scratch)?);
        }
        Ok(keys)
    }
}
