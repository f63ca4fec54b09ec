//! One writer at a time in a folder of keys. The lock is on a file in the folder, `.polyformer.lock`, which stays. The
//! system gives the lock back when the process ends, however the process ends.

use super::fault::{FileError, Result};
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

/// A lock on a folder, held until drop.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of `folder`. If another process holds the lock, `on_wait` is called before the wait; without
    /// `on_wait` the call does not wait.
    ///
    /// # Errors
    /// `Busy` without `on_wait`; `Io` if the folder takes no files, or its file system has no locks.
    pub fn take(folder: &Path, on_wait: Option<&mut dyn FnMut()>) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            &mut options,
            (nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits(),
        );
        let file = options.open(folder.join(".polyformer.lock"))?;
        match (file.try_lock(), on_wait) {
            (Ok(()), _) => {}
            (Err(TryLockError::WouldBlock), Some(on_wait)) => {
                on_wait();
                file.lock()?;
            }
            (Err(TryLockError::WouldBlock), None) => return Err(FileError::Busy),
            (Err(TryLockError::Error(e)), _) => return Err(e.into()),
        }
        Ok(Self { _file: file })
    }
}
