//! Predicted noise: the standard deviation of each operation's error in the slots, in units of the message times
//! its scale (divide by the scale for the error of a value). Heuristic in the usual sense: rounding errors count as
//! uniform and independent, and the tests compare each with what is measured. The largest of 2^15 slots is within
//! 6 standard deviations but for one case in 10^4.
//!
//! A polynomial whose coefficients have variance v puts variance n v in each slot (half in the real part). The
//! secret is dense ternary, variance 2/3 a coefficient.

use crate::{
    backend::digit,
    params::Params,
    ring::{Basis, sample::ERROR_STD},
};
use libm::{exp2, sqrt};

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

/// A mod_switch of (c0, c1): both are rounded, sqrt(n (1 + 2n/3) / 12). 2^13.9 at n = 2^16.
pub fn rounding(params: &Params) -> f64 {
    let n = params.n() as f64;
    sqrt(n * (1.0 + n * SECRET) / 12.0)
}

/// A key switch at `level`, its division by P included: sqrt(sum_j n^2 D_j^2 sigma^2 / 12) / P plus [`rounding`],
/// D_j the product of digit j at that level.
pub fn key_switch(params: &Params, level: u8) -> f64 {
    let n = params.n() as f64;
    let log_p = params.log_product(Basis::span(0, 0).with(params.specials()));
    let digits = (0..params.digits()).map(|j| digit(params.q(level), params.specials(), params.alpha(), j));
    let sum: f64 = digits
        .filter(|d| !d.is_empty())
        .map(|d| {
            let size = exp2(params.log_product(d) - log_p);
            size * size / 12.0
        })
        .sum();
    sqrt(sum * sqr(n * ERROR_STD) + sqr(rounding(params)))
}

fn sqr(x: f64) -> f64 {
    x * x
}
