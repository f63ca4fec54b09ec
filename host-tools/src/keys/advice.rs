//! What a missing key is for, and the command that makes the key.

use super::KeySpec;
use crate::{
    error::{Error, Result, WithPath},
    files::{self, Body, FileError, Header, View},
};
use polyformer_kernel::params::Params;
use std::path::Path;

/// The rotation that X -> X^g makes, of least absolute value, if g is a power of five modulo 2n.
pub fn rotation(params: &Params, g: u32) -> Option<i32> {
    let (mask, slots) = (2 * params.n() as u32 - 1, params.slots() as i32);
    let mut power = 1u32;
    let k = (0..slots).find(|_| {
        let found = power == g;
        power = power.wrapping_mul(5) & mask;
        found
    })?;
    Some(if k > slots / 2 { k - slots } else { k })
}

/// Checks that the folder has a file for each key of a question, whole as far as header and length say, and that no key
/// belongs to another secret key.
///
/// # Errors
/// [`Error::File`] for the first key that is damaged, with the command that makes it again, or of another secret key. For
/// one missing file, the error of [`KeySpec::check`]. For several, [`Error::Usage`] with their number, the purpose of the
/// first, and the command that makes all of them.
pub fn check_files(wants: &[KeySpec], folder: &Path, of: &Header, params: &Params) -> Result<()> {
    for (want, path) in wants.iter().map(|want| (want, folder.join(want.file_name()))) {
        match View::peek(&path) {
            Ok(header) => header.expect_same(of).with_path(&path)?,
            Err(FileError::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => {} // counted below
            fault => drop(want.readable(fault, params).with_path(&path)?),
        }
    }
    let missing: Vec<_> = wants.iter().filter(|want| !folder.join(want.file_name()).exists()).collect();
    let (first, count) = match missing[..] {
        [] => return Ok(()),
        [one] => return one.check(folder, of, params),
        [first, ..] => (first.purpose(params), missing.len()),
    };
    let command = "`polyformer keygen --secret SECRET --infer TOKENS --out KEYS` makes the keys of a question";
    let what = format!("{count} of {} keys are missing, the first is {first}: {command}", wants.len());
    Err(Error::usage(folder.display().to_string(), what))
}

impl KeySpec {
    /// What the key is for.
    fn purpose(self, params: &Params) -> String {
        match self {
            KeySpec::Public => "the public key".into(),
            KeySpec::Relin(_) => "the key of products (relinearisation)".into(),
            KeySpec::Raise => "the key pair of ModRaise (bootstrapping)".into(),
            KeySpec::Galois(g, _) => match rotation(params, g) {
                Some(k) => format!("the key of the rotation by {k}"),
                None if g == params.galois_conjugate() => "the key of conjugation".into(),
                None => format!("the key of X -> X^{g}"),
            },
        }
    }

    /// The options of `keygen` that make the key. `None` for an automorphism that keygen does not name.
    fn options(self, params: &Params) -> Option<String> {
        Some(match self {
            KeySpec::Public => "--public".into(),
            KeySpec::Relin(level) => format!("--level {level}"),
            KeySpec::Raise => "--bootstrap real".into(),
            KeySpec::Galois(g, level) => match rotation(params, g) {
                Some(k) => format!("--rotations {k} --level {level}"),
                None if g == params.galois_conjugate() => format!("--conjugation --level {level}"),
                None => return None,
            },
        })
    }

    /// What reading the file of this key gave. A damaged file gets the command that makes the key again.
    ///
    /// # Errors
    /// The fault that reading gave.
    pub fn readable<T>(self, read: files::Result<T>, params: &Params) -> files::Result<T> {
        let again = || match self.options(params) {
            Some(options) => {
                format!("remove the file, and `polyformer keygen --secret SECRET {options} --out KEYS` makes it again")
            }
            None => "remove the file, and make the keys again with `polyformer keygen --secret SECRET`".into(),
        };
        read.map_err(|fault| fault.with_advice(again))
    }

    /// Checks that the file of `folder` has this key, as its header says: for the secret key of `of`, and for these levels
    /// or more. The words of the file are not read.
    ///
    /// # Errors
    /// [`Error::Usage`] for a key that is missing or for lower levels, with its purpose and the command that makes it;
    /// [`Error::File`] for a file of another secret key or kind, and for a file that cannot be read.
    pub fn check(self, folder: &Path, of: &Header, params: &Params) -> Result<()> {
        let path = folder.join(self.file_name());
        let make = || {
            let made = |options| format!(": `polyformer keygen --secret SECRET {options} --out KEYS` makes it");
            self.options(params).map_or(String::new(), made)
        };
        let refuse = |what: String| Err(Error::usage(path.display().to_string(), what + &make()));
        let header = match View::peek(&path) {
            Ok(header) => header,
            Err(_) if path.symlink_metadata().is_err() => {
                return refuse(format!("{} is missing", self.purpose(params)));
            }
            fault => self.readable(fault, params).with_path(&path)?,
        };
        header.expect_same(of).with_path(&path)?;
        header.expect_kind(self.kind()).with_path(&path)?;
        match (self, &header.body) {
            (KeySpec::Relin(need), Body::RelinKey { level, .. })
            | (KeySpec::Galois(_, need), Body::GaloisKey { level, .. })
                if *level < need =>
            {
                refuse(format!("{} serves levels up to {level}, level {need} is needed", self.purpose(params)))
            }
            (KeySpec::Galois(g, _), Body::GaloisKey { galois, .. }) if *galois != g => {
                refuse(format!("the key of X -> X^{galois} where X -> X^{g} is needed"))
            }
            _ => Ok(()),
        }
    }
}
