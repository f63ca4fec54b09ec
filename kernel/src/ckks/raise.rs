//! ModRaise under a sparse secret, which lives in two keys only.
//!
//! Raising a ciphertext from the base q0 to the whole chain adds a multiple q0 I of the base, |I| up to half the
//! weight of the secret. So the ciphertext is switched to an ephemeral secret of weight 32 while it is small, raised,
//! and switched back: |I| < 16 ([`crate::bootstrap::design::REACH`]) but for one chance in 2^138. [eprint 2022/024]

use crate::{
    backend::{
        Backend, Limbs, Op, Pair, Shape,
        poly::{Eval, Poly},
    },
    ckks::{
        Ciphertext, Ckks,
        gadget::gadget_pair,
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
    /// From s to the sparse secret, over [`sparse_basis`].
    pub to_sparse: Pair<B::Buf>,
    /// Back to s, over [`dense_basis`].
    pub to_dense: Pair<B::Buf>,
}

/// The base and as many specials, the only moduli under which a key for the sparse secret may exist. An error if
/// there are not as many, or if their product is over [`SPARSE_BITS`]: sparse secrets are weak at large moduli.
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
    /// Draws both keys and forgets the sparse secret. `sk` covers P and the line; `scratch` holds n integers and is
    /// wiped; the halves a are expanded from `seed`, streams 0 and 1.
    pub fn generate(
        be: &mut B,
        params: &Params,
        sk: &SecretKey<B>,
        seed: &Seed,
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Self> {
        let (small, large) = (sparse_basis(params)?, dense_basis(params));
        let ephemeral = SecretSeed::generate(rng);
        let sparse = SecretKey::expand_sparse(be, &ephemeral, SPARSE_WEIGHT, large, scratch)?;
        let rows = params.base();
        let to_sparse = gadget_pair(be, (small, rows), sk.limbs(), sparse.limbs(), (seed, 0), rng, scratch);
        let line = params.modulus_chain();
        let to_dense = gadget_pair(be, (large, line), sparse.limbs(), sk.limbs(), (seed, 1), rng, scratch);
        sparse.wipe(be)?;
        Ok(Self { to_sparse: to_sparse?, to_dense: to_dense? })
    }
}

impl<B: Backend> Ckks<'_, B> {
    /// From level 0 to `top`: the phase t becomes t + q0 I with |I| < 16.
    pub(super) fn raise(&mut self, x: &Ciphertext<B>, top: u8) -> Result<Ciphertext<B>> {
        let base = self.params.base();
        if x.level != 0 {
            return Err(Error::LevelMismatch { left: 0, right: x.level });
        }
        let [c0, c1] = self.switch_one_digit(sparse_basis(self.params)?, base, &x.c, |k| &k.to_sparse)?;
        let coeff = self.in_coeff(&c0)?;
        let mut raised = self.poly(self.params.q(top))?;
        self.be.mod_up(base, self.params.q(top), raised.limbs_mut(), c0.limbs(), &coeff);
        let full = self.params.q(top).with(dense_basis(self.params).specials);
        let c = self.switch_one_digit(full, self.params.q(top), &[raised, c1], |k| &k.to_dense)?;
        Ok(Ciphertext { c, level: top })
    }

    /// (c0, 0) + the key switch of c1, whose residues are over the base, by a key of one digit over `full`.
    fn switch_one_digit(
        &mut self,
        full: Basis,
        to: Basis,
        [c0, c1]: &[Poly<Eval, B>; 2],
        key: impl Fn(&RaiseKeys<B>) -> &Pair<B::Buf>,
    ) -> Result<[Poly<Eval, B>; 2]> {
        let base = self.params.base();
        let coeff = self.in_coeff(c1)?;
        let mut ext = self.poly(full)?;
        self.be.mod_up(base, full, ext.limbs_mut(), c1.limbs(), &coeff);
        let mut acc = self.pair(full)?;
        let key = key(self.keys.raise.as_ref().ok_or(Error::NoBootstrap)?);
        for (acc, half) in acc.iter_mut().zip(key) {
            self.be.zip(Op::Mul, full, acc.limbs_mut(), ext.limbs(), half);
        }
        let mut c = self.switch_basis(full, to, &acc)?;
        self.be.zip_assign(Op::Add, to, c[0].limbs_mut(), c0.limbs());
        Ok(c)
    }

    /// The base rows in Coeff.
    fn in_coeff(&mut self, x: &Poly<Eval, B>) -> Result<Limbs<B::Buf>> {
        let base = self.params.base();
        let mut coeff = self.be.alloc(Shape { basis: base, ..x.shape() })?;
        self.be.copy(base, &mut coeff, x.limbs());
        self.be.intt(base, &mut coeff);
        Ok(coeff)
    }
}
