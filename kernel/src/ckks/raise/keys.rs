//! The keys of ModRaise, and the moduli under which the keys may exist.

use crate::{
    backend::{Backend, Pair},
    ckks::{
        derive::{UniformHalf, uniform},
        gadget::gadget_pair,
        public_seed,
        secret::{SecretKey, SecretSeed},
    },
    error::Result,
    params::{KeySecret, Params, SPARSE_WEIGHT},
    ring::{Basis, sample::Seed},
};

/// The two key-switching keys of one digit each.
pub struct RaiseKeys<B: Backend> {
    /// The public seed of both halves a.
    pub seed: Seed,
    /// From s to the sparse secret, over [`sparse_basis`].
    pub to_sparse: Pair<B::Buf>,
    /// Back to s, over [`dense_basis`].
    pub to_dense: Pair<B::Buf>,
}

/// The moduli of the key to the sparse secret ([`Params::sparse_basis`]).
///
/// # Errors
/// Those of [`Params::sparse_basis`].
pub fn sparse_basis(params: &Params) -> Result<Basis> {
    params.sparse_basis()
}

/// The whole line and one special prime more than the base has: the digit is as large as the base.
pub fn dense_basis(params: &Params) -> Basis {
    params.modulus_chain().with((params.base().len() as u16 + 1).min(params.specials()))
}

impl<B: Backend> RaiseKeys<B> {
    /// Draws both keys and their public seed, and forgets the sparse secret. `sk` covers P and the modulus chain.
    /// `scratch` holds n integers and is wiped.
    ///
    /// # Errors
    ///
    /// The errors of [`sparse_basis`]; errors of the backend's memory.
    pub fn generate(
        be: &mut B,
        params: &Params,
        sk: &SecretKey<B>,
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Self> {
        let (small, large, seed) = (sparse_basis(params)?, dense_basis(params), public_seed(rng));
        let a = [0, 1].map(|index| uniform(params, UniformHalf::Raise, index, &seed));
        let ephemeral = SecretSeed::generate(rng);
        let sparse = SecretKey::expand_sparse(be, params, &ephemeral, SPARSE_WEIGHT, large, scratch)?;
        let (rows, under) = (params.base(), KeySecret::Sparse(SPARSE_WEIGHT));
        let to_sparse =
            gadget_pair(be, params, (small, rows), sk.limbs(), (sparse.limbs(), under), &a[0], rng, scratch);
        let line = params.modulus_chain();
        let to_dense =
            gadget_pair(be, params, (large, line), sparse.limbs(), (sk.limbs(), KeySecret::Dense), &a[1], rng, scratch);
        sparse.wipe(be)?;
        Ok(Self { seed, to_sparse: to_sparse?, to_dense: to_dense? })
    }
}
