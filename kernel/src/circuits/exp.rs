//! e^x on [-r, 0] in two ways. The first way is (1 + x/2^k)^(2^k), as published for softmax. The second way is a
//! Chebyshev polynomial for e^(x/2^k), squared k times, with the k of least depth.

use super::{
    approx::{Approximation, Function, Weight},
    poly, power,
};
use crate::{arith::Arithmetic, error::Result};

/// The most squarings that [`Exp::choose`] considers.
const MAX_SQUARINGS: u32 = 8;

/// (1 + x/2^k)^(2^k). Depth k + 1. On [-2^k, 0] the result is below e^x by at most 0.3/2^k. [NEXUS, NDSS 2025]
///
/// # Errors
/// [`Error::LevelExhausted`][crate::Error::LevelExhausted] if x has too few levels.
pub fn by_limit<A: Arithmetic>(ev: &mut A, x: &A::Slots, k: u32) -> Result<A::Slots> {
    let mut y = ev.scaled(x, libm::exp2(-(k as f64)))?;
    ev.add_const(&mut y, 1.0)?;
    power(ev, &y, 1 << k)
}

/// A way to compute e^x for x in [-r, 0].
#[derive(Clone, Debug, PartialEq)]
pub struct Exp {
    start: Approximation, // e^x on [-r/2^k, 0]
    squarings: u32,
    range: f64,
    error: f64,
}

impl Exp {
    /// The way of least depth, then of fewest products, with an absolute error of at most `error` on [-range, 0].
    ///
    /// # Errors
    /// [`Error::Inaccurate`][crate::Error::Inaccurate] if no way is that accurate;
    /// [`Error::BadRange`][crate::Error::BadRange] if `range` is not positive.
    pub fn choose(range: f64, error: f64) -> Result<Self> {
        let mut best: Result<Self> = Self::new(range, error, 0);
        for squarings in 1..=MAX_SQUARINGS {
            let next = Self::new(range, error, squarings);
            let cost = |e: &Self| (e.depth(), e.products());
            let better = match (&best, &next) {
                (Ok(best), Ok(next)) => cost(next) < cost(best),
                (Err(_), Ok(_)) => true,
                _ => false,
            };
            if better {
                best = next;
            }
        }
        best
    }

    /// The least polynomial that is within `error` after `squarings` squarings.
    ///
    /// # Errors
    /// The errors of [`Approximation::within`] on the range of the polynomial.
    pub fn new(range: f64, error: f64, squarings: u32) -> Result<Self> {
        let factor = libm::exp2(squarings as f64);
        let piece = (-range / factor, 0.0);
        // |(y + d)^n - y^n| <= n d (1 + d)^(n-1) for 0 <= y <= 1
        let off = |d: f64| factor * d * libm::pow(1.0 + d, factor - 1.0);
        let start =
            Approximation::within(Function::Exp, Weight::Absolute, piece, error / factor / (1.0 + 2.0 * error))?;
        let error = off(start.error());
        Ok(Self { start, squarings, range, error })
    }

    /// The approximation holds on [-range, 0].
    pub fn range(&self) -> f64 {
        self.range
    }

    /// The absolute error on the range.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Levels that [`exp`] takes.
    pub fn depth(&self) -> u8 {
        self.unit_depth() + 1
    }

    /// Levels that [`exp_unit`] takes.
    pub fn unit_depth(&self) -> u8 {
        self.start.poly().unit_depth() + self.squarings as u8
    }

    /// Products of two ciphertexts.
    pub fn products(&self) -> u32 {
        poly::products_of(self.start.poly()) + self.squarings
    }

    /// Slope and offset of the t for [`exp_unit`]: t = slope x + offset.
    pub fn to_unit(&self) -> (f64, f64) {
        (2.0 / self.range, 1.0)
    }
}

/// e^x. Depth [`Exp::depth`].
///
/// # Errors
/// [`Error::LevelExhausted`][crate::Error::LevelExhausted] if x has too few levels.
pub fn exp<A: Arithmetic>(ev: &mut A, config: &Exp, x: &A::Slots) -> Result<A::Slots> {
    // the piece is the range divided by 2^k: both map to the same t
    let mut t = ev.scaled(x, config.to_unit().0)?;
    ev.add_const(&mut t, config.to_unit().1)?;
    exp_unit(ev, config, &t)
}

/// e^x at the point that t stands for ([`Exp::to_unit`]). Depth [`Exp::unit_depth`].
///
/// # Errors
/// [`Error::LevelExhausted`][crate::Error::LevelExhausted] if t has too few levels.
pub fn exp_unit<A: Arithmetic>(ev: &mut A, config: &Exp, t: &A::Slots) -> Result<A::Slots> {
    let y = poly::evaluate_unit(ev, config.start.poly(), t)?;
    power(ev, &y, 1 << config.squarings)
}

#[cfg(test)]
mod tests {
    use super::{Exp, by_limit, exp};
    use crate::eval::{
        clear::ClearArray,
        interval::{Bounds, Interval},
    };

    #[test]
    fn every_way_keeps_its_error() {
        for (range, wanted) in [(1.0, 1e-6), (8.0, 1e-3), (32.0, 1e-4), (128.0, 1e-3)] {
            let config = Exp::choose(range, wanted).unwrap();
            assert!(config.error() <= wanted, "{config:?}");
            let x: [f64; 512] = core::array::from_fn(|i| -range * i as f64 / 511.0);
            let y = exp(&mut ClearArray::<f64, 512>::new(), &config, &x).unwrap();
            let sure = exp(&mut Interval::<f64, 512>::new(), &config, &x.map(Bounds::point)).unwrap();
            for ((x, y), sure) in x.iter().zip(y).zip(sure) {
                assert!((y - x.exp()).abs() <= config.error() && sure.contains(y), "{x} {y}");
            }
        }
    }

    #[test]
    fn the_limit_is_as_close_as_it_says() {
        let x: [f64; 512] = core::array::from_fn(|i| -128.0 * i as f64 / 511.0);
        let y = by_limit(&mut ClearArray::<f64, 512>::new(), &x, 7).unwrap();
        assert!(x.iter().zip(y).all(|(x, y)| y <= x.exp() && x.exp() - y <= 0.3 / 128.0));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn depth_and_products_are_those_of_the_trace() {
        use crate::{arith::Arithmetic, eval::trace::Trace};
        for (range, wanted) in [(1.0, 1e-6), (8.0, 1e-3), (32.0, 1e-4), (128.0, 1e-3)] {
            let config = Exp::choose(range, wanted).unwrap();
            let mut tr = Trace::new(1, None);
            let x = tr.input(20);
            let y = exp(&mut tr, &config, &x).unwrap();
            assert_eq!((20 - tr.level(&y), tr.cost().mul), (config.depth(), config.products()));
        }
    }
}
