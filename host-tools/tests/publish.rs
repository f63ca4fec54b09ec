//! Publication from the command line: the count in the file of the key, whatever the key is called and whoever counts at
//! the same time, and answers of a server that cheats.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer::{
    files::{self, Asked, Body, Budget, CiphertextMeta, Header},
    keys::secret::Secret,
    model::Pretrained,
    spec::SpecBuf,
};
use polyformer_kernel::math::modular::Modulus;
use polyformer_tests::command::{Folder, Program};
use std::{fs, ops::Deref, path::Path};
use tempfile::TempDir;

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));

/// A folder with a key and 100 encrypted numbers.
struct Place(Folder<TempDir>);

impl Deref for Place {
    type Target = Folder<TempDir>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Place {
    fn new() -> Self {
        let place = Self(Folder(tempfile::tempdir().unwrap()));
        let secret = Secret::generate(SpecBuf::preset("C12").unwrap()).unwrap();
        secret.write(&place.path("key"), false).unwrap();
        let numbers = (0..100).map(|i| i.to_string()).collect::<Vec<_>>().join(" ");
        POLYFORMER.good(&["encrypt", "-", "--key", &place.at("key"), "--out", &place.at("x")], &numbers);
        place
    }

    fn args(&self, key: &str, results: u32) -> Vec<String> {
        let (x, key, results) = (self.at("x"), self.at(key), results.to_string());
        let args = ["decrypt", &x, "--key", &key, "--first", "2", "--publish", &results, "--noise-bound", "1e-7"];
        args.map(String::from).to_vec()
    }

    fn publish(&self, key: &str, results: u32) -> String {
        POLYFORMER.good(&self.args(key, results), "")
    }

    fn refused(&self, key: &str, results: u32) -> String {
        POLYFORMER.bad(&self.args(key, results), "")
    }

    fn budget(&self, key: &str) -> Option<Budget> {
        match Secret::read(&self.path(key)).unwrap().header.body {
            Body::SecretKey(record) => record.budget,
            _ => unreachable!(),
        }
    }
}

#[test]
fn a_result_is_counted_in_the_file_of_the_key_and_the_first_fixes_the_budget() {
    let place = Place::new();
    assert_eq!(place.budget("key"), None);
    let first = place.publish("key", 2);
    assert_eq!(first.lines().count(), 2);
    assert_eq!(place.budget("key"), Some(Budget { results: 2, bits: 30, published: 1 }));
    let line = place.refused("key", 3);
    assert!(line.ends_with("the first result fixed 2 results at 30 bits, not 3 results at 30 bits"), "{line}");
    let mut bits = place.args("key", 2);
    bits.extend(["--statistical-bits".into(), "40".into()]);
    assert!(POLYFORMER.bad(&bits, "").ends_with("not 2 results at 40 bits"));
    assert_ne!(place.publish("key", 2), first, "each result has noise of its own");
    let line = place.refused("key", 2);
    assert!(line.ends_with("2 of 2 results were published, no more under this key"), "{line}");
    // the key still decrypts, and says how much is left
    POLYFORMER.good(&["decrypt", &place.at("x"), "--key", &place.at("key")], "");
    assert!(POLYFORMER.good(&["inspect", &place.at("key")], "").contains("2 of 2 results at 30 bits"));
    assert_eq!(place.names("").len(), 4, "the key, the ciphertext, and a file for each result");
}

#[test]
fn a_result_that_lost_its_file_is_published_again_with_the_same_values_and_no_count() {
    let place = Place::new();
    let kept = || -> Vec<String> { place.names("").into_iter().filter(|name| name.ends_with(".published")).collect() };
    let first = place.publish("key", 2);
    assert_eq!(fs::read_to_string(place.path(&kept()[0])).unwrap(), first);
    fs::remove_file(place.path(&kept()[0])).unwrap();
    assert_eq!(place.publish("key", 2), first);
    assert_eq!(place.budget("key").unwrap().published, 1);
    let second = place.publish("key", 2); // the file of the first is there: another result
    assert_ne!(second, first);
    for _ in 0..2 {
        assert!(place.refused("key", 2).contains("2 of 2 results were published"));
        kept().iter().for_each(|name| fs::remove_file(place.path(name)).unwrap());
        let mut again = [place.publish("key", 2), place.publish("key", 2)];
        let mut both = [first.clone(), second.clone()];
        again.sort();
        both.sort();
        assert_eq!(again, both);
    }
    // other values, another bound or another ciphertext are other results
    kept().iter().for_each(|name| fs::remove_file(place.path(name)).unwrap());
    let mut args = place.args("key", 2);
    args[5] = "3".into();
    assert!(POLYFORMER.bad(&args, "").contains("2 of 2 results were published"));
    let mut args = place.args("key", 2);
    *args.last_mut().unwrap() = "2e-7".into();
    assert!(POLYFORMER.bad(&args, "").contains("2 of 2 results were published"));
    POLYFORMER.good(&["encrypt", "-", "--key", &place.at("key"), "--out", &place.at("x")], "0 1 2");
    assert!(place.refused("key", 2).contains("2 of 2 results were published"));
    assert!(kept().is_empty() && place.budget("key").unwrap().published == 2);
}

#[test]
fn one_of_eight_processes_prints_again_when_the_file_of_the_result_is_removed() {
    let place = Place::new();
    for _ in 0..3 {
        let names = place.names("").into_iter().filter(|name| name.ends_with(".published"));
        names.for_each(|name| fs::remove_file(place.path(name)).unwrap());
        let tries: Vec<String> = std::thread::scope(|scope| {
            let run = || String::from_utf8(POLYFORMER.run(&place.args("key", 1), "").stdout).unwrap();
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
            tries.into_iter().map(|t| t.join().unwrap()).filter(|out| !out.is_empty()).collect()
        });
        assert_eq!(tries.len(), 1);
        assert_eq!(place.budget("key").unwrap().published, 1);
    }
}

#[test]
fn processes_that_publish_at_once_are_all_counted() {
    for results in [1, 3] {
        let place = Place::new();
        let published = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| POLYFORMER.run(&place.args("key", results), "").status.success() as u32))
                .collect();
            tries.into_iter().map(|t| t.join().unwrap()).sum::<u32>()
        });
        assert_eq!(published, results);
        assert_eq!(place.budget("key"), Some(Budget { results, bits: 30, published: results }));
    }
}

#[cfg(unix)]
#[test]
fn links_and_copies_of_a_key_have_its_count() {
    let place = Place::new();
    std::os::unix::fs::symlink(place.path("key"), place.path("link")).unwrap();
    std::os::unix::fs::symlink("link", place.path("link of a link")).unwrap();
    place.publish("link of a link", 1);
    assert!(place.path("link").symlink_metadata().unwrap().is_symlink());
    for key in ["key", "link", "link of a link"] {
        assert!(place.refused(key, 1).contains("1 of 1 results were published"));
    }
    fs::copy(place.path("key"), place.path("copy")).unwrap();
    assert!(place.refused("copy", 1).contains("1 of 1 results were published")); // by the name of the key, not of its file

    let place = Place::new();
    fs::hard_link(place.path("key"), place.path("second name")).unwrap();
    for key in ["key", "second name"] {
        let line = place.refused(key, 1);
        assert!(line.contains("the key has 2 names (hard links)"), "{line}");
    }
    fs::remove_file(place.path("second name")).unwrap();
    place.publish("key", 1);
}

#[test]
fn a_key_that_cannot_be_counted_publishes_nothing() {
    let place = Place::new();
    let held = fs::File::open(place.path("key")).unwrap();
    held.lock().unwrap();
    let line = place.refused("key", 1);
    assert!(line.contains("another process holds the lock"), "{line}");
    drop(held);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |mode| fs::set_permissions(place.path("key"), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o400);
        let owner_of_all = fs::OpenOptions::new().write(true).open(place.path("key")).is_ok();
        assert!(owner_of_all || place.refused("key", 1).starts_with(&place.at("key")));
        mode(0o600);
    }
    assert_eq!(place.budget("key"), None);
    place.publish("key", 1);
}

#[test]
fn a_bound_below_the_fresh_noise_is_refused_with_both_values() {
    let place = Place::new();
    let mut args = place.args("key", 1);
    *args.last_mut().unwrap() = "1e-11".into();
    let line = POLYFORMER.bad(&args, "");
    assert_eq!(line, "a noise bound of 1.0e-11: the error of a fresh ciphertext is 1.9e-10");
    assert_eq!(place.budget("key"), None);
}

/// (0, K X^power): decrypts to K X^power s, the secret in every slot.
fn crafted(secret: &Secret, k: u64, power: u64) -> [Vec<u32>; 2] {
    let params = &secret.params;
    let (n, bits) = (params.n(), params.n().ilog2());
    let limb = |m: usize| {
        let q: Modulus = params.moduli()[m];
        let pow = |base: u64, exponent: u64| {
            let mut out = 1u64;
            for bit in (0..64).rev() {
                out = out * out % q.q() as u64;
                out = if exponent >> bit & 1 == 1 { out * base % q.q() as u64 } else { out };
            }
            out
        };
        let root = (2..).map(|g| pow(g, (q.q() as u64 - 1) / (2 * n as u64)));
        let root = root.into_iter().find(|psi| pow(*psi, n as u64) == q.q() as u64 - 1).unwrap();
        let at = |i: usize| (2 * (i.reverse_bits() >> (usize::BITS - bits)) + 1) as u64;
        (0..n).map(|i| ((k as u128 * pow(root, at(i) * power) as u128) << 32) % q.q() as u128).collect::<Vec<_>>()
    };
    let words = params.q(0).iter().flat_map(limb).map(|w| w as u32).collect();
    [vec![0; params.q(0).len() * n], words]
}

fn write(path: &Path, secret: &Secret, body: Body, tensors: &[Vec<u32>; 2]) {
    let header = Header { body, ..secret.header.clone() };
    let tensors = tensors.each_ref().map(|t| bytemuck::cast_slice(&t[..]));
    let _ = fs::remove_file(path); // of another kind, which is not replaced
    files::write(path, &header, &secret.params, &tensors).unwrap();
}

/// The line of a run that must fail with exit code 1 and print nothing.
fn untrusted(args: &[&str]) -> String {
    let out = POLYFORMER.run(args, "");
    let line = String::from_utf8(out.stderr).unwrap();
    assert_eq!((out.status.code(), out.stdout.len(), line.lines().count()), (Some(1), 0, 1), "{args:?}: {line}");
    line
}

#[test]
fn multiples_of_the_secret_in_the_place_of_an_answer_print_nothing_and_cost_no_budget() {
    let place = Place::new();
    let (secret, model) = (Secret::read(&place.path("key")).unwrap(), Pretrained::open(None).unwrap());
    let sealed = CiphertextMeta { level: 0, count: 1, values: 2048, seed: None };
    let asked = Asked { tokens: vec![9], model: model.text.id(), nonce: [1; 16] };
    let (key, file) = (place.at("key"), place.at("crafted"));
    for power in [0, secret.params.n() as u64 / 2] {
        let tensors = crafted(&secret, 1 << 55, power);
        for body in [Body::Ciphertext(sealed), Body::Answer(sealed, asked.clone())] {
            let answer = matches!(body, Body::Answer(..));
            write(&place.path("crafted"), &secret, body, &tensors);
            let publish =
                untrusted(&["decrypt", &file, "--key", &key, "--publish", "2", "--noise-bound", "4.8e-5", "--json"]);
            assert!(publish.contains("4.8e-5") || publish.contains("an imaginary part of"), "{publish}");
            if answer {
                assert!(untrusted(&["decrypt", &file, "--key", &key, "--labels"]).contains("an imaginary part of"));
                assert!(untrusted(&["decrypt", &file, "--key", &key]).contains("an imaginary part of"));
            }
        }
    }
    assert_eq!(place.budget("key"), None);
}

#[test]
fn what_is_no_answer_has_no_labels() {
    let place = Place::new();
    let (x, key) = (place.at("x"), place.at("key"));
    let line = POLYFORMER.bad(&["decrypt", &x, "--key", &key, "--labels"], "");
    assert_eq!(line, format!("{x}: a ciphertext file where an answer file is needed, as `polyformer infer` writes it"));
    let line = POLYFORMER.bad(&["infer", &x, "--eval", &place.at("."), "--tokens", "9", "--out", &place.at("y")], "");
    let wanted = "a ciphertext file where a question file is needed, as `polyformer encrypt --text` writes it";
    assert_eq!(line, format!("{x}: {wanted}"));
    let question = place.at("question");
    let said = POLYFORMER.good(&["encrypt", "--text", "lost card", "--key", &key, "--out", &question], "");
    assert!(said.contains("2 tokens"), "{said}");
    let line = POLYFORMER.bad(&["decrypt", &question, "--key", &key, "--labels"], "");
    assert!(line.contains("a question file where an answer file is needed"), "{line}");
    let (eval, y) = (place.at("."), place.at("y"));
    let infer = ["infer", &question, "--eval", &eval, "--tokens", "9", "--accept", "C12", "--out", &y];
    let line = POLYFORMER.bad(&infer, "");
    assert_eq!(line, format!("--tokens 9: the question {question} has 2; the option can be left out"));
}

#[test]
fn an_answer_is_decrypted_for_its_own_question_alone() {
    let place = Place::new();
    let (key, secret) = (place.at("key"), Secret::read(&place.path("key")).unwrap());
    let model = Pretrained::open(None).unwrap();
    let asked = |nonce| Asked { tokens: vec![3], model: model.text.id(), nonce };
    let sealed = CiphertextMeta { level: 0, count: 1, values: 2048, seed: None };
    let zeros = [vec![0; 2 * 4096], vec![0; 2 * 4096]]; // an encryption of zeros that a server can make: no logit is large
    write(&place.path("question"), &secret, Body::Question(sealed, asked([1; 16])), &zeros);
    let decrypt = |extra: &[&str]| {
        let (answer, key) = (place.at("answer"), key.clone());
        [&["decrypt", &answer, "--key", &key][..], extra].concat().iter().map(|s| s.to_string()).collect::<Vec<_>>()
    };
    let of = place.at("question");
    write(&place.path("answer"), &secret, Body::Answer(sealed, asked([1; 16])), &zeros);
    assert_eq!(POLYFORMER.good(&decrypt(&["--question", &of]), "").lines().count(), 77);
    assert_eq!(POLYFORMER.good(&decrypt(&["--question", &of, "--labels"]), "").lines().count(), 3);
    write(&place.path("answer"), &secret, Body::Answer(sealed, asked([2; 16])), &zeros);
    let line = POLYFORMER.bad(&decrypt(&["--question", &of, "--labels"]), "");
    assert!(line.contains("the answer to question 0202") && line.contains("question 0101"), "{line}");
    let other = Asked { model: [7; 16], ..asked([1; 16]) };
    write(&place.path("answer"), &secret, Body::Answer(sealed, other), &zeros);
    assert!(POLYFORMER.bad(&decrypt(&["--labels"]), "").contains("made for model 0707"));
}
