//! The file of an index, and its reader. The file is a safetensors file, so that other programs can read the file. Blocks of
//! 4,096 vectors have digests of their own: a block is read when the block is needed, is checked then, and is dropped
//! afterwards. The header has the digest of everything else. `docs/search.md` defines the format.

use super::BLOCK;
use crate::files::{
    self, Fields, FileError, IndexId, MAX_HEADER, hex, hex_bytes, input, scale, space, split, vectors, width,
};
use safetensors::{Dtype, tensor::Metadata};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// The kind in the header.
pub(super) const KIND: &str = "index";
/// The format version.
pub(super) const VERSION: &str = "1";
/// Bytes of a digest.
pub(super) const DIGEST: usize = 32;

/// What an index says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// The name of the space that the vectors are in.
    pub space: String,
    /// Numbers of a vector.
    pub width: usize,
    /// Number of vectors.
    pub vectors: u64,
    /// The factor from the numbers of a vector to integers.
    pub scale: f64,
}

impl About {
    /// Blocks of the index; the last may be partly empty.
    pub fn blocks(&self) -> usize {
        self.vectors.div_ceil(BLOCK as u64) as usize
    }

    /// Vectors of a block.
    pub fn in_block(&self, block: usize) -> usize {
        (self.vectors - (block * BLOCK) as u64).min(BLOCK as u64) as usize
    }

    /// The metadata without the digest.
    pub(super) fn fields(&self) -> Fields {
        let fields = [
            ("polyformer", VERSION.into()),
            ("kind", KIND.into()),
            ("space", self.space.clone()),
            ("width", self.width.to_string()),
            ("vectors", self.vectors.to_string()),
            ("scale", format!("{:?}", self.scale)),
        ];
        fields.into_iter().map(|(key, value): (_, String)| (key.into(), value)).collect()
    }

    fn parse(fields: &Fields) -> files::Result<Self> {
        Ok(Self { space: space(fields)?, width: width(fields)?, vectors: vectors(fields)?, scale: scale(fields)? })
    }

    /// Name, type and shape of every tensor, in file order. `texts` is the number of bytes of the texts, if there are
    /// texts.
    pub(super) fn tensors(&self, texts: Option<usize>) -> Vec<(&'static str, Dtype, Vec<usize>)> {
        let blocks = self.blocks();
        let mut out = vec![("digests", Dtype::U8, vec![blocks, DIGEST])];
        if texts.is_some() {
            out.push(("text_digests", Dtype::U8, vec![blocks, DIGEST]));
        }
        out.push(("vectors", Dtype::I16, vec![blocks, self.width, BLOCK]));
        if let Some(bytes) = texts {
            out.push(("ends", Dtype::U64, vec![self.vectors as usize]));
            out.push(("texts", Dtype::U8, vec![bytes]));
        }
        out
    }
}

/// The digest of an index: its metadata in the order of names, and the digests of its blocks.
pub(super) fn digest<'a>(fields: &Fields, tables: impl Iterator<Item = &'a [[u8; DIGEST]]>) -> blake3::Hash {
    let mut h = blake3::Hasher::new();
    h.update(b"polyformer index 1\0");
    for text in fields.iter().flat_map(|(key, value)| [key, value]) {
        h.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    for table in tables {
        h.update(&(table.len() as u64).to_le_bytes()).update(table.as_flattened());
    }
    h.finalize()
}

/// The digest of the texts of a block: their ends in the block, and their bytes.
pub(super) fn text_digest(ends: &[u8], texts: &[u8]) -> [u8; DIGEST] {
    let mut h = blake3::Hasher::new();
    h.update(&(ends.len() as u64).to_le_bytes()).update(ends).update(texts);
    h.finalize().into()
}

/// An index whose header and tables were checked, and whose blocks are checked when they are read.
pub struct Index {
    /// What the index says about itself.
    pub about: About,
    id: IndexId,
    file: Mutex<File>,
    digests: Vec<[u8; DIGEST]>,
    vectors_at: u64,
    texts: Option<TextParts>,
}

/// Where the texts of an index are.
struct TextParts {
    digests: Vec<[u8; DIGEST]>,
    ends_at: u64,
    texts_at: u64,
    bytes: u64,
}

impl Index {
    /// Opens an index. Memory: 64 bytes a block.
    ///
    /// # Errors
    /// `Io`, `Special`; `Size`, `Header`, `Foreign`, `Field`, `Version`, `Tensor` or `Digest`: the first check that fails.
    pub fn open(path: &Path) -> files::Result<Self> {
        let (mut file, found) = input::open(path)?;
        let mut head = Vec::new();
        file.by_ref().take(8 + MAX_HEADER).read_to_end(&mut head)?;
        let (metadata, rest) = split(&head, found.len())?;
        let start = (head.len() - rest.len()) as u64;
        let mut fields: Fields = metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let version = fields.get("polyformer").ok_or(FileError::Foreign)?.clone();
        let kind = fields.get("kind").filter(|kind| *kind != KIND).map(String::as_str);
        if kind.is_some() || !fields.contains_key("kind") {
            return Err(FileError::field("kind", kind, format!("{KIND}, as `polyformer index` writes it")));
        }
        if version != VERSION {
            return Err(FileError::field("polyformer", Some(&version), format!("{VERSION}, the format of an index")));
        }
        let expected: [u8; DIGEST] = hex_bytes(&fields, "digest")?;
        fields.remove("digest");
        let about = About::parse(&fields)?;
        let has_texts = metadata.info("texts").is_some();
        let bytes = metadata.info("texts").and_then(|info| info.shape.first().copied()).unwrap_or(0);
        let places = places(&metadata, &about.tensors(has_texts.then_some(bytes)))?;
        let table = |file: &mut File, place: &Range<u64>| -> files::Result<Vec<[u8; DIGEST]>> {
            let mut bytes = vec![0; (place.end - place.start) as usize]; // the file has as many
            file.seek(SeekFrom::Start(start + place.start))?;
            file.read_exact(&mut bytes)?;
            Ok(bytes.as_chunks().0.to_vec())
        };
        let digests = table(&mut file, &places[0])?;
        let texts = match places[..] {
            [_, ref table_of_texts, _, ref ends, ref texts] => Some(TextParts {
                digests: table(&mut file, table_of_texts)?,
                ends_at: start + ends.start,
                texts_at: start + texts.start,
                bytes: bytes as u64,
            }),
            _ => None,
        };
        let tables = [Some(&digests), texts.as_ref().map(|texts| &texts.digests)];
        let actual = digest(&fields, tables.into_iter().flatten().map(|table| &table[..]));
        if actual != blake3::Hash::from_bytes(expected) {
            return Err(FileError::Digest { expected: hex(&expected), actual: actual.to_hex().to_string() });
        }
        let mut id = IndexId::default();
        id.copy_from_slice(&expected[..16]);
        let vectors_at = start + places[if has_texts { 2 } else { 1 }].start;
        Ok(Self { about, id, file: Mutex::new(file), digests, vectors_at, texts })
    }

    /// The name of the index: half of its digest.
    pub fn id(&self) -> IndexId {
        self.id
    }

    /// Whether the index holds texts.
    pub fn has_texts(&self) -> bool {
        self.texts.is_some()
    }

    /// Reads and checks a block: 4,096 vectors, feature by feature, zeros in the place of missing vectors.
    ///
    /// # Errors
    /// `Io`; `Digest` for a block that changed.
    pub fn block(&self, block: usize, out: &mut Vec<i16>) -> files::Result<()> {
        let words = self.about.width * BLOCK;
        out.resize(words, 0);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(out);
        self.read(self.vectors_at + (block * 2 * words) as u64, bytes)?;
        same(self.digests.get(block), blake3::hash(bytes).into())
    }

    fn read(&self, at: u64, out: &mut [u8]) -> files::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        Ok(file.read_exact(out)?)
    }

    /// The text of a vector, or `None` for an index without texts. Reads and checks the texts of the block.
    ///
    /// # Errors
    /// `Io`; `Digest` for texts that changed; `Model` for ends that do not rise, for text that is no UTF-8, or for a vector
    /// that the index does not have.
    pub fn text(&self, vector: u64) -> files::Result<Option<String>> {
        let Some(parts) = &self.texts else { return Ok(None) };
        if vector >= self.about.vectors {
            return Err(FileError::model(format!("vector {vector} of {}", self.about.vectors)));
        }
        let block = (vector / BLOCK as u64) as usize;
        let first = (block * BLOCK) as u64;
        let skip = (first > 0) as usize; // the end of the text before the block
        let mut ends = vec![0; 8 * (self.about.in_block(block) + skip)];
        self.read(parts.ends_at + 8 * (first - skip as u64), &mut ends)?;
        let all: Vec<u64> = ends.as_chunks().0.iter().map(|end| u64::from_le_bytes(*end)).collect();
        let bounds: Vec<u64> = if skip == 1 { all } else { [&[0], &all[..]].concat() };
        if !bounds.is_sorted() || bounds.last().is_none_or(|last| *last > parts.bytes) {
            return Err(FileError::model(format!("the ends of the texts in block {block} do not rise")));
        }
        let (from, to) = (bounds[0], bounds[bounds.len() - 1]);
        let mut texts = vec![0; (to - from) as usize];
        self.read(parts.texts_at + from, &mut texts)?;
        same(parts.digests.get(block), text_digest(&ends[8 * skip..], &texts))?;
        let at = (vector - first) as usize;
        let text = &texts[(bounds[at] - from) as usize..(bounds[at + 1] - from) as usize];
        let text = std::str::from_utf8(text).map_err(|_| FileError::model(format!("text {vector} is no UTF-8")))?;
        Ok(Some(text.into()))
    }
}

fn same(expected: Option<&[u8; DIGEST]>, actual: [u8; DIGEST]) -> files::Result<()> {
    if expected == Some(&actual) {
        return Ok(());
    }
    Err(FileError::Digest { expected: expected.map_or("none".into(), |e| hex(e)), actual: hex(&actual) })
}

/// The place of each expected tensor behind the header.
fn places(metadata: &Metadata, expected: &[(&'static str, Dtype, Vec<usize>)]) -> files::Result<Vec<Range<u64>>> {
    let names = metadata.offset_keys();
    let place = |(i, (name, dtype, shape)): (usize, &(&'static str, Dtype, Vec<usize>))| {
        let want = format!("{dtype:?} {shape:?} in place {i}");
        let bad = |actual: String| FileError::Tensor { tensor: (*name).into(), expected: want.clone(), actual };
        let info = metadata.info(name).ok_or_else(|| bad("missing".into()))?;
        if info.dtype == *dtype && info.shape == *shape && names.get(i).is_some_and(|n| n == name) {
            return Ok(info.data_offsets.0 as u64..info.data_offsets.1 as u64);
        }
        Err(bad(format!("{:?} {:?}", info.dtype, info.shape.iter().take(8).collect::<Vec<_>>())))
    };
    if names.len() != expected.len() {
        let (expected, actual) = (format!("{} tensors", expected.len()), format!("{}", names.len()));
        return Err(FileError::Tensor { tensor: "index".into(), expected, actual });
    }
    expected.iter().enumerate().map(place).collect()
}
