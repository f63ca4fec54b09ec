//! `polyformer index`: the vectors of texts in one file, for a server.

use super::{
    common::{Compute, given, print, print_json},
    searching::embedded,
};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Access, Output, input},
    model::Embedder,
    search::{self, Texts, Vectors},
};
use std::{io::Write, path::PathBuf, time::Instant};

const EXAMPLES: &str = "\
Examples:
  polyformer index questions.txt --out questions.index                  vectors of the model in the program
  polyformer index questions.txt --vectors vectors.npy --out questions.index
  polyformer index --vectors vectors.npy --space minilm-l6 --out questions.index
  polyformer search \"my card was stolen\" --index questions.index

TEXTS has one text a line. --vectors is an array of NumPy with two dimensions and a row for each text, or text with one
vector a line. An array of NumPy may be larger than memory. The file is in the clear, with the texts if texts are given:
docs/search.md says who sees what. --json prints one object: file, vectors, width, space, bytes, rounding (the largest
error of a score by rounding) and seconds.";

/// Make an index of texts or vectors for private search. The index is in the clear.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The texts, one a line, or - for standard input.
    #[arg(required_unless_present = "vectors")]
    texts: Option<PathBuf>,
    /// The model that makes the vectors, a folder or a model file. The default is the model in the program.
    #[arg(long, value_name = "PATH", conflicts_with = "vectors")]
    model: Option<PathBuf>,
    /// Vectors from a file, in place of those of a model.
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// The name of the space of --vectors. Queries must name the same space.
    #[arg(long, value_name = "NAME", default_value = search::SPACE, requires = "vectors")]
    space: String,
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
        return Err(Error::usage("--out -", "an index is read in pieces later: give a file"));
    }
    let inputs = given(&[args.texts.as_deref(), args.vectors.as_deref()]);
    let output = Output::reserve(&args.out, search::FORM, Access::Shared, &inputs).with_path(&args.out)?;
    let start = Instant::now();
    let texts = args.texts.as_deref().map(|path| Texts::read(path).with_path(input::named(path))).transpose()?;
    let (vectors, space) = match (&args.vectors, &texts) {
        (Some(path), _) => (Vectors::read(path).with_path(input::named(path))?, args.space.clone()),
        (None, Some(texts)) => {
            let model = Embedder::open(args.model.as_deref())?;
            (embedded(&model, texts)?, model.space())
        }
        (None, None) => return Err(Error::usage("index", "one of TEXTS and --vectors is needed")),
    };
    let place = args.vectors.as_deref().or(args.texts.as_deref()).map_or(args.out.as_path(), input::named);
    let about = search::write_index(output, &space, &vectors, texts.as_ref(), &|| ()).with_path(place)?;
    let bytes = std::fs::metadata(&args.out).map_or(0, |metadata| metadata.len());
    let (rounding, seconds) = (search::rounding(&about), start.elapsed().as_secs_f64());
    if args.json {
        return print_json(
            out,
            &serde_json::json!({
                "file": args.out, "vectors": about.vectors, "width": about.width, "space": about.space, "bytes": bytes,
                "rounding": rounding, "seconds": seconds,
            }),
        );
    }
    let (file, megabytes) = (args.out.display(), bytes as f64 / 1e6);
    print(
        out,
        format_args!("{file}  {} vectors of {} numbers, {megabytes:.1} MB, in the clear\n", about.vectors, about.width),
    )?;
    print(out, format_args!("scores are exact within {rounding:.1e} for queries of length 1\n"))
}
