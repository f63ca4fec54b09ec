//! The state of a GPU backend: the constants of the ring, and the recorder of its work.

use crate::{gpu::Gpu, recorder::Recorder};
use polyformer_kernel::ring::Ring;

/// The backend on a GPU.
pub struct Wgpu<'r> {
    pub(crate) ring: Ring<'r>,
    pub(crate) recorder: Recorder,
    pub(crate) downloads: u64,
}

impl<'r> Wgpu<'r> {
    /// A backend on `gpu`. Several backends may share a GPU. Uploads the constants of `ring`.
    ///
    /// # Errors
    ///
    /// The device has no room for the constants.
    pub fn new(ring: Ring<'r>, gpu: &Gpu) -> polyformer_kernel::Result<Self> {
        Ok(Self { ring, recorder: Recorder::new(gpu, &ring)?, downloads: 0 })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        self.recorder.gpu()
    }

    /// The number of downloads.
    pub fn downloads(&self) -> u64 {
        self.downloads
    }

    /// The number of recorded dispatches.
    pub fn dispatches(&self) -> u64 {
        self.recorder.dispatches()
    }

    /// The number of dispatches of each shader, the most frequent first.
    pub fn kernels(&self) -> Vec<(&'static str, u64)> {
        let mut counts = std::collections::BTreeMap::new();
        self.recorder.kernels().for_each(|(kernel, count)| *counts.entry(kernel.name()).or_default() += count);
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
        counts
    }

    /// Words of device memory that are set aside, free ones included.
    pub fn reserved(&self) -> usize {
        self.recorder.memory().reserved()
    }

    /// Words of buffers that are in use, and the most that have been at once.
    pub fn used(&self) -> (usize, usize) {
        self.recorder.memory().used()
    }

    /// Reserves GPU memory for `words` words of buffers in total, so that a planned run does not fail midway.
    ///
    /// # Errors
    ///
    /// The device has less room. The error names the words that are reserved.
    pub fn reserve(&mut self, words: usize) -> polyformer_kernel::Result<()> {
        self.recorder.memory().reserve(words)
    }
}

impl core::fmt::Debug for Wgpu<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Wgpu").field("gpu", self.gpu()).field("dispatches", &self.dispatches()).finish_non_exhaustive()
    }
}
