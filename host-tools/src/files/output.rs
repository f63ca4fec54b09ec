//! The one way to write an output. An [`Output`] is reserved before the work that makes its contents: the folder takes a
//! file, and nothing of value has the name. The contents appear under the name whole or not at all. An output replaces
//! its own older version and nothing else. `docs/reliability.md` lists what is refused.

use super::{
    KeyId, Kind, disk,
    fault::{FileError, Result},
    input, space,
    temporary::{Access, Refused, Temporary},
};
use std::{
    fs::{File, Metadata},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// What an output is, which says what it may replace.
#[derive(Clone, Copy)]
pub enum Form<'a> {
    /// A file of this kind. It replaces a file of the same kind.
    File(Kind),
    /// A key. It replaces a file of the same kind that belongs to the same secret key, or to any if `force` is set.
    Key {
        /// The kind.
        kind: Kind,
        /// The secret key of the new file.
        key: Option<KeyId>,
        /// Whether the file of another secret key may be replaced.
        force: bool,
    },
    /// A file whose header names this kind and whose format is not the format of [`Kind`]. It replaces a file that names
    /// the same kind.
    Named(&'static str),
    /// Bytes of another format, called `what`. They replace bytes of which `own` is true.
    Other {
        /// The name of the format, in messages.
        what: &'static str,
        /// Whether the bytes are text, which a terminal can show.
        text: bool,
        /// Whether a file is an older version, from its metadata and contents.
        own: &'a dyn Fn(&Metadata, &[u8]) -> bool,
    },
}

impl Form<'_> {
    fn name(&self) -> String {
        match self {
            Form::File(kind) | Form::Key { kind, .. } => format!("{} {kind} file", kind.article()),
            Form::Named(kind) => format!("a file of kind {kind}"),
            Form::Other { what, .. } => (*what).into(),
        }
    }

    /// What `file` is, if this output may not replace it, and what to do.
    fn objection(&self, file: &mut File, metadata: &Metadata) -> io::Result<Option<(String, &'static str)>> {
        if metadata.len() == 0 {
            return Ok(None); // nothing is lost
        }
        let claim = claim(file)?;
        let there = match &claim {
            Some((kind, Some(key))) => format!("a {kind} file of key {key}"),
            Some((kind, None)) => format!("a {kind} file"),
            None => "a file of another format".into(),
        };
        let own = match (self, &claim) {
            (Form::File(kind), Some((there, _))) => *there == kind.to_string(),
            (Form::Named(kind), Some((there, _))) => there == kind,
            (Form::Key { kind, key, force }, Some((there, of))) => {
                *there == kind.to_string() && (*force || *of == key.map(|key| key.to_string()))
            }
            (Form::Other { own, .. }, None) => own(metadata, &contents(file, metadata)?),
            _ => false,
        };
        let advice = match (self, &claim) {
            (Form::Key { kind, .. }, Some((there, _))) if *there == kind.to_string() => {
                "--force replaces the keys of another secret key"
            }
            (Form::Key { .. }, _) => "remove the file, or give another folder",
            _ => RENAME,
        };
        Ok(if own { None } else { Some((there, advice)) })
    }
}

/// The advice for most outputs.
const RENAME: &str = "give another name for the output";

/// The largest file that is read to see whether it is an older version.
const MOST: u64 = 1 << 26;

fn contents(file: &mut File, metadata: &Metadata) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if metadata.len() <= MOST {
        io::Seek::rewind(file)?;
        file.take(MOST).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Kind and key of a file by its header, which may be of any version, and whose contents may be damaged.
fn claim(file: &mut File) -> io::Result<Option<(String, Option<String>)>> {
    let mut length = [0; 8];
    let mut head = Vec::new();
    io::Seek::rewind(file)?;
    if file.read_exact(&mut length).is_err() || u64::from_le_bytes(length) > super::MAX_HEADER {
        return Ok(None);
    }
    file.take(u64::from_le_bytes(length)).read_to_end(&mut head)?;
    let json: serde_json::Value = serde_json::from_slice(head.trim_ascii_end()).unwrap_or_default();
    let field = |name: &str| json["__metadata__"][name].as_str().map(|text| text.chars().take(40).collect::<String>());
    Ok(field("polyformer").and(field("kind")).map(|kind| (kind, field("key"))))
}

/// A reserved output: nothing has its name, or its older version has.
pub struct Output(Target);

enum Target {
    Standard,
    File { path: PathBuf, temporary: Temporary, there: Option<Stamp> },
}

/// What identifies the contents of a file without reading them.
#[derive(PartialEq)]
struct Stamp {
    length: u64,
    time: Option<std::time::SystemTime>,
    node: Option<(u64, u64)>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), time: metadata.modified().ok(), node: node(metadata) }
    }
}

/// Device and number of a file: the same for every name of the file.
fn node(metadata: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

impl Output {
    /// Whether `path` names standard output: `-` or `/dev/stdout`.
    pub fn is_standard(path: &Path) -> bool {
        path == Path::new("-") || path == Path::new("/dev/stdout")
    }

    /// Reserves `path` for an output. `inputs` are the files that the command reads. A link is followed: the file that
    /// the link names is replaced, and the link stays. Standard output is reserved by its name.
    ///
    /// # Errors
    /// `Occupied` and `AlsoInput` for a file that is not the output's own older version, `Special` for no plain file,
    /// `Busy` if another process has reserved the name, `Io` if the folder is missing or takes no files.
    pub fn reserve(path: &Path, form: Form<'_>, access: Access, inputs: &[&Path]) -> Result<Self> {
        if Self::is_standard(path) {
            let binary = !matches!(form, Form::Other { text: true, .. });
            if binary && io::IsTerminal::is_terminal(&io::stdout()) {
                return Err(FileError::Special { what: "a terminal" });
            }
            return Ok(Self(Target::Standard));
        }
        Self::at(path, form, access, inputs)
    }

    /// [`Output::reserve`] of a file, whatever its name.
    ///
    /// # Errors
    /// Those of [`Output::reserve`].
    pub fn at(path: &Path, form: Form<'_>, access: Access, inputs: &[&Path]) -> Result<Self> {
        let found = check(path, form, inputs)?;
        let path = if found.is_some() { path.canonicalize()? } else { path.into() };
        let name = path.file_name().ok_or_else(|| FileError::Io(io::ErrorKind::InvalidFilename.into()))?;
        let temporary = Temporary::create(folder(&path), name, access).map_err(|refused| match refused {
            Refused::Busy => FileError::Busy,
            Refused::Io(e) if e.kind() == io::ErrorKind::NotFound => {
                let what = format!("the folder {} does not exist", folder(&path).display());
                io::Error::new(io::ErrorKind::NotFound, what).into()
            }
            Refused::Io(e) => e.into(),
        })?;
        if let Some(older) = &found {
            keep_mode(&temporary.file, older)?;
        }
        Ok(Self(Target::File { temporary, there: found.as_ref().map(Stamp::of), path }))
    }

    /// Checks that there is room for `bytes` more bytes in the folder, as far as the system says.
    ///
    /// # Errors
    /// `Space` with both numbers.
    pub fn expect(&self, bytes: u64) -> Result<()> {
        match &self.0 {
            Target::Standard => Ok(()),
            Target::File { path, .. } => space::check(folder(path), bytes, bytes),
        }
    }

    /// Whether the contents go to standard output, so that a report must not go there.
    pub fn to_standard(&self) -> bool {
        matches!(self.0, Target::Standard)
    }

    /// Writes the contents to the disk, and gives them their name. On failure the older version stays.
    ///
    /// # Errors
    /// `Io` of `contents` or of the system, `Changed` if another program has written the name since.
    pub fn write(self, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
        self.stage(contents)?.commit()
    }

    /// Writes the contents to the disk, under a temporary name.
    ///
    /// # Errors
    /// `Io` of `contents` or of the system.
    pub fn stage(self, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Staged> {
        match &self.0 {
            Target::Standard => {
                let mut out = io::stdout().lock();
                contents(&mut out)?;
                out.flush()?;
            }
            Target::File { temporary, .. } => {
                let mut file = io::BufWriter::new(&temporary.file);
                contents(&mut file)?;
                file.flush()?;
                drop(file);
                disk::sync(&temporary.file)?;
            }
        }
        Ok(Staged(self.0))
    }
}

/// An output whose contents are on the disk and have no name yet.
pub struct Staged(Target);

impl Staged {
    /// The temporary name; `None` on standard output.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Target::Standard => None,
            Target::File { temporary, .. } => Some(temporary.path()),
        }
    }

    /// Gives the contents their name.
    ///
    /// # Errors
    /// `Changed` if another program has written the name since; `Io` of the system.
    pub fn commit(self) -> Result<()> {
        let Target::File { path, temporary, there } = self.0 else { return Ok(()) };
        match (there, path.metadata()) {
            (Some(stamp), Ok(now)) if stamp != Stamp::of(&now) => return Err(FileError::Changed),
            (Some(_), Ok(_)) => temporary.rename(&path)?,
            _ => temporary.link(&path).map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => FileError::Changed,
                _ => e.into(),
            })?,
        }
        if let Ok(folder) = File::open(folder(&path)) {
            let _ = disk::sync(&folder); // the name itself; not every file system can
        }
        Ok(())
    }
}

/// Checks that an output may have the name `path`, and returns the metadata of the older version.
///
/// # Errors
/// Those of [`Output::reserve`], except for the folder.
pub fn check(path: &Path, form: Form<'_>, inputs: &[&Path]) -> Result<Option<Metadata>> {
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(FileError::Special { what: "a folder" });
    }
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_ok() => {
            return Err(FileError::Special { what: "a link to nothing" });
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    if !metadata.is_file() {
        return Err(FileError::Special { what: input::kind_of(metadata.file_type()) });
    }
    let same = |input: &&&Path| input.metadata().is_ok_and(|m| node(&m).is_some() && node(&m) == node(&metadata));
    if let Some(input) = inputs.iter().find(same) {
        return Err(FileError::AlsoInput { input: input.to_path_buf() });
    }
    let occupied = |there: String, advice| FileError::Occupied { there, output: form.name(), advice };
    if metadata.permissions().readonly() {
        return Err(occupied("a file that is read-only".into(), RENAME));
    }
    let (mut file, metadata) = input::open(path)?;
    match form.objection(&mut file, &metadata)? {
        Some((there, advice)) => Err(occupied(there, advice)),
        None => Ok(Some(metadata)),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that its owner closed to others stays closed.
fn keep_mode(file: &File, older: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let (new, old) = (file.metadata()?.permissions().mode(), older.permissions().mode());
        file.set_permissions(std::fs::Permissions::from_mode(new & old & 0o777))?;
    }
    #[cfg(not(unix))]
    let _ = (file, older);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Access, Form, Output, disk::watch};

    #[test]
    fn contents_are_on_the_disk_before_their_name_and_the_name_after() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let form = || Form::Other { what: "bytes", text: false, own: &|_, _| true };
        for expected in [[false, true], [true, true]] {
            watch::start(&path); // a new name, then an older version
            Output::at(&path, form(), Access::Shared, &[]).unwrap().write(|file| file.write_all(b"x")).unwrap();
            assert_eq!(watch::seen(), expected);
        }
    }
}
