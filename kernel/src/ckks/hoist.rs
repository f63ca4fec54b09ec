//! Key switches of the evaluator: relinearisation, automorphisms, and rotations that share one mod_up.
//!
//! An automorphism switches keys first and permutes last. The key of g switches from s to s(X^(1/g)), and the
//! permutation brings the result under s. The digits of c1 are therefore the same for every g, and hoisting is one
//! mod_up for many keys.

use super::{Ciphertext, Ckks};
use crate::{
    backend::{
        Backend, Op, Source,
        poly::{Eval, Poly},
    },
    error::{Error, Result},
};
use alloc::vec::Vec;

/// Rotations of one ciphertext, times P, over P and Q. The division by P waits until the number of rotations in one sum
/// is known.
pub struct Hoisted<B: Backend> {
    pub(super) level: u8,
    rotated: Vec<(i32, [Poly<Eval, B>; 2])>,
}

impl<B: Backend> Hoisted<B> {
    pub(super) fn get(&self, k: i32) -> Result<&[Poly<Eval, B>; 2]> {
        let found = self.rotated.iter().find(|(step, _)| *step == k);
        found.map(|(_, pair)| pair).ok_or(Error::NotHoisted { step: k })
    }
}

impl<B: Backend> Ckks<'_, B> {
    /// The gadget products of `d`, over Q of the level, with the key of each Galois element; over P and Q.
    pub(super) fn gadget_products(
        &mut self,
        level: u8,
        d: &Poly<Eval, B>,
        galois: &[u32],
    ) -> Result<Vec<[Poly<Eval, B>; 2]>> {
        self.executed.key_switch += galois.len() as u32;
        let pq = self.params.pq(level);
        let mut accs = Vec::with_capacity(galois.len());
        for _ in galois {
            accs.push(self.pair(pq)?.map(Poly::into_limbs));
        }
        let Self { be, ws, params, keys, .. } = self;
        let keys = galois.iter().map(|g| keys.galois(*g, level)).collect::<Result<Vec<_>>>()?;
        be.key_switch(params.q(level), params.alpha(), d.limbs(), &keys, &mut accs, ws);
        Ok(accs.into_iter().map(|c| c.map(Poly::assume)).collect())
    }

    /// The rotations of a ciphertext by Galois elements other than 1, times P, over P and Q.
    fn rotations(&mut self, x: &Ciphertext<B>, galois: &[u32]) -> Result<Vec<[Poly<Eval, B>; 2]>> {
        if galois.is_empty() {
            return Ok(Vec::new());
        }
        self.executed.key_switch += galois.len() as u32;
        let pq = self.params.pq(x.level);
        let mut outs = Vec::with_capacity(galois.len());
        for _ in galois {
            outs.push(self.pair(pq)?.map(Poly::into_limbs));
        }
        let Self { be, ws, params, keys, .. } = self;
        let keys = galois.iter().map(|g| keys.galois(*g, x.level)).collect::<Result<Vec<_>>>()?;
        let [c0, c1] = x.c.each_ref().map(Poly::limbs);
        let source = Source { q: params.q(x.level), alpha: params.alpha(), d: c1, add: [Some(c0), None] };
        be.key_switch_add(&source, &keys, galois, &mut outs, ws)?;
        Ok(outs.into_iter().map(|c| c.map(Poly::assume)).collect())
    }

    /// (c0, c1) relinearised, over P and Q. The result is the gadget product of the quadratic part with its key, plus P
    /// times the linear part, if present.
    pub(super) fn relinearize(
        &mut self,
        level: u8,
        c2: &Poly<Eval, B>,
        rest: Option<&[Poly<Eval, B>; 2]>,
    ) -> Result<[Poly<Eval, B>; 2]> {
        self.executed.key_switch += 1;
        let mut acc = [self.pair(self.params.pq(level))?.map(Poly::into_limbs)];
        let Self { be, ws, params, keys, .. } = self;
        let add = [0, 1].map(|half| rest.map(|rest| rest[half].limbs()));
        let source = Source { q: params.q(level), alpha: params.alpha(), d: c2.limbs(), add };
        be.key_switch_add(&source, &[keys.relin(level)?], &[1], &mut acc, ws)?;
        let [acc] = acc;
        Ok(acc.map(Poly::assume))
    }

    /// X -> X^galois on a ciphertext: a rotation by k for galois = 5^k, conjugation for 2n - 1. No level.
    /// Error: one [`super::noise::key_switch`].
    ///
    /// # Errors
    /// [`Error::MissingGaloisKey`], [`Error::KeyLevel`]; errors of the backend's memory.
    pub fn automorphism(&mut self, x: &Ciphertext<B>, galois: u32) -> Result<Ciphertext<B>> {
        let over = self.params.q(x.level);
        let mut c = match galois {
            1 => return crate::arith::Arithmetic::copy(self, x),
            _ => self.gadget_products(x.level, &x.c[1], &[galois])?,
        };
        let acc = c.remove(0);
        let mut switched = self.switch_basis(self.params.pq(x.level), over, &acc)?;
        self.be.zip_assign(Op::Add, over, switched[0].limbs_mut(), x.c[0].limbs());
        Ok(Ciphertext { c: self.permute(&switched, galois)?, level: x.level })
    }

    pub(super) fn permute(&mut self, c: &[Poly<Eval, B>; 2], galois: u32) -> Result<[Poly<Eval, B>; 2]> {
        let basis = c[0].basis();
        let mut out = self.pair(basis)?;
        for (o, c) in out.iter_mut().zip(c) {
            self.be.permute(basis, o.limbs_mut(), c.limbs(), galois);
        }
        Ok(out)
    }

    pub(super) fn hoist_rotations(&mut self, x: &Ciphertext<B>, steps: &[i32]) -> Result<Hoisted<B>> {
        let galois: Vec<u32> = steps.iter().map(|k| self.params.galois(*k)).collect();
        let keyed: Vec<u32> = galois.iter().copied().filter(|g| *g != 1).collect();
        self.executed.hoist += !keyed.is_empty() as u32;
        let mut rotations = self.rotations(x, &keyed)?.into_iter();
        let mut rotated = Vec::with_capacity(steps.len());
        for (k, g) in steps.iter().zip(galois) {
            let pair = match g {
                1 => self.extend(x.level, &x.c)?, // P (c0, c1)
                _ => rotations.next().ok_or(Error::MissingGaloisKey { galois: g })?,
            };
            rotated.push((*k, pair));
        }
        Ok(Hoisted { level: x.level, rotated })
    }

    pub(super) fn hoisted_rotation(&mut self, h: &Hoisted<B>, k: i32) -> Result<Ciphertext<B>> {
        let pair = h.get(k)?;
        let c = self.switch_basis(self.params.pq(h.level), self.params.q(h.level), pair)?;
        Ok(Ciphertext { c, level: h.level })
    }
}
