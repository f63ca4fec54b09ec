//! A decorator of an evaluator that records the largest modulus of each operation's result.

use polyformer_kernel::arith::{Arithmetic, wrapper::Wrapper};

/// One operation that made or changed a vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Its name, which is the name of the method.
    pub op: &'static str,
    /// max |x| over the slots of its result.
    pub most: f64,
}

/// Runs circuits on `A`. `measure(ev, x)` is max |x|: for floats the largest of the slots, for ciphertexts the largest
/// of their decryption.
pub struct Probe<A, M> {
    /// The inner evaluator.
    pub inner: A,
    measure: M,
    seen: Vec<Seen>,
}

impl<A: Arithmetic, M: FnMut(&mut A, &A::Slots) -> f64> Probe<A, M> {
    /// Over `inner`.
    pub fn new(inner: A, measure: M) -> Self {
        Self { inner, measure, seen: Vec::new() }
    }

    /// Every operation so far.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// The operation with the largest result, and its index; the first of several.
    pub fn most(&self) -> Option<(usize, Seen)> {
        let larger = |a: (usize, Seen), b: (usize, Seen)| if b.1.most > a.1.most { b } else { a };
        self.seen.iter().copied().enumerate().reduce(larger)
    }
}

/// max |x| of numbers in the clear.
pub fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most, x| x.abs().max(most))
}

impl<A: Arithmetic, M: FnMut(&mut A, &A::Slots) -> f64> Wrapper for Probe<A, M> {
    type Inner = A;

    fn inner(&self) -> &A {
        &self.inner
    }
    fn inner_mut(&mut self) -> &mut A {
        &mut self.inner
    }
    fn made(&mut self, op: &'static str, x: &A::Slots) {
        let most = (self.measure)(&mut self.inner, x);
        self.seen.push(Seen { op, most });
    }
}
