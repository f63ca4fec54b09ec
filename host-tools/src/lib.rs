//! Polyformer on a machine with an operating system: parameter sets, files, keys, and the command line.
//!
//! A private question from a program of one's own:
//!
//! ```no_run
//! use polyformer::{model::Pretrained, session::Asker};
//!
//! let mut asker = Asker::open(Pretrained::open(None)?, "keys".as_ref())?;
//! let answer = asker.ask("I think someone used my card in another country")?;
//! # Ok::<(), polyformer::Error>(())
//! ```
//!
//! The folder `examples` of this package has five short programs. The programs are a sum, an attention head, a bootstrap,
//! a private question in memory, and an approximation with a certificate.
//!
//! The modules are layers. Each module imports from the modules before it in this list:
//! [`spec`], [`primes`], [`files`], [`error`], [`load`], [`machine`], [`keys`], [`plan`], [`model`], [`session`],
//! [`search`], [`accuracy`], [`mod@bench`], [`compare`], [`cli`].
#![deny(unsafe_code)]

pub mod accuracy;
pub mod bench;
pub mod cli;
pub mod compare;
pub mod error;
pub mod files;
pub mod keys;
pub mod load;
pub mod machine;
pub mod model;
pub mod plan;
pub mod primes;
pub mod search;
pub mod session;
pub mod spec;

pub use error::{Error, Result};
