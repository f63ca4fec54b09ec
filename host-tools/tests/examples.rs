//! Every example is short, and `cargo test` runs it.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::{fs, path::Path};

/// The most lines of an example.
const MOST: usize = 60;

#[test]
fn every_example_is_short_and_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "rs") {
            continue; // an example of several files is a program of its own
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < MOST, "{name}: {lines} lines");
        let entry = format!("[[example]]\nname = \"{name}\"\ntest = true\nharness = false\n");
        assert!(manifest.contains(&entry), "{name}: `cargo test` does not run it: no entry in Cargo.toml");
        names.push(name);
    }
    names.sort();
    assert_eq!(names, ["add", "attention_head", "bootstrap", "own_approximation", "private_question"]);
}
