//! Errors of the tools. Each error is one line, `SUBJECT: what, with the two values that disagree`. The subject is a
//! file or an option.

use crate::{files::FileError, primes::BuildError};
use std::path::{Path, PathBuf};

/// An error of the tools.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A fault of a file.
    #[error("{}: {fault}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The fault.
        fault: FileError,
    },
    /// An option or argument has a value that cannot be used.
    #[error("{subject}: {what}")]
    Usage {
        /// The option.
        subject: String,
        /// The fault, with the values.
        what: String,
    },
    /// A result that cannot be trusted: an answer that no honest server gives, or numbers that are not finite.
    #[error("{subject}: {what}")]
    Unreliable {
        /// The result.
        subject: String,
        /// The fault, with the values.
        what: String,
    },
    /// No such chain.
    #[error(transparent)]
    Chain(#[from] BuildError),
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] polyformer_kernel::Error),
}

/// Result of the tools.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An unusable option.
    pub fn usage(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Usage { subject: subject.into(), what: what.into() }
    }

    /// A result that cannot be trusted.
    pub fn unreliable(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Unreliable { subject: subject.into(), what: what.into() }
    }

    /// The exit code of the program: 1 if the work was done and its result cannot be trusted, else 2.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Unreliable { .. }) { 1 } else { 2 }
    }
}

/// A number for a report that others see: rounded to two significant digits.
pub fn two_digits(x: f64) -> f64 {
    format!("{x:.1e}").parse().unwrap_or(x) // what was printed is a number
}

/// Names the file that a fault is in.
pub trait WithPath<T> {
    /// The fault becomes an error about `path`.
    fn with_path(self, path: &Path) -> Result<T>;
}

impl<T, F: Into<FileError>> WithPath<T> for std::result::Result<T, F> {
    fn with_path(self, path: &Path) -> Result<T> {
        self.map_err(|fault| Error::File { path: path.into(), fault: fault.into() })
    }
}
