//! Room for outputs: what the file system has free, and how long the system lets a file be.

use super::fault::{FileError, Result};
use std::path::Path;

/// Checks that `folder` has room for files of `total` bytes together, the largest of `largest` bytes.
///
/// # Errors
/// `Space` with the bytes that are needed and the bytes that are free. A system that does not say is believed to have
/// room.
pub fn check(folder: &Path, total: u64, largest: u64) -> Result<()> {
    #[cfg(unix)]
    {
        use nix::sys::{
            resource::{Resource, getrlimit},
            statvfs::statvfs,
        };
        // a write beyond this limit would end the process by a signal
        if let Ok((limit, _)) = getrlimit(Resource::RLIMIT_FSIZE)
            && largest > limit
        {
            return Err(FileError::Space { need: largest, free: limit });
        }
        if let Ok(of) = statvfs(folder) {
            #[allow(clippy::unnecessary_cast)] // the widths differ between systems
            let free = (of.blocks_available() as u64).saturating_mul(of.fragment_size() as u64);
            if total > free {
                return Err(FileError::Space { need: total, free });
            }
        }
    }
    #[cfg(not(unix))]
    let _ = (folder, total, largest);
    Ok(())
}
