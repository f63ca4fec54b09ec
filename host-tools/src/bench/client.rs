//! The client's operations: encoding, encryption, decryption, key generation.

use super::{Harness, finish, median};
use crate::{Result, files::public_basis, keys::random};
use polyformer_kernel::{
    arith::Arithmetic,
    backend::Backend,
    ckks::{
        Ciphertext, Encoder, encode, encrypt,
        keys::{EvaluationKey, PublicKey, Switch, key_basis, key_digits},
    },
    math::{complex::Complex, embedding::fill_roots},
};
use std::time::Instant;

impl<B: Backend> Harness<'_, B> {
    pub(super) fn encode(&mut self) -> Result<(f64, usize)> {
        let values = self.values();
        let seconds = median(self.budget, || {
            let start = Instant::now();
            let plain = self.ckks.encode(&values, self.level)?;
            finish(&mut self.ckks.be)?;
            let time = start.elapsed();
            drop(plain);
            Ok(time)
        })?;
        Ok((seconds, 8 * values.len() + self.bytes(1)))
    }

    pub(super) fn decode(&mut self) -> Result<(f64, usize)> {
        let coeffs = self.coefficients()?;
        let (mut z, scale) = (vec![Complex::default(); self.params.slots()], self.params.scale(self.level));
        let mut roots = z.clone();
        fill_roots(&mut roots);
        let seconds = median(self.budget, || {
            let start = Instant::now();
            encode::decode(&roots, &coeffs, scale, &mut z)?;
            Ok(start.elapsed())
        })?;
        Ok((seconds, 8 * coeffs.len() + 16 * z.len()))
    }

    pub(super) fn encrypt_sk(&mut self) -> Result<(f64, usize)> {
        let (message, mut rng) = (self.coefficients()?, random::generator()?);
        let mut coeffs = message.clone();
        let seconds = median(self.budget, || {
            coeffs.copy_from_slice(&message);
            let (start, be) = (Instant::now(), &mut self.ckks.be);
            let ct = encrypt::encrypt(be, self.params, &self.sk, self.level, &mut coeffs, &mut rng)?;
            finish(be)?;
            let time = start.elapsed();
            drop(ct);
            Ok(time)
        })?;
        Ok((seconds, 8 * message.len() + self.bytes(3)))
    }

    pub(super) fn encrypt_pk(&mut self) -> Result<(f64, usize)> {
        let (message, mut rng) = (self.coefficients()?, random::generator()?);
        let (basis, be) = (public_basis(self.params), &mut self.ckks.be);
        let pk = PublicKey::generate(be, self.params, &self.sk, basis, &mut rng, &mut self.scratch)?;
        let mut coeffs = message.clone();
        let seconds = median(self.budget, || {
            coeffs.copy_from_slice(&message);
            let (start, be, scratch) = (Instant::now(), &mut self.ckks.be, &mut self.scratch);
            let ct = encrypt::encrypt_public(be, self.params, &pk, self.level, &mut coeffs, &mut rng, scratch)?;
            finish(be)?;
            let time = start.elapsed();
            drop(ct);
            Ok(time)
        })?;
        Ok((seconds, 8 * message.len() + self.bytes(4)))
    }

    pub(super) fn decrypt(&mut self) -> Result<(f64, usize)> {
        let ct = self.ciphertext()?;
        let (n, base) = (self.params.n(), self.params.base().len());
        let mut words = vec![0; base * n];
        let seconds = median(self.budget, || {
            let (start, be, out) = (Instant::now(), &mut self.ckks.be, &mut self.scratch);
            encrypt::decrypt(be, self.params, &self.sk, &ct, 0, &mut words, out)?;
            Ok(start.elapsed())
        })?;
        Ok((seconds, 3 * 4 * base * n + 8 * n))
    }

    pub(super) fn keygen_galois(&mut self) -> Result<(f64, usize)> {
        let seconds = median(self.budget, || {
            let start = Instant::now();
            let key = self.galois_key(1)?;
            finish(&mut self.ckks.be)?;
            let time = start.elapsed();
            drop(key);
            Ok(time)
        })?;
        Ok((seconds, self.key_bytes()))
    }

    /// A key of the rotation by `k`.
    pub(super) fn galois_key(&mut self, k: i32) -> Result<EvaluationKey<B>> {
        self.evaluation_key(Switch::Galois(self.params.galois(k)))
    }

    pub(super) fn evaluation_key(&mut self, switch: Switch) -> Result<EvaluationKey<B>> {
        let mut rng = random::generator()?;
        let (be, scratch) = (&mut self.ckks.be, &mut self.scratch);
        Ok(EvaluationKey::generate(be, self.params, &self.sk, (switch, self.level), &mut rng, scratch)?)
    }

    /// Bytes of a key for the level in memory.
    pub(super) fn key_bytes(&self) -> usize {
        2 * key_digits(self.params, self.level) * key_basis(self.params, self.level).len() * self.params.n() * 4
    }

    /// An encoded message.
    fn coefficients(&self) -> Result<Vec<i64>> {
        let values = self.values();
        let values = values.iter().map(|x| Complex::from(*x));
        Ok(Encoder::new(self.params).encode(values, self.params.scale(self.level))?.to_vec())
    }

    /// A ciphertext at the level.
    pub(super) fn ciphertext(&mut self) -> Result<Ciphertext<B>> {
        let (mut coeffs, mut rng) = (self.coefficients()?, random::generator()?);
        let be = &mut self.ckks.be;
        Ok(encrypt::encrypt(be, self.params, &self.sk, self.level, &mut coeffs, &mut rng)?)
    }
}
