//! Evaluators: what a circuit can be run on instead of ciphertexts. All of them are [`crate::arith::Arithmetic`]s.
//!
//! [`clear`] computes on floats, [`interval`] on enclosures. [`trace`] counts cost and keys, [`noise`] simulates the errors
//! of ciphertexts. [`lockstep`] runs two evaluators side by side, and [`planner`] places bootstraps by [`placement`].

pub mod clear;
pub mod interval;
#[cfg(feature = "alloc")]
pub mod lockstep;
#[cfg(feature = "alloc")]
pub mod noise;
#[cfg(feature = "alloc")]
pub mod placement;
#[cfg(feature = "alloc")]
pub mod planner;
#[cfg(feature = "alloc")]
pub mod trace;
