//! A parameter set as an author or a file states the set. The values are unchecked until [`super::Params`] checks them.

use super::Security;
use crate::{
    error::{Error, Result},
    math::modular::Modulus,
    ring::{
        MAX_MODULI,
        chain::{chain, words},
    },
};
use heapless::Vec;

/// A parameter set, unchecked. Primes are in the order of the modulus chain.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Spec<'a> {
    /// log2 of the ring degree.
    pub log_n: u8,
    /// P, the special primes of key switching. Empty for a set without evaluation.
    pub specials: &'a [u32],
    /// The modulus chain after P: `[rescaling primes | base | main primes | EvalMod | CoeffsToSlots]`.
    pub line: &'a [u32],
    /// The number of rescaling primes: small primes at the front of the chain, which rational rescales restore.
    pub terminals: u8,
    /// The number of base primes, the primes of level 0.
    pub base: u8,
    /// Primes of one key-switching digit.
    pub alpha: u8,
    /// Each level's primes, from level 0 up: the number of rescaling primes (the last ones), and the number of main
    /// primes.
    pub levels: &'a [(u8, u8)],
    /// log2 of the scale at level 0.
    pub scale_bits: f64,
    /// The levels that bootstrapping reserves at the top, or `None` without bootstrapping.
    pub bootstrap: Option<Bootstrap>,
    /// The security level that the chain must meet.
    pub security: Security,
}

/// Levels that bootstrapping takes for itself.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Bootstrap {
    /// Levels of CoeffsToSlots, the topmost.
    pub coeffs_to_slots: u8,
    /// Levels of EvalMod, below them.
    pub eval_mod: u8,
    /// Message levels that SlotsToCoeffs takes.
    pub slots_to_coeffs: u8,
    /// log2 of the scale during EvalMod.
    pub eval_mod_scale_bits: f64,
    /// 1, or 2 for high precision: the second iteration bootstraps the error of the first. Two iterations help if the
    /// message scale has more bits than one iteration keeps.
    pub iterations: u8,
}

impl Spec<'_> {
    /// 256 bits that name every field of the set: a chain from a constant key over the fields in their order
    /// (docs/math.md §6.1). A list follows its length, an option its presence, and a real number is its IEEE bits.
    pub fn fingerprint(&self) -> [u64; 4] {
        let list = |primes: &[u32]| primes.len() as u64;
        let bytes = |parts: [u8; 4]| u32::from_le_bytes(parts) as u64;
        let mut key = *b"polyformer parameter set, v. 1  ";
        chain(&mut key, [self.log_n as u64, list(self.specials)]);
        chain(&mut key, self.specials.iter().map(|q| *q as u64));
        chain(&mut key, [list(self.line)]);
        chain(&mut key, self.line.iter().map(|q| *q as u64));
        chain(&mut key, [bytes([self.terminals, self.base, self.alpha, 0]), self.levels.len() as u64]);
        chain(&mut key, self.levels.iter().map(|(terminals, limbs)| bytes([*terminals, *limbs, 0, 0])));
        chain(&mut key, [self.scale_bits.to_bits(), self.bootstrap.is_some() as u64]);
        chain(
            &mut key,
            self.bootstrap.iter().flat_map(|b| {
                let levels = [b.coeffs_to_slots, b.eval_mod, b.slots_to_coeffs, b.iterations];
                [bytes(levels), b.eval_mod_scale_bits.to_bits()]
            }),
        );
        chain(&mut key, [self.security.bits() as u64]);
        words(&key)
    }

    /// The modulus chain with its specials in front, every prime checked.
    pub(super) fn moduli(&self) -> Result<Vec<Modulus, MAX_MODULI>> {
        let asked = self.specials.len() + self.line.len();
        if asked > MAX_MODULI {
            return Err(Error::TooMany { asked, limit: MAX_MODULI });
        }
        if self.log_n < 3 || self.log_n > 17 {
            return Err(Error::NoBound { log_n: self.log_n });
        }
        let two_n = 2u32 << self.log_n;
        let mut out: Vec<Modulus, MAX_MODULI> = Vec::new();
        for &modulus in self.specials.iter().chain(self.line) {
            let bad = Error::BadModulus { modulus, two_n };
            let in_range = (1 << 19..1 << 30).contains(&modulus) && modulus % two_n == 1;
            if !in_range || !Modulus::new(modulus).is_prime() || out.iter().any(|m| m.q() == modulus) {
                return Err(bad);
            }
            let _ = out.push(Modulus::new(modulus)); // cannot overflow: length checked
        }
        Ok(out)
    }
}
