//! `polyformer params`: builds a parameter set and explains the set.

use super::common::{Source, beside, given, print, print_json};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Access, Body, Form, Header, Kind, Output},
    primes::{Fault, Report, Request, ScalePattern, refusal},
    spec::{self, SpecBuf},
};
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  polyformer params --preset B16
  polyformer params --n 65536 --levels 16 --scale-bits 39.5 --bootstrap
  polyformer params --n 65536 --levels 13 --scale-bits 44.4 --bootstrap --iterations 2
  polyformer params --n 2^15 --levels 20 --scale-bits 29 --out fast.safetensors
  polyformer keygen --params fast.safetensors --out keys

The scale of a level is a product of primes of 20 to 30 bits. Four ranges of scale (log2) are therefore possible:
23.0 to 29.9 (one prime a level), 39.1 to 39.9 (four primes in three levels), 44.0 to 44.8 (three in two
levels), 50.0 to 59.9 (two a level).
docs/params.md states the rules for the primes.";

/// Build or read a parameter set, and explain it.
///
/// The command refuses a set over the security bound, with both numbers and a choice within the bound.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Ring degree, a power of two from 1024 to 65536; 2^16 is also understood.
    #[arg(long, value_parser = power, required_unless_present_any = ["preset", "params"],
        conflicts_with_all = ["preset", "params"])]
    n: Option<u64>,
    /// Message levels: products one after the other. 0 makes a client's set, without evaluation.
    #[arg(long, value_name = "L", requires = "n", required_unless_present_any = ["preset", "params"])]
    levels: Option<u8>,
    /// log2 of the scale.
    #[arg(long, value_name = "S", requires = "n", required_unless_present_any = ["preset", "params"])]
    scale_bits: Option<f64>,
    /// Make room for bootstrapping: 12 more levels, and 3 of the message levels are its own.
    #[arg(long, requires = "n")]
    bootstrap: bool,
    /// Iterations of bootstrapping. The second iteration bootstraps the error of the first. Two iterations help at a
    /// scale over 2^44.
    #[arg(long, value_name = "I", requires = "bootstrap", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    iterations: u8,
    /// Digits of a key switch. By default the number with the cheapest key switch that fits the bound.
    #[arg(long, value_name = "D", requires = "n")]
    dnum: Option<usize>,
    /// Security in bits, against classical attacks.
    #[arg(long, value_name = "BITS", default_value = "128", value_parser = ["128", "192", "256"], requires = "n")]
    security: String,
    /// Print one JSON object, with every prime, level and digit.
    #[arg(long)]
    json: bool,
    /// Write the set to a file for --params of other commands; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// 65536 or 2^16.
fn power(text: &str) -> std::result::Result<u64, String> {
    let bad = |_| format!("{text:?} is neither a number nor a power like 2^16");
    match text.split_once('^') {
        Some(("2", power)) => power.parse().map_err(bad).map(|p: u32| 1u64.checked_shl(p).unwrap_or(u64::MAX)),
        _ => text.parse().map_err(bad),
    }
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let inputs = given(&[args.source.params.as_deref()]);
    let reserve = |path| Output::reserve(path, Form::File(Kind::Params), Access::Shared, &inputs).with_path(path);
    let output = args.out.as_deref().map(reserve).transpose()?;
    let (spec, report) = report(args)?;
    let mut errors = std::io::stderr();
    let out = beside(output.as_ref(), out, &mut errors);
    if let (Some(path), Some(output)) = (&args.out, output) {
        let header = Header { spec, key: None, body: Body::Params };
        output.file(&header, &header.spec.params()?, &[]).with_path(path)?;
    }
    if args.json { print_json(out, &report) } else { print(out, format_args!("{report}")) }
}

fn report(args: &Args) -> Result<(SpecBuf, Report)> {
    if let Some(spec) = args.source.spec()? {
        let report = Report::new(&spec, &spec.params()?, &[]);
        return Ok((spec, report));
    }
    let n = args.n.unwrap_or_default();
    let security = args.security.parse().ok().and_then(spec::security);
    let ask = Request {
        log_n: n.max(1).ilog2() as u8,
        levels: args.levels.unwrap_or_default(),
        scale_bits: args.scale_bits.unwrap_or_default(),
        bootstrap: args.bootstrap,
        iterations: args.iterations,
        dnum: args.dnum,
        security: security
            .ok_or_else(|| Error::usage(format!("--security {}", args.security), ScalePattern::list()))?,
    };
    if !n.is_power_of_two() || n.trailing_zeros() > 16 {
        return Err(refusal(&ask, Fault::Degree { n }).into());
    }
    let chain = ask.build()?;
    let report = Report::from(&chain);
    Ok((chain.spec, report))
}
