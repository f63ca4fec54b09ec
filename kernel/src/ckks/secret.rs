//! The secret: a seed of 32 bytes, the ternary polynomial of the seed, and the polynomial in a backend's memory.

use super::derive::{self, Secrecy};
use crate::{
    backend::{
        Backend, Limbs, Op, Shape,
        poly::{Coeff, Eval, Poly},
    },
    error::Result,
    params::Params,
    ring::{
        Basis,
        sample::{self, Seed},
    },
    wipe::{SecretRng, Wiped},
};
#[cfg(feature = "alloc")]
use alloc::boxed::Box;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The 32 bytes that a secret key is expanded from, differently for each parameter set ([`super::derive`]). Wiped when
/// dropped; neither shown nor cloned. A move of the value leaves a copy of the bytes behind. For that reason a host keeps
/// the seed in a box ([`SecretSeed::boxed`]), and a device in a variable that stays in its place.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretSeed([u8; 32]);

impl SecretSeed {
    /// Takes the bytes over and wipes the caller's copy.
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let seed = Self(*bytes);
        bytes.zeroize();
        seed
    }

    /// A fresh seed.
    pub fn generate(rng: &mut impl rand_core::CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self::take(&mut bytes)
    }

    /// A seed on the heap, whose bytes `fill` writes in place: a move then copies an address.
    ///
    /// # Errors
    /// Those of `fill`.
    #[cfg(feature = "alloc")]
    pub fn boxed<E>(
        fill: impl FnOnce(&mut [u8; 32]) -> core::result::Result<(), E>,
    ) -> core::result::Result<Box<Self>, E> {
        let mut seed = Box::new(Self([0; 32]));
        fill(&mut seed.0)?;
        Ok(seed)
    }

    /// The bytes, for the file that keeps them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A generator of secret coefficients.
    fn generator(&self, params: &Params, what: Secrecy, index: u64) -> SecretRng {
        let mut key: Zeroizing<Seed> = Zeroizing::new(self.0);
        derive::secret(params, what, index, &mut key);
        SecretRng::from_seed(&key)
    }

    /// Ternary coefficients of which exactly `weight` are not zero, for a secret that lives for one key generation.
    /// Every draw passes over all coefficients, so that no address depends on the secret.
    pub fn sparse_coefficients(&self, params: &Params, weight: u32, out: &mut [i64]) {
        let mut rng = self.generator(params, Secrecy::Sparse, weight as u64);
        sample::sparse_ternary(&mut rng, weight, out);
    }

    /// The uniform ternary coefficients of the secret polynomial.
    pub fn coefficients(&self, params: &Params, out: &mut [i64]) {
        out.iter_mut().zip(self.trits(params)).for_each(|(x, s)| *x = s);
    }

    /// The same, one by one.
    pub(super) fn trits(&self, params: &Params) -> impl Iterator<Item = i64> + use<> {
        let mut rng = self.generator(params, Secrecy::Dense, 0);
        core::iter::repeat_with(move || sample::trit(&mut rng))
    }
}

/// The secret polynomial s over a basis: P and the modulus chain to make keys, the base primes to decrypt.
pub struct SecretKey<B: Backend> {
    s: Poly<Eval, B>,
}

impl<B: Backend> SecretKey<B> {
    /// Expands the secret over `basis`. `scratch` holds n integers and is wiped before the return.
    ///
    /// # Errors
    /// Errors of the backend's memory; [`crate::Error::Length`] if `scratch` is not n long.
    pub fn expand(be: &mut B, params: &Params, seed: &SecretSeed, basis: Basis, scratch: &mut [i64]) -> Result<Self> {
        seed.coefficients(params, scratch);
        Self::upload(be, basis, scratch)
    }

    /// A sparse secret ([`SecretSeed::sparse_coefficients`]) over `basis`; `scratch` likewise.
    ///
    /// # Errors
    /// Those of [`SecretKey::expand`].
    pub fn expand_sparse(
        be: &mut B,
        params: &Params,
        seed: &SecretSeed,
        weight: u32,
        basis: Basis,
        scratch: &mut [i64],
    ) -> Result<Self> {
        seed.sparse_coefficients(params, weight, scratch);
        Self::upload(be, basis, scratch)
    }

    /// The secret of the `small` ring of degree m, as an element of this larger one: s(X^(n/m)) over `basis`; `scratch`
    /// likewise.
    ///
    /// # Errors
    /// Those of [`SecretKey::expand`].
    pub fn expand_small(
        be: &mut B,
        small: &Params,
        seed: &SecretSeed,
        basis: Basis,
        scratch: &mut [i64],
    ) -> Result<Self> {
        let apart = (scratch.len() / small.n()).max(1);
        scratch.fill(0);
        scratch.iter_mut().step_by(apart).zip(seed.trits(small)).for_each(|(x, s)| *x = s);
        Self::upload(be, basis, scratch)
    }

    fn upload(be: &mut B, basis: Basis, scratch: &mut [i64]) -> Result<Self> {
        let shape = Shape { count: 1, basis, cols: be.ring().n() as u32 };
        let scratch = Wiped::new(scratch);
        Ok(Self { s: Poly::<Coeff, B>::from_signed(be, shape, &scratch)?.ntt(be) })
    }

    /// Its limbs, for the operations of this module and its siblings.
    pub fn limbs(&self) -> &Limbs<B::Buf> {
        self.s.limbs()
    }

    /// Overwrites the words in the backend's memory. A backend with a pool keeps that memory after the key's end.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`].
    pub fn wipe(mut self, be: &mut B) -> Result<()> {
        let over = self.s.basis();
        let zeros = be.ring().constants(over, |_| 0);
        be.scalar_assign(Op::Mul, over, self.s.limbs_mut(), &zeros);
        be.submit()
    }
}
