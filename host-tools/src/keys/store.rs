//! The folder of one client's keys. The program makes missing keys and keeps existing keys.

use super::{KeyFolder, KeySpec, generate, secret::Secret};
use crate::{
    error::{Error, Result, WithPath},
    machine::{ComputeTarget, Host},
    spec::SpecBuf,
};
use std::path::PathBuf;

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
    /// read. `on_key` is called with the number of finished keys and the total number: once with 0, then after each
    /// key.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for a folder or file that cannot be read or written. [`Error::Usage`] if the secret key belongs
    /// to another parameter set.
    pub fn complete(
        &self,
        host: &Host,
        target: ComputeTarget,
        spec: &SpecBuf,
        wants: &[KeySpec],
        on_key: &mut dyn FnMut(usize, usize),
    ) -> Result<Secret> {
        std::fs::create_dir_all(&self.eval).with_path(&self.eval)?;
        let secret = if self.secret.exists() {
            let secret = Secret::read(&self.secret)?;
            if secret.header.spec != *spec {
                let what = format!("not a key of {}; another folder can be given with --keys", spec.label());
                return Err(Error::usage(self.secret.display().to_string(), what));
            }
            secret
        } else {
            let secret = Secret::generate(spec.clone())?;
            secret.write(&self.secret)?;
            secret
        };
        let there = |want: &KeySpec| want.is_claimed_by(&self.eval.join(want.file_name()), &secret.header);
        let missing: Vec<KeySpec> = wants.iter().copied().filter(|want| !there(want)).collect();
        let mut made = 0;
        on_key(made, missing.len());
        generate(host, target, &secret, &missing, &self.eval, || {
            made += 1;
            on_key(made, missing.len());
        })?;
        Ok(secret)
    }
}
