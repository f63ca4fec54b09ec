//! Secrets leave no copy in memory: a generator that wipes, a guard that wipes a buffer on every exit, and a way to
//! overwrite what returned functions left on the stack.
//!
//! Rust copies values when they move, and a copy that nobody owns cannot be wiped by its owner. For that reason secrets
//! are passed by reference, and [`on_a_clean_stack`] runs the functions that expand a seed.

use core::{
    convert::Infallible,
    hint::black_box,
    ops::{Deref, DerefMut},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use rand_core::{TryCryptoRng, TryRng};
use zeroize::{DefaultIsZeroes, Zeroize};

/// ChaCha20 under a secret seed: for secrets, errors, and everything else that the public must not recompute. The words
/// are the words of [`ChaCha20Rng`] under the same seed. The state and the buffered words are overwritten on drop.
pub struct SecretRng(ChaCha20Rng);

impl SecretRng {
    /// The generator of a seed. The caller wipes the seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(*seed))
    }

    /// The generator of a seed and a stream number; [`SecretRng::from_seed`] is stream 0.
    pub fn with_stream(seed: &[u8; 32], stream: u64) -> Self {
        let mut rng = Self::from_seed(seed);
        rng.0.set_stream(stream);
        rng
    }
}

impl TryRng for SecretRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(out)
    }
}

impl TryCryptoRng for SecretRng {}

impl Drop for SecretRng {
    fn drop(&mut self) {
        self.0 = ChaCha20Rng::from_seed([0; 32]); // every byte of the state and of the buffer
        black_box(&mut self.0); // which the compiler must then take as read
    }
}

impl core::fmt::Debug for SecretRng {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SecretRng")
    }
}

/// A borrowed buffer that is overwritten with zeros at the end of the guard, whichever way the scope ends.
#[derive(Debug)]
pub struct Wiped<'a, T: DefaultIsZeroes>(&'a mut [T]);

impl<'a, T: DefaultIsZeroes> Wiped<'a, T> {
    /// A guard of `buffer`.
    pub fn new(buffer: &'a mut [T]) -> Self {
        Self(buffer)
    }
}

impl<T: DefaultIsZeroes> Deref for Wiped<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        self.0
    }
}

impl<T: DefaultIsZeroes> DerefMut for Wiped<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.0
    }
}

impl<T: DefaultIsZeroes> Drop for Wiped<'_, T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Runs `work`, then overwrites `BYTES` bytes of the stack below the caller, where the returned functions had their
/// variables. The language does not promise this effect. `host-tools/tests/residue.rs` searches the memory of a process
/// for copies.
pub fn on_a_clean_stack<const BYTES: usize, T>(work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    overwrite::<BYTES>();
    result
}

/// A frame of its own, so that the variables of `work` do not lie in the frame of the caller.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite<const BYTES: usize>() {
    black_box(&mut [0u8; BYTES]);
}

#[cfg(test)]
mod tests {
    use super::{SecretRng, Wiped};
    use rand_chacha::{
        ChaCha20Rng,
        rand_core::{Rng, SeedableRng},
    };

    #[test]
    fn the_words_are_those_of_the_public_generator() {
        let (mut ours, mut theirs) = (SecretRng::from_seed(&[7; 32]), ChaCha20Rng::from_seed([7; 32]));
        let (mut a, mut b) = ([0; 37], [0; 37]);
        for _ in 0..100 {
            assert_eq!((ours.next_u32(), ours.next_u64()), (theirs.next_u32(), theirs.next_u64()));
            ours.fill_bytes(&mut a);
            theirs.fill_bytes(&mut b);
            assert_eq!(a, b);
        }
    }

    #[test]
    fn a_guarded_buffer_is_wiped_on_an_early_return() {
        fn fails(buffer: &mut [i64]) -> Result<(), ()> {
            let mut guard = Wiped::new(buffer);
            guard.fill(5);
            Err(())?;
            guard.fill(6);
            Ok(())
        }
        let mut buffer = [1i64; 8];
        assert_eq!(fails(&mut buffer), Err(()));
        assert_eq!(buffer, [0; 8]);
    }
}
