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

const LOW: u64 = (1 << 26) - 1;

/// Poly1305 without its last addition: the polynomial with these blocks of two integers, at the clamped point of the
/// first 16 bytes of `key`, modulo 2^130 - 5, in its low 128 bits. No branch and no index depends on secrets.
fn hash(key: &Seed, mut integers: impl Iterator<Item = i64>) -> [u64; 2] {
    let [low, high, ..] = words(key);
    let mut r = limbs(low & 0x0fff_fffc_0fff_ffff, high & 0x0fff_fffc_0fff_fffc);
    let mut h = [0; 5]; // below 2^27 each
    while let Some(first) = integers.next() {
        let block = limbs(first as u64, integers.next().unwrap_or_default() as u64);
        h.iter_mut().zip(block).for_each(|(h, x)| *h += x);
        h[4] += 1 << 24;
        h = product(&h, &r);
    }
    r.zeroize();
    reduced(h)
}

/// 128 bits in limbs of 26.
fn limbs(low: u64, high: u64) -> [u32; 5] {
    let at = |x: u64| (x & LOW) as u32;
    [at(low), at(low >> 26), at(low >> 52 | high << 12), at(high >> 14), (high >> 40) as u32]
}

/// h r modulo 2^130 - 5. Limbs of h are below 2^28, of r below 2^26; limbs of the result are below 2^27.
fn product(h: &[u32; 5], r: &[u32; 5]) -> [u32; 5] {
    let mut d = [0u64; 5];
    for (k, d) in d.iter_mut().enumerate() {
        for (i, h) in h.iter().enumerate() {
            let wraps = if i > k { 5 } else { 1 }; // 2^130 = 5
            *d += *h as u64 * (wraps * r[(5 + k - i) % 5]) as u64;
        }
    }
    let (mut out, mut carry) = ([0; 5], 0);
    for (out, d) in out.iter_mut().zip(d) {
        *out = ((d + carry) & LOW) as u32;
        carry = (d + carry) >> 26;
    }
    let first = out[0] as u64 + 5 * carry;
    out[0] = (first & LOW) as u32;
    out[1] += (first >> 26) as u32;
    out
}

/// The representative below 2^130 - 5, modulo 2^128.
fn reduced(mut h: [u32; 5]) -> [u64; 2] {
    for _ in 0..2 {
        let mut carry = 0;
        for h in &mut h {
            let x = *h + carry;
            (*h, carry) = (x & LOW as u32, x >> 26);
        }
        h[0] += 5 * carry;
    }
    let (mut less, mut carry) = ([0; 5], 5); // h + 5 - 2^130
    for (out, h) in less.iter_mut().zip(h) {
        let x = h + carry;
        (*out, carry) = (x & LOW as u32, x >> 26);
    }
    let take = black_box(carry.wrapping_neg()); // all ones if h + 5 >= 2^130; the compiler must not make a branch of it
    h.iter_mut().zip(less).for_each(|(h, l)| *h = (*h & !take) | (l & take));
    let [a, b, c, d, e] = h.map(|x| x as u64);
    [a | b << 26 | c << 52, c >> 12 | d << 14 | e << 40]
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
