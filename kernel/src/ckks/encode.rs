//! Encoding: vectors of complex slots to integer polynomials and back, by the canonical embedding.
//!
//! Slot j of m(X) is z_j = m(zeta^(5^j)), zeta = exp(i pi/n). With w_k = m_k + i m_{k+n/2} this is the embedding of
//! half the length in [`crate::math::embedding`].
//!
//! A vector of period s is encoded at length s. Its polynomial is a polynomial in X^(n/2s) with 2s coefficients.

use crate::{
    error::{Error, Result},
    math::{
        complex::Complex,
        embedding::{Roots, embed, embed_inverse},
    },
};

/// The largest log2 of a coefficient that [`encode`] accepts.
pub const MAX_BITS: f64 = 61.0;

/// The largest log2 of a constant factor, which is a signed word of 64 bits.
#[cfg(feature = "alloc")]
const MAX_CONSTANT_BITS: f64 = 62.99;

/// A constant at a scale, the nearest integer.
#[cfg(feature = "alloc")]
pub(crate) fn integer(x: f64) -> Result<i64> {
    let bits = libm::log2(x.abs());
    if x.is_nan() || bits > MAX_CONSTANT_BITS {
        return Err(Error::TooLarge { bits, limit: MAX_CONSTANT_BITS });
    }
    Ok(round(x))
}

/// Slots to coefficients: round(scale m_k), ties away from zero. `slots` holds the values and is overwritten; `coeffs`
/// has twice the length. `limit_bits` is the largest log2 of a coefficient in the target, at most [`MAX_BITS`].
///
/// Error: each coefficient is within 1/2 (rounding) + |scale m| 2^-52 log2(2s) (arithmetic).
///
/// # Errors
///
/// A value that is not finite, or a coefficient over the limit.
pub fn encode(roots: &[Complex], slots: &mut [Complex], scale: f64, limit_bits: f64, coeffs: &mut [i64]) -> Result<()> {
    let s = slots.len();
    if coeffs.len() != 2 * s {
        return Err(Error::Length { expected: 2 * s, actual: coeffs.len() });
    }
    encode_packed(roots, slots, scale, limit_bits)?;
    let (re, im) = coeffs.split_at_mut(s);
    for ((re, im), z) in re.iter_mut().zip(im).zip(slots) {
        (*re, *im) = (unpacked(z.re), unpacked(z.im));
    }
    Ok(())
}

/// An integer in the eight bytes of a float, so that a buffer of slots holds coefficients.
pub(super) fn packed(x: i64) -> f64 {
    f64::from_bits(x as u64)
}

/// The inverse of [`packed`].
pub(super) fn unpacked(x: f64) -> i64 {
    x.to_bits() as i64
}

/// [`encode`] in place: coefficient k is [`packed`] into the real part of slot k, and coefficient k + s into its imaginary
/// part.
///
/// # Errors
/// Those of [`encode`].
pub(super) fn encode_packed(roots: impl Roots, slots: &mut [Complex], scale: f64, limit_bits: f64) -> Result<()> {
    round_in_place(roots, slots, scale, limit_bits, packed)
}

/// [`encode`] in place, with floats for integers: coefficient k is the real part of slot k, and coefficient k + s its
/// imaginary part.
///
/// # Errors
/// Those of [`encode`].
pub fn encode_in_place(roots: impl Roots, slots: &mut [Complex], scale: f64, limit_bits: f64) -> Result<()> {
    round_in_place(roots, slots, scale, limit_bits, |x| x as f64) // exact: x has 53 bits
}

fn round_in_place(
    roots: impl Roots,
    slots: &mut [Complex],
    scale: f64,
    limit_bits: f64,
    store: impl Fn(i64) -> f64,
) -> Result<()> {
    let s = slots.len();
    if !s.is_power_of_two() || s > roots.slots() {
        return Err(Error::Slots { given: s, slots: roots.slots() });
    }
    let wrong = |z: &Complex| !(z.re.is_finite() & z.im.is_finite());
    if slots.iter().fold(false, |any, z| any | wrong(z)) {
        return Err(Error::NotFinite { slot: slots.iter().position(wrong).unwrap_or(s) });
    }
    embed_inverse(roots, slots);
    let factor = scale / s as f64;
    let mut largest = 0; // of the patterns without signs, which are in the order of magnitudes, what is not finite last
    for z in slots {
        let (x, y) = (z.re * factor, z.im * factor);
        largest = largest.max(x.to_bits() << 1).max(y.to_bits() << 1);
        (z.re, z.im) = (store(round(x)), store(round(y)));
    }
    let (bits, limit) = (libm::log2(f64::from_bits(largest >> 1)), limit_bits.min(MAX_BITS));
    if bits <= limit { Ok(()) } else { Err(Error::TooLarge { bits, limit }) }
}

/// Nearest integer, ties away from zero, for |x| below 2^62; saturates beyond.
pub fn round(x: f64) -> i64 {
    let whole = x as i64; // toward zero
    let rest = x - whole as f64; // exact
    whole.saturating_add((rest >= 0.5) as i64 - (rest <= -0.5) as i64)
}

/// Coefficients to slots: the inverse of [`encode`]; `slots` is half as long as `coeffs`.
///
/// # Errors
/// [`Error::Length`] if `coeffs` is not twice as long as `slots`; [`Error::Slots`] if the number of slots is no power of
/// two, or more than the roots have.
pub fn decode(roots: &[Complex], coeffs: &[i64], scale: f64, slots: &mut [Complex]) -> Result<()> {
    let s = slots.len();
    if coeffs.len() != 2 * s {
        return Err(Error::Length { expected: 2 * s, actual: coeffs.len() });
    }
    let (re, im) = coeffs.split_at(s);
    for ((z, re), im) in slots.iter_mut().zip(re).zip(im) {
        *z = Complex { re: *re as f64, im: *im as f64 };
    }
    decode_in_place(roots, slots, scale)
}

/// The inverse of [`encode_in_place`].
///
/// # Errors
/// [`Error::Slots`] if the number of slots is no power of two, or more than the roots have.
pub fn decode_in_place(roots: impl Roots, coeffs: &mut [Complex], scale: f64) -> Result<()> {
    let s = coeffs.len();
    if !s.is_power_of_two() || s > roots.slots() {
        return Err(Error::Slots { given: s, slots: roots.slots() });
    }
    for z in coeffs.iter_mut() {
        *z = Complex { re: z.re / scale, im: z.im / scale };
    }
    embed(roots, coeffs);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::embedding::fill_roots;
    use std::{vec, vec::Vec};

    fn roots(s: usize) -> Vec<Complex> {
        let mut out = vec![Complex::default(); s];
        fill_roots(&mut out);
        out
    }

    fn values(s: usize) -> Vec<Complex> {
        let wave = |j: usize, a: usize| ((j * a + 3) % 101) as f64 / 50.0 - 1.0;
        (0..s).map(|j| Complex { re: wave(j, 37), im: wave(j, 71) }).collect()
    }

    #[test]
    fn slots_are_values_at_powers_of_five() {
        let (s, scale) = (16, 2f64.powi(40));
        let mut coeffs = vec![0; 2 * s];
        encode(&roots(s), &mut values(s), scale, MAX_BITS, &mut coeffs).unwrap();
        let n = 2 * s;
        for (j, want) in values(s).into_iter().enumerate() {
            let power = (0..j).fold(1, |p, _| p * 5 % (2 * n));
            let z = coeffs.iter().enumerate().fold(Complex::default(), |z, (k, c)| {
                let angle = core::f64::consts::PI * (power * k % (2 * n)) as f64 / n as f64;
                let root = Complex { re: libm::cos(angle), im: libm::sin(angle) };
                z + root * Complex::from(*c as f64 / scale)
            });
            assert!((z.re - want.re).abs() < 1e-10 && (z.im - want.im).abs() < 1e-10, "{z:?} {want:?}");
        }
    }

    #[test]
    fn rounding_is_to_nearest_at_every_size() {
        let below_half = 0.49999999999999994; // plus 1/2 is 1 in f64
        let odd = (1i64 << 52) + 1; // plus 1/2 is a tie that goes to the next even integer
        for (x, rounded) in [(below_half, 0), (0.5, 1), (2.5, 3), (7.49, 7), (odd as f64, odd), (1e18, 10i64.pow(18))] {
            assert_eq!((round(x), round(-x)), (rounded, -rounded), "{x}");
        }
        assert_eq!((round(1e300), round(-1e300), round(f64::NAN)), (i64::MAX, i64::MIN, 0)); // refused afterwards
    }

    #[test]
    fn decode_undoes_encode() {
        for s in [1, 2, 8, 1024, 32768] {
            let (mut coeffs, mut out) = (vec![0; 2 * s], values(s));
            encode(&roots(s), &mut out, 2f64.powi(50), MAX_BITS, &mut coeffs).unwrap();
            decode(&roots(s), &coeffs, 2f64.powi(50), &mut out).unwrap();
            let worst = out.iter().zip(values(s)).map(|(a, b)| (a.re - b.re).abs().max((a.im - b.im).abs()));
            assert!(worst.fold(0.0, f64::max) < 1e-12, "{s} slots");
        }
    }

    #[test]
    fn a_periodic_vector_is_a_polynomial_in_a_power_of_x() {
        let (s, times) = (8, 16);
        let (mut short, mut long) = (vec![0; 2 * s], vec![0; 2 * s * times]);
        encode(&roots(s), &mut values(s), 1e9, MAX_BITS, &mut short).unwrap();
        let mut repeated: Vec<Complex> = (0..s * times).map(|j| values(s)[j % s]).collect();
        encode(&roots(s * times), &mut repeated, 1e9, MAX_BITS, &mut long).unwrap();
        for (k, c) in long.iter().enumerate() {
            let want = if k % times == 0 { short[k / times] } else { 0 };
            assert!((c - want).abs() <= 1, "coefficient {k}: {c} and {want}");
        }
    }

    #[test]
    fn bad_values_are_errors_that_say_which() {
        let mut coeffs = vec![0; 16];
        let mut slots = vec![Complex::from(1.0); 8];
        slots[5].im = f64::NAN;
        assert_eq!(encode(&roots(8), &mut slots, 1.0, 59.0, &mut coeffs), Err(Error::NotFinite { slot: 5 }));
        let mut slots = vec![Complex::from(8.0); 8];
        let result = encode(&roots(8), &mut slots, 2f64.powi(57), 59.0, &mut coeffs);
        assert_eq!(result, Err(Error::TooLarge { bits: 60.0, limit: 59.0 }));
        let mut slots = vec![Complex::from(f64::MAX); 8];
        assert!(matches!(encode(&roots(8), &mut slots, 1.0, 59.0, &mut coeffs), Err(Error::TooLarge { .. })));
        assert!(matches!(
            encode(&roots(8), &mut [Complex::default(); 16], 1.0, 59.0, &mut [0; 32]),
            Err(Error::Slots { .. })
        ));
    }
}
