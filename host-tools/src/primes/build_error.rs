//! The reasons why no chain is built, each with the numbers that disagree and with a choice that would work.

use super::{advice::Advice, scale_pattern::ScalePattern};
use std::fmt;

/// A parameter set that cannot be built, with requests that can.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildError {
    /// The reason.
    pub fault: Fault,
    /// Requests near this one that build.
    pub advice: Vec<Advice>,
}

impl std::error::Error for BuildError {}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)?;
        match &self.advice[..] {
            [] => Ok(()),
            [one] => write!(f, "; {one} can be built"),
            [all @ .., last] => {
                write!(f, "; ")?;
                all.iter().try_for_each(|one| write!(f, "{one} or "))?;
                write!(f, "{last} can be built")
            }
        }
    }
}

/// The reason why a parameter set cannot be built.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The ring degree is no power of two from 2^10 to 2^16.
    Degree {
        /// The requested degree.
        n: u64,
    },
    /// The scale is in no range of [`ScalePattern::ALL`].
    ScalePattern {
        /// log2 of the requested scale.
        scale_bits: f64,
    },
    /// More levels than a chain can have.
    Levels {
        /// Requested levels.
        asked: usize,
        /// The most, with or without bootstrapping.
        limit: usize,
    },
    /// Bootstrapping needs levels for SlotsToCoeffs.
    FewLevels {
        /// Requested levels.
        asked: u8,
        /// The fewest.
        limit: u8,
    },
    /// The scale leaves no room between the message and q0.
    BootstrapScale {
        /// log2 of the requested scale.
        scale_bits: f64,
        /// The largest.
        limit: f64,
    },
    /// More primes than a modulus chain can hold.
    Limbs {
        /// Primes needed.
        asked: usize,
        /// The most.
        limit: usize,
    },
    /// No prime is left that keeps the scale.
    Drift {
        /// The level without primes.
        level: usize,
        /// log2 of the scale of that level.
        got: f64,
        /// log2 of the requested scale.
        asked: f64,
    },
    /// A digit has too many primes for one conversion, or the number of digits is too large.
    Dnum {
        /// Requested digits.
        dnum: usize,
        /// The fewest digits for this chain.
        least: usize,
        /// The most.
        most: usize,
    },
    /// Over the security bound.
    Insecure {
        /// log2(QP).
        log_qp: f64,
        /// The largest allowed.
        bound: f64,
        /// log2 of the ring degree.
        log_n: u8,
        /// Digits of the chain that was measured; 0 for a client's chain.
        dnum: usize,
    },
    /// The kernel does not accept the chain.
    Kernel(polyformer_kernel::Error),
}

/// Result of building a chain, before advice is looked for.
pub type Result<T> = std::result::Result<T, Fault>;

impl From<polyformer_kernel::Error> for Fault {
    fn from(error: polyformer_kernel::Error) -> Self {
        Fault::Kernel(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Degree { n } => write!(f, "--n {n}: the ring degree is a power of two from 1024 to 65536"),
            Fault::ScalePattern { scale_bits } => {
                write!(f, "--scale-bits {scale_bits}: outside the ranges {}", ScalePattern::list())
            }
            Fault::Levels { asked, limit } => write!(f, "--levels {asked}: a chain has at most {limit} here"),
            Fault::FewLevels { asked, limit } => {
                write!(f, "--levels {asked}: bootstrapping takes {limit} message levels for itself")
            }
            Fault::BootstrapScale { scale_bits, limit } => {
                write!(
                    f,
                    "--scale-bits {scale_bits}: with --bootstrap at most {limit}, so that messages are small beside q0"
                )
            }
            Fault::Limbs { asked, limit } => {
                write!(f, "{asked} primes are needed and a modulus chain holds {limit}")
            }
            Fault::Drift { level, got, asked } => {
                write!(f, "--scale-bits {asked}: no primes are left for level {level}, whose scale would be 2^{got:.2}")
            }
            Fault::Dnum { dnum, least, most } => {
                write!(f, "--dnum {dnum}: this chain can be cut into {least} to {most} digits")
            }
            Fault::Insecure { log_qp, bound, log_n, dnum: 0 } => {
                write!(f, "log2(QP) is {log_qp:.1}, over the bound of {bound:.0} for N = 2^{log_n}")
            }
            Fault::Insecure { log_qp, bound, log_n, dnum } => {
                write!(f, "log2(QP) is {log_qp:.1} at dnum {dnum}, over the bound of {bound:.0} for N = 2^{log_n}")
            }
            Fault::Kernel(error) => error.fmt(f),
        }
    }
}
