//! The functions to approximate. Each function has the data for a certificate: the position of a corner, and the
//! largest size in a disc around a real point. The disc is in the complex plane.

use crate::error::{Error, Result};
use core::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// A function of one real variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// e^x
    Exp,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// tanh x
    Tanh,
    /// x Φ(x), Φ the normal distribution function.
    Gelu,
    /// x / (1 + e^-x)
    Silu,
    /// max(x, 0)
    Relu,
    /// 1 / x for x > 0.
    Reciprocal,
    /// 1 / √x for x > 0.
    InvSqrt,
}

impl Function {
    /// Its value, within two units in the last place.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Function::Exp => libm::exp(x),
            Function::Sigmoid => sigmoid(x),
            Function::Tanh => libm::tanh(x),
            Function::Gelu => 0.5 * x * libm::erfc(-x * FRAC_1_SQRT_2),
            Function::Silu => x * sigmoid(x),
            Function::Relu => x.max(0.0),
            Function::Reciprocal => 1.0 / x,
            Function::InvSqrt => 1.0 / libm::sqrt(x),
        }
    }

    /// Checks that the function is defined on [lo, hi].
    ///
    /// # Errors
    /// [`Error::BadRange`] for an empty or infinite range, and for a range that reaches 0 if the function has a pole
    /// there.
    pub fn check(self, (lo, hi): (f64, f64)) -> Result<()> {
        let positive = matches!(self, Function::Reciprocal | Function::InvSqrt);
        let fine = lo < hi && lo.is_finite() && hi.is_finite() && (!positive || lo > 0.0);
        if fine { Ok(()) } else { Err(Error::BadRange { lo, hi }) }
    }

    /// The point where the function is not analytic, if the function is a polynomial on both sides.
    pub(super) fn corner(self) -> Option<f64> {
        if self == Function::Relu { Some(0.0) } else { None }
    }

    /// (r, m): the function is analytic on the disc of radius r around c, with modulus at most m.
    pub(super) fn disc(self, c: f64) -> (f64, f64) {
        match self {
            Function::Exp => (1.0, libm::exp(c + 1.0)),
            // |Im z| < π/2, so that Re e^-z > 0 and |1 + e^-z| > 1
            Function::Sigmoid => (1.5, 1.0),
            Function::Tanh => (0.75, 3.0), // 2 sigmoid(2z) - 1
            Function::Silu => (1.5, c.abs() + 1.5),
            // |erf(x + iy)| <= 1 + 2/√π |y| e^(y² - x²)
            Function::Gelu => {
                let y = 1.5 * FRAC_1_SQRT_2;
                (1.5, (c.abs() + 1.5) * 0.5 * (2.0 + FRAC_2_SQRT_PI * y * libm::exp(y * y)))
            }
            Function::Relu => (f64::INFINITY, 0.0), // a polynomial on each side: nothing is left to bound
            Function::Reciprocal => (0.5 * c, 2.0 / c),
            Function::InvSqrt => (0.5 * c, libm::sqrt(2.0 / c)),
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}
