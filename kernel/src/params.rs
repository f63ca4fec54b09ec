//! Parameters: an open [`Spec`] is checked once into closed [`Params`], whose accessors cannot fail.
//!
//! The modulus chain is `[P | rescaling primes | base | main primes | EvalMod | CoeffsToSlots]`. Rescaling primes are
//! small primes that some rescales drop and other rescales restore. The basis of a level is a span of the chain. The
//! scale follows from the level (docs/math.md §4): scale_{l-1} = scale_l^2 / ratio_l. ratio_l is the product of the
//! primes that the rescale drops, over the product of the primes that the rescale restores.
//!
//! ```
//! use polyformer_kernel::{Error, params::{Params, Spec, presets}};
//!
//! let params = Params::new(&presets::L13)?;
//! assert_eq!((params.slots(), params.max_level()), (4096, 2));
//! assert!(params.scale(1).log2() > 35.0); // values have 35 bits and more at level 1
//!
//! let refused = Params::new(&Spec { log_n: 12, ..presets::L13 });
//! assert!(matches!(refused, Err(Error::Insecure { bound: 106.0, .. }))); // log2(QP) is 188.7
//! # Ok::<(), Error>(())
//! ```

use crate::{
    error::{Error, Result},
    math::modular::Modulus,
    ring::{Basis, MAX_MODULI, Ring, convert::MAX_SOURCES},
};
use heapless::Vec;

pub use crate::backend::BATCH_WORDS;

pub mod bootstrapping;
pub mod presets;
pub mod security;
pub mod spec;

pub use bootstrapping::Bootstrapping;
pub use security::{KeySecret, SPARSE_WEIGHT, Security};
pub use spec::{Bootstrap, Spec};

/// The most levels of a chain.
pub const MAX_LEVELS: usize = 48;

#[derive(Clone, Copy, Debug)]
struct Level {
    basis: Basis,
    scale: f64,
}

/// A checked parameter set: chain, exact scale table, digits, specials, security bound.
#[derive(Clone, Debug)]
pub struct Params {
    log_n: u8,
    specials: u16,
    alpha: u16,
    base: Basis,
    moduli: Vec<Modulus, MAX_MODULI>,
    levels: Vec<Level, MAX_LEVELS>,
    bootstrap: Option<Bootstrapping>,
    security: Security,
    log_qp: f64,
    fingerprint: [u64; 4],
}

impl Params {
    /// Checks primes, spans, digit sizes, scales, levels of bootstrapping and security. After the check no operation on
    /// the parameters can fail, whatever a file stated: each level adds primes to the level below, a conversion has at
    /// most [`MAX_SOURCES`] primes, and each part of bootstrapping has its levels.
    ///
    /// # Errors
    ///
    /// Each error names the numbers that disagree.
    pub fn new(spec: &Spec<'_>) -> Result<Self> {
        let moduli = spec.moduli()?;
        let specials = spec.specials.len() as u16;
        let log_qp = moduli.iter().map(|m| libm::log2(m.q() as f64)).sum();
        spec.bootstrap.map_or(Ok(0.0), |_| spec.security.sparse_bound(spec.log_n, SPARSE_WEIGHT))?;
        spec.security.check(spec.log_n, log_qp)?;
        let base_start = specials as usize + spec.terminals as usize;
        let base = Basis::span(base_start, base_start + spec.base as usize);
        let mut params = Self {
            log_n: spec.log_n,
            specials,
            alpha: spec.alpha as u16,
            base,
            moduli,
            levels: Vec::new(),
            bootstrap: None,
            security: spec.security,
            log_qp,
            fingerprint: spec.fingerprint(),
        };
        params.check_scales(spec)?;
        params.bootstrap = params.check_bootstrap(spec)?;
        if spec.bootstrap.is_some() {
            params.sparse_basis()?;
        }
        params.set_levels(spec)?;
        params.check_digits()?;
        Ok(params)
    }

    /// Checks that scales are from 2 to the product of the base. A file may hold any scale.
    fn check_scales(&self, spec: &Spec<'_>) -> Result<()> {
        if !self.modulus_chain().covers(self.base) || self.base.is_empty() {
            return Err(Error::BadLevel { level: 0 });
        }
        let (asked, limit) = (self.base.len(), bootstrapping::MAX_BASE as usize);
        if asked > limit {
            return Err(Error::TooMany { asked, limit });
        }
        let limit = self.log_product(self.base);
        for bits in [spec.scale_bits, spec.bootstrap.map_or(spec.scale_bits, |b| b.eval_mod_scale_bits)] {
            if !(1.0..limit).contains(&bits) {
                return Err(Error::TooLarge { bits, limit });
            }
        }
        Ok(())
    }

    /// The levels of bootstrapping. The keys of ModRaise take as many special primes as the base has primes.
    fn check_bootstrap(&self, spec: &Spec<'_>) -> Result<Option<Bootstrapping>> {
        if spec.levels.len() > MAX_LEVELS {
            return Err(Error::TooMany { asked: spec.levels.len(), limit: MAX_LEVELS });
        }
        let Some(b) = &spec.bootstrap else { return Ok(None) };
        let (left, right) = (self.specials as usize, self.base.len());
        if left < right {
            let what = "bootstrapping needs at least as many special primes as base primes";
            return Err(Error::BadShape { what, left, right });
        }
        Bootstrapping::new(b, spec.levels.len(), spec.scale_bits, self.log_product(self.base)).map(Some)
    }

    fn set_levels(&mut self, spec: &Spec<'_>) -> Result<()> {
        let reserved = self.bootstrap.map_or(0, |b| b.reserved() as usize);
        let top = spec.levels.len().checked_sub(reserved + 1).ok_or(Error::BadLevel { level: 0 })?;
        let mut scale = libm::exp2(spec.scale_bits);
        for (level, (terminals, limbs)) in spec.levels.iter().enumerate() {
            let bad = Error::BadLevel { level: level as u8 };
            let front = self.specials as usize + spec.terminals as usize;
            let start = front.checked_sub(*terminals as usize).ok_or(bad)?;
            let basis = Basis::span(start, front + *limbs as usize);
            if *terminals > spec.terminals || !self.modulus_chain().covers(basis) || !basis.covers(self.base) {
                return Err(bad);
            }
            if let Some(below) = self.levels.last() {
                let grows = basis.end >= below.basis.end; // only rescaling primes come back
                if !grows || !basis.one_span_apart(below.basis) || !below.basis.one_span_apart(basis) {
                    return Err(bad);
                }
                let dropped = basis.minus(below.basis).len();
                let drops = dropped + self.specials as usize;
                if drops > MAX_SOURCES {
                    return Err(Error::TooMany { asked: drops, limit: MAX_SOURCES });
                }
                if dropped == 0 || self.ratio(basis, below.basis) <= 1.0 {
                    return Err(bad);
                }
                if level == top + 1 {
                    scale = libm::exp2(spec.bootstrap.map_or(spec.scale_bits, |b| b.eval_mod_scale_bits));
                }
                let eval_mod_top = top + self.bootstrap.map_or(0, |b| b.eval_mod() as usize);
                if level <= eval_mod_top {
                    scale = libm::sqrt(scale * self.ratio(basis, below.basis)); // a contraction: no drift
                }
            }
            let _ = self.levels.push(Level { basis, scale }); // cannot overflow: length checked
        }
        Ok(())
    }

    fn check_digits(&self) -> Result<()> {
        if self.specials == 0 && self.alpha == 0 {
            return Ok(());
        }
        if self.specials as usize > MAX_SOURCES {
            return Err(Error::TooMany { asked: self.specials as usize, limit: MAX_SOURCES });
        }
        let (alpha, digits) = (self.alpha as usize, self.digits());
        if alpha == 0 || alpha > MAX_SOURCES || digits > crate::backend::MAX_DIGITS {
            return Err(Error::TooMany { asked: alpha.max(digits), limit: MAX_SOURCES });
        }
        let p = self.log_product(Basis::specials(self.specials));
        for j in 0..digits {
            let digit = self.log_product(crate::backend::digit(self.modulus_chain(), self.specials, self.alpha, j));
            if digit > p {
                return Err(Error::TooLarge { bits: digit, limit: p });
            }
        }
        Ok(())
    }

    /// The ring over these moduli; `twiddles` as [`crate::ring::tables::fill`] makes them for [`Params::moduli`].
    ///
    /// # Errors
    /// [`Error::Length`] if `twiddles` has another length.
    pub fn ring<'r>(&'r self, twiddles: &'r [u32]) -> Result<Ring<'r>> {
        Ring::new(self.n(), self.specials, &self.moduli, twiddles)
    }

    /// Ring degree.
    pub fn n(&self) -> usize {
        1 << self.log_n
    }

    /// log2 of the ring degree.
    pub fn log_n(&self) -> u8 {
        self.log_n
    }

    /// Slots of a ciphertext.
    pub fn slots(&self) -> usize {
        self.n() / 2
    }

    /// The modulus chain, special primes first.
    pub fn moduli(&self) -> &[Modulus] {
        &self.moduli
    }

    /// Number of special primes.
    pub fn specials(&self) -> u16 {
        self.specials
    }

    /// Primes of one key-switching digit.
    pub fn alpha(&self) -> u16 {
        self.alpha
    }

    /// Digits of a key: the q primes in runs of [`Params::alpha`].
    pub fn digits(&self) -> usize {
        if self.alpha == 0 { 0 } else { self.modulus_chain().len().div_ceil(self.alpha as usize) }
    }

    /// Every q prime.
    pub fn modulus_chain(&self) -> Basis {
        Basis::span(self.specials as usize, self.moduli.len())
    }

    /// Every prime: P and the whole modulus chain.
    pub fn full(&self) -> Basis {
        self.modulus_chain().with(self.specials)
    }

    /// The base primes, which every level has: enough to decrypt.
    pub fn base(&self) -> Basis {
        self.base
    }

    /// Q of a level.
    pub fn q(&self, level: u8) -> Basis {
        self.levels[level as usize].basis
    }

    /// P and Q of a level.
    pub fn pq(&self, level: u8) -> Basis {
        self.q(level).with(self.specials)
    }

    /// Scale of a value at `level`.
    pub fn scale(&self, level: u8) -> f64 {
        self.levels[level as usize].scale
    }

    /// Scale of a value at level 0, which is equal for every client and server.
    pub fn base_scale(&self) -> f64 {
        self.levels.first().map_or(1.0, |level| level.scale)
    }

    /// Factor by which the value changes when a product at `level` is rescaled and read at the nominal scale of the
    /// level below. 1 everywhere except at the lowest EvalMod level, where scales change from EvalMod's to the
    /// messages'.
    pub fn eval_mod_exit_correction(&self, level: u8) -> f64 {
        let ratio = self.ratio(self.q(level), self.q(level - 1));
        self.scale(level) / ratio * (self.scale(level) / self.scale(level - 1))
    }

    /// The scale of a factor that takes `level` to the scale of the level below. The scale is `scale(level)`, except
    /// for the levels of CoeffsToSlots and the lowest level of EvalMod.
    pub fn plaintext_scale(&self, level: u8) -> f64 {
        self.ratio(self.q(level), self.q(level - 1)) * (self.scale(level - 1) / self.scale(level))
    }

    /// The highest level of a message.
    pub fn max_message_level(&self) -> u8 {
        self.max_level() - self.bootstrap.map_or(0, |b| b.reserved())
    }

    /// The highest level of all, bootstrapping's included.
    pub fn max_level(&self) -> u8 {
        self.levels.len() as u8 - 1
    }

    /// The levels of bootstrapping, or `None` without bootstrapping.
    pub fn bootstrap(&self) -> Option<Bootstrapping> {
        self.bootstrap
    }

    /// The level of a freshly bootstrapped ciphertext.
    pub fn level_after_bootstrap(&self) -> Option<u8> {
        self.bootstrap.map(|b| self.max_message_level() - b.slots_to_coeffs())
    }

    /// log2 of the product of every modulus, which the security bound limits.
    pub fn log_qp(&self) -> f64 {
        self.log_qp
    }

    /// The security that was checked.
    pub fn security(&self) -> Security {
        self.security
    }

    /// 256 bits that differ between sets ([`Spec::fingerprint`]). What is expanded from a seed depends on them.
    pub fn fingerprint(&self) -> &[u64; 4] {
        &self.fingerprint
    }

    /// prod(from \ to) / prod(to \ from).
    pub fn ratio(&self, from: Basis, to: Basis) -> f64 {
        let product = |b: Basis| self.primes(b).product::<f64>();
        product(from.minus(to)) / product(to.minus(from))
    }

    /// log2 of the product of a basis.
    pub fn log_product(&self, basis: Basis) -> f64 {
        self.primes(basis).map(libm::log2).sum()
    }

    /// The largest log2 of an encoded coefficient: the bits of a centred integer modulo the product of the base primes,
    /// without its sign.
    pub fn limit_bits(&self) -> f64 {
        self.log_product(self.base) - 1.0
    }

    fn primes(&self, basis: Basis) -> impl Iterator<Item = f64> {
        basis.iter().filter_map(|m| self.moduli.get(m)).map(|q| q.q() as f64)
    }

    /// Galois element of the rotation by `k` slots to the left: 5^k mod 2n.
    pub fn galois(&self, k: i32) -> u32 {
        let two_n = 2 * self.n() as u64;
        let (mut e, mut base, mut g) = (k.rem_euclid(self.slots() as i32) as u32, 5u64, 1u64);
        while e > 0 {
            if e & 1 == 1 {
                g = g * base % two_n;
            }
            base = base * base % two_n;
            e >>= 1;
        }
        g as u32
    }

    /// Galois element of complex conjugation: 2n - 1.
    pub fn galois_conjugate(&self) -> u32 {
        2 * self.n() as u32 - 1
    }
}

#[cfg(test)]
mod tests;
