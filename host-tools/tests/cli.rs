//! Tests of the program as a user runs it: round trips, errors of one line, exit codes, and no partial files.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer::{
    files::{self, Body, Header, Mapped, View},
    keys::secret::Secret,
    load::{self, SecondHalf},
    machine::{BackendKind, ComputeTarget, Host, Job},
};
use polyformer_kernel::{
    arith::Arithmetic,
    backend::{Backend, Shape},
    ckks::{Ckks, keys::Keys},
};
use polyformer_tests::command::{Folder, Program};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));

/// Standard output of a run that must succeed.
fn good(args: &[&str], stdin: &str) -> String {
    POLYFORMER.good(args, stdin)
}

/// The line of a run that must fail.
fn bad(args: &[&str], stdin: &str) -> String {
    POLYFORMER.bad(args, stdin)
}

fn numbers(text: &str) -> Vec<f64> {
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn near(a: &[f64], b: &[f64], error: f64) {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < error), "{a:?} {b:?}");
}

#[test]
fn what_was_encrypted_is_decrypted() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, x) = (place.at("keys"), place.at("x"));
    good(&["keygen", "--preset", "L13", "--public", "--out", &keys], "");
    let (secret, public) = (place.at("keys/secret.safetensors"), place.at("keys/eval/public.safetensors"));
    for under in [["--key", &secret], ["--public-key", &public]] {
        for level in ["0", "1", "2"] {
            good(&["encrypt", "-", under[0], under[1], "--out", &x, "--level", level], "0.5 -0.25,3\n");
            near(&numbers(&good(&["decrypt", &x, "--key", &secret], "")), &[0.5, -0.25, 3.0], 1e-5);
        }
    }
}

#[test]
fn every_scale_pattern_carries_numbers() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (params, keys, x) = (place.at("params"), place.at("keys"), place.at("x"));
    let secret = place.at("keys/secret.safetensors");
    for (scale, error) in [("25", 1e-2), ("29", 1e-3), ("39.3", 1e-6), ("51", 1e-9), ("58", 1e-11)] {
        good(&["params", "--n", "2^14", "--levels", "2", "--scale-bits", scale, "--out", &params], "");
        good(&["keygen", "--params", &params, "--out", &keys, "--force"], "");
        good(&["encrypt", "-", "--key", &secret, "--out", &x], "[100.5, -100.25, 0.125]");
        near(&numbers(&good(&["decrypt", &x, "--key", &secret], "")), &[100.5, -100.25, 0.125], error);
    }
}

#[test]
fn a_long_vector_is_several_ciphertexts() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, x, secret) = (place.at("keys"), place.at("x"), place.at("keys/secret.safetensors"));
    good(&["keygen", "--preset", "C12", "--out", &keys], "");
    let values: Vec<f64> = (0..5000).map(|i| i as f64 / 100.0).collect();
    let json = serde_json::to_string(&values).unwrap();
    good(&["encrypt", "-", "--key", &secret, "--out", &x], &json);
    let facts: serde_json::Value = serde_json::from_str(&good(&["inspect", &x, "--json"], "")).unwrap();
    assert_eq!((&facts["count"], &facts["values"], &facts["preset"]), (&3.into(), &5000.into(), &"C12".into()));
    let back = good(&["decrypt", &x, "--key", &secret, "--json"], "");
    let back: serde_json::Value = serde_json::from_str(&back).unwrap();
    let back: Vec<f64> = serde_json::from_value(back["values"].clone()).unwrap();
    near(&back, &values, 1e-6);
}

#[test]
fn keygen_writes_what_it_says_and_guards_the_secret() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, secret) = (place.at("keys"), place.at("keys/secret.safetensors"));
    let json = good(
        &["keygen", "--preset", "L13", "--rotations", "1..3,-1,powers,0", "--conjugation", "--out", &keys, "--json"],
        "",
    );
    let summary: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(summary["files"].as_array().unwrap().len(), 1 + 12 + 2 + 1); // relin, powers, 3 and -1, conjugation
    assert_eq!(place.names("keys/eval").len(), 16);
    let before = std::fs::read(&secret).unwrap();
    assert!(bad(&["keygen", "--preset", "L13", "--out", &keys], "").contains("secret key is there"));
    let more = good(&["keygen", "--secret", &secret, "--rotations", "5,1", "--out", &keys, "--level", "1"], "");
    assert!(more.contains("1 made, 2 kept"), "{more}"); // kept: relin and the rotation by 1, which serve level 2
    let relin = place.at("keys/eval/relin.safetensors");
    let cut = std::fs::read(&relin).unwrap();
    std::fs::write(&relin, &cut[..cut.len() / 2]).unwrap();
    let more = good(&["keygen", "--secret", &secret, "--rotations", "5", "--out", &keys], "");
    assert!(more.contains("2 made"), "{more}"); // relin was broken, the rotation by 5 served level 1 alone
    assert_eq!(std::fs::read(&secret).unwrap(), before);
    assert_eq!(place.names("keys/eval").len(), 17);
    let text = good(&["inspect", &secret], "") + &good(&["inspect", &secret, "--json"], "");
    let seed = files::hex(&before[before.len() - 32..]);
    assert!(!text.contains(&seed) && text.contains("secret-key"));
    let text = good(&["inspect", &place.at("keys/eval/galois-5.safetensors")], "");
    assert!(text.contains("the rotation by 1"), "{text}");
}

#[test]
fn bad_input_is_one_line_that_names_the_file() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, other, x) = (place.at("keys"), place.at("other"), place.at("x"));
    let (secret, key) = (place.at("keys/secret.safetensors"), place.at("other/secret.safetensors"));
    good(&["keygen", "--preset", "C12", "--out", &keys], "");
    good(&["keygen", "--preset", "C12", "--out", &other], "");
    good(&["encrypt", "-", "--key", &secret, "--out", &x], "1");
    let line = bad(&["decrypt", &x, "--key", &key], "");
    assert!(line.starts_with(&format!("{x}: belongs to key ")), "{line}");
    good(&["keygen", "--preset", "C13", "--out", &other, "--force"], "");
    assert_eq!(bad(&["decrypt", &x, "--key", &key], ""), format!("{x}: parameter set C12 where C13 is needed"));
    let line = bad(&["decrypt", &secret, "--key", &secret], "");
    assert_eq!(line, format!("{secret}: a secret-key file where a ciphertext file is needed"));
    let bytes = std::fs::read(&x).unwrap();
    std::fs::write(&x, &bytes[..bytes.len() - 1]).unwrap();
    let sizes = format!("{} bytes where the header says {}", bytes.len() - 1, bytes.len());
    let line = format!("{x}: {sizes}: make it again with `polyformer encrypt` or `polyformer infer`");
    assert_eq!(bad(&["decrypt", &x, "--key", &secret], ""), line);
    let missing = place.at("missing");
    assert!(bad(&["inspect", &missing], "").starts_with(&missing));
    assert!(bad(&["keygen", "--params", &secret, "--out", &place.at("third")], "").contains("where a params file"));
}

#[test]
fn a_device_key_joins_two_rings_and_what_is_not_of_its_device_is_refused() {
    let place = Folder(tempfile::tempdir().unwrap());
    let at = |name: &str| place.at(name);
    std::fs::write(at("drawn"), [9; 32]).unwrap();
    std::fs::write(at("short"), [9; 31]).unwrap();
    let line = bad(&["keygen", "--preset", "C12", "--seed", &at("short"), "--out", &at("device")], "");
    assert_eq!(line, format!("{}: 31 bytes where 32 are needed", at("short")));
    for (bytes, what) in [
        (vec![9; 33], "more than 32 bytes where 32 are needed"),
        (vec![0; 32], "32 zero bytes, which are no secret: draw them from a random generator"),
        (Vec::new(), "0 bytes where 32 are needed"),
    ] {
        std::fs::write(at("bad"), bytes).unwrap();
        let line = bad(&["keygen", "--preset", "C12", "--seed", &at("bad"), "--out", &at("device")], "");
        assert_eq!(line, format!("{}: {what}", at("bad")));
        assert!(!Path::new(&at("device")).exists());
    }
    good(&["keygen", "--preset", "C12", "--seed", &at("drawn"), "--out", &at("device")], "");
    let device = at("device/secret.safetensors");
    assert!(std::fs::read(&device).unwrap().ends_with(&[9; 32]));
    good(&["keygen", "--preset", "B16", "--level", "0", "--embedded", &device, "--out", &at("keys")], "");
    let files = std::fs::read_dir(at("keys/eval")).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap());
    let key = at(&format!("keys/eval/{}", files.into_iter().find(|f| f.starts_with("device-")).unwrap()));
    assert!(good(&["inspect", &key], "").contains("device-key"));
    let large = at("keys/secret.safetensors");
    let line = bad(&["keygen", "--preset", "C12", "--device", &large, "--out", &at("third")], "");
    assert!(line.contains("65536") && line.contains("4096") && !Path::new(&at("third")).exists(), "{line}");
    let line = bad(&["keygen", "--preset", "L13", "--device", &device, "--out", &at("third")], "");
    assert!(line.contains("1054212097") && !Path::new(&at("third")).exists(), "{line}"); // other base primes

    let ask = |preset: &str| {
        let (keys, x) = (at(&format!("other-{preset}")), at(&format!("x-{preset}")));
        good(&["keygen", "--preset", preset, "--out", &keys], "");
        good(&["encrypt", "--text", "my card", "--key", &format!("{keys}/secret.safetensors"), "--out", &x], "");
        x
    };
    let infer = |question: &str, key: &str, raw: &[&str]| {
        let (eval, answer) = (at("keys/eval"), at("answer"));
        let args = ["infer", question, "--embedded", key, "--eval", &eval, "--tokens", "9", "--out", &answer];
        let line = bad(&[&args, raw].concat(), "");
        assert!(!Path::new(&answer).exists());
        line
    };
    let (x, y) = (ask("C12"), ask("C13"));
    assert!(infer(&x, &key, &[]).starts_with(&format!("{x}: belongs to key ")));
    assert_eq!(infer(&y, &key, &[]), format!("{y}: parameter set C13 where C12 is needed"));
    let relin = at("keys/eval/relin.safetensors");
    assert_eq!(infer(&x, &relin, &[]), format!("{relin}: a relin-key file where a device-key file is needed"));
    assert_eq!(infer(&at("short"), &key, &["--raw"]), "--raw: a question of 31 bytes where 32800 are needed");
    std::fs::write(at("large"), [255; 32800]).unwrap();
    assert!(infer(&at("large"), &key, &["--raw"]).starts_with("question: tensor \"c0\" row 0 word 0 is 4294967295"));
}

#[test]
fn bad_values_are_named_and_nothing_is_written() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, x, secret) = (place.at("keys"), place.at("x"), place.at("keys/secret.safetensors"));
    good(&["keygen", "--preset", "C12", "--out", &keys], "");
    let encrypt = |values: &str| bad(&["encrypt", "-", "--key", &secret, "--out", &x], values);
    assert_eq!(encrypt("1\nNaN"), "standard input: line 2: \"NaN\" is not finite");
    assert_eq!(encrypt("inf"), "standard input: line 1: \"inf\" is not finite");
    assert_eq!(encrypt("1 two"), "standard input: line 1: \"two\" is not a number");
    let line = encrypt("1e11");
    assert!(
        line.starts_with("standard input: a coefficient of ") && line.ends_with("bits where at most 58.9 fit"),
        "{line}"
    );
    assert!(bad(&["encrypt", "-", "--key", &secret, "--out", &x, "--level", "1"], "1").starts_with("--level 1"));
    let nowhere = format!("{secret}/x");
    assert!(bad(&["encrypt", "-", "--key", &secret, "--out", &nowhere], "1").starts_with(&nowhere));
    assert!(bad(&["keygen", "--preset", "C12", "--out", &nowhere], "").starts_with(&nowhere));
    assert_eq!(place.names(".").len(), 1);
}

#[test]
fn usage_errors_are_one_line_with_a_hint() {
    assert!(bad(&["parms"], "").contains("'params'"));
    assert!(bad(&["params", "--presets", "B16"], "").contains("'--preset'"));
    assert!(bad(&["params", "--preset", "B17"], "").contains("B16"));
    assert!(bad(&["params"], "").contains("--n"));
    assert!(bad(&["params", "--n", "65536", "--levels", "4", "--scale-bits", "45"], "").contains("39.1 to 39.9"));
    assert!(bad(&["params", "--n", "100", "--levels", "4", "--scale-bits", "39.5"], "").starts_with("--n 100: "));
    assert!(bad(&["params", "--n", "2^99", "--levels", "4", "--scale-bits", "39.5"], "").starts_with("--n 1844"));
    assert!(bad(&["keygen", "--out", "x"], "").contains("--preset"));
    for rotations in ["x", "1..", "4096", "1..9999999999999999999999"] {
        let line = bad(&["keygen", "--preset", "L13", "--out", "/nonexistent/x", "--rotations", rotations], "");
        assert!(line.starts_with("--rotations: "), "{line}");
    }
    assert!(bad(&["bench", "--preset", "C12", "--op", "rotate"], "").starts_with("--op rotate: "));
    assert!(bad(&["bench", "--threads", "0"], "").starts_with("--threads 0: "));
    assert!(bad(&["bench", "--seconds", "-1"], "").contains("--seconds"));
    assert_eq!(POLYFORMER.run(&["--help"], "").status.code(), Some(0));
}

#[test]
fn parameters_print_the_same_json_from_a_preset_a_file_and_the_builder() {
    let place = Folder(tempfile::tempdir().unwrap());
    let file = place.at("b16");
    let build = [
        "params",
        "--n",
        "65536",
        "--levels",
        "16",
        "--scale-bits",
        "39.5",
        "--bootstrap",
        "--dnum",
        "4",
        "--json",
        "--out",
        &file,
    ];
    let mut built: serde_json::Value = serde_json::from_str(&good(&build, "")).unwrap();
    let preset: serde_json::Value = serde_json::from_str(&good(&["params", "--preset", "B16", "--json"], "")).unwrap();
    let read: serde_json::Value = serde_json::from_str(&good(&["params", "--params", &file, "--json"], "")).unwrap();
    assert_eq!(preset, read);
    built["cuts"] = preset["cuts"].clone(); // what was weighed is known to the builder alone
    assert_eq!(preset, built);
    assert_eq!((&preset["levels_after_bootstrap"], &preset["dnum"]), (&13.into(), &4.into()));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_polyformer"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert!(out.status.success() && out.stderr.is_empty());
}

#[test]
fn bench_prints_one_object_a_line_with_these_fields() {
    let text = good(&["bench", "--preset", "L13", "--json", "--seconds", "0", "--threads", "1"], "");
    let fields = "backend bytes isa level limbs n op peak_bytes preset seconds threads";
    let mut ops = Vec::new();
    for line in text.lines() {
        let record: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        let mut keys: Vec<&str> = record.keys().map(|k| &k[..]).collect();
        keys.sort();
        assert_eq!(keys.join(" "), fields);
        assert!(record["seconds"].as_f64().unwrap() > 0.0 && record["bytes"].as_u64().unwrap() > 0);
        ops.push(record["op"].as_str().unwrap().to_string());
    }
    let all = "ntt_forward ntt_inverse encode decode encrypt_sk encrypt_pk decrypt add mul_plain mul_relin_rescale \
               rescale key_switch rotate rotate_hoisted_8 keygen_galois";
    assert_eq!(ops.join(" "), all);
}

/// x^2 rotated by one, with keys and ciphertext from files.
struct Server {
    eval: PathBuf,
    x: PathBuf,
    y: PathBuf,
    of: Header,
    params: polyformer_kernel::params::Params,
}

impl Job for Server {
    type Output = ();

    fn run<B: Backend>(self, mut be: B) -> polyformer::Result<()> {
        let mut keys = Keys::default();
        for entry in std::fs::read_dir(self.eval).unwrap() {
            let file = std::sync::Arc::new(Mapped::open(&entry.unwrap().path()).unwrap());
            load::load_key(&mut be, (&file, &View::parse(file.bytes()).unwrap()), &self.of, &mut keys)?;
        }
        let mapped = Mapped::open(&self.x).unwrap();
        let view = View::parse(mapped.bytes()).unwrap();
        let Body::Ciphertext(sealed) = view.header.body else { unreachable!() };
        let mut ckks = Ckks::new(be, &self.params, keys)?.with_batch(sealed.count)?;
        let shape = Shape { count: sealed.count, basis: self.params.q(sealed.level), cols: self.params.n() as u32 };
        let c1 = SecondHalf::of(&sealed, view.words(1));
        let x = load::ciphertext(&mut ckks.be, &self.params, shape, sealed.level, view.words(0), c1)?;
        let square = ckks.product(&x, &x)?;
        let y = ckks.rotate(&square, 1)?;
        let (header, tensors) = load::save_ciphertexts(&mut ckks.be, &[y], 2, &view.header)?;
        let tensors = tensors.each_ref().map(|t| bytemuck::cast_slice(&t[..]));
        files::write(&self.y, &header, &self.params, &tensors).unwrap();
        Ok(())
    }
}

#[test]
fn a_server_computes_with_keys_and_ciphertexts_from_files() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, x, y) = (place.at("keys"), place.at("x"), place.at("y"));
    let secret = place.at("keys/secret.safetensors");
    good(&["keygen", "--preset", "L13", "--rotations", "1", "--public", "--out", &keys], "");
    good(&["encrypt", "-", "--key", &secret, "--out", &x], "3 0.5 -2");
    let server = |secret: &str| {
        let Secret { header, params, .. } = Secret::read(Path::new(secret)).unwrap();
        let (eval, x, y) = (place.at("keys/eval").into(), (&x).into(), (&y).into());
        let server = Server { eval, x, y, of: header, params: params.clone() };
        Host::new(params).run(ComputeTarget { backend: BackendKind::Scalar, ..ComputeTarget::cpu(1) }, server)
    };
    server(&secret).unwrap();
    near(&numbers(&good(&["decrypt", &y, "--key", &secret], "")), &[0.25, 4.0], 1e-4);
    let said = good(&["keygen", "--preset", "L13", "--force", "--level", "1", "--out", &keys], "");
    assert!(said.contains("2 files of another key are left"), "{said}"); // the rotation, and the public key
    let stale = server(&secret).unwrap_err().to_string();
    assert!(stale.contains("belongs to key ") && stale.contains(" is needed"), "{stale}");
}

#[test]
fn eval_counts_right_answers_and_names_what_it_cannot_read() {
    let place = Folder(tempfile::tempdir().unwrap());
    let file = place.at("questions.csv");
    let eval = |text: &str| {
        std::fs::write(&file, text).unwrap();
        ["eval", &file, "--json"].map(String::from)
    };
    let good = |text: &str| good(&eval(text).each_ref().map(|a| &a[..]), "");
    let bad = |text: &str| bad(&eval(text).each_ref().map(|a| &a[..]), "");
    let out = good("text,category\nI forgot my passcode,passcode_forgotten\n\"My card, where is it?\",age_limit\n");
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&out["n"], &out["accuracy"], &out["encrypted_n"]), (&2.into(), &0.5.into(), &0.into()));
    assert!(bad("text,label\na,b\n").contains("line 1: no column \"category\""));
    assert!(bad("text,category\nhello,nothing\n").ends_with("line 2: \"nothing\" is no label of the model"));
    assert!(bad("text,category\n,age_limit\n").ends_with("line 2: a text without words"));
    assert!(bad("text,category\n").ends_with("no questions in it"));
}
