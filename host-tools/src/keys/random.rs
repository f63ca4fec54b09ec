//! Randomness: a generator seeded by the operating system.

use crate::{Error, Result};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use zeroize::Zeroize;

/// `N` bytes from the operating system.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    let failed = |e: getrandom::Error| Error::usage("operating system", format!("no randomness: {e}"));
    getrandom::fill(&mut out).map_err(failed)?;
    Ok(out)
}

/// A generator for secrets and errors.
pub fn generator() -> Result<ChaCha20Rng> {
    let mut seed = bytes()?;
    let rng = ChaCha20Rng::from_seed(seed);
    seed.zeroize();
    Ok(rng)
}
