//! Polyformer on a machine with an operating system: parameter sets, files, keys, and the command line.
#![deny(unsafe_code)]

pub mod chain;
pub mod error;
pub mod files;
pub mod spec;

pub use error::{Error, Result};
