//! The folder of a model. A file that config.json names is a plain file of the folder. A name cannot lead out of the
//! folder: a model may come from somebody who wants to read the files of its user.

use crate::{
    error::{Result, WithPath},
    files::FileError,
};
use std::{
    fs::File,
    io::{Error, ErrorKind, Read},
    path::{Component, Path, PathBuf},
};

/// The most bytes of config.json.
pub const MAX_CONFIG: u64 = 1 << 24;
/// The most bytes of tokenizer.json, as in a model file.
pub const MAX_TOKENIZER: u64 = 1 << 26;
/// The most bytes of a file of weights.
pub const MAX_WEIGHTS: u64 = 1 << 32;

/// A folder whose files are read.
pub struct ModelFolder {
    folder: PathBuf, // as given, for messages
    root: PathBuf,   // without links
}

impl ModelFolder {
    /// The folder at `path`.
    ///
    /// # Errors
    /// `Io` if there is no such folder.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { folder: path.into(), root: path.canonicalize().with_path(path)? })
    }

    /// The path of a file, for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether the folder has an entry of this name.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// The contents of a file, at most `limit` bytes.
    ///
    /// # Errors
    /// `Model` for a name that leads out of the folder, by itself or by a link; `Io` for a file that is missing or no
    /// plain file; `Model` with both numbers for a file over the limit.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>> {
        let path = self.path(name);
        self.contents(name, limit).with_path(&path)
    }

    fn contents(&self, name: &str, limit: u64) -> crate::files::Result<Vec<u8>> {
        let inside = |component| matches!(component, Component::Normal(_));
        if name.is_empty() || !Path::new(name).components().all(inside) {
            let what = format!("config.json names the file {name:?}: a name inside of the folder is needed");
            return Err(FileError::Model(what));
        }
        let real = self.path(name).canonicalize()?;
        if !real.starts_with(&self.root) {
            let what = "a link that leaves the folder of the model: copy the file into the folder";
            return Err(FileError::Model(what.into()));
        }
        let plain = |metadata: std::fs::Metadata| match metadata.is_file() {
            true => Ok(metadata.len()),
            false => Err(Error::new(ErrorKind::InvalidInput, "not a regular file")),
        };
        plain(std::fs::metadata(&real)?)?; // a pipe would hold up the next line
        let file = File::open(&real)?;
        let size = plain(file.metadata()?)?;
        let over = |size: u64| FileError::Model(format!("{size} bytes, at most {limit} are read"));
        if size > limit {
            return Err(over(size));
        }
        let mut out = Vec::with_capacity(size as usize);
        file.take(limit + 1).read_to_end(&mut out)?;
        if out.len() as u64 > limit { Err(over(out.len() as u64)) } else { Ok(out) }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::ModelFolder;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_plain_files_of_the_folder_are_read() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("model");
        std::fs::create_dir_all(inner.join("sub")).unwrap();
        std::fs::write(outer.path().join("secret"), "secret").unwrap();
        std::fs::write(inner.join("weights"), "weights").unwrap();
        std::fs::write(inner.join("sub/weights"), "more").unwrap();
        symlink(inner.join("weights"), inner.join("good")).unwrap();
        symlink(outer.path().join("secret"), inner.join("bad")).unwrap();
        symlink("/dev/zero", inner.join("zero")).unwrap();
        let folder = ModelFolder::open(&inner).unwrap();
        assert_eq!(folder.read("weights", 7).unwrap(), b"weights");
        assert_eq!(folder.read("good", 7).unwrap(), b"weights");
        assert_eq!(folder.read("sub/weights", 7).unwrap(), b"more");
        let error = |name: &str| folder.read(name, 6).unwrap_err().to_string();
        for (name, what) in [
            ("weights", "7 bytes, at most 6 are read"),
            ("../secret", "a name inside of the folder is needed"),
            ("/etc/passwd", "a name inside of the folder is needed"),
            ("sub/../../secret", "a name inside of the folder is needed"),
            (".", "a name inside of the folder is needed"),
            ("", "a name inside of the folder is needed"),
            ("bad", "a link that leaves the folder"),
            ("zero", "a link that leaves the folder"),
            ("sub", "not a regular file"),
            ("none", "No such file"),
        ] {
            assert!(error(name).contains(what), "{name}: {}", error(name));
        }
    }

    #[test]
    fn a_pipe_in_the_folder_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        let error = ModelFolder::open(folder.path()).unwrap().read("pipe", 6).unwrap_err().to_string();
        assert!(error.ends_with("not a regular file"), "{error}");
    }
}
