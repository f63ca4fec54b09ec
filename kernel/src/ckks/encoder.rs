//! The encoder of one parameter set: [`encode`](super::encode) with its tables, its memory and its limit.

use super::encode;
use crate::{
    error::{Error, Result},
    math::{complex::Complex, embedding::fill_roots},
    params::Params,
};
use alloc::{vec, vec::Vec};
use zeroize::Zeroize;

/// Encodes slots and decodes coefficients of one parameter set. Owns the roots of the embedding (8n bytes), a buffer of
/// slots (8n bytes) and a buffer of coefficients (8n bytes). The buffers are wiped when the encoder is dropped.
///
/// ```
/// use polyformer_kernel::{ckks::Encoder, math::complex::Complex, params::{Params, presets}};
///
/// let params = Params::new(&presets::L13)?;
/// let mut encoder = Encoder::new(&params);
/// let (values, scale) = ([0.5, -0.25].map(Complex::from), params.scale(0));
/// let coeffs = encoder.encode(values.into_iter(), scale)?.to_vec(); // two slots are four coefficients
/// let slots = encoder.decode(&coeffs, scale)?;
/// assert!((slots[1].re + 0.25).abs() < 1e-6);
/// # Ok::<(), polyformer_kernel::Error>(())
/// ```
pub struct Encoder {
    roots: Vec<Complex>,
    slots: Vec<Complex>,
    pub(super) coeffs: Vec<i64>,
    limit_bits: f64,
}

impl Encoder {
    /// Computes the roots and allocates the buffers.
    pub fn new(params: &Params) -> Self {
        let mut roots = vec![Complex::default(); params.slots()];
        fill_roots(&mut roots);
        let (slots, coeffs) = (vec![Complex::default(); params.slots()], vec![0; params.n()]);
        Self { roots, slots, coeffs, limit_bits: params.limit_bits() }
    }

    /// s values to 2s coefficients, round(scale m_k), which stay in the encoder until the next call. A vector that
    /// repeats is given by one period.
    ///
    /// Error of each coefficient: that of [`encode::encode`].
    ///
    /// # Errors
    /// [`Error::Slots`] unless s is a power of two, n/2 at most; [`Error::NotFinite`] for a value that is not finite;
    /// [`Error::TooLarge`] for a coefficient that the base primes do not hold ([`Params::limit_bits`]).
    pub fn encode(&mut self, values: impl ExactSizeIterator<Item = Complex>, scale: f64) -> Result<&mut [i64]> {
        let (s, slots) = (values.len(), self.slots.len());
        if !s.is_power_of_two() || s > slots {
            return Err(Error::Slots { given: s, slots });
        }
        self.slots.iter_mut().zip(values).for_each(|(z, x)| *z = x);
        let coeffs = &mut self.coeffs[..2 * s];
        encode::encode(&self.roots, &mut self.slots[..s], scale, self.limit_bits, coeffs)?;
        Ok(coeffs)
    }

    /// 2s coefficients to s slots.
    ///
    /// # Errors
    /// [`Error::Slots`] unless s is a power of two, n/2 at most.
    pub fn decode(&self, coeffs: &[i64], scale: f64) -> Result<Vec<Complex>> {
        let mut slots = vec![Complex::default(); coeffs.len() / 2];
        encode::decode(&self.roots, coeffs, scale, &mut slots)?;
        Ok(slots)
    }

    /// Overwrites both buffers: after the encoding of values that are secret.
    pub fn wipe(&mut self) {
        self.slots[..].zeroize();
        self.coeffs[..].zeroize();
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl core::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Encoder").field("slots", &self.slots.len()).finish_non_exhaustive() // the values may be secret
    }
}
