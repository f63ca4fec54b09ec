//! Reciprocals and quotients on a known range, by Goldschmidt's or Newton's iteration, plain or relaxed, perhaps
//! after a Chebyshev start.
//!
//! Goldschmidt keeps α/β = a/b and drives β to 1: α ← α (2 - β), β ← β (2 - β). Relaxed, β is first multiplied by
//! k = 2/(e + 1), where [e, 1] is known to hold it: the lower end grows four times a step instead of twice. k costs
//! no level: with β̃ = s β and s_i = k_i √s_{i+1} the step is β̃ ← β̃ (c - β̃), α ← α (c - β̃), c_i = 2 √s_{i+1}, and
//! s_0 joins the factor that maps the range to (0, 1]. The last interval is centred on 1, which halves the error.
//! Newton needs two levels a step, y ← y (2 - x y), and corrects its own rounding. [eprint 2019/417 §3; THOR, CCS 2025]

use super::{
    approx::{Approximation, Function, Weight},
    at_level, const_minus,
    poly::{self, Polynomial},
    product,
};
use crate::{
    arith::Arithmetic,
    error::{Error, Result},
};
use heapless::Vec;

/// The most steps: plain Goldschmidt reaches 2^-50 of its range in 55.
pub const MAX_STEPS: usize = 64;

/// How the iteration goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iteration {
    /// One level a step.
    Goldschmidt,
    /// Two levels a step.
    Newton,
}

/// A way to divide by x in [lo, hi].
#[derive(Clone, Debug)]
pub struct Division {
    range: (f64, f64),
    iteration: Iteration,
    relaxed: bool,
    start: Option<Polynomial>,  // of scale x, not mapped to the unit interval
    turns: Vec<f64, MAX_STEPS>, // c_i
    scale: f64,
    error: f64,
}

impl Division {
    /// `steps` steps on [lo, hi], lo > 0, after a Chebyshev polynomial of degree `start`, or from the constant 1. A start
    /// with a relative error of 1 or more is [`Error::BadRange`].
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
        let (turns, first, last) = relaxation(begin.lowest, relaxed, steps);
        let error = if relaxed { (1.0 - last) / (1.0 + last) } else { 1.0 - last } + 2.0 * f64::EPSILON;
        let (start, scale) = match &begin.poly {
            Some(p) => (Some(p.clone().scaled(first)), begin.scale),
            None => (None, begin.scale * first),
        };
        Ok(Self { range: begin.range, iteration, relaxed, start, turns, scale, error })
    }

    /// The division of least depth, then of fewest products, with a relative error of at most `error` on `range`.
    pub fn choose(range: (f64, f64), error: f64) -> Result<Self> {
        let mut best: Option<Self> = None;
        let mut reached = f64::INFINITY;
        for start in [None, Some(1), Some(3), Some(7), Some(15), Some(31), Some(63), Some(127)] {
            let Ok(begin) = Begin::new(range, start) else { continue };
            for iteration in [Iteration::Goldschmidt, Iteration::Newton] {
                for steps in start.map_or(1, |_| 0)..=MAX_STEPS {
                    let Ok(d) = Self::after(&begin, iteration, true, steps) else { continue };
                    reached = reached.min(d.error);
                    if d.error <= error {
                        let better = |b: &Self| (d.depth(), d.products()) < (b.depth(), b.products());
                        if best.as_ref().is_none_or(better) {
                            best = Some(d);
                        }
                        break;
                    }
                }
            }
        }
        Function::Reciprocal.check(range)?;
        best.ok_or(Error::Inaccurate { wanted: error, reached })
    }

    /// What the divisor is multiplied by before it is given to [`reciprocal`] or [`divide`].
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Where the divisor lies, before it is scaled.
    pub fn range(&self) -> (f64, f64) {
        self.range
    }

    /// The relative error on the range, arithmetic being exact. Floats add about four roundings a step.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Steps of the iteration.
    pub fn steps(&self) -> usize {
        self.turns.len()
    }

    /// The iteration, and whether it is relaxed.
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

    fn carries(&self) -> bool {
        self.start.is_none() && self.iteration == Iteration::Goldschmidt
    }
}

/// What an iteration starts from: the constant 1, or a polynomial.
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

/// c_i, s_0, and the lower end e_n of [e_n, 1] after `steps` steps from [e, 1].
fn relaxation(e: f64, relaxed: bool, steps: usize) -> (Vec<f64, MAX_STEPS>, f64, f64) {
    let (mut e, mut k) = (e, Vec::<f64, MAX_STEPS>::new());
    for _ in 0..steps {
        let ki = if relaxed { 2.0 / (e + 1.0) } else { 1.0 };
        let _ = k.push(ki); // cannot overflow: the caller checked
        e = ki * e * (2.0 - ki * e);
    }
    let mut s = if relaxed { 2.0 / (1.0 + e) } else { 1.0 };
    let mut turns = Vec::new();
    for k in k.iter().rev() {
        let _ = turns.push(2.0 * libm::sqrt(s));
        s = k * libm::sqrt(s);
    }
    turns.reverse();
    (turns, s, e)
}

/// 1/x for x = [`Division::scale`] times a number in the range. Depth [`Division::depth`].
pub fn reciprocal<A: Arithmetic>(ev: &mut A, how: &Division, x: &A::Slots) -> Result<A::Slots> {
    let (mut y, turns) = match (&how.start, how.turns.split_first()) {
        (Some(p), _) => (started(ev, p, x)?, how.turns.as_slice()),
        (None, Some((c, rest))) => (const_minus(ev, *c, x)?, rest), // y_0 = 1
        (None, None) => return ev.copy(x),                          // no such Division is built
    };
    if how.iteration == Iteration::Newton {
        for c in turns {
            let z = product(ev, x, &y)?;
            let t = const_minus(ev, *c, &z)?;
            y = product(ev, &y, &t)?;
        }
        return Ok(y);
    }
    let mut b = if turns.is_empty() { ev.copy(x)? } else { product(ev, x, &y)? };
    for (i, c) in turns.iter().enumerate() {
        let t = const_minus(ev, *c, &b)?;
        y = product(ev, &y, &t)?;
        if i + 1 < turns.len() {
            b = product(ev, &b, &t)?;
        }
    }
    Ok(y)
}

/// y ← y/x for each y in `ys`, where x is [`Division::scale`] times a number in the range. Goldschmidt carries the
/// numerators along, one product a step each, and saves the level of a last product. Depth [`Division::divide_depth`].
pub fn divide<A: Arithmetic>(ev: &mut A, how: &Division, ys: &mut [A::Slots], x: &A::Slots) -> Result<()> {
    if !how.carries() {
        let inverse = reciprocal(ev, how, x)?;
        for y in ys {
            *y = product(ev, y, &inverse)?;
        }
        return Ok(());
    }
    let mut b = ev.copy(x)?;
    for (i, c) in how.turns.iter().enumerate() {
        let t = const_minus(ev, *c, &b)?;
        for y in ys.iter_mut() {
            *y = product(ev, y, &t)?;
        }
        if i + 1 < how.turns.len() {
            b = product(ev, &b, &t)?;
        }
    }
    Ok(())
}

/// The start's polynomial at x = scale · (a number in the range): x differs from the unit point by an offset.
fn started<A: Arithmetic>(ev: &mut A, p: &Polynomial, x: &A::Slots) -> Result<A::Slots> {
    let level = ev.level(x);
    let mut t = at_level(ev, x, level)?;
    ev.add_const(&mut t, p.to_unit().1)?;
    poly::evaluate_unit(ev, p, &t)
}

#[cfg(test)]
mod tests {
    use super::{Division, Iteration, divide, reciprocal};
    use crate::{
        Error,
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
        },
    };

    const N: usize = 256;

    /// Points of [lo, hi], spread evenly in the logarithm, both ends included.
    fn points((lo, hi): (f64, f64)) -> [f64; N] {
        core::array::from_fn(|i| match i {
            0 => lo,
            _ if i == N - 1 => hi,
            _ => lo * libm::pow(hi / lo, i as f64 / (N - 1) as f64),
        })
    }

    fn worst(how: &Division) -> f64 {
        let x = points(how.range());
        let y = reciprocal(&mut ClearArray::<f64, N>::new(), how, &x.map(|x| x * how.scale())).unwrap();
        x.iter().zip(y).map(|(x, y)| (x * y * how.scale() - 1.0).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn every_kind_keeps_its_error_and_comes_close_to_it() {
        for range in [(0.1, 1.0), (1e-3, 1.0), (0.5, 700.0)] {
            for iteration in [Iteration::Goldschmidt, Iteration::Newton] {
                for relaxed in [false, true] {
                    for start in [None, Some(3), Some(15)] {
                        for steps in [1, 2, 5, 9] {
                            let how = Division::new(range, iteration, relaxed, start, steps).unwrap();
                            let real = worst(&how);
                            assert!(real <= how.error() + 1e-11, "{how:?}: {real:e}");
                            assert!(how.error() <= 1.3 * real + 1e-9, "{how:?}: {real:e}");
                        }
                    }
                }
            }
        }
    }

    /// The table of docs/math.md §12.1: steps for a relative error of 1e-3 and of 2^-20. The relaxed steps are one-sided there
    /// and centred here, which can only save some.
    #[test]
    fn the_steps_are_those_of_the_table() {
        let table = [
            (1e-1, [7, 8], [4, 5]),
            (1e-2, [10, 11], [6, 7]),
            (1e-3, [13, 14], [8, 8]),
            (1.0 / 2048.0, [14, 15], [8, 9]),
            (1e-5, [20, 21], [11, 12]),
            (libm::exp2(-18.0), [21, 22], [12, 12]),
        ];
        for (lo, plain, relaxed) in table {
            for (i, error) in [1e-3, libm::exp2(-20.0)].into_iter().enumerate() {
                let steps = |relaxed| {
                    let new = |n| Division::new((lo, 1.0), Iteration::Goldschmidt, relaxed, None, n).unwrap();
                    (1..=30).find(|n| new(*n).error() <= error).unwrap()
                };
                assert_eq!(steps(false), plain[i], "{lo} {error}");
                assert!(steps(true) <= relaxed[i] && steps(true) + 1 >= relaxed[i], "{lo} {error}: {}", steps(true));
            }
        }
    }

    #[test]
    fn a_quotient_is_inside_its_enclosure_in_f32_and_f64() {
        let how = Division::new((0.01, 1.0), Iteration::Goldschmidt, true, None, 8).unwrap();
        let x = points((0.01, 1.0)).map(|x| x * how.scale());
        let (mut y, mut sure) = ([[0.25; N]], [[Bounds::point(0.25); N]]);
        divide(&mut ClearArray::<f64, N>::new(), &how, &mut y, &x).unwrap();
        divide(&mut Interval::<f64, N>::new(), &how, &mut sure, &x.map(Bounds::point)).unwrap();
        assert!(y[0].iter().zip(sure[0]).all(|(y, s)| s.contains(*y)));
        assert!(y[0].iter().zip(x).all(|(y, x)| (y * x / 0.25 - 1.0).abs() < 1.0001 * how.error() + 1e-13));
        let x = x.map(|x| x as f32);
        let (mut y, mut sure) = ([[0.25f32; N]], [[Bounds::point(0.25f32); N]]);
        divide(&mut ClearArray::<f32, N>::new(), &how, &mut y, &x).unwrap();
        divide(&mut Interval::<f32, N>::new(), &how, &mut sure, &x.map(Bounds::point)).unwrap();
        assert!(y[0].iter().zip(sure[0]).all(|(y, s)| s.contains(*y)));
        assert!(y[0].iter().zip(x).all(|(y, x)| (y * x / 0.25 - 1.0).abs() < 1e-5));
    }

    #[test]
    fn the_chooser_takes_the_least_depth() {
        let how = Division::choose((1e-3, 1.0), libm::exp2(-10.0)).unwrap();
        assert_eq!((how.depth(), how.iteration()), (7, (Iteration::Goldschmidt, true)), "{how:?}");
        assert!(worst(&how) <= libm::exp2(-10.0));
        let one = Division::choose((0.9, 1.1), 0.02).unwrap();
        assert_eq!((one.depth(), one.products()), (0, 0), "{one:?}"); // c - x
        assert!(matches!(Division::choose((1e-3, 1.0), 0.0), Err(Error::Inaccurate { .. })));
        assert_eq!(Division::choose((0.0, 1.0), 0.1).err(), Some(Error::BadRange { lo: 0.0, hi: 1.0 }));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn depth_and_products_are_those_of_the_trace() {
        use crate::{arith::Arithmetic, eval::trace::Trace};
        for iteration in [Iteration::Goldschmidt, Iteration::Newton] {
            for start in [None, Some(1), Some(7), Some(31)] {
                for steps in start.map_or(1, |_| 0)..8 {
                    let how = Division::new((0.01, 1.0), iteration, true, start, steps).unwrap();
                    let mut tr = Trace::new(N, None);
                    let x = tr.input(30);
                    let y = reciprocal(&mut tr, &how, &x).unwrap();
                    assert_eq!((30 - tr.level(&y), tr.cost().mul), (how.depth(), how.products()), "{how:?}");
                    let mut ys = [tr.input(30)];
                    divide(&mut tr, &how, &mut ys, &x).unwrap();
                    assert_eq!(30 - tr.level(&ys[0]), how.divide_depth(), "{how:?}");
                }
            }
        }
    }
}
