//! `polyformer demo`: a private question from words to answer, client and server in one process.

use super::{
    common::{Compute, Rotations, name_of, pretrained, print, print_json, tokens},
    serve::{Serve, Stages, folder, keys, planned, spec_of},
};
use crate::{
    Result,
    keys::KeyFolder,
    machine::{Host, peak},
    model::{Pretrained, probabilities, top},
    plan::{model::ModelPlan, speed::Speed},
    session::{Client, Watched, cipher::Encrypted},
};
use polyformer_kernel::{
    eval::clear::ClearVec,
    nn::{
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::SlotEngine,
    },
};
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  polyformer demo \"I think someone used my card in another country\"
  polyformer demo \"How long does a transfer take?\" --json

The first run makes a secret key and the keys of the server, some gigabytes, in --keys; later runs find them there. The
part that plays the server gets the ciphertext, the number of tokens and its keys, nothing else.
--json prints one object: label, top, seconds (by stage), total_seconds (without key_generation), peak_bytes, bytes_up,
bytes_down, precision_bits, security_bits, preset, bootstraps, key_switches, errors (model is null if the model came
without its exact twin), plan_agrees (what was executed is what was planned), compute_seconds (on ciphertexts),
predicted_seconds (of them, with --figures) and encoding_seconds (of them, for encoding weights).";

/// Ask the model in this program a question that its server cannot read.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The question.
    text: String,
    /// Folder of the keys; by default one in the user's cache folder.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// A model folder or a packed model; the model in the program by default.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Figures of this machine, as `polyformer calibrate` writes them, to predict seconds from.
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    rotate: Rotations,
    #[command(flatten)]
    compute: Compute,
}

/// The largest differences of logits between one form and the next.
#[derive(Clone, Copy, serde::Serialize)]
struct Errors {
    /// Exact twin and polynomial form.
    model: Option<f64>,
    /// Polynomial form and the f64 circuit on slots.
    approximation: f64,
    /// That circuit and the encrypted run.
    encryption: f64,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let device = args.compute.device()?;
    let mut stages = Stages::default();
    peak::reset();
    let model = pretrained(args.model.as_deref())?;
    let (ids, x) = stages.time("preprocess", || {
        let ids = tokens(&model, &args.text)?;
        let x = model.text.embed(&ids);
        Ok((ids, x))
    })?;
    let spec = spec_of(&model)?;
    let speed = args.figures.as_deref().map(|path| Speed::read(path, &spec)).transpose()?;
    let host = Host::new(spec.params()?);
    let plan = planned(&host, device, None, &model.model, &[ids.len()], args.rotate.steps())?;

    let (poly, steps) = in_rows(&model, x)?;
    let wants = plan.wants(host.params());
    let (preset, folder) = (name_of(&spec), KeyFolder::new(&folder(args.keys.as_deref(), &spec)?));
    let secret = stages.time("key_generation", || keys(&host, device.client(), &folder, spec, &wants))?;

    let client = Client::new(&host, device.client(), &secret, &model.text);
    let slots = client.slots(&plan.layout, std::slice::from_ref(&ids))?;
    let question = stages.time("encode_encrypt", || client.encrypt(&slots))?;
    let serve = Serve {
        host: &host,
        model: &model.model,
        plan: &plan,
        eval: &folder.eval,
        wants: &wants,
        of: &secret.header,
        question: &question,
        device: None,
        steps,
        stages: &mut stages,
    };
    let served = host.run(device, serve)?;
    served.warn(&plan);
    let answer = &served.answer;
    let answers = stages.time("decrypt_decode", || client.decrypt(&plan, answer, 1))?;
    let logits = answers.first().map_or(&[][..], |row| row.expose());
    let order = stages.time("postprocess", || Ok(top(logits)))?;

    let circuit = on_slots(&model, &plan, slots)?;
    let exact = model.exact.as_ref().map(|twin| twin.logits(&ids));
    let errors = Errors {
        model: exact.map(|exact| worst(&exact, &poly)),
        approximation: worst(&poly, &circuit),
        encryption: worst(&circuit, logits),
    };
    let p = probabilities(logits);
    let top: Vec<(&str, f64)> = order.iter().take(3).map(|c| (model.text.label(*c), p[*c])).collect();
    let total: f64 = stages.0.iter().filter(|(name, _)| *name != "key_generation").map(|(_, s)| s).sum();
    let (up, down) = (sent(&question), sent(answer));
    let (precision, bits) = (-errors.encryption.log2(), host.params().security().bits());
    let (cost, predicted) = (served.executed.cost, speed.map(|s| s.seconds(&plan.work)));
    let (compute, encoding) = (served.seconds, served.executed.encoding);
    if args.json {
        let seconds = stages.json();
        let list: Vec<_> = top.iter().map(|(label, p)| serde_json::json!({"label": label, "probability": p})).collect();
        return print_json(
            out,
            &serde_json::json!({
                "label": top.first().map(|t| t.0), "top": list, "seconds": seconds, "total_seconds": total,
                "peak_bytes": peak::bytes(), "bytes_up": up, "bytes_down": down, "precision_bits": precision,
                "security_bits": bits, "preset": preset, "bootstraps": cost.bootstrap,
                "key_switches": cost.key_switch, "errors": errors,
                "plan_agrees": served.executed.departs(&plan).is_none(), "compute_seconds": compute,
                "predicted_seconds": predicted, "encoding_seconds": encoding,
            }),
        );
    }
    for (label, p) in &top {
        print(out, format_args!("{:>6.2} %  {label}\n", 100.0 * p))?;
    }
    print(out, format_args!("\n"))?;
    for (name, seconds) in &stages.0 {
        print(out, format_args!("{seconds:>8.2} s  {name}\n"))?;
    }
    let (peak, up, down) = (peak::bytes() as f64 / 1e9, up as f64 / 1e6, down as f64 / 1e6);
    print(out, format_args!("{total:>8.2} s  in total, without key generation; {peak:.1} GB at most\n"))?;
    let share = 100.0 * encoding / total;
    print(out, format_args!("{encoding:>8.2} s  of these to encode weights, {share:.1} %\n"))?;
    if let Some(predicted) = predicted {
        print(out, format_args!("{predicted:>8.2} s  were predicted for {compute:.2} s on ciphertexts\n"))?;
    }
    print(out, format_args!("\n"))?;
    let (bootstraps, switches) = (cost.bootstrap, cost.key_switch);
    let line = format_args!(
        "{preset}, {bits} bits of security, {bootstraps} bootstraps, {switches} key switches; {up:.1} MB up, {down:.1} MB \
         down\n"
    );
    print(out, line)?;
    let model = errors.model.map_or("unknown (no exact twin came with the model)".into(), |e| format!("{e:.2}"));
    let (approximation, encryption) = (errors.approximation, errors.encryption);
    let line = format_args!(
        "largest error of a logit: {model} by polynomials instead of the exact functions, {approximation:.1e} by the \
         circuit on slots, {encryption:.1e} by encryption\n"
    );
    print(out, line)
}

/// Bytes that travel, the seed of a half that is not stored included.
fn sent(x: &Encrypted) -> usize {
    let words: usize = x.tensors.iter().map(|t| t.len()).sum();
    4 * words + if x.tensors.len() == 1 { 32 } else { 0 }
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Logits of the polynomial form in f64, and how many parts the model has.
fn in_rows(model: &Pretrained, x: Vec<f64>) -> Result<(Vec<f64>, usize)> {
    let mut steps = 0;
    let mut count = |_: &'static str, _: f64| steps += 1;
    let mut engine = Watched::new(ClearEngine::<f64>::new(model.model.heads), &mut count);
    let out = forward(&mut engine, &model.model, Rows::new(model.model.width, x)?)?;
    Ok((out.values().to_vec(), steps))
}

/// Logits of the circuit that the server runs, in f64.
fn on_slots(model: &Pretrained, plan: &ModelPlan, slots: Vec<f64>) -> Result<Vec<f64>> {
    let mut ev = ClearVec::<f64>::with_slots(plan.layout.period());
    let out = forward(&mut SlotEngine::new(&mut ev, plan.layout.clone()), &model.model, vec![slots])?;
    Ok(plan.layout.unpack(0, out.first().map_or(&[], |x| &x[..]), model.text.classes()).to_vec())
}
