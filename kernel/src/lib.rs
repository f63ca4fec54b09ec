//! RNS-CKKS on 32-bit words, generic over [`backend::Backend`]s, for microcontrollers, CPUs and GPUs.
//!
//! The modules are layers. Each layer imports from the layers above it in this list:
//!
//! 1. [`error`]: the error type, with the two numbers that disagree.
//! 2. [`wipe`]: generators, buffers and stacks that keep no copy of a secret.
//! 3. [`math`]: words modulo q, complex numbers, the canonical embedding.
//! 4. [`arith`]: the trait of all circuits, and the units of their cost.
//! 5. [`ring`]: limbs, the specification of every operation on words.
//! 6. [`backend`]: the contract of the hardware, and polynomials with their domain in the type.
//! 7. [`params`]: checked parameters.
//! 8. [`ckks`]: the encryption scheme.
//! 9. [`eval`]: other evaluators of circuits: floats, intervals, cost, noise, lockstep, placement of bootstraps.
//! 10. [`circuits`]: polynomials, linear maps, attention, norms.
//! 11. [`bootstrap`]: bootstrapping as a circuit.
//! 12. [`nn`]: transformers in the clear and on slots.
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
pub mod wipe;

pub use error::{Error, Result};
