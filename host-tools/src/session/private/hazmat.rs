//! The exact values of a decryption. Their last digits are noise that depends on the secret key. Enough of such digits
//! may reveal the key (IND-CPA^D, eprint 2020/1533). The values are for the owner of the key alone: no value may be sent,
//! stored where others read, or printed in a report. [`Private::publish`] makes values that others may see.

use super::Private;

/// The values.
pub fn expose(private: &Private) -> &[f64] {
    private.values()
}
