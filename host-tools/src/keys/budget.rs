//! The count of published results. The count lies in the file of the secret key. A copy of the key has the count of the
//! moment when the copy was made. A result is counted under an exclusive lock, before the result is shown. A file that
//! cannot be locked, read or written counts nothing, and then nothing is published.

use super::secret::Secret;
use crate::{
    Error, Result,
    error::WithPath,
    files::{Body, Budget, FileError, STATISTICAL_BITS},
};
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::{Duration, Instant},
};

/// The longest wait for another process that counts.
const PATIENCE: Duration = Duration::from_secs(10);

/// A budget of `results` results at `bits` bits, of which none was published.
///
/// # Errors
/// [`Error::Usage`] for no results, or for bits outside [`STATISTICAL_BITS`].
pub fn ask(results: u32, bits: u32) -> Result<Budget> {
    if !STATISTICAL_BITS.contains(&bits) {
        let what = format!("from {} to {}", STATISTICAL_BITS.start(), STATISTICAL_BITS.end());
        return Err(Error::usage(format!("{bits} bits of statistical security"), what));
    }
    if results == 0 {
        return Err(Error::usage("0 results", "at least one is published"));
    }
    Ok(Budget { results, bits, published: 0 })
}

/// Counts one result of a budget of `results` results at `bits` bits, in the file of `secret` at `path`. The first call
/// fixes the budget. The count is on the disk when this function returns.
///
/// # Errors
///
/// [`Error::Usage`] for another budget than the fixed one, and for a budget that is used up. [`Error::File`] for a file
/// that another process holds for 10 seconds, that has several names, that belongs to another key, or that cannot be
/// read and written.
pub fn spend(path: &Path, secret: &Secret, results: u32, bits: u32) -> Result<()> {
    let asked = ask(results, bits)?;
    let real = path.canonicalize().with_path(path)?; // of a symbolic link: the file that it names
    let held = lock(&real).with_path(path)?;
    one_name(&held).with_path(path)?;
    let mut kept = Secret::read(&real)?;
    kept.header.expect_same(&secret.header).with_path(path)?;
    let before = match kept.header.body {
        Body::SecretKey { budget: Some(budget) } => budget,
        _ => asked,
    };
    if (before.results, before.bits) != (results, bits) {
        let say = |b: &Budget| format!("{} results at {} bits", b.results, b.bits);
        let what = format!("the first result fixed {}, not {}", say(&before), say(&asked));
        return Err(Error::usage(path.display().to_string(), what));
    }
    if before.published >= before.results {
        let what = format!("{} of {} results were published, no more under this key", before.published, before.results);
        return Err(Error::usage(path.display().to_string(), what));
    }
    kept.header.body = Body::SecretKey { budget: Some(Budget { published: before.published + 1, ..before }) };
    kept.write(&real, false)
}

/// An exclusive lock on the file that has the name `path` once the lock is held.
fn lock(path: &Path) -> crate::files::Result<File> {
    let start = Instant::now();
    loop {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path)? => return Ok(file),
            Ok(()) => {} // replaced since it was opened: by the process that held the lock
            Err(TryLockError::WouldBlock) if start.elapsed() > PATIENCE => {
                let busy = "another process holds the lock of this key; nothing is published";
                return Err(std::io::Error::new(std::io::ErrorKind::WouldBlock, busy).into());
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::Error(e)) => return Err(e.into()),
        }
    }
}

/// Whether an open file has the name `path` still.
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let (open, named) = (file.metadata()?, path.metadata()?);
        Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        Ok(true)
    }
}

/// Insists on a file without hard links: under another name the file would keep the old count.
fn one_name(file: &File) -> crate::files::Result<()> {
    #[cfg(unix)]
    {
        let names = std::os::unix::fs::MetadataExt::nlink(&file.metadata()?);
        if names != 1 {
            return Err(FileError::HardLinks { names });
        }
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}
