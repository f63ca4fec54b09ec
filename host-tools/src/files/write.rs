//! Writing. A file appears whole or not at all. The bytes go to a temporary name in the same folder, then to the disk,
//! then to their own name.

use super::{
    fault::{FileError, Result},
    header::Header,
};
use polyformer_kernel::params::Params;
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The mode of the user's umask.
    Shared,
    /// The owner alone: mode 0600.
    Private,
}

/// Writes a file of `header`'s kind with these tensors, in the order of [`Header::tensors`].
///
/// # Errors
///
/// `HeaderSize` for a header that no reader accepts, `Io` for an error of the system.
pub fn write(path: &Path, header: &Header, params: &Params, tensors: &[&[u8]]) -> Result<()> {
    let expected = header.tensors(params);
    let mut fields = header.fields();
    let digest = super::digest(&fields, &expected, tensors, |_, _, _| ()).to_hex().to_string();
    fields.insert("digest".into(), digest);
    let mut json = serde_json::Map::new();
    json.insert("__metadata__".into(), serde_json::json!(fields));
    let mut at = 0;
    for (tensor, data) in expected.iter().zip(tensors) {
        let entry = serde_json::json!({"dtype": tensor.of.dtype(), "shape": tensor.shape, "data_offsets": [at, at + data.len()]});
        json.insert(tensor.name.to_string(), entry);
        at += data.len();
    }
    let mut head = serde_json::Value::Object(json).to_string().into_bytes();
    head.resize(head.len().next_multiple_of(8), b' '); // so that words are aligned in the map
    if head.len() as u64 > super::MAX_HEADER {
        return Err(FileError::HeaderSize { claimed: head.len() as u64, limit: super::MAX_HEADER });
    }
    let access = if header.kind() == super::Kind::SecretKey { Access::Private } else { Access::Shared };
    atomically(path, access, |file| {
        file.write_all(&(head.len() as u64).to_le_bytes())?;
        file.write_all(&head)?;
        tensors.iter().try_for_each(|data| file.write_all(data))
    })
}

/// Has `contents` write a temporary file, which then replaces `path`; on failure nothing is left.
///
/// # Errors
/// `Io`: of the folder, of `contents`, of the rename.
pub fn atomically(path: &Path, access: Access, contents: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| FileError::Io(std::io::ErrorKind::InvalidFilename.into()))?;
    let temporary = Temporary::create(folder, &name.to_string_lossy(), access)?;
    let mut file = &temporary.file;
    contents(&mut file.try_clone()?)?;
    file.flush()?;
    file.sync_all()?;
    temporary.rename(path)?;
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all(); // the rename itself; not every file system can
    }
    Ok(())
}

/// Temporary files that exist now.
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
struct Temporary {
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Temporary {
    fn create(folder: &Path, name: &str, access: Access) -> std::io::Result<Self> {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        let path = folder.join(format!(".{name}.{}.tmp", super::fields::hex(&random)));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if access == Access::Private {
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        temporaries(|all| all.push(path.clone()));
        let file = options.open(&path).inspect_err(|_| temporaries(|all| all.retain(|p| *p != path)))?;
        Ok(Self { path, file, renamed: false })
    }

    fn rename(mut self, to: &Path) -> std::io::Result<()> {
        std::fs::rename(&self.path, to)?;
        self.renamed = true;
        Ok(())
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
