//! Polynomials in the Chebyshev basis on a range. [`eval`] evaluates polynomials on any arithmetic.

use crate::{
    error::{Error, Result},
    math::number::Number,
};
use heapless::Vec;

pub mod eval;
mod plan;
mod square;

pub use eval::{evaluate, evaluate_doubled, evaluate_unit};
pub use plan::products_of;

/// The highest degree.
pub const MAX_DEGREE: usize = 255;
/// The largest slope that [`evaluate`] multiplies by exactly, without a level.
const MAX_SLOPE: f64 = 8.0;
/// The most baby steps.
const MAX_BABIES: usize = 16;

/// Chebyshev coefficients, T_0 first.
pub(super) type Coeffs = Vec<f64, { MAX_DEGREE + 1 }>;

/// p(x) = Σ c_i T_i(t) for x in [lo, hi], t = (2x - lo - hi) / (hi - lo) in [-1, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Polynomial {
    coeffs: Coeffs, // not empty; the last one is not zero, unless it is the only one
    lo: f64,
    hi: f64,
}

impl Polynomial {
    /// The polynomial of these Chebyshev coefficients on [lo, hi]. Trailing zeros are dropped.
    ///
    /// # Errors
    /// [`Error::BadRange`] for an empty or infinite range; [`Error::NotFinite`] for a coefficient that is not finite;
    /// [`Error::TooMany`] for a degree over [`MAX_DEGREE`].
    pub fn new(coeffs: &[f64], (lo, hi): (f64, f64)) -> Result<Self> {
        if !(lo < hi && (hi - lo).is_finite()) {
            return Err(Error::BadRange { lo, hi });
        }
        if let Some(slot) = coeffs.iter().position(|c| !c.is_finite()) {
            return Err(Error::NotFinite { slot });
        }
        let len = coeffs.iter().rposition(|c| *c != 0.0).map_or(1, |i| i + 1);
        let too_many = Error::TooMany { asked: len.saturating_sub(1), limit: MAX_DEGREE };
        let coeffs = Vec::from_slice(coeffs.get(..len).unwrap_or(&[0.0])).map_err(|_| too_many)?;
        Ok(Self { coeffs, lo, hi })
    }

    /// Its degree.
    pub fn degree(&self) -> usize {
        self.coeffs.len() - 1
    }

    /// The range of the argument.
    pub fn range(&self) -> (f64, f64) {
        (self.lo, self.hi)
    }

    /// Its Chebyshev coefficients, T_0 first.
    pub fn coeffs(&self) -> &[f64] {
        &self.coeffs
    }

    /// c p(x)
    pub fn scaled(mut self, c: f64) -> Self {
        self.coeffs.iter_mut().for_each(|x| *x *= c);
        self
    }

    /// c + p(x)
    pub fn plus(mut self, c: f64) -> Self {
        self.coeffs[0] += c;
        self
    }

    /// The point t of [-1, 1] that stands for x: slope and offset of t = slope x + offset.
    pub fn to_unit(&self) -> (f64, f64) {
        (2.0 / (self.hi - self.lo), -(self.hi + self.lo) / (self.hi - self.lo))
    }

    /// p(x) by Clenshaw's recurrence. Rounding adds at most [`Polynomial::rounding`] at f64::EPSILON.
    pub fn at(&self, x: f64) -> f64 {
        let t = ((x - self.lo) - (self.hi - x)) / (self.hi - self.lo);
        let (mut a, mut b) = (0.0, 0.0);
        for c in self.coeffs[1..].iter().rev() {
            (a, b) = (2.0 * t * a - b + c, a);
        }
        t * a - b + self.coeffs[0]
    }

    /// p(x) by Clenshaw's recurrence on any numbers: what a clear engine evaluates.
    pub fn number<F: Number>(&self, x: F) -> F {
        let (slope, offset) = self.to_unit();
        self.unit_number(x.mul(F::of(slope)).add(F::of(offset)))
    }

    /// p at the point that t in [-1, 1] stands for, by Clenshaw's recurrence on any numbers.
    pub fn unit_number<F: Number>(&self, t: F) -> F {
        let (mut a, mut b) = (F::of(0.0), F::of(0.0));
        for c in self.coeffs[1..].iter().rev() {
            (a, b) = (t.mul(a).mul(F::of(2.0)).sub(b).add(F::of(*c)), a);
        }
        t.mul(a).sub(b).add(F::of(self.coeffs[0]))
    }

    /// A bound of the rounding error of p(x), by either evaluation, in a float format of this `epsilon`. For floats no
    /// wider than f64.
    /// At most 2d + 4 roundings follow each other, each at most epsilon Σ |c_i|. The error of T_i(t) is at most i²
    /// times the error of t. Two larger products cancel where squares are completed.
    pub fn rounding(&self, epsilon: f64) -> f64 {
        let reach = 2.0 + (self.lo.abs().max(self.hi.abs())) / (self.hi - self.lo); // error of t, in epsilons
        let terms = self.coeffs.iter().enumerate();
        let sum: f64 = terms.map(|(i, c)| c.abs() * (2.0 * i as f64 + 4.0 + reach * (i * i) as f64)).sum();
        (sum + plan::spread_of(self)) * epsilon
    }

    /// Levels that [`evaluate_unit`] takes: ⌈log2(degree + 1)⌉.
    pub fn unit_depth(&self) -> u8 {
        ceil_log2(self.degree() + 1)
    }

    /// Levels that [`evaluate`] takes: one more, unless t is an integer multiple of x up to an offset.
    pub fn depth(&self) -> u8 {
        self.unit_depth() + (self.degree() > 0 && !is_small_integer(self.to_unit().0)) as u8
    }
}

/// ⌈log2(x)⌉ for x > 0.
pub fn ceil_log2(x: usize) -> u8 {
    x.next_power_of_two().ilog2() as u8
}

pub(super) fn is_small_integer(slope: f64) -> bool {
    slope <= MAX_SLOPE && libm::trunc(slope) == slope
}

#[cfg(test)]
mod tests {
    use super::Polynomial;
    use crate::Error;

    #[test]
    fn an_empty_range_a_nan_and_a_degree_too_high_are_errors() {
        assert_eq!(Polynomial::new(&[1.0], (1.0, 1.0)), Err(Error::BadRange { lo: 1.0, hi: 1.0 }));
        assert_eq!(Polynomial::new(&[1.0, f64::NAN], (0.0, 1.0)), Err(Error::NotFinite { slot: 1 }));
        assert_eq!(Polynomial::new(&[1.0; 300], (0.0, 1.0)), Err(Error::TooMany { asked: 299, limit: 255 }));
        assert_eq!(Polynomial::new(&[], (0.0, 1.0)).unwrap().degree(), 0);
    }

    #[test]
    fn coefficients_sum_to_the_value_at_the_upper_end() {
        let p = Polynomial::new(&[0.5, -1.0, 0.25, 3.0], (-3.0, 10.0)).unwrap();
        assert_eq!((p.at(10.0), p.at(-3.0)), (2.75, -1.25));
        assert_eq!(p.clone().scaled(2.0).plus(1.0).at(10.0), 6.5);
    }
}
