//! The faults of a file, each with the two values that disagree.

use super::Kind;

/// A fault of a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// No plain file.
    #[error("{what}, where a plain file is needed")]
    Special {
        /// What the name is.
        what: &'static str,
    },
    /// A pipe by its name, where standard input can be named.
    #[error("a pipe, where a plain file is needed; the name - reads standard input")]
    Pipe,
    /// A text or a file that is too long to be read.
    #[error("more than {most} bytes")]
    Long {
        /// The most that is read.
        most: u64,
    },
    /// An output would replace something that is not its own older version.
    #[error("{there} is there, and {output} does not replace it: {advice}")]
    Occupied {
        /// What has the name.
        there: String,
        /// The output.
        output: String,
        /// What to do.
        advice: &'static str,
    },
    /// An output has the name of an input of the same command.
    #[error("an input of this command has this name ({}): give another name for the output", input.display())]
    AlsoInput {
        /// The input, as it was given.
        input: std::path::PathBuf,
    },
    /// Another process is at work on the same file or folder.
    #[error("another process is writing here now: wait for its end, or give another name")]
    Busy,
    /// A file appeared or changed while the command ran.
    #[error("something else was written here while this command ran: nothing is replaced")]
    Changed,
    /// No room for an output.
    #[error("{need} bytes are needed and {free} are free")]
    Space {
        /// Bytes of the output.
        need: u64,
        /// Bytes that the user may still write.
        free: u64,
    },
    /// Shorter or longer than its header says.
    #[error("{actual} bytes where the header says {expected}")]
    Size {
        /// Bytes that the header accounts for.
        expected: u64,
        /// Bytes of the file.
        actual: u64,
    },
    /// The header claims to be larger than any header of ours.
    #[error("a header of {claimed} bytes, at most {limit} are read")]
    HeaderSize {
        /// Bytes claimed.
        claimed: u64,
        /// The most that is read.
        limit: u64,
    },
    /// The header is not a safetensors header.
    #[error("not a safetensors header: {0}")]
    Header(String),
    /// A safetensors file of another program.
    #[error("not a polyformer file: its metadata has no \"polyformer\" version")]
    Foreign,
    /// Written by a newer program.
    #[error("format version {file}, this program reads up to {supported}")]
    Version {
        /// Version of the file.
        file: u32,
        /// The newest that can be read.
        supported: u32,
    },
    /// A file of an older format.
    #[error("a {kind} of format version {file}, this program reads {supported}: make it again with `{}`", kind.made_by())]
    Old {
        /// Its kind.
        kind: Kind,
        /// Version of the file.
        file: u32,
        /// The version that can be read.
        supported: u32,
    },
    /// The file has the wrong kind.
    #[error("{} {actual} file where {} {expected} file is needed{}", actual.article(), expected.article(), origin(expected))]
    Kind {
        /// The needed kind.
        expected: Kind,
        /// The kind of the file.
        actual: Kind,
    },
    /// A metadata field is missing or has the wrong value.
    #[error("metadata field \"{field}\" is {value}, expected {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value, or "missing".
        value: String,
        /// The expected value.
        expected: String,
    },
    /// The parameter set in the file is not a valid one.
    #[error("parameter set: {0}")]
    Params(#[from] polyformer_kernel::Error),
    /// Made for another parameter set.
    #[error("parameter set {actual} where {expected} is needed")]
    OtherParams {
        /// The one needed.
        expected: String,
        /// The file's.
        actual: String,
    },
    /// Made with another secret key.
    #[error("belongs to key {actual} where key {expected} is needed")]
    OtherKey {
        /// The one needed.
        expected: String,
        /// The file's.
        actual: String,
    },
    /// An answer to another question.
    #[error("the answer to question {actual} where the answer to question {expected} is needed")]
    OtherQuestion {
        /// The one needed.
        expected: String,
        /// The file's.
        actual: String,
    },
    /// Made for another model.
    #[error("made for model {actual} where model {expected} is needed")]
    OtherModel {
        /// The one needed.
        expected: String,
        /// The file's.
        actual: String,
    },
    /// Vectors of another width.
    #[error("vectors of {actual} numbers where {expected} are needed")]
    OtherWidth {
        /// The width needed.
        expected: usize,
        /// The file's.
        actual: usize,
    },
    /// Made for other numbers of tokens.
    #[error("made for {actual} tokens where {expected} are needed")]
    OtherTokens {
        /// The ones needed.
        expected: String,
        /// The file's.
        actual: String,
    },
    /// A file whose count of published results would differ by name.
    #[error("the key has {names} names (hard links), and one of them would keep the old count: leave one")]
    HardLinks {
        /// The number of names.
        names: u64,
    },
    /// A tensor is missing, superfluous, or of another shape.
    #[error("tensor \"{tensor}\" is {actual}, expected {expected}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// The expected value.
        expected: String,
        /// The actual value.
        actual: String,
    },
    /// The contents differ from the written contents.
    #[error("contents have digest {actual}, the header says {expected}")]
    Digest {
        /// Digest in the header.
        expected: String,
        /// Digest of the contents.
        actual: String,
    },
    /// A damaged file that a command makes again.
    #[error("{fault}: {again}")]
    Damaged {
        /// The fault.
        fault: Box<FileError>,
        /// What to do.
        again: String,
    },
    /// A file that is missing where a command makes one.
    #[error("no {kinds} file is there: {makes}")]
    Missing {
        /// The kinds that would do.
        kinds: String,
        /// What makes the file.
        makes: String,
    },
    /// A residue is not below its modulus.
    #[error("tensor \"{tensor}\" row {row} word {index} is {word}, not below its modulus {q}")]
    Word {
        /// The tensor.
        tensor: String,
        /// Row of the tensor, all leading dimensions counted.
        row: usize,
        /// Position in the row.
        index: usize,
        /// The word.
        word: u32,
        /// The modulus of the row.
        q: u32,
    },
    /// Numbers that cannot be encoded.
    #[error("{0}")]
    Values(polyformer_kernel::Error),
    /// A model that the engines cannot run.
    #[error("{0}")]
    Model(String),
    /// Text that cannot be read.
    #[error("line {line}: {what}")]
    Text {
        /// Line number of the text, from 1.
        line: usize,
        /// The fault, with the text.
        what: String,
    },
}

/// What makes a file of a kind that earlier versions did not have.
fn origin(kind: &Kind) -> String {
    match kind {
        Kind::Question | Kind::Answer | Kind::Query | Kind::Scores => format!(", as `{}` writes it", kind.made_by()),
        _ => String::new(),
    }
}

/// Result of reading or writing a file, before the path is added.
pub type Result<T> = std::result::Result<T, FileError>;

/// A text that may hold names of a file, on one line: control characters are escaped as in JSON.
fn one_line(text: &str) -> String {
    let written = |c: char| if c.is_control() { format!("\\u{:04x}", c as u32) } else { c.to_string() };
    text.trim_end().chars().map(written).collect()
}

impl FileError {
    /// A model that the engines cannot run; `what` may hold names of the file.
    pub fn model(what: impl Into<String>) -> Self {
        let what: String = what.into();
        FileError::Model(one_line(&what))
    }

    /// A header that is none; the error may hold names of the file.
    pub fn header(what: impl std::fmt::Display) -> Self {
        FileError::Header(one_line(&what.to_string()))
    }

    /// Whether the file itself is at fault: it is damaged or missing, where a good file was written.
    pub fn is_damage(&self) -> bool {
        use FileError::{Damaged, Digest, Field, Foreign, Header, HeaderSize, Io, Missing, Size, Tensor, Word};
        match self {
            Io(e) => e.kind() == std::io::ErrorKind::NotFound,
            Size { .. } | HeaderSize { .. } | Header(_) | Foreign | Field { .. } => true,
            Digest { .. } | Tensor { .. } | Word { .. } | Damaged { .. } | Missing { .. } => true,
            _ => false,
        }
    }

    /// With what makes the file again, if the file is damaged.
    pub fn with_advice(self, again: impl FnOnce() -> String) -> Self {
        match self {
            Self::Damaged { .. } | Self::Missing { .. } => self,
            fault if fault.is_damage() => Self::Damaged { again: again(), fault: Box::new(fault) },
            fault => fault,
        }
    }

    /// A field that is missing or wrong.
    pub fn field(field: &'static str, value: Option<&str>, expected: impl Into<String>) -> Self {
        let value = value.map_or("missing".into(), |v| {
            let short: String = v.chars().take(80).collect();
            format!("{short:?}")
        });
        let expected: String = expected.into();
        FileError::Field { field, value, expected: one_line(&expected) }
    }
}
