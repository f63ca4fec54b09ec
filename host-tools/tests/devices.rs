//! Tests of `--backend`: the list of GPUs, the choice of `auto`, and equal answers on every backend.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer_tests::command::Program;
use std::process::Output;

fn run(args: &[&str]) -> Output {
    Program(env!("CARGO_BIN_EXE_polyformer")).run(args, "")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Lines of our own: drivers write to the standard error, too.
fn own(out: &Output) -> Vec<String> {
    let ours = |line: &&str| line.starts_with("error: --") || line.starts_with("--backend");
    text(&out.stderr).lines().filter(ours).map(String::from).collect()
}

#[test]
fn devices_lists_the_processor_and_says_what_auto_takes() {
    let out = run(&["devices"]);
    assert!(out.status.success());
    assert!(text(&out.stdout).starts_with("cpu    the processor, "));
    assert_eq!(text(&out.stdout).contains("\nauto   "), cfg!(feature = "wgpu"));
}

#[test]
fn auto_says_what_it_chose_and_why() {
    let out =
        run(&["bench", "--preset", "C12", "--op", "ntt_forward", "--seconds", "0", "--backend", "auto", "--json"]);
    assert!(out.status.success());
    let (said, chosen) = (own(&out), text(&out.stdout));
    let [line] = &said[..] else { panic!("{said:?}") };
    let backend = if chosen.contains("\"backend\":\"wgpu\"") { "wgpu" } else { "cpu" };
    assert!(line.starts_with(&format!("--backend auto: {backend}, because of ")), "{line}");
}

#[test]
fn options_of_gpus_need_that_backend() {
    for option in [["--adapter", "x"], ["--arithmetic", "halves"], ["--gpu-memory", "64"]] {
        let out = run(&[&["bench", "--preset", "C12"], &option[..]].concat());
        assert_eq!(out.status.code(), Some(2));
        assert_eq!(own(&out), ["error: --adapter, --arithmetic, --gpu-memory: need --backend wgpu, not cpu"]);
    }
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_program_without_gpus_says_how_to_get_them() {
    let out = run(&["bench", "--preset", "C12", "--backend", "wgpu"]);
    assert_eq!(out.status.code(), Some(2));
    let said = own(&out);
    assert!(said.len() == 1 && said[0].contains("--features wgpu"), "{said:?}");
}

/// Whether the machine has no adapter, and no adapter is required.
#[cfg(feature = "wgpu")]
fn skipped(out: &Output) -> bool {
    let none = out.status.code() == Some(2) && own(out) == ["error: --backend wgpu: no adapter"];
    if none {
        assert!(std::env::var_os("POLYFORMER_REQUIRE_GPU").is_none_or(|v| v != "1"), "no adapter");
        println!("skipped: no adapter");
    }
    none
}

#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_that_is_too_small_is_an_error_with_both_numbers_before_a_key_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let small = ["--backend", "wgpu", "--gpu-memory", "256"];
    let demo = ["demo", "Where is my card?", "--keys", keys.to_str().unwrap()];
    let compare = ["compare", "--run", "--variant", "normalise_and_square", "--json"];
    for ask in [&demo[..], &compare, &["bench", "--op", "bootstrap", "--json"]] {
        let out = run(&[ask, &small].concat());
        if skipped(&out) {
            return;
        }
        assert_eq!(out.status.code(), Some(2));
        let said = text(&out.stderr);
        let line = said.lines().find(|line| line.contains("GiB of device memory needed")).unwrap();
        assert!(line.ends_with(" GiB of device memory needed, 0.25 GiB there"), "{line}");
        let need: f64 = line.split_whitespace().filter_map(|word| word.parse().ok()).next().unwrap();
        assert!((1.0..16.0).contains(&need), "{line}");
        assert!(out.stdout.is_empty());
    }
    assert!(!keys.exists(), "keys were made");
}

#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_measures_every_operation() {
    let out =
        run(&["bench", "--preset", "L13", "--seconds", "0", "--backend", "wgpu", "--arithmetic", "halves", "--json"]);
    if skipped(&out) {
        return;
    }
    assert!(out.status.success(), "{}", text(&out.stderr));
    let lines = text(&out.stdout);
    assert_eq!(lines.lines().count(), 15);
    assert!(lines.lines().all(|l| l.contains("\"backend\":\"wgpu\"") && l.contains("\"isa\":\"16-bit halves\"")));
    let out = run(&["bench", "--preset", "L13", "--backend", "wgpu", "--adapter", "a GPU of the year 3000"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(own(&out)[0].ends_with("adapters is named like a GPU of the year 3000"), "{:?}", own(&out));
}
