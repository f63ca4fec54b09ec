//! One key from another: a chain of ChaCha20 calls, one for each 64-bit word of the input. The tree of all chains is a
//! pseudorandom function of Goldreich, Goldwasser and Micali. [doi 10.1145/6490.6503] Inputs under one key have one length,
//! so that no chain is the beginning of another chain.

use super::sample::Seed;
use crate::wipe::SecretRng;
use rand_core::Rng;

/// For each word: the key becomes the first 32 bytes of ChaCha20 under the key, with the word as stream number. The order
/// of the words matters. The caller wipes a secret key.
pub fn chain(key: &mut Seed, words: impl IntoIterator<Item = u64>) {
    words.into_iter().for_each(|word| step(key, word));
}

#[inline(never)] // one copy of ChaCha20 in the code of a small device
fn step(key: &mut Seed, word: u64) {
    SecretRng::with_stream(key, word).fill_bytes(key);
}

/// The four 64-bit words of 32 bytes, little-endian.
pub fn words(bytes: &Seed) -> [u64; 4] {
    let mut out = [0; 4];
    for (word, bytes) in out.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{chain, words};

    #[test]
    fn a_chain_depends_on_every_word_and_on_their_order() {
        let of = |words: &[u64]| {
            let mut key = [5; 32];
            chain(&mut key, words.iter().copied());
            key
        };
        let all = [of(&[]), of(&[0]), of(&[1]), of(&[1, 2]), of(&[2, 1]), of(&[1, 2, 0]), of(&[1 << 32, 2])];
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b), "{i}");
        }
        assert_eq!(of(&[1, 2]), of(&[1, 2]));
    }

    #[test]
    fn words_are_little_endian() {
        let mut bytes = [0; 32];
        bytes[9] = 3;
        assert_eq!(words(&bytes), [0, 3 << 8, 0, 0]);
    }
}
