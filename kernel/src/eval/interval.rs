//! Certified enclosures. Every operation rounds outward. An enclosure contains the true value of a circuit on exact
//! inputs, and the value that floats of the same width compute. A run on [`Interval`] bounds the effect of rounding. A
//! run on wide inputs bounds the circuit over a range. Such a bound is valid but can be loose, because an enclosure
//! ignores that two operands depend on each other.

use crate::eval::clear::{Clear, Number};

/// A float that can step to its neighbours.
pub trait Endpoint: Number + PartialOrd {
    /// The next float up.
    fn up(self) -> Self;
    /// The next float down.
    fn down(self) -> Self;
    /// As f64, exactly.
    fn wide(self) -> f64;
}

impl Endpoint for f64 {
    fn up(self) -> f64 {
        self.next_up()
    }
    fn down(self) -> f64 {
        self.next_down()
    }
    fn wide(self) -> f64 {
        self
    }
}

impl Endpoint for f32 {
    fn up(self) -> f32 {
        self.next_up()
    }
    fn down(self) -> f32 {
        self.next_down()
    }
    fn wide(self) -> f64 {
        self as f64
    }
}

/// The numbers between `lo` and `hi`, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds<F> {
    /// Lower end.
    pub lo: F,
    /// Upper end.
    pub hi: F,
}

/// `N` enclosures on the stack.
pub type Interval<F, const N: usize> = Clear<[Bounds<F>; N]>;

/// Enclosures on the heap.
#[cfg(feature = "alloc")]
pub type IntervalVec<F> = Clear<alloc::vec::Vec<Bounds<F>>>;

impl<F: Endpoint> Bounds<F> {
    /// The enclosure of one float.
    pub fn point(x: F) -> Self {
        Self { lo: x, hi: x }
    }

    /// Whether `x` is inside.
    pub fn contains(&self, x: F) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// hi - lo, rounded up.
    pub fn width(&self) -> F {
        self.hi.sub(self.lo).up()
    }

    /// The hull of some values and one neighbour on each side: the results were rounded to nearest. Everything, if a
    /// bound is not a number.
    fn hull(values: [F; 4]) -> Self {
        let (mut lo, mut hi) = (values[0], values[0]);
        for v in values {
            if v.wide().is_nan() {
                return Self { lo: F::of(f64::NEG_INFINITY), hi: F::of(f64::INFINITY) };
            }
            if v < lo {
                lo = v;
            }
            if v > hi {
                hi = v;
            }
        }
        Self { lo: lo.down(), hi: hi.up() }
    }
}

impl<F: Endpoint> Number for Bounds<F> {
    fn of(c: f64) -> Self {
        let near = F::of(c);
        if near.wide() == c { Self::point(near) } else { Self { lo: near.down(), hi: near.up() } }
    }
    fn add(self, y: Self) -> Self {
        Self { lo: self.lo.add(y.lo).down(), hi: self.hi.add(y.hi).up() }
    }
    fn sub(self, y: Self) -> Self {
        Self { lo: self.lo.sub(y.hi).down(), hi: self.hi.sub(y.lo).up() }
    }
    fn mul(self, y: Self) -> Self {
        Self::hull([self.lo.mul(y.lo), self.lo.mul(y.hi), self.hi.mul(y.lo), self.hi.mul(y.hi)])
    }
    fn is_finite(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }
    fn is_within(self, lo: f64, hi: f64) -> bool {
        lo <= self.lo.wide() && self.hi.wide() <= hi
    }
    fn square(self) -> Self {
        let zero = F::of(0.0);
        let (a, b) = (self.lo.mul(self.lo), self.hi.mul(self.hi));
        let straddles = self.lo < zero && zero < self.hi;
        let mut out = Self::hull([a, b, a, b]);
        if straddles || out.lo < zero {
            out.lo = zero; // a square is never negative
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, Interval};
    use crate::{arith::Arithmetic, eval::clear::Number};

    #[test]
    fn a_constant_that_is_no_float_is_enclosed() {
        let b = Bounds::<f32>::of(0.1);
        assert!((b.lo as f64) < 0.1 && 0.1 < (b.hi as f64));
        assert_eq!(Bounds::<f32>::of(0.5), Bounds::point(0.5));
    }

    #[test]
    fn signs_are_respected() {
        let x = Bounds { lo: -2.0, hi: 3.0 };
        let y = Bounds { lo: -5.0, hi: 1.0 };
        let p = x.mul(y);
        assert!(p.contains(-15.0) && p.contains(10.0) && p.lo > -15.01 && p.hi < 10.01);
        let s = x.square();
        assert!(s.lo == 0.0 && s.contains(9.0) && s.hi < 9.01);
        assert!(x.sub(y).contains(8.0) && x.sub(y).contains(-3.0));
    }

    #[test]
    fn a_product_of_one_value_with_itself_is_a_square() {
        let mut ev = Interval::<f64, 1>::new();
        let x = [Bounds { lo: -1.0, hi: 1.0 }];
        let y = ev.copy(&x).unwrap();
        assert_eq!(ev.mul(&x, &x).unwrap()[0].lo, 0.0);
        assert!(ev.mul(&x, &y).unwrap()[0].lo < 0.0);
    }
}
