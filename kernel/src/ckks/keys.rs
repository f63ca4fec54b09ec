//! Keys: the ternary secret, and the key-switching keys and public key made from it.
//!
//! Hybrid key switching (docs/math.md §7.1): the key from s1 to s2 holds, for digit j, (b_j, a_j) over P and the whole line
//! with b_j + a_j s2 = e_j + P g_j s1, where g_j is 1 modulo the primes of digit j and 0 modulo the others. That
//! holds for every subset of the line, so one key serves every level. The halves a_j are expanded from a public
//! seed, so that only the b_j are stored or sent.

use crate::{
    backend::{
        Backend, Limbs, Op, Pair, Shape, digit,
        poly::{Coeff, Eval, Poly},
    },
    error::Result,
    params::Params,
    ring::{
        Basis,
        sample::{self, Seed},
    },
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The 32 bytes that a secret key is expanded from. Wiped when dropped; neither shown nor cloned.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretSeed([u8; 32]);

impl SecretSeed {
    /// Takes the bytes over and wipes the caller's copy.
    pub fn take(bytes: &mut [u8; 32]) -> Self {
        let seed = Self(*bytes);
        bytes.zeroize();
        seed
    }

    /// A fresh seed.
    pub fn generate(rng: &mut impl rand_core::CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self::take(&mut bytes)
    }

    /// The bytes, for the file that keeps them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Ternary coefficients of which exactly `weight` are not zero, for a secret that lives for one key generation.
    /// Every draw passes over all coefficients, so that no address depends on the secret.
    pub fn sparse_coefficients(&self, weight: u32, out: &mut [i64]) {
        let mut rng = ChaCha20Rng::from_seed(self.0);
        sample::sparse_ternary(&mut rng, weight, out);
    }

    /// The uniform ternary coefficients of the secret polynomial.
    pub fn coefficients(&self, out: &mut [i64]) {
        out.iter_mut().zip(self.trits()).for_each(|(x, s)| *x = s);
    }

    /// The same, one by one.
    pub(super) fn trits(&self) -> impl Iterator<Item = i64> {
        let mut rng = ChaCha20Rng::from_seed(self.0);
        core::iter::repeat_with(move || sample::trit(&mut rng))
    }
}

/// The secret polynomial s over a basis: P and the line to make keys, the base primes to decrypt.
pub struct SecretKey<B: Backend> {
    s: Poly<Eval, B>,
}

impl<B: Backend> SecretKey<B> {
    /// Expands the secret over `basis`. `scratch` holds n integers; it is wiped before returning.
    pub fn expand(be: &mut B, seed: &SecretSeed, basis: Basis, scratch: &mut [i64]) -> Result<Self> {
        seed.coefficients(scratch);
        Self::upload(be, basis, scratch)
    }

    /// A sparse secret ([`SecretSeed::sparse_coefficients`]) over `basis`; `scratch` likewise.
    pub fn expand_sparse(
        be: &mut B,
        seed: &SecretSeed,
        weight: u32,
        basis: Basis,
        scratch: &mut [i64],
    ) -> Result<Self> {
        seed.sparse_coefficients(weight, scratch);
        Self::upload(be, basis, scratch)
    }

    /// The secret of a ring of degree m, as an element of this larger one: s(X^(n/m)) over `basis`; `scratch` likewise.
    pub fn expand_small(be: &mut B, seed: &SecretSeed, m: usize, basis: Basis, scratch: &mut [i64]) -> Result<Self> {
        let apart = scratch.len().checked_div(m).unwrap_or(0).max(1);
        scratch.fill(0);
        scratch.iter_mut().step_by(apart).zip(seed.trits()).for_each(|(x, s)| *x = s);
        Self::upload(be, basis, scratch)
    }

    fn upload(be: &mut B, basis: Basis, scratch: &mut [i64]) -> Result<Self> {
        let shape = Shape { count: 1, basis, cols: be.ring().n() as u32 };
        let s = Poly::<Coeff, B>::from_signed(be, shape, scratch).map(|s| s.ntt(be));
        scratch.zeroize();
        Ok(Self { s: s? })
    }

    /// Its limbs, for the operations of this module and its siblings.
    pub fn limbs(&self) -> &Limbs<B::Buf> {
        self.s.limbs()
    }

    /// Overwrites the words in the backend's memory, which outlives this key in a backend that pools it.
    pub fn wipe(mut self, be: &mut B) -> Result<()> {
        let over = self.s.basis();
        let zeros = be.ring().constants(over, |_| 0);
        be.scalar_assign(Op::Mul, over, self.s.limbs_mut(), &zeros);
        be.submit()
    }
}

/// What a key-switching key switches from, always to a secret that the holder of the key decrypts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// From s^2 to s: relinearisation.
    Relinearize,
    /// From s to s(X^(1/g)); the automorphism X -> X^g that follows brings the result back under s. Switching first
    /// lets many rotations share one mod_up without permuting its digits.
    Galois(u32),
}

/// One pair (b, a) over `full` with b + a `under` = e + \[on `rows`\] P `from`, P being the specials of `full`:
/// the stuff of key-switching keys. a is expanded from `seed`, stream `stream`. `from` covers `rows`, `under`
/// covers `full`; `scratch` holds n integers and is wiped.
pub fn gadget_pair<B: Backend>(
    be: &mut B,
    (full, rows): (Basis, Basis),
    from: &Limbs<B::Buf>,
    under: &Limbs<B::Buf>,
    (seed, stream): (&Seed, u64),
    rng: &mut impl rand_core::CryptoRng,
    scratch: &mut [i64],
) -> Result<Pair<B::Buf>> {
    let shape = Shape { count: 1, basis: full, cols: be.ring().n() as u32 };
    scratch.fill(0);
    sample::error(rng, scratch);
    let e = Poly::<Coeff, B>::from_signed(be, shape, scratch).map(|e| e.ntt(be).into_limbs());
    scratch.zeroize();
    let mut b = e?;
    let (mut a, mut tmp) = (be.alloc(shape)?, be.alloc(shape)?);
    be.upload_uniform(&mut a, seed, stream)?;
    be.zip(Op::Mul, full, &mut tmp, &a, under);
    be.zip_assign(Op::Sub, full, &mut b, &tmp);
    let p = Basis::span(0, 0).with(full.specials);
    let ring = be.ring();
    let p = ring.constants(rows, |q| ring.product(p, q));
    be.scalar(Op::Mul, rows, &mut tmp, from, &p);
    be.zip_assign(Op::Add, rows, &mut b, &tmp);
    zero(be, full, &mut tmp);
    Ok([b, a])
}

/// The basis of a key that serves every level up to `level`: P, and the line as far as that level reaches.
pub fn key_basis(params: &Params, level: u8) -> Basis {
    let line = params.modulus_chain();
    Basis { end: params.q(level).end, ..line.with(params.specials()) }
}

/// Digits of a key that serves every level up to `level`.
pub fn key_digits(params: &Params, level: u8) -> usize {
    let limbs = key_basis(params, level).len() - params.specials() as usize;
    if params.alpha() == 0 { 0 } else { limbs.div_ceil(params.alpha() as usize) }
}

/// Draws digit j of a key for levels up to `level`: [`key_digits`] calls are one key. The pair is over [`key_basis`],
/// which `sk` covers.
///
/// Error of a key switch with such keys: [`crate::ckks::noise::key_switch`].
pub fn switching_digit<B: Backend>(
    be: &mut B,
    params: &Params,
    sk: &SecretKey<B>,
    (switch, level): (Switch, u8),
    j: usize,
    seed: &Seed,
    rng: &mut impl rand_core::CryptoRng,
    scratch: &mut [i64],
) -> Result<Pair<B::Buf>> {
    let full = key_basis(params, level);
    let rows = digit(full.with(0), params.specials(), params.alpha(), j);
    let mut other = be.alloc(Shape { count: 1, basis: full, cols: params.n() as u32 })?;
    let s = sk.limbs();
    let (from, under) = match switch {
        Switch::Relinearize => {
            be.zip(Op::Mul, full, &mut other, s, s);
            (&other, s)
        }
        Switch::Galois(g) => {
            be.permute(full, &mut other, s, inverse_galois(g, params.n()));
            (s, &other)
        }
    };
    let pair = gadget_pair(be, (full, rows), from, under, (seed, j as u64), rng, scratch);
    zero(be, full, &mut other);
    pair
}

/// g^-1 modulo 2n.
pub fn inverse_galois(g: u32, n: usize) -> u32 {
    let mask = 2 * n as u32 - 1;
    let mut inv = g; // Newton modulo a power of two: 3 bits, 6, 12, 24
    for _ in 0..4 {
        inv = inv.wrapping_mul(2u32.wrapping_sub(g.wrapping_mul(inv)));
    }
    inv & mask
}

fn zero<B: Backend>(be: &mut B, over: Basis, x: &mut Limbs<B::Buf>) {
    let zeros = be.ring().constants(over, |_| 0);
    be.scalar_assign(Op::Mul, over, x, &zeros);
}

/// A public key (b, a) with b + a s = e over `basis`, the base and mains that ciphertexts are made at.
pub struct PublicKey<B: Backend> {
    /// b and a.
    pub pair: Pair<B::Buf>,
}

impl<B: Backend> PublicKey<B> {
    /// Draws a public key over `basis`; a is expanded from `seed`. `scratch` holds n integers and is wiped.
    pub fn generate(
        be: &mut B,
        sk: &SecretKey<B>,
        basis: Basis,
        seed: &Seed,
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Self> {
        let nothing = Basis::span(basis.start as usize, basis.start as usize);
        let s = sk.limbs();
        Ok(Self { pair: gadget_pair(be, (basis, nothing), s, s, (seed, 0), rng, scratch)? })
    }
}

/// A key-switching key: one pair (b_j, a_j) a digit, over [`key_basis`] of the highest level that it serves.
#[cfg(feature = "alloc")]
pub struct EvaluationKey<B: Backend> {
    /// The highest level that it serves.
    pub level: u8,
    /// The digits.
    pub digits: alloc::vec::Vec<Pair<B::Buf>>,
}

#[cfg(feature = "alloc")]
impl<B: Backend> EvaluationKey<B> {
    /// Draws every digit; arguments as [`switching_digit`].
    pub fn generate(
        be: &mut B,
        params: &Params,
        sk: &SecretKey<B>,
        (switch, level): (Switch, u8),
        seed: &Seed,
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Self> {
        let digit = |j| switching_digit(be, params, sk, (switch, level), j, seed, rng, scratch);
        Ok(Self { level, digits: (0..key_digits(params, level)).map(digit).collect::<Result<_>>()? })
    }

    /// The digits, if the key serves `level`.
    fn at(&self, level: u8) -> Result<&[Pair<B::Buf>]> {
        if level <= self.level {
            Ok(&self.digits)
        } else {
            Err(crate::Error::KeyLevel { key: self.level, operand: level })
        }
    }
}

/// The evaluation keys of one client.
#[cfg(feature = "alloc")]
pub struct Keys<B: Backend> {
    /// Relinearisation.
    pub relin: Option<EvaluationKey<B>>,
    /// The keys of ModRaise.
    pub raise: Option<super::raise::RaiseKeys<B>>,
    /// By Galois element.
    pub galois: alloc::collections::BTreeMap<u32, EvaluationKey<B>>,
}

#[cfg(feature = "alloc")]
impl<B: Backend> Default for Keys<B> {
    fn default() -> Self {
        Self { relin: None, raise: None, galois: alloc::collections::BTreeMap::new() }
    }
}

#[cfg(feature = "alloc")]
impl<B: Backend> Keys<B> {
    /// An error that names the first key of `demand` that is missing or was made for lower levels.
    pub fn check_demand(&self, params: &Params, demand: &crate::arith::cost::Demand) -> Result<()> {
        if let Some(level) = demand.relin {
            self.relin(level)?;
        }
        if let Some(level) = demand.conjugate {
            self.galois(params.galois_conjugate(), level)?;
        }
        for (step, level) in &demand.rotations {
            let key = self.galois(params.galois(*step), *level);
            key.map_err(|e| match e {
                crate::Error::MissingGaloisKey { galois } => crate::Error::MissingRotationKey { step: *step, galois },
                other => other,
            })?;
        }
        Ok(())
    }

    /// The digits of the relinearisation key, for an operand at `level`.
    pub fn relin(&self, level: u8) -> Result<&[Pair<B::Buf>]> {
        self.relin.as_ref().ok_or(crate::Error::MissingRelinKey)?.at(level)
    }

    /// The digits of the key of X -> X^`galois`, for an operand at `level`.
    pub fn galois(&self, galois: u32, level: u8) -> Result<&[Pair<B::Buf>]> {
        self.galois.get(&galois).ok_or(crate::Error::MissingGaloisKey { galois })?.at(level)
    }
}
