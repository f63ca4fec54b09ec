//! Encryption and decryption of encoded messages. The functions need no allocator and work on one modulus at a time, so
//! a client needs memory for one or two limbs only.

use super::{
    Ciphertext,
    derive::{UniformHalf, uniform},
    public_key::PublicKey,
    public_seed,
    secret::SecretKey,
};
use crate::{
    backend::{
        Backend, Op, Shape,
        poly::{Coeff, Eval, Poly},
    },
    error::{Error, Result},
    math::modular::Modulus,
    params::Params,
    ring::{
        Basis,
        sample::{self, Seed},
    },
    wipe::Wiped,
};

/// Symmetric encryption (b, a) over `basis` of a message that already carries its error: b = noisy - a s. a is item
/// `item` of the expansion of `uniform`. Never use the pair twice, and never one error with two of them.
///
/// # Errors
/// Errors of the backend's memory; [`crate::Error::Length`] if the message is not as long as the ring degree.
pub fn symmetric<B: Backend>(
    be: &mut B,
    sk: &SecretKey<B>,
    basis: Basis,
    noisy: &[i64],
    (uniform, item): (&Seed, u64),
) -> Result<[Poly<Eval, B>; 2]> {
    let shape = Shape { count: 1, basis, cols: be.ring().n() as u32 };
    let mut b = Poly::<Coeff, B>::from_signed(be, shape, noisy)?.ntt(be);
    let (mut a, mut tmp) = (Poly::<Eval, B>::alloc(be, shape)?, be.alloc(shape)?);
    be.upload_uniform(a.limbs_mut(), uniform, item)?;
    be.zip(Op::Mul, basis, &mut tmp, a.limbs(), sk.limbs());
    be.zip_assign(Op::Sub, basis, b.limbs_mut(), &tmp);
    Ok([b, a])
}

/// Symmetric encryptions under one public seed, which is drawn here. Each ciphertext is the next item of the seed, so no
/// uniform half serves two messages. The seed and the halves c0 together are the ciphertexts.
pub struct Encryptor<'p> {
    params: &'p Params,
    seed: Seed,
    uniform: Seed,
    items: u64,
}

impl<'p> Encryptor<'p> {
    /// Draws the seed.
    pub fn new(params: &'p Params, rng: &mut impl rand_core::CryptoRng) -> Self {
        let seed = public_seed(rng);
        Self { params, seed, uniform: uniform(params, UniformHalf::Ciphertext, 0, &seed), items: 0 }
    }

    /// The public seed.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The next item: adds [`sample::error`] to encoded coefficients at `level`, encrypts, and wipes the coefficients.
    ///
    /// Noise: [`super::noise::fresh_symmetric`].
    ///
    /// # Errors
    /// Errors of the backend's memory; [`crate::Error::Length`] if `coeffs` is not as long as the ring degree.
    pub fn encrypt<B: Backend>(
        &mut self,
        be: &mut B,
        sk: &SecretKey<B>,
        level: u8,
        coeffs: &mut [i64],
        rng: &mut impl rand_core::CryptoRng,
    ) -> Result<Ciphertext<B>> {
        let item = self.items;
        self.items += 1; // also if this item fails: its uniform half was perhaps seen
        let mut coeffs = Wiped::new(coeffs);
        sample::error(rng, &mut coeffs);
        Ok(Ciphertext { c: symmetric(be, sk, self.params.q(level), &coeffs, (&self.uniform, item))?, level })
    }
}

/// One symmetric encryption of encoded coefficients at `level`, by an [`Encryptor`] of its own. `coeffs` is wiped.
///
/// # Errors
/// Those of [`Encryptor::encrypt`].
pub fn encrypt<B: Backend>(
    be: &mut B,
    params: &Params,
    sk: &SecretKey<B>,
    level: u8,
    coeffs: &mut [i64],
    rng: &mut impl rand_core::CryptoRng,
) -> Result<Ciphertext<B>> {
    Encryptor::new(params, rng).encrypt(be, sk, level, coeffs, rng)
}

/// Public-key encryption at `level`: (b v + m + e0, a v + e1) with a fresh ternary v. `pk` covers the level. `scratch`
/// holds n integers. `scratch` and `coeffs` are wiped.
///
/// Noise: [`super::noise::fresh_public`], 2^8 times the noise of [`encrypt`] at N = 2^16. The upload is twice as large.
///
/// # Errors
/// Errors of the backend's memory; [`crate::Error::Length`] if `coeffs` is not as long as the ring degree.
pub fn encrypt_public<B: Backend>(
    be: &mut B,
    params: &Params,
    pk: &PublicKey<B>,
    level: u8,
    coeffs: &mut [i64],
    rng: &mut impl rand_core::CryptoRng,
    scratch: &mut [i64],
) -> Result<Ciphertext<B>> {
    let basis = params.q(level);
    let shape = Shape { count: 1, basis, cols: params.n() as u32 };
    let (mut coeffs, mut scratch) = (Wiped::new(coeffs), Wiped::new(scratch));
    sample::ternary(rng, &mut scratch);
    let v = Poly::<Coeff, B>::from_signed(be, shape, &scratch)?.ntt(be);
    sample::error(rng, &mut coeffs);
    let mut c0 = Poly::<Coeff, B>::from_signed(be, shape, &coeffs)?.ntt(be);
    scratch.fill(0);
    sample::error(rng, &mut scratch);
    let mut c1 = Poly::<Coeff, B>::from_signed(be, shape, &scratch)?.ntt(be);
    be.mul_add(basis, c0.limbs_mut(), &pk.pair[0], v.limbs());
    be.mul_add(basis, c1.limbs_mut(), &pk.pair[1], v.limbs());
    Ok(Ciphertext { c: [c0, c1], level })
}

/// Decrypts item `item` of a batch to the centred coefficients of scale(level) m + e. Only the base primes are needed,
/// because messages fit the base at every level. `sk` covers the base. `words` holds base.len() x n words for each item
/// of the batch, and `coeffs` n integers.
///
/// The result carries noise that depends on the secret and is private to the key's owner (docs/math.md §17.3).
///
/// # Errors
/// Errors of the backend: its memory, a lost device. [`crate::Error::Length`] if a buffer has another length.
pub fn decrypt<B: Backend>(
    be: &mut B,
    params: &Params,
    sk: &SecretKey<B>,
    ct: &Ciphertext<B>,
    item: u16,
    words: &mut [u32],
    coeffs: &mut [i64],
) -> Result<()> {
    let (basis, n) = (params.base(), params.n());
    let count = ct.c[0].shape().count;
    let shape = Shape { count, basis, cols: n as u32 };
    if coeffs.len() != n {
        return Err(Error::Length { expected: n, actual: coeffs.len() });
    }
    if item >= count {
        return Err(Error::Length { expected: count as usize, actual: item as usize });
    }
    let mut m = Poly::<Eval, B>::alloc(be, shape)?;
    be.zip(Op::Mul, basis, m.limbs_mut(), ct.c[1].limbs(), sk.limbs());
    be.zip_assign(Op::Add, basis, m.limbs_mut(), ct.c[0].limbs());
    let m = m.intt(be);
    be.download(m.limbs(), words)?;
    let words = &words[shape.at(item as usize, basis.start as usize)..][..basis.len() * n];
    match params.moduli()[basis.start as usize..][..basis.len()] {
        [] => {}
        [q] => coeffs.iter_mut().zip(words).for_each(|(c, x)| *c = centered(*x as u64, q.q() as u64)),
        [q0, q1] => {
            let (pair, product) = (Garner::new(q0, q1), q0.q() as u64 * q1.q() as u64);
            let (low, high) = words.split_at(n);
            for ((c, x0), x1) in coeffs.iter_mut().zip(low).zip(high) {
                *c = centered(pair.join(*x0, *x1), product);
            }
        }
        [q0, q1, q2, ..] => garner_three(coeffs, words, [q0, q1, q2]),
    }
    Ok(())
}

/// Two residues to the integer in [0, q0 q1): x = x0 + q0 ((x1 - x0) / q0 mod q1).
pub(super) struct Garner {
    q0: Modulus,
    q1: Modulus,
    inverse: u32, // q0^-1 mod q1, Montgomery form
}

impl Garner {
    pub(super) fn new(q0: Modulus, q1: Modulus) -> Self {
        Self { q0, q1, inverse: q1.to_mont(q1.inv(q1.reduce(q0.q()))) }
    }

    pub(super) fn join(&self, x0: u32, x1: u32) -> u64 {
        let k = self.q1.mul(self.q1.sub(x1, self.q1.reduce(x0)), self.inverse);
        x0 as u64 + k as u64 * self.q0.q() as u64
    }
}

/// Three residues to the centred integer modulo q0 q1 q2 < 2^90; encoded messages are below 2^62.
fn garner_three(coeffs: &mut [i64], words: &[u32], [q0, q1, q2]: [Modulus; 3]) {
    let (pair, n) = (Garner::new(q0, q1), coeffs.len());
    let q01 = q0.q() as u64 * q1.q() as u64;
    let (inverse, product) = (q2.to_mont(q2.inv(q2.reduce_u64(q01))), q01 as u128 * q2.q() as u128);
    for (i, c) in coeffs.iter_mut().enumerate() {
        let x = pair.join(words[i], words[n + i]);
        let k = q2.mul(q2.sub(words[2 * n + i], q2.reduce_u64(x)), inverse);
        let x = x as u128 + k as u128 * q01 as u128;
        let above = ((product / 2).wrapping_sub(x) >> 127) as i128; // 1 if x > product / 2
        *c = (x as i128 - above * product as i128) as i64;
    }
}

/// The representative of x in [-q/2, q/2), without a branch.
pub(super) fn centered(x: u64, q: u64) -> i64 {
    let above = ((q / 2).wrapping_sub(x) >> 63) as i64; // 1 if x > q/2
    x as i64 - above * q as i64
}

#[cfg(test)]
mod tests {
    use super::{Garner, centered, garner_three};
    use crate::math::modular::Modulus;

    #[test]
    fn residues_of_the_base_join_to_the_signed_integer() {
        let q = [1073479681, 1071513601, 1070727169].map(Modulus::new);
        let pair = Garner::new(q[0], q[1]);
        let mut x = 1u64;
        for i in 0..1000 {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let wide = match i {
                0 => (1 << 62) - 1,
                1 => -(1 << 62),
                2 => 0,
                _ => (x as i64) >> (i % 60 + 1),
            };
            let words: [u32; 3] = q.map(|q| q.reduce_i64(wide));
            let mut out = [0];
            garner_three(&mut out, &words, q);
            assert_eq!(out, [wide]);
            let narrow = wide >> 4;
            let [x0, x1, _] = q.map(|q| q.reduce_i64(narrow));
            assert_eq!(centered(pair.join(x0, x1), q[0].q() as u64 * q[1].q() as u64), narrow);
        }
    }
}
