//! RNS-CKKS: approximate arithmetic on encrypted vectors, over any backend.
//!
//! A ciphertext (c0, c1) decrypts to c0 + c1 s = scale(level) m + e modulo Q_level. The scale is a function of the
//! level ([`crate::params`]), so no type stores a scale. Read [`encode`], [`keys`], [`encrypt`], then the evaluator.
//! [`noise`] predicts the error of each operation.

#[cfg(feature = "alloc")]
mod arithmetic;

#[cfg(feature = "alloc")]
mod client;
pub mod embedded;
pub mod encode;
#[cfg(feature = "alloc")]
mod encoder;
pub mod encrypt;
#[cfg(feature = "alloc")]
mod evaluation_keys;
#[cfg(feature = "alloc")]
mod evaluator;
mod gadget;
#[cfg(feature = "alloc")]
mod generate;
#[cfg(feature = "alloc")]
mod hoist;
pub mod keys;
pub mod noise;
mod public_key;
#[cfg(feature = "alloc")]
pub mod raise;
#[cfg(feature = "alloc")]
pub mod ring_switch;
mod secret;
#[cfg(feature = "alloc")]
mod transform;
#[cfg(feature = "alloc")]
mod wide;

#[cfg(feature = "alloc")]
pub use client::Client;
#[cfg(feature = "alloc")]
pub use encoder::Encoder;
#[cfg(feature = "alloc")]
pub(crate) use evaluator::alignment;
#[cfg(feature = "alloc")]
pub use evaluator::{Ckks, Plaintext};
#[cfg(feature = "alloc")]
pub use generate::public_seed;
#[cfg(feature = "alloc")]
pub use hoist::Hoisted;
#[cfg(feature = "alloc")]
pub use wide::Wide;

use crate::backend::{
    Backend,
    poly::{Eval, Poly},
};

/// (c0, c1) with c0 + c1 s = scale(level) m + e, both over Q of the level; perhaps a batch of them.
pub struct Ciphertext<B: Backend> {
    /// The two polynomials.
    pub c: [Poly<Eval, B>; 2],
    /// The level.
    pub level: u8,
}
