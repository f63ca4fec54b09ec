//! `polyformer bench`: measures the speed of each operation on this machine.

use super::common::{RunOptions, Source, print, print_json, progress};
use crate::{
    Error, Result,
    bench::{BenchSpec, Op, Record, level_near, run as measure, select},
    error::WithPath,
    machine::Host,
    spec::SpecBuf,
};
use std::{io::Write, path::Path, time::Duration};

const EXAMPLES: &str = "\
Examples:
  polyformer bench
  polyformer bench --preset B16 --op rotate --op mul_relin_rescale --log-q 1164 --threads 1 --json

Each line of --json has op, backend, isa, preset, n, level, limbs, threads, seconds (the median; per limb for the
transforms), bytes (operands, keys and results) and peak_bytes (resident size during the run). The line of bootstrap also
has stages, each with stage, seconds, key_switches and key_bytes.";

/// Measure operations on this machine.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Operation to measure; may be repeated. All but bootstrap by default.
    #[arg(long, value_name = "NAME", value_enum)]
    op: Vec<Op>,
    /// Level to measure at; the highest message level by default.
    #[arg(long, value_name = "L")]
    level: Option<u8>,
    /// Measure at the level whose log2(Q) is nearest to this.
    #[arg(long, value_name = "BITS", conflicts_with = "level")]
    log_q: Option<f64>,
    /// Seconds for each operation, without its preparation.
    #[arg(long, value_name = "S", default_value_t = 1.0, allow_negative_numbers = true)]
    seconds: f64,
    #[command(flatten)]
    run: RunOptions,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.run.compute.target()?;
    let budget = Duration::try_from_secs_f64(args.seconds);
    let budget = budget.map_err(|e| Error::usage(format!("--seconds {}", args.seconds), e.to_string()))?;
    let spec = args.source.spec()?.or_else(|| SpecBuf::preset("B16"));
    let spec = spec.ok_or_else(|| Error::usage("bench", "no parameter set"))?;
    let host = Host::new(spec.params()?);
    let params = host.params();
    let level = match (args.level, args.log_q) {
        (Some(level), _) => level,
        (None, Some(log_q)) => level_near(params, log_q),
        (None, None) => params.max_message_level(),
    };
    if level > params.max_level() {
        return Err(Error::usage(format!("--level {level}"), format!("the highest is {}", params.max_level())));
    }
    let ops = select(&args.op, params, level)?;
    let (choice, threads, limbs) = (target.backend, target.uses(), params.q(level).len());
    let preset = spec.label();
    if !args.run.json {
        let log_q = params.log_product(params.q(level));
        let isa = target.isa();
        print(
            out,
            format_args!(
                "{preset}, level {level}, {limbs} limbs, log2(Q) {log_q:.1}, {choice} ({isa}), {threads} thread(s)\n"
            ),
        )?;
    }
    let bar = progress(ops.len(), "operations");
    let plan = BenchSpec { ops: &ops, level, budget, steps: args.run.rotate.steps() };
    measure(&host, target, &plan, |m| {
        let record = Record {
            op: m.op,
            backend: choice.to_string(),
            isa: target.isa(),
            preset: preset.clone(),
            n: params.n(),
            level: m.level,
            limbs: params.q(m.level).len(),
            threads,
            seconds: m.seconds,
            bytes: m.bytes,
            peak_bytes: m.peak_bytes,
            stages: m.stages,
        };
        bar.inc(1);
        bar.suspend(|| if args.run.json { print_json(out, &record) } else { print(out, format_args!("{record}")) })?;
        out.flush().with_path(Path::new("standard output"))
    })?;
    bar.finish_and_clear();
    Ok(())
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = serde_json::to_string(&self.op).unwrap_or_default();
        let rate = self.bytes as f64 / self.seconds / 1e9;
        let (ms, peak) = (self.seconds * 1e3, self.peak_bytes as f64 / 1e6);
        writeln!(f, "{:<20} {ms:>10.4} ms {rate:>7.2} GB/s {peak:>8.0} MB resident", name.trim_matches('"'))?;
        self.stages.iter().try_for_each(|p| {
            let (ms, keys) = (p.seconds * 1e3, p.key_bytes as f64 / 1e6);
            writeln!(f, "  {:<18} {ms:>10.4} ms {:>4} key switches, {keys:.0} MB of keys", p.stage, p.key_switches)
        })
    }
}
