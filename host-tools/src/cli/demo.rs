//! `polyformer demo`: a private question from words to answer, client and server in one process.

use super::{
    common::{PaddingOptions, RunOptions, note_why_shown, print, print_json, show_progress, warn_departure},
    interrupt, terminal,
};
use crate::{
    Error, Result,
    accuracy::finite,
    error::{WithPath, two_digits},
    files::input,
    keys::store::default_folder,
    machine::peak,
    model::{Pretrained, Task, largest_difference},
    plan::{model::ModelPlan, speed::Speed},
    session::{Answer, Asker, Watched},
};
use polyformer_kernel::{
    eval::clear::ClearVec,
    nn::{
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::{Layout, SlotEngine},
    },
};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Examples:
  polyformer demo \"I think someone used my card in another country\"
  polyformer demo \"How long does a transfer take?\" --json
  polyformer demo - < question.txt              other users of this machine see arguments, and not standard input

The first run makes a secret key and the keys of the server, some gigabytes, in --keys. Later runs use the same keys. The
part that acts as the server gets the ciphertexts, a bound of the number of tokens and its keys only.
--json prints one object: label, top, model, digest (of the model), seconds (by stage), total_seconds (without key_generation), peak_bytes, bytes_up,
bytes_down, precision_bits, security_bits, preset, bootstraps, key_switches, errors (model is null for a model
without a reference model), plan_agrees (the run equals the plan), compute_seconds (on ciphertexts),
predicted_seconds (of compute_seconds, with --figures) and encoding_seconds (part of compute_seconds, for weights).
Figures that depend on the secret key are rounded: errors to two digits, probabilities to 0.0001, precision to 0.1 bit.";

/// Ask the model in this program a question that its server cannot read.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The question, or - for standard input. Other users of this machine can see the arguments of a command.
    text: String,
    /// Folder of the keys. The default is a folder in the user's cache folder.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// A model folder or a model file. The default is the model in the program.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Figures of this machine from `polyformer calibrate`, for the prediction of seconds.
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
    #[command(flatten)]
    padding: PaddingOptions,
    #[command(flatten)]
    run: RunOptions,
}

/// The largest differences of logits between one form and the next, to two significant digits.
#[derive(Clone, Copy, serde::Serialize)]
struct Errors {
    /// Reference model and polynomial form.
    model: Option<f64>,
    /// Polynomial form and the f64 circuit on slots.
    approximation: f64,
    /// That circuit and the encrypted run.
    encryption: f64,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.run.compute.target()?;
    peak::reset();
    let model = Pretrained::open(args.model.as_deref())?;
    if model.task != Task::Classify {
        let what =
            "`demo` is for a model that classifies texts; `polyformer embed` and `polyformer classify` run others";
        return Err(Error::usage(model.name, what));
    }
    let text = Zeroizing::new(input::question(&args.text).with_path(Path::new("standard input"))?);
    let ids = Zeroizing::new(model.text.tokens(&text)?);
    let spec = model.parameter_set()?;
    let speed = args.figures.as_deref().map(|path| Speed::read(path, &spec)).transpose()?;
    let keys = args.keys.clone().map_or_else(|| default_folder(&spec), Ok)?;
    interrupt::leaves_keys(&keys);
    let (poly, parts) = in_rows(&model, model.text.embed(&ids))?;
    let poly = finite(poly)?;

    note_why_shown(args.padding.padding(), &model);
    let asker = Asker::open(model, &keys)?.on(target).with_rotations(args.run.rotate.steps());
    let asker = asker.with_padding(args.padding.padding());
    let mut asker = asker.on_progress(show_progress(parts));
    let answer = asker.ask(&text)?;
    warn_departure(&answer.executed, &answer.plan);
    let best = answer.best();

    let errors = Errors::measure(asker.model(), &ids, &poly, &answer)?;
    let report = Report {
        top: best.iter().take(3).map(|(class, p)| (asker.model().text.label(*class), *p)).collect(),
        model: &asker.model().name,
        digest: asker.model().digest.to_string(),
        preset: spec.label(),
        security: asker.host().params().security().bits(),
        predicted: speed.map(|s| s.seconds(&answer.plan.work)),
        errors,
        answer: &answer,
    };
    if args.run.json { print_json(out, &report.json()) } else { print(out, format_args!("{report}")) }
}

/// The printed report.
struct Report<'a> {
    top: Vec<(&'a str, f64)>,
    model: &'a str,
    digest: String,
    preset: String,
    security: u16,
    predicted: Option<f64>,
    errors: Errors,
    answer: &'a Answer,
}

impl Report<'_> {
    /// Seconds of all stages but the making of keys.
    fn total(&self) -> f64 {
        let stages = self.answer.timings.iter();
        stages.filter(|(name, _)| *name != "key_generation").map(|(_, seconds)| seconds).sum()
    }

    fn json(&self) -> serde_json::Value {
        let Self { top, model, digest, preset, security, predicted, errors, answer } = self;
        let seconds: serde_json::Map<_, _> = answer.timings.iter().map(|(name, s)| (name.into(), s.into())).collect();
        let list: Vec<_> = top.iter().map(|(label, p)| serde_json::json!({"label": label, "probability": p})).collect();
        let cost = answer.executed.cost;
        serde_json::json!({
            "label": top.first().map(|t| t.0), "top": list, "model": model, "digest": digest, "seconds": seconds, "total_seconds": self.total(),
            "peak_bytes": peak::bytes(), "bytes_up": answer.bytes_up, "bytes_down": answer.bytes_down,
            "precision_bits": (-errors.encryption.log2() * 10.0).round() / 10.0, "security_bits": security, "preset": preset,
            "bootstraps": cost.bootstrap, "key_switches": cost.key_switch, "errors": errors,
            "plan_agrees": answer.executed.departs(&answer.plan).is_none(), "compute_seconds": answer.seconds,
            "predicted_seconds": predicted, "encoding_seconds": answer.executed.encoding,
        })
    }
}

impl std::fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { top, model: name, digest, preset, security, predicted, errors, answer } = self;
        for (label, p) in top {
            writeln!(f, "{:>6.2} %  {}", 100.0 * p, terminal::line(label))?;
        }
        writeln!(f)?;
        for (name, seconds) in answer.timings.iter() {
            writeln!(f, "{seconds:>8.2} s  {name}")?;
        }
        let (total, encoding, compute) = (self.total(), answer.executed.encoding, answer.seconds);
        let peak = peak::bytes() as f64 / 1e9;
        writeln!(f, "{total:>8.2} s  in total, without key generation; {peak:.1} GB at most")?;
        writeln!(f, "{encoding:>8.2} s  of these to encode weights, {:.1} %", 100.0 * encoding / total)?;
        if let Some(predicted) = predicted {
            writeln!(f, "{predicted:>8.2} s  were predicted for {compute:.2} s on ciphertexts")?;
        }
        let (up, down) = (answer.bytes_up as f64 / 1e6, answer.bytes_down as f64 / 1e6);
        let (bootstraps, switches) = (answer.executed.cost.bootstrap, answer.executed.cost.key_switch);
        writeln!(f, "\nmodel {}, digest {digest}", terminal::line(name))?;
        writeln!(
            f,
            "{preset}, {security} bits of security, {bootstraps} bootstraps, {switches} key switches; {up:.1} MB up, \
             {down:.1} MB down"
        )?;
        let model = errors.model.map_or("unknown (the model has no reference model)".into(), |e| format!("{e:.2}"));
        let (approximation, encryption) = (errors.approximation, errors.encryption);
        writeln!(
            f,
            "largest error of a logit: {model} by polynomials instead of the exact functions, {approximation:.1e} by the \
             circuit on slots, {encryption:.1e} by encryption"
        )
    }
}

impl Errors {
    /// `poly` are the logits of the polynomial form.
    fn measure(model: &Pretrained, ids: &[u32], poly: &[f64], answer: &Answer) -> Result<Self> {
        let circuit = on_slots(model, &answer.plan, ids)?;
        let exact = model.exact.as_ref().map(|twin| twin.logits(ids));
        Ok(Self {
            model: exact.map(|exact| two_digits(largest_difference(&exact, poly))),
            approximation: two_digits(largest_difference(poly, &circuit)),
            encryption: answer.logits.difference(&circuit),
        })
    }
}

/// Logits of the polynomial form in f64, and the number of parts of the model.
fn in_rows(model: &Pretrained, x: Vec<f64>) -> Result<(Vec<f64>, usize)> {
    let mut steps = 0;
    let mut count = |_: &'static str, _: f64| steps += 1;
    let engine = ClearEngine::<f64>::new(model.model.heads).with_range(model.model.range);
    let mut engine = Watched::new(engine, &mut count);
    let logits = match forward(&mut engine, &model.model, Rows::new(model.model.width, x)?) {
        Ok(out) => out.values().to_vec(),
        Err(polyformer_kernel::Error::NotFinite { .. }) => vec![f64::NAN; model.text.outputs()],
        Err(e) => return Err(e.into()),
    };
    let departures = engine.into_inner().departures().total();
    if departures > 0 {
        // nobody to tell if standard error is closed
        let _ =
            writeln!(std::io::stderr(), "warning: {departures} values of this question leave the ranges of the model");
    }
    Ok((logits, steps))
}

/// Logits of the circuit that the server runs, in f64.
fn on_slots(model: &Pretrained, plan: &ModelPlan, ids: &[u32]) -> Result<Vec<f64>> {
    // the rows of hidden lengths; in the clear there is nothing to hide
    let layout = Layout { lengths: vec![ids.len()], ..plan.layout.clone() };
    let blocks = model.text.blocks(&layout, &[ids])?.iter().map(|block| block.to_vec()).collect();
    let mut ev = ClearVec::<f64>::with_slots(layout.period());
    let out = forward(&mut SlotEngine::new(&mut ev, layout.clone()), &model.model, blocks)?;
    Ok(layout.unpack(0, out.first().map_or(&[], |x| &x[..]), model.text.classes())?.to_vec())
}
