//! An arithmetic that knows how long its encoding of public vectors takes: weights are encoded while the model runs.

use kernel::{
    Result,
    arith::{Arithmetic, Transform},
};
use std::time::Instant;

/// Wraps an arithmetic.
pub struct Clocked<'a, A> {
    inner: &'a mut A,
    seconds: f64,
}

impl<'a, A: Arithmetic> Clocked<'a, A> {
    /// Times `inner`.
    pub fn new(inner: &'a mut A) -> Self {
        Self { inner, seconds: 0.0 }
    }

    /// Seconds of encoding so far.
    pub fn encoding(&self) -> f64 {
        self.seconds
    }

    fn timed<T>(&mut self, work: impl FnOnce(&mut A) -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let out = work(self.inner);
        self.seconds += start.elapsed().as_secs_f64();
        out
    }
}

impl<A: Arithmetic> Arithmetic for Clocked<'_, A> {
    type Slots = A::Slots;
    type Wide = A::Wide;
    type Plain = A::Plain;
    type Hoisted = A::Hoisted;

    fn slots(&self) -> usize {
        self.inner.slots()
    }
    fn level(&self, x: &A::Slots) -> u8 {
        self.inner.level(x)
    }
    fn encode(&mut self, values: &[f64], level: u8) -> Result<A::Plain> {
        self.timed(|a| a.encode(values, level))
    }
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<A::Plain> {
        self.timed(|a| a.encode_diagonal(values, level))
    }
    fn copy(&mut self, x: &A::Slots) -> Result<A::Slots> {
        self.inner.copy(x)
    }
    fn add(&mut self, x: &mut A::Slots, y: &A::Slots) -> Result<()> {
        self.inner.add(x, y)
    }
    fn sub(&mut self, x: &mut A::Slots, y: &A::Slots) -> Result<()> {
        self.inner.sub(x, y)
    }
    fn add_plain(&mut self, x: &mut A::Slots, p: &A::Plain) -> Result<()> {
        self.inner.add_plain(x, p)
    }
    fn neg(&mut self, x: &mut A::Slots) -> Result<()> {
        self.inner.neg(x)
    }
    fn add_const(&mut self, x: &mut A::Slots, c: f64) -> Result<()> {
        self.inner.add_const(x, c)
    }
    fn mul_int(&mut self, x: &mut A::Slots, k: i32) -> Result<()> {
        self.inner.mul_int(x, k)
    }
    fn mul(&mut self, x: &A::Slots, y: &A::Slots) -> Result<A::Wide> {
        self.inner.mul(x, y)
    }
    fn mul_plain(&mut self, x: &A::Slots, p: &A::Plain) -> Result<A::Wide> {
        self.inner.mul_plain(x, p)
    }
    fn mul_const(&mut self, x: &A::Slots, c: f64) -> Result<A::Wide> {
        self.inner.mul_const(x, c)
    }
    fn weighted_sum(&mut self, terms: &[(&A::Slots, f64)], level: u8) -> Result<A::Wide> {
        self.inner.weighted_sum(terms, level)
    }
    fn fits(&self, x: &A::Slots, level: u8) -> bool {
        self.inner.fits(x, level)
    }
    fn accumulate(&mut self, w: &mut A::Wide, v: A::Wide) -> Result<()> {
        self.inner.accumulate(w, v)
    }
    fn rescale(&mut self, w: A::Wide) -> Result<A::Slots> {
        self.inner.rescale(w)
    }
    fn rotate(&mut self, x: &A::Slots, k: i32) -> Result<A::Slots> {
        self.inner.rotate(x, k)
    }
    fn hoist(&mut self, x: &A::Slots, steps: &[i32]) -> Result<A::Hoisted> {
        self.inner.hoist(x, steps)
    }
    fn hoisted(&mut self, h: &A::Hoisted, k: i32) -> Result<A::Slots> {
        self.inner.hoisted(h, k)
    }
    fn transform(&mut self, h: &A::Hoisted, map: &Transform<'_, A::Plain>) -> Result<A::Wide> {
        self.inner.transform(h, map)
    }
    fn level_down(&mut self, x: A::Slots, level: u8) -> Result<A::Slots> {
        self.inner.level_down(x, level)
    }
    fn lowered(&mut self, x: &A::Slots, level: u8) -> Result<A::Slots> {
        self.inner.lowered(x, level)
    }
    fn refresh(&mut self, x: A::Slots, depth: u8) -> Result<A::Slots> {
        self.inner.refresh(x, depth)
    }
}
