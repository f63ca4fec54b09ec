//! An arithmetic whose refresh runs a bootstrap. The type works over any inner arithmetic: ciphertexts, the tracer, or
//! the noise simulator.

use super::{Bootstrapper, Recipe, StageObserver};
use crate::{
    arith::{ComplexArithmetic, cost::Demand, wrapper::Wrapper},
    error::{Error, Result},
    params::Params,
};
use core::ops::{Deref, DerefMut};

/// `A` with a [`Bootstrapper`], which runs at each refresh. Without a bootstrapper, a refresh is the refresh of `A`.
///
/// Dereferencing gives the inner evaluator.
#[derive(Debug)]
pub struct Bootstrapped<A: ComplexArithmetic> {
    inner: A,
    prepared: Option<(Bootstrapper<A::Plaintext>, Demand)>,
}

impl<A: ComplexArithmetic> Bootstrapped<A> {
    /// `inner` without a bootstrapper.
    pub fn new(inner: A) -> Self {
        Self { inner, prepared: None }
    }

    /// `inner` with matrices that another evaluator of the same kind has encoded. A dry run counts the encoding in the
    /// other evaluator.
    ///
    /// # Errors
    ///
    /// [`Error::NotHoisted`], and other errors of a bootstrapper for another number of slots.
    pub fn with(inner: A, bootstrapper: Bootstrapper<A::Plaintext>) -> Result<Self> {
        let demand = bootstrapper.demand(inner.slots())?;
        Ok(Self { inner, prepared: Some((bootstrapper, demand)) })
    }

    /// Replaces the bootstrapper by a bootstrapper of `recipe`. The old matrices are freed before the new ones are
    /// encoded.
    ///
    /// # Errors
    ///
    /// The errors of [`Bootstrapper::new`]. After an error the evaluator has no bootstrapper.
    pub fn prepare(&mut self, params: &Params, recipe: &Recipe) -> Result<()> {
        self.prepared = None;
        let bootstrapper = Bootstrapper::new(&mut self.inner, params, recipe)?;
        let demand = bootstrapper.demand(params.slots())?;
        self.prepared = Some((bootstrapper, demand));
        Ok(())
    }

    /// Bootstraps x: the same values at the level that [`super::Order`] says. `seen` is called after each stage.
    ///
    /// # Errors
    /// [`Error::NoBootstrap`] without a bootstrapper; the first key that is missing, before any work is done.
    pub fn bootstrap(&mut self, x: A::Slots, seen: StageObserver<'_, A>) -> Result<A::Slots> {
        let (bootstrapper, demand) = self.prepared.as_ref().ok_or(Error::NoBootstrap)?;
        self.inner.begin_bootstrap(demand)?;
        bootstrapper.refresh_seen(&mut self.inner, x, seen)
    }

    /// Bootstraps two real vectors at once ([`Bootstrapper::refresh_pair`]).
    ///
    /// # Errors
    /// As [`Bootstrapped::bootstrap`].
    pub fn bootstrap_pair(&mut self, pair: [A::Slots; 2]) -> Result<[A::Slots; 2]> {
        let (bootstrapper, demand) = self.prepared.as_ref().ok_or(Error::NoBootstrap)?;
        self.inner.begin_bootstrap(demand)?;
        bootstrapper.refresh_pair(&mut self.inner, pair)
    }

    /// The bootstrapper, or `None`.
    pub fn bootstrapper(&self) -> Option<&Bootstrapper<A::Plaintext>> {
        self.prepared.as_ref().map(|(bootstrapper, _)| bootstrapper)
    }

    /// The evaluator and the bootstrapper, for programs that run its stages one by one.
    pub fn parts(&mut self) -> (&mut A, Option<&Bootstrapper<A::Plaintext>>) {
        (&mut self.inner, self.prepared.as_ref().map(|(bootstrapper, _)| bootstrapper))
    }

    /// x, or an error if x has fewer levels than `depth`.
    fn reached(&self, x: A::Slots, depth: u8) -> Result<A::Slots> {
        let have = self.inner.level(&x);
        if have >= depth { Ok(x) } else { Err(Error::LevelExhausted { need: depth, have }) }
    }

    /// The evaluator; the bootstrapper is dropped.
    pub fn into_inner(self) -> A {
        self.inner
    }
}

impl<A: ComplexArithmetic> Deref for Bootstrapped<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.inner
    }
}

impl<A: ComplexArithmetic> DerefMut for Bootstrapped<A> {
    fn deref_mut(&mut self) -> &mut A {
        &mut self.inner
    }
}

impl<A: ComplexArithmetic> Wrapper for Bootstrapped<A> {
    type Inner = A;

    fn inner(&self) -> &A {
        &self.inner
    }

    fn inner_mut(&mut self) -> &mut A {
        &mut self.inner
    }

    fn refreshed(&mut self, x: A::Slots, depth: u8) -> Result<A::Slots> {
        if self.prepared.is_none() || self.inner.level(&x) >= depth {
            return self.inner.refresh(x, depth);
        }
        let x = self.bootstrap(x, &mut |_, _, _| Ok(()))?;
        self.reached(x, depth)
    }

    fn refreshed_pair(&mut self, [x, y]: [A::Slots; 2], depth: u8) -> Result<[A::Slots; 2]> {
        let low = self.inner.level(&x).max(self.inner.level(&y)) < depth;
        if !low || self.prepared.as_ref().is_none_or(|(bootstrapper, _)| !bootstrapper.takes_pairs()) {
            return Ok([self.refreshed(x, depth)?, self.refreshed(y, depth)?]);
        }
        let [x, y] = self.bootstrap_pair([x, y])?;
        Ok([self.reached(x, depth)?, self.reached(y, depth)?])
    }
}
