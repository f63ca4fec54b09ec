//! What a server computes for anybody who asks: parameter sets that the server knows, within a memory that the server
//! gives. A question names its own parameter set, and the set decides what the question costs.

use crate::{
    Error, Result,
    files::{self, FileError},
    machine::memory,
    model::Pretrained,
    spec::SpecBuf,
};
use polyformer_kernel::params::presets;

/// The parameter sets and the memory of a server.
///
/// ```
/// use polyformer::{model::Pretrained, session::Admission, spec::SpecBuf};
///
/// let admission = Admission::of(&Pretrained::open(None)?).with_memory(1 << 30);
/// assert!(admission.check_params(&SpecBuf::preset("B16").expect("a preset")).is_ok());
/// let error = admission.check_params(&SpecBuf::preset("L14").expect("a preset")).expect_err("no bootstrapping");
/// assert_eq!(error.to_string(), "parameter set L14 where B16, F16 or H16 is needed");
/// let error = admission.check_memory(1 << 30).expect_err("words of four bytes");
/// assert_eq!(error.to_string(), "--memory 1024: the question needs 4096 MiB");
/// # Ok::<(), polyformer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Admission {
    sets: Vec<(blake3::Hash, String)>,
    bytes: Option<u64>,
}

impl Admission {
    /// The set that the model was packed for, or every preset that bootstraps. The memory is the machine's.
    pub fn of(model: &Pretrained) -> Self {
        let presets = presets::ALL.iter().filter(|(_, spec)| spec.bootstrap.is_some());
        let sets = model.spec.clone().map_or_else(|| presets.map(|(_, spec)| spec.into()).collect(), |spec| vec![spec]);
        Self::sets(sets.iter().map(|spec: &SpecBuf| (spec.hash(), spec.label())))
    }

    /// These sets by hash and name, and the memory of the machine.
    pub fn sets(sets: impl IntoIterator<Item = (blake3::Hash, String)>) -> Self {
        Self { sets: sets.into_iter().collect(), bytes: memory::total() }
    }

    /// At most this many bytes for a question.
    pub fn with_memory(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// Insists on one of the sets.
    ///
    /// # Errors
    /// `OtherParams` with the name of `spec` and the names of the sets.
    pub fn check_params(&self, spec: &SpecBuf) -> files::Result<()> {
        let hash = spec.hash();
        if self.sets.iter().any(|(known, _)| *known == hash) {
            return Ok(());
        }
        let names: Vec<&str> = self.sets.iter().map(|(_, name)| name.as_str()).collect();
        let expected = match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.concat(),
        };
        Err(FileError::OtherParams { expected, actual: spec.label() })
    }

    /// Insists on a plan of at most as many words as the server gives.
    ///
    /// # Errors
    /// [`Error::Usage`] with both numbers, in MiB.
    pub fn check_memory(&self, words: usize) -> Result<()> {
        let needed = 4 * words as u64;
        match self.bytes {
            Some(given) if needed > given => {
                let mib = |bytes: u64| bytes.div_ceil(1 << 20);
                let what = format!("the question needs {} MiB", mib(needed));
                Err(Error::usage(format!("--memory {}", given >> 20), what))
            }
            _ => Ok(()),
        }
    }
}
