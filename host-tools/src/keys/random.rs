//! Randomness: bytes of the operating system, and a generator that they seed.

use crate::{Error, Result};
use polyformer_kernel::wipe::SecretRng;
use zeroize::Zeroizing;

/// `N` bytes from the operating system.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

/// Bytes from the operating system, written in place.
pub fn fill(out: &mut [u8]) -> Result<()> {
    getrandom::fill(out).map_err(|e| Error::usage("operating system", format!("no randomness: {e}")))
}

/// A generator for secrets and errors.
pub fn generator() -> Result<SecretRng> {
    let mut seed = Zeroizing::new([0; 32]);
    fill(&mut seed[..])?;
    Ok(SecretRng::from_seed(&seed))
}
