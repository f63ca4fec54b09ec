//! The candidate primes, and the two choices: the prime nearest to a size, and the pair nearest to a product.

use polyformer_kernel::math::modular::Modulus;
use std::sync::OnceLock;

/// Every prime is 1 modulo this number, so that one list serves every ring up to n = 2^16.
pub const STEP: u32 = 1 << 17;

/// The two rescaling primes of the rational pattern, of 20.2 and 19.6 bits, in the order of the modulus chain.
pub const RESCALING_PRIMES: [u32; 2] = [786433, 1179649];

/// The two rescaling primes of the pattern of three primes in two levels, of 21.4 and 23.0 bits.
pub const WIDE_RESCALING_PRIMES: [u32; 2] = [2752513, 8257537];

/// A prime and its size in bits.
#[derive(Clone, Copy, Debug)]
pub struct Prime {
    /// The prime.
    pub q: u32,
    /// log2 of the prime.
    pub bits: f64,
}

/// log2 of a prime, the same on every machine.
pub fn bits(q: u32) -> f64 {
    libm::log2(q as f64)
}

/// log2 of the product of `primes`.
pub fn total(primes: &[u32]) -> f64 {
    primes.iter().map(|q| bits(*q)).sum()
}

/// All primes below 2^30 that are 1 modulo [`STEP`], the largest first.
pub fn all() -> &'static [Prime] {
    static ALL: OnceLock<Vec<Prime>> = OnceLock::new();
    ALL.get_or_init(|| {
        let candidates = (1..(1u32 << 30) / STEP).rev().map(|k| k * STEP + 1);
        candidates.filter(|q| Modulus::new(*q).is_prime()).map(|q| Prime { q, bits: bits(q) }).collect()
    })
}

/// The `count` primes of `pool` nearest to `target` bits, the nearest first.
pub fn nearest(pool: &[Prime], target: f64, count: usize) -> Vec<Prime> {
    let mut sorted = pool.to_vec();
    sorted.sort_by(|a, b| (a.bits - target).abs().total_cmp(&(b.bits - target).abs()));
    sorted.truncate(count);
    sorted
}

/// The prime nearest to a third of `target` bits, and the pair whose product is nearest to the remaining bits.
pub fn nearest_three(pool: &[Prime], target: f64) -> Vec<Prime> {
    let mut three = nearest(pool, target / 3.0, 1);
    let Some(first) = three.first().copied() else { return three };
    let rest: Vec<Prime> = pool.iter().copied().filter(|p| p.q != first.q).collect();
    three.extend(nearest_pair(&rest, target - first.bits).into_iter().flatten());
    three
}

/// The pair whose product is nearest to `target` bits, among the 60 primes nearest to half the bits.
pub fn nearest_pair(pool: &[Prime], target: f64) -> Option<[Prime; 2]> {
    let near = nearest(pool, target / 2.0, 60);
    let mut best: Option<(f64, [Prime; 2])> = None;
    for (i, a) in near.iter().enumerate() {
        for b in &near[i + 1..] {
            let error = (a.bits + b.bits - target).abs();
            if best.is_none_or(|(least, _)| error < least) {
                best = Some((error, [*a, *b]));
            }
        }
    }
    best.map(|(_, pair)| pair)
}

/// The pair (smaller, larger) whose product is nearest to `target` bits, among all of `ascending`.
pub fn widest_pair(ascending: &[Prime], target: f64) -> Option<[Prime; 2]> {
    let (mut low, mut high) = (0, ascending.len().checked_sub(1)?);
    let mut best: Option<(f64, [Prime; 2])> = None;
    while low < high {
        let (a, b) = (ascending[low], ascending[high]);
        let sum = a.bits + b.bits;
        if best.is_none_or(|(least, _)| (sum - target).abs() < least) {
            best = Some(((sum - target).abs(), [a, b]));
        }
        if sum < target { low += 1 } else { high -= 1 }
    }
    best.map(|(_, pair)| pair)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_primes_are_as_many_as_the_parameters_page_counts() {
        let all = super::all();
        let of = |bits: u32| all.iter().filter(|p| p.q >> (bits - 1) == 1).count();
        let counts = [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30].map(of);
        assert_eq!(counts, [1, 1, 1, 5, 12, 18, 22, 60, 124, 183, 395]);
    }
}
