//! The keys of ModRaise, and the moduli under which the keys may exist.

use crate::{
    backend::{Backend, Pair},
    ckks::{
        derive::{UniformHalf, uniform},
        gadget::gadget_pair,
        public_seed,
        secret::{SecretKey, SecretSeed},
    },
    error::{Error, Result},
    params::{Params, Security},
    ring::{Basis, sample::Seed},
};

/// Weight of the ephemeral secret.
pub const SPARSE_WEIGHT: u32 = 32;
/// The largest log2 of the modulus of a key under the ephemeral secret, at n = 2^16; in proportion below.
pub const SPARSE_BITS: f64 = 120.0;

/// The two key-switching keys of one digit each.
pub struct RaiseKeys<B: Backend> {
    /// The public seed of both halves a.
    pub seed: Seed,
    /// From s to the sparse secret, over [`sparse_basis`].
    pub to_sparse: Pair<B::Buf>,
    /// Back to s, over [`dense_basis`].
    pub to_dense: Pair<B::Buf>,
}

/// The base and as many specials: the only moduli under which a key for the sparse secret may exist.
///
/// # Errors
///
/// Too few specials, or a product over [`SPARSE_BITS`], because sparse secrets are weak at large moduli.
///
/// # Errors
/// [`Error::NoBootstrap`] without enough special primes; those of [`check_sparse`].
pub fn sparse_basis(params: &Params) -> Result<Basis> {
    let specials = params.base().len() as u16;
    if specials > params.specials() {
        return Err(Error::NoBootstrap);
    }
    let basis = params.base().with(specials);
    check_sparse(params, basis)?;
    Ok(basis)
}

/// The check of [`sparse_basis`] on any basis.
///
/// # Errors
/// [`Error::Insecure`] with both numbers.
pub fn check_sparse(params: &Params, basis: Basis) -> Result<()> {
    let log_qp = params.log_product(basis);
    let bound = SPARSE_BITS * params.n() as f64 / 65536.0;
    let checked = params.security() != Security::Toy;
    if checked && log_qp > bound { Err(Error::Insecure { log_qp, bound }) } else { Ok(()) }
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
        let rows = params.base();
        let to_sparse = gadget_pair(be, (small, rows), sk.limbs(), sparse.limbs(), &a[0], rng, scratch);
        let line = params.modulus_chain();
        let to_dense = gadget_pair(be, (large, line), sparse.limbs(), sk.limbs(), &a[1], rng, scratch);
        sparse.wipe(be)?;
        Ok(Self { seed, to_sparse: to_sparse?, to_dense: to_dense? })
    }
}
