//! The backends that a user can select. Each backend is a variant of [`BackendKind`] and a row of [`row`]; no other
//! code names every backend.

use super::{ComputeTarget, Host, Job};
use crate::Result;
use polyformer_cpu::{Cpu, Isa};
use polyformer_kernel::backend::Backend;
use polyformer_scalar::{Block, Scalar};
use std::{cell::RefCell, fmt};

/// A backend, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BackendKind {
    /// Vectors and threads, with the widest instructions that the processor has.
    Cpu,
    /// The portable backend, one thread: the specification at work.
    Scalar,
    /// A GPU.
    Wgpu,
    /// The first GPU that is not software, otherwise the CPU.
    Auto,
}

/// The properties of a backend, and its constructor.
pub(super) struct Row<J: Job> {
    /// The name on the command line and in reports.
    pub name: &'static str,
    /// The instruction set, for reports.
    pub isa: fn(ComputeTarget) -> &'static str,
    /// True if one instance computes on several threads.
    pub threads: bool,
    /// True if buffers lie outside the memory of the host. Clients then use the CPU, and instances do not share threads.
    pub remote: bool,
    /// Makes an instance and runs the job on the instance.
    pub run: fn(&Host, ComputeTarget, J) -> Result<J::Output>,
}

/// The row of a backend.
pub(super) fn row<J: Job>(kind: BackendKind) -> Row<J> {
    match kind {
        BackendKind::Cpu => {
            Row { name: "cpu", isa: |_| Isa::detect().name(), threads: true, remote: false, run: on_cpu }
        }
        BackendKind::Scalar => {
            Row { name: "scalar", isa: |_| "portable", threads: false, remote: false, run: on_scalar }
        }
        BackendKind::Wgpu => Row { name: "wgpu", isa: gpu_isa, threads: false, remote: true, run: on_gpu },
        BackendKind::Auto => Row { name: "auto", threads: false, ..row(BackendKind::Cpu) },
    }
}

/// The properties of a backend, without a job.
pub(super) fn properties(kind: BackendKind) -> Row<Reserve> {
    row(kind)
}

/// A job that reserves words on a backend and ends.
pub(super) struct Reserve(pub usize);

impl Job for Reserve {
    type Output = ();

    fn words(&self) -> usize {
        self.0
    }

    fn run<B: Backend>(self, _: B) -> Result<()> {
        Ok(())
    }
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(properties(*self).name)
    }
}

fn on_cpu<J: Job>(host: &Host, on: ComputeTarget, job: J) -> Result<J::Output> {
    job.run(Cpu::with(host.ring()?, Isa::detect(), on.threads))
}

/// The number of buffers of a scalar backend. Their pages stay zero until their first use.
const BLOCKS: usize = 192;

fn on_scalar<J: Job>(host: &Host, _: ComputeTarget, job: J) -> Result<J::Output> {
    let words = host.params.moduli().len() * host.params.n();
    let mut memory: Vec<Vec<u32>> = (0..BLOCKS).map(|_| vec![0; words]).collect();
    let pool: Vec<Block<'_>> = memory.iter_mut().map(|block| RefCell::new(&mut block[..])).collect();
    job.run(Scalar::new(host.ring()?, &pool))
}

fn gpu_isa(on: ComputeTarget) -> &'static str {
    if on.gpu.halves { "16-bit halves" } else { "64-bit integers" }
}

#[cfg(feature = "wgpu")]
fn on_gpu<J: Job>(host: &Host, on: ComputeTarget, job: J) -> Result<J::Output> {
    use std::sync::atomic::{AtomicBool, Ordering};

    let gpu = host.gpu.get(on.gpu)?;
    let mut be = polyformer_wgpu::Wgpu::new(host.ring()?, gpu)?;
    be.reserve(job.words())?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| gpu.prepare(host.params.specials(), &done));
        let out = job.run(be);
        done.store(true, Ordering::Relaxed);
        out
    })
}

#[cfg(not(feature = "wgpu"))]
fn on_gpu<J: Job>(_: &Host, _: ComputeTarget, _: J) -> Result<J::Output> {
    super::gpu::list().and_then(|_| Err(crate::Error::usage("--backend wgpu", "no adapter")))
}

#[cfg(test)]
mod tests {
    use super::BackendKind;
    use clap::ValueEnum;

    #[test]
    fn reports_name_a_backend_as_the_command_line_does() {
        for kind in BackendKind::value_variants() {
            let name = kind.to_possible_value().map(|value| value.get_name().to_string());
            assert_eq!(name, Some(kind.to_string()));
        }
    }
}
