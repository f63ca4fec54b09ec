//! Advice in refusals is true: what a refusal of `params` or of a missing key advises is done, and then it works.

#![allow(clippy::unwrap_used, clippy::panic)] // a test that cannot go on has failed

use polyformer::{
    keys::{
        KeySpec,
        advice::{check_files, rotation},
        secret::Secret,
    },
    primes::{Fault, Request, refusal},
};
use polyformer_kernel::params::Security;
use polyformer_tests::command::Program;
use std::path::Path;

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));

/// The pieces of advice that a message gives, each as a changed request.
fn advised(message: &str, request: &Request) -> Vec<Request> {
    let Some((_, advice)) = message.rsplit_once("; ") else { return Vec::new() };
    let Some(advice) = advice.strip_suffix(" can be built") else { return Vec::new() };
    let change = |options: &str| {
        let (mut out, words) = (*request, options.split(' ').collect::<Vec<_>>());
        for pair in words.chunks(2) {
            match pair {
                ["--n", n] => out.log_n = n.parse::<u64>().unwrap().ilog2() as u8,
                ["--levels", levels] => out.levels = levels.parse().unwrap(),
                ["--scale-bits", bits] => out.scale_bits = bits.parse().unwrap(),
                ["--dnum", dnum] => out.dnum = Some(dnum.parse().unwrap()),
                other => panic!("{message}: {other:?}"),
            }
        }
        out
    };
    advice.split(" or ").map(change).collect()
}

#[test]
fn every_piece_of_advice_of_the_builder_can_be_built() {
    let (mut refused, mut helped, mut pieces) = (0, 0, 0);
    for log_n in [10, 14, 16] {
        for levels in [0, 9, 60] {
            for scale_bits in [39.5, 47.0, 55.0] {
                for security in [Security::Bits128, Security::Bits256] {
                    for (bootstrap, dnum) in [(false, None), (true, None), (false, Some(3)), (true, Some(2))] {
                        let request = Request { log_n, levels, scale_bits, bootstrap, iterations: 1, dnum, security };
                        let Err(error) = request.build() else { continue };
                        let message = error.to_string();
                        let advice = advised(&message, &request);
                        assert_eq!(advice.len(), error.advice.len(), "{message}");
                        for request in &advice {
                            assert!(request.build().is_ok(), "{message}: {:?}", request.build().err());
                        }
                        refused += 1;
                        helped += (!advice.is_empty()) as usize;
                        pieces += advice.len();
                    }
                }
            }
        }
    }
    println!("{refused} requests refused, {helped} with advice, {pieces} pieces of advice");
    assert!(refused > 100 && 3 * helped > refused, "{refused} {helped}");
    let odd = Request {
        log_n: 16,
        levels: 3,
        scale_bits: 39.5,
        bootstrap: false,
        iterations: 1,
        dnum: None,
        security: Security::Bits128,
    };
    assert_eq!(
        refusal(&odd, Fault::Degree { n: 65537 }).to_string(),
        "--n 65537: the ring degree is a power of two from 1024 to 65536; --n 65536 can be built"
    );
}

#[test]
fn a_missing_key_says_its_rotation_and_the_command_that_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let (at, secret) = (keys.to_str().unwrap(), keys.join("secret.safetensors"));
    POLYFORMER.good(&["keygen", "--preset", "L13", "--level", "0", "--out", at], "");
    let Secret { header, params, .. } = Secret::read(&secret).unwrap();
    let eval = keys.join("eval");
    let galois = |k: i32| params.galois(k.rem_euclid(params.slots() as i32));
    for (key, purpose) in [
        (KeySpec::Relin(2), "the key of products (relinearisation) serves levels up to"),
        (KeySpec::Galois(galois(5), 1), "the key of the rotation by 5 is missing"),
        (KeySpec::Galois(galois(5), 2), "the key of the rotation by 5 serves levels up to 1, level 2 is needed"),
        (KeySpec::Galois(galois(-3), 2), "the key of the rotation by -3 is missing"),
        (KeySpec::Galois(params.galois_conjugate(), 1), "the key of conjugation is missing"),
        (KeySpec::Public, "the public key is missing"),
    ] {
        let message = key.check(&eval, &header, &params).unwrap_err().to_string();
        assert!(message.contains(purpose), "{message}");
        let command = message.split('`').nth(1).unwrap();
        let command = command.replace("SECRET", secret.to_str().unwrap()).replace("KEYS", at);
        let args: Vec<&str> = command.split(' ').skip(1).collect();
        POLYFORMER.good(&args, "");
        key.check(&eval, &header, &params).unwrap();
    }
    assert_eq!((rotation(&params, galois(-3)), rotation(&params, galois(5))), (Some(-3), Some(5)));
    let several = [KeySpec::Relin(2), KeySpec::Galois(galois(7), 1), KeySpec::Galois(galois(9), 1)];
    let message = check_files(&several, &eval, &header, &params).unwrap_err().to_string();
    assert!(message.contains("2 of 3 keys are missing, the first is the key of the rotation by 7"), "{message}");
    assert!(message.contains("--infer TOKENS"), "{message}");
    let missing = |args: &[&str], start: &str| {
        let line = POLYFORMER.bad(args, "1");
        assert!(line.starts_with(start) && line.contains("`polyformer keygen "), "{line}");
        assert!(!Path::new("nothing").exists());
    };
    let nothing = folder.path().join("nothing");
    let nothing = nothing.to_str().unwrap();
    missing(&["encrypt", "-", "--key", nothing, "--out", "x"], nothing);
    missing(&["encrypt", "-", "--public-key", nothing, "--out", "x"], nothing);
    missing(&["decrypt", "x", "--key", nothing], nothing);
    missing(&["keygen", "--secret", nothing, "--out", at], nothing);
    missing(&["infer", "x", "--embedded", nothing, "--eval", at, "--tokens", "3", "--out", "y"], "");
}
