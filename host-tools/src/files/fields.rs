//! The fields of a header: texts that are names, numbers and bytes.

use super::fault::{FileError, Result};
use std::collections::BTreeMap;

/// Metadata in the order of safetensors. The map is sorted, so that equal contents are equal bytes.
pub type Fields = BTreeMap<String, String>;

/// The value of a field that must be there.
///
/// # Errors
/// `Field`.
pub(super) fn text<'a>(fields: &'a Fields, field: &'static str, expected: &str) -> Result<&'a String> {
    fields.get(field).ok_or_else(|| FileError::field(field, None, expected))
}

/// A whole number of at most `most`.
///
/// # Errors
/// `Field`.
pub(super) fn number<T: TryFrom<u64>>(fields: &Fields, field: &'static str, most: u64) -> Result<T> {
    let expected = || format!("a whole number up to {most}");
    let value = text(fields, field, &expected())?;
    let number = value.parse().ok().filter(|x| *x <= most).and_then(|x: u64| T::try_from(x).ok());
    number.ok_or_else(|| FileError::field(field, Some(value), expected()))
}

/// Exactly `N` bytes in lower-case hexadecimal.
///
/// # Errors
/// `Field`.
pub(crate) fn bytes<const N: usize>(fields: &Fields, field: &'static str) -> Result<[u8; N]> {
    let expected = || format!("{N} bytes in hexadecimal");
    let value = text(fields, field, &expected())?;
    from_hex(value).ok_or_else(|| FileError::field(field, Some(value), expected()))
}

/// Exactly `N` bytes of lower-case hexadecimal.
pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| (c as char).to_digit(16).filter(|_| !c.is_ascii_uppercase());
    let mut out = [0; N];
    let good = text.len() == 2 * N
        && out.iter_mut().zip(text.as_bytes().chunks_exact(2)).all(|(o, c)| match (digit(c[0]), digit(c[1])) {
            (Some(high), Some(low)) => {
                *o = (16 * high + low) as u8;
                true
            }
            _ => false,
        });
    good.then_some(out)
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
