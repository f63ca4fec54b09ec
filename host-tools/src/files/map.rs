//! A file as memory, with the one `unsafe` of the tools. A file that another user can change is copied, and the copy is
//! checked and used. A file that only this user can change is mapped.

use super::{
    fault::{FileError, Result},
    input,
};
use std::{
    fs::Metadata,
    io::{self, Read},
    ops::Range,
    path::Path,
};
use zeroize::Zeroize;

/// The contents of a file: a map, or a copy with the alignment of a map.
#[derive(Debug)]
pub struct Mapped(Contents);

#[derive(Debug)]
enum Contents {
    Map(memmap2::Mmap),
    Copy { words: Vec<u64>, length: usize },
}

/// The longest file that is copied: 64 GiB.
const MOST: usize = 1 << 36;
/// Words of a copy that are read at a time.
const PIECE: usize = 1 << 17;

impl Mapped {
    /// The contents of a plain file. An empty file is an empty slice.
    ///
    /// # Errors
    /// `Io`; `Special` for a path that is not a plain file.
    #[allow(unsafe_code)]
    pub fn open(path: &Path) -> Result<Self> {
        let (file, metadata) = input::open(path)?;
        if metadata.len() == 0 || !is_ours(&metadata) {
            return Self::copy(file);
        }
        // SAFETY: the map is read-only and private to this value. Rust asks that nobody changes the file meanwhile:
        // our own writers never do, they replace files by renaming, and no other user can. A program of this user
        // that truncates a mapped file ends this one with a bus error; one that overwrites it changes words that are
        // data to us, never addresses.
        let map = unsafe { memmap2::Mmap::map(&file)? };
        Ok(Self(Contents::Map(map)))
    }

    /// [`Mapped::open`], or the bytes of standard input if the path is its name.
    ///
    /// # Errors
    /// Those of [`Mapped::open`].
    pub fn input(path: &Path) -> Result<Self> {
        if input::is_standard(path) {
            return Self::copy(io::stdin().lock());
        }
        Self::open(path).map_err(input::or_standard)
    }

    fn copy(mut source: impl Read) -> Result<Self> {
        let (mut words, mut length) = (Vec::new(), 0);
        loop {
            if length == 8 * words.len() {
                words.try_reserve(PIECE).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
                words.resize(words.len() + PIECE, 0u64);
            }
            match source.read(&mut bytemuck::cast_slice_mut(&mut words)[length..]) {
                Ok(0) => return Ok(Self(Contents::Copy { words, length })),
                Ok(read) if length + read > MOST => return Err(FileError::Long { most: MOST as u64 }),
                Ok(read) => length += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Contents::Map(map) => map,
            Contents::Copy { words, length } => bytemuck::cast_slice(words).get(..*length).unwrap_or(&[]),
        }
    }

    /// Whether `part` lies in the map, and where.
    pub(super) fn place(&self, part: &[u8]) -> Option<Range<usize>> {
        let start = part.as_ptr().addr().checked_sub(self.bytes().as_ptr().addr())?;
        let range = start..start + part.len();
        self.bytes().get(range.clone()).map(|_| range)
    }
}

impl Drop for Mapped {
    /// A copy of one piece may be a secret key, and is wiped. Longer files are public.
    fn drop(&mut self) {
        if let Contents::Copy { words, length } = &mut self.0
            && *length <= 8 * PIECE
        {
            words[..length.div_ceil(8)].zeroize();
        }
    }
}

/// Whether no other user but root can change the file.
fn is_ours(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use nix::unistd::{getegid, geteuid};
        use std::os::unix::fs::MetadataExt;
        let owner = metadata.uid() == geteuid().as_raw() || metadata.uid() == 0;
        let group = metadata.mode() & 0o020 != 0 && metadata.gid() != getegid().as_raw();
        owner && !group && metadata.mode() & 0o002 == 0
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        true
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::{Contents, Mapped};
    use std::{fs, os::unix::fs::PermissionsExt};

    #[test]
    fn a_file_that_others_can_change_is_copied_before_it_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (mode, copied) in [(0o644, false), (0o600, false), (0o646, true), (0o666, true)] {
            fs::write(&path, [7; 20]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let mapped = Mapped::open(&path).unwrap();
            assert_eq!(matches!(mapped.0, Contents::Copy { .. }), copied, "{mode:o}");
            assert_eq!((mapped.bytes(), mapped.bytes().as_ptr().addr() % 8), (&[7; 20][..], 0));
            if copied {
                fs::write(&path, "changed").unwrap();
                assert_eq!(mapped.bytes(), [7; 20]);
            }
        }
        fs::write(&path, "").unwrap();
        assert!(Mapped::open(&path).unwrap().bytes().is_empty());
    }
}
