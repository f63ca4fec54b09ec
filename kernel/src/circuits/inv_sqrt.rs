//! Inverse square roots on a known range, by Newton's or Goldschmidt's iteration. The iteration is unrelaxed or
//! relaxed, and can start from a Chebyshev polynomial. A start of high degree has the least depth: one level of the
//! start reduces the error as much as two levels of the iterations.
//!
//! The iteration drives a = x y² to 1: y ← y (k^1.5 / 2) (3/k - a). The relaxed iteration takes
//! k = 3 (1 + e - √e) / (1 + e + e²) for a in [e, 1], and the unrelaxed iteration takes k = 1. The factors cost no level.
//! With A = s a and Y = √s y the step is Y ← Y (c - A), where s_i = k_i (s_{i+1}/4)^(1/3) and c_i = 3 s_i / k_i.
//!
//! Newton computes A = x Y² again in each step, in the shape c Y - (xY)(Y²). A step takes two levels and corrects its
//! own rounding. Goldschmidt updates A ← A (c - A)². [docs/math.md §12.2]

use super::{
    approx::{Approximation, Function, Weight},
    const_minus, mul_aligned,
    poly::{self, Polynomial},
    reciprocal::{Iteration, MAX_STEPS, cheapest},
};
use crate::{
    arith::Arithmetic,
    error::{Error, Result},
};
use heapless::Vec;

/// A way to compute 1/√x for x in [lo, hi].
#[derive(Clone, Debug, PartialEq)]
pub struct InverseRoot {
    range: (f64, f64),
    iteration: Iteration,
    start: Option<Polynomial>,      // of scale x, not mapped to the unit interval
    trained: bool,                  // `start` is of x itself, and the whole root
    constants: Vec<f64, MAX_STEPS>, // c_i
    scale: f64,
    error: f64,
}

impl InverseRoot {
    /// `steps` steps on [lo, hi], lo > 0, after a Chebyshev polynomial of degree `start`, or from the constant 1. A start
    /// with a relative error of 1 or more is [`Error::BadRange`].
    ///
    /// # Errors
    /// [`Error::TooMany`] for no step without a start, or more than [`MAX_STEPS`] steps; [`Error::BadRange`] for a
    /// range that is not positive, or a start with a relative error of 1 or more.
    pub fn new(
        (lo, hi): (f64, f64),
        iteration: Iteration,
        relaxed: bool,
        start: Option<usize>,
        steps: usize,
    ) -> Result<Self> {
        Self::after(&Begin::new((lo, hi), start)?, iteration, relaxed, steps)
    }

    fn after(begin: &Begin, iteration: Iteration, relaxed: bool, steps: usize) -> Result<Self> {
        if steps > MAX_STEPS || (steps == 0 && begin.poly.is_none()) {
            return Err(Error::TooMany { asked: steps, limit: MAX_STEPS });
        }
        let (constants, first, last) = relaxation(begin.lowest, relaxed, steps);
        let root = libm::sqrt(last);
        let error = if relaxed { (1.0 - root) / (1.0 + root) } else { 1.0 - root } + 2.0 * f64::EPSILON;
        let (start, scale) = match &begin.poly {
            Some(p) => (Some(p.clone().scaled(libm::sqrt(first))), begin.scale),
            None => (None, begin.scale * first),
        };
        Ok(Self { range: begin.range, iteration, start, trained: false, constants, scale, error })
    }

    /// A trained polynomial of a model in place of 1/√x, evaluated unchanged. The scale turns its argument into the
    /// doubled variable of the Chebyshev basis, up to a constant.
    pub fn trained(polynomial: Polynomial) -> Self {
        let (range, scale) = (polynomial.range(), 2.0 * polynomial.to_unit().0);
        let (iteration, constants, error) = (Iteration::Newton, Vec::new(), f64::INFINITY);
        Self { range, iteration, start: Some(polynomial), trained: true, constants, scale, error }
    }

    /// The way of least depth, then of fewest products, with a relative error of at most `error` on `range`.
    ///
    /// # Errors
    /// [`Error::BadRange`] for a range that is not positive; [`Error::Inaccurate`] if no way is that accurate.
    pub fn choose(range: (f64, f64), error: f64) -> Result<Self> {
        Function::InvSqrt.check(range)?;
        let starts = [None, Some(1), Some(3), Some(7), Some(15), Some(31), Some(63), Some(127), Some(255)];
        cheapest(
            &starts,
            [Iteration::Newton, Iteration::Goldschmidt],
            error,
            |start| Begin::new(range, start),
            |begin, iteration, steps| Self::after(begin, iteration, true, steps),
            |d| (d.error, d.depth(), d.products()),
        )
    }

    /// The factor of the argument before [`inverse_root`].
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The closed interval of the argument, before its scale. The lower end is positive.
    pub fn range(&self) -> (f64, f64) {
        self.range
    }

    /// The relative error on the range, arithmetic being exact. Infinite for [`InverseRoot::trained`]: nothing is
    /// certified of a polynomial that a model was trained with.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// The factor of y before its product with the root, for y/√x: √scale, or 1 if the root is
    /// [`InverseRoot::trained`].
    pub fn numerator_scale(&self) -> f64 {
        if self.trained { 1.0 } else { libm::sqrt(self.scale) }
    }

    /// The polynomial that a model was trained with, for [`InverseRoot::trained`] alone.
    pub fn polynomial(&self) -> Option<&Polynomial> {
        self.start.as_ref().filter(|_| self.trained)
    }

    /// Steps of the iteration.
    pub fn steps(&self) -> usize {
        self.constants.len()
    }

    /// Levels that [`inverse_root`] takes.
    pub fn depth(&self) -> u8 {
        let steps = self.steps() as u8;
        match (&self.start, self.iteration) {
            (Some(p), _) if steps == 0 => p.unit_depth(),
            (Some(p), Iteration::Newton) => p.unit_depth() + 2 * steps,
            (Some(p), Iteration::Goldschmidt) => p.unit_depth() + 1 + 2 * steps,
            (None, _) if steps == 1 => 0,
            (None, Iteration::Newton) => 2 * steps - 2,
            (None, Iteration::Goldschmidt) => 2 * steps - 1,
        }
    }

    /// Products of two ciphertexts that [`inverse_root`] takes.
    pub fn products(&self) -> u32 {
        let steps = self.steps() as u32;
        match &self.start {
            Some(p) => poly::products_of(p) + 3 * steps,
            None => 3 * steps - 3,
        }
    }
}

/// The start of an iteration: the constant 1, or a polynomial.
struct Begin {
    range: (f64, f64),
    poly: Option<Polynomial>, // x y_0² is in (0, 1], as the iteration wants it
    scale: f64,
    lowest: f64, // the least x y_0²
}

impl Begin {
    fn new((lo, hi): (f64, f64), degree: Option<usize>) -> Result<Self> {
        Function::InvSqrt.check((lo, hi))?;
        let mut begin = Self { range: (lo, hi), poly: None, scale: 1.0 / hi, lowest: lo / hi };
        if let Some(degree) = degree {
            begin.scale = 2.0 / (hi - lo);
            let range = (begin.scale * lo, begin.scale * hi);
            let a = Approximation::chebyshev(Function::InvSqrt, Weight::Relative, range, degree)?;
            let e = a.error(); // √x y_0 is in [1 - e, 1 + e]
            let root = (1.0 - e).max(0.0) / (1.0 + e);
            begin.poly = Some(a.poly().clone().scaled(1.0 / (1.0 + e)));
            begin.lowest = root * root;
        }
        let fine = begin.lowest > 0.0 && begin.scale.is_finite();
        if fine { Ok(begin) } else { Err(Error::BadRange { lo, hi }) }
    }
}

/// c_i, s_0, and the lower end e_n of [e_n, 1] after `steps` steps from [e, 1].
fn relaxation(e: f64, relaxed: bool, steps: usize) -> (Vec<f64, MAX_STEPS>, f64, f64) {
    let (mut e, mut k) = (e, Vec::<f64, MAX_STEPS>::new());
    for _ in 0..steps {
        let ki = if relaxed { 3.0 * (1.0 + e - libm::sqrt(e)) / (1.0 + e + e * e) } else { 1.0 };
        let _ = k.push(ki); // cannot overflow: the caller checked
        e = ki * e * (3.0 - ki * e) * (3.0 - ki * e) / 4.0;
    }
    let centre = 2.0 / (1.0 + libm::sqrt(e));
    let mut s = if relaxed { centre * centre } else { 1.0 };
    let mut constants = Vec::new();
    for k in k.iter().rev() {
        s = k * libm::cbrt(s / 4.0);
        let _ = constants.push(3.0 * s / k);
    }
    constants.reverse();
    (constants, s, e)
}

/// 1/√x for x = [`InverseRoot::scale`] times a number in the range. Depth [`InverseRoot::depth`].
///
/// # Errors
/// [`Error::LevelExhausted`] if x has too few levels.
pub fn inverse_root<A: Arithmetic>(ev: &mut A, config: &InverseRoot, x: &A::Slots) -> Result<A::Slots> {
    if config.trained {
        let x = ev.copy(x)?;
        return inverse_root_plus(ev, config, 0.0, x);
    }
    let Some((first, rest)) = config.constants.split_first() else {
        return started(ev, config, x);
    };
    if config.iteration == Iteration::Newton {
        let (mut y, constants) = match config.start {
            Some(_) => (started(ev, config, x)?, config.constants.as_slice()),
            None => (const_minus(ev, *first, x)?, rest), // Y_0 = 1
        };
        for c in constants {
            y = newton(ev, *c, x, &y)?;
        }
        return Ok(y);
    }
    let (mut a, y) = match config.start {
        Some(_) => {
            let y = started(ev, config, x)?;
            let xy = mul_aligned(ev, x, &y)?;
            (mul_aligned(ev, &xy, &y)?, Some(y))
        }
        None => (ev.copy(x)?, None), // Y_0 = 1
    };
    let t = const_minus(ev, *first, &a)?;
    if !rest.is_empty() {
        a = times_square(ev, &a, &t)?;
    }
    let mut y = match y {
        Some(y) => mul_aligned(ev, &y, &t)?,
        None => t,
    };
    for (i, c) in rest.iter().enumerate() {
        let t = const_minus(ev, *c, &a)?;
        if i + 1 < rest.len() {
            a = times_square(ev, &a, &t)?;
        }
        y = mul_aligned(ev, &y, &t)?;
    }
    Ok(y)
}

/// a t². Depth 2 from t.
fn times_square<A: Arithmetic>(ev: &mut A, a: &A::Slots, t: &A::Slots) -> Result<A::Slots> {
    let square = ev.product(t, t)?;
    mul_aligned(ev, a, &square)
}

/// 1/√(v + ε) over [`InverseRoot::numerator_scale`], for x = [`InverseRoot::scale`] · v. Depth [`InverseRoot::depth`].
///
/// # Errors
/// [`crate::Error::LevelExhausted`] if x has fewer levels than the depth.
pub fn inverse_root_plus<A: Arithmetic>(
    ev: &mut A,
    config: &InverseRoot,
    epsilon: f64,
    mut x: A::Slots,
) -> Result<A::Slots> {
    let Some(p) = config.polynomial() else {
        ev.add_const(&mut x, config.scale * epsilon)?;
        return inverse_root(ev, config, &x);
    };
    let (slope, offset) = p.to_unit();
    ev.add_const(&mut x, 2.0 * (offset + slope * epsilon))?;
    poly::evaluate_doubled(ev, p, x)
}

/// c y - (xy)(y²). Depth 2.
fn newton<A: Arithmetic>(ev: &mut A, c: f64, x: &A::Slots, y: &A::Slots) -> Result<A::Slots> {
    let mut xy = mul_aligned(ev, x, y)?;
    ev.neg(&mut xy)?;
    let square = ev.product(y, y)?;
    let level = ev.level(&xy);
    let mut sum = ev.mul(&xy, &square)?;
    let y = ev.copy_at_level(y, level)?;
    let linear = ev.mul_const(&y, c)?;
    ev.accumulate(&mut sum, linear)?;
    ev.rescale(sum)
}

/// The start's polynomial at x = scale · (a number in the range): x differs from the unit point by an offset.
fn started<A: Arithmetic>(ev: &mut A, config: &InverseRoot, x: &A::Slots) -> Result<A::Slots> {
    let mut t = ev.copy(x)?;
    let Some(p) = &config.start else { return Ok(t) }; // no such InverseRoot is built
    ev.add_const(&mut t, p.to_unit().1)?;
    poly::evaluate_unit(ev, p, &t)
}

#[cfg(test)]
mod tests {
    use super::{InverseRoot, inverse_root};
    use crate::{
        Error,
        circuits::reciprocal::Iteration,
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
        },
    };

    const N: usize = 256;

    fn points((lo, hi): (f64, f64)) -> [f64; N] {
        core::array::from_fn(|i| (lo * libm::pow(hi / lo, i as f64 / (N - 1) as f64)).clamp(lo, hi))
    }

    fn worst(config: &InverseRoot) -> f64 {
        let x = points(config.range());
        let y = inverse_root(&mut ClearArray::<f64, N>::new(), config, &x.map(|x| x * config.scale())).unwrap();
        x.iter().zip(y).map(|(x, y)| (libm::sqrt(x * config.scale()) * y - 1.0).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn every_kind_keeps_its_error_and_comes_close_to_it() {
        for range in [(0.15, 10.0), (0.2, 150.0), (0.75, 2500.0)] {
            for iteration in [Iteration::Goldschmidt, Iteration::Newton] {
                for relaxed in [false, true] {
                    for start in [None, Some(3), Some(15), Some(63)] {
                        for steps in [1, 2, 5] {
                            let config = InverseRoot::new(range, iteration, relaxed, start, steps);
                            if start == Some(3) && config.is_err() {
                                continue; // too weak a start: it is off by more than 1
                            }
                            let config = config.unwrap();
                            let real = worst(&config);
                            assert!(real <= config.error() + 1e-11, "{config:?}: {real:e}");
                            // of a start, the iteration knows only the largest error
                            assert!(start.is_some() || config.error() <= 1.1 * real + 1e-9, "{config:?}: {real:e}");
                        }
                    }
                }
            }
        }
    }

    /// docs/math.md §12.2: relaxed steps on the variance ranges met in practice, plain ones in brackets.
    #[test]
    fn the_steps_are_those_of_the_table() {
        for (range, relaxed, plain) in [((0.15, 10.0), 5, 8), ((0.2, 150.0), 6, 11), ((0.75, 2500.0), 7, 13)] {
            let steps = |relax| {
                let new = |n| InverseRoot::new(range, Iteration::Newton, relax, None, n).unwrap();
                (1..=30).find(|n| new(*n).error() <= 1e-3).unwrap()
            };
            assert!(steps(true) <= relaxed && steps(false) <= plain, "{range:?}: {} ({})", steps(true), steps(false));
        }
    }

    #[test]
    fn a_root_is_inside_its_enclosure() {
        for iteration in [Iteration::Newton, Iteration::Goldschmidt] {
            for start in [None, Some(15)] {
                let config = InverseRoot::new((0.2, 150.0), iteration, true, start, 4).unwrap();
                let x = points(config.range()).map(|x| x * config.scale());
                let y = inverse_root(&mut ClearArray::<f64, N>::new(), &config, &x).unwrap();
                let sure = inverse_root(&mut Interval::<f64, N>::new(), &config, &x.map(Bounds::point)).unwrap();
                assert!(y.iter().zip(sure).all(|(y, s)| s.contains(*y)));
            }
        }
    }

    #[test]
    fn the_chooser_takes_the_least_depth() {
        for (range, depth) in [((0.15, 10.0), 5), ((0.2, 150.0), 7), ((0.75, 2500.0), 8)] {
            let config = InverseRoot::choose(range, 1e-3).unwrap();
            assert!(worst(&config) <= 1e-3);
            assert_eq!(config.depth(), depth, "{range:?} {config:?}");
        }
        assert!(matches!(InverseRoot::choose((0.1, 1.0), 0.0), Err(Error::Inaccurate { .. })));
        assert_eq!(InverseRoot::choose((-1.0, 1.0), 0.1).err(), Some(Error::BadRange { lo: -1.0, hi: 1.0 }));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn depth_and_products_are_those_of_the_trace() {
        use crate::circuits::reciprocal::tests::{iterations, traced};
        for (iteration, start, steps) in iterations() {
            let config = InverseRoot::new((0.1, 10.0), iteration, true, start, steps).unwrap();
            let found = traced(|tr, x| inverse_root(tr, &config, &x).unwrap());
            assert_eq!(found, (config.depth(), config.products()), "{config:?}");
        }
    }
}
