//! What the emulated device made, compared with this host. scripts/cortex-m.sh runs these after the emulator: they read
//! the folder that DEVICE_OUTPUT names.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that cannot go on has failed

use kernel::{
    backend::{Backend, Shape},
    ckks::{
        Ciphertext,
        encode::{MAX_BITS, decode, encode},
        encrypt,
        keys::{SecretKey, SecretSeed},
    },
    complex::Complex,
    embedding::fill_roots,
    nn::{
        dense::{Dense, Rows},
        forward,
    },
    params::{Params, Spec, presets},
    poly::Poly,
    ring::{Ring, entropy, rom, sample},
};
use polyformer::model::{Pretrained, top};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use scalar::{Block, Scalar};
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
    roots: Vec<Complex>,
}

impl Twin {
    fn new(spec: &Spec<'_>) -> Self {
        let params = Params::new(spec).unwrap();
        let mut twiddles = vec![0; rom::words(params.n(), params.moduli().len())];
        rom::fill(params.n(), params.moduli(), &mut twiddles);
        let mut roots = vec![Complex::default(); params.slots()];
        fill_roots(&mut roots);
        Self { params, twiddles, roots }
    }

    fn run<T>(&self, f: impl for<'p, 'm> FnOnce(&mut Scalar<'p, 'm>, &SecretKey<Scalar<'p, 'm>>) -> T) -> T {
        let n = self.params.n();
        let mut memory = vec![vec![0; 2 * n]; 8];
        let pool: Vec<Block<'_>> = memory.iter_mut().map(|block| Block::new(block)).collect();
        let ring = Ring::new(n, 0, self.params.moduli(), &self.twiddles).unwrap();
        let mut be = Scalar::new(ring, &pool);
        let seed = SecretSeed::take(&mut [9; 32]);
        let sk = SecretKey::expand(&mut be, &seed, self.params.line(), &mut vec![0; n]).unwrap();
        f(&mut be, &sk)
    }

    /// c0 and c1 of these values under a public seed, errors from `rng`.
    fn encrypt(&self, values: &[f64], seed: &sample::Seed, rng: &mut ChaCha20Rng) -> [Vec<u32>; 2] {
        let (mut slots, mut coeffs) = (vec![Complex::default(); self.params.slots()], vec![0; self.params.n()]);
        slots.iter_mut().zip(values).for_each(|(z, x)| *z = Complex::from(*x));
        encode(&self.roots, &mut slots, self.params.scale(0), MAX_BITS, &mut coeffs).unwrap();
        self.run(|be, sk| {
            let ct = encrypt::encrypt(be, &self.params, sk, 0, &mut coeffs, seed, rng).unwrap();
            ct.c.map(|c| {
                let mut words = vec![0; c.shape().words()];
                be.download(c.limbs(), &mut words).unwrap();
                words
            })
        })
    }

    fn decrypt(&self, seed: &sample::Seed, c0: &[u32]) -> Vec<f64> {
        let (n, mut coeffs) = (self.params.n(), vec![0; self.params.n()]);
        let shape = Shape { count: 1, basis: self.params.line(), cols: n as u32 };
        self.run(|be, sk| {
            let c0 = Poly::from_words(be, shape, c0).unwrap();
            let mut c1 = Poly::alloc(be, shape).unwrap();
            be.upload_uniform(c1.limbs_mut(), seed, 0).unwrap();
            let ct = Ciphertext { c: [c0, c1], level: 0 };
            encrypt::decrypt(be, &self.params, sk, &ct, 0, &mut vec![0; 2 * n], &mut coeffs).unwrap();
        });
        let mut slots = self.roots.clone();
        decode(&self.roots, &coeffs, self.params.scale(0), &mut slots).unwrap();
        slots.iter().map(|z| z.re).collect()
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
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let [want, _] = Twin::new(&spec).encrypt(&values, &seed, &mut rng);
        let bytes = output(&format!("{name}/question.bin"));
        assert_eq!(bytes[..32], seed, "{name}: the public seed");
        let got = words(&bytes[32..]);
        let same = got.iter().zip(&want).filter(|(a, b)| a == b).count();
        assert!(got == want, "{name}: {same} of {} words are those of the host, {} given", want.len(), got.len());
    }
}

/// The server of this test has the secret: it decrypts the device's words, runs the model in the clear and encrypts the
/// logits. scripts/device-demo.sh has one that computes on what it cannot read.
#[test]
#[ignore = "needs the emulator's output"]
fn an_answer_to_the_words_of_the_device_is_written() {
    let (model, twin) = (Pretrained::embedded().unwrap(), Twin::new(&presets::C12));
    let bytes = output("c12/question.bin");
    let seed: sample::Seed = bytes[..32].try_into().unwrap();
    let tokens = model.text.tokens(QUESTION).unwrap().len();
    let rows = twin.decrypt(&seed, &words(&bytes[32..]))[..tokens * model.model.width].to_vec();
    let worst = rows.iter().zip(numbers(&model)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 2f64.powi(-28), "{worst:e}");
    let x = Rows::new(model.model.width, rows).unwrap();
    let logits = forward(&mut Dense::<f64>::new(model.model.heads), &model.model, x).unwrap();
    let [c0, c1] = twin.encrypt(logits.values(), &[5; 32], &mut ChaCha20Rng::from_seed([6; 32]));
    let pairs = c0.iter().zip(&c1).flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat());
    let folder = PathBuf::from(std::env::var("DEVICE_OUTPUT").unwrap());
    fs::write(folder.join("c12/answer.bin"), pairs.collect::<Vec<u8>>()).unwrap();
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
    let logits = forward(&mut Dense::<f64>::new(model.model.heads), &model.model, rows).unwrap();
    let best = top(logits.values())[0];
    assert_eq!(model.text.label(best), LABEL);
    assert!((logit.parse::<f64>().unwrap() - logits.values()[best]).abs() < 1e-4, "{logit}");
}
