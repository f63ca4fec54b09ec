//! The compute target: which backend computes, on how many threads, and the twiddle factors that every backend takes.
//!
//! # Why a `Job`
//! The backend is chosen at run time, but each backend is a type: `Cpu`, `Scalar`, `Wgpu`. Code over backends is
//! generic, `fn f<B: Backend>(be: B)`. A closure cannot be generic, so no closure can run on the chosen backend. A [`Job`]
//! is a closure written as a struct. Its fields are the captured values, and its method `run` is generic. [`Host::run`]
//! makes the backend and calls the method. The alternative, `dyn Backend`, would put a virtual call before every operation.
//! Buffers could then not have the type of their backend.
//!
//! ```
//! use polyformer::{Result, machine::{BackendKind, ComputeTarget, Host, Job}};
//! use polyformer_kernel::{backend::{Backend, Op, Shape}, params::{Params, presets}};
//!
//! /// Words of x + x, on any backend.
//! struct Double<'a>(&'a [u32], Shape);
//!
//! impl Job for Double<'_> {
//!     type Output = Vec<u32>;
//!
//!     fn run<B: Backend>(self, mut be: B) -> Result<Vec<u32>> {
//!         let Double(words, shape) = self;
//!         let (mut x, mut out) = (be.alloc(shape)?, vec![0; words.len()]);
//!         be.upload(&mut x, words)?;
//!         let (mut sum, basis) = (be.alloc(shape)?, shape.basis);
//!         be.zip(Op::Add, basis, &mut sum, &x, &x);
//!         be.download(&sum, &mut out)?;
//!         Ok(out)
//!     }
//! }
//!
//! let host = Host::new(Params::new(&presets::C12)?);
//! let shape = Shape { count: 1, basis: host.params().base(), cols: host.params().n() as u32 };
//! let words: Vec<u32> = (0..shape.words() as u32).collect();
//! for backend in [BackendKind::Scalar, BackendKind::Cpu] {
//!     let target = ComputeTarget { backend, ..ComputeTarget::cpu(1) };
//!     assert_eq!(host.run(target, Double(&words, shape))?[5], 10);
//! }
//! # Ok::<(), polyformer::Error>(())
//! ```

use crate::Result;
use backends::{Reserve, properties, row};
use polyformer_kernel::{
    backend::Backend,
    params::Params,
    ring::{Ring, tables},
    wipe::on_a_clean_stack,
};
use rayon::prelude::*;

mod backends;
pub mod dumps;
pub mod gpu;
pub mod memory;
pub mod peak;

pub use backends::BackendKind;

/// A backend and its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComputeTarget {
    /// The backend.
    pub backend: BackendKind,
    /// Threads that one instance may use.
    pub threads: usize,
    /// The GPU, for that backend.
    pub gpu: gpu::AdapterChoice,
}

impl ComputeTarget {
    /// These threads of the processor.
    pub fn cpu(threads: usize) -> Self {
        Self { backend: BackendKind::Cpu, threads, gpu: gpu::AdapterChoice::default() }
    }

    /// The instruction set on this machine.
    pub fn isa(self) -> &'static str {
        (properties(self.backend).isa)(self)
    }

    /// The client's compute target next to this target. The client's results go into files, and never to a GPU.
    pub fn client(self) -> Self {
        if properties(self.backend).remote { Self::cpu(self.threads) } else { self }
    }

    /// The number of threads of one instance.
    pub fn uses(self) -> usize {
        if properties(self.backend).threads { self.threads } else { 1 }
    }

    /// Several instances that share the threads: their number, and the target of each.
    pub fn split(self, most: usize) -> (usize, ComputeTarget) {
        let parts = if properties(self.backend).remote { 1 } else { self.threads.clamp(1, most) };
        (parts, ComputeTarget { threads: self.threads.div_ceil(parts), ..self })
    }
}

/// Work on the backend that is selected at run time.
pub trait Job {
    /// The result.
    type Output;
    /// Runs the job on a backend.
    fn run<B: Backend>(self, be: B) -> Result<Self::Output>;
    /// The planned words of buffers. A GPU reserves the words before the job starts.
    fn words(&self) -> usize {
        0
    }
}

/// Bytes of the stack that are overwritten after a client's job.
const STACK: usize = 1 << 16;

/// A parameter set with its twiddle factors.
#[derive(Clone, Debug)]
pub struct Host {
    params: Params,
    twiddles: Vec<u32>,
    #[cfg(feature = "wgpu")]
    gpu: gpu::Opened,
}

impl Host {
    /// Makes the twiddles, in parallel over the moduli.
    pub fn new(params: Params) -> Self {
        let n = params.n();
        let mut twiddles = vec![0; tables::words(n, params.moduli().len())];
        let tables = twiddles.par_chunks_exact_mut(tables::words(n, 1)).zip(params.moduli());
        tables.for_each(|(table, q)| tables::fill_one(n, *q, table));
        Self {
            params,
            twiddles,
            #[cfg(feature = "wgpu")]
            gpu: gpu::Opened::default(),
        }
    }

    /// The parameters.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The ring that backends compute in.
    ///
    /// # Errors
    ///
    /// None for a `Host` made by [`Host::new`], whose twiddles have the right length.
    pub fn ring(&self) -> Result<Ring<'_>> {
        Ok(self.params.ring(&self.twiddles)?)
    }

    /// Checks the memory of a remote device, before the program makes anything for the device.
    ///
    /// # Errors
    ///
    /// The device has less than `words` words.
    pub fn check(&self, on: ComputeTarget, words: usize) -> Result<()> {
        if properties(on.backend).remote { self.run(on, Reserve(words)) } else { Ok(()) }
    }

    /// [`Host::run`] of a job that holds secrets or plaintexts. The job keeps its backend in a
    /// [`Wiping`](polyformer_kernel::backend::Wiping). The part of the stack that the job used is overwritten at the end.
    ///
    /// # Errors
    ///
    /// Those of [`Host::run`].
    pub fn run_client<J: Job>(&self, on: ComputeTarget, job: J) -> Result<J::Output> {
        on_a_clean_stack::<STACK, _>(|| self.run(on, job))
    }

    /// Runs a job on a new instance of the backend.
    ///
    /// # Errors
    ///
    /// The backend cannot be opened, or the job fails.
    pub fn run<J: Job>(&self, on: ComputeTarget, job: J) -> Result<J::Output> {
        (row(on.backend).run)(self, on, job)
    }
}
