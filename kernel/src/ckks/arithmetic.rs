//! Ciphertexts as an evaluator of circuits.
//!
//! [`super::noise`] gives the error of each operation, for values of size about 1. A sum adds the errors. A product of
//! values of size v multiplies the errors by v. Each rescale adds `rounding`, and each key switch adds `key_switch`,
//! over the scale of the result's level.

use super::{Ciphertext, Ckks, Hoisted, Plaintext, Wide, alignment, wide::Parts};
use crate::{
    arith::{Arithmetic, ComplexArithmetic, Transform, cost::Demand},
    backend::{Backend, Op},
    error::{Error, Result, same_level},
    math::complex::Complex,
};
use alloc::vec::Vec;

impl<B: Backend> Arithmetic for Ckks<'_, B> {
    type Slots = Ciphertext<B>;
    type Wide = Wide<B>;
    type Plaintext = Plaintext<B>;
    type Hoisted = Hoisted<B>;

    fn slots(&self) -> usize {
        self.params.slots()
    }

    fn level(&self, x: &Ciphertext<B>) -> u8 {
        x.level
    }

    fn encode(&mut self, values: &[f64], level: u8) -> Result<Plaintext<B>> {
        self.encode_real(values, self.params.scale(level), self.params.q(level), level)
    }

    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<Plaintext<B>> {
        let (scale, pq) = (self.plaintext_scale(level)?, self.params.pq(level));
        self.encode_real(values, scale, pq, level)
    }

    fn copy(&mut self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let over = self.params.q(x.level);
        let mut c = self.pair(over)?;
        for (o, c) in c.iter_mut().zip(&x.c) {
            self.be.copy(over, o.limbs_mut(), c.limbs());
        }
        Ok(Ciphertext { c, level: x.level })
    }

    fn add(&mut self, x: &mut Ciphertext<B>, y: &Ciphertext<B>) -> Result<()> {
        same_level(x.level, y.level)?;
        for (x, y) in x.c.iter_mut().zip(&y.c) {
            self.be.zip_assign(Op::Add, y.basis(), x.limbs_mut(), y.limbs());
        }
        Ok(())
    }

    fn sub(&mut self, x: &mut Ciphertext<B>, y: &Ciphertext<B>) -> Result<()> {
        same_level(x.level, y.level)?;
        for (x, y) in x.c.iter_mut().zip(&y.c) {
            self.be.zip_assign(Op::Sub, y.basis(), x.limbs_mut(), y.limbs());
        }
        Ok(())
    }

    fn add_plain(&mut self, x: &mut Ciphertext<B>, p: &Plaintext<B>) -> Result<()> {
        same_level(x.level, p.level)?;
        self.be.zip_assign(Op::Add, self.params.q(x.level), x.c[0].limbs_mut(), p.m.limbs());
        Ok(())
    }

    fn neg(&mut self, x: &mut Ciphertext<B>) -> Result<()> {
        self.mul_int(x, -1)
    }

    fn add_const(&mut self, x: &mut Ciphertext<B>, c: f64) -> Result<()> {
        let over = self.params.q(x.level);
        let k = self.integer(c * self.params.scale(x.level), over)?;
        self.be.scalar_assign(Op::Add, over, x.c[0].limbs_mut(), &k);
        Ok(())
    }

    fn mul_int(&mut self, x: &mut Ciphertext<B>, k: i32) -> Result<()> {
        let over = self.params.q(x.level);
        let k = self.integer(k as f64, over)?;
        for c in &mut x.c {
            self.be.scalar_assign(Op::Mul, over, c.limbs_mut(), &k);
        }
        Ok(())
    }

    fn mul(&mut self, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<Wide<B>> {
        same_level(x.level, y.level)?;
        self.executed.mul += 1;
        let over = self.params.q(x.level);
        let ([mut d0, mut d1], mut d2) = (self.pair(over)?, self.poly(over)?);
        let out = [d0.limbs_mut(), d1.limbs_mut(), d2.limbs_mut()];
        self.be.tensor(over, out, [x.c[0].limbs(), x.c[1].limbs()], [y.c[0].limbs(), y.c[1].limbs()]);
        Ok(Wide::of([d0, d1], Some(d2), x.level))
    }

    fn mul_plain(&mut self, x: &Ciphertext<B>, p: &Plaintext<B>) -> Result<Wide<B>> {
        same_level(x.level, p.level)?;
        self.executed.mul_plain += 1;
        let over = self.params.q(x.level);
        let mut out = self.pair(over)?;
        for (o, c) in out.iter_mut().zip(&x.c) {
            self.be.zip(Op::Mul, over, o.limbs_mut(), c.limbs(), p.m.limbs());
        }
        Ok(Wide::of(out, None, x.level))
    }

    fn mul_const(&mut self, x: &Ciphertext<B>, c: f64) -> Result<Wide<B>> {
        self.executed.mul_const += 1;
        let over = self.params.q(x.level);
        let k = self.integer(c * self.params.scale(x.level), over)?;
        Ok(Wide::of(self.times(&x.c, &k, over)?, None, x.level))
    }

    /// A term from above forgets the limbs that `level` does not have; its constant makes up for its scale.
    fn weighted_sum(&mut self, terms: &[(&Ciphertext<B>, f64)], level: u8) -> Result<Wide<B>> {
        if terms.is_empty() {
            return Err(Error::Empty { what: "terms of a sum" });
        }
        self.executed.mul_const += terms.len() as u32;
        let (over, scale) = (self.params.q(level), self.params.scale(level));
        let mut weights = Vec::with_capacity(terms.len());
        for (x, c) in terms {
            if !self.fits(x, level) {
                return Err(Error::LevelMismatch { left: level, right: x.level });
            }
            let words = self.integer(c * scale * (scale / self.params.scale(x.level)), over)?;
            weights.push(self.constants(over, &words)?);
        }
        let mut out = self.pair(over)?;
        for (half, out) in out.iter_mut().enumerate() {
            let terms: Vec<_> = terms.iter().zip(&weights).map(|((x, _), c)| (x.c[half].limbs(), c)).collect();
            self.be.dot(over, out.limbs_mut(), &terms);
        }
        Ok(Wide::of(out, None, level))
    }

    /// True at the level, or above the level with every prime of the level.
    fn fits(&self, x: &Ciphertext<B>, level: u8) -> bool {
        level <= x.level && self.params.q(x.level).covers(self.params.q(level))
    }

    fn accumulate(&mut self, w: &mut Wide<B>, v: Wide<B>) -> Result<()> {
        same_level(w.level, v.level)?;
        self.add_wide(w, v)
    }

    /// Executes the pending giant steps. Relinearisation, division by P and rescale are then one mod_switch with one
    /// rounding.
    fn rescale(&mut self, w: Wide<B>) -> Result<Ciphertext<B>> {
        let level = w.level.checked_sub(1).ok_or(Error::LevelExhausted { need: 1, have: 0 })?;
        self.executed.rescale += 1;
        let (q, pq, to) = (self.params.q(w.level), self.params.pq(w.level), self.params.q(level));
        let c = match w.parts {
            Parts::Products { c, c2: None } => self.switch_basis(q, to, &c)?,
            Parts::Products { c, c2: Some(c2) } => {
                let c = self.relinearize(w.level, &c2, Some(&c))?;
                self.switch_basis(pq, to, &c)?
            }
            Parts::Maps { sums, c2 } => {
                let mut c = self.giant_steps(w.level, sums)?;
                if let Some(c2) = c2 {
                    let mut acc = self.relinearize(w.level, &c2, None)?;
                    self.add_pair(&mut acc, &c);
                    c = acc;
                }
                self.switch_basis(pq, to, &c)?
            }
        };
        Ok(Ciphertext { c, level })
    }

    fn rotate(&mut self, x: &Ciphertext<B>, k: i32) -> Result<Ciphertext<B>> {
        self.automorphism(x, self.params.galois(k))
    }

    fn hoist(&mut self, x: &Ciphertext<B>, steps: &[i32]) -> Result<Hoisted<B>> {
        self.hoist_rotations(x, steps)
    }

    fn hoisted(&mut self, h: &Hoisted<B>, k: i32) -> Result<Ciphertext<B>> {
        self.hoisted_rotation(h, k)
    }

    fn transform(&mut self, h: &Hoisted<B>, map: &Transform<'_, Plaintext<B>>) -> Result<Wide<B>> {
        self.hoisted_transform(h, map)
    }

    /// Drops limbs; one constant then brings the scale to the scale of the new level, at any distance. The rounding of
    /// the constant is a relative error below 2^9.5
    /// scale, in addition to one `rounding`.
    fn drop_to_level(&mut self, x: Ciphertext<B>, level: u8) -> Result<Ciphertext<B>> {
        if level == x.level { Ok(x) } else { self.copy_at_level(&x, level) }
    }

    fn copy_at_level(&mut self, x: &Ciphertext<B>, level: u8) -> Result<Ciphertext<B>> {
        if level == x.level {
            return self.copy(x);
        }
        if level > x.level {
            return Err(Error::LevelExhausted { need: level, have: x.level });
        }
        let (over, one) = alignment(self.params, x.level, level)?;
        let k = self.integer(one, over)?;
        let c = self.times(&x.c, &k, over)?;
        Ok(Ciphertext { c: self.switch_basis(over, self.params.q(level), &c)?, level })
    }

    fn refresh(&mut self, x: Ciphertext<B>, depth: u8) -> Result<Ciphertext<B>> {
        if x.level >= depth {
            return Ok(x);
        }
        Err(Error::NoBootstrap)
    }
}

impl<B: Backend> ComplexArithmetic for Ckks<'_, B> {
    fn encode_complex(&mut self, values: &[Complex], level: u8) -> Result<Plaintext<B>> {
        let (scale, pq) = (self.plaintext_scale(level)?, self.params.pq(level));
        self.encode_at(values, scale, pq, level)
    }

    /// One [`super::noise::key_switch`].
    fn conjugate(&mut self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.automorphism(x, self.params.galois_conjugate())
    }

    /// The monomial X^(n/2).
    fn mul_i(&mut self, x: &mut Ciphertext<B>) -> Result<()> {
        self.mul_monomial(x, self.params.n() / 2)
    }

    fn mod_raise(&mut self, x: Ciphertext<B>, level: u8) -> Result<Ciphertext<B>> {
        self.raise(&x, level)
    }

    fn begin_bootstrap(&mut self, demand: &Demand) -> Result<()> {
        self.keys.check_demand(self.params, demand)?;
        self.keys.raise.as_ref().ok_or(Error::NoBootstrap)?;
        self.executed.bootstrap += 1;
        Ok(())
    }
}
