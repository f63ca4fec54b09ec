//! `polyformer decrypt`: decrypts a ciphertext file to numbers.

use super::{
    common::{Compute, given, pretrained_for, print, progress},
    inputs, terminal,
};
use crate::{
    Result,
    error::WithPath,
    files::{Access, Body, Form, Kind, Output, View, input, numbers},
    keys::secret::Secret,
    machine::{ComputeTarget, Host},
    model::Pretrained,
    session::{
        answer::{ERROR, Honest, answered},
        cipher,
        private::Private,
        publish::{Published, Terms},
    },
};
use std::{
    fs::Metadata,
    io::Write,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Examples:
  polyformer decrypt y.safetensors --key keys/secret.safetensors
  polyformer decrypt y.safetensors --key keys/secret.safetensors --json > y.json

The numbers are private. Their last digits are noise that depends on the secret key and on the inputs. Enough decrypted
results may reveal the key (IND-CPA^D). Publish a result before you give it to others:

  polyformer decrypt answer.safetensors --key keys/secret.safetensors --publish 10 --noise-bound 4.8e-5

The command adds Gaussian noise of standard deviation sqrt(12 T n) 2^(S/2) E to n values (eprint 2022/816), and rounds to
1/217 of that.
  n  the number of values that are published
  E  a bound on the error of a value, which follows from the circuit and not from this result
  T  the number of results to publish under this key; the file of the key counts them
  S  from 30 to 64
A published result is kept beside the key, in KEY-RESULT.published. If that file is removed, the same command publishes the
same values again, and nothing is counted.
`polyformer eval FILE --noise N` predicts E for the logits of a model. For the model in the program E is 4.8e-5, predicted
over 1,498 held-out questions and not proved. Noise protects against an honest circuit only: publish no answer of a server
that you do not trust. docs/threat-model.md says what is promised.

An answer is checked before anything is printed: key, parameters, model, and what an honest circuit leaves at 0. With
--question FILE the answer must be to that question. Exit code 1 means an answer that no honest server gives.";

/// Decrypt to numbers, one per line. The numbers are private to the owner of the key: see below.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file, or - for standard input: encrypted numbers, or the answer of `infer`, whose numbers are the logits.
    ciphertext: PathBuf,
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Write the numbers to a file that only you can read, instead of printing them. An older file of this kind is
    /// replaced.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Print one JSON object, {"values": [...]}, which `encrypt` can read.
    #[arg(long)]
    json: bool,
    /// Print only the first N numbers.
    #[arg(long, value_name = "N")]
    first: Option<usize>,
    /// The file is the answer of `infer`: print the model's three likeliest labels.
    #[arg(long, conflicts_with_all = ["out", "json", "first", "publish"])]
    labels: bool,
    /// The question that the file is the answer to, as `encrypt --text` wrote it.
    #[arg(long, value_name = "FILE")]
    question: Option<PathBuf>,
    /// The model of an answer, a folder or a model file. The default is the model in the program.
    #[arg(long, value_name = "PATH")]
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

/// Whether a file is an older output: numbers, for their owner alone.
fn is_own(metadata: &Metadata, bytes: &[u8]) -> bool {
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(metadata) & 0o077 != 0 {
        return false;
    }
    let _ = metadata;
    std::str::from_utf8(bytes).is_ok_and(|text| numbers::parse(text).is_ok())
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.compute.target()?.client();
    let path = &args.ciphertext;
    let inputs = given(&[Some(path), Some(&args.key), args.model.as_deref()]);
    let form = Form::Other { what: "a private file of numbers", text: true, own: &is_own };
    let reserve = |path| Output::reserve(path, form, Access::Private, &inputs).with_path(path);
    let output = args.out.as_deref().map(reserve).transpose()?;
    let secret = Secret::read(&args.key)?;
    let of_answer = args.labels || args.question.is_some() || args.model.is_some();
    let kinds: &[Kind] = if of_answer { &[Kind::Answer] } else { &[Kind::Ciphertext, Kind::Answer] };
    let mapped = inputs::mapped_or_standard(path, kinds)?;
    let view = inputs::view(path, &mapped, kinds)?;
    let path = input::named(path);
    let host = Host::new(secret.params.clone());
    let private = match view.header.kind() {
        Kind::Answer => {
            let model = pretrained_for(args.model.as_deref(), &secret.header.spec)?;
            let rows = answer(args, &host, target, &secret, &view, &model)?;
            if args.labels {
                return rows.iter().try_for_each(|row| labels(&model, row, out));
            }
            Private::joined(rows)
        }
        _ => {
            view.expect_same(&secret.header).with_path(path)?;
            opened(&host, target, &secret, &view)?
        }
    };
    let private = match args.first {
        Some(count) => private.first(count)?,
        None => private,
    };
    let published = published(args, &secret, &private)?;
    let values = published.as_ref().map_or(private.values(), |p| p.values());
    let text = shown(values, args.json).with_path(Path::new("standard output"))?;
    match (&args.out, output) {
        (Some(path), Some(output)) => output.write(|file| file.write_all(&text)).with_path(path),
        _ => out.write_all(&text).with_path(Path::new("standard output")),
    }
}

/// The values as text, one a line or as JSON. The text is wiped, and has room for numbers of the usual length from the
/// start, because a text that grows leaves copies.
fn shown(values: &[f64], json: bool) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(32 * values.len() + 32));
    if json {
        text.extend_from_slice(b"{\"values\":");
        serde_json::to_writer(&mut *text, values)?;
        text.extend_from_slice(b"}\n");
    } else {
        values.iter().try_for_each(|x| writeln!(text, "{x}"))?;
    }
    Ok(text)
}

/// The published values, if the user asks for them.
fn published(args: &Args, secret: &Secret, private: &Private) -> Result<Option<Published>> {
    let (Some(results), Some(bound)) = (args.publish, args.noise_bound) else { return Ok(None) };
    private.publish(&args.key, secret, Terms { results, bits: args.statistical_bits, bound }).map(Some)
}

/// The values of a file.
fn opened(host: &Host, on: ComputeTarget, secret: &Secret, view: &View<'_>) -> Result<Private> {
    let bar = progress(view.header.count(), "ciphertexts");
    let private = cipher::decrypt(host, on, secret, view, &|| bar.inc(1))?;
    bar.finish_and_clear();
    Ok(private)
}

/// The logits of an answer, a row a question, checked.
fn answer(
    args: &Args,
    host: &Host,
    on: ComputeTarget,
    secret: &Secret,
    view: &View<'_>,
    model: &Pretrained,
) -> Result<Vec<Private>> {
    let path = &args.ciphertext;
    let question = args.question.as_deref().map(|path| inputs::mapped(path, &[Kind::Question])).transpose()?;
    let asked = match (&args.question, &question) {
        (Some(path), Some(mapped)) => {
            let view = inputs::view(path, mapped, &[Kind::Question])?;
            view.expect_same(&secret.header).with_path(path)?;
            view.header.body.sealed().and_then(|(_, asked)| asked.cloned())
        }
        _ => None,
    };
    answered(&view.header, &secret.header, asked.as_ref(), model.text.answer_ciphertexts()).with_path(path)?;
    let Body::Answer(_, says) = &view.header.body else { return Ok(Vec::new()) }; // `answered` checked the kind
    says.expect_model(&model.text.id()).with_path(path)?;
    let honest = Honest::new(&model.text, says, host.params())?;
    honest.rows(&opened(host, on, secret, view)?, ERROR)
}

/// The three likeliest labels.
fn labels(model: &Pretrained, row: &Private, out: &mut dyn Write) -> Result<()> {
    let mut best = row.best().into_iter().take(3);
    best.try_for_each(|(class, p)| {
        print(out, format_args!("{:>6.2} %  {}\n", 100.0 * p, terminal::line(model.text.label(class))))
    })
}
