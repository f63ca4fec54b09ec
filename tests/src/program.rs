//! A program: registers and a few backend operations on the registers, as a value. The scalar backend, a backend under
//! test and the oracle run the program. The test compares the three results word for word.

use polyformer_kernel::{
    Result,
    backend::{Backend, Shape},
};
use registers::File;

mod registers;
mod step;

pub use registers::{Reg, Register};
pub use step::{KeyedAutomorphism, Step};

/// Registers and the steps on registers. An output is never also an input of the same step, as the borrow checker
/// demands of the methods.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The subject of the program, for reports.
    pub name: String,
    /// The registers.
    pub registers: Vec<Register>,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

impl Program {
    /// Nothing yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A new register holding `words`.
    pub fn register(&mut self, shape: Shape, words: Vec<u32>) -> Reg {
        self.registers.push(Register { shape, words });
        self.registers.len() - 1
    }

    /// One more step.
    pub fn step(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The same program, its first `steps` steps only.
    pub fn prefix(&self, steps: usize) -> Self {
        Self { steps: self.steps[..steps].to_vec(), ..self.clone() }
    }

    /// Runs on `be`; the words of every register afterwards.
    pub fn run<B: Backend>(&self, be: &mut B) -> Result<Vec<Vec<u32>>> {
        let mut file = File { registers: Vec::new() };
        for (i, r) in self.registers.iter().enumerate() {
            // every other register is in words of another owner, which a step may write to as well
            let limbs = if i % 2 == 1 {
                be.adopt(r.shape, r.words.clone())?
            } else {
                let mut limbs = be.alloc(r.shape)?;
                be.upload(&mut limbs, &r.words)?;
                limbs
            };
            file.registers.push(Some(limbs));
        }
        for step in &self.steps {
            step::call(&mut file, be, step)?;
        }
        be.submit()?;
        let mut out = Vec::new();
        for reg in 0..self.registers.len() {
            let mut words = vec![0; self.registers[reg].words.len()];
            be.download(file.get(reg), &mut words)?;
            out.push(words);
        }
        Ok(out)
    }
}
