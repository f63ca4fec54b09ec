//! Files that other commands make. A missing or damaged file is refused with the command that makes it.

use crate::{
    Error, Result,
    error::WithPath,
    files::{FileError, Kind, Mapped, View, input},
};
use std::{io::ErrorKind, path::Path};

/// The commands that make files of `kinds`.
fn makers(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| format!("`{}`", kind.made_by())).collect::<Vec<_>>().join(" or ")
}

/// The file at `path`, which has one of `kinds`.
///
/// # Errors
/// [`Error::File`]: `Missing` with the command that makes such a file; those of [`Mapped::open`].
pub fn mapped(path: &Path, kinds: &[Kind]) -> Result<Mapped> {
    Mapped::open(path).map_err(missing(kinds)).with_path(path)
}

/// [`mapped`], or standard input for `-`.
///
/// # Errors
/// Those of [`mapped`].
pub fn mapped_or_standard(path: &Path, kinds: &[Kind]) -> Result<Mapped> {
    Mapped::input(path).map_err(missing(kinds)).with_path(input::named(path))
}

fn missing(kinds: &[Kind]) -> impl Fn(FileError) -> FileError + '_ {
    |fault| match fault {
        FileError::Io(e) if e.kind() == ErrorKind::NotFound => {
            let names = kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or ");
            FileError::Missing { kinds: names, makes: format!("{} makes one", makers(kinds)) }
        }
        fault => fault,
    }
}

/// The checked contents of a file that has one of `kinds`.
///
/// # Errors
/// [`Error::File`]: `Damaged` with the command that makes the file again; `Kind` for a file of another kind; others of
/// [`View::parse`].
pub fn view<'m>(path: &Path, mapped: &'m Mapped, kinds: &[Kind]) -> Result<View<'m>> {
    let again = || match kinds {
        [kind] => kind.again(),
        kinds => format!("make it again with {}", makers(kinds)),
    };
    let path = input::named(path);
    let view = View::parse(mapped.bytes()).map_err(|fault| fault.with_advice(again)).with_path(path)?;
    match kinds {
        [expected, ..] if !kinds.contains(&view.header.kind()) => {
            let (expected, actual) = (*expected, view.header.kind());
            Err(Error::File { path: path.into(), fault: FileError::Kind { expected, actual } })
        }
        _ => Ok(view),
    }
}
