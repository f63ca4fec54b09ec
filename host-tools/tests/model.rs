//! Tests of models through the program: packing, and every kind of bad input. A bad input gives an error of one line,
//! and no file is lost.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer_tests::command::{Folder, Program};
use serde_json::Value;
use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));

/// Standard output of a run that must succeed.
fn good(args: &[&str]) -> String {
    POLYFORMER.good(args, "")
}

/// The line of a run that must fail.
fn bad<S: AsRef<OsStr>>(args: &[S]) -> String {
    POLYFORMER.bad(args, "")
}

/// The demo's model as a folder, its config.json changed.
fn checkpoint(place: &Folder<TempDir>, name: &str, change: impl Fn(&mut Value)) -> String {
    let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("models/banking77"), place.path(name));
    std::fs::create_dir(&to).unwrap();
    for file in ["model.safetensors", "tokenizer.json"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let mut config = serde_json::from_slice(&std::fs::read(from.join("config.json")).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(to.join("config.json"), config.to_string()).unwrap();
    place.at(name)
}

#[test]
fn a_checkpoint_is_packed_and_asked_in_the_clear() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (folder, packed) = (checkpoint(&place, "model", |_| ()), place.at("packed"));
    let report: Value = serde_json::from_str(&good(&["pack", &folder, "--out", &packed, "--json"])).unwrap();
    let bytes = std::fs::metadata(&packed).unwrap().len();
    assert_eq!(
        (&report["params"], &report["weights"], &report["model_bytes"]),
        (&"B16".into(), &"f16".into(), &bytes.into())
    );
    assert!(bytes < 4_000_000 && report["weight_error"].as_f64().unwrap() < 0.02, "{report}");
    let layouts = report["layouts"].as_array().unwrap();
    let alone = layouts.iter().find(|l| l["tokens"] == 16 && l["questions"] == 1).unwrap();
    assert_eq!((&alone["bootstraps"], &alone["seconds"]), (&3.into(), &Value::Null));
    assert!(alone["key_switches"].as_u64().unwrap() > 500 && alone["key_bytes"].as_u64().unwrap() > 1 << 30);
    let small = good(&["pack", &folder, "--weights", "int8", "--out", &place.at("small")]);
    assert!(small.contains("weights in int8") && small.contains("layers.1.attention.denominator"), "{small}");
    assert!(std::fs::metadata(place.at("small")).unwrap().len() < bytes);
    let facts: Value = serde_json::from_str(&good(&["inspect", &packed, "--json"])).unwrap();
    assert_eq!((&facts["kind"], &facts["preset"]), (&"model".into(), &"B16".into()));
    let file = place.at("questions.csv");
    std::fs::write(&file, "text,category\nI forgot my passcode,passcode_forgotten\n").unwrap();
    for model in [&folder, &packed, &place.at("small")] {
        let out: Value = serde_json::from_str(&good(&["eval", &file, "--model", model, "--json"])).unwrap();
        assert_eq!((&out["n"], &out["accuracy"], &out["accuracy_exact"]), (&1.into(), &1.0.into(), &Value::Null));
    }
    good(&["pack", "--out", &packed]); // the model in the program has a twin, which travels with it
    assert!(std::fs::metadata(&packed).unwrap().len() < 4_000_000);
    let ask = ["eval", &file, "--model", &packed, "--noise", "9", "--json"];
    let out: Value = serde_json::from_str(&good(&ask)).unwrap();
    assert_eq!((&out["accuracy"], &out["accuracy_exact"], &out["noise_n"]), (&1.0.into(), &1.0.into(), &1.into()));
    let [error, question, bound] =
        ["error", "question", "bound"].map(|key| out[format!("noise_{key}")].as_f64().unwrap());
    assert!(error > question && error < 5.0 * question && bound == 16.0 * question, "{out}");
    assert!(bound > 1e-6 && bound < 1e-4, "{out}");
}

#[test]
fn a_model_reads_no_file_outside_of_its_folder() {
    let place = Folder(tempfile::tempdir().unwrap());
    std::fs::write(place.at("private"), "private").unwrap();
    for (i, name) in ["/etc/passwd", "../private", "/dev/zero", "."].into_iter().enumerate() {
        for field in ["poly", "exact"] {
            let folder = checkpoint(&place, &format!("{field}{i}"), |c| c["files"][field] = name.into());
            let line = bad(&["eval", "questions.csv", "--model", &folder]);
            assert!(
                line.ends_with(&format!("names the file {name:?}: a name inside of the folder is needed")),
                "{line}"
            );
        }
    }
    let folder = checkpoint(&place, "typo", |c| c["files"]["exact"] = "exakt.safetensors".into());
    assert!(bad(&["eval", "questions.csv", "--model", &folder]).starts_with(&format!("{folder}/exakt.safetensors: ")));
}

#[test]
fn names_in_files_are_escaped() {
    let place = Folder(tempfile::tempdir().unwrap());
    let name = "nice\u{1b}[31mmodel\r\nerror: forged line";
    let folder = checkpoint(&place, "named", |c| c["name"] = name.into());
    let text = good(&["pack", &folder, "--out", &place.at("packed")]);
    assert!(!text.contains('\u{1b}') && !text.contains("\nerror"), "{text}");
    assert!(text.contains("nice\\u001b[31mmodel\\u000d\\u000aerror: forged line for B16"), "{text}");
    let digest = text.lines().next().and_then(|line| line.split("digest ").nth(1)).unwrap();
    assert!(digest.len() == 16 && good(&["inspect", &place.at("packed")]).contains(digest), "{text}");
    let folder = checkpoint(&place, "field", |c| c["a\u{1b}]0;owned\u{7}"] = 1.into());
    let line = bad(&["pack", &folder, "--out", &place.at("other")]);
    assert!(line.contains("unknown field `a\\u001b]0;owned\\u0007`"), "{line}");
}

#[test]
fn models_that_cannot_be_used_are_one_line() {
    let place = Folder(tempfile::tempdir().unwrap());
    let out = place.at("packed");
    let unmeasured = checkpoint(&place, "unmeasured", |c| drop(c.as_object_mut().unwrap().remove("ranges")));
    for command in [["pack", &unmeasured, "--out", &out], ["demo", "hello", "--model", &unmeasured]] {
        let line = bad(&command);
        assert!(line.ends_with("unmeasured/config.json: its ranges were never measured"), "{line}");
    }
    let narrow = checkpoint(&place, "narrow", |c| c["polynomials"][0]["norm_feed_forward"]["hi"] = 1.5.into());
    let line = bad(&["pack", &narrow, "--out", &out]);
    assert!(line.contains("layers.0.norm_feed_forward.variance: measured [") && line.contains("1.500]"), "{line}");
    let folder = checkpoint(&place, "model", |_| ());
    let line = bad(&["pack", &folder, "--preset", "L15", "--out", &out]);
    assert!(line.contains("boot"), "{line}");
    let weights = Path::new(&folder).join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    assert!(bad(&["pack", &folder, "--out", &out]).starts_with(&folder));
    assert!(bad(&["pack", &place.at("missing"), "--out", &out]).starts_with(&place.at("missing")));
    assert!(!Path::new(&out).exists());

    good(&["pack", "--out", &out]);
    let bytes = std::fs::read(&out).unwrap();
    let cut = place.at("cut");
    std::fs::write(&cut, &bytes[..bytes.len() - 7]).unwrap();
    let line = bad(&["demo", "hello", "--model", &cut]);
    assert_eq!(line, format!("{cut}: {} bytes where the header says {}", bytes.len() - 7, bytes.len()));
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&cut, &flipped).unwrap();
    assert!(bad(&["demo", "hello", "--model", &cut]).contains("contents have digest"));
    let version = br#""polyformer":"2""#;
    let old = bytes.windows(version.len()).position(|part| part == version).unwrap();
    flipped = bytes.clone();
    flipped[old + 14] = b'1';
    std::fs::write(&cut, flipped).unwrap();
    let line = bad(&["demo", "hello", "--model", &cut]);
    let again = "a model of format version 1, this program reads 3: make it again with `polyformer pack`";
    assert_eq!(line, format!("{cut}: {again}"));
    let speed = place.at("speed");
    good(&["calibrate", "--preset", "L13", "--out", &speed]);
    assert!(bad(&["pack", "--figures", &speed, "--out", &cut]).contains("figures of parameter set"));
    assert_eq!(place.names("."), ["cut", "model", "narrow", "packed", "speed", "unmeasured"]);
}

#[test]
fn text_that_the_model_cannot_read_is_refused_before_a_key_is_made() {
    let place = Folder(tempfile::tempdir().unwrap());
    let keys = place.at("keys");
    let demo = |text: &str| bad(&["demo", text, "--keys", &keys]);
    assert_eq!(demo(""), "text: no words in it");
    assert_eq!(demo(" \t\n"), "text: no words in it");
    assert_eq!(demo(&"card ".repeat(65)), "text: 65 tokens, the model takes 64");
    assert_eq!(demo("☃ 卡"), "text: 2 tokens, the model knows 0 of them");
    let missing = place.at("missing");
    assert!(bad(&["demo", "hello", "--model", &missing]).starts_with(&missing));
    assert!(bad(&["demo", "hello", "--modle", &missing]).contains("'--model'"));
    assert!(bad(&["demo", "hello", "--keys", &keys, "--figures", &missing]).starts_with(&missing));
    assert!(place.names(".").is_empty());
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text_are_refused_in_one_line() {
    use std::os::unix::ffi::OsStrExt;
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, file) = (place.at("keys"), place.at("questions.csv"));
    let bytes = OsStr::from_bytes(b"my card \xff\xfe");
    let line = bad(&[OsStr::new("demo"), bytes, OsStr::new("--keys"), OsStr::new(&keys)]);
    assert!(line.contains("UTF-8"), "{line}");
    let line = bad(&[OsStr::new("encrypt"), OsStr::new("--text"), bytes, OsStr::new("--out"), OsStr::new(&keys)]);
    assert!(line.contains("UTF-8"), "{line}");
    std::fs::write(&file, b"text,category\nmy card,age_limit\nmy \xff card,age_limit\n").unwrap();
    let line = bad(&["eval", &file]);
    assert!(line.starts_with(&format!("{file}: line 3: ")) && line.contains("UTF-8"), "{line}");
    assert_eq!(place.names("."), ["questions.csv"]);
}

#[test]
fn keys_of_another_client_and_models_for_other_parameters_are_noticed() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (mine, theirs, question) = (place.at("mine"), place.at("theirs"), place.at("question"));
    for keys in [&mine, &theirs] {
        good(&["keygen", "--preset", "B16", "--level", "1", "--out", keys]);
    }
    let secret = place.at("mine/secret.safetensors");
    let said = good(&["encrypt", "--text", "Where is my ☃ card?", "--key", &secret, "--out", &question, "--json"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    let tokens = said["tokens"].to_string();
    let infer = |eval: &str, more: &[&str]| {
        let out = place.at("answer");
        let args = ["infer", &question, "--eval", eval, "--tokens", &tokens, "--out", &out];
        bad(&[&args[..], more].concat())
    };
    let line = infer(&place.at("theirs/eval"), &[]);
    let relin = place.at("theirs/eval/relin.safetensors");
    assert!(line.starts_with(&format!("{relin}: belongs to key ")) && line.ends_with(" is needed"), "{line}");
    let line = infer(&place.at("mine/eval"), &[]);
    let missing = "keys are missing, the first is the key pair of ModRaise"; // no keys for inference were made
    assert!(line.contains(missing) && line.contains("`polyformer keygen --secret SECRET --infer TOKENS"), "{line}");
    good(&["keygen", "--preset", "B16", "--level", "1", "--force", "--out", &mine]);
    let line = infer(&place.at("mine/eval"), &[]);
    assert!(line.contains("belongs to key "), "{line}"); // the question is under the key that was replaced

    let (params, packed) = (place.at("params"), place.at("packed"));
    let build = ["params", "--n", "65536", "--levels", "16", "--scale-bits", "39.5", "--bootstrap", "--dnum", "5"];
    good(&[&build[..], &["--out", &params]].concat());
    good(&["pack", "--params", &params, "--out", &packed]);
    let line = infer(&place.at("mine/eval"), &["--model", &packed]);
    assert!(line.starts_with(&format!("{packed}: parameter set ")) && line.ends_with(" where B16 is needed"), "{line}");
    let answer = place.at("answer");
    let other = ["--model", &packed, "--out", &answer];
    let lines = [
        bad(&[&["encrypt", "--text", "hello", "--key", &secret], &other[..]].concat()),
        bad(&["keygen", "--secret", &secret, "--infer", "4", "--model", &packed, "--out", &mine]),
    ];
    assert_eq!(lines, [line.clone(), line]);
    let line = bad(&["demo", "Where is my card?", "--model", &packed, "--keys", &mine]);
    assert!(line.starts_with(&place.at("mine/secret.safetensors")) && line.contains("not a key of "), "{line}");
    for tokens in ["0", "65"] {
        let args = ["infer", &question, "--eval", &mine, "--tokens", tokens, "--out", &answer];
        let line = bad(&args);
        let start = format!("--tokens {tokens}: the question {question} has ");
        assert!(line.starts_with(&start) && line.ends_with("; the option can be left out"), "{line}");
    }
    assert_eq!(place.names("."), ["mine", "packed", "params", "question", "theirs"]);
}

#[test]
fn results_are_published_with_noise_and_counted() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, x, secret) = (place.at("keys"), place.at("x"), place.at("keys/secret.safetensors"));
    good(&["keygen", "--preset", "C12", "--out", &keys]);
    let values = place.at("values");
    std::fs::write(&values, "1 2 3 4").unwrap();
    good(&["encrypt", &values, "--key", &secret, "--out", &x]);
    let publish = |results: &str| {
        let publish = ["--first", "3", "--publish", results, "--noise-bound", "1e-7", "--json"];
        [&["decrypt", &x, "--key", &secret], &publish[..]].concat().into_iter().map(String::from).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let args = publish("2");
        let out: Value = serde_json::from_str(&good(&args.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
        assert_eq!(out["values"].as_array().unwrap().len(), 3);
        let errors: Vec<f64> = (0..3).map(|i| out["values"][i].as_f64().unwrap() - (i + 1) as f64).collect();
        let sigma = 1.05 * (12.0 * 2.0 * 3.0f64).sqrt() * 32768e-7; // two results of three values; 0.029
        assert!(errors.iter().all(|e| e.abs() < 7.0 * sigma), "{errors:?}");
        assert!(errors.iter().any(|e| e.abs() > 1e-3 * sigma), "{errors:?}");
    }
    assert_eq!(bad(&publish("2")), format!("{secret}: 2 of 2 results were published, no more under this key"));
    let line = bad(&publish("1000"));
    assert_eq!(line, format!("{secret}: the first result fixed 2 results at 30 bits, not 1000 results at 30 bits"));
    assert!(bad(&["decrypt", &x, "--key", &secret, "--publish", "2"]).contains("--noise-bound"));
    let line = bad(&["decrypt", &x, "--key", &secret, "--publish", "2", "--noise-bound", "-1"]);
    assert!(line.starts_with("a noise bound of -1: "), "{line}");
    for count in ["0", "5"] {
        let line = bad(&["decrypt", &x, "--key", &secret, "--first", count]);
        assert_eq!(line, format!("the first {count} values: there are 4"));
    }
    let (results, others): (Vec<_>, Vec<_>) = place.names("keys").into_iter().partition(|x| x.ends_with(".published"));
    assert_eq!(others, [".polyformer.lock", "eval", "secret.safetensors"]);
    assert_eq!(results.len(), 2, "a published result is kept in a file beside the key");
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_leaves_no_temporary_file_and_says_which_command_goes_on() {
    let place = Folder(tempfile::tempdir().unwrap());
    let keys = place.at("keys");
    let mut child = Command::new(env!("CARGO_BIN_EXE_polyformer"))
        .args(["keygen", "--preset", "L15", "--rotations", "1..999", "--out", &keys])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let eval = Path::new(&keys).join("eval");
    let started = std::time::Instant::now();
    while std::fs::read_dir(&eval).map_or(0, |files| files.count()) < 3 {
        assert!(child.try_wait().unwrap().is_none() && started.elapsed().as_secs() < 120);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let said = String::from_utf8(ended.stderr).unwrap();
    let again = format!("`polyformer keygen --secret {keys}/secret.safetensors --rotations 1..999 --out {keys}`");
    assert!(said.starts_with("interrupted: ") && said.lines().count() == 1, "{said}");
    assert!(said.contains(" of 1000 keys are finished in ") && said.contains(&again), "{said}");
    let names = place.names("keys/eval");
    assert!(names.iter().all(|name| name.ends_with(".safetensors") && !name.starts_with('.')), "{names:?}");
    for name in &names {
        good(&["inspect", &place.at(&format!("keys/eval/{name}"))]);
    }
}
