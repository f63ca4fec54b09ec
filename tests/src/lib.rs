//! The laws: what must be true of every backend and every layer, and the means to check it.
//!
//! Read in this order: [`chain`] rings to test on, [`data`] their words, [`program`] a few backend operations as a
//! value, [`oracle`] what they mean, by definition and in big integers, [`mod@conformance`] the suite that holds a
//! backend to it, [`conformance::random`] programs without end, [`mutant`] backends with one fault that the suite must find.
//! [`client`], [`transformer`] and [`bootstrapping`] are what end-to-end tests encrypt with and run, [`fake_bootstrap`] and
//! [`probe`] meanings of circuits for tests alone, [`spread`] measured errors beside predicted ones, [`approximations`] what the circuits promise, for bytes that a fuzzer
//! chooses.

pub mod approximations;
pub mod bootstrapping;
pub mod chain;
pub mod client;
pub mod conformance;
pub mod data;
pub mod fake_bootstrap;
pub mod mutant;
pub mod oracle;
pub mod probe;
pub mod program;
pub mod spread;
pub mod transformer;
