//! Samplers: the distributions that the security tables assume, and words that depend on the seed alone.

use polyformer_kernel::{math::modular::Modulus, ring::sample};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

const SAMPLES: usize = 1 << 20;
const PRIMES: [u32; 3] = [786433, 268042241, 1073479681];

fn uniform(q: u32, seed: u8, stream: u64, len: usize) -> Vec<u32> {
    let mut out = vec![0xDEAD_BEEF; len];
    sample::uniform(Modulus::new(q), &[seed; 32], stream, &mut out);
    out
}

/// Pearson's statistic for `counts` against equal expectations; mean k - 1, deviation sqrt(2(k - 1)).
fn chi_square(counts: &[u64]) -> f64 {
    let expected = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    counts.iter().map(|c| (*c as f64 - expected).powi(2) / expected).sum()
}

#[test]
fn uniform_words_fill_the_residues_evenly() {
    for q in PRIMES {
        let words = uniform(q, 1, 0, SAMPLES);
        assert!(words.iter().all(|x| *x < q));
        let (mut high, mut low) = (vec![0u64; 256], vec![0u64; 251]);
        for x in &words {
            high[(*x as u64 * 256 / q as u64) as usize] += 1;
            low[*x as usize % 251] += 1;
        }
        for counts in [high, low] {
            let freedom = (counts.len() - 1) as f64;
            let deviations = (chi_square(&counts) - freedom) / (2.0 * freedom).sqrt();
            assert!(deviations.abs() < 6.0, "q = {q}: {deviations:.1} standard deviations");
        }
    }
}

#[test]
fn uniform_words_depend_on_seed_stream_and_modulus_alone() {
    let q = PRIMES[2];
    let words = uniform(q, 1, 7, 1000);
    assert_eq!(uniform(q, 1, 7, 1000), words);
    assert_eq!(uniform(q, 1, 7, 123), words[..123]);
    assert_ne!(uniform(q, 2, 7, 1000), words);
    assert_ne!(uniform(q, 1, 8, 1000), words);
}

#[test]
fn uniform_words_are_the_words_of_the_stream_that_are_small_enough() {
    let q = PRIMES[1]; // 28 bits
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    rng.set_stream(5);
    let mut candidates = core::iter::from_fn(|| Some(rng.next_u32() & ((1 << 28) - 1)));
    let expected: Vec<u32> = candidates.by_ref().filter(|x| *x < q).take(500).collect();
    assert_eq!(uniform(q, 3, 5, 500), expected);
}

#[test]
fn ternary_secrets_are_balanced() {
    let mut out = vec![9i64; SAMPLES];
    sample::ternary(&mut ChaCha20Rng::from_seed([4; 32]), &mut out);
    let counts = [-1, 0, 1].map(|v| out.iter().filter(|x| **x == v).count() as u64);
    assert_eq!(counts.iter().sum::<u64>(), SAMPLES as u64);
    assert!(chi_square(&counts) < 30.0, "{counts:?}");
    let pairs = out.chunks_exact(2).map(|p| (3 * (p[0] + 1) + p[1] + 1) as usize);
    let mut joint = [0u64; 9];
    pairs.for_each(|p| joint[p] += 1);
    assert!(chi_square(&joint) < 60.0, "neighbours depend on each other: {joint:?}");
}

#[test]
fn sparse_secrets_have_their_weight_at_uniform_places() {
    let (mut rng, mut out) = (ChaCha20Rng::from_seed([6; 32]), vec![9i64; 256]);
    let (mut places, mut positive) = (vec![0u64; 256], 0);
    for _ in 0..2000 {
        sample::sparse_ternary(&mut rng, 32, &mut out);
        assert_eq!(out.iter().map(|x| x.abs()).sum::<i64>(), 32);
        assert!(out.iter().all(|x| x.abs() <= 1));
        places.iter_mut().zip(&out).for_each(|(p, x)| *p += x.unsigned_abs());
        positive += out.iter().filter(|x| **x > 0).count();
    }
    // Places of one draw exclude each other, so the statistic is below that of independent draws: by 1 - 32/256.
    let deviations = (chi_square(&places) / 0.875 - 255.0) / 510f64.sqrt();
    assert!(deviations.abs() < 6.0, "places: {deviations:.1} standard deviations");
    assert!((positive as f64 - 32000.0).abs() < 6.0 * 16000f64.sqrt(), "{positive} of 64000 are 1");
    sample::sparse_ternary(&mut rng, 32, &mut out[..8]);
    assert!(out[..8].iter().all(|x| x.abs() == 1), "a weight over the length fills the polynomial");
}

#[test]
fn errors_have_the_stated_variance_and_bound() {
    let mut out = vec![1000i64; SAMPLES];
    sample::error(&mut ChaCha20Rng::from_seed([5; 32]), &mut out);
    let errors: Vec<f64> = out.iter().map(|x| (x - 1000) as f64).collect(); // added to what was there
    assert!(errors.iter().all(|e| e.abs() <= sample::ERROR_MAX as f64));
    let moment = |k: i32| errors.iter().map(|e| e.powi(k)).sum::<f64>() / SAMPLES as f64;
    // Deviations of the sample moments: sqrt(10.5 / 2^20) = 0.0032; about sqrt(2) 10.5 / 2^10 = 0.0145.
    assert!(moment(1).abs() < 0.016, "mean {}", moment(1));
    assert!((moment(2) - 10.5).abs() < 0.073, "variance {}", moment(2));
    assert!((sample::ERROR_STD * sample::ERROR_STD - 10.5).abs() < 1e-12);
    // Fourth moment of a binomial of 42 flips: 3 v^2 - v/2.
    assert!((moment(4) - (3.0 * 10.5 * 10.5 - 5.25)).abs() < 6.0, "fourth moment {}", moment(4));
}
