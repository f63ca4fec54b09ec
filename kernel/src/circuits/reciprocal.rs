//! Reciprocals and quotients on a known range, by Goldschmidt's or Newton's iteration. The iteration is unrelaxed or
//! relaxed, and can start from a Chebyshev polynomial.
//!
//! Goldschmidt keeps α/β = a/b and drives β to 1: α ← α (2 - β), β ← β (2 - β). The relaxed iteration first multiplies
//! β by k = 2/(e + 1), where β is known to be in [e, 1]. The lower end then grows four times a step in place of twice.
//!
//! k costs no level. With β̃ = s β and s_i = k_i √s_{i+1} the step is β̃ ← β̃ (c - β̃), α ← α (c - β̃), c_i = 2
//! √s_{i+1}. The factor that maps the range to (0, 1] contains s_0. The last interval is centred on 1, which halves the
//! error. Newton's step y ← y (2 - x y) needs two levels and corrects its own rounding. [eprint 2019/417 §3; THOR, CCS
//! 2025]

use super::{
    approx::{Approximation, Function, Weight},
    const_minus, mul_aligned,
    poly::{self, Polynomial},
};
use crate::{
    arith::Arithmetic,
    error::{Error, Result},
};
use heapless::Vec;

/// The most steps: plain Goldschmidt reaches 2^-50 of its range in 55.
pub const MAX_STEPS: usize = 64;

/// The kind of iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iteration {
    /// One level a step.
    Goldschmidt,
    /// Two levels a step.
    Newton,
}

/// A way to divide by x in [lo, hi].
#[derive(Clone, Debug, PartialEq)]
pub struct Division {
    range: (f64, f64),
    iteration: Iteration,
    relaxed: bool,
    start: Option<Polynomial>,      // of scale x, not mapped to the unit interval
    trained: bool,                  // `start` is of x itself, and the whole division
    constants: Vec<f64, MAX_STEPS>, // c_i
    scale: f64,
    error: f64,
}

impl Division {
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
        let error = if relaxed { (1.0 - last) / (1.0 + last) } else { 1.0 - last } + 2.0 * f64::EPSILON;
        let (start, scale) = match &begin.poly {
            Some(p) => (Some(p.clone().scaled(first)), begin.scale),
            None => (None, begin.scale * first),
        };
        Ok(Self { range: begin.range, iteration, relaxed, start, trained: false, constants, scale, error })
    }

    /// A trained polynomial of a model in place of 1/x, evaluated unchanged. The scale turns its argument into the
    /// doubled variable of the Chebyshev basis, up to a constant.
    pub fn trained(polynomial: Polynomial) -> Self {
        let (range, scale) = (polynomial.range(), 2.0 * polynomial.to_unit().0);
        let (iteration, constants) = (Iteration::Goldschmidt, Vec::new());
        let error = f64::INFINITY;
        Self { range, iteration, relaxed: true, start: Some(polynomial), trained: true, constants, scale, error }
    }

    /// The division of least depth, then of fewest products, with a relative error of at most `error` on `range`.
    ///
    /// # Errors
    /// [`Error::BadRange`] for a range that is not positive; [`Error::Inaccurate`] if no division is that accurate.
    pub fn choose(range: (f64, f64), error: f64) -> Result<Self> {
        Function::Reciprocal.check(range)?;
        let starts = [None, Some(1), Some(3), Some(7), Some(15), Some(31), Some(63), Some(127)];
        cheapest(
            &starts,
            [Iteration::Goldschmidt, Iteration::Newton],
            error,
            |start| Begin::new(range, start),
            |begin, iteration, steps| Self::after(begin, iteration, true, steps),
            |d| (d.error, d.depth(), d.products()),
        )
    }

    /// The factor of the divisor before [`reciprocal`] or [`divide`].
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The closed interval of the divisor, before its scale.
    pub fn range(&self) -> (f64, f64) {
        self.range
    }

    /// The relative error on the range, arithmetic being exact. Floats add about four roundings a step. Infinite for
    /// [`Division::trained`]: nothing is certified of a polynomial that a model was trained with.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Steps of the iteration.
    pub fn steps(&self) -> usize {
        self.constants.len()
    }

    /// The iteration, and whether the iteration is relaxed.
    pub fn iteration(&self) -> (Iteration, bool) {
        (self.iteration, self.relaxed)
    }

    /// Levels that [`reciprocal`] takes.
    pub fn depth(&self) -> u8 {
        let steps = self.steps() as u8;
        match (&self.start, self.iteration) {
            (Some(p), _) if steps == 0 => p.unit_depth(),
            (Some(p), Iteration::Goldschmidt) => p.unit_depth() + 1 + steps,
            (Some(p), Iteration::Newton) => p.unit_depth() + 2 * steps,
            (None, _) if steps == 1 => 0,
            (None, Iteration::Goldschmidt) => steps,
            (None, Iteration::Newton) => 2 * steps - 2,
        }
    }

    /// Levels that [`divide`] takes.
    pub fn divide_depth(&self) -> u8 {
        if self.carries() { self.steps() as u8 } else { self.depth() + 1 }
    }

    /// Products of two ciphertexts that [`reciprocal`] takes.
    pub fn products(&self) -> u32 {
        let steps = self.steps() as u32;
        match (&self.start, self.iteration) {
            (Some(p), _) if steps == 0 => poly::products_of(p),
            (Some(p), _) => poly::products_of(p) + 2 * steps,
            (None, _) => 2 * steps - 2,
        }
    }

    /// The polynomial that a model was trained with, for [`Division::trained`] alone.
    pub fn polynomial(&self) -> Option<&Polynomial> {
        self.start.as_ref().filter(|_| self.trained)
    }

    fn carries(&self) -> bool {
        self.start.is_none() && self.iteration == Iteration::Goldschmidt
    }
}

/// The start of an iteration: the constant 1, or a polynomial.
struct Begin {
    range: (f64, f64),
    poly: Option<Polynomial>, // x y_0 is in (0, 1], as the iteration wants it
    scale: f64,
    lowest: f64, // the least x y_0
}

impl Begin {
    fn new((lo, hi): (f64, f64), degree: Option<usize>) -> Result<Self> {
        Function::Reciprocal.check((lo, hi))?;
        let mut begin = Self { range: (lo, hi), poly: None, scale: 1.0 / hi, lowest: lo / hi };
        if let Some(degree) = degree {
            begin.scale = 2.0 / (hi - lo);
            let range = (begin.scale * lo, begin.scale * hi);
            let a = Approximation::chebyshev(Function::Reciprocal, Weight::Relative, range, degree)?;
            let e = a.error(); // x y_0 is in [1 - e, 1 + e]
            begin.poly = Some(a.poly().clone().scaled(1.0 / (1.0 + e)));
            begin.lowest = (1.0 - e) / (1.0 + e);
        }
        let fine = begin.lowest > 0.0 && begin.scale.is_finite();
        if fine { Ok(begin) } else { Err(Error::BadRange { lo, hi }) }
    }
}

/// The candidate of least depth, then of fewest products, with a relative error of at most `wanted`. Candidates are each start
/// (a degree, or the constant 1), then each iteration, with the fewest steps that reach the error. `begin` makes a start,
/// `after` makes a candidate, and `cost` is its error, depth and products.
///
/// # Errors
/// [`Error::Inaccurate`] with the least error reached, if no candidate reaches `wanted`.
pub(super) fn cheapest<T, B>(
    starts: &[Option<usize>],
    iterations: [Iteration; 2],
    wanted: f64,
    begin: impl Fn(Option<usize>) -> Result<B>,
    after: impl Fn(&B, Iteration, usize) -> Result<T>,
    cost: impl Fn(&T) -> (f64, u8, u32),
) -> Result<T> {
    let mut best: Option<(u8, u32, T)> = None;
    let mut reached = f64::INFINITY;
    for start in starts {
        let Ok(begin) = begin(*start) else { continue };
        for iteration in iterations {
            for steps in start.map_or(1, |_| 0)..=MAX_STEPS {
                let Ok(candidate) = after(&begin, iteration, steps) else { continue };
                let (error, depth, products) = cost(&candidate);
                reached = reached.min(error);
                if error <= wanted {
                    if best.as_ref().is_none_or(|(d, p, _)| (depth, products) < (*d, *p)) {
                        best = Some((depth, products, candidate));
                    }
                    break;
                }
            }
        }
    }
    best.map(|(.., candidate)| candidate).ok_or(Error::Inaccurate { wanted, reached })
}

/// c_i, s_0, and the lower end e_n of [e_n, 1] after `steps` steps from [e, 1].
fn relaxation(e: f64, relaxed: bool, steps: usize) -> (Vec<f64, MAX_STEPS>, f64, f64) {
    let (mut e, mut k) = (e, Vec::<f64, MAX_STEPS>::new());
    for _ in 0..steps {
        let ki = if relaxed { 2.0 / (e + 1.0) } else { 1.0 };
        let _ = k.push(ki); // cannot overflow: the caller checked
        e = ki * e * (2.0 - ki * e);
    }
    let mut s = if relaxed { 2.0 / (1.0 + e) } else { 1.0 };
    let mut constants = Vec::new();
    for k in k.iter().rev() {
        let _ = constants.push(2.0 * libm::sqrt(s));
        s = k * libm::sqrt(s);
    }
    constants.reverse();
    (constants, s, e)
}

/// 1/x for x = [`Division::scale`] times a number in the range. Depth [`Division::depth`].
///
/// # Errors
/// [`Error::LevelExhausted`] if x has too few levels.
pub fn reciprocal<A: Arithmetic>(ev: &mut A, config: &Division, x: &A::Slots) -> Result<A::Slots> {
    if config.trained {
        let x = ev.copy(x)?;
        return reciprocal_plus(ev, config, 0.0, x);
    }
    let (mut y, constants) = match (&config.start, config.constants.split_first()) {
        (Some(p), _) => (started(ev, p, x)?, config.constants.as_slice()),
        (None, Some((c, rest))) => (const_minus(ev, *c, x)?, rest), // y_0 = 1
        (None, None) => return ev.copy(x),                          // no such Division is built
    };
    if config.iteration == Iteration::Newton {
        for c in constants {
            let z = mul_aligned(ev, x, &y)?;
            let t = const_minus(ev, *c, &z)?;
            y = mul_aligned(ev, &y, &t)?;
        }
        return Ok(y);
    }
    let mut b = if constants.is_empty() { ev.copy(x)? } else { mul_aligned(ev, x, &y)? };
    for (i, c) in constants.iter().enumerate() {
        let t = const_minus(ev, *c, &b)?;
        y = mul_aligned(ev, &y, &t)?;
        if i + 1 < constants.len() {
            b = mul_aligned(ev, &b, &t)?;
        }
    }
    Ok(y)
}

/// 1/(scale (v + ε)) for x = scale · v, with [`Division::scale`] and v + ε in the range. Depth [`Division::depth`].
///
/// # Errors
/// [`crate::Error::LevelExhausted`] if x has fewer levels than the depth.
pub fn reciprocal_plus<A: Arithmetic>(
    ev: &mut A,
    config: &Division,
    epsilon: f64,
    mut x: A::Slots,
) -> Result<A::Slots> {
    let Some(p) = config.polynomial() else {
        if epsilon != 0.0 {
            ev.add_const(&mut x, epsilon * config.scale)?;
        }
        return reciprocal(ev, config, &x);
    };
    let (slope, offset) = p.to_unit();
    ev.add_const(&mut x, 2.0 * (offset + slope * epsilon))?;
    poly::evaluate_doubled(ev, &p.clone().scaled(1.0 / config.scale), x)
}

/// y ← y/x for each y in `ys`, where x is [`Division::scale`] times a number in the range. Goldschmidt updates the
/// numerators with one product per step, and saves the level of a last product. Depth [`Division::divide_depth`].
///
/// # Errors
/// [`Error::LevelExhausted`] if a vector has too few levels.
pub fn divide<A: Arithmetic>(ev: &mut A, config: &Division, ys: &mut [A::Slots], x: &A::Slots) -> Result<()> {
    if !config.carries() {
        let inverse = reciprocal(ev, config, x)?;
        for y in ys {
            *y = mul_aligned(ev, y, &inverse)?;
        }
        return Ok(());
    }
    let mut b = ev.copy(x)?;
    for (i, c) in config.constants.iter().enumerate() {
        let t = const_minus(ev, *c, &b)?;
        for y in ys.iter_mut() {
            *y = mul_aligned(ev, y, &t)?;
        }
        if i + 1 < config.constants.len() {
            b = mul_aligned(ev, &b, &t)?;
        }
    }
    Ok(())
}

/// The start's polynomial at x = scale · (a number in the range): x differs from the unit point by an offset.
fn started<A: Arithmetic>(ev: &mut A, p: &Polynomial, x: &A::Slots) -> Result<A::Slots> {
    let level = ev.level(x);
    let mut t = ev.copy_at_level(x, level)?;
    ev.add_const(&mut t, p.to_unit().1)?;
    poly::evaluate_unit(ev, p, &t)
}

#[cfg(test)]
pub(super) mod tests;
