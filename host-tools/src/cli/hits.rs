//! `polyformer hits`: the client's last step of a search, from encrypted scores to the best vectors.

use super::{
    common::Compute,
    searching::{Source, encrypted, host, index, show},
};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Body, Kind, hex, input},
    keys::secret::Secret,
    search::{Seeker, Texts},
};
use std::{io::Write, path::PathBuf};

/// Decrypt the scores of a search and show the best.
#[derive(clap::Args)]
pub struct Args {
    /// The encrypted scores, or - for standard input.
    scores: PathBuf,
    /// The secret key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The encrypted queries. Scores of other queries are then refused.
    #[arg(long, value_name = "FILE")]
    query: Option<PathBuf>,
    /// The texts of the index, one a line, to show those of the hits.
    #[arg(long, value_name = "FILE", conflicts_with = "index")]
    texts: Option<PathBuf>,
    /// The index, to show the texts of the hits.
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// Hits to show for each query.
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Print JSON, one object a hit: query (from 0), vector (from 0), score and text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: Compute,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.compute.target()?.client();
    let secret = Secret::read(&args.key)?;
    let scores = encrypted(&args.scores, Kind::Scores)?;
    let place = input::named(&args.scores);
    if let (Some(path), Body::Scores(_, found)) = (&args.query, &scores.header.body) {
        let query = encrypted(path, Kind::Query)?;
        if let Body::Query(_, sought) = &query.header.body {
            found.expect_answer_to(sought).with_path(place)?;
        }
    }
    let texts = args.texts.as_deref().map(|path| Texts::read(path).with_path(input::named(path))).transpose()?;
    let index = args.index.as_deref().map(index).transpose()?;
    let source = match (&texts, &index) {
        (Some(texts), _) => Source::Texts(texts),
        (None, Some(index)) => Source::Index(index),
        (None, None) => Source::None,
    };
    if let Body::Scores(_, found) = &scores.header.body {
        if let Some(index) = index.as_ref().filter(|index| index.id() != found.index) {
            let what =
                format!("index {} where {}, the index of the scores, is needed", hex(&index.id()), hex(&found.index));
            return Err(Error::usage("--index", what));
        }
        if let Some(texts) = texts.as_ref().filter(|texts| texts.all().len() as u64 != found.vectors) {
            let what =
                format!("{} texts where the index of the scores has {} vectors", texts.all().len(), found.vectors);
            return Err(Error::usage("--texts", what));
        }
    }
    let host = host()?;
    let hits = Seeker::new(&host, target, &secret).best(&scores, args.top)?;
    show(out, &hits, None, &source, args.json)
}
