//! ModRaise under a sparse secret, which only two keys contain.
//!
//! ModRaise from the base q0 to the whole chain adds a multiple q0 I of the base. The size |I| is at most half the
//! weight of the secret. The ciphertext is first switched to an ephemeral secret of weight 32. The ciphertext is then
//! raised and switched back. The bound |I| < 16 ([`crate::bootstrap::design::REACH`]) fails with probability at most
//! 2^-138. [eprint 2022/024]

use crate::{
    backend::{
        Backend, Limbs, Op, Pair, Shape, mod_up,
        poly::{Eval, Poly},
    },
    ckks::{Ciphertext, Ckks},
    error::{Error, Result},
    ring::Basis,
};

mod keys;

pub use crate::params::SPARSE_WEIGHT;
pub use keys::{RaiseKeys, dense_basis, sparse_basis};

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
        mod_up(&mut self.be, base, self.params.q(top), raised.limbs_mut(), c0.limbs(), &coeff);
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
        mod_up(&mut self.be, base, full, ext.limbs_mut(), c1.limbs(), &coeff);
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
