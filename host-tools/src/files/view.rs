//! Reading: bytes are checked once, completely, into a [`View`] whose accessors cannot fail.
//!
//! The checks have this order: the header's size, the tensors' sizes, kind, version, parameter set, shapes, digest. The last
//! check is that every residue is below its modulus and that every float is finite. No allocation is proportional to a
//! number in the file, and each byte is read from memory once.

use super::{
    Kind, bounds,
    fault::{FileError, Result},
    fields::Fields,
    header::Header,
    input,
    tensor::{ElementType, Expected},
};
use polyformer_kernel::params::Params;
use rayon::prelude::*;
use safetensors::tensor::{Metadata, TensorInfo};
use std::{io::Read, path::Path};

/// The longest header that is read. Ours are below 4 KB, and 80 KB for a model of 24 layers.
pub const MAX_HEADER: u64 = 1 << 18;

/// A file that was checked.
#[derive(Debug)]
pub struct View<'a> {
    /// The typed header.
    pub header: Header,
    /// Its parameter set, checked.
    pub params: Params,
    /// BLAKE3 of everything else in the file.
    pub digest: [u8; 32],
    data: Vec<&'a [u8]>,
}

impl<'a> View<'a> {
    /// Checks everything that can be checked of a file by itself.
    ///
    /// # Errors
    /// The first check that fails, in the order of the module.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let (metadata, body) = split(bytes, bytes.len() as u64)?;
        let mut fields: Fields = metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let digest = fields.remove("digest");
        let (header, params) = Header::parse(&fields)?;
        bounds::check(&header.body, &params)?;
        let expected = header.tensors(&params);
        let infos = infos(&metadata, &expected)?;
        let data: Vec<&[u8]> = infos.iter().map(|info| &body[info.data_offsets.0..info.data_offsets.1]).collect();
        let mut checked = Ok(());
        let actual = super::digest(&fields, &expected, &data, |tensor, offset, piece| {
            if checked.is_ok() {
                checked = residues(tensor, &params, offset, piece).and_then(|()| finite(tensor, offset, piece));
            }
        });
        let (bytes, actual) = (*actual.as_bytes(), actual.to_hex());
        let digest = digest.ok_or_else(|| FileError::field("digest", None, "a hash"))?;
        if *digest != *actual {
            return Err(FileError::Digest { expected: digest, actual: actual.to_string() });
        }
        checked?;
        Ok(Self { header, params, digest: bytes, data })
    }

    /// Reads the header of the file at `path` and nothing else, and checks the length of the file.
    ///
    /// # Errors
    /// The first of these checks that fails: plain file, sizes, version, kind, parameter set.
    pub fn peek(path: &Path) -> Result<Header> {
        let (file, metadata) = input::open(path)?;
        let mut bytes = Vec::new();
        file.take(8 + MAX_HEADER).read_to_end(&mut bytes)?;
        let (metadata, _) = split(&bytes, metadata.len())?;
        let mut fields: Fields = metadata.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        fields.remove("digest");
        let (header, params) = Header::parse(&fields)?;
        bounds::check(&header.body, &params)?;
        Ok(header)
    }

    /// Insists on a kind.
    ///
    /// # Errors
    /// `Kind`, with both kinds.
    pub fn expect_kind(&self, expected: Kind) -> Result<()> {
        self.header.expect_kind(expected)
    }

    /// Insists on the parameter set and key that another file has.
    ///
    /// # Errors
    /// `OtherParams` or `OtherKey`, with both names.
    pub fn expect_same(&self, other: &Header) -> Result<()> {
        self.header.expect_same(other)
    }

    /// The words of tensor `i`, in file order; empty for a tensor that has no residues.
    pub fn words(&self, i: usize) -> &'a [u32] {
        self.data.get(i).and_then(|data| words(data).ok()).unwrap_or(&[])
    }

    /// The bytes of tensor `i`, in file order.
    pub fn bytes(&self, i: usize) -> &'a [u8] {
        self.data.get(i).copied().unwrap_or(&[])
    }
}

/// The parsed safetensors header and the remaining bytes, with consistent sizes. `bytes` are the first of `length` bytes.
///
/// # Errors
/// `Size`, `HeaderSize`, `Header`.
pub(crate) fn split(bytes: &[u8], length: u64) -> Result<(Metadata, &[u8])> {
    let size = |expected| FileError::Size { expected, actual: length };
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or(size(8))?;
    let claimed = u64::from_le_bytes(*head);
    if claimed > MAX_HEADER {
        return Err(FileError::HeaderSize { claimed, limit: MAX_HEADER });
    }
    let (json, body) = rest.split_at_checked(claimed as usize).ok_or(size(8 + claimed))?;
    let json = json.trim_ascii_end(); // padding
    let metadata: Metadata = serde_json::from_slice(json).map_err(FileError::header)?;
    let expected = 8u64.saturating_add(claimed).saturating_add(metadata.data_len() as u64);
    if expected == length { Ok((metadata, body)) } else { Err(size(expected)) }
}

/// Checks that the tensors are the expected ones, in order, of the expected type and shape.
fn infos<'m>(metadata: &'m Metadata, expected: &[Expected]) -> Result<Vec<&'m TensorInfo>> {
    let bad =
        |tensor: &str, expected: String, actual: String| FileError::Tensor { tensor: tensor.into(), expected, actual };
    let names = metadata.offset_keys();
    if let Some(extra) = names.iter().find(|name| expected.iter().all(|e| e.name != **name)) {
        let short: String = extra.chars().take(40).collect();
        return Err(bad(&short, "no such tensor".into(), "present".into()));
    }
    let mut out = Vec::new();
    for (i, e) in expected.iter().enumerate() {
        let dtype = e.of.dtype();
        let want = format!("{dtype:?} {:?} in place {i}", e.shape);
        match metadata.info(&e.name) {
            Some(info)
                if info.dtype == dtype && info.shape == e.shape && names.get(i).is_some_and(|n| *n == e.name) =>
            {
                out.push(info);
            }
            Some(info) => {
                let shape: Vec<_> = info.shape.iter().take(8).collect();
                return Err(bad(&e.name, want, format!("{:?} {shape:?}", info.dtype)));
            }
            None => return Err(bad(&e.name, want, "missing".into())),
        }
    }
    Ok(out)
}

const _: () = assert!(cfg!(target_endian = "little"), "words are read where they lie");

/// Little-endian words, in place. Our writer aligns them; a file that does not is refused.
fn words(data: &[u8]) -> Result<&[u32]> {
    bytemuck::try_cast_slice(data).map_err(|e| FileError::Header(format!("misaligned tensor ({e})")))
}

/// Every word of every row is below the modulus of its row. The piece starts with a row.
fn residues(tensor: &Expected, params: &Params, offset: usize, piece: &[u8]) -> Result<()> {
    let ElementType::Residues(basis) = tensor.of else { return Ok(()) };
    let (words, first) = (words(piece)?, offset / (4 * params.n()));
    let moduli: Vec<u32> = basis.iter().map(|m| params.moduli()[m].q()).collect();
    words.par_chunks_exact(params.n()).enumerate().try_for_each(|(row, words)| {
        let row = first + row;
        let q = moduli[row % moduli.len()];
        if words.iter().fold(0, |most, w| most.max(*w)) < q {
            return Ok(());
        }
        let (index, word) = words.iter().copied().enumerate().find(|(_, w)| *w >= q).unwrap_or_default();
        Err(FileError::Word { tensor: tensor.name.to_string(), row, index, word, q })
    })
}

/// Every number of a tensor of floats is finite. The piece starts with a number.
fn finite(tensor: &Expected, offset: usize, piece: &[u8]) -> Result<()> {
    let (size, found) = match tensor.of {
        ElementType::Half => (2, first(piece, |b: &[u8; 2]| b[1] & 0x7c == 0x7c)),
        ElementType::Single => (4, first(piece, |b: &[u8; 4]| b[3] & 0x7f == 0x7f && b[2] & 0x80 != 0)),
        _ => return Ok(()),
    };
    found.map_or(Ok(()), |i| {
        Err(FileError::Model(format!("{}: number {} is not finite", tensor.name, offset / size + i)))
    })
}

/// The first group of `N` bytes of which `holds` is true.
fn first<const N: usize>(piece: &[u8], holds: impl Fn(&[u8; N]) -> bool + Sync) -> Option<usize> {
    let (groups, _) = piece.as_chunks();
    let any = groups.par_chunks(1 << 14).any(|groups| groups.iter().fold(false, |any, g| any | holds(g)));
    if any { groups.iter().position(holds) } else { None }
}
