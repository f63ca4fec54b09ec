//! The backends that every part runs on. Their words must be the same.

use super::record::Record;
use polyformer_cpu::{Cpu, Isa};
use polyformer_kernel::{Result, backend::Backend, params::Params};
use polyformer_scalar::{Block, Scalar};
use polyformer_tests::chain::Chain;

/// A backend of this machine.
#[derive(Clone, Copy, Debug)]
pub enum Machine {
    /// The portable backend of one thread.
    Scalar,
    /// Vectors and threads, with these instructions.
    Cpu(Isa),
}

/// Work that is recorded.
pub trait Part {
    /// Does the work on a fresh backend.
    fn run<B: Backend>(&self, params: &Params, be: B, out: &mut Record) -> Result<()>;
}

/// Approximate words of buffers of the scalar backend. Their pages stay zero until their first use.
const WORDS: usize = 1 << 30;

impl Machine {
    /// Every backend, the fastest first.
    pub fn all() -> Vec<Self> {
        Isa::available().into_iter().map(Self::Cpu).chain([Self::Scalar]).collect()
    }

    /// The name on the command line: `scalar`, or the name of an instruction set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Cpu(isa) => isa.name(),
        }
    }

    /// Runs `part` on the ring of `chain`.
    pub fn run(self, chain: &Chain, part: &impl Part, out: &mut Record) -> Result<()> {
        match self {
            Self::Cpu(isa) => part.run(&chain.params, Cpu::with(chain.ring(), isa, 2), out),
            Self::Scalar => {
                let words = chain.full().len() * chain.params.n();
                let blocks = (WORDS / words).clamp(300, 2500);
                let mut memory: Vec<Vec<u32>> = (0..blocks).map(|_| vec![0; words]).collect();
                let pool: Vec<Block<'_>> = memory.iter_mut().map(|block| Block::new(block)).collect();
                part.run(&chain.params, Scalar::new(chain.ring(), &pool), out)
            }
        }
    }
}
