//! Bytes and names that must survive a power cut. Contents go to the disk before they get their name, and the folder goes to
//! the disk after that.

use std::{fs::File, io};

/// Waits until the contents of a file, or the names of a folder, are on the disk.
///
/// # Errors
/// The system's; some file systems cannot do this for a folder.
pub fn sync(file: &File) -> io::Result<()> {
    #[cfg(test)]
    watch::note();
    file.sync_all()
}

/// For tests: whether a name exists at each call of [`sync`].
#[cfg(test)]
pub mod watch {
    use std::{
        cell::RefCell,
        path::{Path, PathBuf},
    };

    thread_local! {
        static SEEN: RefCell<(PathBuf, Vec<bool>)> = const { RefCell::new((PathBuf::new(), Vec::new())) };
    }

    /// Starts with this name.
    pub fn start(path: &Path) {
        SEEN.with_borrow_mut(|seen| *seen = (path.into(), Vec::new()));
    }

    /// Whether the name existed at each call since.
    pub fn seen() -> Vec<bool> {
        SEEN.with_borrow(|seen| seen.1.clone())
    }

    pub(super) fn note() {
        SEEN.with_borrow_mut(|(path, seen)| seen.push(path.exists()));
    }
}
