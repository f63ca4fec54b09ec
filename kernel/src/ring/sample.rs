//! Random polynomials: uniform words from a public seed, and ternary secrets and centred binomial errors from the
//! caller's generator.

use crate::math::modular::Modulus;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

/// A public 32-byte seed, from which the uniform half of a key or ciphertext is expanded.
pub type Seed = [u8; 32];

/// Standard deviation of [`error`]: sqrt(42/4), just above the 3.19 of the security tables.
pub const ERROR_STD: f64 = 3.24037034920393;
/// Largest absolute value of [`error`].
pub const ERROR_MAX: i64 = 21;

/// Uniform residues modulo q: ChaCha20 under a seed and a stream. Candidates of 30 or fewer bits that are not below q
/// are rejected. Each (digit, modulus) has its own stream, so that any row can be made alone.
/// The words are uniform in every form, so Eval limbs take the words unchanged.
pub struct Uniform {
    rng: ChaCha20Rng,
    q: u32,
    mask: u32,
    good: [u32; CHUNK],
}

/// Candidates of a chunk; a power of two.
const CHUNK: usize = 64;

impl Uniform {
    /// From the start of `stream`.
    pub fn new(q: Modulus, seed: &Seed, stream: u64) -> Self {
        let mut rng = ChaCha20Rng::from_seed(*seed);
        rng.set_stream(stream);
        Self { rng, q: q.q(), mask: u32::MAX >> (q.q().leading_zeros() & 31), good: [0; CHUNK] }
    }

    /// The next residues, however many of [`CHUNK`] candidates are left.
    pub fn chunk(&mut self) -> &[u32] {
        let mut bytes = [0u8; 4 * CHUNK];
        self.rng.fill_bytes(&mut bytes);
        let mut kept = 0;
        for b in bytes.chunks_exact(4) {
            let x = u32::from_le_bytes([b[0], b[1], b[2], b[3]]) & self.mask;
            self.good[kept & (CHUNK - 1)] = x; // at most as many were kept as seen
            kept += (x < self.q) as usize; // no branch: it would be mispredicted
        }
        self.good.get(..kept).unwrap_or(&[])
    }
}

/// The first residues of a stream of [`Uniform`].
pub fn uniform(q: Modulus, seed: &Seed, stream: u64, out: &mut [u32]) {
    let mut words = Uniform::new(q, seed, stream);
    let mut rest = out;
    while !rest.is_empty() {
        let chunk = words.chunk();
        let (now, later) = rest.split_at_mut(chunk.len().min(rest.len()));
        now.iter_mut().zip(chunk).for_each(|(o, x)| *o = *x);
        rest = later;
    }
}

/// Uniform in {-1, 0, 1}, constant time: floor(3u / 2^64) - 1 for a random u, off by less than 2^-62.
pub fn trit(rng: &mut impl rand_core::CryptoRng) -> i64 {
    ((rng.next_u64() as u128 * 3) >> 64) as i64 - 1
}

/// Each a [`trit`].
pub fn ternary(rng: &mut impl rand_core::CryptoRng, out: &mut [i64]) {
    for x in out {
        *x = trit(rng);
    }
}

/// Exactly `weight` coefficients uniform in {-1, 1} at uniform places, the others 0. The written addresses do not
/// depend on the places. The time shows how often a place is drawn twice, which reveals nothing about the places.
pub fn sparse_ternary(rng: &mut impl rand_core::CryptoRng, weight: u32, out: &mut [i64]) {
    out.fill(0);
    let mut placed = 0;
    while placed < weight.min(out.len() as u32) as i64 {
        let (draw, sign) = (rng.next_u64(), rng.next_u32());
        let place = ((draw as u128 * out.len() as u128) >> 64) as usize;
        let sign = 1 - 2 * (sign & 1) as i64;
        for (i, x) in out.iter_mut().enumerate() {
            let (here, free) = ((i == place) as i64, (*x == 0) as i64);
            *x += here * free * sign;
            placed += here * free;
        }
    }
}

/// Adds centred binomial noise, 42 coin flips a coefficient: standard deviation [`ERROR_STD`], constant time.
pub fn error(rng: &mut impl rand_core::CryptoRng, acc: &mut [i64]) {
    for x in acc {
        *x += binomial(rng);
    }
}

/// One centred binomial sample.
pub fn binomial(rng: &mut impl rand_core::CryptoRng) -> i64 {
    const HALF: u64 = (1 << ERROR_MAX) - 1;
    let bits = rng.next_u64();
    (bits & HALF).count_ones() as i64 - ((bits >> ERROR_MAX) & HALF).count_ones() as i64
}
