//! The state of the CPU backend: its constants, tables, threads and memory.

use crate::{
    isa::Isa,
    memory::Pool,
    parallel::Threads,
    tables::{self, Table},
};
use polyformer_kernel::ring::Ring;

/// The backend of a machine with vectors and threads.
#[derive(Debug)]
pub struct Cpu<'r> {
    pub(crate) ring: Ring<'r>,
    pub(crate) isa: Isa,
    pub(crate) threads: Threads,
    pub(crate) tables: Vec<Table>, // one a prime index
    pub(crate) pool: Pool,
}

impl<'r> Cpu<'r> {
    /// The widest instruction set and every processor.
    pub fn new(ring: Ring<'r>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        Self::with(ring, Isa::detect(), threads)
    }

    /// A chosen instruction set and number of threads. Makes its own twiddle tables: 14 n bytes a prime and
    /// direction at most.
    pub fn with(ring: Ring<'r>, isa: Isa, threads: usize) -> Self {
        let tables = (0..ring.moduli().len()).map(|m| tables::build(isa, &ring, m)).collect();
        Self { ring, isa, threads: Threads::new(threads), tables, pool: Pool::default() }
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }
}
