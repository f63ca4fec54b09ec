//! `polyformer calibrate`: measures the figures for predictions of seconds.

use super::common::{Compute, Source, beside, given, print, progress};
use crate::{Error, Result, error::WithPath, machine::Host, plan::speed::Speed, spec::SpecBuf};
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Example:
  polyformer calibrate --out speed.json
  polyformer pack my-model --out my-model.packed --figures speed.json
  polyformer demo \"Where is my card?\" --figures speed.json";

/// Time each kind of work on this machine, for the predictions of plan, pack and demo.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// File to write; - is standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.compute.target()?;
    let spec = args.source.spec()?.or_else(|| SpecBuf::preset("B16"));
    let spec = spec.ok_or_else(|| Error::usage("calibrate", "no parameter set"))?;
    let output = Speed::reserve(&args.out, &given(&[args.source.params.as_deref()]))?;
    let mut errors = std::io::stderr();
    let out = beside(Some(&output), out, &mut errors);
    let host = Host::new(spec.params()?);
    let bar = progress(Speed::levels(host.params()).len(), "levels");
    let speed = Speed::measure(&host, target, &spec, &|| bar.inc(1))?;
    bar.finish_and_clear();
    speed.write(output).with_path(&args.out)?;
    let (backend, isa, threads) = (&speed.backend, &speed.isa, speed.threads);
    print(out, format_args!("{}  {backend} ({isa}), {threads} thread(s)\n", args.out.display()))
}
