//! `polyformer scores`: the server's step of a search, from file to file.

use super::{
    common::{Compute, beside, given, print, print_json, progress},
    searching::{encrypted, host, index, write},
};
use crate::{
    Result,
    error::WithPath,
    files::{Access, Form, Kind, Output},
    machine::peak,
    search::Scoring,
};
use std::{io::Write, path::PathBuf, time::Instant};

/// Compute the encrypted scores of encrypted queries with an index. Needs no secret.
#[derive(clap::Args)]
pub struct Args {
    /// The encrypted queries, or - for standard input.
    query: PathBuf,
    /// The index, as `polyformer index` writes it.
    #[arg(long, value_name = "FILE")]
    index: PathBuf,
    /// The folder of the client's evaluation keys.
    #[arg(long, value_name = "DIR")]
    eval: PathBuf,
    /// File to write; - is standard output.
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
    let target = args.compute.target()?;
    peak::reset();
    let inputs = given(&[Some(&args.query), Some(&args.index)]);
    let output = Output::reserve(&args.out, Form::File(Kind::Scores), Access::Shared, &inputs).with_path(&args.out)?;
    let mut errors = std::io::stderr();
    let out = beside(Some(&output), out, &mut errors);
    let (index, query, host) = (index(&args.index)?, encrypted(&args.query, Kind::Query)?, host()?);
    let scoring = Scoring { host: &host, eval: &args.eval, index: &index, query: &query };
    let bar = progress(scoring.steps(), "blocks");
    let start = Instant::now();
    let scores = scoring.run(target, &|| bar.inc(1))?;
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let bytes = write(&scores, &host, output, &args.out)?;
    let (vectors, file) = (index.about.vectors, args.out.display());
    if args.json {
        return print_json(
            out,
            &serde_json::json!({
                "file": args.out, "vectors": vectors, "bytes": bytes, "seconds": seconds, "peak_bytes": peak::bytes(),
            }),
        );
    }
    print(out, format_args!("{file}  scores of {vectors} vectors, {:.2} MB, {seconds:.2} s\n", bytes as f64 / 1e6))
}
