//! What a search says about itself in headers: the space of its vectors, their width and a nonce, and in the scores also
//! the index. Everything here is public.

use super::{
    asked::Nonce,
    fault::{FileError, Result},
    fields::{Fields, bytes, hex, number, text},
};

/// The name of an index: half of its digest.
pub type IndexId = [u8; 16];

/// The widest vectors that a search takes: one number a coefficient of the ring of private search.
pub const MAX_WIDTH: usize = 1 << 12;

/// The longest name of a space, in bytes.
pub const MAX_SPACE: usize = 64;

/// The most vectors of an index.
pub const MAX_VECTORS: u64 = 1 << 40;

/// The queries of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// The name of the space that the vectors are in: only vectors of one space have scores.
    pub space: String,
    /// Numbers of a vector.
    pub width: usize,
    /// The name of the query.
    pub nonce: Nonce,
}

/// The scores of queries with the vectors of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The queries.
    pub sought: Sought,
    /// Number of queries.
    pub queries: u16,
    /// The index.
    pub index: IndexId,
    /// Vectors of the index.
    pub vectors: u64,
    /// The factor from the numbers of a vector to the integers of the index.
    pub scale: f64,
}

/// Checks the name of a space: 1 to [`MAX_SPACE`] bytes without control characters.
///
/// # Errors
/// `Field` with the name.
pub fn check_space(space: &str) -> Result<()> {
    if (1..=MAX_SPACE).contains(&space.len()) && !space.contains(char::is_control) {
        return Ok(());
    }
    Err(FileError::field("space", Some(space), format!("a name of 1 to {MAX_SPACE} bytes on one line")))
}

/// Reads the space, the width and a positive scale, which queries, scores and indices share.
///
/// # Errors
/// `Field`.
pub fn space(fields: &Fields) -> Result<String> {
    let space = text(fields, "space", "the name of a space")?;
    check_space(space)?;
    Ok(space.clone())
}

/// The width of vectors, from 1 to [`MAX_WIDTH`].
///
/// # Errors
/// `Field`.
pub fn width(fields: &Fields) -> Result<usize> {
    positive(number(fields, "width", MAX_WIDTH as u64)?, "width")
}

/// The number of vectors, from 1 to [`MAX_VECTORS`].
///
/// # Errors
/// `Field`.
pub fn vectors(fields: &Fields) -> Result<u64> {
    positive(number(fields, "vectors", MAX_VECTORS)?, "vectors")
}

/// A scale, which is positive and finite.
///
/// # Errors
/// `Field`.
pub fn scale(fields: &Fields) -> Result<f64> {
    let expected = "a positive number";
    let value = text(fields, "scale", expected)?;
    let scale = value.parse().ok().filter(|scale: &f64| scale.is_normal() && *scale > 0.0);
    scale.ok_or_else(|| FileError::field("scale", Some(value), expected))
}

fn positive<T: PartialEq + Default>(number: T, field: &'static str) -> Result<T> {
    if number != T::default() { Ok(number) } else { Err(FileError::field(field, Some("0"), "at least 1")) }
}

impl Sought {
    /// Adds the fields of a header.
    pub(super) fn put(&self, put: &mut impl FnMut(&str, String)) {
        put("space", self.space.clone());
        put("width", self.width.to_string());
        put("nonce", hex(&self.nonce));
    }

    /// From the fields of a header.
    ///
    /// # Errors
    /// `Field` for a field that is missing or wrong.
    pub(super) fn parse(fields: &Fields) -> Result<Self> {
        Ok(Self { space: space(fields)?, width: width(fields)?, nonce: bytes(fields, "nonce")? })
    }

    /// Insists on vectors of this space and width.
    ///
    /// # Errors
    /// `OtherModel` or `OtherWidth` with both values.
    pub fn expect(&self, space: &str, width: usize) -> Result<()> {
        if self.space != space {
            return Err(FileError::OtherModel { expected: space.into(), actual: self.space.clone() });
        }
        if self.width != width {
            return Err(FileError::OtherWidth { expected: width, actual: self.width });
        }
        Ok(())
    }
}

impl Found {
    /// Adds the fields of a header.
    pub(super) fn put(&self, put: &mut impl FnMut(&str, String)) {
        self.sought.put(put);
        put("queries", self.queries.to_string());
        put("index", hex(&self.index));
        put("vectors", self.vectors.to_string());
        put("scale", format!("{:?}", self.scale));
    }

    /// From the fields of a header.
    ///
    /// # Errors
    /// `Field` for a field that is missing or wrong.
    pub(super) fn parse(fields: &Fields) -> Result<Self> {
        Ok(Self {
            sought: Sought::parse(fields)?,
            queries: positive(number(fields, "queries", u16::MAX as u64)?, "queries")?,
            index: bytes(fields, "index")?,
            vectors: vectors(fields)?,
            scale: scale(fields)?,
        })
    }

    /// Insists that these scores repeat what `query` says.
    ///
    /// # Errors
    /// `OtherModel`, `OtherWidth` or `OtherQuestion`, with both values.
    pub fn expect_answer_to(&self, query: &Sought) -> Result<()> {
        self.sought.expect(&query.space, query.width)?;
        if self.sought.nonce == query.nonce {
            return Ok(());
        }
        Err(FileError::OtherQuestion { expected: hex(&query.nonce), actual: hex(&self.sought.nonce) })
    }
}
