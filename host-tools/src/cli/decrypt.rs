//! `polyformer decrypt`: a ciphertext file to numbers.

use super::common::{Compute, print, print_json, progress};
use crate::{
    Result, cipher,
    error::In,
    files::{self, Access, Kind, Mapped, View},
    host::Host,
    model::{Pretrained, probabilities, top},
    secret::Secret,
};
use std::{fmt::Write as _, io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  polyformer decrypt y.safetensors --key keys/secret.safetensors
  polyformer decrypt y.safetensors --key keys/secret.safetensors --json > y.json

The numbers are yours alone. Their last digits are noise that depends on the secret key and on the inputs: who sees
decrypted results as they are printed may learn the key (IND-CPA^D). Before a result leaves you, add Gaussian noise of
standard deviation sqrt(12 T) 2^(S/2) E, with E a bound on the error of a value, T the number of results that are
revealed under this key, S at least 30 (eprint 2022/816).";

/// Decrypt to numbers, one a line. They are private to the owner of the key: see below.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The ciphertext file.
    ciphertext: PathBuf,
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Write the numbers to a file that only you can read, instead of printing them.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// As one JSON object, {"values": [...]}; `encrypt` reads it back.
    #[arg(long)]
    json: bool,
    /// The file is the answer of `infer`: print the three likeliest labels of the model in the program.
    #[arg(long, conflicts_with_all = ["out", "json"])]
    labels: bool,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let device = args.compute.device()?.client();
    let path = &args.ciphertext;
    let secret = Secret::read(&args.key)?;
    let mapped = Mapped::open(path).in_file(path)?;
    let view = View::parse(mapped.bytes()).in_file(path)?;
    view.expect_kind(Kind::Ciphertext).in_file(path)?;
    view.expect_same(&secret.header).in_file(path)?;
    let host = Host::new(secret.params.clone());
    let bar = progress(view.header.count(), "ciphertexts");
    let values = cipher::decrypt(&host, device, &secret, &view, &|| bar.inc(1))?;
    bar.finish_and_clear();
    if args.labels {
        let model = Pretrained::embedded()?;
        let logits = values.get(..model.text.classes()).unwrap_or(&[]);
        let p = probabilities(logits);
        let mut best = top(logits).into_iter().take(3);
        return best.try_for_each(|c| print(out, format_args!("{:>6.2} %  {}\n", 100.0 * p[c], model.text.label(c))));
    }
    let mut text = Vec::new();
    if args.json {
        print_json(&mut text, &serde_json::json!({ "values": values }))?;
    } else {
        let mut lines = String::new();
        values.iter().for_each(|x| {
            let _ = writeln!(lines, "{x}"); // into a string: cannot fail
        });
        text = lines.into_bytes();
    }
    match &args.out {
        Some(path) => files::atomically(path, Access::Private, |file| file.write_all(&text)).in_file(path),
        None => print(out, format_args!("{}", String::from_utf8_lossy(&text))),
    }
}
