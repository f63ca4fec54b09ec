//! Fixed seeds make the recorded words: keys, ciphertexts, plaintexts, logits. The program is host-tools/examples/identity; here
//! the sections run that take little time. `scripts/identity.sh` runs all of them, and compares them with an older commit.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

#[path = "../examples/identity/bootstraps.rs"]
mod bootstraps;
#[path = "../examples/identity/circuits.rs"]
mod circuits;
#[path = "../examples/identity/evaluator.rs"]
mod evaluator;
#[path = "../examples/identity/machine.rs"]
mod machine;
#[path = "../examples/identity/models.rs"]
mod models;
#[path = "../examples/identity/owner.rs"]
mod owner;
#[path = "../examples/identity/record.rs"]
mod record;
#[path = "../examples/identity/rings.rs"]
mod rings;
#[path = "../examples/identity/scheme.rs"]
mod scheme;
#[path = "../examples/identity/suite.rs"]
mod suite;

use machine::Machine;
use record::Record;
use suite::Suite;

const RECORDED: &str = include_str!("../../tests/vectors/identity.txt");

/// Sections of larger rings.
const SLOW: [&str; 7] = [
    "scheme/B16-16",
    "scheme/F16-16",
    "scheme/H16-16",
    "evaluator/B16-16",
    "bootstrap/H16",
    "bootstrap/B16-12",
    "banking77/three-12",
];

/// Runs the wanted sections, and compares their lines with the recorded lines.
fn unchanged(machine: Machine, wanted: impl Fn(&str) -> bool) {
    let mut suite = Suite { machine, wanted: &wanted, out: Record::default() };
    suite.run().unwrap();
    let recorded = RECORDED.lines().map(|line| line.split_once(' ').unwrap()).filter(|(name, _)| wanted(name));
    let recorded: Vec<_> = recorded.collect();
    let made: Vec<_> = suite.out.lines().iter().map(|(name, hash)| (&name[..], &hash[..])).collect();
    let changed: Vec<_> = recorded.iter().filter(|line| !made.contains(line)).map(|(name, _)| *name).collect();
    assert!(changed.is_empty(), "{}: not as recorded: {changed:?}", machine.name());
    assert!(recorded.len() > 40, "only {} recorded lines", recorded.len());
}

#[test]
fn the_fastest_backend_makes_the_recorded_words() {
    unchanged(Machine::all()[0], |name| !SLOW.iter().any(|slow| name.starts_with(slow)));
}

#[test]
fn the_scalar_backend_makes_the_recorded_words() {
    const PARTS: [&str; 4] =
        ["scheme/B16-10", "evaluator/B16-10", "rings/B16-10", "bootstrap/B16-10/mod_raise_first-min_ks-period32"];
    unchanged(Machine::Scalar, |name| PARTS.iter().any(|part| name.starts_with(part)));
}
