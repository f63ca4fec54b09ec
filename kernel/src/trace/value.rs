//! What the tracer's vectors are: levels, and a count of how many are alive.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};
use core::cell::Cell;

/// How many vectors are alive, and how many have been at most.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) live: Cell<u32>,
    pub(super) peak: Cell<u32>,
}

/// Counts as one live vector while it exists.
#[derive(Debug)]
pub(super) struct Alive(Rc<Meter>);

impl Alive {
    pub(super) fn new(meter: &Rc<Meter>) -> Self {
        meter.live.set(meter.live.get() + 1);
        meter.peak.set(meter.peak.get().max(meter.live.get()));
        Self(meter.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.live.set(self.0.live.get() - 1);
    }
}

/// A vector known only by its level.
#[derive(Debug)]
pub struct Leveled {
    pub(super) level: u8,
    pub(super) alive: Alive,
}

/// A product known only by its level and degree in the secret.
#[derive(Debug)]
pub struct WideLevel {
    pub(super) level: u8,
    pub(super) quadratic: bool,
    pub(super) extended: bool,               // over P and Q, as linear maps leave it
    pub(super) giants: BTreeMap<i32, Alive>, // inner sums of linear maps by giant step, not yet taken
    pub(super) alive: Alive,
}

/// A public vector known only by its level and by what it was encoded for.
#[derive(Clone, Copy, Debug)]
pub struct PlainLevel {
    pub(super) level: u8,
    pub(super) diagonal: bool,
}

/// Rotations known only by their steps.
#[derive(Debug)]
pub struct HoistedLevel {
    pub(super) level: u8,
    pub(super) steps: BTreeSet<i32>,
    pub(super) _alive: alloc::vec::Vec<Alive>, // one each rotation
}
