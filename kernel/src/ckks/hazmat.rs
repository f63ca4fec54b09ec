//! The raw pieces of encryption, for known answers and tests of the scheme. Everything else uses [`super::encrypt`],
//! [`super::embedded`] and the generators in [`super::keys`], which draw seeds and errors themselves.
//!
//! A caller of these functions can give the secret away. Two pairs with one uniform half under one secret differ by their
//! errors and messages alone. One error under two uniform halves gives the secret by a division.

pub use super::{encrypt::symmetric, gadget::gadget_pair, hedge::generator as hedged};
