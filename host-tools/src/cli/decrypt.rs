//! `polyformer decrypt`: decrypts a ciphertext file to numbers.

use super::{
    common::{Compute, pretrained_for, print, print_json, progress},
    terminal,
};
use crate::{
    Result,
    error::WithPath,
    files::{self, Access, Kind, Mapped, View},
    keys::secret::Secret,
    machine::Host,
    model::{probabilities, top},
    session::{
        cipher,
        private::{Budget, Private, Published},
    },
};
use std::{fmt::Write as _, io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  polyformer decrypt y.safetensors --key keys/secret.safetensors
  polyformer decrypt y.safetensors --key keys/secret.safetensors --json > y.json

The numbers are private. Their last digits are noise that depends on the secret key and on the inputs. Enough decrypted
results may reveal the key (IND-CPA^D). Publish a result before you give it to others:

  polyformer decrypt y.safetensors --key keys/secret.safetensors --first 77 --publish 10 --noise-bound 1e-7

The command adds Gaussian noise of standard deviation sqrt(12 T) 2^(S/2) E (eprint 2022/816).
  E  a bound on the error of a value, which follows from the circuit and not from this result
  T  the number of results to publish under this key; FILE.published next to the key counts them
  S  at least 30
`polyformer eval FILE --noise N` predicts E for the logits of a model. For the model in the program E is 4.8e-5, predicted
over 1,498 held-out questions and not proved. docs/threat-model.md says what is promised.";

/// Decrypt to numbers, one per line. The numbers are private to the owner of the key: see below.
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
    /// Print one JSON object, {"values": [...]}, which `encrypt` can read.
    #[arg(long)]
    json: bool,
    /// Print only the first N numbers. In an answer of `infer`, the logits are as many numbers as the model has labels.
    #[arg(long, value_name = "N")]
    first: Option<usize>,
    /// The file is the answer of `infer`: print the model's three likeliest labels.
    #[arg(long, conflicts_with_all = ["out", "json", "first"])]
    labels: bool,
    /// The model of --labels, a folder or a model file. The default is the model in the program.
    #[arg(long, value_name = "PATH", requires = "labels")]
    model: Option<PathBuf>,
    /// Publish the result, as one of T results under this key.
    #[arg(long, value_name = "T", requires = "noise_bound")]
    publish: Option<u32>,
    /// A bound of every value's error, from the circuit and not from the values.
    #[arg(long, value_name = "E", requires = "publish", allow_negative_numbers = true)]
    noise_bound: Option<f64>,
    /// Bits of statistical security of the published values.
    #[arg(long, value_name = "S", default_value_t = 30, requires = "publish")]
    statistical_bits: u32,
    #[command(flatten)]
    compute: Compute,
}

/// The published values. The budget counts them before they are printed.
fn published(args: &Args, results: u32, bound: f64, values: &Private) -> Result<Published> {
    let mut name = args.key.clone().into_os_string();
    name.push(".published");
    let path = PathBuf::from(name);
    let mut budget = Budget::new(results, args.statistical_bits)?.kept_at(&path)?;
    let out = values.publish(&mut budget, bound)?;
    budget.keep(&path)?;
    Ok(out)
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.compute.target()?.client();
    let path = &args.ciphertext;
    let secret = Secret::read(&args.key)?;
    let mapped = Mapped::open(path).with_path(path)?;
    let view = View::parse(mapped.bytes()).with_path(path)?;
    view.expect_kind(Kind::Ciphertext).with_path(path)?;
    view.expect_same(&secret.header).with_path(path)?;
    let host = Host::new(secret.params.clone());
    let bar = progress(view.header.count(), "ciphertexts");
    let private = cipher::decrypt(&host, target, &secret, &view, &|| bar.inc(1))?;
    bar.finish_and_clear();
    let model = args.labels.then(|| pretrained_for(args.model.as_deref(), &secret.header.spec)).transpose()?;
    let private = match model.as_ref().map(|model| model.text.classes()).or(args.first) {
        Some(count) => private.first(count)?,
        None => private,
    };
    let published = match (args.publish, args.noise_bound) {
        (Some(results), Some(bound)) => Some(published(args, results, bound, &private)?),
        _ => None,
    };
    let values = published.as_ref().map_or(private.expose(), |p| p.values());
    if let Some(model) = model {
        let p = probabilities(values);
        let mut best = top(values).into_iter().take(3);
        return best.try_for_each(|c| {
            print(out, format_args!("{:>6.2} %  {}\n", 100.0 * p[c], terminal::line(model.text.label(c))))
        });
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
        Some(path) => files::atomically(path, Access::Private, |file| file.write_all(&text)).with_path(path),
        None => print(out, format_args!("{}", String::from_utf8_lossy(&text))),
    }
}
