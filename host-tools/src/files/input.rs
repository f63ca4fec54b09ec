//! Reading of inputs. A name is opened without waiting, and only a plain file is read. The name `-` is standard input,
//! for the commands that read text or one file.

use super::{
    fault::{FileError, Result},
    text,
};
use std::{
    fs::{File, FileType, Metadata, OpenOptions},
    io::{self, Read},
    path::Path,
};
use zeroize::Zeroizing;

/// The longest text that is read: 1 GiB.
pub const MAX_TEXT: u64 = 1 << 30;

/// Whether `path` names standard input: `-` or `/dev/stdin`.
pub fn is_standard(path: &Path) -> bool {
    path == Path::new("-") || path == Path::new("/dev/stdin")
}

/// The name of an input in messages.
pub fn named(path: &Path) -> &Path {
    if is_standard(path) { Path::new("standard input") } else { path }
}

/// Opens a plain file, and looks at the file that was opened. A pipe without a writer does not block.
///
/// # Errors
/// `Io` of the system; `Special` for a folder, a pipe, a socket or a device.
pub fn open(path: &Path) -> Result<(File, Metadata)> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        (nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOCTTY).bits(),
    );
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok((file, metadata));
    }
    Err(FileError::Special { what: kind_of(metadata.file_type()) })
}

/// The fault of an input that could be standard input.
pub(super) fn or_standard(fault: FileError) -> FileError {
    match fault {
        FileError::Special { what: "a pipe" } => FileError::Pipe,
        other => other,
    }
}

/// What a name is that is no plain file.
pub(super) fn kind_of(of: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if of.is_fifo() {
            return "a pipe";
        }
        if of.is_socket() {
            return "a socket";
        }
        if of.is_char_device() || of.is_block_device() {
            return "a device";
        }
    }
    if of.is_dir() { "a folder" } else { "no plain file" }
}

/// The bytes of a plain file or of standard input.
///
/// # Errors
/// Those of [`open`]; `Long` for more than `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    if is_standard(path) {
        return all(io::stdin().lock(), 0, most);
    }
    let (file, metadata) = open(path).map_err(or_standard)?;
    if metadata.len() > most {
        return Err(FileError::Long { most });
    }
    all(file, metadata.len(), most)
}

/// The longest question that is read from standard input: 1 MiB.
const MAX_QUESTION: u64 = 1 << 20;

/// The text of an argument, or that of standard input if the argument is its name. A last line end is left out.
///
/// # Errors
/// Those of [`read`] and of [`text::decode`].
pub fn question(argument: &str) -> Result<String> {
    if argument != "-" {
        return Ok(argument.into());
    }
    let mut text = text::decode(read(Path::new(argument), MAX_QUESTION)?)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// At most `most` bytes, `expected` of them at first. Leaves no other copy. The caller wipes the bytes.
fn all(source: impl Read, expected: u64, most: u64) -> Result<Vec<u8>> {
    let mut source = source.take(most.saturating_add(1));
    let (mut bytes, mut length) = (zeros(expected as usize + 1)?, 0);
    loop {
        if length == bytes.len() {
            let mut more = zeros(2 * length)?; // and not `resize`, which leaves the old bytes in memory
            more[..length].copy_from_slice(&bytes);
            bytes = more;
        }
        match source.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    if length as u64 > most {
        return Err(FileError::Long { most });
    }
    bytes.truncate(length);
    Ok(std::mem::take(&mut *bytes))
}

fn zeros(length: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let length = length.max(1 << 12);
    bytes.try_reserve_exact(length).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    bytes.resize(length, 0);
    Ok(bytes)
}
