//! Text in the encodings that programs write: UTF-8, and UTF-16 with a byte order mark. Other bytes are refused with the
//! line and the byte, never replaced.

use super::fault::{FileError, Result};
use zeroize::Zeroizing;

/// The text of some bytes, without a byte order mark. Leaves no copy of the bytes. The caller wipes the text.
///
/// # Errors
/// `Text` with the line: bytes that are no UTF-8 and no UTF-16 with its mark, or a zero byte.
pub fn decode(bytes: Vec<u8>) -> Result<String> {
    let mut bytes = Zeroizing::new(bytes);
    let mut text = Zeroizing::new(match &bytes[..] {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(bad(1, "the text is UTF-32, expected UTF-8: save the text as UTF-8"));
        }
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, ..] => {
            bytes.drain(..3);
            narrow(&mut bytes)?
        }
        _ => narrow(&mut bytes)?,
    });
    match text.find('\0') {
        None => Ok(std::mem::take(&mut *text)),
        Some(at) => {
            let what =
                "a zero byte, expected text in UTF-8: these are binary data, or UTF-16 without a byte order mark";
            Err(bad(line(&text.as_bytes()[..at]), what))
        }
    }
}

fn bad(line: usize, what: impl Into<String>) -> FileError {
    FileError::Text { line, what: what.into() }
}

/// The bytes become the text.
fn narrow(bytes: &mut Vec<u8>) -> Result<String> {
    String::from_utf8(std::mem::take(bytes)).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let bytes = Zeroizing::new(e.into_bytes());
        let byte = bytes.get(at).copied().unwrap_or_default();
        let what = format!("byte 0x{byte:02X} is no UTF-8: save the text as UTF-8, and not as Latin-1 or Windows-1252");
        bad(line(&bytes[..at]), what)
    })
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut out = String::with_capacity(bytes.len() / 2 * 3); // the most: a text that grows leaves copies
    for character in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        let broken = |_| bad(line(out.as_bytes()), "half a character of UTF-16: the text is damaged");
        let character = character.map_err(broken)?;
        out.push(character);
    }
    if rest.is_empty() { Ok(out) } else { Err(bad(line(out.as_bytes()), "half a unit of UTF-16: the text is cut off")) }
}

/// The number of the line that follows these bytes, from 1.
fn line(before: &[u8]) -> usize {
    1 + before.iter().filter(|b| **b == b'\n').count()
}

/// The lines of a text with their numbers from 1: LF, CR LF and CR end a line.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let parts = text.split('\n').flat_map(|part| part.strip_suffix('\r').unwrap_or(part).split('\r'));
    parts.enumerate().map(|(i, line)| (i + 1, line))
}

#[cfg(test)]
mod tests {
    use super::{decode, lines};

    #[test]
    fn each_encoding_gives_the_same_text() {
        let wide = |mark: char, bytes: fn(u16) -> [u8; 2]| {
            format!("{mark}0.5\né").encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
        };
        for bytes in [
            b"0.5\n\xc3\xa9".to_vec(),
            b"\xef\xbb\xbf0.5\n\xc3\xa9".to_vec(),
            wide('\u{feff}', u16::to_le_bytes),
            wide('\u{feff}', u16::to_be_bytes),
        ] {
            assert_eq!(decode(bytes.clone()).unwrap(), "0.5\né", "{bytes:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_named_with_their_line() {
        for (bytes, start) in [
            (&b"1\n2\n\xe9"[..], "line 3: byte 0xE9 is no UTF-8"),
            (b"1\n\0", "line 2: a zero byte"),
            (b"\xff\xfe1\0\n\0\x00\xd8", "line 2: half a character"),
            (b"\xff\xfe1\0\n", "line 1: half a unit"),
            (b"\xff\xfe\0\x001\0\0\0", "line 1: the text is UTF-32"),
        ] {
            let error = decode(bytes.to_vec()).unwrap_err().to_string();
            assert!(error.starts_with(start), "{error}");
        }
    }

    #[test]
    fn every_line_end_ends_one_line() {
        for text in ["a\nb\nc", "a\r\nb\r\nc", "a\rb\rc", "a\r\nb\rc"] {
            assert_eq!(lines(text).collect::<Vec<_>>(), [(1, "a"), (2, "b"), (3, "c")], "{text:?}");
        }
        assert_eq!(lines("a\n").collect::<Vec<_>>(), [(1, "a"), (2, "")]);
    }
}
