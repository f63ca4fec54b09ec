//! RNS-CKKS on 32-bit words, generic over [`backend::Backend`]s, for microcontrollers, CPUs and GPUs.
//!
//! Read upwards: [`modular`] words, [`ring`] limbs, [`backend`] the hardware contract, [`poly`] typed polynomials,
//! [`params`] checked parameters, [`ckks`] the encryption scheme. [`arith`] is the language of circuits, of which
//! ciphertexts are one meaning; [`plain`] floats, [`interval`] enclosures, the cost [`trace`] and numbers with the [`noisy`]
//! errors of ciphertexts are others. A [`pair`] of them runs in lockstep, and what counts or looks is put [`around`] one.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod arith;
pub mod around;
pub mod backend;
#[cfg(feature = "alloc")]
pub mod bootstrap;
pub mod circuits;
pub mod ckks;
pub mod complex;
#[cfg(feature = "alloc")]
pub mod deep;
pub mod embedding;
pub mod error;
pub mod interval;
pub mod modular;
pub mod nn;
#[cfg(feature = "alloc")]
pub mod noisy;
#[cfg(feature = "alloc")]
pub mod pair;
pub mod params;
pub mod plain;
pub mod poly;
pub mod ring;
#[cfg(feature = "alloc")]
pub mod trace;

pub use error::{Error, Result};
