//! Integers with a discrete Gaussian distribution, in integer arithmetic.
//!
//! z has probability proportional to 2^(-(z/k)²) for k = 2^bits, which is a Gaussian of deviation k / sqrt(2 ln 2).
//! |z| = k j + y, with j ≥ 0 and 0 ≤ y < k. j has probability proportional to 2^(-j²), y is uniform, and the pair is
//! accepted with probability 2^(-u (u + 2j)), where u = y/k. The product is 2^(-(j + u)²). A zero is accepted with one of
//! its two signs. [Ducas, Durmus, Lepoint, Lyubashevsky, CRYPTO 2013, §6]
//!
//! u (u + 2j) is exact. Its power has a relative error below 2^-98. j ends at 11: j = 12 has probability 2^-144.
//!
//! The rejected candidates tell nothing about the accepted candidate. No branch and no index depends on the accepted
//! candidate.

use rand_core::CryptoRng;
use std::hint::black_box;

/// The deviation for k = 1: 1 / sqrt(2 ln 2).
pub const UNIT: f64 = 0.849_321_800_288_019;
/// The most bits of k.
pub const MOST_BITS: u32 = 60;
/// The values of j.
const STEPS: usize = 12;
/// Bits behind the point of an exponent.
const FRACTION: u32 = 2 * MOST_BITS;

/// The sum of 2^(-i²) for i < j, in units of 2^-121.
const SUMS: [u128; STEPS + 1] = {
    let (mut sums, mut j) = ([0; STEPS + 1], 0);
    while j < STEPS {
        sums[j + 1] = sums[j] + (1 << (121 - j * j));
        j += 1;
    }
    sums
};

/// The distribution for one k.
pub struct Gaussian {
    bits: u32,
    roots: [u128; FRACTION as usize], // 2^(-2^-i) for i from 1, in units of 2^-128
}

impl Gaussian {
    /// For k = 2^`bits`, from 1 bit to [`MOST_BITS`]; other numbers are brought there.
    pub fn new(bits: u32) -> Self {
        let (mut roots, mut power) = ([0; FRACTION as usize], 1 << 127);
        for root in &mut roots {
            power = square_root(power);
            *root = power;
        }
        Self { bits: bits.clamp(1, MOST_BITS), roots }
    }

    /// The next integer.
    pub fn draw(&self, rng: &mut impl CryptoRng) -> i128 {
        loop {
            let (j, y) = (step(rng), (rng.next_u64() >> (64 - self.bits)) as u128);
            let sign = (rng.next_u64() & 1) as i128;
            let size = ((j << self.bits) + y) as i128;
            let exponent = (y * (y + (j << (self.bits + 1)))) << (FRACTION - 2 * self.bits);
            let chosen = (wide(rng) >> 1) < self.power(exponent); // 127 bits
            let other_zero = (size == 0) & (sign == 1);
            if chosen & !other_zero {
                return (size ^ -sign) + sign;
            }
        }
    }

    /// 2^-`exponent` in units of 2^-127, for an exponent in units of 2^-[`FRACTION`].
    fn power(&self, exponent: u128) -> u128 {
        let mut power = 1u128 << 127;
        for (i, root) in self.roots.iter().enumerate() {
            let bit = black_box(exponent >> (FRACTION as usize - 1 - i)) & 1;
            power ^= (power ^ product(power, *root)) & 0u128.wrapping_sub(bit);
        }
        power >> (exponent >> FRACTION)
    }
}

/// j with probability proportional to 2^(-j²).
fn step(rng: &mut impl CryptoRng) -> u128 {
    loop {
        let x = wide(rng) >> 6; // 122 bits
        if x < SUMS[STEPS] {
            return SUMS[1..STEPS].iter().map(|sum| black_box(x >= *sum) as u128).sum();
        }
    }
}

fn wide(rng: &mut impl CryptoRng) -> u128 {
    ((rng.next_u64() as u128) << 64) | rng.next_u64() as u128
}

/// The upper half of a product.
fn product(a: u128, b: u128) -> u128 {
    let parts = |x: u128| (x >> 64, x & u64::MAX as u128);
    let ((a1, a0), (b1, b0)) = (parts(a), parts(b));
    let ((m1, m0), (n1, n0)) = (parts(a1 * b0), parts(a0 * b1));
    a1 * b1 + m1 + n1 + ((m0 + n0 + ((a0 * b0) >> 64)) >> 64)
}

/// The root of x, both in units of 2^-128, rounded down.
fn square_root(x: u128) -> u128 {
    let with = |r: u128, bit: u32| if product(r | 1 << bit, r | 1 << bit) < x { r | 1 << bit } else { r };
    (0..128).rev().fold(0, with)
}

#[cfg(test)]
mod tests {
    use super::{FRACTION, Gaussian, UNIT, product};
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
    use std::collections::BTreeMap;

    fn weight(z: i128, bits: u32) -> f64 {
        let x = z as f64 / (1u64 << bits) as f64;
        (-x * x).exp2()
    }

    #[test]
    fn powers_are_powers_of_two() {
        let gaussian = Gaussian::new(10);
        for x in [0.0f64, 0.25, 0.5, 0.7, 1.0, 3.125, 21.99] {
            let got = gaussian.power((x * (1u128 << FRACTION) as f64) as u128) as f64 / (1u128 << 127) as f64;
            assert!((got / (-x).exp2() - 1.0).abs() < 1e-14, "{x}: {got}");
        }
        assert_eq!(gaussian.power(0), 1 << 127);
        assert!((1u128 << 127) - product(gaussian.roots[0], gaussian.roots[0]) < 4, "the root of a half to 126 bits");
    }

    /// Chi-square with many degrees of freedom is nearly normal: less than one seed in a million passes 5 deviations.
    #[test]
    fn small_integers_have_the_probabilities_of_the_definition() {
        const DRAWS: usize = 400_000;
        for bits in [1, 2, 4] {
            let (gaussian, mut rng) = (Gaussian::new(bits), ChaCha20Rng::from_seed([bits as u8; 32]));
            let mut seen = BTreeMap::new();
            (0..DRAWS).for_each(|_| *seen.entry(gaussian.draw(&mut rng)).or_insert(0u32) += 1);
            let all = -(16 << bits)..=(16 << bits);
            let total: f64 = all.clone().map(|z| weight(z, bits)).sum();
            let (mut square, mut cells) = (0.0, 0);
            for z in all {
                let expected = DRAWS as f64 * weight(z, bits) / total;
                let actual = seen.remove(&z).unwrap_or(0) as f64;
                if expected >= 5.0 {
                    square += (actual - expected).powi(2) / expected;
                    cells += 1;
                } else {
                    assert!(actual < 30.0, "{z}: {actual} where {expected} are expected");
                }
            }
            assert!(seen.is_empty(), "beyond the tail: {seen:?}");
            let free = cells as f64 - 1.0;
            let off = (square - free) / (2.0 * free).sqrt();
            assert!(cells > 6 && off.abs() < 5.0, "{bits} bits: {square} with {free} degrees of freedom");
        }
    }

    #[test]
    fn large_integers_have_the_moments_and_the_tails_of_a_gaussian() {
        const DRAWS: usize = 60_000;
        for bits in [23, 41, 60] {
            let (gaussian, mut rng) = (Gaussian::new(bits), ChaCha20Rng::from_seed([bits as u8; 32]));
            let sigma = UNIT * (1u64 << bits) as f64;
            let draws: Vec<i128> = (0..DRAWS).map(|_| gaussian.draw(&mut rng)).collect();
            let scaled = || draws.iter().map(|z| *z as f64 / sigma);
            let moment = |k: i32| scaled().map(|x| x.powi(k)).sum::<f64>() / DRAWS as f64;
            let within =
                |x: f64, variance: f64| assert!(x.abs() < 5.0 * (variance / DRAWS as f64).sqrt(), "{bits}: {x}");
            within(moment(1), 1.0);
            within(moment(2) - 1.0, 2.0);
            within(moment(3), 15.0);
            within(moment(4) - 3.0, 96.0);
            for (beyond, share) in [(1.0, 0.317_310_5), (2.0, 0.045_500_3), (3.0, 0.002_699_8), (3.5, 0.000_465_3)] {
                let count = scaled().filter(|x| x.abs() > beyond).count() as f64;
                within(count / DRAWS as f64 - share, share);
            }
            within(draws.iter().filter(|z| **z & 1 == 1).count() as f64 / DRAWS as f64 - 0.5, 0.25); // the last bit is a coin
        }
    }
}
