//! Randomness of a client that the message and the secret enter. A device may lose the state of its generator, and
//! start again with old bytes. Here such bytes give another seed and another error for another message, so that two
//! messages never share a seed or an error. The same bytes and the same message give the same ciphertext again.
//!
//! The message is hashed by the polynomial of Poly1305 under a key of the secret. [RFC 8439, §2.5] A chain of ChaCha20
//! derives the generator from the secret, 32 random bytes, and the hash. Two messages have one hash with probability
//! below 2^-80 at n = 2^16.

use super::{
    derive::{self, Secrecy},
    secret::SecretSeed,
};
use crate::{
    params::Params,
    ring::{
        chain::{chain, words},
        sample::Seed,
    },
    wipe::SecretRng,
};
use core::hint::black_box;
use zeroize::{Zeroize, Zeroizing};

/// A generator for the seed and the error of one message. Reads 32 bytes of `rng`. `coefficients` are those of the
/// encoded message, an even number of them.
pub fn generator(
    params: &Params,
    secret: &SecretSeed,
    rng: &mut impl rand_core::CryptoRng,
    coefficients: impl Iterator<Item = i64>,
) -> SecretRng {
    let (mut key, mut drawn) = (Zeroizing::new(*secret.expose()), Zeroizing::new(Seed::default()));
    derive::secret(params, Secrecy::Hedge, 0, &mut key);
    let tag = Zeroizing::new(hash(&key, coefficients));
    rng.fill_bytes(&mut drawn[..]);
    key.copy_from_slice(secret.expose());
    derive::secret(params, Secrecy::Hedge, 1, &mut key);
    chain(&mut key, words(&drawn));
    chain(&mut key, *tag);
    SecretRng::from_seed(&key)
}

/// Poly1305 without its last addition: the polynomial with these blocks of two integers, at the clamped point of the
/// first 16 bytes of `key`, modulo 2^130 - 5, in its low 128 bits. No branch and no index depends on secrets.
fn hash(key: &Seed, mut integers: impl Iterator<Item = i64>) -> [u64; 2] {
    let [low, high, ..] = words(key);
    let mut r = halves([low & 0x0fff_fffc_0fff_ffff, high & 0x0fff_fffc_0fff_fffc]);
    let mut h = [0; 5]; // words of 32 bits, below 2^130 + 2^34
    while let Some(first) = integers.next() {
        let [a, b, c, d] = halves([first as u64, integers.next().unwrap_or_default() as u64]);
        h = product(&sum(&h, [a, b, c, d, 1]), &r);
    }
    r.zeroize();
    let more = sum(&h, [5, 0, 0, 0, 0]);
    let take = black_box((more[4] >> 2).wrapping_neg()); // all ones if h + 5 >= 2^130; the compiler must not branch
    let word = |i: usize| ((h[i] & !take) | (more[i] & take)) as u64;
    [word(0) | word(1) << 32, word(2) | word(3) << 32]
}

/// 128 bits in words of 32.
fn halves([low, high]: [u64; 2]) -> [u32; 4] {
    [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32]
}

/// h + x, below 2^160.
fn sum(h: &[u32; 5], x: [u32; 5]) -> [u32; 5] {
    let add = |h: u32, x: u32, carry: u64| h as u64 + x as u64 + (carry >> 32);
    let a = add(h[0], x[0], 0);
    let b = add(h[1], x[1], a);
    let c = add(h[2], x[2], b);
    let d = add(h[3], x[3], c);
    [a as u32, b as u32, c as u32, d as u32, add(h[4], x[4], d) as u32]
}

/// h r modulo 2^130 - 5, for h below 2^131. The words of r are below 2^28, and the low two bits of all but the first are
/// 0, so 2^128 r_i is 5/4 r_i. The words of the result are below 2^130 + 2^34. A sum of products is below 2^63.
fn product(h: &[u32; 5], r: &[u32; 4]) -> [u32; 5] {
    let [a, b, c, d, e] = h.map(u64::from);
    let [r0, r1, r2, r3] = r.map(u64::from);
    let [s1, s2, s3] = [r[1], r[2], r[3]].map(|r| (r + (r >> 2)) as u64);
    let x0 = a * r0 + b * s3 + c * s2 + d * s1;
    let x1 = a * r1 + b * r0 + c * s3 + d * s2 + e * s1 + (x0 >> 32);
    let x2 = a * r2 + b * r1 + c * r0 + d * s3 + e * s2 + (x1 >> 32);
    let x3 = a * r3 + b * r2 + c * r1 + d * r0 + e * s3 + (x2 >> 32);
    let top = (e * r0 + (x3 >> 32)) as u32;
    let wrapped = (top & !3) as u64 + (top >> 2) as u64; // 5 (top / 4): 2^130 is 5
    sum(&[x0 as u32, x1 as u32, x2 as u32, x3 as u32, top & 3], [wrapped as u32, (wrapped >> 32) as u32, 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// RFC 8439, §A.3, the vectors of whole blocks whose last addend is 0: 7, 9, 10 and 11.
    #[test]
    fn the_hash_is_that_of_poly1305() {
        let of = |r: u64, blocks: &[[u64; 2]]| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&r.to_le_bytes());
            hash(&key, blocks.iter().flatten().map(|x| *x as i64))
        };
        let (ones, most) = ([u64::MAX; 2], u64::MAX);
        let (fe, one) = (0xfefe_fefe_fefe_fefe, 0x0101_0101_0101_0101);
        assert_eq!(of(2, &[ones]), [3, 0]);
        assert_eq!(of(1, &[ones, [most - 0xf, most], [0x11, 0]]), [5, 0]);
        assert_eq!(of(1, &[ones, [fe - 3, fe], [one, one]]), [0, 0]);
        assert_eq!(of(2, &[[most - 2, most]]), [most - 5, most]);
    }

    #[test]
    fn one_coefficient_changes_the_hash() {
        let of = |x: i64| hash(&[9; 32], [1, -1, x, 0].into_iter());
        assert!(of(5) != of(6) && of(5) != of(-5) && of(0) != of(1 << 61));
        assert_eq!(of(5), of(5));
    }
}
