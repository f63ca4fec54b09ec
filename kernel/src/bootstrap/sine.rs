//! EvalMod computes x - round(x) for x near an integer, |x| < K, as sin(2 pi x) / 2 pi.
//!
//! sin(2 pi x) = cos(2 pi (x - 1/4)) is an even function of w = (x - 1/4) / (K + 1/4) in [-1, 1]. A truncated Chebyshev
//! series approximates the cosine of 2^-R of the angle. R doublings y <- y^2 - b^2/2 follow, each from amplitude b to
//! amplitude b^2/2. The first b is chosen for the wanted last b, so that the result can have any factor without a
//! further product. [eprint 2020/1203, section 4]

use crate::math::double_double::DoubleDouble;
use crate::{
    arith::Arithmetic,
    circuits::poly::{Polynomial, evaluate_doubled},
    error::{Error, Result},
};

/// A sine of given reach, degree and amplitude.
#[derive(Clone, Debug)]
pub struct Sine {
    reach: f64, // K + 1/4
    cosine: Polynomial,
    amplitudes: [f64; 3], // after the series, after the first doubling, after the second
    exit: f64,
}

/// Doublings of the angle.
pub const DOUBLINGS: u8 = 2;

/// The highest degree.
const MAX_DEGREE: usize = 254;

impl Sine {
    /// amplitude sin(2 pi x) for |x| < K. At K = 16 and degree 60 (depth 8) the polynomial is within 2^-50 of sin(2 pi
    /// x) / 2 pi. Most of the error is the rounding of the coefficients to f64; the series is truncated at 2^-57. An
    /// evaluation in f64 has an error of 2^-45, because x is known to 2^-49.
    ///
    /// `exit` is the factor of the last rescale relative to the nominal scales
    /// ([`crate::params::Params::eval_mod_exit_correction`]), 1 in the clear.
    ///
    /// # Errors
    /// [`Error::TooMany`] for a degree over 254.
    pub fn new(k: u32, degree: usize, amplitude: f64, exit: f64) -> Result<Self> {
        let reach = k as f64 + 0.25;
        let last = amplitude;
        let middle = libm::sqrt(2.0 * last / exit);
        let first = libm::sqrt(2.0 * middle);
        let angle = DoubleDouble::PI.mul(DoubleDouble::new(2.0 * reach / (1 << DOUBLINGS) as f64));
        let cosine = Polynomial::new(&cosine(angle, degree, first)?, (-1.0, 1.0))?;
        Ok(Self { reach, cosine, amplitudes: [first, middle, last], exit })
    }

    /// The factor from x to the input of [`Sine::evaluate`]: 2 / (K + 1/4).
    pub fn input_factor(&self) -> f64 {
        2.0 / self.reach
    }

    /// amplitude sin(2 pi x) for slots that hold x [`Sine::input_factor`]. Depth 8.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] if x has too few levels.
    pub fn evaluate<A: Arithmetic>(&self, ev: &mut A, mut x: A::Slots) -> Result<A::Slots> {
        ev.add_const(&mut x, -0.5 / self.reach)?;
        let mut y = evaluate_doubled(ev, &self.cosine, x)?;
        for amplitude in &self.amplitudes[1..] {
            y = ev.product(&y, &y)?;
            ev.add_const(&mut y, -amplitude)?;
        }
        Ok(y)
    }

    /// The same in the clear, f64.
    pub fn at(&self, x: f64) -> f64 {
        let y = self.cosine.at((x - 0.25) / self.reach);
        let y = y * y - self.amplitudes[1];
        self.exit * y * y - self.amplitudes[2]
    }
}

/// The Chebyshev coefficients of amplitude cos(z w) up to `degree`: J_0(z), and 2 (-1)^k J_2k(z) at degree 2k. Miller's
/// recurrence J_{n-1} = (2n/z) J_n - J_{n+1} gives Bessel's functions, downwards from an index where the functions
/// vanish. J_0 + 2 Σ J_2k = 1 gives their scale.
fn cosine(z: DoubleDouble, degree: usize, amplitude: f64) -> Result<heapless::Vec<f64, { MAX_DEGREE + 1 }>> {
    let mut coeffs: heapless::Vec<f64, { MAX_DEGREE + 1 }> = heapless::Vec::new();
    coeffs.resize(degree + 1, 0.0).map_err(|_| Error::TooMany { asked: degree, limit: MAX_DEGREE })?;
    let start = 2 * (degree + z.hi as usize + 20);
    let mut series: [DoubleDouble; MAX_DEGREE / 2 + 1] = [DoubleDouble::new(0.0); MAX_DEGREE / 2 + 1];
    let (mut above, mut here) = (DoubleDouble::new(0.0), DoubleDouble::new(1e-280)); // J_{n+1} and J_n, times some factor
    let mut scale = DoubleDouble::new(0.0);
    for n in (0..=start).rev() {
        if n % 2 == 0 {
            scale = scale.add(if n == 0 { here } else { here.add(here) });
            if n <= degree {
                series[n / 2] = here;
            }
        }
        let below = DoubleDouble::new(2.0 * n as f64).div(z).mul(here).add(above.neg());
        (above, here) = (here, below);
    }
    let first = DoubleDouble::new(amplitude).div(scale);
    for (k, j) in series.iter().take(degree / 2 + 1).enumerate() {
        let c = j.mul(first).hi;
        coeffs[2 * k] = if k == 0 {
            c
        } else if k % 2 == 0 {
            2.0 * c
        } else {
            -2.0 * c
        };
    }
    Ok(coeffs)
}

#[cfg(test)]
mod tests {
    use super::{DoubleDouble, Sine};
    use crate::eval::clear::{ClearArray, Number};

    /// The arithmetic of a circuit in double-double precision, so that only the polynomial's own error remains.
    impl Number for DoubleDouble {
        fn of(c: f64) -> Self {
            Self::new(c)
        }
        fn add(self, y: Self) -> Self {
            DoubleDouble::add(self, y)
        }
        fn sub(self, y: Self) -> Self {
            DoubleDouble::add(self, y.neg())
        }
        fn mul(self, y: Self) -> Self {
            DoubleDouble::mul(self, y)
        }
        fn is_finite(self) -> bool {
            self.hi.is_finite()
        }
        fn is_within(self, lo: f64, hi: f64) -> bool {
            lo <= self.hi && self.hi <= hi
        }
    }

    /// sin(2 pi x) for |x| <= 1/2, by its Taylor series.
    fn sine(x: DoubleDouble) -> DoubleDouble {
        let angle = DoubleDouble::PI.mul(x.add(x));
        let square = angle.mul(angle).neg();
        let (mut term, mut sum) = (angle, angle);
        for i in 1..20 {
            term = term.mul(square).div(DoubleDouble::new((2 * i * (2 * i + 1)) as f64));
            sum = sum.add(term);
        }
        sum
    }

    #[test]
    fn the_series_is_cut_off_below_2_to_the_minus_53() {
        // Chebyshev coefficients of cos(z w) are 2 J_k(z), |J_k(z)| <= (z/2)^k / k!, and two doublings multiply an error by
        // at most 16
        let z = 2.0 * core::f64::consts::PI * 16.25 / 4.0;
        let mut bessel = 1.0;
        let mut left_out = 0.0;
        for k in 1..200 {
            bessel *= z / 2.0 / k as f64;
            left_out += if k > crate::bootstrap::design::DEGREE && k % 2 == 0 { 2.0 * bessel } else { 0.0 };
        }
        let error: f64 = left_out * 16.0 / (2.0 * core::f64::consts::PI);
        assert!(error < 2f64.powi(-53), "2^{}", error.log2());
    }

    /// p(t) by Clenshaw's recurrence, and two doublings.
    fn exactly(sine: &Sine, t: DoubleDouble) -> DoubleDouble {
        let (mut a, mut b) = (DoubleDouble::new(0.0), DoubleDouble::new(0.0));
        let (first, rest) = sine.cosine.coeffs().split_first().unwrap();
        for c in rest.iter().rev() {
            (a, b) = (t.add(t).mul(a).add(b.neg()).add(DoubleDouble::new(*c)), a);
        }
        let mut y = t.mul(a).add(b.neg()).add(DoubleDouble::new(*first));
        for amplitude in &sine.amplitudes[1..] {
            y = y.mul(y).add(DoubleDouble::new(-amplitude));
        }
        y
    }

    #[test]
    fn the_polynomial_of_f64_coefficients_is_within_2_to_the_minus_50_of_the_sine() {
        let per_turn = 1.0 / (2.0 * core::f64::consts::PI);
        for degree in [58, crate::bootstrap::design::DEGREE, 62] {
            let of = Sine::new(16, degree, per_turn, 1.0).unwrap();
            let (mut polynomial, mut circuit) = (0.0f64, 0.0f64);
            for i in -5000..=5000 {
                // the slot is exact, and x = slot (K + 1/4) / 2
                let slot = i as f64 / 5000.0 * 32.0 / 16.25;
                let x = DoubleDouble::new(slot).mul(DoubleDouble::new(16.25 / 2.0));
                let turn = x.add(DoubleDouble::new(-libm::round(x.hi)));
                let want = sine(turn).mul(DoubleDouble::new(per_turn));
                let off = |y: DoubleDouble| DoubleDouble::add(y, want.neg()).hi.abs();
                let t = x.add(DoubleDouble::new(-0.25)).div(DoubleDouble::new(16.25));
                polynomial = polynomial.max(off(exactly(&of, t)));
                let y = of.evaluate(&mut ClearArray::<DoubleDouble, 1>::new(), [DoubleDouble::new(slot)]).unwrap();
                circuit = circuit.max(off(y[0]));
            }
            assert!(polynomial < 2f64.powi(-50), "degree {degree}: 2^{}", polynomial.log2());
            // the circuit divides it into pieces, whose coefficients are floats again
            assert!(circuit < 2f64.powi(-49), "degree {degree}: 2^{}", circuit.log2());
        }
    }

    #[test]
    fn evaluating_it_in_f64_stays_within_2_to_the_minus_45() {
        let per_turn = 1.0 / (2.0 * core::f64::consts::PI);
        let sine = Sine::new(16, crate::bootstrap::design::DEGREE, per_turn, 1.0).unwrap();
        let worst = (0..100_000).map(|i| {
            let x = 16.0 * (i as f64 / 50_000.0 - 1.0);
            (sine.at(x) - per_turn * libm::sin((x - libm::round(x)) / per_turn)).abs()
        });
        let worst = worst.fold(0.0, f64::max);
        assert!(worst < 2f64.powi(-45), "2^{}", worst.log2());
    }
}
