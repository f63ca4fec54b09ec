//! `polyformer plan`: a dry run of a circuit, without keys.

mod model;

use super::common::{Rotations, Source, print, print_json};
use crate::{
    Error, Result,
    plan::{
        circuit::{Ledger, plan},
        speed::Speed,
    },
    spec::SpecBuf,
};
use polyformer_catalogue::every;
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  polyformer plan --list
  polyformer plan power_softmax
  polyformer plan --model my-model.packed --tokens 32 --figures speed.json
  polyformer calibrate --out speed.json && polyformer plan normalise_and_square --figures speed.json --json

--json prints one object: circuit, depth, mults, key_switches, bootstraps, bootstraps_greedy, rotations, key_bytes,
peak_bytes, seconds (null without --figures), keys (each with key, level, and bytes in memory; a file has half the bytes),
and steps, each with op, level_before, level_after, least, most and bootstrap. For a model: model, params, texts, tokens,
hidden (the server learns a bound of the tokens alone), ciphertexts, slots, level, bootstraps, key_switches, products, keys,
key_bytes, memory_bytes and seconds.";

/// Plan a circuit or a model: levels, value ranges, bootstraps, keys, memory.
///
/// Bootstraps are placed by cost over the whole graph. The output also has the number of bootstraps of a greedy
/// placement, which bootstraps when the levels run out.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The circuit; --list names them.
    #[arg(required_unless_present_any = ["list", "model"])]
    circuit: Option<String>,
    /// Plan a model instead: a model folder or a model file.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["circuit", "list", "steps"])]
    model: Option<PathBuf>,
    /// Tokens of each text. The default is the model's maximum.
    #[arg(long, value_name = "N", requires = "model")]
    tokens: Option<usize>,
    /// Texts that share ciphertexts. The default is the number that the model file chooses, or as many as fit.
    #[arg(long, value_name = "N", requires = "model")]
    texts: Option<usize>,
    /// Name every circuit.
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    source: Source,
    /// Figures of this or another machine, as `polyformer calibrate` writes them, to predict seconds from.
    #[arg(long, value_name = "FILE")]
    figures: Option<PathBuf>,
    /// Print every step, not only the bootstraps.
    #[arg(long)]
    steps: bool,
    /// List every key and its size.
    #[arg(long)]
    keys: bool,
    #[command(flatten)]
    rotate: Rotations,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    if let Some(path) = &args.model {
        return model::run(args, path, out);
    }
    let spec = args.source.spec()?.or_else(|| SpecBuf::preset("B16"));
    let spec = spec.ok_or_else(|| Error::usage("plan", "no parameter set"))?;
    let params = spec.params()?;
    let entries = every(params.slots())?;
    if args.list {
        return entries.iter().try_for_each(|e| print(out, format_args!("{}\n", e.name)));
    }
    let name = args.circuit.as_deref().unwrap_or_default();
    let entry = entries.into_iter().find(|e| e.name == name);
    let entry = entry.ok_or_else(|| Error::usage(name, "no such circuit; --list names them"))?;
    let speed = args.figures.as_deref().map(|path| Speed::read(path, &spec)).transpose()?;
    let (ledger, _) = plan(&entry, &params, &entry.sample(params.slots(), 1), speed.as_ref(), args.rotate.steps())?;
    if args.json { print_json(out, &ledger) } else { table(args, &ledger, out) }
}

fn table(args: &Args, l: &Ledger, out: &mut dyn Write) -> Result<()> {
    let mib = |bytes: u64| bytes as f64 / (1u64 << 20) as f64;
    let seconds = l.seconds.map_or("unknown without --figures".into(), |s| format!("{s:.2}"));
    print(
        out,
        format_args!(
            "{}\n  depth         {}\n  products      {}\n  key switches  {}\n  bootstraps    {} ({} if greedy)\n  \
             rotations     {}\n  keys          {:.0} MiB\n  peak          {:.0} MiB\n  seconds       {seconds}\n\n",
            l.circuit,
            l.depth,
            l.mults,
            l.key_switches,
            l.bootstraps,
            l.bootstraps_greedy,
            l.rotations.len(),
            mib(l.key_bytes),
            mib(l.peak_bytes),
        ),
    )?;
    if args.keys {
        print(out, format_args!("{:<30} {:>5} {:>10} {:>10}\n", "key", "level", "MiB", "in a file"))?;
        for k in &l.keys {
            let level = k.level.map_or("-".into(), |l| l.to_string());
            let (memory, file) = (mib(k.bytes), mib(k.bytes / 2));
            print(out, format_args!("{:<30} {level:>5} {memory:>10.1} {file:>10.1}\n", k.key))?;
        }
        print(out, format_args!("\n"))?;
    }
    print(out, format_args!("{:>5} {:10} {:>11} {:>12} {:>12}\n", "step", "operation", "level", "least", "most"))?;
    for (i, s) in l.steps.iter().enumerate() {
        if args.steps || s.bootstrap || s.op == "rescale" || s.op == "input" {
            let mark = if s.bootstrap { "  bootstrap" } else { "" };
            let levels = format!("{} -> {}", s.level_before, s.level_after);
            print(out, format_args!("{i:5} {:10} {levels:>11} {:12.4e} {:12.4e}{mark}\n", s.op, s.least, s.most))?;
        }
    }
    Ok(())
}
