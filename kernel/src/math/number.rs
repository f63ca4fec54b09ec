//! Numbers for the evaluation of circuits in the clear.

/// The value of a slot: f32, f64, or an enclosure of such numbers.
pub trait Number: 'static + Copy {
    /// The number of a circuit's constant.
    fn of(c: f64) -> Self;
    /// The number of a weight.
    fn single(w: f32) -> Self {
        Self::of(w as f64)
    }
    /// x + y
    fn add(self, y: Self) -> Self;
    /// x - y
    fn sub(self, y: Self) -> Self;
    /// x y
    fn mul(self, y: Self) -> Self;
    /// x x; tighter than `mul` for an enclosure, which forgets that its factors are equal.
    fn square(self) -> Self {
        self.mul(self)
    }
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Certainly from `lo` to `hi`; NaN is not.
    fn is_within(self, lo: f64, hi: f64) -> bool;
}

impl Number for f64 {
    fn of(c: f64) -> f64 {
        c
    }
    fn add(self, y: f64) -> f64 {
        self + y
    }
    fn sub(self, y: f64) -> f64 {
        self - y
    }
    fn mul(self, y: f64) -> f64 {
        self * y
    }
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
    fn is_within(self, lo: f64, hi: f64) -> bool {
        lo <= self && self <= hi
    }
}

impl Number for f32 {
    fn of(c: f64) -> f32 {
        c as f32
    }
    fn single(w: f32) -> f32 {
        w
    }
    fn add(self, y: f32) -> f32 {
        self + y
    }
    fn sub(self, y: f32) -> f32 {
        self - y
    }
    fn mul(self, y: f32) -> f32 {
        self * y
    }
    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }
    fn is_within(self, lo: f64, hi: f64) -> bool {
        lo <= self as f64 && self as f64 <= hi
    }
}
