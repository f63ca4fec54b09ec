//! Approximations: a function, a range, a polynomial, and a certified error. This module computes the coefficients by
//! interpolation at Chebyshev nodes ([`interpolate`], without an allocator) or by Remez's exchange ([`remez`]).
//! [`certify`] bounds the error of any polynomial, whatever its source.

use super::poly::{Coeffs, MAX_DEGREE, Polynomial};
use crate::error::{Error, Result};
use core::f64::consts::PI;

pub mod certify;
pub mod function;
#[cfg(feature = "alloc")]
pub mod remez;

pub use function::Function;

/// Which error is small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// |p - f|
    Absolute,
    /// |p / f - 1|
    Relative,
}

/// A polynomial that approximates a function on a range, and a bound of the error.
#[derive(Clone, Debug, PartialEq)]
pub struct Approximation {
    function: Function,
    weight: Weight,
    poly: Polynomial,
    error: f64,
}

impl Approximation {
    /// Interpolation at the Chebyshev nodes of [lo, hi]; for the reciprocal, no polynomial of the degree has a smaller
    /// relative error.
    ///
    /// # Errors
    /// [`Error::BadRange`] where the function is not defined or no error can be certified; [`Error::TooMany`] for a
    /// degree over [`MAX_DEGREE`].
    pub fn chebyshev(function: Function, weight: Weight, range: (f64, f64), degree: usize) -> Result<Self> {
        function.check(range)?;
        Self::certified(function, weight, interpolate(|x| function.at(x), range, degree)?)
    }

    /// The best polynomial of this degree, by Remez's exchange.
    ///
    /// # Errors
    /// The errors of [`Approximation::chebyshev`]; [`Error::BadRange`] if the exchange finds no polynomial.
    #[cfg(feature = "alloc")]
    pub fn minimax(function: Function, weight: Weight, range: (f64, f64), degree: usize) -> Result<Self> {
        function.check(range)?;
        let w = |x: f64| match weight {
            Weight::Absolute => 1.0,
            Weight::Relative => 1.0 / function.at(x).abs(),
        };
        let target = remez::Target { terms: remez::Terms::All, domain: range, range };
        Self::certified(function, weight, remez::remez(|x| function.at(x), w, target, degree)?)
    }

    /// Any polynomial, whatever its source, with a bound of its error.
    ///
    /// # Errors
    /// [`Error::BadRange`] if the bound is infinite.
    pub fn certified(function: Function, weight: Weight, poly: Polynomial) -> Result<Self> {
        let error = certify::error(function, weight, &poly)?;
        Ok(Self { function, weight, poly, error })
    }

    /// The interpolation of least degree whose certified error is at most `error`.
    ///
    /// # Errors
    /// The errors of [`Approximation::chebyshev`]; [`Error::Inaccurate`] if degree [`MAX_DEGREE`] is not
    /// within `error`.
    pub fn within(function: Function, weight: Weight, range: (f64, f64), error: f64) -> Result<Self> {
        let mut best = Self::chebyshev(function, weight, range, MAX_DEGREE)?;
        for degree in [1, 3, 7, 15, 31, 63, 127] {
            let a = Self::chebyshev(function, weight, range, degree)?;
            if a.error <= error {
                best = a;
                break;
            }
        }
        if best.error > error {
            return Err(Error::Inaccurate { wanted: error, reached: best.error });
        }
        let (mut low, mut high) = (best.poly.degree() / 2, best.poly.degree()); // low is not enough
        while high - low > 1 {
            let a = Self::chebyshev(function, weight, range, (low + high) / 2)?;
            if a.error <= error {
                high = (low + high) / 2;
                best = a;
            } else {
                low = (low + high) / 2;
            }
        }
        Ok(best)
    }

    /// The approximated function.
    pub fn function(&self) -> Function {
        self.function
    }

    /// Which error [`Approximation::error`] is.
    pub fn weight(&self) -> Weight {
        self.weight
    }

    /// The polynomial.
    pub fn poly(&self) -> &Polynomial {
        &self.poly
    }

    /// Certified: no point of the range is further off, rounding of f64 included.
    pub fn error(&self) -> f64 {
        self.error
    }
}

/// The polynomial of this degree that agrees with f at the zeros of T_{degree+1} on [lo, hi]. Coefficients below
/// the rounding of the largest are zero, so that even and odd functions give even and odd polynomials.
///
/// # Errors
/// [`Error::TooMany`] for a degree over [`MAX_DEGREE`]; [`Error::BadRange`] for an empty range; [`Error::NotFinite`] if
/// f is not finite at a node.
pub fn interpolate(f: impl Fn(f64) -> f64, (lo, hi): (f64, f64), degree: usize) -> Result<Polynomial> {
    if degree > MAX_DEGREE {
        return Err(Error::TooMany { asked: degree, limit: MAX_DEGREE });
    }
    let n = degree + 1;
    let mut coeffs = Coeffs::new();
    let _ = coeffs.resize(n, 0.0); // cannot overflow: degree checked
    for k in 0..n {
        let t = libm::cos(PI * (2 * k + 1) as f64 / (2 * n) as f64);
        let y = f(0.5 * (lo + hi) + 0.5 * (hi - lo) * t) * 2.0 / n as f64;
        for (j, c) in coeffs.iter_mut().enumerate() {
            *c += y * libm::cos(PI * (j * (2 * k + 1) % (4 * n)) as f64 / (2 * n) as f64);
        }
    }
    coeffs[0] *= 0.5;
    let largest = coeffs.iter().fold(0.0, |m: f64, c| m.max(c.abs()));
    for c in coeffs.iter_mut().filter(|c| c.abs() < largest * f64::EPSILON) {
        *c = 0.0;
    }
    Polynomial::new(&coeffs, (lo, hi))
}

#[cfg(test)]
mod tests {
    use super::{Approximation, Function, Weight};
    use crate::Error;

    /// The functions with ranges that models meet.
    const CASES: [(Function, (f64, f64)); 9] = [
        (Function::Exp, (-16.0, 0.0)),
        (Function::Sigmoid, (-8.0, 8.0)),
        (Function::Tanh, (-5.0, 5.0)),
        (Function::Gelu, (-8.0, 8.0)),
        (Function::Silu, (-10.0, 10.0)),
        (Function::Relu, (-5.0, 6.0)),
        (Function::Reciprocal, (0.01, 1.0)),
        (Function::InvSqrt, (0.15, 10.0)),
        (Function::Exp, (-1.0, 1.0)),
    ];

    fn measured(a: &Approximation) -> f64 {
        let (lo, hi) = a.poly().range();
        let error = |i: usize| {
            let x = lo + (hi - lo) * i as f64 / 9973.0;
            let (p, f) = (a.poly().at(x), a.function().at(x));
            if a.weight() == Weight::Relative { (p / f - 1.0).abs() } else { (p - f).abs() }
        };
        (0..=9973).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn the_flat_part_of_the_exponential_is_certified_too() {
        for range in [(-300.0, 0.0), (-2000.0, 0.0), (-90.0, 3.0)] {
            for degree in [15, 127] {
                let a = Approximation::chebyshev(Function::Exp, Weight::Absolute, range, degree).unwrap();
                let truth = measured(&a);
                assert!(truth <= a.error() && a.error() < 3.0 * truth + 1e-11, "{range:?}: {truth} {}", a.error());
            }
        }
    }

    #[test]
    fn the_certified_error_is_never_exceeded_and_not_far_from_the_truth() {
        for (function, range) in CASES {
            for degree in [3, 8, 15, 31, 59] {
                let a = Approximation::chebyshev(function, Weight::Absolute, range, degree).unwrap();
                let real = measured(&a);
                assert!(real <= a.error(), "{function:?} {degree}: {real:e} over {:e}", a.error());
                assert!(a.error() <= 1.05 * real + 1e-9, "{function:?} {degree}: {real:e}, claimed {:e}", a.error());
            }
        }
    }

    #[test]
    fn relative_errors_are_certified_too() {
        for (function, range) in [CASES[6], CASES[7], CASES[8]] {
            for degree in [7, 15, 31] {
                let a = Approximation::chebyshev(function, Weight::Relative, range, degree).unwrap();
                let real = measured(&a);
                assert!(real <= a.error(), "{function:?} {degree}: {real:e} over {:e}", a.error());
                assert!(a.error() <= 1.3 * real + 1e-9, "{function:?} {degree}: {real:e}, claimed {:e}", a.error());
            }
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn minimax_beats_interpolation() {
        for (function, range) in CASES {
            for degree in [3, 8, 15, 31] {
                let c = Approximation::chebyshev(function, Weight::Absolute, range, degree).unwrap();
                let m = Approximation::minimax(function, Weight::Absolute, range, degree).unwrap();
                assert!(measured(&m) <= m.error());
                assert!(
                    m.error() <= 1.01 * c.error() + 1e-12,
                    "{function:?} {degree}: {:e} {:e}",
                    m.error(),
                    c.error()
                );
            }
        }
        let c = Approximation::chebyshev(Function::InvSqrt, Weight::Relative, (0.15, 10.0), 15).unwrap();
        let m = Approximation::minimax(Function::InvSqrt, Weight::Relative, (0.15, 10.0), 15).unwrap();
        assert!(m.error() < 0.8 * c.error(), "{:e} {:e}", m.error(), c.error());
    }

    #[test]
    fn the_least_degree_within_an_error_is_found() {
        let a = Approximation::within(Function::Exp, Weight::Absolute, (-16.0, 0.0), 1e-6).unwrap();
        assert!(a.error() <= 1e-6);
        let less = Approximation::chebyshev(Function::Exp, Weight::Absolute, (-16.0, 0.0), a.poly().degree() - 1);
        assert!(less.unwrap().error() > 1e-6);
        let never = Approximation::within(Function::Relu, Weight::Absolute, (-1.0, 1.0), 1e-6);
        assert!(matches!(never, Err(Error::Inaccurate { wanted: 1e-6, .. })));
    }

    #[test]
    fn an_even_function_gives_an_even_polynomial() {
        let p = super::interpolate(libm::cos, (-3.0, 3.0), 20).unwrap();
        assert!(p.coeffs().iter().skip(1).step_by(2).all(|c| *c == 0.0));
    }

    #[test]
    fn the_polynomial_of_eval_mod_is_the_sine_up_to_the_rounding_of_f64() {
        // cos(2π(x - 1/4) / 4) on |x - 1/4| <= 16 + 1/4, then two doublings: sin(2πx) (docs/math.md §10.4). The error of the
        // polynomial itself is below 2^-54; f64 rounds the angle, up to 8π, to 2^-49, and the doublings make that 2^-45.
        use core::f64::consts::PI;
        let p = super::interpolate(|u| libm::cos(PI * u / 2.0), (-16.25, 16.25), 62).unwrap();
        let (mut before, mut after) = (0.0f64, 0.0f64);
        for i in -16000..=16000 {
            let u = i as f64 / 1000.0 + 0.0004; // x = u + 1/4
            let c = p.at(u);
            before = before.max((c - libm::cos(PI / 2.0 * (u - 4.0 * libm::round(u / 4.0)))).abs());
            let y = 2.0 * (2.0 * c * c - 1.0) * (2.0 * c * c - 1.0) - 1.0;
            after = after.max((y - libm::cos(2.0 * PI * (u - libm::round(u)))).abs());
        }
        assert!(before < libm::exp2(-46.0) && after < libm::exp2(-44.0), "{:?}", (before.log2(), after.log2()));
    }

    #[test]
    fn ranges_outside_the_domain_are_errors() {
        for function in [Function::Reciprocal, Function::InvSqrt] {
            let got = Approximation::chebyshev(function, Weight::Relative, (0.0, 1.0), 7);
            assert_eq!(got.err(), Some(Error::BadRange { lo: 0.0, hi: 1.0 }));
        }
        let got = Approximation::chebyshev(Function::Gelu, Weight::Relative, (-1.0, 1.0), 7);
        assert_eq!(got.err(), Some(Error::BadRange { lo: -1.0, hi: 1.0 }));
    }
}
