//! The record in the file of a secret key: published results, and small clients. A change is made under an exclusive
//! lock, and is on the disk when the call returns. A file that cannot be locked, read or written is not changed, and then
//! nothing is published and no key is made.

use super::secret::Secret;
use crate::{
    Error, Result,
    error::WithPath,
    files::{Body, FileError, KeyId, Record},
};
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::{Duration, Instant},
};

/// The longest wait for another process that changes the record.
const PATIENCE: Duration = Duration::from_secs(10);

/// Changes the record of `secret` in its file at `path`. `change` gets the path without links, and returns whether there
/// is something to write.
///
/// # Errors
/// Those of `change`. [`Error::File`] for a file that another process holds for 10 seconds, that has several names, that
/// belongs to another key, or that cannot be read and written.
pub fn update(path: &Path, secret: &Secret, change: impl FnOnce(&Path, &mut Record) -> Result<bool>) -> Result<()> {
    let real = path.canonicalize().with_path(path)?; // of a symbolic link: the file that it names
    let held = lock(&real).with_path(path)?;
    one_name(&held).with_path(path)?;
    let mut kept = Secret::read(&real)?;
    kept.header.expect_same(&secret.header).with_path(path)?;
    let Body::SecretKey(record) = &mut kept.header.body else { return Ok(()) }; // `Secret::read` checked the kind
    if change(&real, record)? { kept.write(&real, false) } else { Ok(()) }
}

/// Refuses a second small client under one secret key: each small client of a large secret can read all others. The key
/// to the server's ring holds the small secrets, the key back holds the large one.
///
/// # Errors
/// [`Error::Usage`] with the small client that the record has, unless one person owns both.
pub fn one_owner(path: &Path, record: &Record, client: KeyId, same_owner: bool) -> Result<()> {
    match record.other_than(client) {
        Some(other) if !same_owner => {
            let what = format!(
                "a key of the small client {other} was made for this secret key, and either small client could read the \
                 other: make another secret key, or say --same-owner if one person owns both"
            );
            Err(Error::usage(path.display().to_string(), what))
        }
        _ => Ok(()),
    }
}

/// Records that a key between the rings is made for `client`, under the secret key in the file at `path`.
///
/// # Errors
/// Those of [`update`] and [`one_owner`].
pub fn join(path: &Path, secret: &Secret, client: KeyId, same_owner: bool) -> Result<()> {
    update(path, secret, |_, record| {
        one_owner(path, record, client, same_owner)?;
        record.join(client).with_path(path)
    })
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
                let busy = "another process holds the lock of this key; nothing is changed";
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
