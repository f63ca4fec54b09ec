//! Files: safetensors with a typed header, read by memory map, checked once, and written atomically. `docs/files.md`
//! defines the format for other readers.
//!
//! ```
//! use polyformer::{error::WithPath, files::{self, Body, Header, Kind, Mapped, View}, spec::SpecBuf};
//! use polyformer_kernel::params::presets;
//!
//! let folder = tempfile::tempdir().expect("a folder");
//! let path = folder.path().join("params.safetensors");
//! let header = Header { spec: SpecBuf::from(&presets::L13), key: None, body: Body::Params };
//! files::write(&path, &header, &header.spec.params()?, &[]).with_path(&path)?;
//!
//! let mapped = Mapped::open(&path).with_path(&path)?;
//! let view = View::parse(mapped.bytes()).with_path(&path)?; // everything is checked here
//! view.expect_kind(Kind::Params).with_path(&path)?;
//! assert_eq!(view.header, header);
//! # Ok::<(), polyformer::Error>(())
//! ```

mod asked;
mod bounds;
mod budget;
mod disk;
mod fault;
mod fields;
mod header;
pub mod input;
mod key_id;
mod lock;
mod map;
mod mapped_numbers;
pub mod numbers;
pub mod output;
mod packed;
mod record;
mod shared_words;
mod sought;
pub mod space;
mod temporary;
mod tensor;
pub mod text;
mod view;
mod write;

pub use asked::{Asked, ModelId, Nonce};
pub use budget::{Budget, STATISTICAL_BITS};
pub use fault::{FileError, Result};
pub(crate) use fields::bytes as hex_bytes;
pub use fields::{Fields, hex};
pub use header::{Body, CiphertextMeta, EmbeddedMeta, Header, public_basis};
pub use key_id::KeyId;
pub use lock::FolderLock;
pub use map::Mapped;
pub use mapped_numbers::MappedNumbers;
pub use output::{Form, Output, Staged};
pub use packed::{HeadForm, Map, Parts, Sizes, Weights};
pub use record::{Record, ResultId};
pub use shared_words::SharedWords;
pub use sought::{Found, IndexId, MAX_WIDTH, Sought};
pub(crate) use sought::{check_space, scale, space, vectors, width};
pub use temporary::{Access, cleanup_temp_files};
pub use tensor::{ElementType, Expected};
pub(crate) use view::split;
pub use view::{MAX_HEADER, View};
pub use write::write;

use std::{fmt, str::FromStr};
use zeroize::Zeroize;

/// The kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A parameter set.
    Params,
    /// A secret key, as its seed.
    SecretKey,
    /// A public key.
    PublicKey,
    /// The relinearisation key.
    RelinKey,
    /// The key of one automorphism.
    GaloisKey,
    /// The keys of ModRaise, for bootstrapping.
    RaiseKey,
    /// The keys between a device's ring and the server's.
    DeviceKey,
    /// Encrypted numbers.
    Ciphertext,
    /// An encrypted question to a model.
    Question,
    /// An encrypted answer of a model.
    Answer,
    /// A model file.
    Model,
    /// Encrypted vectors that are searched for.
    Query,
    /// Encrypted scores of queries with an index.
    Scores,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 13] = [
        Kind::Params,
        Kind::SecretKey,
        Kind::PublicKey,
        Kind::RelinKey,
        Kind::GaloisKey,
        Kind::RaiseKey,
        Kind::DeviceKey,
        Kind::Ciphertext,
        Kind::Question,
        Kind::Answer,
        Kind::Model,
        Kind::Query,
        Kind::Scores,
    ];
    /// Their names.
    const LIST: &str = "params, secret-key, public-key, relin-key, galois-key, raise-key, device-key, ciphertext, question, answer, model, query or scores";
}

impl Kind {
    /// The newest format version of this kind. Version 1 of a model had its weights in the order of diagonals, version 3
    /// has the parts of a general encoder. Version 1 of keys and ciphertexts had words that were expanded from the seed
    /// itself.
    pub const fn version(self) -> u32 {
        match self {
            Kind::Params => 1,
            Kind::Model => 3,
            _ => 2,
        }
    }

    /// The oldest format version that is read.
    pub const fn oldest(self) -> u32 {
        if matches!(self, Kind::Model) { 2 } else { self.version() }
    }

    /// The article before the name of this kind.
    pub const fn article(self) -> &'static str {
        if matches!(self, Kind::Answer) { "an" } else { "a" }
    }

    /// The command that makes a file of this kind.
    pub const fn made_by(self) -> &'static str {
        match self {
            Kind::Params => "polyformer params",
            Kind::Ciphertext => "polyformer encrypt",
            Kind::Question => "polyformer encrypt --text",
            Kind::Answer => "polyformer infer",
            Kind::Model => "polyformer pack",
            Kind::Query => "polyformer query",
            Kind::Scores => "polyformer scores",
            Kind::PublicKey => "polyformer keygen --secret SECRET --public --out KEYS",
            Kind::DeviceKey => "polyformer keygen --secret SECRET --embedded SMALL-SECRET --out KEYS",
            _ => "polyformer keygen",
        }
    }
}

impl Kind {
    /// What makes a damaged file of this kind again.
    pub fn again(self) -> String {
        match self {
            Kind::SecretKey => "nothing makes a secret key again: use a copy of the file".into(),
            kind => format!("make it again with `{}`", kind.made_by()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Params => "params",
            Kind::SecretKey => "secret-key",
            Kind::PublicKey => "public-key",
            Kind::RelinKey => "relin-key",
            Kind::GaloisKey => "galois-key",
            Kind::RaiseKey => "raise-key",
            Kind::DeviceKey => "device-key",
            Kind::Ciphertext => "ciphertext",
            Kind::Question => "question",
            Kind::Answer => "answer",
            Kind::Model => "model",
            Kind::Query => "query",
            Kind::Scores => "scores",
        })
    }
}

impl FromStr for Kind {
    type Err = ();
    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.to_string() == name).ok_or(())
    }
}

/// Bytes that are hashed at a time, on all threads. They are checked while most of them lie in the last cache. Smaller
/// pieces leave threads idle: with 1 MiB, loading keys took 12 % longer on two threads. A multiple of every row of
/// residues and of every number.
const PIECE: usize = 1 << 24;

/// BLAKE3 of the contents of a file: each metadata field but the digest, in order of its name, then each tensor. The
/// length in bytes, as a u64, precedes each text and each tensor. `check` gets each piece of each tensor, with its
/// offset in the tensor, after the piece was hashed.
fn digest(
    fields: &Fields,
    tensors: &[Expected],
    data: &[&[u8]],
    mut check: impl FnMut(&Expected, usize, &[u8]),
) -> blake3::Hash {
    let mut h = blake3::Hasher::new();
    h.update(b"polyformer file 1\0");
    for text in fields.iter().flat_map(|(key, value)| [key.as_str(), value]).chain(tensors.iter().map(|t| &t.name[..]))
    {
        h.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    for (tensor, data) in tensors.iter().zip(data) {
        h.update(&(data.len() as u64).to_le_bytes());
        for (i, piece) in data.chunks(PIECE).enumerate() {
            h.update_rayon(piece);
            check(tensor, i * PIECE, piece);
        }
    }
    let hash = h.finalize();
    h.zeroize(); // its buffer holds the end of the contents, perhaps a secret seed
    hash
}
