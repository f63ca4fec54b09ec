//! Key switches of the evaluator: relinearisation, automorphisms, and rotations that share their mod_up.
//!
//! An automorphism switches first and permutes last: the key of g switches from s to s(X^(1/g)), and the
//! permutation brings the result back under s. The digits of c1 are therefore the same for every g, and hoisting is
//! one mod_up for many keys.

use super::{Ciphertext, Plaintext, Wide, eval::Ckks};
use crate::{
    arith::Transform,
    backend::{Backend, Op, Pair},
    error::{Error, Result},
    poly::{Eval, Poly},
};
use alloc::vec::Vec;

/// Rotations of one ciphertext, times P, over P and Q: their division by P is put off until it is clear how many
/// of them end in one sum.
pub struct Hoisted<B: Backend> {
    level: u8,
    rotated: Vec<(i32, [Poly<Eval, B>; 2])>,
}

impl<B: Backend> Hoisted<B> {
    fn get(&self, k: i32) -> Result<&[Poly<Eval, B>; 2]> {
        let found = self.rotated.iter().find(|(step, _)| *step == k);
        found.map(|(_, pair)| pair).ok_or(Error::NotHoisted { step: k })
    }
}

fn typed<B: Backend>([c0, c1]: Pair<B::Buf>) -> [Poly<Eval, B>; 2] {
    [Poly::assume(c0), Poly::assume(c1)]
}

impl<B: Backend> Ckks<'_, B> {
    /// The gadget products of `d`, over Q of the level, with the key of each Galois element; over P and Q.
    fn gadget_products(&mut self, level: u8, d: &Poly<Eval, B>, galois: &[u32]) -> Result<Vec<[Poly<Eval, B>; 2]>> {
        self.executed.key_switch += galois.len() as u32;
        let pq = self.params.pq(level);
        let mut accs = Vec::with_capacity(galois.len());
        for _ in galois {
            accs.push(self.pair(pq)?.map(Poly::into_limbs));
        }
        let Self { be, ws, params, keys, .. } = self;
        let keys = galois.iter().map(|g| keys.galois(*g, level)).collect::<Result<Vec<_>>>()?;
        be.key_switch(params.q(level), params.alpha(), d.limbs(), &keys, &mut accs, ws);
        Ok(accs.into_iter().map(typed).collect())
    }

    /// The gadget product of the quadratic part with the relinearisation key, over P and Q.
    pub(super) fn relinearize(&mut self, level: u8, c2: &Poly<Eval, B>) -> Result<[Poly<Eval, B>; 2]> {
        self.executed.key_switch += 1;
        let mut acc = [self.pair(self.params.pq(level))?.map(Poly::into_limbs)];
        let Self { be, ws, params, keys, .. } = self;
        be.key_switch(params.q(level), params.alpha(), c2.limbs(), &[keys.relin(level)?], &mut acc, ws);
        let [acc] = acc;
        Ok(typed(acc))
    }

    /// X -> X^galois on a ciphertext: a rotation by k for galois = 5^k, conjugation for 2n - 1. No level.
    /// Error: one [`super::noise::key_switch`].
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

    fn permute(&mut self, c: &[Poly<Eval, B>; 2], galois: u32) -> Result<[Poly<Eval, B>; 2]> {
        let basis = c[0].basis();
        let mut out = self.pair(basis)?;
        for (o, c) in out.iter_mut().zip(c) {
            self.be.permute(basis, o.limbs_mut(), c.limbs(), galois);
        }
        Ok(out)
    }

    pub(super) fn hoist_rotations(&mut self, x: &Ciphertext<B>, steps: &[i32]) -> Result<Hoisted<B>> {
        let q = self.params.q(x.level);
        let galois: Vec<u32> = steps.iter().map(|k| self.params.galois(*k)).collect();
        let keyed: Vec<u32> = galois.iter().copied().filter(|g| *g != 1).collect();
        self.executed.hoist += !keyed.is_empty() as u32;
        let mut products = self.gadget_products(x.level, &x.c[1], &keyed)?.into_iter();
        let own = self.extend(x.level, &x.c)?; // P (c0, c1)
        let mut rotated = Vec::with_capacity(steps.len());
        for (k, g) in steps.iter().zip(galois) {
            let pair = match g {
                1 => self.permute(&own, 1)?,
                _ => {
                    let Some(mut acc) = products.next() else { return Err(Error::MissingGaloisKey { galois: g }) };
                    self.be.zip_assign(Op::Add, q, acc[0].limbs_mut(), own[0].limbs());
                    self.permute(&acc, g)?
                }
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

    pub(super) fn hoisted_transform(&mut self, h: &Hoisted<B>, map: &Transform<'_, Plaintext<B>>) -> Result<Wide<B>> {
        let (q, pq) = (self.params.q(h.level), self.params.pq(h.level));
        let mut sum: Option<[Poly<Eval, B>; 2]> = None;
        for (g, step) in map.giants.iter().enumerate() {
            let mut terms = [Vec::new(), Vec::new()];
            for (b, plain) in map.row(g) {
                if plain.level != h.level {
                    return Err(Error::LevelMismatch { left: h.level, right: plain.level });
                }
                let pair = h.get(map.babies[b])?;
                for (terms, rotated) in terms.iter_mut().zip(pair) {
                    terms.push((rotated.limbs(), plain.m.limbs()));
                }
            }
            if terms[0].is_empty() {
                continue;
            }
            self.executed.mul_plain += terms[0].len() as u32;
            let mut inner = self.pair(pq)?;
            for (inner, terms) in inner.iter_mut().zip(&terms) {
                self.be.dot(pq, inner.limbs_mut(), terms);
            }
            let galois = self.params.galois(*step);
            let outer = if galois == 1 { inner } else { self.rotate_extended(h.level, q, &inner, galois)? };
            match &mut sum {
                None => sum = Some(outer),
                Some(sum) => {
                    for (sum, outer) in sum.iter_mut().zip(&outer) {
                        self.be.zip_assign(Op::Add, pq, sum.limbs_mut(), outer.limbs());
                    }
                }
            }
        }
        let c = sum.ok_or(Error::Length { expected: 1, actual: 0 })?;
        Ok(Wide { c, c2: None, level: h.level, extended: true })
    }

    /// An automorphism of a pair over P and Q (times P), staying there: c1 alone is divided by P, switched, and
    /// joined by c0.
    fn rotate_extended(
        &mut self,
        level: u8,
        q: crate::ring::Basis,
        [c0, c1]: &[Poly<Eval, B>; 2],
        galois: u32,
    ) -> Result<[Poly<Eval, B>; 2]> {
        let pq = self.params.pq(level);
        let mut d = self.poly(q)?;
        self.be.mod_switch(pq, q, d.limbs_mut(), c1.limbs(), &mut self.ws);
        let mut acc = self.gadget_products(level, &d, &[galois])?.remove(0);
        self.be.zip_assign(Op::Add, pq, acc[0].limbs_mut(), c0.limbs());
        self.permute(&acc, galois)
    }
}
