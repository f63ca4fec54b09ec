//! A client's process leaves no core dump. The test has a process of its own, because the change is for good.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use nix::sys::{
    prctl,
    resource::{Resource, getrlimit},
};
use polyformer::machine::dumps;
use std::{
    io::Write,
    process::{Command, Stdio},
};

/// The limits of a command that waits for its input.
fn limits(args: &[&str]) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_polyformer"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let path = format!("/proc/{}/limits", child.id());
    let row = |limits: &str| limits.lines().find(|line| line.starts_with("Max core file size")).map(String::from);
    let mut found = None;
    for _ in 0..500 {
        found = row(&std::fs::read_to_string(&path).unwrap());
        if found.as_ref().is_some_and(|row| !row.contains("unlimited")) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let _ = child.stdin.take().map(|mut input| input.write_all(b"x"));
    child.wait().unwrap();
    found.unwrap()
}

#[test]
fn clients_forbid_core_dumps_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let limits = limits(&["encrypt", "-", "--key", &at("none"), "--out", &at("out")]);
    let sizes: Vec<&str> = limits.split_whitespace().filter(|word| word.parse::<u64>().is_ok()).collect();
    assert_eq!(sizes, ["0", "0"], "{limits}"); // soft and hard

    assert!(prctl::get_dumpable().unwrap()); // afterwards: a child inherits the limit
    dumps::forbid().unwrap();
    assert!(!prctl::get_dumpable().unwrap());
    assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
}
