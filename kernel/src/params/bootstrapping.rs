//! The levels of bootstrapping, checked. Every step of a bootstrap takes the number of its levels from
//! [`Bootstrapping`], which only [`super::Params`] makes.

use super::Bootstrap;
use crate::error::{Error, Result};

/// Levels of EvalMod: the depth of the sine.
pub const EVAL_MOD_DEPTH: u8 = 8;
/// The most levels of CoeffsToSlots or of SlotsToCoeffs: one for each stage of butterflies at n = 2^17.
pub const MAX_TRANSFORM_LEVELS: u8 = 16;
/// The most base primes. Decryption joins up to three residues.
pub const MAX_BASE: u8 = 3;
/// The largest log2 of the factor of the message before ModRaise. The factor is a signed integer of 32 bits.
pub const MAX_SHIFT: u32 = 30;
/// The least log2 of the base modulus over the scale. The sine is linear near 0 only: a value that fills more of the
/// base modulus than 2^-10 has a relative error above 2^-17.
pub const MIN_RATIO_BITS: f64 = 10.0;

/// Levels of bootstrapping that are enough for each part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrapping {
    coeffs_to_slots: u8,
    slots_to_coeffs: u8,
    iterations: u8,
}

impl Bootstrapping {
    /// Checks the levels against `levels`, the number of levels of the chain with level 0. `scale_bits` and `base_bits`
    /// are log2 of the scale at level 0 and of the base modulus.
    ///
    /// # Errors
    /// [`Error::Reserved`] with the part that has too few or too many levels; [`Error::BadIterations`];
    /// [`Error::TooLarge`] for a scale that is too near to the base modulus.
    pub(super) fn new(b: &Bootstrap, levels: usize, scale_bits: f64, base_bits: f64) -> Result<Self> {
        let within = |part, given: u8, least: u8, most: u8| {
            if (least..=most).contains(&given) { Ok(()) } else { Err(Error::Reserved { part, given, least, most }) }
        };
        within("EvalMod", b.eval_mod, EVAL_MOD_DEPTH, EVAL_MOD_DEPTH)?;
        within("CoeffsToSlots", b.coeffs_to_slots, 1, MAX_TRANSFORM_LEVELS)?;
        let reserved = b.eval_mod + b.coeffs_to_slots; // at most 8 and 16
        let top = levels.checked_sub(reserved as usize + 1).ok_or(Error::LevelExhausted {
            need: reserved,
            have: levels.saturating_sub(1).min(u8::MAX as usize) as u8,
        })?;
        within("SlotsToCoeffs", b.slots_to_coeffs, 1, MAX_TRANSFORM_LEVELS.min(top.min(u8::MAX as usize) as u8))?;
        if !(1..=2).contains(&b.iterations) {
            return Err(Error::BadIterations { asked: b.iterations });
        }
        if base_bits - scale_bits < MIN_RATIO_BITS {
            return Err(Error::TooLarge { bits: scale_bits, limit: base_bits - MIN_RATIO_BITS });
        }
        let Bootstrap { coeffs_to_slots, slots_to_coeffs, iterations, .. } = *b;
        Ok(Self { coeffs_to_slots, slots_to_coeffs, iterations })
    }

    /// Levels of CoeffsToSlots, the topmost: at least 1.
    pub fn coeffs_to_slots(&self) -> u8 {
        self.coeffs_to_slots
    }

    /// Levels of EvalMod, below them: [`EVAL_MOD_DEPTH`].
    pub fn eval_mod(&self) -> u8 {
        EVAL_MOD_DEPTH
    }

    /// Message levels of SlotsToCoeffs: from 1 to the highest message level.
    pub fn slots_to_coeffs(&self) -> u8 {
        self.slots_to_coeffs
    }

    /// 1, or 2 for high precision.
    pub fn iterations(&self) -> u8 {
        self.iterations
    }

    /// Levels above the message levels.
    pub fn reserved(&self) -> u8 {
        self.coeffs_to_slots + EVAL_MOD_DEPTH
    }
}
