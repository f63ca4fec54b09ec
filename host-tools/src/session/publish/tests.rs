use super::{COARSE, FINE, Noise, Terms, gaussian};
use crate::{Error, keys::secret::Secret, session::private::Private, spec::SpecBuf};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const E: f64 = 4.8e-5;

fn terms(results: u32, bits: u32) -> Terms {
    Terms { results, bits, bound: E }
}

/// The Kullback-Leibler divergence of two Gaussians of `noise` whose centres are `shift` fine steps apart, by summation of
/// the definition over cells of many integers.
fn divergence(noise: &Noise, shift: f64) -> f64 {
    let deviation = noise.deviation() / noise.fine();
    let weight = |x: f64| (-x * x / (2.0 * deviation * deviation)).exp();
    // log of the ratio of both weights: ((x + shift)² - x²) / 2σ², without the cancellation
    let log_ratio = |x: f64| shift * (shift + 2.0 * x) / (2.0 * deviation * deviation);
    let (cells, width) = (40_000, 20.0 * deviation / 40_000.0);
    let at = |i: i32| (i as f64 + 0.5) * width - 10.0 * deviation;
    let total: f64 = (0..cells).map(|i| weight(at(i))).sum();
    let term = |x: f64| weight(x) / total * log_ratio(x);
    // both signs of x together: what cancels does so exactly
    (0..cells / 2).map(|i| term(at(i)) + term(-at(i))).sum()
}

#[test]
fn the_divergence_of_a_whole_budget_is_at_most_the_promise() {
    for (n, results, bits) in [(1, 1, 30), (77, 1, 30), (77, 10, 30), (32_768, 3, 40), (1 << 24, 100, 30), (2, 5, 64)] {
        let noise = Noise::new(n, terms(results, bits)).unwrap();
        let steps = E / noise.fine();
        assert!(steps >= FINE);
        // |x - x'| is at most E. Rounding to the fine grid moves each by half a step, and the quotient before by less.
        let all = divergence(&noise, steps + 2.0) * n as f64 * results as f64;
        let promise = (-(bits as f64)).exp2() / 24.0;
        assert!(all <= promise, "{n} values, {results} results, {bits} bits: {all} over {promise}");
        assert!(all > 0.9 * promise, "more noise than is needed: {all} of {promise}");
    }
}

#[test]
fn what_publish_adds_has_the_deviation_that_the_divergence_is_computed_from() {
    let (n, mut rng) = (20_000, ChaCha20Rng::from_seed([3; 32]));
    let noise = Noise::new(n, terms(3, 30)).unwrap();
    let values: Vec<f64> = (0..n).map(|i| (i % 100) as f64).collect();
    let published = noise.add(&values, &mut rng).unwrap();
    let errors = || published.iter().zip(&values).map(|(a, b)| a - b);
    let (count, sigma) = (n as f64, noise.deviation());
    let (mean, square) = (errors().sum::<f64>() / count, errors().map(|e| e * e).sum::<f64>() / count);
    let needed = (12.0 * 3.0 * count).sqrt() * 32768.0 * E;
    assert!(sigma > needed && sigma < 1.05 * needed, "{sigma}, {needed}");
    assert!(mean.abs() < 5.0 * sigma / count.sqrt(), "{mean}");
    assert!((square.sqrt() / sigma - 1.0).abs() < 5.0 / (2.0 * count).sqrt(), "{}, {sigma}", square.sqrt());
    let measured = 3.0 * count * (E * (1.0 + 2.0 / FINE)).powi(2) / (2.0 * square); // the divergence with what was added
    assert!(measured < (-30f64).exp2() / 24.0 * 1.05, "{measured}");
}

#[test]
fn published_values_are_multiples_of_a_public_step_with_few_digits() {
    let mut rng = ChaCha20Rng::from_seed([4; 32]);
    let noise = Noise::new(77, terms(10, 30)).unwrap();
    assert!((noise.step() * COARSE * gaussian::UNIT / noise.deviation() - 1.0).abs() < 1e-12);
    let values: Vec<f64> = (0..77).map(|i| i as f64 / 7.0).collect();
    for x in noise.add(&values, &mut rng).unwrap() {
        let steps = x / noise.step();
        assert!((steps - steps.round()).abs() < 1e-6, "{x}");
        assert!(x.to_string().len() <= 12, "{x}");
    }
}

#[test]
fn what_cannot_be_published_is_refused_with_both_values() {
    let error = |n, t| Noise::new(n, t).err().unwrap().to_string();
    assert_eq!(error(1, terms(1, 20)), "20 bits of statistical security: from 30 to 64");
    assert_eq!(error(1, terms(0, 30)), "0 results: at least one is published");
    assert_eq!(error(0, terms(1, 30)), "publish: 0 values, at least 1 is published");
    assert_eq!(error(1, Terms { bound: 0.0, ..terms(1, 30) }), "a noise bound of 0: positive and finite");
    assert_eq!(error(1, Terms { bound: f64::NAN, ..terms(1, 30) }), "a noise bound of NaN: positive and finite");
    assert!(error(1 << 31, terms(u32::MAX, 64)).contains("at most 2^54 can be drawn"));
    let noise = Noise::new(1, Terms { bound: 1e-12, ..terms(1, 30) }).unwrap();
    for value in [1e6, f64::NAN, f64::INFINITY] {
        let large = noise.add(&[0.0, value], &mut ChaCha20Rng::from_seed([0; 32])).unwrap_err().to_string();
        assert!(large.contains("a larger bound is needed"), "{large}");
    }
}

#[test]
fn a_bound_below_the_fresh_noise_or_below_what_was_seen_is_refused_and_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.safetensors");
    let secret = Secret::generate(SpecBuf::preset("C12").unwrap()).unwrap();
    secret.write(&path, false).unwrap();
    let publish = |private: &Private, bound| private.publish(&path, &secret, Terms { bound, ..terms(1, 30) });
    let private = Private::new(vec![1.0; 8]).with_signs(1e-9, 1e-5);
    let error = publish(&private, 1e-10).unwrap_err().to_string();
    assert_eq!(error, "a noise bound of 1.0e-10: the error of a fresh ciphertext is 1.0e-9");
    let error = publish(&private, 1e-6).unwrap_err();
    assert!(matches!(error, Error::Unreliable { .. }) && error.to_string().contains("1.0e-5 where"), "{error}");
    assert!(publish(&Private::new(vec![1e300]), 1e-4).is_err());
    assert_eq!(publish(&private, 1e-4).unwrap().values().len(), 8);
    let error = publish(&private, 1e-4).unwrap_err().to_string();
    assert!(error.contains("1 of 1 results were published"), "{error}");
}

#[test]
fn the_noise_of_a_result_follows_from_the_secret_and_the_name() {
    use rand_core::Rng;
    let [one, two] = [(); 2].map(|()| Secret::generate(SpecBuf::preset("C12").unwrap()).unwrap());
    let first = |secret: &Secret, name| secret.noise_of(&[name; 32]).next_u64();
    assert_eq!(first(&one, 1), first(&one, 1));
    assert!(first(&one, 1) != first(&two, 1) && first(&one, 1) != first(&one, 2));
}
