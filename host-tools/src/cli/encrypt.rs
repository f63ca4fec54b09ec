//! `polyformer encrypt`: encrypts numbers to a ciphertext file.

use super::{
    common::{
        Compute, PaddingOptions, beside, given, note_model, note_shown, note_why_shown, pretrained_for, print,
        print_json, progress, tokens,
    },
    inputs,
};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Access, FileError, Form, Kind, Mapped, Output, input, numbers, text},
    keys::{fingerprint, secret::Secret},
    machine::{ComputeTarget, Host},
    session::{
        Client, Padding,
        cipher::{self, EncryptionKey},
    },
};
use polyformer_kernel::nn::slot_engine::Layout;
use std::{
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Examples:
  polyformer encrypt values.csv --key keys/secret.safetensors --out x.safetensors
  seq 100 | polyformer encrypt - --public-key keys/eval/public.safetensors --out x.safetensors

Values are a JSON array, or numbers between commas, semicolons, blanks and new lines; # starts a comment.
The values fill the slots in order, and zeros fill the rest. More values than slots make several ciphertexts in the file.
With the secret key a ciphertext has half the length (a seed replaces the other half) and 2^8 times less noise.";

/// Encrypt numbers.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// File with the numbers, or - for standard input.
    #[arg(default_value = "-", hide_default_value = true)]
    values: PathBuf,
    /// Encrypt a question to a model instead; - is standard input. Other users of this machine can see the arguments of
    /// a command.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["values", "public_key", "level"])]
    text: Option<String>,
    /// The model of --text, a folder or a model file. The default is the model in the program.
    #[arg(long, value_name = "PATH", requires = "text")]
    model: Option<PathBuf>,
    /// The secret key.
    #[arg(long, value_name = "FILE", required_unless_present = "public_key", conflicts_with = "public_key")]
    key: Option<PathBuf>,
    /// A public key in place of the secret key.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// File to write; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// Level to encrypt at; the highest message level by default. Lower levels make smaller files.
    #[arg(long, value_name = "L")]
    level: Option<u8>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    padding: PaddingOptions,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.compute.target()?.client();
    let inputs = given(&[Some(&args.values), args.key.as_deref(), args.public_key.as_deref(), args.model.as_deref()]);
    let form = Form::File(if args.text.is_some() { Kind::Question } else { Kind::Ciphertext });
    let output = Output::reserve(&args.out, form, Access::Shared, &inputs).with_path(&args.out)?;
    let mut errors = std::io::stderr();
    let out = beside(Some(&output), out, &mut errors);
    if let (Some(text), Some(path)) = (&args.text, &args.key) {
        return question(args, text, path, target, output, out);
    }
    let text = input::read(&args.values, input::MAX_TEXT).and_then(text::decode).map(Zeroizing::new);
    let values = text.and_then(|text| numbers::parse(&text)).with_path(input::named(&args.values));
    let values = Zeroizing::new(values?);
    if values.is_empty() {
        return Err(Error::usage(input::named(&args.values).display().to_string(), "no numbers in it"));
    }
    match (&args.key, &args.public_key) {
        (Some(path), _) => {
            let secret = Secret::read(path)?;
            let host = Host::new(secret.params.clone());
            write(args, &host, target, &EncryptionKey::Secret(&secret), &values, output, out)
        }
        (None, Some(path)) => {
            if path.symlink_metadata().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
                let what = "no public key is there: `polyformer keygen --secret SECRET --public --out KEYS` makes one";
                return Err(Error::usage(path.display().to_string(), what));
            }
            let mapped = Mapped::open(path).with_path(path)?;
            let view = inputs::view(path, &mapped, &[Kind::PublicKey])?;
            let host = Host::new(view.params.clone());
            write(args, &host, target, &EncryptionKey::Public(&view), &values, output, out)
        }
        (None, None) => Err(Error::usage("encrypt", "one of --key and --public-key is needed")),
    }
}

/// A question, packed by the model's client.
fn question(args: &Args, text: &str, key: &Path, on: ComputeTarget, output: Output, out: &mut dyn Write) -> Result<()> {
    let secret = Secret::read(key)?;
    let model = pretrained_for(args.model.as_deref(), &secret.header.spec)?;
    let host = Host::new(secret.params.clone());
    let text = Zeroizing::new(input::question(text).with_path(Path::new("standard input"))?);
    let ids = Zeroizing::new(tokens(&model, &text)?);
    // a small client asks in a ring where nothing can be hidden
    let (padding, bootstraps) = (args.padding.padding(), host.params().bootstrap().is_some());
    if let (Padding::Rows(rows), false) = (padding, bootstraps) {
        let what = "the question of a small client shows its number of tokens";
        return Err(Error::usage(format!("--bucket {rows}"), what));
    }
    let padding = if bootstraps { padding } else { Padding::None };
    let shown = padding.shown(ids.len(), &model.model)?;
    let layout = Layout::new(&[shown.length()], model.model.width, model.model.heads, host.params().slots())?;
    let client = Client::new(&host, on, &secret, &model.text);
    note_model(&model);
    note_shown(shown);
    note_why_shown(padding, &model);
    let encrypted = client.ask(&layout, &ids, shown, &model.model)?;
    let tensors: Vec<&[u8]> = encrypted.tensors.iter().map(|t| bytemuck::cast_slice(&t[..])).collect();
    output.file(&encrypted.header, host.params(), &tensors).with_path(&args.out)?;
    let bytes: usize = tensors.iter().map(|t| t.len()).sum();
    if args.json {
        return print_json(
            out,
            &serde_json::json!({"file": args.out, "tokens": shown.length(), "hidden": shown.is_hidden(), "bytes": bytes}),
        );
    }
    let file = args.out.display();
    print(out, format_args!("{file}  a question of {shown}, {:.1} MB\n", bytes as f64 / 1e6))
}

fn write(
    args: &Args,
    host: &Host,
    on: ComputeTarget,
    under: &EncryptionKey<'_>,
    values: &[f64],
    output: Output,
    out: &mut dyn Write,
) -> Result<()> {
    let level = args.level.unwrap_or(host.params().max_message_level());
    let bar = progress(cipher::count(host.params(), values), "ciphertexts");
    let encrypted = cipher::encrypt(host, on, under, values, level, &|| bar.inc(1));
    bar.finish_and_clear();
    let encrypted = encrypted.map_err(|e| match e {
        Error::Kernel(e @ (polyformer_kernel::Error::TooLarge { .. } | polyformer_kernel::Error::NotFinite { .. })) => {
            Error::File { path: input::named(&args.values).into(), fault: FileError::Values(e) }
        }
        e => e,
    })?;
    let tensors: Vec<&[u8]> = encrypted.tensors.iter().map(|t| bytemuck::cast_slice(&t[..])).collect();
    output.file(&encrypted.header, host.params(), &tensors).with_path(&args.out)?;
    let bytes: usize = tensors.iter().map(|t| t.len()).sum();
    let public = match under {
        EncryptionKey::Secret(_) => None,
        EncryptionKey::Public(view) => fingerprint::of_public_key(view),
    };
    if args.json {
        return print_json(
            out,
            &serde_json::json!({
                "file": args.out, "values": values.len(), "level": level, "bytes": bytes,
                "seeded": tensors.len() == 1, "public_key": public,
            }),
        );
    }
    let (file, count) = (args.out.display(), values.len());
    print(out, format_args!("{file}  {count} values at level {level}, {:.1} MB\n", bytes as f64 / 1e6))?;
    public.map_or(Ok(()), |of| print(out, format_args!("public key {of}: its owner says whether it is theirs\n")))
}
