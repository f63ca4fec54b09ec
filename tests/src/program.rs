//! A program: registers and a few backend operations on the registers, as a value. The scalar backend, a backend under
//! test and the oracle run the program. The test compares the three results word for word.

use polyformer_kernel::{
    Result,
    backend::{Backend, GiantStep, Limbs, Op, Pair, Shape, Source, mod_up},
    ring::{Basis, sample::Seed},
};

/// Index of a register.
pub type Reg = usize;

/// One call of one method of [`Backend`]; the fields are its arguments.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Step {
    UploadSigned {
        out: Reg,
        coeffs: Vec<i64>,
    },
    UploadUniform {
        out: Reg,
        seed: Seed,
        stream: u64,
    },
    Copy {
        over: Basis,
        out: Reg,
        a: Reg,
    },
    Zip {
        op: Op,
        over: Basis,
        out: Reg,
        a: Reg,
        b: Reg,
    },
    ZipAssign {
        op: Op,
        over: Basis,
        acc: Reg,
        b: Reg,
    },
    MulAdd {
        over: Basis,
        acc: Reg,
        a: Reg,
        b: Reg,
    },
    Scalar {
        op: Op,
        over: Basis,
        out: Reg,
        a: Reg,
        c: Vec<u32>,
    },
    ScalarAssign {
        op: Op,
        over: Basis,
        acc: Reg,
        c: Vec<u32>,
    },
    Ntt {
        over: Basis,
        a: Reg,
    },
    Intt {
        over: Basis,
        a: Reg,
    },
    Permute {
        over: Basis,
        out: Reg,
        a: Reg,
        galois: u32,
    },
    Convert {
        from: Basis,
        to: Basis,
        out: Reg,
        a: Reg,
    },
    Dot {
        over: Basis,
        out: Reg,
        terms: Vec<(Reg, Reg)>,
    },
    Dots {
        over: Basis,
        outs: Vec<Reg>,
        a: Vec<Reg>,
        b: Vec<Option<Reg>>,
    },
    PermuteAdd {
        over: Basis,
        acc: Reg,
        a: Reg,
        galois: u32,
    },
    Tensor {
        over: Basis,
        out: [Reg; 3],
        a: [Reg; 2],
        b: [Reg; 2],
    },
    ModUp {
        digit: Basis,
        over: Basis,
        out: Reg,
        a: Reg,
        coeff: Reg,
    },
    ModSwitch {
        from: Basis,
        to: Basis,
        out: Reg,
        a: Reg,
    },
    ModSwitches {
        from: Basis,
        to: Basis,
        outs: Vec<Reg>,
        a: Vec<Reg>,
    },
    KeySwitch {
        q: Basis,
        alpha: u16,
        digits: usize,
        d: Reg,
        keys: Vec<Vec<[Reg; 2]>>,
        accs: Vec<[Reg; 2]>,
    },
    KeySwitchAdd {
        q: Basis,
        alpha: u16,
        digits: usize,
        source: (Reg, [Option<Reg>; 2]),
        turns: Vec<Turn>,
        outs: Vec<[Reg; 2]>,
    },
    GiantSteps {
        q: Basis,
        alpha: u16,
        digits: usize,
        giant_steps: Vec<([Reg; 2], Turn)>,
        sum: [Reg; 2],
        fresh: bool,
    },
}

/// A Galois element and its key, a pair a digit.
pub type Turn = (u32, Vec<[Reg; 2]>);

/// A register before the first step.
#[derive(Clone, Debug)]
pub struct Register {
    /// Its layout.
    pub shape: Shape,
    /// Its words.
    pub words: Vec<u32>,
}

/// Registers and the steps on them. An output is never also an input of the same step, as the borrow checker
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
        for r in &self.registers {
            let mut limbs = be.alloc(r.shape)?;
            be.upload(&mut limbs, &r.words)?;
            file.registers.push(Some(limbs));
        }
        for step in &self.steps {
            file.step(be, step)?;
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

/// The registers while a program runs; one that is being written is taken out.
struct File<Buf> {
    registers: Vec<Option<Limbs<Buf>>>,
}

impl<Buf> File<Buf> {
    fn get(&self, reg: Reg) -> &Limbs<Buf> {
        self.registers[reg].as_ref().unwrap()
    }

    fn take(&mut self, reg: Reg) -> Limbs<Buf> {
        self.registers[reg].take().unwrap()
    }

    fn take_pair(&mut self, pair: &[Reg; 2]) -> Pair<Buf> {
        [self.take(pair[0]), self.take(pair[1])]
    }

    fn put(&mut self, reg: Reg, limbs: Limbs<Buf>) {
        self.registers[reg] = Some(limbs);
    }

    fn put_pair(&mut self, pair: &[Reg; 2], [b, a]: Pair<Buf>) {
        self.put(pair[0], b);
        self.put(pair[1], a);
    }

    fn take_key(&mut self, key: &[[Reg; 2]]) -> Vec<Pair<Buf>> {
        key.iter().map(|pair| self.take_pair(pair)).collect()
    }

    fn put_key(&mut self, key: &[[Reg; 2]], taken: Vec<Pair<Buf>>) {
        key.iter().zip(taken).for_each(|(regs, pair)| self.put_pair(regs, pair));
    }

    fn write<T>(&mut self, reg: Reg, f: impl FnOnce(&Self, &mut Limbs<Buf>) -> T) -> T {
        let mut limbs = self.take(reg);
        let t = f(self, &mut limbs);
        self.put(reg, limbs);
        t
    }

    fn step<B: Backend<Buf = Buf>>(&mut self, be: &mut B, step: &Step) -> Result<()> {
        match *step {
            Step::UploadSigned { out, ref coeffs } => return self.write(out, |_, out| be.upload_signed(out, coeffs)),
            Step::UploadUniform { out, ref seed, stream } => {
                return self.write(out, |_, out| be.upload_uniform(out, seed, stream));
            }
            Step::Copy { over, out, a } => self.write(out, |f, out| be.copy(over, out, f.get(a))),
            Step::Zip { op, over, out, a, b } => {
                self.write(out, |f, out| be.zip(op, over, out, f.get(a), f.get(b)));
            }
            Step::ZipAssign { op, over, acc, b } => self.write(acc, |f, acc| be.zip_assign(op, over, acc, f.get(b))),
            Step::MulAdd { over, acc, a, b } => {
                self.write(acc, |f, acc| be.mul_add(over, acc, f.get(a), f.get(b)));
            }
            Step::Scalar { op, over, out, a, ref c } => {
                self.write(out, |f, out| be.scalar(op, over, out, f.get(a), c));
            }
            Step::ScalarAssign { op, over, acc, ref c } => {
                self.write(acc, |_, acc| be.scalar_assign(op, over, acc, c));
            }
            Step::Ntt { over, a } => self.write(a, |_, a| be.ntt(over, a)),
            Step::Intt { over, a } => self.write(a, |_, a| be.intt(over, a)),
            Step::Permute { over, out, a, galois } => {
                self.write(out, |f, out| be.permute(over, out, f.get(a), galois));
            }
            Step::Convert { from, to, out, a } => self.write(out, |f, out| be.convert(from, to, out, f.get(a))),
            Step::Dot { over, out, ref terms } => self.write(out, |f, out| {
                let terms: Vec<_> = terms.iter().map(|(a, b)| (f.get(*a), f.get(*b))).collect();
                be.dot(over, out, &terms);
            }),
            Step::Dots { over, ref outs, ref a, ref b } => {
                let mut sums: Vec<Limbs<Buf>> = outs.iter().map(|reg| self.take(*reg)).collect();
                let a: Vec<&Limbs<Buf>> = a.iter().map(|reg| self.get(*reg)).collect();
                let b: Vec<Option<&Limbs<Buf>>> = b.iter().map(|reg| reg.map(|reg| self.get(reg))).collect();
                be.inner_products(over, &mut sums, &a, &b);
                outs.iter().zip(sums).for_each(|(reg, sum)| self.put(*reg, sum));
            }
            Step::PermuteAdd { over, acc, a, galois } => {
                let mut ws = be.workspace(self.get(acc).shape.count, 0)?;
                self.write(acc, |f, acc| be.permute_add(over, acc, f.get(a), galois, &mut ws));
            }
            Step::Tensor { over, out, a, b } => {
                let mut d = out.map(|reg| self.take(reg));
                let [d0, d1, d2] = &mut d;
                be.tensor(over, [d0, d1, d2], a.map(|r| self.get(r)), b.map(|r| self.get(r)));
                out.into_iter().zip(d).for_each(|(reg, d)| self.put(reg, d));
            }
            Step::ModUp { digit, over, out, a, coeff } => {
                self.write(out, |f, out| mod_up(be, digit, over, out, f.get(a), f.get(coeff)));
            }
            Step::ModSwitch { from, to, out, a } => {
                let mut ws = be.workspace(self.get(a).shape.count, 0)?;
                self.write(out, |f, out| be.mod_switch(from, to, out, f.get(a), &mut ws));
            }
            Step::ModSwitches { from, to, ref outs, ref a } => {
                let mut ws = be.workspace(self.get(a[0]).shape.count, 0)?;
                let mut out: Vec<Limbs<Buf>> = outs.iter().map(|reg| self.take(*reg)).collect();
                let a: Vec<&Limbs<Buf>> = a.iter().map(|reg| self.get(*reg)).collect();
                be.mod_switches(from, to, &mut out, &a, &mut ws);
                outs.iter().zip(out).for_each(|(reg, out)| self.put(*reg, out));
            }
            Step::KeySwitchAdd { q, alpha, digits, source: (d, add), ref turns, ref outs } => {
                let mut ws = be.workspace(self.get(d).shape.count, digits)?;
                let taken: Vec<Vec<Pair<Buf>>> = turns.iter().map(|(_, key)| self.take_key(key)).collect();
                let mut sums: Vec<Pair<Buf>> = outs.iter().map(|pair| self.take_pair(pair)).collect();
                let keys: Vec<&[Pair<Buf>]> = taken.iter().map(Vec::as_slice).collect();
                let galois: Vec<u32> = turns.iter().map(|(galois, _)| *galois).collect();
                let source = Source { q, alpha, d: self.get(d), add: add.map(|reg| reg.map(|reg| self.get(reg))) };
                be.key_switch_add(&source, &keys, &galois, &mut sums, &mut ws)?;
                outs.iter().zip(sums).for_each(|(regs, pair)| self.put_pair(regs, pair));
                turns.iter().zip(taken).for_each(|((_, key), taken)| self.put_key(key, taken));
            }
            Step::GiantSteps { q, alpha, digits, ref giant_steps, sum, fresh } => {
                let mut ws = be.workspace(self.get(sum[0]).shape.count, digits)?;
                let keys: Vec<Vec<Pair<Buf>>> = giant_steps.iter().map(|(_, (_, key))| self.take_key(key)).collect();
                let mut taken = Vec::new();
                for ((c, (galois, _)), key) in giant_steps.iter().zip(&keys) {
                    taken.push(GiantStep { c: self.take_pair(c), galois: *galois, key });
                }
                let mut out = self.take_pair(&sum);
                be.giant_steps((q, alpha), &mut taken, &mut out, fresh, &mut ws)?;
                self.put_pair(&sum, out);
                for ((regs, _), giant) in giant_steps.iter().zip(taken) {
                    let mut c = giant.c;
                    for half in &mut c {
                        be.upload(half, &vec![0; half.shape.words()])?; // what is in them is unspecified
                    }
                    self.put_pair(regs, c);
                }
                giant_steps.iter().zip(keys).for_each(|((_, (_, key)), taken)| self.put_key(key, taken));
            }
            Step::KeySwitch { q, alpha, digits, d, ref keys, ref accs } => {
                let mut ws = be.workspace(self.get(d).shape.count, digits)?;
                let taken: Vec<Vec<Pair<Buf>>> = keys.iter().map(|key| self.take_key(key)).collect();
                let mut sums: Vec<Pair<Buf>> = accs.iter().map(|pair| self.take_pair(pair)).collect();
                let borrowed: Vec<&[Pair<Buf>]> = taken.iter().map(Vec::as_slice).collect();
                be.key_switch(q, alpha, self.get(d), &borrowed, &mut sums, &mut ws);
                accs.iter().zip(sums).for_each(|(regs, pair)| self.put_pair(regs, pair));
                keys.iter().zip(taken).for_each(|(key, taken)| self.put_key(key, taken));
            }
        }
        Ok(())
    }
}
