//! Evaluators of circuits other than ciphertexts. Each evaluator implements [`crate::arith::Arithmetic`].
//!
//! [`clear`] computes on floats, and [`interval`] computes on enclosures. [`trace`] counts cost and keys. [`noise`]
//! simulates the errors of ciphertexts. [`lockstep`] runs two evaluators at once. [`planner`] places bootstraps by
//! [`placement`].
//!
//! One circuit on three evaluators: the value, a certified enclosure of the value, and the cost.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use polyformer_kernel::{
//!     arith::Arithmetic,
//!     circuits::power,
//!     eval::{clear::ClearArray, interval::{Bounds, Interval}, trace::Trace},
//! };
//!
//! let [y] = power(&mut ClearArray::<f64, 1>::new(), &[0.3], 8)?;
//! let [bounds] = power(&mut Interval::<f64, 1>::new(), &[Bounds::point(0.3)], 8)?;
//! assert!(bounds.contains(y) && bounds.width() < 1e-16);
//!
//! let mut trace = Trace::new(1 << 15, None);
//! let x = trace.input(3);
//! let y = power(&mut trace, &x, 8)?; // x^8
//! assert_eq!((trace.level(&y), trace.cost().mul), (0, 3)); // three squares, depth 3
//! # }
//! # Ok::<(), polyformer_kernel::Error>(())
//! ```

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
