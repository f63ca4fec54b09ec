//! A file as memory, with the one `unsafe` of the tools.

use super::fault::Result;
use std::{fs::File, ops::Range, path::Path};

/// The contents of a file, mapped.
#[derive(Debug)]
pub struct Mapped(Option<memmap2::Mmap>);

impl Mapped {
    /// Maps a file for reading. An empty file is an empty slice; a folder or a device is an error.
    ///
    /// # Errors
    /// `Io`, also for a path that is not a regular file.
    #[allow(unsafe_code)]
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file").into());
        }
        if metadata.len() == 0 {
            return Ok(Self(None));
        }
        // SAFETY: the map is read-only and private to this value. Rust asks that nobody changes the file meanwhile:
        // our own writers never do, they replace files by renaming. A program that truncates a mapped file ends
        // this one with a bus error; one that overwrites it changes words that are data to us, never addresses.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Self(Some(map)))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }

    /// Whether `part` lies in the map, and where.
    pub(super) fn place(&self, part: &[u8]) -> Option<Range<usize>> {
        let start = part.as_ptr().addr().checked_sub(self.bytes().as_ptr().addr())?;
        let range = start..start + part.len();
        self.bytes().get(range.clone()).map(|_| range)
    }
}
