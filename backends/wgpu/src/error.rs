//! The reasons why no GPU can be opened.

use core::fmt;

/// What can be wrong before the first buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The system has no adapter that wgpu finds.
    NoAdapter,
    /// No adapter has this in its name.
    NotFound {
        /// What was asked for.
        asked: String,
        /// How many adapters there are.
        among: usize,
    },
    /// 64-bit integers were asked for, and the adapter has none.
    NoInt64 {
        /// The adapter.
        adapter: String,
    },
    /// A limit of the adapter is below what the shaders need.
    Limit {
        /// The adapter.
        adapter: String,
        /// The name of the limit.
        limit: &'static str,
        /// What the shaders need.
        need: u64,
        /// What the adapter has.
        have: u64,
    },
    /// The driver refused to open the device.
    Refused {
        /// The adapter.
        adapter: String,
        /// What it said.
        reason: String,
    },
}

/// Result with this error.
pub type Result<T> = core::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoAdapter => write!(f, "no adapter"),
            Error::NotFound { asked, among } => write!(f, "none of {among} adapters is named like {asked}"),
            Error::NoInt64 { adapter } => write!(f, "{adapter} has no 64-bit integers"),
            Error::Limit { adapter, limit, need, have } => write!(f, "{adapter}: {limit} is {have}, {need} needed"),
            Error::Refused { adapter, reason } => write!(f, "{adapter}: {reason}"),
        }
    }
}

impl core::error::Error for Error {}
