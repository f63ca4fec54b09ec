//! The count of published results. The count lies in the file of the secret key. A copy of the key has the count of the
//! moment when the copy was made. A result is counted under an exclusive lock, before the result is shown. A file that
//! cannot be locked, read or written counts nothing, and then nothing is published.
//!
//! A published result lies in a file beside the key, `KEY-RESULT.published`. The noise of a result follows from the secret
//! key and the name of the result. If the file is lost, the same values are published again without a count.

use super::{record, secret::Secret};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Budget, ResultId, STATISTICAL_BITS, hex},
};
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

/// A budget of `results` results at `bits` bits, of which none was published.
///
/// # Errors
/// [`Error::Usage`] for no results, or for bits outside [`STATISTICAL_BITS`].
pub fn ask(results: u32, bits: u32) -> Result<Budget> {
    if !STATISTICAL_BITS.contains(&bits) {
        let what = format!("from {} to {}", STATISTICAL_BITS.start(), STATISTICAL_BITS.end());
        return Err(Error::usage(format!("{bits} bits of statistical security"), what));
    }
    if results == 0 {
        return Err(Error::usage("0 results", "at least one is published"));
    }
    Ok(Budget { results, bits, published: 0 })
}

/// A file beside the key that keeps a published result.
#[derive(Debug)]
pub struct Receipt {
    /// The name of the result.
    pub id: ResultId,
    path: PathBuf,
    file: File,
}

impl Receipt {
    /// Writes the published values.
    ///
    /// # Errors
    /// [`Error::File`] with the name of the file. The same result can be published again without a count if the file is
    /// removed.
    pub fn keep(mut self, values: &str) -> Result<()> {
        self.file.write_all(values.as_bytes()).with_path(&self.path)?;
        self.file.sync_all().with_path(&self.path)
    }
}

/// Counts one result of a budget of `results` results at `bits` bits, in the file of `secret` at `path`. The first call
/// fixes the budget. The count is on the disk when this function returns.
///
/// `names` gives the name of each copy of the result, from 0 on. A copy whose file lies beside the key is not published
/// again. A copy that was counted and has no file any more is not counted again: its noise follows from its name, so the
/// same values come out. Without `names` each call counts.
///
/// # Errors
///
/// [`Error::Usage`] for another budget than the fixed one, and for a budget that is used up; those of [`record::update`].
pub fn spend(
    path: &Path,
    secret: &Secret,
    (results, bits): (u32, u32),
    names: Option<&dyn Fn(u32) -> ResultId>,
) -> Result<Option<Receipt>> {
    let asked = ask(results, bits)?;
    let mut receipt = None;
    record::update(path, secret, |real, record| {
        let before = record.budget.unwrap_or(asked);
        if (before.results, before.bits) != (results, bits) {
            let say = |b: &Budget| format!("{} results at {} bits", b.results, b.bits);
            let what = format!("the first result fixed {}, not {}", say(&before), say(&asked));
            return Err(Error::usage(path.display().to_string(), what));
        }
        let place = |id: &ResultId| {
            let key = secret.header.key.map_or(String::new(), |key| key.to_string());
            real.with_file_name(format!("{key:.8}-{}.published", hex(&id[..4])))
        };
        let free = |id: &ResultId| place(id).symlink_metadata().is_err();
        let id = names.and_then(|name| (0..=results).map(name).find(free));
        let known = id.is_some_and(|id| record.results.contains(&id));
        if !known && (before.published >= before.results || names.is_some() && id.is_none()) {
            let (published, results) = (before.published, before.results);
            let what = format!("{published} of {results} results were published, no more under this key");
            return Err(Error::usage(path.display().to_string(), what));
        }
        if let Some(id) = id {
            // before the count: the next process holds the lock of the new file of the key, and must see this name
            let path = place(&id);
            let file = OpenOptions::new().write(true).create_new(true).open(&path).with_path(&path)?;
            receipt = Some(Receipt { id, path, file });
        }
        if known {
            return Ok(false);
        }
        record.budget = Some(Budget { published: before.published + 1, ..before });
        id.into_iter().for_each(|id| record.add_result(id));
        Ok(true)
    })?;
    Ok(receipt)
}
