//! All keys of a demand, drawn in one call.

use super::{
    evaluation_keys::Keys,
    gadget::{EvaluationKey, Switch},
    raise::RaiseKeys,
    secret::SecretKey,
};
use crate::{arith::cost::Demand, backend::Backend, error::Result, params::Params};
use alloc::vec;

impl<B: Backend> Keys<B> {
    /// Draws the keys of `demand`, each with a public seed of its own from `rng`. `sk` covers P and the whole chain
    /// ([`Params::full`]). The order: relinearisation, rotations by rising step, conjugation, ModRaise.
    ///
    /// # Errors
    /// [`crate::Error::NoBootstrap`] and [`crate::Error::Insecure`] for keys of ModRaise that the parameters do not
    /// allow; errors of the backend's memory.
    pub fn generate(
        be: &mut B,
        params: &Params,
        sk: &SecretKey<B>,
        demand: &Demand,
        rng: &mut impl rand_core::CryptoRng,
    ) -> Result<Self> {
        let (mut keys, mut scratch) = (Self::default(), vec![0; params.n()]);
        if let Some(level) = demand.relin {
            let what = (Switch::Relinearize, level);
            keys.relin = Some(EvaluationKey::generate(be, params, sk, what, rng, &mut scratch)?);
        }
        let rotations = demand.rotations.iter().map(|(k, level)| (params.galois(*k), *level));
        let conjugate = demand.conjugate.map(|level| (params.galois_conjugate(), level));
        for (g, level) in rotations.chain(conjugate) {
            let what = (Switch::Galois(g), level);
            keys.galois.insert(g, EvaluationKey::generate(be, params, sk, what, rng, &mut scratch)?);
        }
        if demand.raise {
            keys.raise = Some(RaiseKeys::generate(be, params, sk, rng, &mut scratch)?);
        }
        Ok(keys)
    }
}
