//! The registers of a program, before the first step and while the program runs.

use polyformer_kernel::backend::{Limbs, Pair, Shape};

/// Index of a register.
pub type Reg = usize;

/// A register before the first step.
#[derive(Clone, Debug)]
pub struct Register {
    /// Its layout.
    pub shape: Shape,
    /// Its words.
    pub words: Vec<u32>,
}

/// The registers while a program runs; one that is being written is taken out.
pub struct File<Buf> {
    /// By index.
    pub registers: Vec<Option<Limbs<Buf>>>,
}

impl<Buf> File<Buf> {
    /// The words of a register.
    pub fn get(&self, reg: Reg) -> &Limbs<Buf> {
        self.registers[reg].as_ref().unwrap()
    }

    /// The register, taken out.
    pub fn take(&mut self, reg: Reg) -> Limbs<Buf> {
        self.registers[reg].take().unwrap()
    }

    /// Two registers, taken out.
    pub fn take_pair(&mut self, pair: &[Reg; 2]) -> Pair<Buf> {
        [self.take(pair[0]), self.take(pair[1])]
    }

    /// The register, put back.
    pub fn put(&mut self, reg: Reg, limbs: Limbs<Buf>) {
        self.registers[reg] = Some(limbs);
    }

    /// Two registers, put back.
    pub fn put_pair(&mut self, pair: &[Reg; 2], [b, a]: Pair<Buf>) {
        self.put(pair[0], b);
        self.put(pair[1], a);
    }

    /// The registers of a key, taken out.
    pub fn take_key(&mut self, key: &[[Reg; 2]]) -> Vec<Pair<Buf>> {
        key.iter().map(|pair| self.take_pair(pair)).collect()
    }

    /// The registers of a key, put back.
    pub fn put_key(&mut self, key: &[[Reg; 2]], taken: Vec<Pair<Buf>>) {
        key.iter().zip(taken).for_each(|(regs, pair)| self.put_pair(regs, pair));
    }

    /// Calls `f` with the register taken out, and puts the register back.
    pub fn write<T>(&mut self, reg: Reg, f: impl FnOnce(&Self, &mut Limbs<Buf>) -> T) -> T {
        let mut limbs = self.take(reg);
        let t = f(self, &mut limbs);
        self.put(reg, limbs);
        t
    }
}
