//! A bound of |p - f| at every point of the range.
//!
//! The range is divided into pieces. On a piece, f is within τ of a polynomial of degree D: its Chebyshev series, with
//! τ = 2m ρ^-D / (ρ - 1) by Bernstein's ellipse. p - f is therefore within τ of a polynomial of degree D' = max(d, D).
//! Such a polynomial is bounded by its largest value at the zeros of T_n, divided by cos(π D' / 2n) (Ehlich and Zeller
//! 1964). The values are computed in f64, and the bound includes their rounding.
//!
//! 1/x and 1/√x have a shorter way: x p - 1 and x p² - 1 are polynomials.

use super::{Function, Polynomial, Weight};
use crate::error::{Error, Result};
use core::f64::consts::PI;

/// Degree of the polynomials that stand for f on a piece.
const LOCAL_DEGREE: usize = 18;
/// Points tried, as a multiple of the degree: the bound is at most 1/cos(π/16) = 1.02 times too large.
const OVERSAMPLING: usize = 8;

/// e^x is below 2^-60 from here down, and is taken for 0.
const NEGLIGIBLE: f64 = -41.6;

/// A certified bound of the error of p for f on p's range. An infinite one is [`Error::BadRange`].
///
/// # Errors
/// [`Error::BadRange`] if the bound is infinite.
pub fn error(f: Function, weight: Weight, p: &Polynomial) -> Result<f64> {
    let (lo, hi) = p.range();
    let relative = match f {
        Function::Reciprocal => Some(sup(lo, hi, p.degree() + 1, |x| x * p.at(x) - 1.0) + slack(f, p, lo, hi)),
        Function::InvSqrt => {
            let residual = sup(lo, hi, 2 * p.degree() + 1, |x| x * p.at(x) * p.at(x) - 1.0);
            let residual = residual + 3.0 * slack(f, p, lo, hi);
            // |y - 1| = |y² - 1| / (y + 1) for y = √x p; y >= 1 - |y² - 1|
            Some(residual / (2.0 - residual).max(1.0))
        }
        _ => None,
    };
    let bound = match (relative, weight) {
        (Some(relative), Weight::Relative) => relative,
        _ => by_pieces(f, weight, p),
    };
    if bound.is_finite() { Ok(bound) } else { Err(Error::BadRange { lo, hi }) }
}

fn by_pieces(f: Function, weight: Weight, p: &Polynomial) -> f64 {
    let (lo, hi) = p.range();
    let (mut worst, mut from) = (0.0f64, lo);
    while from < hi {
        let flat = f == Function::Exp && weight == Weight::Absolute && from < NEGLIGIBLE;
        let to = if flat { hi.min(NEGLIGIBLE) } else { piece_end(f, from, hi) };
        worst = worst.max(if flat { on_flat(p, from, to) } else { on_piece(f, weight, p, from, to) });
        from = to;
    }
    worst
}

/// The end of the piece that starts at `from`: half-width a fifth of the disc's radius around the centre, or less.
fn piece_end(f: Function, from: f64, hi: f64) -> f64 {
    let hi = match f.corner() {
        Some(corner) if from < corner && corner < hi => corner,
        _ => hi,
    };
    let step = 0.4 * f.disc(from).0; // radii grow with c, or are constant
    if from + step < hi { from + step } else { hi }
}

fn on_piece(f: Function, weight: Weight, p: &Polynomial, lo: f64, hi: f64) -> f64 {
    let (r, m) = f.disc(0.5 * (lo + hi));
    let tail = if r.is_finite() {
        let a = 2.0 * r / (hi - lo); // half axis of the ellipse, in half-widths
        let rho = a + libm::sqrt(a * a - 1.0);
        2.0 * m * libm::pow(rho, -(LOCAL_DEGREE as f64)) / (rho - 1.0)
    } else {
        0.0
    };
    let largest = f.at(lo).abs().max(f.at(hi).abs());
    let rounding = p.rounding(f64::EPSILON) + 4.0 * f64::EPSILON * largest;
    let degree = p.degree().max(LOCAL_DEGREE);
    let bound = sup(lo, hi, degree, |x| libm::fabs(p.at(x) - f.at(x)) + tail + rounding) + tail;
    match weight {
        Weight::Absolute => bound,
        // only where f has one sign and is monotone on the piece, as every function here that has no zero is
        Weight::Relative if f.at(lo) * f.at(hi) > 0.0 && is_monotone(f) => bound / f.at(lo).abs().min(f.at(hi).abs()),
        Weight::Relative => f64::INFINITY,
    }
}

/// [`on_piece`] of e^x where e^x is negligible, in one piece of any length.
fn on_flat(p: &Polynomial, lo: f64, hi: f64) -> f64 {
    sup(lo, hi, p.degree(), |x| p.at(x)) + p.rounding(f64::EPSILON) + libm::exp(hi)
}

fn is_monotone(f: Function) -> bool {
    !matches!(f, Function::Gelu | Function::Silu | Function::Relu)
}

/// A bound of |g| on [lo, hi] for a polynomial g of this degree, from its values.
fn sup(lo: f64, hi: f64, degree: usize, g: impl Fn(f64) -> f64) -> f64 {
    let n = OVERSAMPLING * degree.max(1);
    let mut worst: f64 = 0.0;
    for k in 0..n {
        let t = libm::cos(PI * (2 * k + 1) as f64 / (2 * n) as f64);
        worst = worst.max(libm::fabs(g(0.5 * (lo + hi) + 0.5 * (hi - lo) * t)));
    }
    worst / libm::cos(PI / (2 * OVERSAMPLING) as f64)
}

/// The effect of rounding on p
/// f.
fn slack(f: Function, p: &Polynomial, lo: f64, hi: f64) -> f64 {
    p.rounding(f64::EPSILON) / f.at(hi).min(f.at(lo)) * 2.0 + 4.0 * f64::EPSILON
}

/// A certified bound of |p - 1| on [lo, hi].
#[cfg(feature = "alloc")]
pub(in crate::circuits) fn distance_to_one(p: &Polynomial, (lo, hi): (f64, f64)) -> f64 {
    sup(lo, hi, p.degree(), |x| p.at(x) - 1.0) + p.rounding(f64::EPSILON)
}

/// A certified bound of |p| on [lo, hi].
#[cfg(feature = "alloc")]
pub(in crate::circuits) fn largest(p: &Polynomial, (lo, hi): (f64, f64)) -> f64 {
    sup(lo, hi, p.degree(), |x| p.at(x)) + p.rounding(f64::EPSILON)
}
