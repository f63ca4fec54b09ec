//! Polyformer on a machine with an operating system: parameter sets, files, keys, and the command line.
#![deny(unsafe_code)]

pub mod bench;
pub mod chain;
pub mod cipher;
pub mod cli;
pub mod compare;
pub mod error;
pub mod eval;
pub mod files;
pub mod host;
pub mod keygen;
pub mod memory;
pub mod model;
pub mod numbers;
pub mod plan;
pub mod private;
pub mod random;
pub mod secret;
pub mod session;
pub mod spec;
pub mod speed;
pub mod wire;

pub use error::{Error, Result};
