//! EvalMod: x - round(x) for x near an integer, |x| < K, as sin(2 pi x) / 2 pi.
//!
//! sin(2 pi x) = cos(2 pi (x - 1/4)) is an even function of w = (x - 1/4) / (K + 1/4) in [-1, 1]. A Chebyshev
//! interpolant gives b cos of a 2^R-th of the angle; R doublings y <- y^2 - b^2/2 give the rest, each from amplitude b to
//! b^2/2. The first b is chosen for the last, so that the result has any factor for free. [eprint 2020/1203, section 4]

use crate::{
    arith::Arithmetic,
    circuits::poly::{Polynomial, evaluate_doubled},
    error::Result,
};

/// A sine of given reach, degree and amplitude.
#[derive(Clone, Debug)]
pub struct Sine {
    reach: f64, // K + 1/4
    cosine: Polynomial,
    amplitudes: [f64; 3], // after the interpolant, after the first doubling, after the second
    exit: f64,
}

/// Doublings of the angle.
pub const DOUBLINGS: u8 = 2;

impl Sine {
    /// amplitude sin(2 pi x) for |x| < K. At K = 16 and degree 62 (depth 8) the polynomial is within 2^-57 of
    /// sin(2 pi x) / 2 pi; evaluating it in f64 loses 2^-45, as x itself is known to 2^-49. `exit` is what the last rescale
    /// multiplies by beside the nominal scales ([`crate::params::Params::exit_ratio`]), 1 in the clear.
    pub fn new(k: u32, degree: usize, amplitude: f64, exit: f64) -> Result<Self> {
        let reach = k as f64 + 0.25;
        let last = amplitude;
        let middle = libm::sqrt(2.0 * last / exit);
        let first = libm::sqrt(2.0 * middle);
        let angle = 2.0 * core::f64::consts::PI * reach / (1 << DOUBLINGS) as f64;
        let mut coeffs: heapless::Vec<f64, 256> = heapless::Vec::new();
        let nodes = degree + 1;
        for i in 0..=degree {
            let sum: f64 = (0..nodes)
                .map(|j| {
                    let theta = core::f64::consts::PI * (j as f64 + 0.5) / nodes as f64;
                    libm::cos(angle * libm::cos(theta)) * libm::cos(i as f64 * theta)
                })
                .sum();
            let c = if i == 0 { 1.0 } else { 2.0 } * first * sum / nodes as f64;
            let even = if i % 2 == 0 { c } else { 0.0 };
            coeffs.push(even).map_err(|_| crate::Error::TooMany { asked: nodes, limit: 256 })?;
        }
        Ok(Self { reach, cosine: Polynomial::new(&coeffs, (-1.0, 1.0))?, amplitudes: [first, middle, last], exit })
    }

    /// The factor that brings x to what [`Sine::evaluate`] takes: 2 / (K + 1/4).
    pub fn input_factor(&self) -> f64 {
        2.0 / self.reach
    }

    /// amplitude sin(2 pi x) for slots that hold x [`Sine::input_factor`]. Depth 8.
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

#[cfg(test)]
mod tests {
    use super::Sine;

    #[test]
    fn the_interpolant_is_within_2_to_the_minus_57() {
        // Chebyshev coefficients of cos(z w) are 2 J_k(z), |J_k(z)| <= (z/2)^k / k!; an interpolant is off by at most
        // twice the sum of those that it leaves out, and two doublings multiply an error by at most 16.
        let z = 2.0 * core::f64::consts::PI * 16.25 / 4.0;
        let mut bessel = 1.0;
        let mut left_out = 0.0;
        for k in 1..200 {
            bessel *= z / 2.0 / k as f64;
            left_out += if k > 62 && k % 2 == 0 { 2.0 * bessel } else { 0.0 };
        }
        let error: f64 = 2.0 * left_out * 16.0 / (2.0 * core::f64::consts::PI);
        assert!(error < 2f64.powi(-57), "2^{}", error.log2());
    }

    #[test]
    fn the_sine_in_f64_is_within_2_to_the_minus_45() {
        let per_turn = 1.0 / (2.0 * core::f64::consts::PI);
        let sine = Sine::new(16, 62, per_turn, 1.0).unwrap();
        let worst = (0..100_000).map(|i| {
            let x = 16.0 * (i as f64 / 50_000.0 - 1.0);
            (sine.at(x) - per_turn * libm::sin((x - libm::round(x)) / per_turn)).abs()
        });
        let worst = worst.fold(0.0, f64::max);
        assert!(worst < 2f64.powi(-45), "2^{}", worst.log2());
    }
}
