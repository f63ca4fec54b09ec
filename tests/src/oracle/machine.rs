//! Runs a [`Program`] by the definitions of [`super`].

use super::{
    automorphism, evaluate, integers,
    integers::{Residues, Switch},
    interpolate, operation, spread,
};
use crate::program::{KeyedAutomorphism, Program, Reg, Step};
use num_bigint::BigInt;
use polyformer_kernel::{
    backend::{Op, Shape},
    ring::{Basis, MAX_MODULI, Ring, sample},
};

/// A register as rows: `rows[item][row]`.
struct Rows {
    shape: Shape,
    line: Vec<usize>,
    rows: Vec<Vec<Vec<u32>>>,
}

impl Rows {
    fn row(&self, m: usize) -> usize {
        self.line.iter().position(|x| *x == m).unwrap()
    }

    /// The row of prime index m; the only item of a count of 1 serves every item.
    fn get(&self, item: usize, m: usize) -> &[u32] {
        &self.rows[item % self.rows.len()][self.row(m)]
    }

    fn set(&mut self, item: usize, m: usize, words: Vec<u32>) {
        let row = self.row(m);
        assert_eq!(words.len(), self.rows[item][row].len());
        self.rows[item][row] = words;
    }
}

/// The interpreter of programs over one ring.
struct Machine<'r> {
    ring: Ring<'r>,
    registers: Vec<Rows>,
}

/// The words of every register after `program`.
pub fn run(ring: Ring<'_>, program: &Program) -> Vec<Vec<u32>> {
    let rows = |r: &crate::program::Register| {
        let line: Vec<usize> = r.shape.basis.iter().collect();
        let rows: Vec<Vec<u32>> = r.words.chunks(r.shape.cols as usize).map(<[u32]>::to_vec).collect();
        Rows { shape: r.shape, rows: rows.chunks(line.len()).map(<[Vec<u32>]>::to_vec).collect(), line }
    };
    let mut machine = Machine { ring, registers: program.registers.iter().map(rows).collect() };
    for step in &program.steps {
        machine.step(step);
    }
    machine.registers.into_iter().map(|r| r.rows.concat().concat()).collect()
}

impl Machine<'_> {
    fn q(&self, m: usize) -> u32 {
        self.ring.moduli()[m].q()
    }

    fn primes(&self, line: &[usize]) -> Vec<u32> {
        line.iter().map(|m| self.q(*m)).collect()
    }

    /// psi for polynomials of `cols` coefficients in X^(n/cols).
    fn psi(&self, m: usize, cols: usize) -> u32 {
        let n = self.ring.n();
        super::pow(self.q(m), super::root(n, self.q(m)), (n / cols) as u64)
    }

    fn items(&self, out: Reg) -> core::ops::Range<usize> {
        0..self.registers[out].shape.count as usize
    }

    /// out[item, m] = f(item, m) for m in `over`.
    fn each(
        &mut self,
        over: impl Iterator<Item = usize> + Clone,
        out: Reg,
        f: impl Fn(&Self, usize, usize) -> Vec<u32>,
    ) {
        for item in self.items(out) {
            for m in over.clone() {
                let words = f(self, item, m);
                self.registers[out].set(item, m, words);
            }
        }
    }

    fn coefficients(&self, a: Reg, item: usize, m: usize) -> Vec<u32> {
        let words = self.registers[a].get(item, m);
        interpolate(self.q(m), self.psi(m, words.len()), words)
    }

    fn values(&self, m: usize, coefficients: &[u32]) -> Vec<u32> {
        evaluate(self.q(m), self.psi(m, coefficients.len()), coefficients)
    }

    fn zip(&mut self, op: Op, over: Basis, out: Reg, a: Reg, b: Reg) {
        self.dot(op, over, out, &[(a, b)], None);
    }

    /// out = base + sum of a op b.
    fn dot(&mut self, op: Op, over: Basis, out: Reg, terms: &[(Reg, Reg)], base: Option<Reg>) {
        self.each(over.iter(), out, |f, item, m| {
            let n = f.registers[out].shape.cols as usize;
            let add = |x: Vec<u32>, y: Vec<u32>| combine(f.q(m), Op::Add, &x, &y);
            let start = base.map_or(vec![0; n], |base| f.registers[base].get(item, m).to_vec());
            let term =
                |(a, b): &(Reg, Reg)| combine(f.q(m), op, f.registers[*a].get(item, m), f.registers[*b].get(item, m));
            terms.iter().map(term).fold(start, add)
        });
    }

    fn scalar(&mut self, op: Op, over: Basis, out: Reg, a: Reg, c: &[u32]) {
        let line: Vec<usize> = over.iter().collect();
        self.each(over.iter(), out, |f, item, m| {
            let c = c[line.iter().position(|x| *x == m).unwrap()];
            combine(f.q(m), op, f.registers[a].get(item, m), &[c])
        });
    }

    /// The integers nearest to 0, one a column, whose residues are the Coeff rows `from`.
    fn lifted(&self, from: &[usize], rows: &[Vec<u32>]) -> Vec<BigInt> {
        let residues = Residues::new(&self.primes(from));
        columns(rows).map(|x| residues.centered(&x)).collect()
    }

    fn convert(&mut self, from: Basis, to: Basis, out: Reg, a: Reg) {
        let from: Vec<usize> = from.iter().collect();
        for item in self.items(out) {
            let rows: Vec<Vec<u32>> = from.iter().map(|m| self.registers[a].get(item, *m).to_vec()).collect();
            let integers = self.lifted(&from, &rows);
            for m in to.iter() {
                let words = integers.iter().map(|x| integers::rem(x, self.q(m))).collect();
                self.registers[out].set(item, m, words);
            }
        }
    }

    /// Eval rows `over`: the centred lift of Coeff rows `digit`.
    fn extended(&self, digit: &[usize], over: Basis, coefficients: &[Vec<u32>]) -> Vec<Vec<u32>> {
        let integers = self.lifted(digit, coefficients);
        let residues = |m: usize| integers.iter().map(|x| integers::rem(x, self.q(m))).collect::<Vec<u32>>();
        over.iter().map(|m| self.values(m, &residues(m))).collect()
    }

    /// out = round(aR/D).
    fn mod_switch(&mut self, from: Basis, to: Basis, out: Reg, a: Reg) {
        let (from, to): (Vec<usize>, Vec<usize>) = (from.iter().collect(), to.iter().collect());
        let switch = Switch::new(&self.primes(&from), &self.primes(&to));
        for item in self.items(out) {
            let rows: Vec<Vec<u32>> = from.iter().map(|m| self.coefficients(a, item, *m)).collect();
            let integers: Vec<BigInt> = columns(&rows).map(|x| switch.rounded(&x)).collect();
            for m in &to {
                let residues: Vec<u32> = integers.iter().map(|x| integers::rem(x, self.q(*m))).collect();
                let words = self.values(*m, &residues);
                self.registers[out].set(item, *m, words);
            }
        }
    }

    /// acc = sum over digits j of (the lift of digit j of d) (key j).
    fn key_switch(&mut self, q: Basis, alpha: u16, d: Reg, keys: &[Vec<[Reg; 2]>], accs: &[[Reg; 2]]) {
        let specials = self.ring.specials();
        let full = q.with(specials);
        for item in self.items(d) {
            let mut extended: Vec<Option<Vec<Vec<u32>>>> = Vec::new();
            for j in 0..keys[0].len() {
                let first = specials as usize + j * alpha as usize;
                let digit: Vec<usize> = q.iter().filter(|m| (first..first + alpha as usize).contains(m)).collect();
                let coefficients: Vec<Vec<u32>> = digit.iter().map(|m| self.coefficients(d, item, *m)).collect();
                extended.push((!digit.is_empty()).then(|| self.extended(&digit, full, &coefficients)));
            }
            for (key, acc) in keys.iter().zip(accs) {
                for (half, acc) in acc.iter().enumerate() {
                    for (row, m) in full.iter().enumerate() {
                        let mut total = vec![0; self.registers[*acc].shape.cols as usize];
                        for (pair, ext) in key.iter().zip(&extended).filter_map(|(k, e)| Some((k, e.as_ref()?))) {
                            let term = combine(self.q(m), Op::Mul, &ext[row], self.registers[pair[half]].get(item, m));
                            total = combine(self.q(m), Op::Add, &total, &term);
                        }
                        self.registers[*acc].set(item, m, total);
                    }
                }
            }
        }
    }

    /// Rows `over` of a become a(X^galois).
    fn turn(&mut self, over: Basis, a: Reg, galois: u32) {
        self.each(over.iter(), a, |f, item, m| f.values(m, &automorphism(f.q(m), galois, &f.coefficients(a, item, m))));
    }

    /// out = (the gadget product + P add)(X^galois) for each rotation.
    fn key_switch_add(
        &mut self,
        (q, alpha): (Basis, u16),
        (d, add): (Reg, [Option<Reg>; 2]),
        automorphisms: &[KeyedAutomorphism],
        outs: &[[Reg; 2]],
    ) {
        let keys: Vec<_> = automorphisms.iter().map(|(_, key)| key.clone()).collect();
        self.key_switch(q, alpha, d, &keys, outs);
        let specials: Vec<usize> = (0..self.ring.specials() as usize).collect();
        for ((galois, _), out) in automorphisms.iter().zip(outs) {
            for (out, add) in out.iter().zip(add).filter_map(|(out, add)| Some((*out, add?))) {
                self.each(q.iter(), out, |f, item, m| {
                    let q = f.q(m) as u64;
                    let p = specials.iter().fold((1 << 32) % q, |p, s| p * f.q(*s) as u64 % q) as u32; // P R
                    let raised = combine(f.q(m), Op::Mul, f.registers[add].get(item, m), &[p]);
                    combine(f.q(m), Op::Add, f.registers[out].get(item, m), &raised)
                });
            }
            out.iter().for_each(|out| self.turn(q.with(specials.len() as u16), *out, *galois));
        }
    }

    /// sum = [sum +] (b + c0, a)(X^galois) for each giant step, with (b, a) the gadget product of round(c1
    /// P). The operands of the giant steps are consumed.
    fn giant_steps(
        &mut self,
        (q, alpha): (Basis, u16),
        giant_steps: &[([Reg; 2], KeyedAutomorphism)],
        sum: [Reg; 2],
        fresh: bool,
    ) {
        let (before, full, like) = (self.registers.len(), q.with(self.ring.specials()), self.registers[sum[0]].shape);
        let [d, b, a] = [q, full, full].map(|basis| {
            let (shape, line) = (Shape { basis, ..like }, basis.iter().collect());
            let rows = vec![vec![vec![0; like.cols as usize]; basis.len()]; like.count as usize];
            self.registers.push(Rows { shape, line, rows });
            self.registers.len() - 1
        });
        for (i, (c, (galois, key))) in giant_steps.iter().enumerate() {
            self.mod_switch(full, q, d, c[1]);
            self.key_switch(q, alpha, d, core::slice::from_ref(key), &[[b, a]]);
            self.zip(Op::Add, full, b, b, c[0]);
            for (sum, half) in sum.into_iter().zip([b, a]) {
                self.turn(full, half, *galois);
                if fresh && i == 0 {
                    self.each(full.iter(), sum, |f, item, m| f.registers[half].get(item, m).to_vec());
                } else {
                    self.zip(Op::Add, full, sum, sum, half);
                }
            }
            for c in c {
                self.registers[*c].rows.iter_mut().flatten().for_each(|row| row.fill(0));
            }
        }
        self.registers.truncate(before);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::UploadSigned { out, ref coeffs } => {
                let Shape { basis, cols, .. } = self.registers[out].shape;
                self.each(basis.iter(), out, |f, item, m| {
                    let coeffs = &coeffs[item * cols as usize..][..cols as usize];
                    coeffs.iter().map(|c| (*c as i128).rem_euclid(f.q(m) as i128) as u32).collect()
                });
            }
            Step::UploadUniform { out, ref seed, stream } => {
                let Shape { basis, cols, .. } = self.registers[out].shape;
                self.each(basis.iter(), out, |f, item, m| {
                    let mut words = vec![0; cols as usize]; // the sampler has tests of its own
                    let stream = MAX_MODULI as u64 * (stream + item as u64) + m as u64;
                    sample::uniform(f.ring.modulus(m), seed, stream, &mut words);
                    words
                });
            }
            Step::Copy { over, out, a } => {
                self.each(over.iter(), out, |f, item, m| f.registers[a].get(item, m).to_vec());
            }
            Step::Zip { op, over, out, a, b } => self.zip(op, over, out, a, b),
            Step::ZipAssign { op, over, acc, b } => self.zip(op, over, acc, acc, b),
            Step::MulAdd { over, acc, a, b } => self.dot(Op::Mul, over, acc, &[(a, b)], Some(acc)),
            Step::Scalar { op, over, out, a, ref c } => self.scalar(op, over, out, a, c),
            Step::ScalarAssign { op, over, acc, ref c } => self.scalar(op, over, acc, acc, c),
            Step::Ntt { over, a } => {
                self.each(over.iter(), a, |f, item, m| f.values(m, f.registers[a].get(item, m)));
            }
            Step::Intt { over, a } => self.each(over.iter(), a, |f, item, m| f.coefficients(a, item, m)),
            Step::Permute { over, out, a, galois } => self.each(over.iter(), out, |f, item, m| {
                f.values(m, &automorphism(f.q(m), galois, &f.coefficients(a, item, m)))
            }),
            Step::Convert { from, to, out, a } => self.convert(from, to, out, a),
            Step::Dot { over, out, ref terms } => self.dot(Op::Mul, over, out, terms, None),
            Step::Dots { over, ref outs, ref a, ref b } => {
                for (out, b) in outs.iter().zip(b.chunks_exact(a.len())) {
                    let terms = a.iter().zip(b).filter_map(|(a, b)| b.map(|b| (*a, b)));
                    self.dot(Op::Mul, over, *out, &terms.collect::<Vec<_>>(), None);
                }
            }
            Step::PermuteAdd { over, acc, a, galois } => self.each(over.iter(), acc, |f, item, m| {
                let moved = f.values(m, &automorphism(f.q(m), galois, &f.coefficients(a, item, m)));
                combine(f.q(m), Op::Add, f.registers[acc].get(item, m), &moved)
            }),
            Step::Tensor { over, out, a, b } => {
                self.dot(Op::Mul, over, out[0], &[(a[0], b[0])], None);
                self.dot(Op::Mul, over, out[1], &[(a[0], b[1]), (a[1], b[0])], None);
                self.dot(Op::Mul, over, out[2], &[(a[1], b[1])], None);
            }
            Step::ModUp { digit, over, out, a, coeff } => {
                let digit_line: Vec<usize> = digit.iter().collect();
                for item in self.items(out) {
                    let coefficients: Vec<Vec<u32>> =
                        digit_line.iter().map(|m| self.registers[coeff].get(item, *m).to_vec()).collect();
                    let rows = self.extended(&digit_line, over, &coefficients);
                    for (m, words) in over.iter().zip(rows) {
                        // Rows of the digit are the words of a, whose coefficients `coeff` claims to be.
                        let own = digit_line.contains(&m).then(|| self.registers[a].get(item, m).to_vec());
                        self.registers[out].set(item, m, own.unwrap_or(words));
                    }
                }
            }
            Step::ModSwitch { from, to, out, a } => self.mod_switch(from, to, out, a),
            Step::ModSwitches { from, to, ref outs, ref a } => {
                outs.iter().zip(a).for_each(|(out, a)| self.mod_switch(from, to, *out, *a));
            }
            Step::KeySwitchAdd { q, alpha, source, ref automorphisms, ref outs, .. } => {
                self.key_switch_add((q, alpha), source, automorphisms, outs);
            }
            Step::GiantSteps { q, alpha, ref giant_steps, sum, fresh, .. } => {
                self.giant_steps((q, alpha), giant_steps, sum, fresh);
            }
            Step::KeySwitch { q, alpha, d, ref keys, ref accs, .. } => self.key_switch(q, alpha, d, keys, accs),
        }
    }
}

/// Column by column, the words of each row.
fn columns(rows: &[Vec<u32>]) -> impl Iterator<Item = Vec<u32>> {
    (0..rows[0].len()).map(|x| rows.iter().map(|row| row[x]).collect())
}

/// a op b, row by row, b perhaps block-constant.
fn combine(q: u32, op: Op, a: &[u32], b: &[u32]) -> Vec<u32> {
    let apply = operation(q, op);
    a.iter().zip(spread(b, a.len())).map(|(a, b)| apply(*a, b)).collect()
}
