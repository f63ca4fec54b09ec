//! The public name of a secret key.

use super::fields::hex;
use std::fmt;

/// Which secret key a file belongs to: a one-way function of its seed, safe to publish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyId(pub [u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
