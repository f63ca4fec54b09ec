//! `polyformer infer`: the server's step alone, from file to file.

use super::{
    common::{Compute, Rotations, pretrained_for, print, print_json},
    serve::{Serve, Stages, planned},
};
use crate::{
    Error, Result,
    error::WithPath,
    files::{self, Access, Header, Kind, Mapped, View},
    machine::{Host, peak},
    session::{asked, cipher::Encrypted, header, told},
};
use polyformer_kernel::params::Params;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

const EXAMPLES: &str = "\
Example, on two machines (the client's, the server's, the client's again):
  polyformer keygen --preset B16 --infer 16 --out keys                       and send keys/eval
  polyformer encrypt --text \"Where is my new card?\" --key keys/secret.safetensors --out question.safetensors
  polyformer infer question.safetensors --eval keys/eval --tokens 6 --out answer.safetensors
  polyformer decrypt answer.safetensors --key keys/secret.safetensors --labels

A small device asks in a ring of its own (docs/device.md). With its key, as `keygen --device` makes it, the answer goes back to
that ring; with --raw both files are the device's words and nothing else:
  polyformer infer question.bin --raw --device keys/eval/device-ID.safetensors --eval keys/eval --tokens 9 --out answer.bin";

/// Run the model on an encrypted question. Needs no secret.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The encrypted question.
    question: PathBuf,
    /// The folder of the client's evaluation keys.
    #[arg(long, value_name = "DIR")]
    eval: PathBuf,
    /// Tokens of the question, as `encrypt --text` says.
    #[arg(long, value_name = "L")]
    tokens: usize,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The question was encrypted under the key of a small device: the key between its ring and that of --eval.
    #[arg(long, value_name = "FILE")]
    device: Option<PathBuf>,
    /// The question is the bytes that the device sent, and the answer those that it reads.
    #[arg(long, requires = "device")]
    raw: bool,
    /// A model folder or a packed model; the model in the program by default.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    rotate: Rotations,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let on = args.compute.device()?;
    let mapped = Mapped::open(&args.question).with_path(&args.question)?;
    let between = args.device.as_deref().map(|path| Mapped::open(path).with_path(path)).transpose()?;
    let key = match (&args.device, &between) {
        (Some(path), Some(mapped)) => Some(device_key(path, mapped)?),
        _ => None,
    };
    let asking = key.as_ref().map(header).transpose()?;
    let (question, small) = match &asking {
        Some(device) if args.raw => {
            let small = device.spec.params()?;
            (asked(mapped.bytes(), device, &small)?, small)
        }
        _ => encrypted(&args.question, &mapped, asking.as_ref())?,
    };
    let (of, params) = key.as_ref().map_or((&question.header, &small), |key| (&key.header, &key.params));
    let model = pretrained_for(args.model.as_deref(), &of.spec)?;
    let most = model.text.max_tokens();
    if !(1..=most).contains(&args.tokens) {
        return Err(Error::usage(format!("--tokens {}", args.tokens), format!("from 1 to {most}")));
    }
    let host = Host::new(params.clone());
    let from = key.as_ref().map(|_| &small);
    let plan = planned(&host, on, from, &model.model, &[args.tokens], args.rotate.steps())?;
    let mut stages = Stages::default();
    let serve = Serve {
        host: &host,
        model: &model.model,
        plan: &plan,
        eval: &args.eval,
        wants: &plan.wants(host.params()),
        of,
        question: &question,
        device: key.as_ref(),
        steps: 0,
        stages: &mut stages,
    };
    let served = host.run(on, serve)?;
    served.warn(&plan);
    let answer = &served.answer;
    if args.raw {
        let bytes = told(answer);
        files::atomically(&args.out, Access::Shared, |file| file.write_all(&bytes)).with_path(&args.out)?;
    } else {
        let tensors: Vec<&[u8]> = answer.tensors.iter().map(|t| bytemuck::cast_slice(&t[..])).collect();
        files::write(&args.out, &answer.header, &small, &tensors).with_path(&args.out)?;
    }
    let total: f64 = stages.0.iter().map(|(_, s)| s).sum();
    if args.json {
        let seconds = stages.json();
        let (cost, encoding) = (served.executed.cost, served.executed.encoding);
        return print_json(
            out,
            &serde_json::json!({
                "file": args.out, "seconds": seconds, "total_seconds": total, "bootstraps": cost.bootstrap,
                "key_switches": cost.key_switch, "plan_agrees": served.executed.departs(&plan).is_none(),
                "compute_seconds": served.seconds, "encoding_seconds": encoding, "peak_bytes": peak::bytes(),
            }),
        );
    }
    print(out, format_args!("{}  the answer, {total:.1} s\n", args.out.display()))
}

/// A device key.
fn device_key<'m>(path: &Path, mapped: &'m Mapped) -> Result<View<'m>> {
    let view = View::parse(mapped.bytes()).with_path(path)?;
    view.expect_kind(Kind::DeviceKey).with_path(path)?;
    Ok(view)
}

/// A ciphertext file, under the key of `device` if there is one, and its parameters.
fn encrypted(path: &Path, mapped: &Mapped, device: Option<&Header>) -> Result<(Encrypted, Params)> {
    let view = View::parse(mapped.bytes()).with_path(path)?;
    view.expect_kind(Kind::Ciphertext).with_path(path)?;
    device.map_or(Ok(()), |device| view.expect_same(device)).with_path(path)?;
    let tensors = (0..2).map(|i| view.words(i).to_vec()).filter(|t| !t.is_empty()).collect();
    Ok((Encrypted { header: view.header.clone(), tensors }, view.params))
}
