//! `polyformer pack`: writes a trained model into one model file for a server.

use super::{
    common::{Compute, Source, given, print, print_json, warn},
    terminal,
};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Access, Form, Kind, Output, Weights},
    model::{Checkpoint, Report, pack},
    plan::speed::Speed,
    spec::SpecBuf,
};
use std::{fmt, io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  polyformer pack my-model --out my-model.packed
  polyformer pack my-model --weights int8 --figures speed.json --out small.packed --json
  polyformer demo \"Where is my card?\" --model my-model.packed

The file holds the tokenizer, the embeddings, the weights in the order of slots, and the polynomials. The file is for one
parameter set. --json prints one object: model, digest, params, weights, model_bytes, weight_error, sequences,
not_finite (sequences without finite logits), departed (sequences that leave the ranges of the model), range, top, polynomials and layouts, each with tokens, questions, slots, level, bootstraps, key_switches, keys, key_bytes, seconds and chosen.";

/// Write a trained model into one model file, and print its cost.
///
/// Without a folder the command packs the model in the program.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The model's folder: config.json, model.safetensors, tokenizer.json.
    folder: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
    /// The storage of the weights.
    #[arg(long, value_enum, default_value_t = Weights::F16)]
    weights: Weights,
    /// Figures of the server's machine, as `polyformer calibrate` writes them, to predict seconds from.
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    args.compute.target()?;
    if Output::is_standard(&args.out) {
        return Err(Error::usage("--out -", "the model file is read back before it gets its name: give a file"));
    }
    let inputs = given(&[args.folder.as_deref(), args.source.params.as_deref(), args.figures.as_deref()]);
    let output = Output::reserve(&args.out, Form::File(Kind::Model), Access::Shared, &inputs).with_path(&args.out)?;
    let spec = args.source.spec()?.or_else(|| SpecBuf::preset("B16"));
    let spec = spec.ok_or_else(|| Error::usage("pack", "no parameter set"))?;
    let from = args.folder.as_deref().map_or_else(Checkpoint::embedded, Checkpoint::read)?;
    let speed = args.figures.as_deref().map(|path| Speed::read(path, &spec)).transpose()?;
    let report = pack(&from, &spec, args.weights, speed.as_ref(), (output, &args.out))?;
    if report.not_finite > 0 {
        let Report { not_finite, sequences, .. } = report;
        warn(format_args!("logits are not finite on {not_finite} of {sequences} sequences of tokens"));
    }
    if report.departed > 0 {
        let Report { departed, sequences, .. } = report;
        warn(format_args!("values of {departed} of {sequences} sequences of tokens leave the ranges of the model"));
    }
    if args.json {
        return print_json(out, &report);
    }
    print(out, format_args!("{}  {report}", args.out.display()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (megabytes, weights) = (self.model_bytes as f64 / 1e6, format!("{:?}", self.weights).to_lowercase());
        let model = terminal::line(&self.model);
        writeln!(f, "{model} for {}, {megabytes:.2} MB, weights in {weights}, digest {}", self.params, self.digest)?;
        write!(f, "logits move by at most {:.1e} for it", self.weight_error)?;
        writeln!(f, "; nothing over {} is bootstrapped\n", self.range)?;
        writeln!(f, "{:34} {:>6} {:>17} {:>17}", "polynomial", "degree", "good on", "seen in texts")?;
        let range = |[lo, hi]: [f64; 2]| format!("[{lo:.3}, {hi:.3}]");
        for p in &self.polynomials {
            writeln!(f, "{:34} {:6} {:>17} {:>17}", p.place, p.degree, range(p.range), range(p.texts))?;
        }
        writeln!(f, "\ntokens questions  slots  levels bootstraps switches keys  key files  seconds  a question")?;
        for c in &self.layouts {
            let levels = format!("{}..{}", self.top, c.level);
            let (seconds, each) = match c.seconds {
                Some(s) => (format!("{s:.1}"), format!("{:.2} s", s / c.questions as f64)),
                None => ("?".into(), format!("{:.0} switches", c.key_switches as f64 / c.questions as f64)),
            };
            writeln!(
                f,
                "{:6} {:9} {:6} {levels:>7} {:10} {:8} {:4} {:7.2} GB {seconds:>8}  {each}{}",
                c.tokens,
                c.questions,
                c.slots,
                c.bootstraps,
                c.key_switches,
                c.keys,
                c.key_bytes as f64 / 1e9,
                if c.chosen { "  chosen" } else { "" }
            )?;
        }
        Ok(())
    }
}
