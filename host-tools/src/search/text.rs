//! The texts of an index, one a line.

use crate::files::{self, FileError, input, text};
use std::path::Path;

/// Texts, at least one, and none of them empty.
pub struct Texts(Vec<String>);

impl Texts {
    /// The lines of a file, or of standard input.
    ///
    /// # Errors
    /// `Io`; `Text` for a line without text, or for no lines.
    pub fn read(path: &Path) -> files::Result<Self> {
        let all = text::decode(input::read(path, input::MAX_TEXT)?)?;
        let all = all.strip_suffix('\n').unwrap_or(&all);
        let lines: Vec<(usize, &str)> = text::lines(all).collect();
        match lines.iter().find(|(_, line)| line.trim().is_empty()) {
            Some((1, _)) if lines.len() == 1 => {
                Err(FileError::Text { line: 1, what: "no texts: expected one text a line".into() })
            }
            Some((line, _)) => {
                Err(FileError::Text { line: *line, what: "an empty text: expected one text a line".into() })
            }
            None => Ok(Self(lines.into_iter().map(|(_, line)| line.to_string()).collect())),
        }
    }

    /// One text.
    pub fn one(text: String) -> Self {
        Self(vec![text])
    }

    /// The texts, in order.
    pub fn all(&self) -> &[String] {
        &self.0
    }
}
