//! The reasons why no GPU can be opened.

use core::fmt;

/// A failure before the first buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The system has no adapter that wgpu finds.
    NoAdapter,
    /// No adapter has this in its name.
    NotFound {
        /// The requested name.
        asked: String,
        /// The number of adapters.
        among: usize,
    },
    /// 64-bit integers were requested, and the adapter has none.
    NoInt64 {
        /// The adapter.
        adapter: String,
    },
    /// A limit of the adapter is below the need of the shaders.
    Limit {
        /// The adapter.
        adapter: String,
        /// The name of the limit.
        limit: &'static str,
        /// The need of the shaders.
        need: u64,
        /// The limit of the adapter.
        have: u64,
    },
    /// The driver refused to open the device.
    Refused {
        /// The adapter.
        adapter: String,
        /// The message of the driver.
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
