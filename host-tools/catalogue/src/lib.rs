//! Every circuit of the kernel by name, at parameters that models use.
//!
//! A [`Circuit`] is a value, so one list serves every evaluator. The users are the tests of depth and of agreement, the
//! planner, `polyformer compare` and the fuzzers. An [`Entry`] adds the name, the layout of the rows, the range of the
//! inputs, and the definition in floats. Its test inputs are equal on every machine.
#![forbid(unsafe_code)]

mod circuit;
mod entry;
mod lists;
mod sample_numbers;

pub use circuit::{Circuit, Form};
pub use entry::Entry;
pub use lists::{Candidate, attention, candidates, every};
pub use sample_numbers::SampleNumbers;
