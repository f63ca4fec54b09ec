//! A decorator that measures the time of encoding public vectors, because weights are encoded while the model runs.

use polyformer_kernel::{
    Result,
    arith::{Arithmetic, wrapper::Wrapper},
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
}

impl<A: Arithmetic> Wrapper for Clocked<'_, A> {
    type Inner = A;

    fn inner(&self) -> &A {
        self.inner
    }
    fn inner_mut(&mut self) -> &mut A {
        self.inner
    }
    fn encoded(&mut self, encode: impl FnOnce(&mut A) -> Result<A::Plaintext>) -> Result<A::Plaintext> {
        let start = Instant::now();
        let out = encode(self.inner);
        self.seconds += start.elapsed().as_secs_f64();
        out
    }
}
