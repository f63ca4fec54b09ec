//! RNS-CKKS on 32-bit words, generic over [`backend::Backend`]s, for microcontrollers, CPUs and GPUs.
//!
//! The modules are layers. Each layer imports from the layers above it in this list:
//!
//! 1. [`error`]: the error type, with the two numbers that disagree.
//! 2. [`math`]: words modulo q, complex numbers, the canonical embedding.
//! 3. [`arith`]: the trait of all circuits, and the units of their cost.
//! 4. [`ring`]: limbs, the specification of every operation on words.
//! 5. [`backend`]: the contract of the hardware, and polynomials with their domain in the type.
//! 6. [`params`]: checked parameters.
//! 7. [`ckks`]: the encryption scheme.
//! 8. [`eval`]: other evaluators of circuits: floats, intervals, cost, noise, lockstep, placement of bootstraps.
//! 9. [`circuits`]: polynomials, linear maps, attention, norms.
//! 10. [`bootstrap`]: bootstrapping as a circuit.
//! 11. [`nn`]: transformers in the clear and on slots.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arith;
pub mod backend;
#[cfg(feature = "alloc")]
pub mod bootstrap;
pub mod circuits;
pub mod ckks;
pub mod error;
pub mod eval;
pub mod math;
pub mod nn;
pub mod params;
pub mod ring;

pub use error::{Error, Result};
