//! A meaning that looks at the numbers: another one, with the largest modulus that each operation made.

use kernel::{
    arith::{Arithmetic, Transform},
    error::Result,
};

/// One operation that made or changed a vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Its name, that of the method.
    pub op: &'static str,
    /// max |x| over the slots of its result.
    pub most: f64,
}

/// Runs circuits on `A`. `measure(ev, x)` is max |x|: for floats the largest of the slots, for ciphertexts that of their
/// decryption.
pub struct Probe<A, M> {
    /// What it runs on.
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

    /// The operation of the largest result, and its index; the first of them if there are several.
    pub fn most(&self) -> Option<(usize, Seen)> {
        let larger = |a: (usize, Seen), b: (usize, Seen)| if b.1.most > a.1.most { b } else { a };
        self.seen.iter().copied().enumerate().reduce(larger)
    }

    fn look(&mut self, op: &'static str, x: &A::Slots) {
        let most = (self.measure)(&mut self.inner, x);
        self.seen.push(Seen { op, most });
    }

    fn made(&mut self, op: &'static str, x: A::Slots) -> Result<A::Slots> {
        self.look(op, &x);
        Ok(x)
    }
}

/// max |x| of numbers in the clear.
pub fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |most, x| x.abs().max(most))
}

impl<A: Arithmetic, M: FnMut(&mut A, &A::Slots) -> f64> Arithmetic for Probe<A, M> {
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
        self.inner.encode(values, level)
    }
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<A::Plain> {
        self.inner.encode_diagonal(values, level)
    }

    fn copy(&mut self, x: &A::Slots) -> Result<A::Slots> {
        self.inner.copy(x)
    }
    fn add(&mut self, x: &mut A::Slots, y: &A::Slots) -> Result<()> {
        self.inner.add(x, y)?;
        self.look("add", x);
        Ok(())
    }
    fn sub(&mut self, x: &mut A::Slots, y: &A::Slots) -> Result<()> {
        self.inner.sub(x, y)?;
        self.look("sub", x);
        Ok(())
    }
    fn add_plain(&mut self, x: &mut A::Slots, p: &A::Plain) -> Result<()> {
        self.inner.add_plain(x, p)?;
        self.look("add_plain", x);
        Ok(())
    }
    fn neg(&mut self, x: &mut A::Slots) -> Result<()> {
        self.inner.neg(x)?;
        self.look("neg", x);
        Ok(())
    }
    fn add_const(&mut self, x: &mut A::Slots, c: f64) -> Result<()> {
        self.inner.add_const(x, c)?;
        self.look("add_const", x);
        Ok(())
    }
    fn mul_int(&mut self, x: &mut A::Slots, k: i32) -> Result<()> {
        self.inner.mul_int(x, k)?;
        self.look("mul_int", x);
        Ok(())
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
        let x = self.inner.rescale(w)?;
        self.made("rescale", x)
    }

    fn rotate(&mut self, x: &A::Slots, k: i32) -> Result<A::Slots> {
        let x = self.inner.rotate(x, k)?;
        self.made("rotate", x)
    }
    fn hoist(&mut self, x: &A::Slots, steps: &[i32]) -> Result<A::Hoisted> {
        self.inner.hoist(x, steps)
    }
    fn hoisted(&mut self, h: &A::Hoisted, k: i32) -> Result<A::Slots> {
        let x = self.inner.hoisted(h, k)?;
        self.made("hoisted", x)
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
        let x = self.inner.refresh(x, depth)?;
        self.made("refresh", x)
    }
}
