//! Ciphertexts whose bootstrap holds the secret key: it decrypts and encrypts again. Everything above bootstrapping is
//! tested with it, on chains that have none.

use crate::client::Client;
use kernel::{
    arith::Arithmetic,
    around::Around,
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

impl<'p, B: Backend> Around for FakeBootstrap<'p, B> {
    type Inner = Ckks<'p, B>;

    fn inner(&self) -> &Ckks<'p, B> {
        &self.inner
    }
    fn inner_mut(&mut self) -> &mut Ckks<'p, B> {
        &mut self.inner
    }
    /// Decrypts, and encrypts at the top level.
    fn refreshed(&mut self, x: Ciphertext<B>, depth: u8) -> Result<Ciphertext<B>> {
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
}
