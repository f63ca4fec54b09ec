//! A client for tests: a secret, the keys of a trace's demand, encryption and decryption, and measured errors.

use polyformer_kernel::{
    arith::cost::Demand,
    backend::Backend,
    ckks::{
        self, Ciphertext,
        keys::{EvaluationKey, Keys, SecretSeed, Switch},
    },
    math::complex::Complex,
    params::Params,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// The kernel's client, whose draws all follow from one byte.
pub struct Client<'p, B: Backend>(ckks::Client<'p, B, ChaCha20Rng>);

impl<'p, B: Backend> Client<'p, B> {
    /// A client whose secret, keys and noise follow from `seed`.
    pub fn new(be: &mut B, params: &'p Params, seed: u8) -> Self {
        Self(ckks::Client::new(be, params, ChaCha20Rng::from_seed([seed; 32])).unwrap())
    }

    /// The secret, for keys to other rings.
    pub fn secret(&self) -> SecretSeed {
        SecretSeed::take(&mut { *self.0.secret().expose() })
    }

    /// One key for operands up to `level`.
    pub fn key(&mut self, be: &mut B, switch: Switch, level: u8) -> EvaluationKey<B> {
        self.0.key(be, switch, level).unwrap()
    }

    /// The keys of `demand`, and the keys of ModRaise if the chain can be bootstrapped.
    pub fn keys(&mut self, be: &mut B, demand: &Demand) -> Keys<B> {
        let demand = Demand { raise: self.0.params().bootstrap().is_some(), ..demand.clone() };
        self.0.keys(be, &demand).unwrap()
    }

    /// Symmetric encryption at `level`.
    pub fn encrypt(&mut self, be: &mut B, values: &[Complex], level: u8) -> Ciphertext<B> {
        self.0.encrypt(be, values, level).unwrap()
    }

    /// Encryption at `level` under a public key of this client.
    pub fn encrypt_public(&mut self, be: &mut B, values: &[Complex], level: u8) -> Ciphertext<B> {
        let pk = self.0.public_key(be).unwrap();
        self.0.encrypt_public(be, &pk, values, level).unwrap()
    }

    /// Decryption to slots.
    pub fn decrypt(&self, be: &mut B, ct: &Ciphertext<B>) -> Vec<Complex> {
        self.0.decrypt(be, ct).unwrap()
    }

    /// The errors of `ct` against the expected values.
    pub fn errors(&self, be: &mut B, ct: &Ciphertext<B>, want: impl Fn(usize) -> Complex) -> Errors {
        let slots = self.decrypt(be, ct);
        let sizes = slots.iter().enumerate().map(|(i, z)| {
            let d = *z - want(i);
            d.re.hypot(d.im)
        });
        Errors::of(sizes)
    }
}

/// Statistics of errors in the slots.
#[derive(Clone, Copy, Debug)]
pub struct Errors {
    /// Mean absolute value.
    pub mean: f64,
    /// Root of the mean square.
    pub rms: f64,
    /// The largest.
    pub worst: f64,
}

impl Errors {
    /// Statistics of these sizes.
    pub fn of(sizes: impl Iterator<Item = f64>) -> Self {
        let (mut count, mut sum, mut squares, mut worst) = (0.0, 0.0, 0.0, 0.0f64);
        for e in sizes {
            (count, sum, squares, worst) = (count + 1.0, sum + e, squares + e * e, worst.max(e));
        }
        Self { mean: sum / count, rms: (squares / count).sqrt(), worst }
    }
}

/// A real vector that no structure helps with.
pub fn scattered(slots: usize, seed: usize) -> Vec<Complex> {
    (0..slots).map(|i| Complex::from(((i * 7919 + seed * 104729 + 13) % 1009) as f64 / 504.0 - 1.0)).collect()
}
