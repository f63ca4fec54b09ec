//! The effect of each operation on values and errors.

use super::{ErrorSource, NoiseSimulator, NoisyHoisted, NoisyPlaintext, NoisyProduct, NoisyVector};
use crate::{
    arith::{Arithmetic, ComplexArithmetic, Transform},
    ckks::{alignment, noise},
    error::{Error, Result, same_level},
    math::complex::Complex,
};
use alloc::{vec, vec::Vec};

fn add(x: &mut [Complex], y: &[Complex]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x = *x + *y);
}

fn scaled(x: &[Complex], c: f64) -> Vec<Complex> {
    x.iter().map(|x| x.scale(c)).collect()
}

/// sum += x p, p one period.
fn add_product(sum: &mut [Complex], x: &[Complex], p: &[Complex]) {
    for (sum, x) in sum.chunks_mut(p.len()).zip(x.chunks(p.len())) {
        sum.iter_mut().zip(x).zip(p).for_each(|((sum, x), p)| *sum = *sum + *x * *p);
    }
}

impl NoiseSimulator<'_> {
    /// In [0, slots).
    fn step(&self, k: i32) -> i32 {
        k.rem_euclid(self.params.slots() as i32)
    }

    /// A product of factors at the scale of `level`, in units of the rescaled value.
    fn product_of(&self, mut z: Vec<Complex>, level: u8, quadratic: bool) -> Result<NoisyProduct> {
        if level == 0 {
            return Err(Error::LevelExhausted { need: 1, have: 0 });
        }
        let exit = self.params.eval_mod_exit_correction(level);
        z.iter_mut().for_each(|z| *z = z.scale(exit));
        Ok(NoisyProduct { z, giant_steps: Vec::new(), level, quadratic })
    }

    /// The rotation or conjugation of a ciphertext, which is `z`: one key switch.
    fn switched(&mut self, mut z: Vec<Complex>, level: u8) -> NoisyVector {
        let unit = 1.0 / self.params.scale(level);
        self.disturb(ErrorSource::Gadget, &mut z, noise::gadget(self.params, level) * unit);
        self.disturb(ErrorSource::Rounding, &mut z, noise::rounding(self.params) * unit);
        NoisyVector { z, level }
    }

    fn rotated(&self, z: &[Complex], step: i32) -> Vec<Complex> {
        let (front, back) = z.split_at(step as usize % z.len().max(1));
        [back, front].concat()
    }
}

impl Arithmetic for NoiseSimulator<'_> {
    type Slots = NoisyVector;
    type Wide = NoisyProduct;
    type Plaintext = NoisyPlaintext;
    type Hoisted = NoisyHoisted;

    fn slots(&self) -> usize {
        self.params.slots()
    }
    fn level(&self, x: &NoisyVector) -> u8 {
        x.level
    }
    fn encode(&mut self, values: &[f64], level: u8) -> Result<NoisyPlaintext> {
        let values: Vec<Complex> = values.iter().map(|x| Complex::from(*x)).collect();
        self.public(&values, level, false)
    }
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<NoisyPlaintext> {
        let values: Vec<Complex> = values.iter().map(|x| Complex::from(*x)).collect();
        self.public(&values, level, true)
    }

    fn copy(&mut self, x: &NoisyVector) -> Result<NoisyVector> {
        Ok(x.clone())
    }
    fn add(&mut self, x: &mut NoisyVector, y: &NoisyVector) -> Result<()> {
        same_level(x.level, y.level)?;
        add(&mut x.z, &y.z);
        Ok(())
    }
    fn sub(&mut self, x: &mut NoisyVector, y: &NoisyVector) -> Result<()> {
        same_level(x.level, y.level)?;
        x.z.iter_mut().zip(&y.z).for_each(|(x, y)| *x = *x - *y);
        Ok(())
    }
    fn add_plain(&mut self, x: &mut NoisyVector, p: &NoisyPlaintext) -> Result<()> {
        same_level(x.level, p.level)?;
        x.z.iter_mut().zip(p.z.iter().cycle()).for_each(|(x, p)| *x = *x + *p);
        Ok(())
    }
    fn neg(&mut self, x: &mut NoisyVector) -> Result<()> {
        self.mul_int(x, -1)
    }
    fn add_const(&mut self, x: &mut NoisyVector, c: f64) -> Result<()> {
        let c = self.constant(c, self.params.scale(x.level))?;
        x.z.iter_mut().for_each(|x| x.re += c);
        Ok(())
    }
    fn mul_int(&mut self, x: &mut NoisyVector, k: i32) -> Result<()> {
        x.z.iter_mut().for_each(|x| *x = x.scale(k as f64));
        Ok(())
    }

    fn mul(&mut self, x: &NoisyVector, y: &NoisyVector) -> Result<NoisyProduct> {
        same_level(x.level, y.level)?;
        let z = x.z.iter().zip(&y.z).map(|(x, y)| *x * *y).collect();
        self.product_of(z, x.level, true)
    }
    fn mul_plain(&mut self, x: &NoisyVector, p: &NoisyPlaintext) -> Result<NoisyProduct> {
        same_level(x.level, p.level)?;
        let mut z = self.zeros();
        add_product(&mut z, &x.z, &p.z);
        match p.diagonal {
            true => Ok(NoisyProduct { z, giant_steps: Vec::new(), level: x.level, quadratic: false }), // a factor's scale is made for it
            false => self.product_of(z, x.level, false),
        }
    }
    fn mul_const(&mut self, x: &NoisyVector, c: f64) -> Result<NoisyProduct> {
        let c = self.constant(c, self.params.scale(x.level))?;
        self.product_of(scaled(&x.z, c), x.level, false)
    }
    fn weighted_sum(&mut self, terms: &[(&NoisyVector, f64)], level: u8) -> Result<NoisyProduct> {
        if terms.is_empty() {
            return Err(Error::Empty { what: "terms of a sum" });
        }
        let (scale, mut sum) = (self.params.scale(level), self.zeros());
        for (x, c) in terms {
            if !self.fits(x, level) {
                return Err(Error::LevelMismatch { left: level, right: x.level });
            }
            let c = self.constant(*c, scale * (scale / self.params.scale(x.level)))?;
            sum.iter_mut().zip(&x.z).for_each(|(sum, x)| *sum = *sum + x.scale(c));
        }
        self.product_of(sum, level, false)
    }
    fn fits(&self, x: &NoisyVector, level: u8) -> bool {
        level <= x.level && self.params.q(x.level).covers(self.params.q(level))
    }
    fn accumulate(&mut self, w: &mut NoisyProduct, v: NoisyProduct) -> Result<()> {
        same_level(w.level, v.level)?;
        add(&mut w.z, &v.z);
        w.quadratic |= v.quadratic;
        for (step, v) in v.giant_steps {
            match w.giant_steps.iter_mut().find(|(other, _)| *other == step) {
                Some((_, w)) => add(w, &v),
                None => w.giant_steps.push((step, v)),
            }
        }
        Ok(())
    }
    /// Giant steps and relinearisation have their errors at the scale of products, and one rounding at the scale of the
    /// result.
    fn rescale(&mut self, w: NoisyProduct) -> Result<NoisyVector> {
        let NoisyProduct { mut z, giant_steps, level, quadratic } = w;
        let level_after = level.checked_sub(1).ok_or(Error::LevelExhausted { need: 1, have: 0 })?;
        let unit = 1.0 / self.params.scale(level_after);
        let fine = unit / self.params.ratio(self.params.q(level), self.params.q(level_after));
        let (gadget, rounding) = (noise::gadget(self.params, level), noise::rounding(self.params));
        for (step, mut inner) in giant_steps {
            self.disturb(ErrorSource::Rounding, &mut inner, rounding * fine);
            self.disturb(ErrorSource::Gadget, &mut inner, gadget * fine);
            add(&mut z, &self.rotated(&inner, step));
        }
        if quadratic {
            self.disturb(ErrorSource::Gadget, &mut z, gadget * fine);
        }
        self.disturb(ErrorSource::Rounding, &mut z, rounding * unit);
        match z.iter().position(|z| !(z.re.is_finite() && z.im.is_finite())) {
            Some(slot) => Err(Error::NotFinite { slot }),
            None => Ok(NoisyVector { z, level: level_after }),
        }
    }

    fn rotate(&mut self, x: &NoisyVector, k: i32) -> Result<NoisyVector> {
        match self.step(k) {
            0 => self.copy(x),
            step => Ok(self.switched(self.rotated(&x.z, step), x.level)),
        }
    }
    fn hoist(&mut self, x: &NoisyVector, steps: &[i32]) -> Result<NoisyHoisted> {
        let deviation = noise::gadget(self.params, x.level) / self.params.scale(x.level);
        let mut turned = Vec::with_capacity(steps.len());
        for k in steps {
            let step = self.step(*k);
            let mut z = self.rotated(&x.z, step);
            if step != 0 {
                self.disturb(ErrorSource::Gadget, &mut z, deviation);
            }
            turned.push((step, z));
        }
        Ok(NoisyHoisted { level: x.level, turned })
    }
    fn hoisted(&mut self, h: &NoisyHoisted, k: i32) -> Result<NoisyVector> {
        let step = self.step(k);
        let mut z = h.get(step, k)?.to_vec();
        if step != 0 {
            self.disturb(ErrorSource::Rounding, &mut z, noise::rounding(self.params) / self.params.scale(h.level));
        }
        Ok(NoisyVector { z, level: h.level })
    }
    fn transform(&mut self, h: &NoisyHoisted, map: &Transform<'_, NoisyPlaintext>) -> Result<NoisyProduct> {
        if h.level == 0 {
            return Err(Error::LevelExhausted { need: 1, have: 0 });
        }
        let (mut z, mut giant_steps) = (self.zeros(), Vec::new());
        for (g, giant) in map.giant_steps.iter().enumerate() {
            let (step, mut inner) = (self.step(*giant), None);
            for (b, p) in map.row(g) {
                same_level(h.level, p.level)?;
                let turned = h.get(self.step(map.baby_steps[b]), map.baby_steps[b])?;
                if !p.diagonal {
                    return Err(Error::NotHoisted { step: map.baby_steps[b] });
                }
                add_product(inner.get_or_insert_with(|| vec![Complex::default(); z.len()]), turned, &p.z);
            }
            match inner {
                Some(inner) if step == 0 => add(&mut z, &inner),
                Some(inner) => giant_steps.push((step, inner)),
                None => {}
            }
        }
        Ok(NoisyProduct { z, giant_steps, level: h.level, quadratic: false })
    }
    fn drop_to_level(&mut self, x: NoisyVector, level: u8) -> Result<NoisyVector> {
        if level == x.level { Ok(x) } else { self.copy_at_level(&x, level) }
    }
    fn copy_at_level(&mut self, x: &NoisyVector, level: u8) -> Result<NoisyVector> {
        if level == x.level {
            return self.copy(x);
        }
        if level > x.level {
            return Err(Error::LevelExhausted { need: level, have: x.level });
        }
        let (_, one) = alignment(self.params, x.level, level)?;
        let mut z = scaled(&x.z, self.constant(1.0, one)?);
        self.disturb(ErrorSource::Rounding, &mut z, noise::rounding(self.params) / self.params.scale(level));
        Ok(NoisyVector { z, level })
    }
    fn refresh(&mut self, x: NoisyVector, depth: u8) -> Result<NoisyVector> {
        if x.level >= depth {
            return Ok(x);
        }
        Err(Error::NoBootstrap)
    }
}

impl NoisyHoisted {
    fn get(&self, step: i32, k: i32) -> Result<&[Complex]> {
        let found = self.turned.iter().find(|(other, _)| *other == step);
        found.map(|(_, z)| &z[..]).ok_or(Error::NotHoisted { step: k })
    }
}

impl ComplexArithmetic for NoiseSimulator<'_> {
    fn encode_complex(&mut self, values: &[Complex], level: u8) -> Result<NoisyPlaintext> {
        self.public(values, level, true)
    }
    fn conjugate(&mut self, x: &NoisyVector) -> Result<NoisyVector> {
        let z = x.z.iter().map(|x| x.conj()).collect();
        Ok(self.switched(z, x.level))
    }
    fn mul_i(&mut self, x: &mut NoisyVector) -> Result<()> {
        x.z.iter_mut().for_each(|x| *x = Complex { re: -x.im, im: x.re });
        Ok(())
    }

    /// After ModRaise, a value is the old value over the scale of `level`.
    fn mod_raise(&mut self, x: NoisyVector, level: u8) -> Result<NoisyVector> {
        same_level(0, x.level)?;
        let unit = 1.0 / self.params.scale(level);
        let mut z = scaled(&x.z, self.params.scale(0) * unit);
        self.disturb(ErrorSource::Raise, &mut z, noise::to_sparse(self.params) * unit);
        let base: f64 = self.params.base().iter().map(|m| self.params.moduli()[m].q() as f64).product();
        self.draws.add_multiples(&mut z, base * unit);
        self.disturb(ErrorSource::Raise, &mut z, noise::to_dense(self.params) * unit);
        Ok(NoisyVector { z, level })
    }
}
