//! From a caller's source of randomness to a generator: reads the source once, checks the bytes, and expands the bytes.

use super::sample::Seed;
use crate::{
    error::{Error, Result},
    wipe::SecretRng,
};
use zeroize::Zeroizing;

/// A generator that wipes, seeded with 32 of the first 64 bytes of `source`. The generator refuses an honest source once in 2^28
/// calls. [NIST SP 800-90B, §4.4.1, repetition count]
///
/// The check sees only repetition; a counter as a source would pass. The caller is responsible for the source.
///
/// # Errors
///
/// The source fails, or repeats a 32-bit word or the first 32 bytes, as a stuck source does.
pub fn generator(source: &mut impl rand_core::TryCryptoRng) -> Result<SecretRng> {
    let mut halves: Zeroizing<[Seed; 2]> = Zeroizing::new([[0; 32]; 2]);
    let drawn = halves.iter_mut().try_for_each(|half| source.try_fill_bytes(half).map_err(|_| Error::NoEntropy));
    drawn?;
    let repeats = |half: &Seed| half.chunks_exact(4).zip(half.chunks_exact(4).skip(1)).any(|(a, b)| a == b);
    if halves[0] == halves[1] || halves.iter().any(repeats) {
        return Err(Error::NoEntropy);
    }
    Ok(SecretRng::from_seed(&halves[0]))
}

#[cfg(test)]
mod tests {
    use super::generator;
    use crate::Error;
    use core::convert::Infallible;
    use rand_chacha::{
        ChaCha20Rng,
        rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng},
    };

    /// Bytes by their number.
    struct Source<F>(F, usize);

    impl<F: FnMut(usize) -> u8> TryRng for Source<F> {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unreachable!("bytes only")
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("bytes only")
        }
        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
            for b in out {
                *b = (self.0)(self.1);
                self.1 += 1;
            }
            Ok(())
        }
    }

    impl<F: FnMut(usize) -> u8> TryCryptoRng for Source<F> {}

    #[test]
    fn sources_that_repeat_are_refused() {
        let of = |f: fn(usize) -> u8| generator(&mut Source(f, 0)).map(|_| ());
        assert_eq!(of(|_| 0), Err(Error::NoEntropy));
        assert_eq!(of(|_| 0xff), Err(Error::NoEntropy));
        assert_eq!(of(|i| i as u8 % 4), Err(Error::NoEntropy), "the same word again and again");
        assert_eq!(of(|i| i as u8 % 32), Err(Error::NoEntropy), "the same block again and again");
        assert_eq!(of(|i| if i < 40 { i as u8 } else { 9 }), Err(Error::NoEntropy), "stuck after a while");
        assert_eq!(of(|i| i as u8), Ok(()));
    }

    #[test]
    fn a_good_source_seeds_the_generator_and_goes_on() {
        let mut source = ChaCha20Rng::from_seed([7; 32]);
        let (mut a, mut b) = (generator(&mut source).unwrap(), generator(&mut source).unwrap());
        let mut again = generator(&mut ChaCha20Rng::from_seed([7; 32])).unwrap();
        let first = a.next_u64();
        assert_eq!(first, again.next_u64());
        assert_ne!(first, b.next_u64());
    }
}
