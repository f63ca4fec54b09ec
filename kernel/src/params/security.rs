//! The largest log2(QP) at each ring degree: uniform ternary secret, error of standard deviation 3.19, classical
//! attacks. Source: "Security Guidelines for Implementing Homomorphic Encryption" (eprint 2024/463).
//!
//! Bootstrapping has an ephemeral secret of weight 32 beside the dense secret. Its keys have a bound of their own, and a
//! case without a bound in the table is refused. [eprint 2022/024, 2026/279]

use super::Params;
use crate::{
    error::{Error, Result},
    ring::Basis,
};

/// A security level, in bits against classical attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Security {
    /// 128 bits.
    Bits128,
    /// 192 bits.
    Bits192,
    /// 256 bits.
    Bits256,
    /// No security at all: small rings for tests. The tools never write such a parameter set.
    Toy,
}

/// log2 of the ring degree, then the bound at 128, 192 and 256 bits. 0 means that the table has no bound.
const BOUNDS: [(u8, [u16; 3]); 8] = [
    (10, [26, 0, 0]),
    (11, [53, 36, 27]),
    (12, [106, 73, 56]),
    (13, [214, 147, 114]),
    (14, [430, 297, 230]),
    (15, [868, 597, 462]),
    (16, [1747, 1199, 929]),
    (17, [3523, 2411, 1866]),
];

/// Coefficients of the ephemeral secret of ModRaise that are not zero.
pub const SPARSE_WEIGHT: u32 = 32;

/// log2 of the ring degree, weight, bits of security, and the largest log2 of the modulus of a key under a sparse secret.
/// Hybrid attacks on weight 32 at 2^16 cost 2^167 under 104 bits, and 2^156 on weight 30 under 118 bits. [eprint 2026/279]
const SPARSE_BOUNDS: [(u8, u32, Security, f64); 1] = [(16, SPARSE_WEIGHT, Security::Bits128, 120.0)];

/// The secret that a key is under, for the bound on its modulus.
#[derive(Clone, Copy, Debug)]
pub enum KeySecret<'a> {
    /// The uniform ternary secret of the parameter set.
    Dense,
    /// The ephemeral secret of ModRaise, with this many coefficients that are not zero.
    Sparse(u32),
    /// The secret of a small ring, as an element of the ring of the parameter set.
    Small(&'a Params),
}

impl Security {
    /// Bits; 0 for [`Security::Toy`].
    pub const fn bits(self) -> u16 {
        match self {
            Security::Bits128 => 128,
            Security::Bits192 => 192,
            Security::Bits256 => 256,
            Security::Toy => 0,
        }
    }

    /// The largest log2(QP) at ring degree 2^`log_n`; infinite for [`Security::Toy`].
    ///
    /// # Errors
    /// [`Error::NoBound`] without a table for the ring degree.
    pub fn bound(self, log_n: u8) -> Result<f64> {
        let column = match self {
            Security::Bits128 => 0,
            Security::Bits192 => 1,
            Security::Bits256 => 2,
            Security::Toy => return Ok(f64::INFINITY),
        };
        let row = BOUNDS.iter().find(|(n, bounds)| *n == log_n && bounds[column] > 0);
        row.map(|(_, bounds)| bounds[column] as f64).ok_or(Error::NoBound { log_n })
    }

    /// The largest log2 of the modulus of a key under a sparse secret; infinite for [`Security::Toy`].
    ///
    /// # Errors
    /// [`Error::NoSparseBound`] where nothing is tabulated.
    pub fn sparse_bound(self, log_n: u8, weight: u32) -> Result<f64> {
        if self == Security::Toy {
            return Ok(f64::INFINITY);
        }
        let row = SPARSE_BOUNDS.iter().find(|(n, w, security, _)| (*n, *w, *security) == (log_n, weight, self));
        row.map(|(.., bound)| *bound).ok_or(Error::NoSparseBound { weight, log_n, bits: self.bits() })
    }

    /// An error with both numbers if log2(QP) is over the bound.
    ///
    /// # Errors
    /// [`Error::Insecure`] with both numbers; [`Error::NoBound`].
    pub fn check(self, log_n: u8, log_qp: f64) -> Result<()> {
        within(log_qp, self.bound(log_n)?)
    }
}

impl Params {
    /// The base and as many specials: the only moduli under which a key for the ephemeral sparse secret may exist.
    ///
    /// # Errors
    /// [`Error::NoBootstrap`] without enough special primes; those of [`Params::check_key`].
    pub fn sparse_basis(&self) -> Result<Basis> {
        let specials = self.base.len() as u16;
        if specials > self.specials {
            return Err(Error::NoBootstrap);
        }
        let basis = self.base.with(specials);
        self.check_key(KeySecret::Sparse(SPARSE_WEIGHT), basis)?;
        Ok(basis)
    }

    /// Checks that a key under `secret` may exist over `basis`. Every generator and every parser of keys calls this
    /// function.
    ///
    /// # Errors
    /// [`Error::Insecure`] with log2 of the modulus and the bound of the secret; [`Error::NoBound`] and
    /// [`Error::NoSparseBound`] where no bound is tabulated; [`Error::WeakRing`] for a small ring whose security is below
    /// the security of this set.
    pub fn check_key(&self, secret: KeySecret<'_>, basis: Basis) -> Result<()> {
        let bound = match secret {
            KeySecret::Dense => self.security.bound(self.log_n)?,
            KeySecret::Sparse(weight) => self.security.sparse_bound(self.log_n, weight)?,
            KeySecret::Small(ring) => {
                let (small, large) = (ring.security.bits(), self.security.bits());
                if small < large {
                    return Err(Error::WeakRing { small, large });
                }
                ring.security.bound(ring.log_n)?
            }
        };
        within(self.log_product(basis), bound)
    }
}

/// An error with both numbers if `log_qp` is over `bound`.
fn within(log_qp: f64, bound: f64) -> Result<()> {
    if log_qp <= bound { Ok(()) } else { Err(Error::Insecure { log_qp, bound }) }
}
