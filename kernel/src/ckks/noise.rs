//! Predicted noise: the standard deviation of each operation's error in the slots, in units of the message times its
//! scale. Divide by the scale for the error of a value. The prediction is heuristic: rounding errors count as uniform
//! and independent. Tests compare each prediction with measurements.
//!
//! A polynomial whose coefficients have variance v has variance n v in each slot (half in the real part). The secret is
//! dense ternary, with variance 2/3 per coefficient.
//!
//! The secret multiplies the rounding error of c1, and the secret is the same in every operation. Over all slots the
//! deviation is the stated deviation. In slot i the deviation is the stated one times |s_i| / sqrt(2n/3), where s_i is
//! the secret in the slot. s_i is nearly Gaussian. The largest of 2^15 slots is therefore about 6 deviations away,
//! where the largest of a Gaussian is 3 away. (2t K_1(2t) = 2^-15 at t = 6, with Bessel's K_1.) [`crate::eval::noise`]
//! simulates a whole circuit slot by slot.

#[cfg(feature = "alloc")]
use super::raise::SPARSE_WEIGHT;
use crate::{
    backend::digit,
    params::Params,
    ring::{Basis, sample::ERROR_STD},
};
use libm::{exp2, hypot, sqrt};

/// Variance of a coefficient of the secret.
const SECRET: f64 = 2.0 / 3.0;

/// Fresh symmetric encryption: sigma sqrt(n). 2^9.7 at n = 2^16.
pub fn fresh_symmetric(params: &Params) -> f64 {
    ERROR_STD * sqrt(params.n() as f64)
}

/// Fresh public-key encryption, e v + e1 s + e0: sigma sqrt(n (1 + 2 n 2/3)). 2^17.9 at n = 2^16.
pub fn fresh_public(params: &Params) -> f64 {
    let n = params.n() as f64;
    ERROR_STD * sqrt(n * (1.0 + 2.0 * n * SECRET))
}

/// Encoding: coefficients rounded to integers, sqrt(n/12).
pub fn encoding(params: &Params) -> f64 {
    sqrt(params.n() as f64 / 12.0)
}

/// A mod_switch of (c0, c1) rounds both: sqrt(n (1 + 2n/3)
/// 12), 2^13.9 at n = 2^16. A rescale, a drop_to_level, and every division by P has one such error, in units of values
/// at the level of the result.
pub fn rounding(params: &Params) -> f64 {
    rounded(params, params.n() as f64 * SECRET)
}

/// The gadget product of a key switch at `level`, divided by P but not rounded: sqrt(sum_j n^2 D_j^2 sigma^2
/// 12)
/// P, with D_j the product of digit j at that level. A hoisted vector has this error and no [`rounding`], and a
/// diagonal multiplies the error. A giant step and a relinearisation have the error at the scale of products.
pub fn gadget(params: &Params, level: u8) -> f64 {
    let log_p = log_specials(params, params.specials());
    let digits = (0..params.digits()).map(|j| digit(params.q(level), params.specials(), params.alpha(), j));
    let size = |d| exp2(params.log_product(d) - log_p);
    sqrt(digits.filter(|d| !d.is_empty()).map(|d| sqr(one_digit(params, size(d)))).sum())
}

/// A key switch at `level`, its division by P included: [`gadget`] and [`rounding`].
pub fn key_switch(params: &Params, level: u8) -> f64 {
    hypot(gadget(params, level), rounding(params))
}

/// ModRaise's switch to the sparse secret, before the raise. The first part is a gadget product of the base as one
/// digit, over as many specials: n q0 sigma
/// (P' sqrt(12)). The second part is a rounding under the sparse secret. 2^15.9 at n = 2^16.
#[cfg(feature = "alloc")]
pub fn to_sparse(params: &Params) -> f64 {
    let (base, few) = (params.base(), params.base().len() as u16);
    let size = exp2(params.log_product(base) - log_specials(params, few));
    hypot(one_digit(params, size), rounded(params, SPARSE_WEIGHT as f64))
}

/// ModRaise's switch back, after the raise, over one special more: the same, and [`rounding`].
#[cfg(feature = "alloc")]
pub fn to_dense(params: &Params) -> f64 {
    let (base, few) = (params.base(), params.base().len() as u16 + 1);
    let size = exp2(params.log_product(base) - log_specials(params, few.min(params.specials())));
    hypot(one_digit(params, size), rounding(params))
}

/// A uniform digit of `size` times P in the size of the key's error: n size sigma / sqrt(12).
fn one_digit(params: &Params, size: f64) -> f64 {
    params.n() as f64 * size * ERROR_STD / sqrt(12.0)
}

/// Both halves rounded, under a secret of this squared length.
fn rounded(params: &Params, secret: f64) -> f64 {
    sqrt(params.n() as f64 * (1.0 + secret) / 12.0)
}

fn log_specials(params: &Params, count: u16) -> f64 {
    params.log_product(Basis::specials(count))
}

fn sqr(x: f64) -> f64 {
    x * x
}
