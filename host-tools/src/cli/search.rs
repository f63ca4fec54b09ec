//! `polyformer search`: a private search from text to hits, client and server in one process.

use super::{
    common::{Compute, print, print_json, progress},
    searching::{self, Queries, Source, host, index, show},
};
use crate::{
    Result,
    machine::peak,
    search::{Scoring, Seeker},
};
use std::{io::Write, path::PathBuf, time::Instant};

const EXAMPLES: &str = "\
Examples:
  polyformer index questions.txt --out questions.index
  polyformer search \"my card was stolen\" --index questions.index
  polyformer search --queries many.txt --index questions.index --top 3 --json
  polyformer search --vectors queries.npy --index questions.index

The first run makes a secret key and 12 evaluation keys in --keys, 2.4 MB. The part that acts as the server gets the
encrypted queries, the evaluation keys and the index, nothing else. On two machines: `query`, `scores` and `hits`.
--json prints a line for each hit: query (from 0), vector (from 0), score and text. With --figures a last line follows:
vectors, width, queries, seconds (by stage), peak_bytes, bytes_up, bytes_down and key_bytes.";

/// Search an index with a query that its server cannot read.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    queries: Queries,
    /// The index, as `polyformer index` writes it.
    #[arg(long, value_name = "FILE")]
    index: PathBuf,
    /// Folder of the keys. The default is a folder in the user's cache folder.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Hits to show for each query.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Print JSON, one object a hit.
    #[arg(long)]
    json: bool,
    /// Also print what the search took: seconds, memory and bytes.
    #[arg(long)]
    figures: bool,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.compute.target()?;
    peak::reset();
    let index = index(&args.index)?;
    let asked = args.queries.read(&index.about.space)?;
    let host = host()?;
    let clock = Instant::now();
    let (folder, secret) = searching::keys(args.keys.as_deref(), &host, target.client())?;
    let key_generation = clock.elapsed().as_secs_f64();

    let seeker = Seeker::new(&host, target.client(), &secret);
    let clock = Instant::now();
    let query = seeker.ask(&asked.space, &asked.vectors)?;
    let encrypt = clock.elapsed().as_secs_f64();
    let scoring = Scoring { host: &host, eval: &folder.eval, index: &index, query: &query };
    let bar = progress(scoring.steps(), "blocks");
    let clock = Instant::now();
    let scores = scoring.run(target, &|| bar.inc(1))?;
    let server = clock.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let clock = Instant::now();
    let hits = seeker.best(&scores, args.top)?;
    let decrypt = clock.elapsed().as_secs_f64();
    show(out, &hits, asked.texts.as_ref(), &Source::Index(&index), args.json)?;
    if !args.figures {
        return Ok(());
    }
    let words = |tensors: &[Vec<u32>]| tensors.iter().map(|tensor| 4 * tensor.len()).sum::<usize>();
    let (up, down) = (words(&query.tensors) + 32, words(&scores.tensors));
    let keys: u64 = crate::search::keys(host.params()).iter().map(|key| key.file_bytes(host.params())).sum();
    let about = &index.about;
    if args.json {
        return print_json(
            out,
            &serde_json::json!({
                "vectors": about.vectors, "width": about.width, "queries": hits.len(),
                "seconds": {"key_generation": key_generation, "encrypt": encrypt, "server": server, "decrypt": decrypt},
                "peak_bytes": peak::bytes(), "bytes_up": up, "bytes_down": down, "key_bytes": keys,
                "isa": target.isa(), "threads": target.uses(),
            }),
        );
    }
    print(
        out,
        format_args!(
            "\n{} queries, {} vectors of {} numbers: encrypted in {encrypt:.2} s, server {server:.2} s ({} threads, {}), decrypted \
             in {decrypt:.2} s\n{:.2} MB up, {:.2} MB down, {:.1} MB of keys, {:.0} MB of memory\n",
            hits.len(),
            about.vectors,
            about.width,
            target.uses(),
            target.isa(),
            up as f64 / 1e6,
            down as f64 / 1e6,
            keys as f64 / 1e6,
            peak::bytes() as f64 / 1e6,
        ),
    )
}
