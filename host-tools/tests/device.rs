//! The output of the emulated client, compared with this host. scripts/cortex-m.sh runs these tests after the emulator.
//! The tests read the folder that DEVICE_OUTPUT names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that cannot go on has failed

use polyformer::{
    accuracy::logits,
    model::{Pretrained, top},
};
use polyformer_kernel::{
    backend::Backend,
    ckks::{
        Encoder, hazmat,
        keys::{SecretKey, SecretSeed, UniformHalf, uniform},
    },
    math::complex::Complex,
    nn::{
        clear_engine::{ClearEngine, Rows},
        forward,
    },
    params::{Params, Spec, presets},
    ring::{Ring, entropy, sample, tables},
};
use polyformer_scalar::{Block, Scalar};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{CryptoRng, Rng, SeedableRng},
};
use std::{fs, path::PathBuf};

/// The question that is built into the programs: the first golden text of the demo model.
const QUESTION: &str = "I think someone used my card in another country";
const LABEL: &str = "compromised_card";

fn output(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(std::env::var("DEVICE_OUTPUT").expect("DEVICE_OUTPUT names a folder"));
    let path = folder.join(name);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The device's ring on this host, with the secret and the randomness of the test programs.
struct Twin {
    params: Params,
    twiddles: Vec<u32>,
}

impl Twin {
    fn new(spec: &Spec<'_>) -> Self {
        let params = Params::new(spec).unwrap();
        let mut twiddles = vec![0; tables::words(params.n(), params.moduli().len())];
        tables::fill(params.n(), params.moduli(), &mut twiddles);
        Self { params, twiddles }
    }

    fn run<T>(&self, f: impl for<'p, 'm> FnOnce(&mut Scalar<'p, 'm>, &SecretKey<Scalar<'p, 'm>>) -> T) -> T {
        let n = self.params.n();
        let mut memory = vec![vec![0; 2 * n]; 8];
        let pool: Vec<Block<'_>> = memory.iter_mut().map(|block| Block::new(block)).collect();
        let ring = Ring::new(n, 0, self.params.moduli(), &self.twiddles).unwrap();
        let mut be = Scalar::new(ring, &pool);
        let seed = SecretSeed::take(&mut [9; 32]);
        let sk = SecretKey::expand(&mut be, &self.params, &seed, self.params.modulus_chain(), &mut vec![0; n]).unwrap();
        f(&mut be, &sk)
    }

    /// The public seed and c0 of these values, from the raw pieces of encryption and the entropy of `rng`.
    fn encrypt(&self, values: &[f64], rng: &mut impl CryptoRng) -> (sample::Seed, Vec<u32>) {
        let mut slots = vec![Complex::default(); self.params.slots()];
        slots.iter_mut().zip(values).for_each(|(z, x)| *z = Complex::from(*x));
        let mut encoder = Encoder::new(&self.params);
        let coeffs = encoder.encode(slots.into_iter(), self.params.scale(0)).unwrap();
        let (secret, mut seed) = (SecretSeed::take(&mut [9; 32]), [0; 32]);
        let mut rng = hazmat::hedged(&self.params, &secret, rng, coeffs.iter().copied());
        rng.fill_bytes(&mut seed);
        sample::error(&mut rng, coeffs);
        let key = uniform(&self.params, UniformHalf::Ciphertext, 0, &seed);
        self.run(|be, sk| {
            let [c0, _] = hazmat::symmetric(be, sk, self.params.q(0), coeffs, (&key, 0)).unwrap();
            let mut words = vec![0; c0.shape().words()];
            be.download(c0.limbs(), &mut words).unwrap();
            (seed, words)
        })
    }
}

fn numbers(model: &Pretrained) -> Vec<f64> {
    let rows = model.text.embed(&model.text.tokens(QUESTION).unwrap());
    rows.into_iter().map(|x| x as f32 as f64).collect()
}

#[test]
#[ignore = "needs the emulator's output"]
fn the_device_made_the_words_that_this_host_makes() {
    let values = numbers(&Pretrained::embedded().unwrap());
    let small = ["c12", "c12_stored", "c12_computed", "c12_m7"].map(|name| (name, presets::C12));
    for (name, spec) in small.into_iter().chain([("c13", presets::C13)]) {
        let mut rng = entropy::generator(&mut ChaCha20Rng::from_seed([1; 32])).unwrap();
        let (seed, want) = Twin::new(&spec).encrypt(&values, &mut rng);
        let bytes = output(&format!("{name}/question.bin"));
        assert_eq!(bytes[..32], seed, "{name}: the public seed");
        let got = words(&bytes[32..]);
        let same = got.iter().zip(&want).filter(|(a, b)| a == b).count();
        assert!(got == want, "{name}: {same} of {} words are those of the host, {} given", want.len(), got.len());
    }
}

#[test]
#[ignore = "needs the emulator's output"]
fn the_device_decrypted_the_label() {
    let model = Pretrained::embedded().unwrap();
    let log = String::from_utf8(output("c12/answer.log")).unwrap();
    let line = log.lines().find_map(|l| l.strip_prefix("answer class ")).expect("an answer was decrypted");
    let (class, logit) = line.split_once(", logit ").unwrap();
    assert_eq!(model.text.label(class.parse().unwrap()), LABEL);
    let rows = Rows::new(model.model.width, numbers(&model)).unwrap();
    let logits = forward(&mut ClearEngine::<f64>::new(model.model.heads), &model.model, rows).unwrap();
    let best = top(logits.values())[0];
    assert_eq!(model.text.label(best), LABEL);
    assert!((logit.parse::<f64>().unwrap() - logits.values()[best]).abs() < 1e-4, "{logit}");
}

#[test]
#[ignore = "needs the emulator's output"]
fn the_device_infers_in_the_clear_as_this_host_does() {
    let model = Pretrained::embedded().unwrap();
    let log = String::from_utf8(output("plain/figures.log")).unwrap();
    let got = log.lines().filter_map(|l| l.strip_prefix("logit ")?.split_once(": "));
    let got: Vec<f64> = got.map(|(_, x)| x.parse().unwrap()).collect();
    let want = logits(&model, &model.text.tokens(QUESTION).unwrap()).unwrap();
    assert_eq!(got.len(), want.len());
    for (class, (a, b)) in got.iter().zip(&want).enumerate() {
        assert!((a - b).abs() < 1e-4, "class {class}: {a} and {b}");
    }
    assert!(log.lines().any(|l| l == format!("label: {LABEL}")), "{log}");
}
