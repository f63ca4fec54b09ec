//! Prints a hash of the words of each computation from fixed seeds, one line `NAME HASH` each. Two commits with equal
//! lines compute the same ciphertexts, keys, encodings and logits.
//!
//!     cargo run --release -p polyformer --example identity [--backend NAME]... [SECTION]...
//!
//! NAME is `scalar`, or an instruction set of the backend `cpu`. By default every backend of this machine runs, and all must
//! make the same words. SECTION is the beginning of a name. By default all sections are recorded.

mod bootstraps;
mod circuits;
mod evaluator;
mod machine;
mod models;
mod owner;
mod record;
mod rings;
mod scheme;
mod suite;

use machine::Machine;
use std::time::Instant;
use suite::{Failure, Suite};

fn main() -> Result<(), Failure> {
    let (mut machines, mut sections, mut args) = (Vec::new(), Vec::new(), std::env::args().skip(1));
    while let Some(arg) = args.next() {
        if arg == "--backend" {
            let name = args.next().unwrap_or_default();
            let found = Machine::all().into_iter().find(|machine| machine.name() == name);
            machines.push(found.ok_or_else(|| format!("--backend {name}: this machine has none of that name"))?);
        } else {
            sections.push(arg);
        }
    }
    if machines.is_empty() {
        machines = Machine::all();
    }
    let wanted = |section: &str| sections.is_empty() || sections.iter().any(|s| section.starts_with(s.as_str()));
    let (mut first, mut differs): (Option<Suite<'_>>, usize) = (None, 0);
    for machine in machines {
        let (start, mut suite) = (Instant::now(), Suite { machine, wanted: &wanted, out: Default::default() });
        suite.run()?;
        let lines = suite.out.lines();
        eprintln!("{}: {} lines in {:.1} s", machine.name(), lines.len(), start.elapsed().as_secs_f64());
        match &first {
            None => {
                lines.iter().for_each(|(name, hash)| println!("{name} {hash}"));
                first = Some(suite);
            }
            Some(first) => {
                for ((name, hash), (_, other)) in first.out.lines().iter().zip(lines).filter(|(a, b)| a != b) {
                    eprintln!("{name}: {hash} on {}, {other} on {}", first.machine.name(), machine.name());
                    differs += 1;
                }
            }
        }
    }
    if differs == 0 { Ok(()) } else { Err(format!("{differs} lines differ between backends").into()) }
}
