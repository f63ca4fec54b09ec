//! Products before their rescale: values that are multiplied and accumulated, and later relinearised and divided once.

use super::Ckks;
use crate::{
    backend::{
        Backend, Op,
        poly::{Eval, Poly},
    },
    error::{Error, Result},
};
use alloc::vec::Vec;
use core::iter::once;

/// (c0, c1)
pub(super) type Halves<B> = [Poly<Eval, B>; 2];
/// A sum, with the step that it is yet to be rotated by.
type Pending<B> = (i32, Halves<B>);

/// A product or a sum of products, at squared scale.
pub struct Wide<B: Backend> {
    pub(super) level: u8,
    pub(super) parts: Parts<B>,
}

/// The parts of a sum of products. `c2` is the quadratic part, over Q, if a term is a product of two ciphertexts.
pub(super) enum Parts<B: Backend> {
    /// Products alone: (c0, c1) over Q.
    Products { c: Halves<B>, c2: Option<Poly<Eval, B>> },
    /// At least one linear map, and perhaps products: times P, over P and Q.
    Maps { sums: InnerSums<B>, c2: Option<Poly<Eval, B>> },
}

/// Inner sums of linear maps, at least one, each with the rotation of its pending giant step. Step 0 is no rotation,
/// and products are added to it. Each inner sum is times P, over P and Q.
pub(super) struct InnerSums<B: Backend> {
    first: Pending<B>,
    rest: Vec<Pending<B>>,
}

impl<B: Backend> Wide<B> {
    /// A product over Q.
    pub(super) fn of(c: Halves<B>, c2: Option<Poly<Eval, B>>, level: u8) -> Self {
        Self { level, parts: Parts::Products { c, c2 } }
    }
}

impl<B: Backend> InnerSums<B> {
    /// These sums.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without sums.
    pub(super) fn new(sums: impl IntoIterator<Item = (i32, Halves<B>)>) -> Result<Self> {
        let mut sums = sums.into_iter();
        let first = sums.next().ok_or(Error::Empty { what: "diagonals of a linear map" })?;
        Ok(Self { first, rest: sums.collect() })
    }

    /// The unrotated sum, and the rotated sums.
    pub(super) fn split(self) -> (Option<Halves<B>>, Vec<Pending<B>>) {
        let (mut here, mut rotated) = (None, Vec::with_capacity(1 + self.rest.len()));
        for (step, sum) in once(self.first).chain(self.rest) {
            match (step, &here) {
                (0, None) => here = Some(sum),
                _ => rotated.push((step, sum)),
            }
        }
        (here, rotated)
    }
}

impl<B: Backend> Ckks<'_, B> {
    /// w += v, at the same level.
    pub(super) fn add_wide(&mut self, w: &mut Wide<B>, v: Wide<B>) -> Result<()> {
        let level = w.level;
        match (&mut w.parts, v.parts) {
            (Parts::Products { c, c2 }, Parts::Products { c: d, c2: d2 }) => {
                self.add_pair(c, &d);
                self.add_quadratic(c2, d2);
            }
            (Parts::Products { c, c2 }, Parts::Maps { mut sums, c2: d2 }) => {
                let c = self.extend(level, c)?;
                self.add_inner(&mut sums, 0, c);
                let mut c2 = c2.take();
                self.add_quadratic(&mut c2, d2);
                w.parts = Parts::Maps { sums, c2 };
            }
            (Parts::Maps { sums, c2 }, Parts::Products { c: d, c2: d2 }) => {
                let d = self.extend(level, &d)?;
                self.add_inner(sums, 0, d);
                self.add_quadratic(c2, d2);
            }
            (Parts::Maps { sums, c2 }, Parts::Maps { sums: others, c2: d2 }) => {
                for (step, sum) in once(others.first).chain(others.rest) {
                    self.add_inner(sums, step, sum);
                }
                self.add_quadratic(c2, d2);
            }
        }
        Ok(())
    }

    /// Adds an inner sum to the sum of its step, or as a new step.
    fn add_inner(&mut self, sums: &mut InnerSums<B>, step: i32, sum: Halves<B>) {
        match once(&mut sums.first).chain(&mut sums.rest).find(|(other, _)| *other == step) {
            Some((_, w)) => self.add_pair(w, &sum),
            None => sums.rest.push((step, sum)),
        }
    }

    fn add_quadratic(&mut self, w: &mut Option<Poly<Eval, B>>, v: Option<Poly<Eval, B>>) {
        match (w, v) {
            (Some(w), Some(v)) => self.be.zip_assign(Op::Add, v.basis(), w.limbs_mut(), v.limbs()),
            (w @ None, v) => *w = v,
            (Some(_), None) => {}
        }
    }
}
