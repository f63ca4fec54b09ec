//! The noise simulator: an evaluator in the clear. Each operation adds the error that the operation would add to a
//! ciphertext of a parameter set. The simulator needs no key. The difference from the same circuit in the clear is one
//! random sample of the error of ciphertexts. Many inputs and samples give the deviation.
//!
//! Deterministic errors are exact: constants and public vectors become the integers of the encoding, and so do the
//! constants of drop_to_level. Random errors are drawn with the deviations of [`crate::ckks::noise`]. The evaluator has
//! one secret, whose slots multiply every rounding of c1. Each rounding, gadget product and fresh ciphertext has its
//! own independent Gaussian.
//!
//! ModRaise adds multiples of the base as on ciphertexts, so that EvalMod works on its real range. Sums, products and
//! rotations act on errors as on values. An error that meets itself again is therefore the same error.
//!
//! Two assumptions are heuristic: rounding errors are independent and uniform, and gadget products are Gaussian. The
//! simulator does not notice values that leave the range of a level. [docs/decisions/noise-by-injection.md]

use crate::{
    ckks::{
        encode::{MAX_BITS, decode_in_place, encode_in_place, integer},
        noise,
    },
    error::{Error, Result},
    math::{complex::Complex, embedding::fill_roots},
    params::Params,
    ring::sample::Seed,
};
use alloc::{vec, vec::Vec};

mod arith;
mod draw;

use draw::Draws;

/// The sources of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ErrorSource {
    /// Encryption: the error of a fresh ciphertext.
    Fresh,
    /// NoisyPlaintext vectors and constants are integers.
    Encoding,
    /// Rescale, drop_to_level, each division by P.
    Rounding,
    /// The gadget products of relinearisation, rotation and conjugation.
    Gadget,
    /// The switches to the sparse secret and back.
    Raise,
}

/// A vector with its errors.
#[derive(Clone, Debug)]
pub struct NoisyVector {
    z: Vec<Complex>,
    level: u8,
}

/// A product with its errors, in units of the rescaled value.
#[derive(Debug)]
pub struct NoisyProduct {
    z: Vec<Complex>,
    giant_steps: Vec<(i32, Vec<Complex>)>, // inner sums of linear maps, each to be rotated by its step
    level: u8,
    quadratic: bool,
}

/// One period of an encoded public vector.
#[derive(Debug)]
pub struct NoisyPlaintext {
    z: Vec<Complex>,
    level: u8,
    diagonal: bool,
}

/// Rotations of one vector by their steps in [0, slots), not yet divided by P.
#[derive(Debug)]
pub struct NoisyHoisted {
    level: u8,
    turned: Vec<(i32, Vec<Complex>)>,
}

/// Circuits on numbers with the errors of ciphertexts.
#[derive(Debug)]
pub struct NoiseSimulator<'p> {
    params: &'p Params,
    draws: Draws,
    roots: Vec<Complex>,
    without: u8, // a bit for each source that is left out
}

impl ErrorSource {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Fresh, Self::Encoding, Self::Rounding, Self::Gadget, Self::Raise];
}

impl<'p> NoiseSimulator<'p> {
    /// Ciphertexts of `params` under a secret that follows from `seed`, as all errors do.
    pub fn new(params: &'p Params, seed: Seed) -> Self {
        let mut roots = vec![Complex::default(); params.slots()];
        fill_roots(&mut roots);
        let draws = Draws::new(params, seed, &roots);
        Self { params, draws, roots, without: 0 }
    }

    /// The parameters.
    pub fn params(&self) -> &'p Params {
        self.params
    }

    /// Removes one more source; the difference is the share of the source. Without all sources, the circuit's own error
    /// remains, for example the error of bootstrapping's sine.
    pub fn without(self, source: ErrorSource) -> Self {
        Self { without: self.without | 1 << source as u8, ..self }
    }

    fn has(&self, source: ErrorSource) -> bool {
        self.without >> source as u8 & 1 == 0
    }

    /// A new secret and new errors. Public vectors keep their errors.
    pub fn reseed(&mut self, seed: Seed) {
        self.draws = Draws::new(self.params, seed, &self.roots);
    }

    /// Symmetric encryption. The number of values divides the number of slots, and the values are repeated.
    ///
    /// # Errors
    /// [`Error::Slots`] if the number of values does not fit; [`Error::NotFinite`], [`Error::TooLarge`].
    pub fn encrypt(&mut self, values: &[Complex], level: u8) -> Result<NoisyVector> {
        self.fresh(values, level, noise::fresh_symmetric(self.params))
    }

    /// Encryption under a public key.
    ///
    /// # Errors
    /// The errors of [`NoiseSimulator::encrypt`].
    pub fn encrypt_public(&mut self, values: &[Complex], level: u8) -> Result<NoisyVector> {
        self.fresh(values, level, noise::fresh_public(self.params))
    }

    fn fresh(&mut self, values: &[Complex], level: u8, deviation: f64) -> Result<NoisyVector> {
        let scale = self.params.scale(level);
        let encoded = self.encoded(values, scale, MAX_BITS)?;
        let mut z = self.zeros();
        z.iter_mut().zip(encoded.iter().cycle()).for_each(|(z, x)| *z = *x);
        self.disturb(ErrorSource::Fresh, &mut z, deviation / scale);
        Ok(NoisyVector { z, level })
    }

    /// The decrypted values.
    pub fn decrypt<'v>(&self, x: &'v NoisyVector) -> &'v [Complex] {
        &x.z
    }

    fn zeros(&self) -> Vec<Complex> {
        vec![Complex::default(); self.params.slots()]
    }

    /// Adds errors of this deviation, in units of the values.
    fn disturb(&mut self, source: ErrorSource, z: &mut [Complex], deviation: f64) {
        if self.has(source) {
            self.draws.add(source, z, deviation);
        }
    }

    /// The values that coefficients rounded at `scale` stand for.
    fn encoded(&self, values: &[Complex], scale: f64, limit_bits: f64) -> Result<Vec<Complex>> {
        let (given, slots) = (values.len(), self.params.slots());
        if !given.is_power_of_two() || given > slots {
            return Err(Error::Slots { given, slots });
        }
        let mut z = values.to_vec();
        if self.has(ErrorSource::Encoding) {
            encode_in_place(&self.roots[..], &mut z, scale, limit_bits)?;
            decode_in_place(&self.roots[..], &mut z, scale)?;
        }
        Ok(z)
    }

    /// The value of the integer nearest to c times `scale`.
    fn constant(&self, c: f64, scale: f64) -> Result<f64> {
        let word = integer(c * scale)?;
        Ok(if self.has(ErrorSource::Encoding) { word as f64 / scale } else { c })
    }

    fn public(&self, values: &[Complex], level: u8, diagonal: bool) -> Result<NoisyPlaintext> {
        let scale = match (diagonal, level) {
            (true, 0) => return Err(Error::LevelExhausted { need: 1, have: 0 }),
            (true, _) => self.params.plaintext_scale(level),
            (false, _) => self.params.scale(level),
        };
        let z = self.encoded(values, scale, self.params.limit_bits())?;
        Ok(NoisyPlaintext { z, level, diagonal })
    }
}
