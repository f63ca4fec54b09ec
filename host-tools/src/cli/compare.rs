//! `polyformer compare`: compares the replacements of softmax on one engine.

use super::common::{Compute, Source, beside, given, print, print_json};
use crate::{
    Error, Result,
    compare::{Distribution, PICTURE, Scores, cases, picture},
    error::WithPath,
    files::{Access, Form, Output, input, text},
    machine::Host,
    spec::SpecBuf,
};
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  polyformer compare
  polyformer compare --length 256 --range 4 --distribution normal --json
  polyformer compare --scores scores.txt --svg docs/compare.svg
  polyformer compare --preset L15 --variant power_softmax_length_agnostic --run

Each line of --json has variant, depth, mults, key_switches, bootstraps, error_vs_softmax, error_vs_definition,
certified_error and seconds. An error is the largest error of any weight. Products and key switches count the
variant without its bootstraps. A variant that is too deep for the parameters, or that cannot
be made for these scores, is left out, unless --variant names it.
With --run, errors and seconds are from ciphertexts. A file of scores has one row per line.";

/// Compare the replacements of softmax: depth, cost, bootstraps, error.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Scores of a row, a power of two.
    #[arg(long, value_name = "L", default_value_t = 128)]
    length: usize,
    /// Scores lie in [-R, R].
    #[arg(long, value_name = "R", default_value_t = 8.0)]
    range: f64,
    /// The distribution of the scores.
    #[arg(long, value_enum, default_value_t = Distribution::Uniform)]
    distribution: Distribution,
    /// Scores from a file instead, one row a line; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["length", "range", "distribution"])]
    scores: Option<PathBuf>,
    /// Relative error that a division may add.
    #[arg(long, value_name = "E", default_value_t = 1.0 / 1024.0)]
    error: f64,
    /// Only this variant; may be repeated.
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// Run on ciphertexts under a throwaway key, and measure.
    #[arg(long)]
    run: bool,
    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
    /// Write a picture of depth against error; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let spec = args.source.spec()?.or_else(|| SpecBuf::preset("B16"));
    let spec = spec.ok_or_else(|| Error::usage("compare", "no parameter set"))?;
    let params = spec.params()?;
    let inputs = given(&[args.source.params.as_deref(), args.scores.as_deref()]);
    let own = |_: &std::fs::Metadata, bytes: &[u8]| bytes.starts_with(PICTURE.as_bytes());
    let form = Form::Other { what: "a picture of `compare`", text: true, own: &own };
    let reserve = |path| Output::reserve(path, form, Access::Shared, &inputs).with_path(path);
    let output = args.svg.as_deref().map(reserve).transpose()?;
    let mut errors = std::io::stderr();
    let out = beside(output.as_ref(), out, &mut errors);
    let scores = scores(args, params.slots())?;
    let mut cases = cases(&scores, params.slots(), args.error)?;
    if let Some(name) = args.variant.iter().find(|v| cases.iter().all(|(name, _)| name != *v)) {
        return Err(Error::usage(format!("--variant {name}"), "no such variant"));
    }
    cases.retain(|(name, _)| args.variant.is_empty() || args.variant.iter().any(|v| name == v));
    let host = if args.run { Some((Host::new(params.clone()), args.compute.target()?)) } else { None };
    if !args.json {
        let [a, b, c, d, e] = ["variant", "depth", "mults", "switches", "bootstraps"];
        let [f, g, h, i] = ["vs softmax", "vs own", "certified", if args.run { "  seconds" } else { "" }];
        print(out, format_args!("{a:36} {b:>5} {c:>5} {d:>8} {e:>10} {f:>10} {g:>10} {h:>10}{i}\n"))?;
    }
    let mut rows = Vec::new();
    for (name, case) in cases {
        let case = match case {
            Err(error) if args.variant.is_empty() => {
                left_out(name, &error);
                continue;
            }
            case => case?,
        };
        let mut row = match case.row(&params) {
            Err(error) if args.variant.is_empty() => {
                left_out(name, &error);
                continue;
            }
            row => row?,
        };
        if let Some((host, on)) = &host {
            row = case.run(row, host, *on)?;
        }
        if args.json {
            print_json(out, &row)?;
        } else {
            let (name, depth, mults, switches) = (row.variant, row.depth, row.mults, row.key_switches);
            let (soft, own) = (row.error_vs_softmax, row.error_vs_definition);
            let sure = row.certified_error.map_or("-".into(), |e| format!("{e:.1e}"));
            let (boots, took) = (row.bootstraps, row.seconds.map_or(String::new(), |s| format!(" {s:8.2}")));
            print(
                out,
                format_args!(
                    "{name:36} {depth:5} {mults:5} {switches:8} {boots:10} {soft:10.1e} {own:10.1e} {sure:>10}{took}\n"
                ),
            )?;
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(Error::usage("compare", "no variant is left"));
    }
    if let (Some(path), Some(output)) = (&args.svg, output) {
        let text = picture(&rows);
        output.write(|file| file.write_all(text.as_bytes())).with_path(path)?;
    }
    Ok(())
}

fn left_out(name: &str, why: &Error) {
    // nobody to tell if standard error is closed
    let _ = writeln!(std::io::stderr(), "{name} is left out: {why}");
}

fn scores(args: &Args, slots: usize) -> Result<Scores> {
    if let Some(path) = &args.scores {
        let text = input::read(path, input::MAX_TEXT).and_then(text::decode);
        return text.and_then(|text| Scores::parse(&text, slots)).with_path(input::named(path));
    }
    if !args.length.is_power_of_two() || args.length < 2 || args.length > slots {
        return Err(Error::usage(format!("--length {}", args.length), format!("a power of two from 2 to {slots}")));
    }
    if !(args.range > 0.0 && args.range <= Scores::MOST) {
        return Err(Error::usage(format!("--range {}", args.range), format!("over 0, up to {}", Scores::MOST)));
    }
    Ok(Scores::synthetic(slots, args.length, args.range, args.distribution))
}
