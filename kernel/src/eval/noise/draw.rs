//! Random errors in the slots.

use super::ErrorSource;
use crate::{
    ckks::{noise, raise::SPARSE_WEIGHT},
    math::{complex::Complex, embedding::embed},
    params::Params,
    ring::sample::{Seed, trit},
};
use alloc::vec::Vec;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A secret, and a source of errors under the secret. Not for keys.
#[derive(Debug)]
pub(super) struct Draws {
    rng: ChaCha8Rng,
    roots: Vec<Complex>,
    weights: Vec<f64>, // of a rounding in each slot: sqrt((1 + |s_i|^2) / (1 + 2n/3))
}

impl Draws {
    /// A dense ternary secret.
    pub fn new(params: &Params, seed: Seed, roots: &[Complex]) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        let mut trits = || trit(&mut rng) as f64;
        let mut s: Vec<Complex> = (0..params.slots()).map(|_| Complex { re: trits(), im: trits() }).collect();
        embed(roots, &mut s);
        let n = params.n() as f64;
        let all = libm::sqrt(n / 12.0) / noise::rounding(params);
        let weights = s.iter().map(|s| all * libm::sqrt(1.0 + s.re * s.re + s.im * s.im)).collect();
        Self { rng, roots: roots.to_vec(), weights }
    }

    /// Adds an error with this deviation over all slots. A rounding adds more where the secret is large.
    pub fn add(&mut self, source: ErrorSource, z: &mut [Complex], deviation: f64) {
        for (i, z) in z.iter_mut().enumerate() {
            let weight =
                if source == ErrorSource::Rounding { self.weights.get(i).copied().unwrap_or(1.0) } else { 1.0 };
            *z = *z + normal(&mut self.rng).scale(weight * deviation);
        }
    }

    /// Adds `size` times the slots of ModRaise's polynomial I. A coefficient of I is the rounded sum of uniform numbers
    /// from -1/2 to 1/2, one per nonzero coefficient of the sparse secret.
    pub fn add_multiples(&mut self, z: &mut [Complex], size: f64) {
        let mut multiples: Vec<Complex> =
            z.iter().map(|_| Complex { re: multiple(&mut self.rng), im: multiple(&mut self.rng) }).collect();
        embed(&self.roots[..], &mut multiples);
        z.iter_mut().zip(multiples).for_each(|(z, i)| *z = *z + i.scale(size));
    }
}

/// A complex Gaussian of variance 1. [Marsaglia's polar method]
fn normal(rng: &mut impl Rng) -> Complex {
    loop {
        let bits = rng.next_u64();
        let unit = |word: u32| (word as f64 + 0.5) / (1u64 << 31) as f64 - 1.0; // in (-1, 1)
        let (x, y) = (unit(bits as u32), unit((bits >> 32) as u32));
        let square = x * x + y * y;
        if square < 1.0 {
            let size = libm::sqrt(-libm::log(square) / square);
            return Complex { re: x * size, im: y * size };
        }
    }
}

/// A coefficient of I.
fn multiple(rng: &mut impl Rng) -> f64 {
    let mut sum = 0.0;
    for _ in 0..SPARSE_WEIGHT.div_ceil(4) {
        let bits = rng.next_u64();
        sum += (0..4).map(|i| ((bits >> (16 * i)) as u16 as f64 + 0.5) / 65536.0 - 0.5).sum::<f64>();
    }
    libm::round(sum)
}

#[cfg(test)]
mod tests {
    use super::{multiple, normal};
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    #[test]
    fn normals_have_variance_1_and_fourth_moment_2_and_multiples_the_variance_of_their_sum() {
        let mut rng = ChaCha8Rng::from_seed([1; 32]);
        let (mut second, mut fourth, mut real, mut multiples) = (0.0, 0.0, 0.0, 0.0);
        let count = 200_000;
        for _ in 0..count {
            let z = normal(&mut rng);
            let square = z.re * z.re + z.im * z.im;
            second += square / count as f64;
            fourth += square * square / count as f64;
            real += z.re * z.re / count as f64;
            multiples += multiple(&mut rng).powi(2) / count as f64;
        }
        assert!((second - 1.0).abs() < 0.01 && (real - 0.5).abs() < 0.01 && (fourth - 2.0).abs() < 0.06);
        assert!((multiples - 32.0 / 12.0 - 1.0 / 12.0).abs() < 0.05, "{multiples}"); // and that of rounding
    }
}
