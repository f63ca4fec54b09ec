//! Polynomial evaluation by the method of Paterson and Stockmeyer, at the least depth.
//!
//! The evaluation keeps W_i = 2 T_i. The recurrence W_{a+b} = W_a W_b - W_{a-b} has no factor 2, which would double the
//! noise of every product. The noise of W counts half.
//!
//! p = q W_g + r with g a power of two splits a polynomial of degree < 2g into two polynomials of degree < g. The
//! pieces end as sums of c_i T_i over the baby steps T_1 … T_m. All products of one sum are added before the
//! relinearisation. Pieces on the critical path are split further than other pieces, so that degree d takes depth
//! ⌈log2(d + 1)⌉ exactly.
//!
//! A remainder r whose split takes three products takes two products after its square is completed ([`super::square`]).
//! The evaluation computes a T_i only for a nonzero coefficient, so an even or odd polynomial skips the other half.
//! [Paterson and Stockmeyer 1973; eprint 2020/1203 §5]

use super::{
    MAX_BABIES, Polynomial, ceil_log2, is_small_integer,
    plan::{Schedule, Step, halves, trim},
    square::Square,
};
use crate::{
    arith::{Arithmetic, Sum},
    error::{Error, Result},
};
use heapless::Vec;

/// The most terms of one sum of powers: all baby steps and one giant step.
const MAX_TERMS: usize = MAX_BABIES + 1;

/// p(x) for x in p's range. Depth [`Polynomial::depth`].
///
/// # Errors
/// [`Error::LevelExhausted`] if x has too few levels.
pub fn evaluate<A: Arithmetic>(ev: &mut A, p: &Polynomial, x: &A::Slots) -> Result<A::Slots> {
    let (slope, offset) = p.to_unit();
    let mut w = if p.degree() == 0 {
        ev.copy(x)?
    } else if is_small_integer(slope) {
        let mut w = ev.copy(x)?;
        ev.mul_int(&mut w, 2 * slope as i32)?;
        w
    } else {
        ev.scaled(x, 2.0 * slope)?
    };
    if offset != 0.0 {
        ev.add_const(&mut w, 2.0 * offset)?;
    }
    planned(ev, p, w, true)
}

/// p at the point that t in [-1, 1] stands for. Depth [`Polynomial::unit_depth`].
///
/// # Errors
/// [`Error::LevelExhausted`] if t has too few levels.
pub fn evaluate_unit<A: Arithmetic>(ev: &mut A, p: &Polynomial, t: &A::Slots) -> Result<A::Slots> {
    let mut w = ev.copy(t)?;
    ev.mul_int(&mut w, 2)?;
    planned(ev, p, w, true)
}

/// p at the point w/2 in [-1, 1]. Depth [`Polynomial::unit_depth`]. This evaluation has the least noise. A caller that
/// makes w directly avoids the noise of a doubling. No square is completed, because its two products cancel in part.
///
/// # Errors
/// [`Error::LevelExhausted`] if w has too few levels.
pub fn evaluate_doubled<A: Arithmetic>(ev: &mut A, p: &Polynomial, w: A::Slots) -> Result<A::Slots> {
    planned(ev, p, w, false)
}

/// p at the point that w/2 stands for, squares completed or not.
fn planned<A: Arithmetic>(ev: &mut A, p: &Polynomial, w: A::Slots, completes: bool) -> Result<A::Slots> {
    let mut c = p.coeffs.clone();
    if p.degree() == 0 {
        let mut zero = ev.copy(&w)?;
        ev.sub(&mut zero, &w)?;
        ev.add_const(&mut zero, c[0])?;
        return Ok(zero);
    }
    let top = ev.level(&w);
    if top < p.unit_depth() {
        return Err(Error::LevelExhausted { need: p.unit_depth(), have: top });
    }
    let mut powers = Powers { top, list: Vec::new() };
    powers.push(1, 0, w)?;
    let plan = Schedule::best(&c, p.unit_depth(), completes);
    piece(ev, &mut powers, plan, &mut c, p.unit_depth())
}

/// W_i = 2 T_i(t), each at its own depth ⌈log2 i⌉, and again at the depths of its uses as a factor. A W_i is computed
/// at its first use.
struct Powers<S> {
    top: u8,
    list: Vec<(usize, u8, S), MAX_POWERS>, // i, depth, W_i
}

/// The 16 baby steps and W_32, W_64, W_128.
const ONCE: usize = MAX_BABIES + 3;

/// The most powers of one sum, at their own depths and at the depth of the sum, and some more to keep.
const MAX_POWERS: usize = 3 * ONCE;

impl<S> Powers<S> {
    fn push(&mut self, i: usize, depth: u8, value: S) -> Result<usize> {
        let pushed = self.list.push((i, depth, value));
        pushed.map_err(|_| Error::TooMany { asked: MAX_POWERS + 1, limit: MAX_POWERS })?;
        Ok(self.list.len() - 1)
    }

    /// Drops powers that can be computed again, if the new powers at `depth` may not fit otherwise.
    fn make_room(&mut self, depth: u8) {
        if self.list.len() > MAX_POWERS - 2 * ONCE {
            self.list.retain(|(i, d, _)| *d == ceil_log2(*i) || *d == depth);
        }
    }

    fn find(&self, i: usize, depth: u8) -> Option<usize> {
        self.list.iter().position(|(j, d, _)| (*j, *d) == (i, depth))
    }

    /// The index of W_i in the list. W_{a+b} = W_a W_b - W_{a-b}, with a the largest power of two below a + b.
    fn make<A: Arithmetic<Slots = S>>(&mut self, ev: &mut A, i: usize) -> Result<usize> {
        let depth = ceil_log2(i);
        if let Some(at) = self.find(i, depth) {
            return Ok(at);
        }
        let (a, b) = halves(i);
        let at_a = self.make(ev, a)?;
        let at_b = self.operand(ev, b, depth - 1)?; // a is there already
        let mut w = ev.mul(&self.list[at_a].2, &self.list[at_b].2)?;
        if a != b {
            let level = self.top - (depth - 1);
            let at = self.term(ev, a - b, depth - 1)?;
            let less = ev.weighted_sum(&[(&self.list[at].2, -1.0)], level)?;
            ev.accumulate(&mut w, less)?;
        }
        let mut w = ev.rescale(w)?;
        if a == b {
            ev.add_const(&mut w, -2.0)?;
        }
        self.push(i, depth, w)
    }

    /// The index of a W_i that can be a term of a sum of products at `depth`.
    fn term<A: Arithmetic<Slots = S>>(&mut self, ev: &mut A, i: usize, depth: u8) -> Result<usize> {
        let at = self.make(ev, i)?;
        if ev.fits(&self.list[at].2, self.top - depth) { Ok(at) } else { self.operand(ev, i, depth) }
    }

    /// The index of W_i at depth `depth`.
    fn operand<A: Arithmetic<Slots = S>>(&mut self, ev: &mut A, i: usize, depth: u8) -> Result<usize> {
        if let Some(at) = self.find(i, depth) {
            return Ok(at);
        }
        let at = self.make(ev, i)?;
        if self.list[at].1 == depth {
            return Ok(at);
        }
        let w = ev.copy_at_level(&self.list[at].2, self.top - depth)?;
        self.push(i, depth, w)
    }
}

/// The value of c at `depth`, or at a smaller depth for a constant. Degree in [1, 2^depth).
fn piece<A: Arithmetic>(
    ev: &mut A,
    powers: &mut Powers<A::Slots>,
    plan: Schedule,
    c: &mut [f64],
    depth: u8,
) -> Result<A::Slots> {
    let mut sum = Sum::default();
    products(ev, powers, plan, c, (depth, None), &mut sum)?;
    let mut out = sum.rescale(ev)?;
    ev.add_const(&mut out, c[0])?;
    Ok(out)
}

/// Adds the terms of c, without its constant, to `sum`: products of operands at depth `depth` - 1. For a remainder c,
/// `above` is the giant step that left c.
fn products<A: Arithmetic>(
    ev: &mut A,
    powers: &mut Powers<A::Slots>,
    plan: Schedule,
    c: &mut [f64],
    (depth, above): (u8, Option<usize>),
    sum: &mut Sum<A::Wide>,
) -> Result<()> {
    let c = trim(c);
    match plan.step(c, depth, above) {
        Step::Constant => Ok(()),
        Step::Leaf => {
            let term = leaf(ev, powers, c, depth)?;
            sum.add(ev, term)
        }
        Step::Divided(g) => {
            let (r, q) = c.split_at_mut(g);
            let term = if q.len() == 1 {
                powers.make_room(depth - 1);
                let at = powers.term(ev, g, depth - 1)?;
                ev.weighted_sum(&[(&powers.list[at].2, q[0])], powers.top - (depth - 1))?
            } else {
                let q = piece(ev, powers, plan, q, depth - 1)?;
                powers.make_room(depth - 1);
                let at = powers.operand(ev, g, depth - 1)?;
                ev.mul(&q, &powers.list[at].2)?
            };
            sum.add(ev, term)?;
            products(ev, powers, plan, r, (depth, Some(g)), sum)
        }
        Step::Completed(square) => completed(ev, powers, plan, (square, c), depth, sum),
    }
}

/// Adds left · right - size W_{4m} + r to `sum`, as [`products`] does. A separate function, so that the stack holds the
/// values only for a completed square.
#[inline(never)]
fn completed<A: Arithmetic>(
    ev: &mut A,
    powers: &mut Powers<A::Slots>,
    plan: Schedule,
    (mut square, c): (Square, &mut [f64]),
    depth: u8,
    sum: &mut Sum<A::Wide>,
) -> Result<()> {
    let term = {
        let left = leaf(ev, powers, &square.left, depth - 1)?;
        let left = ev.rescale(left)?;
        let right = piece(ev, powers, plan, &mut square.right, depth - 1)?;
        ev.mul(&left, &right)?
    };
    sum.add(ev, term)?;
    powers.make_room(depth - 1);
    let at = powers.term(ev, 4 * plan.baby_steps, depth - 1)?;
    let term = ev.weighted_sum(&[(&powers.list[at].2, -square.size)], powers.top - (depth - 1))?;
    sum.add(ev, term)?;
    products(ev, powers, plan, &mut c[..=plan.baby_steps], (depth, None), sum)
}

/// Σ c_i W_i/2 at `depth`, not rescaled, without the constant.
#[inline(never)]
fn leaf<A: Arithmetic>(ev: &mut A, powers: &mut Powers<A::Slots>, c: &[f64], depth: u8) -> Result<A::Wide> {
    powers.make_room(depth - 1);
    let mut places: Vec<(usize, f64), MAX_TERMS> = Vec::new();
    for (i, c) in c.iter().enumerate().skip(1).filter(|(_, c)| **c != 0.0) {
        let place = (powers.term(ev, i, depth - 1)?, *c / 2.0);
        places.push(place).map_err(|_| Error::TooMany { asked: i, limit: MAX_TERMS })?;
    }
    let terms: Vec<_, MAX_TERMS> = places.iter().map(|(at, c)| (&powers.list[*at].2, *c)).collect();
    ev.weighted_sum(&terms, powers.top - (depth - 1))
}

#[cfg(test)]
mod tests {
    use super::{evaluate, evaluate_unit};
    use crate::{
        Error,
        arith::Arithmetic,
        circuits::poly::{Polynomial, ceil_log2},
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
        },
    };
    use std::vec::Vec;

    /// Coefficients without cancellation: c_i = 1/(i+1), with the requested parities only.
    fn harmonic(degree: usize, even: bool, odd: bool) -> Polynomial {
        let c: Vec<f64> = (0..=degree).map(|i| if [even, odd][i % 2] { 1.0 / (i + 1) as f64 } else { 0.0 }).collect();
        Polynomial::new(&c, (-1.0, 1.0)).unwrap()
    }

    #[test]
    fn every_degree_and_parity_agrees_with_clenshaw_and_its_enclosure() {
        let points: [f64; 16] = core::array::from_fn(|i| -1.0 + i as f64 / 7.5);
        let mut ev = ClearArray::<f64, 16>::new();
        let mut certify = Interval::<f64, 16>::new();
        for (even, odd) in [(true, true), (true, false), (false, true)] {
            for degree in (0..=70).chain([127, 200, 255]) {
                let p = harmonic(degree, even, odd);
                let y = evaluate_unit(&mut ev, &p, &points).unwrap();
                let sure = evaluate_unit(&mut certify, &p, &points.map(Bounds::point)).unwrap();
                for ((x, y), sure) in points.iter().zip(y).zip(sure) {
                    assert!((y - p.at(*x)).abs() <= 2.0 * p.rounding(f64::EPSILON), "degree {degree} at {x}");
                    assert!(sure.contains(y), "degree {degree} at {x}: {y} not in {sure:?}");
                }
            }
        }
    }

    #[test]
    fn a_range_is_mapped_to_the_unit_interval() {
        let p = Polynomial::new(&[0.5, -1.0, 0.25, 3.0], (-3.0, 10.0)).unwrap();
        let mut ev = ClearArray::<f64, 3>::new();
        let y = evaluate(&mut ev, &p, &[-3.0, 3.5, 10.0]).unwrap();
        for (x, y) in [-3.0, 3.5, 10.0].iter().zip(y) {
            assert!((p.at(*x) - y).abs() < 1e-13);
        }
        assert_eq!(p.depth(), 3);
        assert_eq!(Polynomial::new(&[0.0, 1.0, 1.0], (0.0, 1.0)).unwrap().depth(), 2); // t = 2x - 1: no level
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn the_depth_is_the_least_and_the_products_are_few() {
        use crate::eval::trace::Trace;
        let cost = |p: &Polynomial| {
            let mut tr = Trace::new(16, None);
            let x = tr.input(10);
            let y = evaluate_unit(&mut tr, p, &x).unwrap();
            (10 - tr.level(&y), tr.cost().mul, tr.cost().key_switch)
        };
        for degree in 0..=255 {
            for (even, odd) in [(true, true), (true, false), (false, true)] {
                let p = harmonic(degree, even, odd);
                let (depth, mul, _) = cost(&p);
                assert_eq!(depth, ceil_log2(p.degree() + 1), "degree {degree}");
                assert!((mul as f64) < 2.0 * (2.0 * degree as f64).sqrt() + 8.0, "degree {degree}: {mul} products");
            }
        }
        // depth, products, relinearisations
        for (degree, even, odd, want) in [
            (59, true, true, (6, 15, 13)),
            (56, true, false, (6, 11, 9)),
            (58, true, false, (6, 12, 10)),
            (60, true, false, (6, 12, 10)),
            (62, true, false, (6, 13, 11)),
            (59, false, true, (6, 15, 12)),
        ] {
            assert_eq!(cost(&harmonic(degree, even, odd)), want, "degree {degree}");
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn too_few_levels_are_an_error_before_anything_is_multiplied() {
        use crate::eval::trace::Trace;
        let mut tr = Trace::new(16, None);
        let x = tr.input(3);
        let got = evaluate_unit(&mut tr, &harmonic(8, true, true), &x).err();
        assert_eq!(got, Some(Error::LevelExhausted { need: 4, have: 3 }));
        assert_eq!(tr.cost().mul, 0);
    }
}
