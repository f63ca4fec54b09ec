//! Vectors in the clear: from memory, from text, or from a file of NumPy, which is read row by row and may be larger than
//! memory.

use super::BLOCK;
use crate::files::{self, FileError, MAX_WIDTH, input, numbers, text};
use half::f16;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// Some vectors of one width, at least one of each.
pub struct Vectors {
    width: usize,
    count: u64,
    source: Source,
}

enum Source {
    Memory(Vec<f32>),
    Npy { file: Mutex<File>, at: u64, of: Element },
}

/// The numbers of a NumPy file, little-endian.
#[derive(Clone, Copy)]
enum Element {
    Half,
    Single,
    Double,
}

impl Element {
    fn size(self) -> usize {
        match self {
            Element::Half => 2,
            Element::Single => 4,
            Element::Double => 8,
        }
    }

    fn read(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Element::Half => out.extend(bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
            Element::Single => out.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
            Element::Double => out.extend(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
        }
    }
}

/// The first bytes of a NumPy file.
const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header of a NumPy file that is read.
const MAX_NPY_HEADER: u64 = 1 << 16;

impl Vectors {
    /// Vectors of `width` numbers, one after the other.
    ///
    /// # Errors
    /// `Model` for no vectors, a width over [`MAX_WIDTH`], numbers that are no whole vectors, or a number that is not
    /// finite.
    pub fn new(width: usize, numbers: Vec<f32>) -> files::Result<Self> {
        let count = numbers.len().checked_div(width).unwrap_or(0);
        if count * width != numbers.len() {
            return Err(FileError::model(format!("{} numbers are no vectors of {width}", numbers.len())));
        }
        Self { width, count: count as u64, source: Source::Memory(numbers) }.checked()
    }

    /// The vectors of a file: an array of NumPy with two dimensions and little-endian floats, or text with one vector a
    /// line. The name `-` is text on standard input.
    ///
    /// # Errors
    /// `Io`; `Text` or `Model` for contents that are no such vectors.
    pub fn read(path: &Path) -> files::Result<Self> {
        if !input::is_standard(path) {
            let (mut file, metadata) = input::open(path)?;
            let mut magic = [0; MAGIC.len()];
            if file.read_exact(&mut magic).is_ok() && magic == MAGIC {
                return npy(file, metadata.len())?.checked();
            }
        }
        let rows = numbers::rows(&text::decode(input::read(path, input::MAX_TEXT)?)?)?;
        let width = rows.first().map_or(0, |(_, row)| row.len());
        if let Some((line, row)) = rows.iter().find(|(_, row)| row.len() != width) {
            let what = format!("{} numbers where the first vector has {width}", row.len());
            return Err(FileError::Text { line: *line, what });
        }
        Self::new(width, rows.into_iter().flat_map(|(_, row)| row).map(|x| x as f32).collect())
    }

    fn checked(self) -> files::Result<Self> {
        if self.count == 0 || self.width == 0 {
            return Err(FileError::model("0 vectors, at least 1 is needed"));
        }
        if self.width > MAX_WIDTH {
            return Err(FileError::model(format!(
                "vectors of {} numbers, at most {MAX_WIDTH} are possible",
                self.width
            )));
        }
        Ok(self)
    }

    /// Numbers of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of vectors.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Calls `f` with the vectors of each block of the index, row by row. One block is in memory at a time.
    ///
    /// # Errors
    /// `Io`; `Model` with the vector that has a number which is not finite; those of `f`.
    pub fn blocks(&self, mut f: impl FnMut(&[f32]) -> files::Result<()>) -> files::Result<()> {
        let mut rows = Vec::new();
        for from in (0..self.count).step_by(BLOCK) {
            let count = (self.count - from).min(BLOCK as u64) as usize;
            self.load(from, count, &mut rows)?;
            if let Some(at) = rows.iter().position(|x| !x.is_finite()) {
                let vector = from + (at / self.width) as u64 + 1;
                return Err(FileError::model(format!("vector {vector}: number {} is not finite", at % self.width + 1)));
            }
            f(&rows)?;
        }
        Ok(())
    }

    fn load(&self, from: u64, count: usize, rows: &mut Vec<f32>) -> files::Result<()> {
        rows.clear();
        match &self.source {
            Source::Memory(numbers) => {
                let from = from as usize * self.width;
                rows.extend_from_slice(&numbers[from..from + count * self.width]);
            }
            Source::Npy { file, at, of } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(at + from * (self.width * of.size()) as u64))?;
                let mut bytes = vec![0; count * self.width * of.size()];
                file.read_exact(&mut bytes)?;
                of.read(&bytes, rows);
            }
        }
        Ok(())
    }
}

/// An array of NumPy, whose magic bytes were read.
fn npy(mut file: File, length: u64) -> files::Result<Vectors> {
    let bad = |what: &str| FileError::model(format!("NumPy file: {what}"));
    let mut version = [0; 2];
    file.read_exact(&mut version)?;
    let header = match version[0] {
        1 => {
            let mut size = [0; 2];
            file.read_exact(&mut size)?;
            u16::from_le_bytes(size) as u64
        }
        2 | 3 => {
            let mut size = [0; 4];
            file.read_exact(&mut size)?;
            u32::from_le_bytes(size) as u64
        }
        other => return Err(bad(&format!("format version {other}, this program reads 1 to 3"))),
    };
    if header > MAX_NPY_HEADER {
        return Err(FileError::HeaderSize { claimed: header, limit: MAX_NPY_HEADER });
    }
    let mut about = vec![0; header as usize];
    file.read_exact(&mut about)?;
    let about = String::from_utf8(about).map_err(|_| bad("a header that is no text"))?;
    let after = |name: &str| about.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
    let of = match after("descr").and_then(|rest| rest.split('\'').nth(1)) {
        Some("<f2") => Element::Half,
        Some("<f4") => Element::Single,
        Some("<f8") => Element::Double,
        Some(other) => return Err(bad(&format!("numbers of type {other}, expected <f2, <f4 or <f8"))),
        None => return Err(bad("no type in its header")),
    };
    if after("fortran_order").is_none_or(|rest| !rest.starts_with("False")) {
        return Err(bad("columns first (fortran_order), expected rows first"));
    }
    let shape = after("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split_once(')'));
    let shape = shape.ok_or_else(|| bad("no shape in its header"))?.0;
    let sizes: Vec<u64> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let [count, width] = sizes[..] else { return Err(bad(&format!("shape ({shape}), expected two dimensions"))) };
    let at = file.stream_position()?;
    let bytes = count.checked_mul(width).and_then(|numbers| numbers.checked_mul(of.size() as u64));
    let expected = bytes.and_then(|bytes| bytes.checked_add(at)).ok_or_else(|| bad("a shape beyond 64 bits"))?;
    if expected != length {
        return Err(FileError::Size { expected, actual: length });
    }
    let width = usize::try_from(width).map_err(io::Error::other)?;
    Ok(Vectors { width, count, source: Source::Npy { file: Mutex::new(file), at, of } })
}
