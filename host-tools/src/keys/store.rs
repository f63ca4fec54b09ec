//! The folder of one client's keys. The program makes missing keys and keeps existing keys. One process at a time makes
//! keys in a folder.

use super::{KeyFolder, KeySpec, generate, secret::Secret};
use crate::{
    error::{Error, Result, WithPath},
    files::{FileError, FolderLock, View},
    machine::{ComputeTarget, Host},
    spec::SpecBuf,
};
use std::path::{Path, PathBuf};

/// An event while keys are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyEvent<'a> {
    /// Another process makes keys in the folder; this process waits.
    Waiting(&'a Path),
    /// The file is damaged, and the key is made again.
    Damaged(&'a Path),
    /// Keys were made.
    Made {
        /// Keys made so far.
        done: usize,
        /// Keys to make.
        total: usize,
    },
}

/// The folder for the keys of a parameter set where the user names none: below XDG_CACHE_HOME, or .cache in HOME.
///
/// # Errors
/// [`Error::Usage`] if neither variable is set.
pub fn default_folder(spec: &SpecBuf) -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let folder = cache.map(|cache| cache.join("polyformer").join(spec.label()));
    folder.ok_or_else(|| Error::usage("--keys", "no folder is given, and neither XDG_CACHE_HOME nor HOME is set"))
}

impl KeyFolder {
    /// The secret key of the folder, after the missing keys of `wants` were made. A missing secret key is made too. A
    /// file of `wants` exists if its header names this secret and a sufficient level; the words of the file are not
    /// read. `on_event` is told the number of finished keys and the total number: once with 0, then after each key. A
    /// folder that is complete is not written to.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for a folder or file that cannot be read or written. [`Error::Usage`] if the secret key belongs
    /// to another parameter set, or is damaged.
    pub fn complete(
        &self,
        host: &Host,
        target: ComputeTarget,
        spec: &SpecBuf,
        wants: &[KeySpec],
        on_event: &mut dyn FnMut(KeyEvent<'_>),
    ) -> Result<Secret> {
        if let Some(secret) = self.secret(spec)?
            && self.missing(&secret, wants).is_empty()
        {
            on_event(KeyEvent::Made { done: 0, total: 0 });
            return Ok(secret);
        }
        std::fs::create_dir_all(&self.eval).with_path(&self.eval)?;
        let _lock = self.lock(on_event)?;
        let secret = match self.secret(spec)? {
            Some(secret) => secret,
            None => {
                let secret = Secret::generate(spec.clone())?;
                secret.write(&self.secret, false)?;
                secret
            }
        };
        let missing = self.missing(&secret, wants);
        for path in missing.iter().map(|want| self.eval.join(want.file_name())) {
            let damaged = View::peek(&path).is_err_and(|fault| fault.is_damage());
            if damaged && path.symlink_metadata().is_ok() {
                on_event(KeyEvent::Damaged(&path));
                std::fs::remove_file(&path).with_path(&path)?;
            }
        }
        self.make(host, target, &secret, &missing, on_event)?;
        Ok(secret)
    }

    /// Makes the key again whose file is damaged, as `fault` says that came of reading the folder's keys. Any other
    /// fault comes back.
    ///
    /// # Errors
    ///
    /// `fault`, if the file of none of `wants` is damaged; those of [`KeyFolder::complete`].
    pub fn repair(
        &self,
        host: &Host,
        target: ComputeTarget,
        (secret, wants): (&Secret, &[KeySpec]),
        fault: Error,
        on_event: &mut dyn FnMut(KeyEvent<'_>),
    ) -> Result<()> {
        let Error::File { path, fault: why } = &fault else { return Err(fault) };
        let want = wants.iter().find(|want| self.eval.join(want.file_name()) == *path);
        let (Some(want), true) = (want, why.is_damage()) else { return Err(fault) };
        let _lock = self.lock(on_event)?;
        if want.is_met_by(path, secret) {
            return Ok(()); // another process was faster
        }
        on_event(KeyEvent::Damaged(path));
        self.make(host, target, secret, &[*want], on_event)
    }

    fn make(
        &self,
        host: &Host,
        target: ComputeTarget,
        secret: &Secret,
        missing: &[KeySpec],
        on_event: &mut dyn FnMut(KeyEvent<'_>),
    ) -> Result<()> {
        let (mut done, total) = (0, missing.len());
        on_event(KeyEvent::Made { done, total });
        generate(host, target, secret, missing, (&self.eval, true), || {
            done += 1;
            on_event(KeyEvent::Made { done, total });
        })
    }

    fn lock(&self, on_event: &mut dyn FnMut(KeyEvent<'_>)) -> Result<FolderLock> {
        let folder = self.secret.parent().unwrap_or(Path::new("."));
        FolderLock::take(folder, Some(&mut || on_event(KeyEvent::Waiting(folder)))).with_path(folder)
    }

    /// The wanted keys whose files do not name this secret and a sufficient level.
    fn missing(&self, secret: &Secret, wants: &[KeySpec]) -> Vec<KeySpec> {
        let there = |want: &KeySpec| want.is_claimed_by(&self.eval.join(want.file_name()), &secret.header);
        wants.iter().copied().filter(|want| !there(want)).collect()
    }

    /// The secret key of the folder, which must be of this parameter set.
    fn secret(&self, spec: &SpecBuf) -> Result<Option<Secret>> {
        let secret = match Secret::read(&self.secret) {
            Ok(secret) => secret,
            Err(_) if self.secret.symlink_metadata().is_err() => return Ok(None),
            Err(Error::File { path, fault }) if fault.is_damage() || matches!(fault, FileError::Old { .. }) => {
                let folder = path.parent().unwrap_or(Path::new(".")).display();
                let fault = if let FileError::Damaged { fault, .. } = fault { *fault } else { fault };
                let what = format!("{fault}; remove {folder} to start with new keys");
                return Err(Error::usage(path.display().to_string(), what));
            }
            Err(other) => return Err(other),
        };
        if secret.header.spec != *spec {
            let what = format!("not a key of {}; another folder can be given with --keys", spec.label());
            return Err(Error::usage(self.secret.display().to_string(), what));
        }
        Ok(Some(secret))
    }
}
