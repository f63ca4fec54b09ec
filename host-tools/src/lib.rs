//! Polyformer on a machine with an operating system: parameter sets, files, keys, and the command line.
#![warn(unsafe_code)]

pub mod chain;
pub mod spec;
