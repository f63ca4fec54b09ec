//! Every circuit of the kernel by name, at parameters that models use.
//!
//! A [`Circuit`] is a value, so that one list serves every evaluator: the tests of depth and of agreement between
//! evaluators, the planner, `polyformer compare` and the fuzzers. An [`Entry`] adds the name, the layout of the rows, the
//! range of the inputs, test inputs that are the same on every machine, and the definition in floats.
#![forbid(unsafe_code)]

mod circuit;
mod entry;
mod lists;

pub use circuit::{Circuit, Form};
pub use entry::Entry;
pub use lists::{attention, every};
