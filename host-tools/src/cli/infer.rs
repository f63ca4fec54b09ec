//! `polyformer infer`: the server's step alone, from file to file.

use super::{
    common::{Compute, Rotations, pretrained_for, print, print_json},
    serve::{Serve, Stages, planned},
};
use crate::{
    Error, Result,
    cipher::Encrypted,
    error::In,
    files::{self, Kind, Mapped, View},
    host::Host,
};
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Example, on two machines (the client's, the server's, the client's again):
  polyformer keygen --preset B16 --infer 16 --out keys                       and send keys/eval
  polyformer encrypt --text \"Where is my new card?\" --key keys/secret.safetensors --out question.safetensors
  polyformer infer question.safetensors --eval keys/eval --tokens 6 --out answer.safetensors
  polyformer decrypt answer.safetensors --key keys/secret.safetensors --labels";

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
    let device = args.compute.device()?;
    let mapped = Mapped::open(&args.question).in_file(&args.question)?;
    let view = View::parse(mapped.bytes()).in_file(&args.question)?;
    view.expect_kind(Kind::Ciphertext).in_file(&args.question)?;
    let model = pretrained_for(args.model.as_deref(), &view.header.spec)?;
    let most = model.text.max_tokens();
    if !(1..=most).contains(&args.tokens) {
        return Err(Error::usage(format!("--tokens {}", args.tokens), format!("from 1 to {most}")));
    }
    let host = Host::new(view.params.clone());
    let plan = planned(&host, device, &model.model, &[args.tokens], args.rotate.steps())?;
    let tensors = (0..2).map(|i| view.words(i).to_vec()).filter(|t| !t.is_empty()).collect();
    let mut stages = Stages::default();
    let serve = Serve {
        host: &host,
        model: &model.model,
        plan: &plan,
        eval: &args.eval,
        wants: &plan.wants(host.params()),
        of: &view.header,
        question: &Encrypted { header: view.header.clone(), tensors },
        steps: 0,
        stages: &mut stages,
    };
    let served = host.run(device, serve)?;
    served.warn(&plan);
    let answer = &served.answer;
    let tensors: Vec<&[u8]> = answer.tensors.iter().map(|t| bytemuck::cast_slice(&t[..])).collect();
    files::write(&args.out, &answer.header, host.params(), &tensors).in_file(&args.out)?;
    let total: f64 = stages.0.iter().map(|(_, s)| s).sum();
    if args.json {
        let seconds = stages.json();
        let (cost, encoding) = (served.executed.cost, served.executed.encoding);
        return print_json(
            out,
            &serde_json::json!({
                "file": args.out, "seconds": seconds, "total_seconds": total, "bootstraps": cost.bootstrap,
                "key_switches": cost.key_switch, "plan_agrees": served.executed.departs(&plan).is_none(),
                "compute_seconds": served.seconds, "encoding_seconds": encoding,
            }),
        );
    }
    print(out, format_args!("{}  the answer, {total:.1} s\n", args.out.display()))
}
