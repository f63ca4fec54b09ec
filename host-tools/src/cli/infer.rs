//! `polyformer infer`: the server's step alone, from file to file.

use super::{
    common::{RunOptions, beside, given, model_for, print, print_json, show_progress, warn_departure},
    inputs,
};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Access, Body, FileError, Form, Header, Kind, Mapped, Output, View, input},
    machine::{Host, peak},
    model::Pretrained,
    plan::model::{HIDING, Lengths, ModelPlan, bucket},
    session::{Admission, Inference, Response, cipher::Encrypted, encode_answer, header, is_answer, parse_question},
    spec::SpecBuf,
};
use polyformer_kernel::params::Params;
use std::{
    fs::Metadata,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

const EXAMPLES: &str = "\
Example, on two machines (the client's, the server's, the client's again):
  polyformer keygen --preset B16 --infer 16 --out keys                       and send keys/eval
  polyformer encrypt --text \"Where is my new card?\" --key keys/secret.safetensors --out question.safetensors
  polyformer infer question.safetensors --eval keys/eval --out answer.safetensors
  polyformer decrypt answer.safetensors --key keys/secret.safetensors --question question.safetensors --labels

A small client asks in a ring of its own (docs/device.md). `keygen --embedded` makes the key between that ring and the
server's. With --embedded KEY the answer goes back to the small ring. With --raw both files hold the words of the small
client and nothing else:
  polyformer infer question.bin --raw --embedded keys/eval/device-ID.safetensors --eval keys/eval --tokens 9 --out answer.bin";

/// Run the model on an encrypted question. Needs no secret.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The encrypted question, or - for standard input.
    question: PathBuf,
    /// The folder of the client's evaluation keys.
    #[arg(long, value_name = "DIR")]
    eval: PathBuf,
    /// Tokens of the question. A question file says so itself, and then the number must be the same. --raw needs it.
    #[arg(long, value_name = "L", required_if_eq("raw", "true"))]
    tokens: Option<usize>,
    /// File to write; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// The key between the ring of a small client, which encrypted the question, and the ring of --eval.
    #[arg(long, alias = "device", value_name = "FILE")]
    embedded: Option<PathBuf>,
    /// The question is the bytes that the small client sent; the answer is the bytes that the small client reads.
    #[arg(long, requires = "embedded")]
    raw: bool,
    /// A model folder or a model file. The default is the model in the program.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// A parameter set that questions may have: the name of a preset or a parameter-set hash. Several are possible. The
    /// default is the set of the model file, or every preset that bootstraps.
    #[arg(long, value_name = "SET")]
    accept: Vec<String>,
    /// The most memory of a question, in MiB. The default is the memory of the machine.
    #[arg(long, value_name = "MIB")]
    memory: Option<u64>,
    #[command(flatten)]
    run: RunOptions,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.run.compute.target()?;
    let between = args.embedded.as_deref().map(between).transpose()?;
    let mapped = match args.raw {
        true => Mapped::input(&args.question).with_path(input::named(&args.question))?,
        false => inputs::mapped_or_standard(&args.question, &[Kind::Question])?,
    };
    let key = match (&args.embedded, &between) {
        (Some(path), Some(mapped)) => Some(embedded_key(path, mapped)?),
        _ => None,
    };
    let asking = key.as_ref().map(header).transpose()?;
    let ring = asking.as_ref().map(|header| header.spec.params()).transpose()?;
    let output = reserve(args, ring.as_ref())?;
    let mut errors = std::io::stderr();
    let out = beside(Some(&output), out, &mut errors);
    let model = Pretrained::open(args.model.as_deref())?;
    let (question, small) = match (&asking, ring) {
        (Some(header), Some(small)) if args.raw => {
            let of = (args.tokens.unwrap_or(0), model.text.id());
            (parse_question(mapped.bytes(), header, &small, of)?, small)
        }
        _ => encrypted(input::named(&args.question), &mapped, asking.as_ref())?,
    };
    let (of, params) = key.as_ref().map_or((&question.header, &small), |key| (&key.header, &key.params));
    let admission = admission(args, &model)?;
    let model = model_for(model, args.model.as_deref(), &of.spec)?;
    admission.check_params(&of.spec).with_path(args.embedded.as_deref().unwrap_or(args.question.as_path()))?;
    let (tokens, hidden) = lengths(args, &question.header, &model)?;
    let host = Host::new(params.clone());
    let from = key.as_ref().map(|_| &small);
    let (lengths, steps) = (Lengths::of(&tokens, hidden), args.run.rotate.steps());
    let plan = ModelPlan::for_target(&host, target, from, &model.model, lengths, steps)?;
    admission.check_memory(plan.memory(params))?;
    let inference = Inference {
        host: &host,
        model: &model.model,
        plan: &plan,
        eval: &args.eval,
        client: of,
        question: &question,
        embedded: key.as_ref(),
    };
    let Response { answer, executed, timings, seconds } = inference.run(target, &mut show_progress(0))?;
    warn_departure(&executed, &plan);
    if args.raw {
        let bytes = encode_answer(&answer);
        output.write(|file| file.write_all(&bytes)).with_path(&args.out)?;
    } else {
        let tensors: Vec<&[u8]> = answer.tensors.iter().map(|t| bytemuck::cast_slice(&t[..])).collect();
        output.file(&answer.header, &small, &tensors).with_path(&args.out)?;
    }
    let total = timings.total();
    if args.run.json {
        let stages: serde_json::Map<_, _> = timings.iter().map(|(name, s)| (name.into(), s.into())).collect();
        let (cost, encoding) = (executed.cost, executed.encoding);
        return print_json(
            out,
            &serde_json::json!({
                "file": args.out, "seconds": stages, "total_seconds": total, "bootstraps": cost.bootstrap,
                "key_switches": cost.key_switch, "plan_agrees": executed.departs(&plan).is_none(),
                "compute_seconds": seconds, "encoding_seconds": encoding, "peak_bytes": peak::bytes(),
            }),
        );
    }
    print(out, format_args!("{}  the answer, {total:.1} s\n", args.out.display()))
}

/// The sets of --accept and the memory of --memory.
fn admission(args: &Args, model: &Pretrained) -> Result<Admission> {
    let set = |name: &String| match (SpecBuf::preset(name), blake3::Hash::from_hex(name)) {
        (Some(spec), _) => Ok((spec.hash(), name.clone())),
        (None, Ok(hash)) => Ok((hash, name.chars().take(16).collect())),
        (None, Err(_)) => {
            let what = "no preset, and no hash of 64 hexadecimal digits, as `polyformer params` prints it";
            Err(Error::usage(format!("--accept {name}"), what))
        }
    };
    let sets = args.accept.iter().map(set).collect::<Result<Vec<_>>>()?;
    let admission = if sets.is_empty() { Admission::of(model) } else { Admission::sets(sets) };
    Ok(match args.memory {
        Some(mib) => admission.with_memory(mib.saturating_mul(1 << 20)),
        None => admission,
    })
}

/// The lengths that the question says, for `model`, and whether they are rows that hide the lengths. The option --tokens
/// must agree.
fn lengths(args: &Args, question: &Header, model: &Pretrained) -> Result<(Vec<usize>, bool)> {
    let path = &args.question;
    let Body::Question(sealed, asked) = &question.body else {
        return Err(FileError::Kind { expected: Kind::Question, actual: question.kind() }).with_path(path);
    };
    asked.expect_model(&model.text.id()).with_path(path)?;
    if let Some(tokens) = args.tokens.filter(|tokens| asked.tokens != [*tokens]) {
        let what = format!("the question {} has {}; the option can be left out", path.display(), asked.lengths());
        return Err(Error::usage(format!("--tokens {tokens}"), what));
    }
    let hidden = sealed.count == model.blocks() as u16 + HIDING;
    let most = model.text.max_tokens();
    let most = if hidden { bucket(most) } else { most };
    match asked.tokens.iter().find(|tokens| **tokens > most) {
        Some(tokens) => {
            Err(Error::usage(path.display().to_string(), format!("{tokens} tokens, the model takes {most}")))
        }
        None => Ok((asked.tokens.clone(), hidden)),
    }
}

/// The file of the answer, before anything is computed. `small` is the ring of the small client, if one asks.
fn reserve(args: &Args, small: Option<&Params>) -> Result<Output> {
    let inputs = given(&[Some(&args.question), args.embedded.as_deref(), args.model.as_deref()]);
    let own = |_: &Metadata, bytes: &[u8]| small.is_some_and(|small| is_answer(bytes, small));
    let form = match args.raw {
        true => Form::Other { what: "the bytes of an answer", text: false, own: &own },
        false => Form::File(Kind::Answer),
    };
    Output::reserve(&args.out, form, Access::Shared, &inputs).with_path(&args.out)
}

/// The file of the key between the ring of a small client and the server's.
fn between(path: &Path) -> Result<Mapped> {
    if path.symlink_metadata().is_err_and(|e| e.kind() == ErrorKind::NotFound) {
        let what = "no key between the rings is there: \
                    `polyformer keygen --secret SECRET --embedded SMALL-SECRET --out KEYS` makes one";
        return Err(Error::usage(path.display().to_string(), what));
    }
    Mapped::open(path).with_path(path)
}

/// The key between the ring of a small client and the server's.
fn embedded_key<'m>(path: &Path, mapped: &'m Mapped) -> Result<View<'m>> {
    inputs::view(path, mapped, &[Kind::DeviceKey])
}

/// A question file and its parameters. `client` is the header of the small client that asks, if one does.
///
/// # Errors
/// A file of another kind; a question of another client.
fn encrypted(path: &Path, mapped: &Mapped, client: Option<&Header>) -> Result<(Encrypted, Params)> {
    let view = inputs::view(path, mapped, &[Kind::Question])?;
    client.map_or(Ok(()), |client| view.expect_same(client)).with_path(path)?;
    let tensors = (0..2).map(|i| view.words(i).to_vec()).filter(|t| !t.is_empty()).collect();
    Ok((Encrypted { header: view.header.clone(), tensors }, view.params))
}
