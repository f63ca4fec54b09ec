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

/// The kernel's client with public seeds that are counted, so that everything follows from one byte.
pub struct Client<'p, B: Backend> {
    inner: ckks::Client<'p, B, ChaCha20Rng>,
    drawn: u8,
}

impl<'p, B: Backend> Client<'p, B> {
    /// A client whose secret, keys and noise follow from `seed`.
    pub fn new(be: &mut B, params: &'p Params, seed: u8) -> Self {
        let inner = ckks::Client::new(be, params, ChaCha20Rng::from_seed([seed; 32])).unwrap();
        Self { inner, drawn: 0 }
    }

    /// The secret, for keys to other rings.
    pub fn secret(&self) -> SecretSeed {
        SecretSeed::take(&mut { *self.inner.secret().expose() })
    }

    fn public_seed(&mut self) -> [u8; 32] {
        self.drawn += 1;
        [self.drawn; 32]
    }

    /// One key for operands up to `level`.
    pub fn key(&mut self, be: &mut B, switch: Switch, level: u8) -> EvaluationKey<B> {
        let seed = self.public_seed();
        self.inner.key(be, switch, level, &seed).unwrap()
    }

    /// The keys of `demand`, and the keys of ModRaise if the chain can be bootstrapped.
    pub fn keys(&mut self, be: &mut B, demand: &Demand) -> Keys<B> {
        let demand = Demand { raise: self.inner.params().bootstrap().is_some(), ..demand.clone() };
        let Self { inner, drawn } = self;
        let seed = || {
            *drawn += 1;
            [*drawn; 32]
        };
        inner.keys_seeded(be, &demand, seed).unwrap()
    }

    /// Symmetric encryption at `level`.
    pub fn encrypt(&mut self, be: &mut B, values: &[Complex], level: u8) -> Ciphertext<B> {
        let seed = self.public_seed();
        self.inner.encrypt_seeded(be, values, level, &seed).unwrap()
    }

    /// Encryption at `level` under a public key of this client.
    pub fn encrypt_public(&mut self, be: &mut B, values: &[Complex], level: u8) -> Ciphertext<B> {
        let seed = self.public_seed();
        let pk = self.inner.public_key(be, &seed).unwrap();
        self.inner.encrypt_public(be, &pk, values, level).unwrap()
    }

    /// Decryption to slots.
    pub fn decrypt(&self, be: &mut B, ct: &Ciphertext<B>) -> Vec<Complex> {
        self.inner.decrypt(be, ct).unwrap()
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
