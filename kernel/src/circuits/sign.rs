//! The sign of x for δ <= |x| <= 1 as a composition of odd minimax polynomials, and ReLU based on the sign. Each stage
//! maps the interval of the previous stage to a narrower interval around ±1. The previous stage contains the scaling of
//! a stage, so that a stage of degree d takes ⌈log2(d + 1)⌉ levels. The construction (Remez) needs an allocator, and
//! the evaluation needs none. [Rho et al., arXiv 2410.02486: degrees 15, 15, 27; eprint 2020/834]

use super::poly::{Polynomial, evaluate_unit};
use crate::{
    arith::Arithmetic,
    error::{Error, Result},
};
use heapless::Vec;

/// The most stages.
pub const MAX_STAGES: usize = 4;

/// The allowed overshoot of a stage below its domain. The certificate of the stage's size at that place is two percent
/// too large.
#[cfg(feature = "alloc")]
const SLACK: f64 = 1.03;

/// sgn x on δ <= |x| <= 1, certified.
#[derive(Clone, Debug)]
pub struct Sign {
    stages: Vec<Polynomial, MAX_STAGES>,
    delta: f64,
    error: f64,
}

impl Sign {
    /// Stages of these (odd) degrees.
    ///
    /// # Errors
    /// [`Error::BadRange`] if δ is not in (0, 1), or a stage is too narrow for f64; [`Error::TooMany`] for no stage, or
    /// more than [`MAX_STAGES`]; [`Error::Inaccurate`] if a stage does not separate the signs.
    #[cfg(feature = "alloc")]
    pub fn new(delta: f64, degrees: &[usize]) -> Result<Self> {
        use super::approx::{
            certify,
            remez::{Target, Terms, remez},
        };
        if !(0.0 < delta && delta < 1.0) {
            return Err(Error::BadRange { lo: delta, hi: 1.0 });
        }
        if degrees.is_empty() || degrees.len() > MAX_STAGES {
            return Err(Error::TooMany { asked: degrees.len(), limit: MAX_STAGES });
        }
        let (mut stages, mut domain) = (Vec::new(), (delta, 1.0));
        let mut error = 1.0;
        for (i, degree) in degrees.iter().enumerate() {
            let target = Target { terms: Terms::Odd, domain, range: (-1.0, 1.0) };
            let p = remez(|_| 1.0, |_| 1.0, target, *degree)?;
            error = certify::distance_to_one(&p, domain);
            if error >= 1.0 {
                return Err(Error::Inaccurate { wanted: 1.0, reached: error });
            }
            if certify::largest(&p, (0.0, domain.0)) > SLACK * (1.0 + error) {
                return Err(Error::BadRange { lo: domain.0, hi: domain.1 }); // so narrow that rounding made p
            }
            let last = i + 1 == degrees.len();
            let shrink = if last { 1.0 } else { 1.0 / (SLACK * (1.0 + error)) };
            domain = ((1.0 - error) * shrink, 1.0);
            let _ = stages.push(p.scaled(shrink)); // cannot overflow: length checked
        }
        Ok(Self { stages, delta, error })
    }

    /// The smallest |x| with the stated accuracy.
    pub fn delta(&self) -> f64 {
        self.delta
    }

    /// Certified: |sign - sgn x| is at most this for δ <= |x| <= 1.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Certified: |relu - max(x, 0)| is at most this on [-1, 1]. Below δ, the sign is at most 1.03 (1 + error).
    pub fn relu_error(&self) -> f64 {
        (0.5 * self.error).max(0.5 * self.delta * (1.0 + 1.03 * (1.0 + self.error)))
    }

    /// Levels that [`sign`] takes; [`relu`] takes one more.
    pub fn depth(&self) -> u8 {
        self.stages.iter().map(Polynomial::unit_depth).sum()
    }
}

/// sgn x for δ <= |x| <= 1. Depth [`Sign::depth`].
///
/// # Errors
/// [`Error::LevelExhausted`] if x has too few levels.
pub fn sign<A: Arithmetic>(ev: &mut A, config: &Sign, x: &A::Slots) -> Result<A::Slots> {
    let mut y = ev.copy(x)?;
    for stage in &config.stages {
        y = evaluate_unit(ev, stage, &y)?;
    }
    Ok(y)
}

/// max(x, 0) = x (1/2 + sgn x / 2) on [-1, 1]. Depth [`Sign::depth`] and 1.
///
/// # Errors
/// [`Error::LevelExhausted`] if x has too few levels.
pub fn relu<A: Arithmetic>(ev: &mut A, config: &Sign, x: &A::Slots) -> Result<A::Slots> {
    let Some((last, stages)) = config.stages.split_last() else {
        return Err(Error::TooMany { asked: 0, limit: MAX_STAGES }); // no such Sign is built
    };
    let mut y = ev.copy(x)?;
    for stage in stages {
        y = evaluate_unit(ev, stage, &y)?;
    }
    let gate = evaluate_unit(ev, &last.clone().scaled(0.5).plus(0.5), &y)?;
    let level = ev.level(&gate);
    let x = ev.copy_at_level(x, level)?;
    ev.product(&x, &gate)
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::{Sign, relu, sign};
    use crate::{
        Error,
        arith::Arithmetic,
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
            trace::Trace,
        },
    };

    const N: usize = 1024;

    #[test]
    fn the_sign_and_relu_keep_their_errors() {
        for (delta, degrees) in [(0.005, &[15, 15, 27][..]), (0.1, &[15, 15]), (0.3, &[31])] {
            let config = Sign::new(delta, degrees).unwrap();
            let x: [f64; N] = core::array::from_fn(|i| -1.0 + 2.0 * i as f64 / (N - 1) as f64);
            let s = sign(&mut ClearArray::<f64, N>::new(), &config, &x).unwrap();
            let r = relu(&mut ClearArray::<f64, N>::new(), &config, &x).unwrap();
            let sure = relu(&mut Interval::<f64, N>::new(), &config, &x.map(Bounds::point)).unwrap();
            for i in 0..N {
                assert!(
                    x[i].abs() < delta || (s[i] - x[i].signum()).abs() <= config.error(),
                    "{config:?} {} {}",
                    x[i],
                    s[i]
                );
                assert!((r[i] - x[i].max(0.0)).abs() <= config.relu_error() + 1e-12, "{} {}", x[i], r[i]);
                assert!(sure[i].contains(r[i]));
            }
            let mut tr = Trace::new(N, None);
            let x = tr.input(30);
            let y = relu(&mut tr, &config, &x).unwrap();
            assert_eq!(30 - tr.level(&y), config.depth() + 1);
        }
        assert_eq!(Sign::new(0.005, &[15, 15, 27]).unwrap().depth(), 13);
        let error = Sign::new(0.005, &[15, 15, 27]).unwrap().error();
        assert!(error < 1e-3, "{error:e}");
    }

    #[test]
    fn a_gap_that_is_no_gap_is_an_error() {
        assert_eq!(Sign::new(0.0, &[15]).err(), Some(Error::BadRange { lo: 0.0, hi: 1.0 }));
        assert_eq!(Sign::new(0.1, &[]).err(), Some(Error::TooMany { asked: 0, limit: 4 }));
    }
}
