//! Double-double arithmetic: an unevaluated sum of two floats. The second float is at most half a unit in the last
//! place of the first. Only coefficients that are computed once use this arithmetic. [Dekker 1971]

/// hi + lo
#[derive(Clone, Copy, Debug)]
pub(crate) struct DoubleDouble {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

impl DoubleDouble {
    /// π, to 2^-108.
    pub(crate) const PI: Self = Self { hi: core::f64::consts::PI, lo: 1.224_646_799_147_353_2e-16 };

    /// A float.
    pub(crate) fn new(x: f64) -> Self {
        Self { hi: x, lo: 0.0 }
    }

    /// The sum of two floats, exactly. [Knuth, TAOCP 2, 4.2.2]
    fn sum(x: f64, y: f64) -> Self {
        let hi = x + y;
        let rounded = hi - x;
        Self { hi, lo: (x - (hi - rounded)) + (y - rounded) }
    }

    /// x + y
    pub(crate) fn add(self, y: Self) -> Self {
        let high = Self::sum(self.hi, y.hi);
        let low = Self::sum(self.lo, y.lo);
        let sum = Self::sum(high.hi, high.lo + low.hi);
        Self::sum(sum.hi, sum.lo + low.lo)
    }

    /// -x
    pub(crate) fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }

    /// x y
    pub(crate) fn mul(self, y: Self) -> Self {
        let hi = self.hi * y.hi;
        let lo = libm::fma(self.hi, y.hi, -hi) + (self.hi * y.lo + self.lo * y.hi);
        Self::sum(hi, lo)
    }

    /// x / y
    pub(crate) fn div(self, y: Self) -> Self {
        let first = Self::new(self.hi / y.hi);
        let rest = self.add(first.mul(y).neg());
        first.add(Self::new(rest.hi / y.hi))
    }
}
