//! The laws: the properties of every backend and every layer, and the tools to check the properties.
//!
//! Read the modules in this order:
//!
//! 1. [`chain`]: rings for tests; [`data`]: their words.
//! 2. [`program`]: a few backend operations as a value; [`oracle`]: the results by definition, in big integers.
//! 3. [`mod@conformance`]: the suite that compares a backend with the oracle; [`conformance::random`]: random programs.
//! 4. [`mutant`]: backends with one fault each, which the suite must find.
//! 5. [`client`], [`transformer`], [`mod@encoder`], [`bootstrapping`]: the parts of end-to-end tests.
//! 6. [`fake_bootstrap`], [`probe`]: evaluators for tests; [`spread`]: measured errors against predicted errors.
//! 7. [`approximations`]: the properties of the circuits, for bytes that a fuzzer chooses.

pub mod approximations;
pub mod bootstrapping;
pub mod chain;
pub mod client;
pub mod command;
pub mod conformance;
pub mod data;
pub mod encoder;
pub mod fake_bootstrap;
pub mod mutant;
pub mod oracle;
pub mod probe;
pub mod program;
pub mod spread;
pub mod transformer;
