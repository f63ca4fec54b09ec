//! The SIMD backend. Kernels are written once over eight [`lanes`]; the instruction set is chosen once, at run time
//! ([`Isa`]), and rows are shared among threads, one parallel region an operation (two in the fused ones).
//!
//! Read upwards: [`lanes`] and its three implementations, [`stages`], [`ntt`] and [`intt`], [`rows`], [`convert`],
//! [`extend`], and the fused [`key_switch`] and [`mod_switch`]; [`backend`] maps the operations of the contract to them.
#![deny(unsafe_code)]

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
mod backend;
mod convert;
mod dots;
mod extend;
mod intt;
mod isa;
mod key_switch;
mod lanes;
mod memory;
mod mod_switch;
mod ntt;
mod parallel;
mod portable;
mod rows;
mod stages;
mod tables;

pub use isa::Isa;
pub use memory::Words;

use memory::Pool;
use parallel::Threads;
use polyformer_kernel::ring::Ring;
use tables::Table;

/// The backend of a machine with vectors and threads.
#[derive(Debug)]
pub struct Cpu<'r> {
    ring: Ring<'r>,
    isa: Isa,
    threads: Threads,
    tables: Vec<Table>, // one a line index
    pool: Pool,
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
