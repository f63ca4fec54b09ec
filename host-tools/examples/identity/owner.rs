//! The owner of a secret: every draw follows from one seed, in an order that is fixed here.

use polyformer_kernel::{
    Result,
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

/// The bytes of the secret.
pub const SECRET: [u8; 32] = [21; 32];

/// A secret key, and the random values of its owner.
pub struct Owner<'p, B: Backend> {
    params: &'p Params,
    /// The secret over P and the whole modulus chain.
    pub sk: SecretKey<B>,
    roots: Vec<Complex>,
    rng: ChaCha20Rng,
}

impl<'p, B: Backend> Owner<'p, B> {
    /// An owner whose keys and noise follow from `seed`.
    pub fn new(be: &mut B, params: &'p Params, seed: u8) -> Result<Self> {
        let secret = SecretSeed::take(&mut { SECRET });
        let full = params.modulus_chain().with(params.specials());
        let sk = SecretKey::expand(be, params, &secret, full, &mut vec![0; params.n()])?;
        let mut roots = vec![Complex::default(); params.slots()];
        fill_roots(&mut roots);
        Ok(Self { params, sk, roots, rng: ChaCha20Rng::from_seed([seed; 32]) })
    }

    /// One key for operands up to `level`.
    pub fn key(&mut self, be: &mut B, switch: Switch, level: u8) -> Result<EvaluationKey<B>> {
        let scratch = &mut vec![0; self.params.n()];
        EvaluationKey::generate(be, self.params, &self.sk, (switch, level), &mut self.rng, scratch)
    }

    /// The keys of ModRaise.
    pub fn raise_keys(&mut self, be: &mut B) -> Result<RaiseKeys<B>> {
        let scratch = &mut vec![0; self.params.n()];
        RaiseKeys::generate(be, self.params, &self.sk, &mut self.rng, scratch)
    }

    /// The keys that `demand` names, and those of ModRaise if the chain can be bootstrapped.
    pub fn keys(&mut self, be: &mut B, demand: &Demand) -> Result<Keys<B>> {
        let mut keys = Keys::default();
        if let Some(level) = demand.relin {
            keys.relin = Some(self.key(be, Switch::Relinearize, level)?);
        }
        let rotations = demand.rotations.iter().map(|(k, level)| (self.params.galois(*k), *level));
        let conjugate = demand.conjugate.map(|level| (self.params.galois_conjugate(), level));
        for (g, level) in rotations.chain(conjugate).collect::<Vec<_>>() {
            keys.galois.insert(g, self.key(be, Switch::Galois(g), level)?);
        }
        if self.params.bootstrap().is_some() {
            keys.raise = Some(self.raise_keys(be)?);
        }
        Ok(keys)
    }

    /// A public key over the whole modulus chain.
    pub fn public_key(&mut self, be: &mut B) -> Result<PublicKey<B>> {
        let (scratch, over) = (&mut vec![0; self.params.n()], self.params.modulus_chain());
        PublicKey::generate(be, self.params, &self.sk, over, &mut self.rng, scratch)
    }

    /// The coefficients of an encoded vector.
    pub fn encoded(&self, values: &[Complex], level: u8) -> Result<Vec<i64>> {
        let (mut slots, mut coeffs) = (values.to_vec(), vec![0; 2 * values.len()]);
        encode(&self.roots, &mut slots, self.params.scale(level), MAX_BITS, &mut coeffs)?;
        Ok(coeffs)
    }

    /// Encryption under the secret key.
    pub fn encrypt(&mut self, be: &mut B, values: &[Complex], level: u8) -> Result<Ciphertext<B>> {
        let mut coeffs = self.encoded(values, level)?;
        encrypt(be, self.params, &self.sk, level, &mut coeffs, &mut self.rng)
    }

    /// Encryption under a public key.
    pub fn encrypt_public(
        &mut self,
        be: &mut B,
        pk: &PublicKey<B>,
        values: &[Complex],
        level: u8,
    ) -> Result<Ciphertext<B>> {
        let (mut coeffs, scratch) = (self.encoded(values, level)?, &mut vec![0; self.params.n()]);
        encrypt_public(be, self.params, pk, level, &mut coeffs, &mut self.rng, scratch)
    }

    /// The coefficients and the slots of a ciphertext.
    pub fn decrypt(&self, be: &mut B, x: &Ciphertext<B>) -> Result<(Vec<i64>, Vec<Complex>)> {
        let (n, mut slots) = (self.params.n(), self.roots.clone());
        let (mut words, mut coeffs) = (vec![0; self.params.base().len() * n], vec![0; n]);
        decrypt(be, self.params, &self.sk, x, 0, &mut words, &mut coeffs)?;
        decode(&self.roots, &coeffs, self.params.scale(x.level), &mut slots)?;
        Ok((coeffs, slots))
    }
}
