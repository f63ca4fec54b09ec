//! Private search: expansion gives each coefficient alone, scores are the exact inner products of the integers, and the
//! error is the predicted error.

use polyformer_kernel::{
    Error,
    backend::Backend,
    ckks::{
        Ciphertext, Ckks, encrypt, expand,
        keys::{EvaluationKey, Keys, SecretKey, SecretSeed, Switch},
        scores,
    },
    params::{Params, presets},
};
use polyformer_tests::chain::Chain;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

const LEVEL: u8 = 1;

/// The owner of a secret in a small ring, and an evaluator with the keys of an expansion.
struct Search<B: Backend> {
    params: &'static Params,
    ev: Ckks<'static, B>,
    sk: SecretKey<B>,
    rng: ChaCha20Rng,
}

impl<B: Backend> Search<B> {
    fn new(params: &'static Params, mut be: B, width: usize) -> Self {
        let (mut rng, mut scratch) = (ChaCha20Rng::from_seed([7; 32]), vec![0; params.n()]);
        let seed = SecretSeed::generate(&mut rng);
        let sk = SecretKey::expand(&mut be, params, &seed, params.full(), &mut scratch).unwrap();
        let mut keys = Keys::default();
        for g in expand::galois(params.n(), width) {
            let what = (Switch::Galois(g), LEVEL);
            let key = EvaluationKey::generate(&mut be, params, &sk, what, &mut rng, &mut scratch).unwrap();
            keys.galois.insert(g, key);
        }
        Self { params, ev: Ckks::new(be, params, keys).unwrap(), sk, rng }
    }

    /// Integers of `bits` bits with a sign.
    fn integers(&mut self, count: usize, bits: u32) -> Vec<i64> {
        (0..count).map(|_| self.rng.next_u64() as i64 >> (63 - bits)).collect()
    }

    fn encrypt(&mut self, numbers: &[i64], scale: i64) -> Ciphertext<B> {
        let mut coeffs = vec![0; self.params.n()];
        coeffs.iter_mut().zip(numbers).for_each(|(c, x)| *c = x * scale);
        encrypt::encrypt(&mut self.ev.be, self.params, &self.sk, LEVEL, &mut coeffs, &mut self.rng).unwrap()
    }

    fn decrypt(&mut self, x: &Ciphertext<B>) -> Vec<i64> {
        let (n, base) = (self.params.n(), self.params.base().len());
        let (mut words, mut coeffs) = (vec![0; base * n], vec![0; n]);
        encrypt::decrypt(&mut self.ev.be, self.params, &self.sk, x, 0, &mut words, &mut coeffs).unwrap();
        coeffs
    }
}

fn small(log_n: u8, width: usize) -> Search<polyformer_scalar::Scalar<'static, 'static>> {
    let (params, be) = Chain::new(&presets::S12, log_n).into_scalar(400);
    Search::new(params, be, width)
}

#[test]
fn each_part_of_an_expansion_is_one_coefficient() {
    for width in [1, 2, 3, 5, 8, 13, 16, 31] {
        let mut search = small(8, width);
        let scale = 1 << 20;
        let numbers = search.integers(width, 10);
        let x = search.encrypt(&numbers, scale);
        search.ev.executed();
        let parts = search.ev.expand(x, width).unwrap();
        assert_eq!(parts.len(), width);
        assert_eq!(search.ev.executed().key_switch as usize, expand::key_switches(width), "width {width}");
        let scale = (scale << expand::steps(width)) as f64;
        for (j, part) in parts.iter().enumerate() {
            let coeffs = search.decrypt(part);
            for (i, c) in coeffs.iter().enumerate() {
                let want = if i == 0 { numbers[j] as f64 } else { 0.0 };
                let got = *c as f64 / scale;
                assert!((got - want).abs() < 0.01, "width {width}, part {j}, coefficient {i}: {got} and not {want}");
            }
        }
    }
}

#[test]
fn scores_are_the_exact_inner_products_of_the_integers() {
    for (width, queries) in [(1, 1), (2, 2), (16, 1), (17, 3), (33, 1), (48, 2)] {
        let mut search = small(8, width);
        let n = search.params.n();
        let scale = 1 << (38 - expand::steps(width));
        let block: Vec<i16> = search.integers(n * width, 15).iter().map(|x| *x as i16).collect();
        let questions: Vec<Vec<i64>> = (0..queries).map(|_| search.integers(width, 16)).collect();
        let mut expanded = Vec::new();
        for question in &questions {
            let x = search.encrypt(question, scale);
            expanded.push(search.ev.expand(x, width).unwrap());
        }
        let answers = search.ev.scores(&expanded, &block).unwrap();
        let unit = scores::scale(search.params, LEVEL, width, scale as f64);
        let energy = block.iter().map(|x| (*x as f64).powi(2)).sum();
        let predicted = scores::deviation(search.params, LEVEL, width, energy);
        for (question, answer) in questions.iter().zip(&answers) {
            assert_eq!(answer.level, LEVEL - 1);
            let coeffs = search.decrypt(answer);
            let mut squares = 0.0;
            for (i, c) in coeffs.iter().enumerate() {
                let want: i64 = question.iter().enumerate().map(|(j, q)| q * block[j * n + i] as i64).sum();
                let got = *c as f64 / unit;
                assert_eq!(got.round() as i64, want, "width {width}, vector {i}");
                squares += ((got - want as f64) * unit).powi(2);
            }
            let ratio = (squares / n as f64).sqrt() / predicted;
            assert!(
                (0.6..1.4).contains(&ratio),
                "width {width}: error {ratio:.2} times the prediction of {predicted:.1}"
            );
        }
    }
}

#[test]
fn at_full_size_the_error_is_far_below_half_a_score() {
    let params = Params::new(&presets::S12).unwrap();
    for width in [1, 64, 384, 768, 4096] {
        let unit = scores::scale(&params, LEVEL, width, 2f64.powi(38 - expand::steps(width) as i32));
        let energy = params.n() as f64 * 2f64.powi(34); // vectors of length 2^17
        let deviation = scores::deviation(&params, LEVEL, width, energy);
        assert!(unit / 2.0 > 8.5 * deviation, "width {width}: {unit} and {deviation}");
        assert!(unit * 2f64.powi(36) < 2f64.powf(params.limit_bits()), "width {width}: scores of 2^36 overflow");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_both_numbers() {
    let mut search = small(8, 4);
    let n = search.params.n();
    for width in [0, n + 1] {
        let x = search.encrypt(&[1], 1);
        let error = search.ev.expand(x, width).err();
        assert!(matches!(error, Some(Error::BadShape { left, right, .. }) if (left, right) == (width, n)), "{error:?}");
    }
    let x = search.encrypt(&[1], 1);
    let error = search.ev.expand(x, 5).err();
    assert_eq!(error, Some(Error::MissingGaloisKey { galois: (n / 4 + 1) as u32 }));
    let x = search.encrypt(&[1], 1);
    let query = search.ev.expand(x, 4).unwrap();
    let mut scores = |queries: &[Vec<Ciphertext<_>>], words| search.ev.scores(queries, &vec![0; words]).err();
    assert_eq!(scores(&[query], 3 * n), Some(Error::Length { expected: 4 * n, actual: 3 * n }));
    assert_eq!(scores(&[], n), Some(Error::Empty { what: "queries" }));
}
