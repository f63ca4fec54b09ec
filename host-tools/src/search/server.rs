//! The server of a search: evaluation keys, an index and encrypted queries. No code in this module can decrypt. Workers
//! take blocks of the index one by one, so that memory holds one block a worker, whatever the size of the index.

use super::{LEVEL, index::Index, keys_for};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Body, CiphertextMeta, FileError, Found, Kind},
    load::{self, SecondHalf},
    machine::{ComputeTarget, Host, Job},
    session::{cipher::Encrypted, load_keys},
};
use polyformer_kernel::{
    backend::{Backend, Shape},
    ckks::{Ciphertext, Ckks},
};
use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Ciphertexts of expanded queries that a worker holds: 200 MB. Queries of one pass over the index share the transforms
/// of its blocks.
const HELD: usize = 1 << 11;

/// The most workers: each holds its expanded queries.
const MOST_WORKERS: usize = 16;

/// The inputs of a server, without any secret.
#[derive(Clone, Copy)]
pub struct Scoring<'a> {
    /// The ring of [`super::spec`].
    pub host: &'a Host,
    /// The folder of the client's evaluation keys.
    pub eval: &'a Path,
    /// The index.
    pub index: &'a Index,
    /// The queries.
    pub query: &'a Encrypted,
}

impl Scoring<'_> {
    /// The encrypted scores of every query with every vector. `on_block` is called after each block of each pass over the
    /// index; [`Scoring::steps`] is the number of calls.
    ///
    /// # Errors
    /// [`Error::File`] for queries of other parameters, of another space or width, for a key that is missing or of another
    /// client, and for a block of the index that changed; [`Error::Usage`] for more scores than a file holds;
    /// [`Error::Kernel`] without memory.
    pub fn run(self, on: ComputeTarget, on_block: &(dyn Fn() + Sync)) -> Result<Encrypted> {
        let (about, params) = (&self.index.about, self.host.params());
        let (sealed, sought) = self.check()?;
        let queries = sealed.count as usize;
        let count = u16::try_from(queries * about.blocks()).map_err(|_| {
            let most = u16::MAX as usize / about.blocks().max(1);
            Error::usage("queries", format!("{queries} of them, {most} at most fit with {} vectors", about.vectors))
        })?;
        let words = params.q(LEVEL - 1).len() * params.n();
        let tensors = [0, 1].map(|_| Mutex::new(vec![0; count as usize * words]));
        let steps = self.steps();
        let (workers, each) = on.split(steps.min(MOST_WORKERS));
        // a worker that stays with its queries expands no query that another worker expands
        let run = if steps / about.blocks() >= workers { about.blocks() } else { 1 };
        let shared = Shared { scoring: &self, sealed, next: AtomicUsize::new(0), run, tensors: &tensors, on_block };
        std::thread::scope(|scope| {
            let spawn = |_| scope.spawn(|| self.host.run(each, Worker(&shared)));
            let handles: Vec<_> = (0..workers).map(spawn).collect();
            handles.into_iter().try_for_each(|handle| match handle.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        let found =
            Found { sought, queries: sealed.count, index: self.index.id(), vectors: about.vectors, scale: about.scale };
        let sealed = CiphertextMeta { level: LEVEL - 1, count, values: 0, seed: None };
        let header = crate::files::Header { body: Body::Scores(sealed, found), ..self.query.header.clone() };
        let tensors = tensors.map(|tensor| tensor.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok(Encrypted { header, tensors: tensors.into() })
    }

    /// Blocks of all passes over the index.
    pub fn steps(&self) -> usize {
        let queries = match &self.query.header.body {
            Body::Query(sealed, _) => sealed.count as usize,
            _ => 0,
        };
        queries.div_ceil(self.together()) * self.index.about.blocks()
    }

    /// Queries of a pass over the index.
    fn together(&self) -> usize {
        (HELD / self.index.about.width).max(1)
    }

    fn check(&self) -> Result<(CiphertextMeta, crate::files::Sought)> {
        let (place, about) = (Path::new("query"), &self.index.about);
        let header = &self.query.header;
        let Body::Query(sealed, sought) = &header.body else {
            return Err(FileError::Kind { expected: Kind::Query, actual: header.kind() }).with_path(place);
        };
        if header.spec != super::spec() {
            let (expected, actual) = (super::spec().label(), header.spec.label());
            return Err(FileError::OtherParams { expected, actual }).with_path(place);
        }
        sought.expect(&about.space, about.width).with_path(place)?;
        if sealed.level != LEVEL {
            let field = FileError::field("level", Some(&sealed.level.to_string()), format!("{LEVEL}, that of queries"));
            return Err(field).with_path(place);
        }
        let wants = keys_for(self.host.params(), about.width);
        let missing = wants.iter().filter(|want| self.eval.join(want.file_name()).symlink_metadata().is_err()).count();
        if missing > 0 {
            let all = wants.len();
            let what = format!(
                "{missing} of {all} keys of a search are missing: `polyformer query` makes them, in the folder eval of its --keys"
            );
            return Err(Error::usage(self.eval.display().to_string(), what));
        }
        Ok((*sealed, sought.clone()))
    }
}

/// What the workers share. Tasks are numbered: all blocks for the first queries, then all blocks for the next.
struct Shared<'a> {
    scoring: &'a Scoring<'a>,
    sealed: CiphertextMeta,
    next: AtomicUsize,
    run: usize, // tasks that a worker takes at once
    tensors: &'a [Mutex<Vec<u32>>; 2],
    on_block: &'a (dyn Fn() + Sync),
}

struct Worker<'a>(&'a Shared<'a>);

impl Job for Worker<'_> {
    type Output = ();

    fn run<B: Backend>(self, mut be: B) -> Result<()> {
        let Shared { scoring, sealed, next, run, tensors, on_block } = self.0;
        let (params, index) = (scoring.host.params(), scoring.index);
        let (blocks, together) = (index.about.blocks(), scoring.together());
        let wants = keys_for(params, index.about.width);
        let keys = load_keys(&mut be, scoring.eval, &wants, &scoring.query.header, || ())?;
        let mut ev = Ckks::new(be, params, keys)?;
        let mut held: Option<(usize, Vec<Vec<Ciphertext<B>>>)> = None;
        let mut integers = Vec::new();
        let mut words = vec![0; params.q(LEVEL - 1).len() * params.n()];
        let total = scoring.steps();
        let runs = std::iter::from_fn(|| {
            let start = next.fetch_add(*run, Ordering::Relaxed);
            (start < total).then(|| start..total.min(start + run))
        });
        for task in runs.flatten() {
            let (pass, block) = (task / blocks, task % blocks);
            let first = pass * together;
            if held.as_ref().is_none_or(|(there, _)| *there != pass) {
                drop(held.take()); // its memory serves the next
                let mut expanded = Vec::new();
                for item in first..(sealed.count as usize).min(first + together) {
                    let query = receive(&mut ev.be, scoring, sealed, item)?;
                    expanded.push(ev.expand(query, index.about.width)?);
                }
                held = Some((pass, expanded));
            }
            let Some((_, queries)) = &held else { continue }; // it was filled above
            index.block(block, &mut integers).with_path(Path::new("index"))?;
            for (i, scores) in ev.scores(queries, &integers)?.iter().enumerate() {
                let at = ((first + i) * blocks + block) * words.len();
                for (tensor, c) in tensors.iter().zip(&scores.c) {
                    ev.be.download(c.limbs(), &mut words)?;
                    let mut tensor = tensor.lock().unwrap_or_else(PoisonError::into_inner);
                    tensor[at..at + words.len()].copy_from_slice(&words);
                }
            }
            on_block();
        }
        Ok(())
    }
}

/// One of the ciphertexts of the queries.
fn receive<B: Backend>(
    be: &mut B,
    scoring: &Scoring<'_>,
    sealed: &CiphertextMeta,
    item: usize,
) -> Result<Ciphertext<B>> {
    let params = scoring.host.params();
    let shape = Shape { count: 1, basis: params.q(LEVEL), cols: params.n() as u32 };
    let words = shape.words();
    let part = |i: usize| {
        let tensor = scoring.query.tensors.get(i)?;
        tensor.get(item * words..(item + 1) * words)
    };
    let half = |i: usize| part(i).unwrap_or_default(); // of another length, which is refused below
    let c1 = sealed.seed.as_ref().map_or(SecondHalf::Stored(half(1)), |seed| SecondHalf::Seed(seed, item as u64));
    load::ciphertext(be, params, shape, LEVEL, half(0), c1)
}
