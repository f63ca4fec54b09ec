//! The largest log2(QP) at each ring degree: uniform ternary secret, error of standard deviation 3.19, classical
//! attacks. Source: "Security Guidelines for Implementing Homomorphic Encryption" (eprint 2024/463).

use crate::error::{Error, Result};

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

    /// An error with both numbers if log2(QP) is over the bound.
    ///
    /// # Errors
    /// [`Error::Insecure`] with both numbers; [`Error::NoBound`].
    pub fn check(self, log_n: u8, log_qp: f64) -> Result<()> {
        let bound = self.bound(log_n)?;
        if log_qp <= bound { Ok(()) } else { Err(Error::Insecure { log_qp, bound }) }
    }
}
