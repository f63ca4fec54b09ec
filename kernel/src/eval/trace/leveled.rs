//! The tracer's types of a vector, a product, a public vector and hoisted rotations: their levels, and a count of the
//! vectors alive.

use super::meter::Alive;
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

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
    pub(super) maps: Option<BTreeMap<i32, Alive>>, // over P and Q if there is a linear map; its inner sums by giant step
    pub(super) alive: Alive,
}

/// A public vector, reduced to its level and the purpose of its encoding.
#[derive(Debug)]
pub struct PlainLevel {
    pub(super) level: u8,
    pub(super) diagonal: bool,
    pub(super) _alive: Alive,
}

/// Rotations known only by their steps.
#[derive(Debug)]
pub struct HoistedLevel {
    pub(super) level: u8,
    pub(super) steps: BTreeSet<i32>,
    pub(super) _alive: Vec<Alive>, // one each rotation
}
