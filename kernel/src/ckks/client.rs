//! The owner of a secret: keys for a server, encryption, decryption.

use super::{
    Ciphertext, Encoder, encrypt,
    evaluation_keys::Keys,
    gadget::{EvaluationKey, Switch},
    public_key::PublicKey,
    secret::{SecretKey, SecretSeed},
};
use crate::{
    arith::cost::Demand,
    backend::Backend,
    error::{Error, Result},
    math::complex::Complex,
    params::Params,
    wipe::Wiped,
};
use alloc::{boxed::Box, vec, vec::Vec};
use rand_core::CryptoRng;

/// A secret key over P and the whole chain, an encoder, and a random generator. The words of polynomials are in the
/// memory of the backend of each call. Use the backend that made the client, or a backend with the same memory. Call
/// [`Client::wipe`] at the end, which overwrites the secret in that memory.
pub struct Client<'p, B: Backend, R> {
    params: &'p Params,
    seed: Box<SecretSeed>,
    sk: SecretKey<B>,
    encoder: Encoder,
    rng: R,
}

impl<'p, B: Backend, R: CryptoRng> Client<'p, B, R> {
    /// A client with a fresh secret from `rng`.
    ///
    /// # Errors
    /// Errors of the backend's memory.
    pub fn new(be: &mut B, params: &'p Params, mut rng: R) -> Result<Self> {
        let seed = SecretSeed::boxed(|bytes| {
            rng.fill_bytes(bytes);
            Ok::<(), Error>(())
        })?;
        Self::with_secret(be, params, seed, rng)
    }

    /// A client with this secret. Keys, errors and public seeds come from `rng`.
    ///
    /// # Errors
    /// Errors of the backend's memory.
    pub fn with_secret(be: &mut B, params: &'p Params, seed: Box<SecretSeed>, rng: R) -> Result<Self> {
        let full = params.full();
        let sk = SecretKey::expand(be, params, &seed, full, &mut vec![0; params.n()])?;
        Ok(Self { params, seed, sk, encoder: Encoder::new(params), rng })
    }

    /// The parameters.
    pub fn params(&self) -> &'p Params {
        self.params
    }

    /// The secret, for keys to other rings.
    pub fn secret(&self) -> &SecretSeed {
        &self.seed
    }

    /// The keys of `demand`.
    ///
    /// # Errors
    ///
    /// The errors of [`Keys::generate`].
    pub fn keys(&mut self, be: &mut B, demand: &Demand) -> Result<Keys<B>> {
        Keys::generate(be, self.params, &self.sk, demand, &mut self.rng)
    }

    /// One key for operands up to `level`.
    ///
    /// # Errors
    /// Errors of the backend's memory.
    pub fn key(&mut self, be: &mut B, switch: Switch, level: u8) -> Result<EvaluationKey<B>> {
        let scratch = &mut vec![0; self.params.n()];
        EvaluationKey::generate(be, self.params, &self.sk, (switch, level), &mut self.rng, scratch)
    }

    /// A public key, under which others encrypt.
    ///
    /// # Errors
    /// Errors of the backend's memory.
    pub fn public_key(&mut self, be: &mut B) -> Result<PublicKey<B>> {
        let (scratch, over) = (&mut vec![0; self.params.n()], self.params.modulus_chain());
        PublicKey::generate(be, self.params, &self.sk, over, &mut self.rng, scratch)
    }

    /// Symmetric encryption at `level`. The number of values divides the number of slots, and shorter vectors repeat.
    ///
    /// Noise: [`super::noise::fresh_symmetric`].
    ///
    /// # Errors
    ///
    /// The errors of [`Encoder::encode`]; errors of the backend's memory.
    pub fn encrypt(&mut self, be: &mut B, values: &[Complex], level: u8) -> Result<Ciphertext<B>> {
        let mut coeffs = self.encoded(values, level)?;
        encrypt::encrypt(be, self.params, &self.sk, level, &mut coeffs, &mut self.rng)
    }

    /// Encryption under a public key of this client or of another client.
    ///
    /// Noise: [`super::noise::fresh_public`].
    ///
    /// # Errors
    ///
    /// The errors of [`Client::encrypt`].
    pub fn encrypt_public(
        &mut self,
        be: &mut B,
        pk: &PublicKey<B>,
        values: &[Complex],
        level: u8,
    ) -> Result<Ciphertext<B>> {
        let (mut coeffs, scratch) = (self.encoded(values, level)?, &mut vec![0; self.params.n()]);
        encrypt::encrypt_public(be, self.params, pk, level, &mut coeffs, &mut self.rng, scratch)
    }

    /// The n/2 slots of a ciphertext.
    ///
    /// The slots carry noise that depends on the secret: they are private to the owner of the key.
    ///
    /// # Errors
    /// Errors of the backend's memory.
    pub fn decrypt(&self, be: &mut B, ct: &Ciphertext<B>) -> Result<Vec<Complex>> {
        let n = self.params.n();
        let (mut words, mut coeffs) = (vec![0; self.params.base().len() * n], vec![0; n]);
        let (mut words, mut coeffs) = (Wiped::new(&mut words), Wiped::new(&mut coeffs));
        encrypt::decrypt(be, self.params, &self.sk, ct, 0, &mut words, &mut coeffs)?;
        self.encoder.decode(&coeffs, self.params.scale(ct.level))
    }

    /// n coefficients of the values at `level`, repeated to the full length.
    fn encoded(&mut self, values: &[Complex], level: u8) -> Result<Vec<i64>> {
        let mut coeffs = vec![0; self.params.n()];
        let encoded = self.encoder.encode(values.iter().copied(), self.params.scale(level));
        let apart = encoded.as_ref().map_or(1, |short| coeffs.len() / short.len()); // a polynomial in X^apart
        let encoded = encoded.map(|short| coeffs.iter_mut().step_by(apart).zip(short).for_each(|(c, x)| *c = *x));
        self.encoder.wipe();
        encoded.map(|()| coeffs)
    }

    /// Overwrites the secret in the backend's memory.
    ///
    /// # Errors
    /// Errors of the backend.
    pub fn wipe(self, be: &mut B) -> Result<()> {
        self.sk.wipe(be)
    }
}
