//! What a seed is expanded to: known answers of an independent program, `vectors/derive.py`, and the laws that one seed gives
//! unrelated words to two kinds, indices or parameter sets, and that no two halves of a key set are equal.

use polyformer_kernel::{
    arith::cost::Demand,
    backend::{Backend, Limbs},
    ckks::{
        hazmat,
        keys::{PublicKey, SecretKey, SecretSeed, UniformHalf, uniform},
        ring_switch::{LiftKey, LowerKey},
    },
    params::{Params, Security, Spec, presets},
    ring::sample,
};
use polyformer_tests::{chain::Chain, client::Client};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};

/// The parameter sets of the program.
fn set(name: &str) -> Params {
    let toy = Spec {
        log_n: 6,
        specials: &presets::B16.specials[..4],
        line: &presets::B16.line[..8],
        alpha: 4,
        levels: &presets::B16.levels[..4],
        bootstrap: None,
        security: Security::Toy,
        ..presets::B16
    };
    Params::new(if name == "toy" { &toy } else { &presets::C12 }).unwrap()
}

fn half(name: &str) -> (UniformHalf, u64) {
    match name {
        "public" => (UniformHalf::PublicKey, 0),
        "relin" => (UniformHalf::Relinearize { level: 3 }, 1),
        "galois" => (UniformHalf::Galois { element: 25, level: 2 }, 0),
        "raise" => (UniformHalf::Raise, 1),
        "lift" => (UniformHalf::Lift, 0),
        "lower" => (UniformHalf::Lower, 1),
        "ciphertext" => (UniformHalf::Ciphertext, 0),
        _ => panic!("no half {name}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn integers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect()
}

fn cases() -> Vec<Value> {
    let path = format!("{}/vectors/derive.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn seeds_expand_to_the_known_words() {
    let mut seed: sample::Seed = [0; 32];
    (0u8..).zip(&mut seed).for_each(|(i, byte)| *byte = i);
    let secret = SecretSeed::take(&mut { seed });
    let cases = cases();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let params = set(case["set"].as_str().unwrap());
        let print: Vec<String> = params.fingerprint().iter().map(u64::to_string).collect();
        assert_eq!(Value::from(print), case["fingerprint"]);
        let halves = case["halves"].as_object().unwrap();
        assert_eq!(halves.len(), 7);
        for (name, want) in halves {
            let (half, index) = half(name);
            let key = uniform(&params, half, index, &seed);
            assert_eq!(hex(&key), want["key"].as_str().unwrap(), "{name}");
            let q = params.moduli()[params.specials() as usize];
            let mut words = [0; 8];
            sample::uniform(q, &key, 1, &mut words);
            assert_eq!(words.map(i64::from).to_vec(), integers(&want["words"]), "{name}");
        }
        let mut dense = [0; 32];
        secret.coefficients(&params, &mut dense);
        assert_eq!(dense.to_vec(), integers(&case["dense"]));
        let mut sparse = [0; 64];
        secret.sparse_coefficients(&params, 8, &mut sparse);
        assert_eq!(sparse.to_vec(), integers(&case["sparse"]));

        let mut message: Vec<i64> = (0..64).map(|i| (i * i + 3 * i + 1) << 30).collect();
        message.iter_mut().skip(1).step_by(2).for_each(|x| *x = -*x);
        message[5] = -(1 << 61) + 1;
        let mut drawn = Counted(100);
        let mut rng = hazmat::hedged(&params, &secret, &mut drawn, message.into_iter());
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        assert_eq!(hex(&seed), case["hedged"]["seed"].as_str().unwrap());
        let mut errors = [0; 8];
        sample::error(&mut rng, &mut errors);
        assert_eq!(errors.to_vec(), integers(&case["hedged"]["errors"]));
    }
}

/// Bytes that count up, for a known answer.
struct Counted(u8);

impl rand_chacha::rand_core::TryRng for Counted {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("bytes only")
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("bytes only")
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        for byte in out {
            *byte = self.0;
            self.0 += 1;
        }
        Ok(())
    }
}

impl rand_chacha::rand_core::TryCryptoRng for Counted {}

/// Every change of one field of a set that is a set again.
fn neighbours() -> Vec<Params> {
    let base = Spec { log_n: 8, security: Security::Toy, ..presets::L13 };
    let bare = Spec { log_n: 8, security: Security::Toy, ..presets::C12 };
    let swapped: Vec<u32> = bare.line.iter().rev().copied().collect();
    let deep = Spec { log_n: 8, security: Security::Toy, ..presets::B16 };
    let bootstrap = presets::B16.bootstrap.unwrap();
    let specs = [
        base,
        Spec { log_n: 9, ..base },
        Spec { specials: &base.specials[..base.specials.len() - 1], ..base },
        Spec { scale_bits: base.scale_bits + 0.25, ..base },
        Spec { levels: &base.levels[..base.levels.len() - 1], ..base },
        bare,
        Spec { line: &swapped, ..bare },
        Spec { alpha: 1, specials: &presets::B16.specials[..1], ..bare },
        deep,
        Spec { bootstrap: Some(polyformer_kernel::params::Bootstrap { iterations: 2, ..bootstrap }), ..deep },
    ];
    specs.iter().filter_map(|spec| Params::new(spec).ok()).collect()
}

#[test]
fn one_seed_gives_unrelated_words_to_kinds_indices_and_sets() {
    let (sets, seed) = (neighbours(), [7; 32]);
    assert!(sets.len() >= 9);
    let kinds = [
        UniformHalf::PublicKey,
        UniformHalf::Relinearize { level: 1 },
        UniformHalf::Relinearize { level: 2 },
        UniformHalf::Galois { element: 5, level: 1 },
        UniformHalf::Galois { element: 5, level: 2 },
        UniformHalf::Galois { element: 25, level: 1 },
        UniformHalf::Raise,
        UniformHalf::Lift,
        UniformHalf::Lower,
        UniformHalf::Ciphertext,
    ];
    let keys: HashSet<_> = sets
        .iter()
        .flat_map(|params| kinds.iter().flat_map(move |k| (0..3).map(move |i| uniform(params, *k, i, &seed))))
        .collect();
    assert_eq!(keys.len(), sets.len() * kinds.len() * 3);
    assert!(!keys.contains(&seed), "no words come from a seed itself");
    let secrets: Vec<Vec<i64>> = sets
        .iter()
        .flat_map(|params| {
            let (secret, mut dense, mut sparse) = (SecretSeed::take(&mut { seed }), vec![0; 256], vec![0; 256]);
            secret.coefficients(params, &mut dense);
            secret.sparse_coefficients(params, 32, &mut sparse);
            [dense, sparse]
        })
        .collect();
    for (i, a) in secrets.iter().enumerate() {
        for b in &secrets[..i] {
            let product: i64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
            assert!(product.abs() < 65, "a correlation of {product} between secrets"); // 6 deviations of sqrt(256) 2/3
        }
    }
}

/// Both halves of every key of a client: of evaluation, of the public key, and between two rings.
fn whole_set<B: Backend>(be: &mut B, params: &Params, small: &Params) -> Vec<(String, Vec<u32>)> {
    let mut client = Client::new(be, params, 3);
    let (top, high) = (params.max_message_level(), params.max_level());
    let rotations = [(1, high), (-1, top), (2, 1)].into_iter().collect();
    let demand = Demand { relin: Some(high), conjugate: Some(top), rotations, raise: true };
    let keys = client.keys(be, &demand);
    let (scratch, rng) = (&mut vec![0; params.n()], &mut ChaCha20Rng::from_seed([8; 32]));
    let sk = SecretKey::expand(be, params, &client.secret(), params.full(), scratch).unwrap();
    let of_device = SecretSeed::take(&mut [21; 32]);
    let device = SecretKey::expand_small(be, small, &of_device, params.full(), scratch).unwrap();
    let public = PublicKey::generate(be, params, &sk, params.modulus_chain(), rng, scratch).unwrap();
    let lift = LiftKey::generate(be, params, small, [&device, &sk], rng, scratch).unwrap();
    let lower = LowerKey::generate(be, params, small, [&sk, &device], rng, scratch).unwrap();
    let raise = keys.raise.as_ref().unwrap();
    let mut pairs = vec![("public", &public.pair), ("lift", &lift.pair)];
    pairs.extend([("to sparse", &raise.to_sparse), ("to dense", &raise.to_dense)]);
    pairs.extend(lower.digits.iter().map(|pair| ("lower", pair)));
    pairs.extend(keys.relin.iter().flat_map(|key| &key.digits).map(|pair| ("relin", pair)));
    pairs.extend(keys.galois.values().flat_map(|key| &key.digits).map(|pair| ("galois", pair)));
    let mut rows = Vec::new();
    for (name, pair) in pairs {
        for (half, limbs) in ["b", "a"].iter().zip(pair) {
            rows.extend(words(be, limbs).chunks(params.n()).map(|row| (format!("{half} of {name}"), row.to_vec())));
        }
    }
    rows
}

fn words<B: Backend>(be: &mut B, limbs: &Limbs<B::Buf>) -> Vec<u32> {
    let mut words = vec![0; limbs.shape.words()];
    be.download(limbs, &mut words).unwrap();
    words
}

#[test]
fn no_two_rows_of_a_whole_key_set_share_words() {
    let small = Chain::new(&presets::C12, 5).params;
    let (params, mut be) = Chain::b16(6).into_scalar(80);
    let rows = whole_set(&mut be, params, &small);
    assert!(rows.len() > 1000);
    let mut seen = BTreeSet::new();
    for (name, row) in &rows {
        for (at, window) in row.windows(4).enumerate() {
            assert!(seen.insert(window), "word {at} of {name}: four words that another row has"); // 16 bytes
        }
    }
}
