//! Ciphertexts whose bootstrap holds the secret key: it decrypts and encrypts again. Everything above bootstrapping is
//! tested with it, on chains that have none.

use crate::client::Client;
use kernel::{
    arith::{Arithmetic, Transform},
    backend::Backend,
    ckks::{Ciphertext, Ckks},
    complex::Complex,
    error::{Error, Result},
};

/// [`Ckks`] for real slots, with a bootstrap to the top level.
pub struct FakeBootstrap<'p, B: Backend> {
    /// The evaluator.
    pub inner: Ckks<'p, B>,
    /// The owner of the secret.
    pub client: Client<'p, B>,
    top: u8,
    bootstraps: usize,
}

type Inner<'p, B> = Ckks<'p, B>;

impl<'p, B: Backend> FakeBootstrap<'p, B> {
    /// Bootstraps go to level `top`.
    pub fn new(inner: Ckks<'p, B>, client: Client<'p, B>, top: u8) -> Self {
        Self { inner, client, top, bootstraps: 0 }
    }

    /// Bootstraps so far.
    pub fn bootstraps(&self) -> usize {
        self.bootstraps
    }

    /// Real slots, encrypted at the top level.
    pub fn encrypt(&mut self, values: &[f64]) -> Ciphertext<B> {
        let values: Vec<Complex> = values.iter().map(|x| Complex::from(*x)).collect();
        self.client.encrypt(&mut self.inner.be, &values, self.top)
    }

    /// The real parts of the slots.
    pub fn decrypt(&mut self, x: &Ciphertext<B>) -> Vec<f64> {
        self.client.decrypt(&mut self.inner.be, x).iter().map(|z| z.re).collect()
    }
}

impl<'p, B: Backend> Arithmetic for FakeBootstrap<'p, B> {
    type Slots = <Inner<'p, B> as Arithmetic>::Slots;
    type Wide = <Inner<'p, B> as Arithmetic>::Wide;
    type Plain = <Inner<'p, B> as Arithmetic>::Plain;
    type Hoisted = <Inner<'p, B> as Arithmetic>::Hoisted;

    /// Decrypts, and encrypts at the top level.
    fn refresh(&mut self, x: Self::Slots, depth: u8) -> Result<Self::Slots> {
        if self.inner.level(&x) >= depth {
            return Ok(x);
        }
        if self.top < depth {
            return Err(Error::LevelExhausted { need: depth, have: self.top });
        }
        self.bootstraps += 1;
        let values = self.decrypt(&x);
        Ok(self.encrypt(&values))
    }

    fn slots(&self) -> usize {
        self.inner.slots()
    }
    fn level(&self, x: &Self::Slots) -> u8 {
        self.inner.level(x)
    }
    fn encode(&mut self, values: &[f64], level: u8) -> Result<Self::Plain> {
        self.inner.encode(values, level)
    }
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<Self::Plain> {
        self.inner.encode_diagonal(values, level)
    }

    fn copy(&mut self, x: &Self::Slots) -> Result<Self::Slots> {
        self.inner.copy(x)
    }
    fn add(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()> {
        self.inner.add(x, y)
    }
    fn sub(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()> {
        self.inner.sub(x, y)
    }
    fn add_plain(&mut self, x: &mut Self::Slots, p: &Self::Plain) -> Result<()> {
        self.inner.add_plain(x, p)
    }
    fn neg(&mut self, x: &mut Self::Slots) -> Result<()> {
        self.inner.neg(x)
    }
    fn add_const(&mut self, x: &mut Self::Slots, c: f64) -> Result<()> {
        self.inner.add_const(x, c)
    }
    fn mul_int(&mut self, x: &mut Self::Slots, k: i32) -> Result<()> {
        self.inner.mul_int(x, k)
    }

    fn mul(&mut self, x: &Self::Slots, y: &Self::Slots) -> Result<Self::Wide> {
        self.inner.mul(x, y)
    }
    fn mul_plain(&mut self, x: &Self::Slots, p: &Self::Plain) -> Result<Self::Wide> {
        self.inner.mul_plain(x, p)
    }
    fn mul_const(&mut self, x: &Self::Slots, c: f64) -> Result<Self::Wide> {
        self.inner.mul_const(x, c)
    }
    fn weighted_sum(&mut self, terms: &[(&Self::Slots, f64)], level: u8) -> Result<Self::Wide> {
        self.inner.weighted_sum(terms, level)
    }
    fn fits(&self, x: &Self::Slots, level: u8) -> bool {
        self.inner.fits(x, level)
    }
    fn accumulate(&mut self, w: &mut Self::Wide, v: Self::Wide) -> Result<()> {
        self.inner.accumulate(w, v)
    }
    fn rescale(&mut self, w: Self::Wide) -> Result<Self::Slots> {
        self.inner.rescale(w)
    }

    fn rotate(&mut self, x: &Self::Slots, k: i32) -> Result<Self::Slots> {
        self.inner.rotate(x, k)
    }
    fn hoist(&mut self, x: &Self::Slots, steps: &[i32]) -> Result<Self::Hoisted> {
        self.inner.hoist(x, steps)
    }
    fn hoisted(&mut self, h: &Self::Hoisted, k: i32) -> Result<Self::Slots> {
        self.inner.hoisted(h, k)
    }
    fn transform(&mut self, h: &Self::Hoisted, map: &Transform<'_, Self::Plain>) -> Result<Self::Wide> {
        self.inner.transform(h, map)
    }
    fn level_down(&mut self, x: Self::Slots, level: u8) -> Result<Self::Slots> {
        self.inner.level_down(x, level)
    }
    fn lowered(&mut self, x: &Self::Slots, level: u8) -> Result<Self::Slots> {
        self.inner.lowered(x, level)
    }
}
