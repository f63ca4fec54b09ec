//! What leaves the client: keys, ciphertexts and messages of the program, collected from two runs. Seeds are fresh, errors have the
//! distribution of the security tables from both sides, two runs share nothing, and no byte of the secret is elsewhere.

#![allow(clippy::unwrap_used, clippy::panic)] // a test that cannot go on has failed

use leaving::opened::{Open, Opened};
use polyformer::{
    files::{Body, Mapped, View},
    keys::{KeyFolder, KeySpec, secret::Secret},
    machine::{ComputeTarget, Host},
};
use polyformer_tests::command::Program;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    process::Output,
};

mod leaving {
    pub mod opened;
}

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));
/// Variance of a coefficient of an error: 42 coin flips.
const VARIANCE: f64 = 10.5;
/// Variance of a squared coefficient over the square of its mean: the kurtosis is 3 - 2/42.
const SPREAD: f64 = 2.0 - 2.0 / 42.0;

/// A folder with everything that one client wrote, and what its commands printed.
struct Run {
    folder: tempfile::TempDir,
    printed: Vec<Output>,
}

impl Run {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), printed: Vec::new() }
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().into()
    }

    fn command(&mut self, args: &[&str], input: &str) {
        let out = POLYFORMER.run(args, input);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        self.printed.push(out);
    }

    /// Every file of the folder, by its name below it, without the empty file of the lock.
    fn files(&self) -> Vec<(String, Mapped)> {
        let (mut folders, mut out) = (vec![self.folder.path().to_path_buf()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with(".polyformer.lock") {
                    let name = path.strip_prefix(self.folder.path()).unwrap().display().to_string();
                    out.push((name, Mapped::open(&path).unwrap()));
                }
            }
        }
        out.sort_by(|a, b| a.0.cmp(&b.0));
        out
    }

    fn secret(&self, name: &str) -> Secret {
        Secret::read(Path::new(&self.at(name))).unwrap()
    }
}

/// The values of each ciphertext file: three ciphertexts of L13.
fn values() -> Vec<f64> {
    (0..2 * 4096 + 77).map(|i| ((i * i) % 1009) as f64 / 504.0 - 1.0).collect()
}

/// A client without bootstrapping: keys of every kind of leveled work, ciphertexts under both kinds of key.
fn leveled() -> Run {
    let mut run = Run::new();
    let [keys, key, public] = ["keys", "keys/secret.safetensors", "keys/eval/public.safetensors"].map(|x| run.at(x));
    let [one, two, three] = ["one", "two", "three"].map(|name| run.at(name));
    let text: String = values().iter().map(|x| format!("{x}\n")).collect();
    let keygen = ["keygen", "--preset", "L13", "--rotations", "1,-2", "--conjugation", "--public", "--out", &keys];
    run.command(&keygen, "");
    run.command(&["encrypt", "-", "--key", &key, "--out", &one], &text);
    run.command(&["encrypt", "-", "--key", &key, "--level", "0", "--out", &two], &text);
    run.command(&["encrypt", "-", "--public-key", &public, "--out", &three], &text);
    run.command(&["decrypt", &one, "--key", &key], "");
    for file in [&key, &public, &one] {
        run.command(&["inspect", file], "");
    }
    run
}

/// The seeds of the uniform halves of a file.
fn seeds(view: &View<'_>) -> Vec<[u8; 32]> {
    match &view.header.body {
        Body::PublicKey { seed } | Body::RaiseKey { seed } => vec![*seed],
        Body::RelinKey { seed, .. } | Body::GaloisKey { seed, .. } => vec![*seed],
        Body::DeviceKey(of) => of.seeds.to_vec(),
        Body::Ciphertext(sealed) | Body::Question(sealed, _) | Body::Answer(sealed, _) => {
            sealed.seed.into_iter().collect()
        }
        Body::Query(sealed, _) | Body::Scores(sealed, _) => sealed.seed.into_iter().collect(),
        Body::Params | Body::SecretKey(_) | Body::Model { .. } => Vec::new(),
    }
}

/// A seed has 32 drawn bytes: none of its eight words is zero or there twice.
fn random(name: &str, seed: &[u8; 32]) {
    let words: HashSet<&[u8]> = seed.chunks(4).filter(|word| *word != [0; 4]).collect();
    assert_eq!(words.len(), 8, "{name}: {seed:?}");
}

/// Public seeds are random and differ; returns how many there are.
fn fresh_seeds<'a>(files: impl Iterator<Item = &'a (String, Mapped)>) -> usize {
    let mut seen = HashMap::new();
    for (name, mapped) in files {
        let view = View::parse(mapped.bytes()).unwrap();
        for seed in seeds(&view) {
            random(name, &seed);
            if let Some(other) = seen.insert(seed, name) {
                panic!("{name} and {other} have one seed");
            }
        }
    }
    seen.len()
}

fn mean(x: &[i64]) -> f64 {
    x.iter().sum::<i64>() as f64 / x.len() as f64
}

fn variance(x: &[i64]) -> f64 {
    x.iter().map(|x| x * x).sum::<i64>() as f64 / x.len() as f64
}

/// Each error, and all of them together, have the mean and the variance of the sampler, from both sides.
fn errors_are_those_of_the_tables(opened: &[Opened]) {
    let check = |name: &str, e: &[i64], variance_is: f64, within: f64| {
        let deviations = (e.len() as f64 / variance_is).sqrt() * mean(e);
        assert!(deviations.abs() < 6.0, "{name}: a mean of {}, {deviations} deviations", mean(e));
        let ratio = variance(e) / variance_is;
        assert!((ratio - 1.0).abs() < within, "{name}: {ratio} of the variance {variance_is}");
    };
    let mut all = Vec::new();
    for Opened { name, error, public } in opened {
        let n = error.len() as f64;
        if *public {
            check(name, error, VARIANCE * (1.0 + 4.0 * n / 3.0), 0.12); // e v + e1 s + e0, with ternary v and s
        } else {
            check(name, error, VARIANCE, 6.0 * (SPREAD / n).sqrt());
            assert!(error.iter().all(|x| x.abs() <= 21), "{name}");
            all.extend(error);
        }
    }
    assert!(6.0 * (SPREAD / all.len() as f64).sqrt() < 0.02, "enough coefficients for 2 %: {}", all.len());
    check("all errors", &all, VARIANCE, 0.02);
}

/// No error is used twice, with either sign, nor for a part.
fn errors_are_independent(opened: &[Opened]) {
    let fresh: Vec<_> = opened.iter().filter(|x| !x.public).collect();
    for (i, a) in fresh.iter().enumerate() {
        for b in fresh[..i].iter().filter(|b| b.error.len() == a.error.len()) {
            let product: i64 = a.error.iter().zip(&b.error).map(|(x, y)| x * y).sum();
            let deviations = product as f64 / VARIANCE / (a.error.len() as f64).sqrt();
            assert!(deviations.abs() < 6.5, "{} and {}: correlated, {deviations}", a.name, b.name);
        }
    }
}

/// No eight bytes of the secret's seed are in another file, in bytes or in hexadecimal digits, nor in what was printed.
fn no_secret_bytes<'a>(secret: &Secret, places: impl Iterator<Item = (String, &'a [u8])>) {
    let seed = secret.seed.expose();
    random("the secret", seed);
    let windows: HashSet<&[u8]> = seed.windows(8).collect();
    let digits: Vec<u8> = seed.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect();
    let digits: HashSet<&[u8]> = digits.windows(16).collect();
    for (name, bytes) in places {
        assert!(bytes.windows(8).all(|w| !windows.contains(w)), "{name} has bytes of the secret");
        let lower = bytes.to_ascii_lowercase();
        let text = String::from_utf8_lossy(&lower[..lower.len().min(1 << 16)]).into_owned(); // digits: headers and messages
        assert!(text.as_bytes().windows(16).all(|w| !digits.contains(w)), "{name} has digits of the secret");
    }
}

/// Every aligned window of 16 bytes of tensors is unique: within a file, between files, and between runs.
fn nothing_is_shared<'a>(files: impl Iterator<Item = &'a (String, Mapped)>) {
    let mut windows = Vec::new();
    for (_, mapped) in files {
        let bytes = mapped.bytes();
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        let words: Vec<u32> = bytes[header..].as_chunks().0.iter().map(|w| u32::from_le_bytes(*w)).collect();
        windows.extend(words.windows(4).map(|w| w.iter().fold(0u128, |all, w| all << 32 | *w as u128)));
    }
    windows.sort_unstable();
    let twice = windows.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(twice, 0, "windows of 16 bytes that occur twice, of {}", windows.len());
}

/// A place that holds bytes of a run.
fn places<'a>(run: &'a Run, files: &'a [(String, Mapped)]) -> impl Iterator<Item = (String, &'a [u8])> {
    let files = files.iter().filter(|(name, _)| !name.ends_with("secret.safetensors"));
    let printed = run.printed.iter().flat_map(|out| [&out.stdout[..], &out.stderr[..]]);
    files.map(|(name, mapped)| (name.clone(), mapped.bytes())).chain(printed.map(|bytes| ("output".into(), bytes)))
}

#[test]
fn two_runs_of_a_client_write_fresh_seeds_and_errors_and_no_secret() {
    let runs = [leveled(), leveled()];
    let (files, values) = ([runs[0].files(), runs[1].files()], values());
    assert_eq!(fresh_seeds(files.iter().flatten()), 2 * 7); // relin, three Galois keys, public key, two ciphertext files
    nothing_is_shared(files.iter().flatten());
    let mut all = Vec::new();
    for (run, files) in runs.iter().zip(&files) {
        let secret = run.secret("keys/secret.safetensors");
        no_secret_bytes(&secret, places(run, files));
        let open = Open { secret: &secret, device: None, files, values: &values };
        all.extend(Host::new(secret.params.clone()).run(ComputeTarget::cpu(2), open).unwrap());
    }
    assert_eq!(all.len(), 2 * (4 * 6 + 1 + 3 * 3)); // digits, the public key, ciphertexts
    errors_are_those_of_the_tables(&all);
    errors_are_independent(&all);
    let keys: Vec<_> = files.iter().flatten().filter_map(|(_, m)| View::parse(m.bytes()).unwrap().header.key).collect();
    assert!(keys[0] != *keys.last().unwrap(), "two secrets have two names");
}

#[test]
fn the_keys_of_bootstrapping_and_of_a_small_client_have_the_errors_of_the_tables() {
    let mut run = Run::new();
    let [small, device, keys] = ["small", "small/secret.safetensors", "keys"].map(|name| run.at(name));
    run.command(&["keygen", "--preset", "C12", "--out", &small], "");
    run.command(&["keygen", "--preset", "B16", "--level", "0", "--embedded", &device, "--out", &keys], "");
    let secret = run.secret("keys/secret.safetensors");
    let (host, on) = (Host::new(secret.params.clone()), ComputeTarget::cpu(2));
    let folder = KeyFolder::new(Path::new(&keys));
    folder.complete(&host, on, &secret.header.spec, &[KeySpec::Raise], &mut |_| ()).unwrap();
    let (files, device) = (run.files(), run.secret("small/secret.safetensors"));
    assert_eq!(fresh_seeds(files.iter()), 4); // relin, raise, and two between the rings
    let open = Open { secret: &secret, device: Some(&device), files: &files, values: &[] };
    let opened = host.run(on, open).unwrap();
    assert_eq!(opened.len(), 1 + 2 + 1 + 2);
    errors_are_those_of_the_tables(&opened);
    errors_are_independent(&opened);
    for secret in [&secret, &device] {
        no_secret_bytes(secret, places(&run, &files));
    }
}
