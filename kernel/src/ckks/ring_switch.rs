//! Ring switching: ciphertexts of a small client's ring, degree m, to the server's ring, degree n = k m, and back.
//!
//! Y -> X^k embeds the small ring. A ciphertext under s'(Y) becomes a ciphertext under s'(X^k), with its slots repeated
//! k times. One key switch brings the ciphertext under s. The words are constant on blocks of k until the key switch,
//! so the upload has the words of the small ring only.
//!
//! On the way back, a key switch to s'(X^k) comes first. The coefficients of the powers of X^k then form a ciphertext
//! of the small ring. Its slots hold the mean of the k copies of each slot. [eprint 2012/240]
//!
//! A key *under* s'(X^k) is k samples of the small ring. The security bound of the small ring therefore limits the
//! modulus of the key to the base and one special prime (docs/math.md §17.1). For that reason each digit of the key is
//! a single prime.

use super::{
    Ciphertext, Ckks,
    derive::{UniformHalf, uniform},
    gadget::gadget_pair,
    public_seed,
    secret::SecretKey,
};
use crate::{
    backend::{
        Backend, Op, Pair, Shape, mod_up,
        poly::{Eval, Poly},
    },
    error::{Error, Result},
    params::{KeySecret, Params},
    ring::{
        Basis,
        sample::{self, Seed},
    },
};
use alloc::{vec, vec::Vec};

/// The key from a device's secret to the server side's, one digit.
pub struct LiftKey<B: Backend> {
    /// The public seed of the half a.
    pub seed: Seed,
    /// Over [`lift_basis`].
    pub pair: Pair<B::Buf>,
}

/// The key from the server side's secret to a device's, one digit a base prime.
pub struct LowerKey<B: Backend> {
    /// The public seed of the halves a.
    pub seed: Seed,
    /// Each over [`lower_basis`].
    pub digits: Vec<Pair<B::Buf>>,
}

/// The moduli of a [`LiftKey`], which is under the large ring's secret: one special prime more than the base has.
pub fn lift_basis(params: &Params) -> Basis {
    params.base().with((params.base().len() as u16 + 1).min(params.specials()))
}

/// The moduli of a [`LowerKey`]. An error if the rings do not fit each other, or the moduli are over the bound of the
/// small ring.
///
/// # Errors
/// The first property in which the rings differ; [`Error::Unsupported`] without a special prime; those of
/// [`Params::check_key`], over the small ring's bound or for a ring of less security.
pub fn lower_basis(params: &Params, small: &Params) -> Result<Basis> {
    same_base(params, small)?;
    if params.specials() == 0 {
        return Err(Error::Unsupported { what: "ring switching without a special prime" });
    }
    let basis = params.base().with(1);
    params.check_key(KeySecret::Small(small), basis)?;
    Ok(basis)
}

/// Checks that the small ring divides the large ring, and that both have the same base primes and the same base scale.
fn same_base(params: &Params, small: &Params) -> Result<()> {
    if small.n() > params.n() {
        let what = "the small ring's degree must not exceed the large ring's";
        return Err(Error::BadShape { what, left: small.n(), right: params.n() });
    }
    let primes = |p: &Params| p.base().iter().map(|m| p.moduli()[m].q()).collect::<Vec<_>>();
    let (ours, theirs) = (primes(params), primes(small));
    if ours.len() != theirs.len() {
        return Err(Error::Length { expected: ours.len(), actual: theirs.len() });
    }
    if let Some((_, modulus)) = ours.iter().zip(&theirs).find(|(a, b)| a != b) {
        return Err(Error::BadModulus { modulus: *modulus, two_n: 2 * params.n() as u32 });
    }
    let (left, right) = (params.base_scale(), small.base_scale());
    if left == right { Ok(()) } else { Err(Error::ScaleMismatch { left, right }) }
}

impl<B: Backend> LiftKey<B> {
    /// `device` is the small ring's secret ([`SecretKey::expand_small`]) over the base, and `sk` covers [`lift_basis`].
    /// `scratch` holds n integers and is wiped. The public seed comes from `rng`.
    ///
    /// # Errors
    /// The first property in which the rings differ; errors of the backend's memory.
    pub fn generate(
        be: &mut B,
        params: &Params,
        small: &Params,
        [device, sk]: [&SecretKey<B>; 2],
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Self> {
        same_base(params, small)?;
        let (bases, seed) = ((lift_basis(params), params.base()), public_seed(rng));
        let a = uniform(params, UniformHalf::Lift, 0, &seed);
        Ok(Self {
            seed,
            pair: gadget_pair(be, params, bases, device.limbs(), (sk.limbs(), KeySecret::Dense), &a, rng, scratch)?,
        })
    }
}

impl<B: Backend> LowerKey<B> {
    /// `sk` covers the base, `device` ([`SecretKey::expand_small`]) the [`lower_basis`]; `scratch` holds n integers and is
    /// wiped; the public seed comes from `rng`.
    ///
    /// # Errors
    /// Those of [`lower_basis`]; errors of the backend's memory.
    pub fn generate(
        be: &mut B,
        params: &Params,
        small: &Params,
        [sk, device]: [&SecretKey<B>; 2],
        rng: &mut impl rand_core::CryptoRng,
        scratch: &mut [i64],
    ) -> Result<Self> {
        let (full, seed) = (lower_basis(params, small)?, public_seed(rng));
        let digits = params.base().iter().enumerate().map(|(j, m)| {
            let bases = (full, Basis::span(m, m + 1));
            let a = uniform(params, UniformHalf::Lower, j as u64, &seed);
            gadget_pair(be, params, bases, sk.limbs(), (device.limbs(), KeySecret::Small(small)), &a, rng, scratch)
        });
        Ok(Self { seed, digits: digits.collect::<Result<_>>()? })
    }
}

/// A device's ciphertext in the memory of a server: c0, base.len() x m words, and a, expanded from its seed.
///
/// # Errors
/// The first property in which the rings differ; [`Error::BadWord`] for a word that is no residue; [`Error::Length`];
/// errors of the backend's memory.
pub fn receive<B: Backend>(
    be: &mut B,
    params: &Params,
    small: &Params,
    c0: &[u32],
    seed: &Seed,
) -> Result<[Poly<Eval, B>; 2]> {
    same_base(params, small)?;
    let shape = Shape { count: 1, basis: params.base(), cols: small.n() as u32 };
    let wrong = c0.chunks_exact(small.n()).zip(small.base().iter()).find_map(|(row, m)| {
        let q = small.moduli()[m].q();
        row.iter().find(|w| **w >= q).map(|w| Error::BadWord { word: *w, modulus: q })
    });
    if let Some(error) = wrong {
        return Err(error);
    }
    let (mut a, key) = (vec![0; shape.words()], uniform(small, UniformHalf::Ciphertext, 0, seed));
    for (row, m) in a.chunks_exact_mut(small.n()).zip(small.base().iter()) {
        sample::uniform(small.moduli()[m], &key, m as u64, row); // by the line of the device
    }
    Ok([Poly::from_words(be, shape, c0)?, Poly::from_words(be, shape, &a)?])
}

impl<B: Backend> Ckks<'_, B> {
    /// From a small client's ring to level 0 of this ring: every slot, repeated. `c` is a result of [`receive`].
    ///
    /// Adds the noise of a rounding, [`super::noise::rounding`].
    ///
    /// # Errors
    /// Errors of the backend's memory.
    pub fn lift(&mut self, key: &LiftKey<B>, c: &[Poly<Eval, B>; 2]) -> Result<Ciphertext<B>> {
        let (base, full) = (self.params.base(), lift_basis(self.params));
        let small = c[1].shape();
        let (mut coeff, mut ext) = (self.be.alloc(small)?, self.be.alloc(Shape { basis: full, ..small })?);
        self.be.copy(base, &mut coeff, c[1].limbs());
        self.be.intt(base, &mut coeff);
        mod_up(&mut self.be, base, full, &mut ext, c[1].limbs(), &coeff);
        let mut acc = self.pair(full)?;
        for (acc, half) in acc.iter_mut().zip(&key.pair) {
            self.be.zip(Op::Mul, full, acc.limbs_mut(), half, &ext);
        }
        let mut out = self.switch_basis(full, base, &acc)?;
        self.be.zip_assign(Op::Add, base, out[0].limbs_mut(), c[0].limbs());
        Ok(Ciphertext { c: out, level: 0 })
    }

    /// From level 0 to a small client's ring: the words of c0 and of c1, base.len() x m each. They hold the mean of the
    /// copies of each slot. Waits for the backend.
    ///
    /// Adds a rounding and the noise of a key switch with one prime a digit: sqrt(digits
    /// 12) n sigma.
    ///
    /// # Errors
    /// [`Error::LevelMismatch`] if x is above level 0; those of [`lower_basis`]; errors of the backend.
    pub fn lower(&mut self, key: &LowerKey<B>, small: &Params, x: &Ciphertext<B>) -> Result<[Vec<u32>; 2]> {
        let (base, full) = (self.params.base(), lower_basis(self.params, small)?);
        if x.level != 0 {
            return Err(Error::LevelMismatch { left: 0, right: x.level });
        }
        let mut coeff = self.poly(base)?.into_limbs();
        self.be.copy(base, &mut coeff, x.c[1].limbs());
        self.be.intt(base, &mut coeff);
        let mut digits = Vec::new();
        for m in base.iter() {
            let mut ext = self.poly(full)?.into_limbs();
            mod_up(&mut self.be, Basis::span(m, m + 1), full, &mut ext, x.c[1].limbs(), &coeff);
            digits.push(ext);
        }
        let mut acc = self.pair(full)?;
        for (half, acc) in acc.iter_mut().enumerate() {
            let terms: Vec<_> = digits.iter().zip(&key.digits).map(|(ext, key)| (ext, &key[half])).collect();
            self.be.dot(full, acc.limbs_mut(), &terms);
        }
        let mut out = self.switch_basis(full, base, &acc)?;
        self.be.zip_assign(Op::Add, base, out[0].limbs_mut(), x.c[0].limbs());
        let [c0, c1] = out;
        Ok([self.project(&c0, small)?, self.project(&c1, small)?])
    }

    /// The coefficients of the powers of X^k, as an element of the small ring: in Eval, the mean of each block.
    fn project(&mut self, x: &Poly<Eval, B>, small: &Params) -> Result<Vec<u32>> {
        let (n, m) = (self.params.n(), small.n());
        let mut words = vec![0; x.shape().words()];
        self.be.download(x.limbs(), &mut words)?;
        let rows = words.chunks_exact(n).zip(self.params.base().iter().cycle());
        let means = rows.flat_map(|(row, index)| {
            let q = self.params.moduli()[index];
            let share = q.to_mont(q.inv((n / m) as u32));
            row.chunks_exact(n / m).map(move |block| q.mul(share, block.iter().fold(0, |sum, w| q.add(sum, *w))))
        });
        Ok(means.collect())
    }
}
