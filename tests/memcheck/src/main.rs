//! Constant time, as a program for valgrind (`scripts/constant-time.sh`). The program marks secrets as undefined memory.
//! Memcheck follows the mark through every operation, and reports each branch and each address that depends on it.
//!
//! `control` branches on a secret, so that the script can see that reports arrive.

#![allow(clippy::unwrap_used)] // a check that cannot go on has failed

mod client;
mod device;
mod mark;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("scalar") => client::on_scalar(),
        Some("cpu") => client::on_cpu(),
        Some("device") => device::run(),
        Some("control") => control(),
        other => {
            eprintln!("{other:?}: one of scalar, cpu, device and control is needed");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn control() {
    let secret = [1u8; 32];
    mark::undefined(&secret);
    if std::hint::black_box(&secret)[7] == 3 {
        println!("a branch on a secret");
    }
}
