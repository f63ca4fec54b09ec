//! What the commands of private search share: the vectors of queries, the keys of a client, files in and out, and hits.

use super::common::{note, print, progress};
use crate::{
    Error, Result,
    error::WithPath,
    files::{FileError, Kind, Mapped, Output, View, input},
    keys::{
        KeyFolder,
        secret::Secret,
        store::{KeyEvent, default_folder},
    },
    machine::{ComputeTarget, Host},
    model::Embedder,
    search::{self, Hit, Index, Texts, Vectors},
    session::cipher::Encrypted,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// The queries of a search.
#[derive(clap::Args)]
pub struct Queries {
    /// The text to search for, or - for standard input. Other users of this machine can see the arguments of a command.
    #[arg(required_unless_present_any = ["queries", "vectors"], conflicts_with_all = ["queries", "vectors"])]
    text: Option<String>,
    /// Search for each line of a file instead.
    #[arg(long, value_name = "FILE", conflicts_with = "vectors")]
    queries: Option<PathBuf>,
    /// Search for the vectors of a file instead: an array of NumPy with two dimensions, or text with one vector a line.
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    pub vectors: Option<PathBuf>,
    /// The model that makes vectors of texts, a folder or a model file. The default is the model in the program.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
}

/// Some queries in one space.
pub struct Asked {
    /// The texts, if texts were given.
    pub texts: Option<Texts>,
    /// The vectors.
    pub vectors: Vectors,
    /// The name of their space.
    pub space: String,
}

impl Queries {
    /// The inputs that are files.
    pub fn files(&self) -> [Option<&Path>; 2] {
        [self.queries.as_deref(), self.vectors.as_deref()]
    }

    /// Reads the queries and makes their vectors. `space` is the space of vectors from a file.
    pub fn read(&self, space: &str) -> Result<Asked> {
        if let Some(path) = &self.vectors {
            let vectors = Vectors::read(path).with_path(input::named(path))?;
            return Ok(Asked { texts: None, vectors, space: space.into() });
        }
        let texts = match (&self.queries, &self.text) {
            (Some(path), _) => Texts::read(path).with_path(input::named(path))?,
            (None, text) => {
                let text = text.as_deref().unwrap_or("-");
                Texts::one(input::question(text).with_path(Path::new("standard input"))?)
            }
        };
        let model = Embedder::open(self.model.as_deref())?;
        let vectors = embedded(&model, &texts)?;
        Ok(Asked { texts: Some(texts), vectors, space: model.space() })
    }
}

/// The vectors of texts, on every core.
pub fn embedded(model: &Embedder, texts: &Texts) -> Result<Vectors> {
    use rayon::prelude::*;
    let bar = progress(texts.all().len(), "vectors");
    let vector = |(line, text): (usize, &String)| {
        let vector = model.embed(text).map_err(|e| match e {
            Error::Usage { subject, what } => Error::usage(format!("{subject} {}", line + 1), what),
            Error::Unreliable { subject, what } => Error::unreliable(format!("{subject} {}", line + 1), what),
            other => other,
        });
        bar.inc(1);
        vector
    };
    let all: Vec<Vec<f32>> = texts.all().par_iter().enumerate().map(vector).collect::<Result<_>>()?;
    bar.finish_and_clear();
    Vectors::new(all.first().map_or(0, Vec::len), all.concat()).with_path(Path::new("texts"))
}

/// The secret key of a folder, after the missing keys were made.
pub fn keys(folder: Option<&Path>, host: &Host, target: ComputeTarget) -> Result<(KeyFolder, Secret)> {
    let spec = search::spec();
    let folder = KeyFolder::new(&folder.map_or_else(|| default_folder(&spec), |folder| Ok(folder.into()))?);
    let mut on_event = |event: KeyEvent<'_>| match event {
        KeyEvent::Waiting(_) => note("another process makes keys in this folder: this one waits"),
        KeyEvent::Damaged(path) => note(&format!("{} is damaged: the key is made again", path.display())),
        KeyEvent::Made { .. } => {}
    };
    let secret = folder.complete(host, target, &spec, &search::keys(host.params()), &mut on_event)?;
    Ok((folder, secret))
}

/// The ring of private search.
pub fn host() -> Result<Host> {
    Ok(Host::new(search::spec().params()?))
}

/// Opens an index.
pub fn index(path: &Path) -> Result<Index> {
    Index::open(path).with_path(path)
}

/// A file of queries or scores.
pub fn encrypted(path: &Path, kind: Kind) -> Result<Encrypted> {
    let named = input::named(path);
    let mapped = Mapped::input(path).with_path(named)?;
    let view = View::parse(mapped.bytes()).with_path(named)?;
    view.expect_kind(kind).with_path(named)?;
    let tensors = (0..2).map(|i| view.words(i).to_vec()).filter(|tensor| !tensor.is_empty()).collect();
    Ok(Encrypted { header: view.header.clone(), tensors })
}

/// Writes a file of queries or scores, and returns its bytes of ciphertext.
pub fn write(file: &Encrypted, host: &Host, output: Output, path: &Path) -> Result<usize> {
    let tensors: Vec<&[u8]> = file.tensors.iter().map(|t| bytemuck::cast_slice(&t[..])).collect();
    output.file(&file.header, host.params(), &tensors).with_path(path)?;
    Ok(tensors.iter().map(|t| t.len()).sum())
}

/// Where the texts of hits come from.
pub enum Source<'a> {
    /// An index, perhaps without texts.
    Index(&'a Index),
    /// Texts in the order of the vectors.
    Texts(&'a Texts),
    /// Nowhere.
    None,
}

impl Source<'_> {
    fn text(&self, vector: u64) -> Result<Option<String>> {
        match self {
            Source::Index(index) => index.text(vector).with_path(Path::new("index")),
            Source::Texts(texts) => match texts.all().get(vector as usize) {
                Some(text) => Ok(Some(text.clone())),
                None => {
                    let what = format!("{} texts, and a hit is vector {vector}", texts.all().len());
                    Err(FileError::model(what)).with_path(Path::new("texts"))
                }
            },
            Source::None => Ok(None),
        }
    }
}

#[derive(serde::Serialize)]
struct Line {
    query: usize,
    #[serde(flatten)]
    hit: Hit,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// Prints the hits of each query: score, place in the index from 0, text. With `json` one object a line.
pub fn show(
    out: &mut dyn Write,
    hits: &[Vec<Hit>],
    queries: Option<&Texts>,
    from: &Source<'_>,
    json: bool,
) -> Result<()> {
    let several = hits.len() > 1 && !json;
    for (query, hits) in hits.iter().enumerate() {
        if several {
            let text = queries.and_then(|texts| texts.all().get(query));
            let name = text.cloned().unwrap_or_else(|| format!("query {query}"));
            print(out, format_args!("{}{name}\n", if query > 0 { "\n" } else { "" }))?;
        }
        for hit in hits {
            let line = Line { query, hit: *hit, text: from.text(hit.vector)? };
            if json {
                super::common::print_json(out, &line)?;
            } else {
                let text = line.text.unwrap_or_default();
                print(out, format_args!("{:9.6}  {:8}  {text}\n", hit.score, hit.vector))?;
            }
        }
    }
    Ok(())
}
