//! Two evaluators of one circuit in lockstep. After every operation that makes or changes a vector, the watcher gets
//! both results. The watcher can compare the results, which finds the first operation where a ciphertext differs from
//! its float. The watcher can also record the largest values per level.

use crate::{
    arith::{Arithmetic, Transform},
    error::Result,
};
use alloc::vec::Vec;

/// The description of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number of operations before this operation.
    pub index: usize,
    /// Its name, which is the name of the method.
    pub name: &'static str,
}

/// Runs circuits on `A` and `B` at once. `W` is called as `watch(left, right, step, x, y)`. An error of `W` ends the
/// circuit. Levels are the levels of the left evaluator.
#[derive(Debug)]
pub struct Lockstep<A, B, W> {
    /// The first evaluator.
    pub left: A,
    /// The other.
    pub right: B,
    watch: W,
    index: usize,
}

impl<A: Arithmetic, B: Arithmetic, W> Lockstep<A, B, W>
where
    W: FnMut(&mut A, &mut B, Step, &A::Slots, &B::Slots) -> Result<()>,
{
    /// The two evaluators, watched.
    pub fn new(left: A, right: B, watch: W) -> Self {
        Self { left, right, watch, index: 0 }
    }

    fn seen(&mut self, name: &'static str, x: &A::Slots, y: &B::Slots) -> Result<()> {
        let step = Step { index: self.index, name };
        self.index += 1;
        (self.watch)(&mut self.left, &mut self.right, step, x, y)
    }

    fn made(&mut self, name: &'static str, x: A::Slots, y: B::Slots) -> Result<(A::Slots, B::Slots)> {
        self.seen(name, &x, &y)?;
        Ok((x, y))
    }
}

impl<A: Arithmetic, B: Arithmetic, W> Arithmetic for Lockstep<A, B, W>
where
    W: FnMut(&mut A, &mut B, Step, &A::Slots, &B::Slots) -> Result<()>,
{
    type Slots = (A::Slots, B::Slots);
    type Wide = (A::Wide, B::Wide);
    type Plaintext = (A::Plaintext, B::Plaintext);
    type Hoisted = (A::Hoisted, B::Hoisted);

    fn slots(&self) -> usize {
        self.left.slots()
    }
    fn level(&self, x: &Self::Slots) -> u8 {
        self.left.level(&x.0)
    }
    fn encode(&mut self, values: &[f64], level: u8) -> Result<Self::Plaintext> {
        Ok((self.left.encode(values, level)?, self.right.encode(values, level)?))
    }
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<Self::Plaintext> {
        Ok((self.left.encode_diagonal(values, level)?, self.right.encode_diagonal(values, level)?))
    }

    fn copy(&mut self, x: &Self::Slots) -> Result<Self::Slots> {
        Ok((self.left.copy(&x.0)?, self.right.copy(&x.1)?))
    }
    fn add(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()> {
        self.left.add(&mut x.0, &y.0)?;
        self.right.add(&mut x.1, &y.1)?;
        self.seen("add", &x.0, &x.1)
    }
    fn sub(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()> {
        self.left.sub(&mut x.0, &y.0)?;
        self.right.sub(&mut x.1, &y.1)?;
        self.seen("sub", &x.0, &x.1)
    }
    fn add_plain(&mut self, x: &mut Self::Slots, p: &Self::Plaintext) -> Result<()> {
        self.left.add_plain(&mut x.0, &p.0)?;
        self.right.add_plain(&mut x.1, &p.1)?;
        self.seen("add_plain", &x.0, &x.1)
    }
    fn neg(&mut self, x: &mut Self::Slots) -> Result<()> {
        self.left.neg(&mut x.0)?;
        self.right.neg(&mut x.1)?;
        self.seen("neg", &x.0, &x.1)
    }
    fn add_const(&mut self, x: &mut Self::Slots, c: f64) -> Result<()> {
        self.left.add_const(&mut x.0, c)?;
        self.right.add_const(&mut x.1, c)?;
        self.seen("add_const", &x.0, &x.1)
    }
    fn mul_int(&mut self, x: &mut Self::Slots, k: i32) -> Result<()> {
        self.left.mul_int(&mut x.0, k)?;
        self.right.mul_int(&mut x.1, k)?;
        self.seen("mul_int", &x.0, &x.1)
    }

    fn mul(&mut self, x: &Self::Slots, y: &Self::Slots) -> Result<Self::Wide> {
        Ok((self.left.mul(&x.0, &y.0)?, self.right.mul(&x.1, &y.1)?))
    }
    fn mul_plain(&mut self, x: &Self::Slots, p: &Self::Plaintext) -> Result<Self::Wide> {
        Ok((self.left.mul_plain(&x.0, &p.0)?, self.right.mul_plain(&x.1, &p.1)?))
    }
    fn mul_const(&mut self, x: &Self::Slots, c: f64) -> Result<Self::Wide> {
        Ok((self.left.mul_const(&x.0, c)?, self.right.mul_const(&x.1, c)?))
    }
    fn accumulate(&mut self, w: &mut Self::Wide, v: Self::Wide) -> Result<()> {
        self.left.accumulate(&mut w.0, v.0)?;
        self.right.accumulate(&mut w.1, v.1)
    }
    fn rescale(&mut self, w: Self::Wide) -> Result<Self::Slots> {
        let (x, y) = (self.left.rescale(w.0)?, self.right.rescale(w.1)?);
        self.made("rescale", x, y)
    }

    fn rotate(&mut self, x: &Self::Slots, k: i32) -> Result<Self::Slots> {
        let (x, y) = (self.left.rotate(&x.0, k)?, self.right.rotate(&x.1, k)?);
        self.made("rotate", x, y)
    }
    fn hoist(&mut self, x: &Self::Slots, steps: &[i32]) -> Result<Self::Hoisted> {
        Ok((self.left.hoist(&x.0, steps)?, self.right.hoist(&x.1, steps)?))
    }
    fn hoisted(&mut self, h: &Self::Hoisted, k: i32) -> Result<Self::Slots> {
        let (x, y) = (self.left.hoisted(&h.0, k)?, self.right.hoisted(&h.1, k)?);
        self.made("hoisted", x, y)
    }
    fn transform(&mut self, h: &Self::Hoisted, map: &Transform<'_, Self::Plaintext>) -> Result<Self::Wide> {
        let lefts: Vec<Option<&A::Plaintext>> = map.plain.iter().map(|p| p.map(|p| &p.0)).collect();
        let rights: Vec<Option<&B::Plaintext>> = map.plain.iter().map(|p| p.map(|p| &p.1)).collect();
        let left = Transform { baby_steps: map.baby_steps, giant_steps: map.giant_steps, plain: &lefts };
        let right = Transform { baby_steps: map.baby_steps, giant_steps: map.giant_steps, plain: &rights };
        Ok((self.left.transform(&h.0, &left)?, self.right.transform(&h.1, &right)?))
    }
    fn drop_to_level(&mut self, x: Self::Slots, level: u8) -> Result<Self::Slots> {
        let (x, y) = (self.left.drop_to_level(x.0, level)?, self.right.drop_to_level(x.1, level)?);
        self.made("drop_to_level", x, y)
    }
    fn refresh(&mut self, x: Self::Slots, depth: u8) -> Result<Self::Slots> {
        let (x, y) = (self.left.refresh(x.0, depth)?, self.right.refresh(x.1, depth)?);
        self.made("refresh", x, y)
    }
}

#[cfg(test)]
mod tests {
    use super::{Lockstep, Step};
    use crate::{Error, arith::Arithmetic, circuits::power, eval::clear::ClearArray};

    #[test]
    fn the_first_operation_that_diverges_is_named() {
        let mut first: Option<Step> = None;
        let mut pair = Lockstep::new(
            ClearArray::<f32, 1>::new(),
            ClearArray::<f64, 1>::new(),
            |_, _, step, x: &[f32; 1], y: &[f64; 1]| {
                if first.is_none() && (x[0] as f64 - y[0]).abs() > 1e-6 * y[0].abs() {
                    first = Some(step);
                    return Err(Error::NotFinite { slot: 0 });
                }
                Ok(())
            },
        );
        let mut x = ([1.0], [1.0]);
        pair.add_const(&mut x, 1.0).unwrap();
        pair.mul_int(&mut x, 1 << 30).unwrap();
        assert!(power(&mut pair, &x, 16).is_err()); // 2^31 to the fourth is out of reach of f32
        assert_eq!(first, None); // f32 said so itself
        let mut pair = Lockstep::new(
            ClearArray::<f64, 1>::new(),
            ClearArray::<f64, 1>::new(),
            |_, _, step, x: &[f64; 1], y: &[f64; 1]| {
                if first.is_none() && x != y {
                    first = Some(step);
                }
                Ok(())
            },
        );
        let mut x = ([1.0], [1.0 + f64::EPSILON]);
        pair.mul_int(&mut x, 3).unwrap();
        assert_eq!(first, Some(Step { index: 0, name: "mul_int" }));
    }
}
