//! Gadget keys: the key-switching keys of hybrid key switching, digit by digit.
//!
//! The key from s1 to s2 holds (b_j, a_j) for digit j, over P and the whole modulus chain (docs/math.md §7.1). b_j +
//! a_j s2 = e_j + P g_j s1, where g_j is 1 modulo the primes of digit j and 0 modulo the other primes. The equation
//! holds for every subset of the chain, so one key serves every level. A public seed generates the halves a_j, so that
//! only the b_j are stored or sent.

use super::{
    derive::{UniformHalf, uniform},
    public_seed,
    secret::SecretKey,
};
use crate::{
    backend::{
        Backend, Limbs, Op, Pair, Shape, digit,
        poly::{Coeff, Poly},
    },
    error::Result,
    params::{KeySecret, Params},
    ring::{
        Basis,
        sample::{self, Seed},
    },
    wipe::Wiped,
};

/// The source secret of a key-switching key. The target is always a secret that the holder of the key decrypts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// From s^2 to s: relinearisation.
    Relinearize,
    /// From s to s(X^(1/g)); the automorphism X -> X^g that follows brings the result back under s. Switching first
    /// lets many rotations share one mod_up without permuting its digits.
    Galois(u32),
}

impl Switch {
    /// The halves a of a key for levels up to `level`.
    pub fn half(self, level: u8) -> UniformHalf {
        match self {
            Self::Relinearize => UniformHalf::Relinearize { level },
            Self::Galois(element) => UniformHalf::Galois { element, level },
        }
    }
}

/// One pair (b, a) over `full` with b + a `under` = e + \[on `rows`\] P `from`, where P is the product of the specials
/// of `full`. Key-switching keys consist of such pairs. a is expanded from `uniform`, stream 0, which no other pair may
/// have. `from` covers `rows`, `under` covers `full`. `scratch` holds n integers and is wiped.
/// Nothing is made if the modulus is over the bound of the secret `under` ([`Params::check_key`]).
///
/// # Errors
/// Those of [`Params::check_key`]; errors of the backend's memory; [`crate::Error::Length`] if `scratch` is not n long.
pub fn gadget_pair<B: Backend>(
    be: &mut B,
    params: &Params,
    (full, rows): (Basis, Basis),
    from: &Limbs<B::Buf>,
    (under, secret): (&Limbs<B::Buf>, KeySecret<'_>),
    uniform: &Seed,
    rng: &mut impl rand_core::CryptoRng,
    scratch: &mut [i64],
) -> Result<Pair<B::Buf>> {
    params.check_key(secret, full)?;
    let shape = Shape { count: 1, basis: full, cols: be.ring().n() as u32 };
    let mut scratch = Wiped::new(scratch);
    scratch.fill(0);
    sample::error(rng, &mut scratch);
    let mut b = Poly::<Coeff, B>::from_signed(be, shape, &scratch)?.ntt(be).into_limbs();
    let (mut a, mut tmp) = (be.alloc(shape)?, be.alloc(shape)?);
    be.upload_uniform(&mut a, uniform, 0)?;
    be.zip(Op::Mul, full, &mut tmp, &a, under);
    be.zip_assign(Op::Sub, full, &mut b, &tmp);
    let p = Basis::specials(full.specials);
    let ring = be.ring();
    let p = ring.constants(rows, |q| ring.product(p, q));
    be.scalar(Op::Mul, rows, &mut tmp, from, &p);
    be.zip_assign(Op::Add, rows, &mut b, &tmp);
    zero(be, full, &mut tmp);
    Ok([b, a])
}

/// The basis of a key for every level up to `level`: P, and the modulus chain up to the last prime of the level.
pub fn key_basis(params: &Params, level: u8) -> Basis {
    let line = params.modulus_chain();
    Basis { end: params.q(level).end, ..line.with(params.specials()) }
}

/// Digits of a key that serves every level up to `level`.
pub fn key_digits(params: &Params, level: u8) -> usize {
    let limbs = key_basis(params, level).len() - params.specials() as usize;
    if params.alpha() == 0 { 0 } else { limbs.div_ceil(params.alpha() as usize) }
}

/// A key-switching key under way, digit by digit. The key has one public seed, which its generator draws, and each digit
/// is made once.
pub struct KeyDigits<'k, B: Backend> {
    params: &'k Params,
    sk: &'k SecretKey<B>,
    switch: Switch,
    level: u8,
    seed: Seed,
    next: usize,
}

impl<'k, B: Backend> KeyDigits<'k, B> {
    /// Starts a key for levels up to `level`, with a seed from `rng`. `sk` covers [`key_basis`].
    pub fn new(
        params: &'k Params,
        sk: &'k SecretKey<B>,
        (switch, level): (Switch, u8),
        rng: &mut impl rand_core::CryptoRng,
    ) -> Self {
        Self { params, sk, switch, level, seed: public_seed(rng), next: 0 }
    }

    /// The public seed of the halves a.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// Draws the next digit, over [`key_basis`]; `None` after [`key_digits`] digits. A digit whose memory failed is not
    /// drawn again. `scratch` holds n integers and is wiped.
    ///
    /// Error of a key switch with such keys: [`crate::ckks::noise::key_switch`].
    ///
    /// # Errors
    /// Those of [`gadget_pair`].
    pub fn draw(
        &mut self,
        be: &mut B,
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Option<Pair<B::Buf>>> {
        let (params, level, j) = (self.params, self.level, self.next);
        if j == key_digits(params, level) {
            return Ok(None);
        }
        self.next += 1;
        let full = key_basis(params, level);
        let rows = digit(full.with(0), params.specials(), params.alpha(), j);
        let mut other = be.alloc(Shape { count: 1, basis: full, cols: params.n() as u32 })?;
        let s = self.sk.limbs();
        let (from, under) = match self.switch {
            Switch::Relinearize => {
                be.zip(Op::Mul, full, &mut other, s, s);
                (&other, s)
            }
            Switch::Galois(g) => {
                be.permute(full, &mut other, s, inverse_galois(g, params.n()));
                (s, &other)
            }
        };
        let a = uniform(params, self.switch.half(level), j as u64, &self.seed);
        let pair = gadget_pair(be, params, (full, rows), from, (under, KeySecret::Dense), &a, rng, scratch);
        zero(be, full, &mut other);
        pair.map(Some)
    }
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

/// A key-switching key: one pair (b_j, a_j) a digit, over [`key_basis`] of its highest level.
#[cfg(feature = "alloc")]
pub struct EvaluationKey<B: Backend> {
    /// The highest level of the key.
    pub level: u8,
    /// The public seed of the halves a.
    pub seed: Seed,
    /// The digits.
    pub digits: alloc::vec::Vec<Pair<B::Buf>>,
}

#[cfg(feature = "alloc")]
impl<B: Backend> EvaluationKey<B> {
    /// Draws every digit, with a public seed from `rng`; the other arguments as in [`KeyDigits`].
    ///
    /// # Errors
    /// Those of [`KeyDigits::draw`].
    pub fn generate(
        be: &mut B,
        params: &Params,
        sk: &SecretKey<B>,
        (switch, level): (Switch, u8),
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Self> {
        let mut under_way = KeyDigits::new(params, sk, (switch, level), rng);
        let drawn = core::iter::from_fn(|| under_way.draw(be, rng, scratch).transpose());
        let digits = drawn.collect::<Result<_>>()?;
        Ok(Self { level, seed: under_way.seed, digits })
    }

    /// The digits, if the key serves `level`.
    pub(super) fn at(&self, level: u8) -> Result<&[Pair<B::Buf>]> {
        if level <= self.level {
            Ok(&self.digits)
        } else {
            Err(crate::Error::KeyLevel { key: self.level, operand: level })
        }
    }
}
