//! `polyformer eval`: how often a model is right on a labelled file.

use super::common::{Compute, pretrained, print, print_json, progress};
use crate::{Result, eval};
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  polyformer eval questions.csv
  polyformer eval questions.csv --model my-model --limit 100 --json

FILE has a header line with the columns text and category. Longer texts are cut to what the model reads.
--json prints one object: n, accuracy (polynomial form), accuracy_exact (the twin with softmax, GELU and LayerNorm),
encrypted_n and encrypted_agree.";

/// Measure a model's accuracy on a labelled file, in the clear.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The labelled file, CSV.
    file: PathBuf,
    /// A model folder; the model in the program by default.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Only the first N questions.
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,
    /// One JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    args.compute.device()?;
    let model = pretrained(args.model.as_deref())?;
    let questions = eval::read(&args.file, &model.text, args.limit)?;
    let bar = progress(questions.len(), "questions");
    let accuracy = eval::accuracy(&model, &questions, || bar.inc(1))?;
    bar.finish_and_clear();
    if args.json {
        return print_json(
            out,
            &serde_json::json!({
                "n": questions.len(), "accuracy": accuracy.poly, "accuracy_exact": accuracy.exact,
                "encrypted_n": 0, "encrypted_agree": 0,
            }),
        );
    }
    let (n, poly) = (questions.len(), 100.0 * accuracy.poly);
    print(out, format_args!("{n} questions, {poly:.2} % right in polynomial form"))?;
    match accuracy.exact {
        Some(exact) => print(out, format_args!(", {:.2} % by the exact twin\n", 100.0 * exact)),
        None => print(out, format_args!("\n")),
    }
}
