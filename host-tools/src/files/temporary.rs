//! Temporary files beside an output. The name is random, the file is created exclusively, and the process holds a lock
//! on the file while it lives. A temporary file without a lock was left by a killed process.

use super::fields::hex;
use std::{
    ffi::OsStr,
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The mode of the user's umask.
    Shared,
    /// The owner alone: mode 0600.
    Private,
}

/// Temporary files of this process.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn temporaries(change: impl FnOnce(&mut Vec<PathBuf>)) {
    change(&mut TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Removes partial files, for a process that is about to end.
pub fn cleanup_temp_files() {
    temporaries(|all| {
        all.drain(..).for_each(|path| {
            let _ = std::fs::remove_file(path); // there is nobody left to tell
        });
    });
}

/// A file that is removed on drop, unless the file was renamed.
pub(super) struct Temporary {
    path: PathBuf,
    pub(super) file: File,
    renamed: bool,
}

/// Why no temporary file was made.
pub(super) enum Refused {
    /// Another process has a temporary file for the same name.
    Busy,
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The start of the names for one target: the same length for every name that the system allows.
fn prefix(name: &OsStr) -> String {
    format!(".polyformer-{}-", hex(&blake3::hash(name.as_encoded_bytes()).as_bytes()[..8]))
}

const SUFFIX: &str = ".tmp";

impl Temporary {
    /// A new file in `folder`, on its way to `name`. Files that killed processes left for `name` are removed.
    ///
    /// # Errors
    /// `Busy` if another process is writing `name`; `Io` if the folder takes no files.
    pub fn create(folder: &Path, name: &OsStr, access: Access) -> Result<Self, Refused> {
        let prefix = prefix(name);
        let turn = turn(folder); // so that of two processes one sees the other
        sweep(folder, &prefix)?;
        for _ in 0..16 {
            let mut random = [0u8; 8];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            let path = folder.join(format!("{prefix}{}{SUFFIX}", hex(&random)));
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            #[cfg(unix)]
            if access == Access::Private {
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            }
            temporaries(|all| all.push(path.clone()));
            let made = options.open(&path).inspect_err(|_| temporaries(|all| all.retain(|p| *p != path)));
            match made {
                Ok(file) => {
                    let made = Self { path, file, renamed: false };
                    if locked(&made.file) && made.path.symlink_metadata().is_ok() {
                        drop(turn);
                        return Ok(made);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(Refused::Io(io::ErrorKind::AlreadyExists.into()))
    }

    /// Its temporary name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, in place of a file that has the name now.
    pub fn rename(mut self, to: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, to)?;
        self.renamed = true;
        Ok(())
    }

    /// Gives the file its name, which nothing has.
    ///
    /// # Errors
    /// `AlreadyExists` if something has the name.
    pub fn link(self, to: &Path) -> io::Result<()> {
        match std::fs::hard_link(&self.path, to) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                OpenOptions::new().write(true).create_new(true).open(to)?; // a file system without links
                self.rename(to)
            }
            linked => linked, // the drop of self removes the other name
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = std::fs::remove_file(&self.path);
        }
        temporaries(|all| all.retain(|p| *p != self.path));
    }
}

/// The turn of this process among those that make temporary files in `folder`. `None` if the file system has no locks on
/// folders, or somebody else holds the lock for long.
fn turn(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    for _ in 0..100 {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Whether this process holds the file now. A file system without locks has no other holder to notice.
fn locked(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Removes the files of killed processes.
fn sweep(folder: &Path, prefix: &str) -> Result<(), Refused> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) }; // a folder may be closed to readers
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|n| n.starts_with(prefix) && n.ends_with(SUFFIX));
        if !ours || !entry.file_type().is_ok_and(|t| t.is_file()) {
            continue;
        }
        let Ok((file, _)) = super::input::open(&entry.path()) else { continue };
        match file.try_lock() {
            Ok(()) => drop(std::fs::remove_file(entry.path())), // its process ended
            Err(TryLockError::WouldBlock) => return Err(Refused::Busy),
            Err(TryLockError::Error(_)) => {} // no locks here: nobody can say
        }
    }
    Ok(())
}
