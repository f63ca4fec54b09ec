//! Private search. A server holds the vectors of many texts in the clear. A client encrypts the vector of a query, the
//! server computes an encrypted score for each of its vectors, and the client decrypts the scores and shows the best.
//!
//! All numbers are integers on the way: a vector of the index has 16-bit integers, and a query has integers of 19 bits. A
//! decrypted score is rounded to an integer, which is the exact inner product of the integers. `docs/search.md` has the
//! counts and the figures.
//!
//! ```
//! use polyformer::{
//!     error::WithPath,
//!     files::{Form, Access, Output},
//!     keys::KeyFolder,
//!     machine::{ComputeTarget, Host},
//!     search::{self, Index, Scoring, Vectors, Seeker},
//! };
//!
//! let folder = tempfile::tempdir().expect("a folder");
//! let path = folder.path().join("index");
//! let vectors = Vectors::new(2, vec![0.6, 0.8, 1.0, 0.0, 0.0, 1.0]).with_path(&path)?;
//! let output = Output::at(&path, search::FORM, Access::Shared, &[]).with_path(&path)?;
//! search::write_index(output, "two numbers", &vectors, None, &|| ()).with_path(&path)?; // at the server
//!
//! let (host, target) = (Host::new(search::spec().params()?), ComputeTarget::cpu(1));
//! let keys = KeyFolder::new(folder.path());
//! let secret = keys.complete(&host, target, &search::spec(), &search::keys(host.params()), &mut |_| ())?;
//! let seeker = Seeker::new(&host, target, &secret);
//! let asked = Vectors::new(2, vec![0.0, 1.0]).with_path(&path)?;
//! let query = seeker.ask("two numbers", &asked)?; // travels
//!
//! let index = Index::open(&path).with_path(&path)?;
//! let scoring = Scoring { host: &host, eval: &keys.eval, index: &index, query: &query };
//! let scores = scoring.run(target, &|| ())?; // travels back
//!
//! let hits = seeker.best(&scores, 2)?;
//! assert_eq!((hits[0][0].vector, hits[0][1].vector), (2, 0)); // the vectors (0, 1) and (0.6, 0.8)
//! assert!((hits[0][1].score - 0.8).abs() < search::ERROR);
//! # Ok::<(), polyformer::Error>(())
//! ```

mod client;
mod index;
mod server;
mod text;
mod vectors;
mod write;

pub use client::{Hit, Seeker};
pub use index::{About, Index};
pub use server::Scoring;
pub use text::Texts;
pub use vectors::Vectors;
pub use write::{rounding, write_index};

use crate::{files::Form, keys::KeySpec, spec::SpecBuf};
use polyformer_kernel::{
    ckks::expand,
    params::{Params, presets},
};

/// What an index may replace: an index.
pub const FORM: Form<'static> = Form::Named(index::KIND);

/// The space of vectors from a file without a name.
pub const SPACE: &str = "vectors";

/// The level of a query.
const LEVEL: u8 = 1;

/// Vectors of a block: the ring degree.
const BLOCK: usize = 1 << presets::S12.log_n;

/// The longest vector of an index, in integers.
const LONGEST: f64 = (1u64 << 17) as f64;

/// The length of a query, in integers.
const QUERY: f64 = (1u64 << 19) as f64;

/// log2 of the factor from the integers of a query to the coefficients after expansion.
const EXPANDED_BITS: u32 = 38;

/// The largest error of a score of vectors of length 1 whose numbers are at most 1/4: 2^-12.
pub const ERROR: f64 = 1.0 / 4096.0;

/// The parameter set of private search.
pub fn spec() -> SpecBuf {
    SpecBuf::from(&presets::S12)
}

/// The keys of a server, for vectors of every width.
pub fn keys(params: &Params) -> Vec<KeySpec> {
    keys_for(params, params.n())
}

/// The keys for vectors of this width.
fn keys_for(params: &Params, width: usize) -> Vec<KeySpec> {
    expand::galois(params.n(), width).map(|g| KeySpec::Galois(g, LEVEL)).collect()
}
