//! Tests of `keygen`: what it prints of the key and its parameters, and what it refuses.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer::{
    files::{self, Body, Header, Mapped, View},
    keys::secret::Secret,
};
use polyformer_tests::command::{Folder, Program};
use std::path::Path;

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));

#[test]
fn a_public_key_has_a_fingerprint_that_its_owner_and_its_user_see() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, other) = (place.at("keys"), place.at("other"));
    let shown = |text: &str| {
        text.lines().find_map(|line| line.strip_prefix("public key ")?.split_once(':')).unwrap().0.to_string()
    };
    let made = POLYFORMER.good(&["keygen", "--preset", "L13", "--public", "--out", &keys], "");
    assert!(made.contains("L13  N = 8192, log2(QP) 188.7, 128 bits of security"), "{made}");
    let public = format!("{keys}/eval/public.safetensors");
    let used = POLYFORMER.good(&["encrypt", "-", "--public-key", &public, "--out", &place.at("x")], "1 2 3");
    assert_eq!(shown(&made), shown(&used));
    assert_eq!(shown(&made).len(), 39); // 16 bytes in groups of two
    let json = POLYFORMER.good(&["encrypt", "-", "--public-key", &public, "--out", &place.at("x"), "--json"], "1 2 3");
    assert!(json.contains(&shown(&made)), "{json}");
    assert_ne!(shown(&made), shown(&POLYFORMER.good(&["keygen", "--preset", "L13", "--public", "--out", &other], "")));

    // the id in the header is a claim: the same id on another key has another fingerprint
    let secret = Secret::read(Path::new(&format!("{keys}/secret.safetensors"))).unwrap();
    let mapped = Mapped::open(Path::new(&format!("{other}/eval/public.safetensors"))).unwrap();
    let view = View::parse(mapped.bytes()).unwrap();
    let forged = Header { key: secret.header.key, ..view.header.clone() };
    files::write(Path::new(&place.at("forged")), &forged, &view.params, &[view.bytes(0)]).unwrap();
    let used =
        POLYFORMER.good(&["encrypt", "-", "--public-key", &place.at("forged"), "--out", &place.at("x")], "1 2 3");
    assert_ne!(shown(&used), shown(&made));
}

#[test]
fn keygen_refuses_less_security_than_is_required() {
    let place = Folder(tempfile::tempdir().unwrap());
    let out = place.at("keys");
    let line = POLYFORMER.bad(&["keygen", "--preset", "L13", "--require-security", "192", "--out", &out], "");
    assert_eq!(line, "--require-security 192: L13 has 128 bits of security");
    assert!(!Path::new(&out).exists());
    POLYFORMER.good(&["keygen", "--preset", "L13", "--require-security", "128", "--out", &out], "");
}

#[cfg(unix)]
#[test]
fn a_secret_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Folder(tempfile::tempdir().unwrap());
    let (keys, key) = (place.at("keys"), place.at("keys/secret.safetensors"));
    POLYFORMER.good(&["keygen", "--preset", "C12", "--out", &keys], "");
    for mode in [0o640, 0o604, 0o620] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let line = POLYFORMER.bad(&["encrypt", "-", "--key", &key, "--out", &place.at("x")], "1");
        let chmod = format!("`chmod 600 {key}` makes it yours alone");
        assert_eq!(line, format!("{key}: mode {mode:04o} lets other users at this secret key; {chmod}"));
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o400)).unwrap();
    POLYFORMER.good(&["encrypt", "-", "--key", &key, "--out", &place.at("x")], "1");
}

#[test]
fn a_second_small_client_under_one_secret_needs_the_word_of_the_owner() {
    let place = Folder(tempfile::tempdir().unwrap());
    let [one, two, keys] = ["one", "two", "keys"].map(|name| place.at(name));
    let secret = |folder: &str| format!("{folder}/secret.safetensors");
    for small in [&one, &two] {
        POLYFORMER.good(&["keygen", "--preset", "C12", "--out", small], "");
    }
    POLYFORMER.good(&["keygen", "--preset", "B16", "--level", "0", "--embedded", &secret(&one), "--out", &keys], "");
    let clients = |key: &str| match Secret::read(Path::new(key)).unwrap().header.body {
        Body::SecretKey(record) => record.small_clients,
        _ => unreachable!(),
    };
    let id = |small: &str| Secret::read(Path::new(small)).unwrap().header.key.unwrap();
    let (large, two) = (secret(&keys), secret(&two));
    assert_eq!(clients(&large), [id(&secret(&one))]);
    let (elsewhere, moved) = (place.at("elsewhere"), place.at("moved"));
    std::fs::copy(&large, &moved).unwrap(); // no key of a small client is beside this copy
    for (large, out) in [(&large, &keys), (&large, &elsewhere), (&moved, &elsewhere)] {
        let args = ["keygen", "--secret", large, "--level", "0", "--embedded", &two, "--out", out];
        let line = POLYFORMER.bad(&args, "");
        let known = format!("{large}: a key of the small client {} was made for this secret key", id(&secret(&one)));
        assert!(line.starts_with(&known) && line.contains("--same-owner"), "{line}");
        assert!(!Path::new(&elsewhere).exists());
    }
    let again = ["keygen", "--secret", &large, "--level", "0", "--embedded", &secret(&one), "--out", &keys];
    POLYFORMER.good(&again, ""); // the same client again
    assert_eq!(clients(&large).len(), 1);
    let args = ["keygen", "--secret", &large, "--level", "0", "--embedded", &two, "--same-owner", "--out", &keys];
    POLYFORMER.good(&args, "");
    assert_eq!(clients(&large), [id(&secret(&one)), id(&two)]);
    assert!(POLYFORMER.good(&["inspect", &large], "").contains(&format!("the small client {}", id(&two))));
}
