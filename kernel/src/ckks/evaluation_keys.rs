//! The keys that a client gives to a server: for relinearisation, rotations, conjugation and ModRaise.

use super::{gadget::EvaluationKey, raise::RaiseKeys};
use crate::{
    arith::cost::Demand,
    backend::{Backend, Pair},
    error::{Error, Result},
    params::Params,
};
use alloc::collections::BTreeMap;

/// The evaluation keys of one client.
pub struct Keys<B: Backend> {
    /// Relinearisation.
    pub relin: Option<EvaluationKey<B>>,
    /// The keys of ModRaise.
    pub raise: Option<RaiseKeys<B>>,
    /// By Galois element.
    pub galois: BTreeMap<u32, EvaluationKey<B>>,
}

impl<B: Backend> Default for Keys<B> {
    fn default() -> Self {
        Self { relin: None, raise: None, galois: BTreeMap::new() }
    }
}

impl<B: Backend> Keys<B> {
    /// An error that names the first key of `demand` that is missing or was made for lower levels.
    ///
    /// # Errors
    /// The first key of `demand` that is missing, or that was made for lower levels ([`Error::KeyLevel`]).
    pub fn check_demand(&self, params: &Params, demand: &Demand) -> Result<()> {
        if let Some(level) = demand.relin {
            self.relin(level)?;
        }
        if let Some(level) = demand.conjugate {
            self.galois(params.galois_conjugate(), level)?;
        }
        if demand.raise && self.raise.is_none() {
            return Err(Error::NoBootstrap);
        }
        for (step, level) in &demand.rotations {
            let key = self.galois(params.galois(*step), *level);
            key.map_err(|e| match e {
                Error::MissingGaloisKey { galois } => Error::MissingRotationKey { step: *step, galois },
                other => other,
            })?;
        }
        Ok(())
    }

    /// The digits of the relinearisation key, for an operand at `level`.
    ///
    /// # Errors
    /// [`Error::MissingRelinKey`]; [`Error::KeyLevel`] if the key was made for lower levels.
    pub fn relin(&self, level: u8) -> Result<&[Pair<B::Buf>]> {
        self.relin.as_ref().ok_or(Error::MissingRelinKey)?.at(level)
    }

    /// The digits of the key of X -> X^`galois`, for an operand at `level`.
    ///
    /// # Errors
    /// [`Error::MissingGaloisKey`]; [`Error::KeyLevel`] if the key was made for lower levels.
    pub fn galois(&self, galois: u32, level: u8) -> Result<&[Pair<B::Buf>]> {
        self.galois.get(&galois).ok_or(Error::MissingGaloisKey { galois })?.at(level)
    }
}
