//! A client for tests: a secret, the keys that a trace demands, encryption and decryption, and measured errors.

use polyformer_kernel::{
    arith::cost::Demand,
    backend::Backend,
    ckks::{
        Ciphertext,
        encode::{MAX_BITS, decode, encode},
        encrypt::{decrypt, encrypt, encrypt_public},
        keys::{EvaluationKey, Keys, PublicKey, SecretKey, SecretSeed, Switch},
        raise::RaiseKeys,
    },
    math::{complex::Complex, embedding::fill_roots},
    params::Params,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// A secret key and what it takes to use it.
pub struct Client<'p, B: Backend> {
    params: &'p Params,
    seed: SecretSeed,
    sk: SecretKey<B>,
    roots: Vec<Complex>,
    rng: ChaCha20Rng,
    drawn: u8,
}

impl<'p, B: Backend> Client<'p, B> {
    /// A client whose secret, keys and noise follow from `seed`.
    pub fn new(be: &mut B, params: &'p Params, seed: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let secret = SecretSeed::generate(&mut rng);
        let full = params.full();
        let sk = SecretKey::expand(be, &secret, full, &mut vec![0; params.n()]).unwrap();
        let mut roots = vec![Complex::default(); params.slots()];
        fill_roots(&mut roots);
        Self { params, seed: secret, sk, roots, rng, drawn: 0 }
    }

    /// The secret, for keys to other rings.
    pub fn secret(&self) -> SecretSeed {
        SecretSeed::take(&mut { *self.seed.expose() })
    }

    fn public_seed(&mut self) -> [u8; 32] {
        self.drawn += 1;
        [self.drawn; 32]
    }

    /// One key for operands up to `level`.
    pub fn key(&mut self, be: &mut B, switch: Switch, level: u8) -> EvaluationKey<B> {
        let (seed, scratch) = (self.public_seed(), &mut vec![0; self.params.n()]);
        EvaluationKey::generate(be, self.params, &self.sk, (switch, level), &seed, &mut self.rng, scratch).unwrap()
    }

    /// The keys that `demand` names, and those of ModRaise if the chain can be bootstrapped.
    pub fn keys(&mut self, be: &mut B, demand: &Demand) -> Keys<B> {
        let relin = demand.relin.map(|level| self.key(be, Switch::Relinearize, level));
        let mut keys = Keys { relin, ..Keys::default() };
        let rotations = demand.rotations.iter().map(|(k, level)| (self.params.galois(*k), *level));
        let conjugate = demand.conjugate.map(|level| (self.params.galois_conjugate(), level));
        for (g, level) in rotations.chain(conjugate).collect::<Vec<_>>() {
            keys.galois.insert(g, self.key(be, Switch::Galois(g), level));
        }
        if self.params.bootstrap().is_some() {
            let (seed, scratch) = (self.public_seed(), &mut vec![0; self.params.n()]);
            let raise = RaiseKeys::generate(be, self.params, &self.sk, &seed, &mut self.rng, scratch);
            keys.raise = Some(raise.unwrap());
        }
        keys
    }

    fn encoded(&self, values: &[Complex], level: u8) -> Vec<i64> {
        let (mut slots, mut coeffs) = (values.to_vec(), vec![0; self.params.n()]);
        encode(&self.roots, &mut slots, self.params.scale(level), MAX_BITS, &mut coeffs).unwrap();
        coeffs
    }

    /// Symmetric encryption at `level`.
    pub fn encrypt(&mut self, be: &mut B, values: &[Complex], level: u8) -> Ciphertext<B> {
        let (mut coeffs, seed) = (self.encoded(values, level), self.public_seed());
        encrypt(be, self.params, &self.sk, level, &mut coeffs, &seed, &mut self.rng).unwrap()
    }

    /// Encryption at `level` under a public key of this client.
    pub fn encrypt_public(&mut self, be: &mut B, values: &[Complex], level: u8) -> Ciphertext<B> {
        let (mut coeffs, seed, scratch) =
            (self.encoded(values, level), self.public_seed(), &mut vec![0; self.params.n()]);
        let pk = PublicKey::generate(be, &self.sk, self.params.modulus_chain(), &seed, &mut self.rng, scratch).unwrap();
        encrypt_public(be, self.params, &pk, level, &mut coeffs, &mut self.rng, scratch).unwrap()
    }

    /// Decryption to slots.
    pub fn decrypt(&self, be: &mut B, ct: &Ciphertext<B>) -> Vec<Complex> {
        let (n, mut slots) = (self.params.n(), self.roots.clone());
        let (mut words, mut coeffs) = (vec![0; self.params.base().len() * n], vec![0; n]);
        decrypt(be, self.params, &self.sk, ct, 0, &mut words, &mut coeffs).unwrap();
        decode(&self.roots, &coeffs, self.params.scale(ct.level), &mut slots).unwrap();
        slots
    }

    /// The errors of `ct` against what it should hold.
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
