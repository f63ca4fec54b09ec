//! Evaluators of circuits other than ciphertexts. Each evaluator implements [`crate::arith::Arithmetic`].
//!
//! [`clear`] computes on floats, and [`interval`] computes on enclosures. [`trace`] counts cost and keys. [`noise`]
//! simulates the errors of ciphertexts. [`lockstep`] runs two evaluators at once. [`planner`] places bootstraps by
//! [`placement`].

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
