//! Random programs: any operations in any order on any bases, with operands that the contract allows. The suite runs a
//! few programs. The fuzzer runs programs until its time ends.

use super::{Build, ORACLE};
use crate::{
    chain::Chain,
    program::{Program, Reg, Step},
};
use polyformer_kernel::{
    backend::{Op, digit},
    ring::{Basis, convert::MAX_SOURCES},
};

/// A few programs, each of a dozen steps.
pub fn programs_agree(chain: &Chain) -> impl Iterator<Item = Program> {
    let programs = if chain.params.n() <= 64 { 20 } else { 1 };
    (0..programs).map(move |seed| {
        let mut data = crate::data::Data::new(chain.ring(), seed + 1);
        let steps = if chain.params.n() <= ORACLE { 12 } else { 6 };
        program(chain, seed, steps, &mut |below| data.below(below))
    })
}

/// A program of `steps` steps; `choose(k)` picks one of k > 0. `seed` is for the words of its registers.
pub fn program(chain: &Chain, seed: u64, steps: usize, choose: &mut impl FnMut(usize) -> usize) -> Program {
    let n = chain.params.n();
    let mut b = Build::new(chain, format!("random program {seed}"));
    let count = 1 + choose(2) as u16;
    let full = chain.full();
    // Registers 0..5 are written and read, 5..7 are second operands that broadcast, the rest are two keys.
    for _ in 0..5 {
        b.value(count, full, n);
    }
    for _ in 0..2 {
        b.value(if choose(2) == 0 { 1 } else { count }, full, n >> choose(n.ilog2() as usize + 1));
    }
    let keys: Vec<Vec<[Reg; 2]>> = (0..if chain.params.specials() == 0 { 0 } else { 1 + choose(2) })
        .map(|_| (0..chain.params.digits()).map(|_| [b.value(1, full, n), b.value(1, full, n)]).collect())
        .collect();
    for _ in 0..steps {
        let c = Chooser { chain, choose };
        if let Some(step) = c.step(&mut b, &keys) {
            b.step(step);
        }
    }
    b.finish()
}

struct Chooser<'a, F> {
    chain: &'a Chain,
    choose: &'a mut F,
}

impl<F: FnMut(usize) -> usize> Chooser<'_, F> {
    fn of<T: Copy>(&mut self, among: &[T]) -> T {
        among[(self.choose)(among.len())]
    }

    /// A span, with or without a prefix of the specials.
    fn basis(&mut self) -> Basis {
        let (line, k) = (self.chain.params.modulus_chain(), self.chain.params.specials());
        let start = line.start as usize + (self.choose)(line.len());
        let end = start + 1 + (self.choose)(line.end as usize - start);
        let specials = (self.choose)(k as usize + 1) as u16;
        Basis::span(start, end).with(specials)
    }

    /// At most as many primes as a conversion has sources.
    fn sources(&mut self) -> Basis {
        let basis = self.basis();
        let room = (MAX_SOURCES as u16).saturating_sub(basis.specials).max(1);
        let specials = basis.specials.min(MAX_SOURCES as u16 - 1);
        Basis { specials, start: basis.start, end: basis.end.min(basis.start + room) }
    }

    /// Two bases for `mod_switch`: the bases of levels, or bases whose spans differ at one end, with all specials or no
    /// specials.
    fn switch(&mut self) -> Option<(Basis, Basis)> {
        let (params, k) = (&self.chain.params, self.chain.params.specials());
        let (line, level) = (params.modulus_chain(), (self.choose)(params.max_level() as usize + 1) as u8);
        let (from, to) = match (self.choose)(4) {
            0 => (params.pq(level), params.q(level)),
            1 => (params.q(level), params.q(level.checked_sub(1)?)),
            2 => (params.pq(level), params.q(level.checked_sub(1)?)),
            _ => {
                let cut = 1 + (self.choose)(4) as u16;
                let from = Basis { specials: self.of(&[0, k]), ..self.basis() };
                let to = Basis { specials: 0, start: from.start, end: from.end.checked_sub(cut)? };
                let lower = (self.choose)((to.start - line.start) as usize + 1).min(3) as u16;
                (from, Basis { start: to.start - lower, ..to })
            }
        };
        let drop = from.iter().filter(|m| !to.iter().any(|x| x == *m)).count();
        let spans_meet = from.start.max(to.start) < from.end.min(to.end);
        (spans_meet && drop > 0 && drop <= MAX_SOURCES).then_some((from, to))
    }

    fn step(mut self, b: &mut Build<'_>, keys: &[Vec<[Reg; 2]>]) -> Option<Step> {
        let over = self.basis();
        let mut order = [0, 1, 2, 3, 4];
        for i in (1..5).rev() {
            order.swap(i, (self.choose)(i + 1));
        }
        let [out, a, b1, c1, d1] = order;
        let other = self.of(&[a, b1, 5, 6]);
        let op = self.of(&[Op::Add, Op::Sub, Op::Mul]);
        let galois = 2 * (self.choose)(self.chain.params.n()) as u32 + 1;
        Some(match (self.choose)(17) {
            0 => Step::Copy { over, out, a },
            1 => Step::Zip { op, over, out, a, b: other },
            2 => Step::ZipAssign { op, over, acc: out, b: other },
            3 => Step::MulAdd { over, acc: out, a, b: other },
            4 => Step::Scalar { op, over, out, a, c: b.constants(over) },
            5 => Step::ScalarAssign { op, over, acc: out, c: b.constants(over) },
            6 => Step::Ntt { over, a },
            7 => Step::Intt { over, a },
            8 => Step::Permute { over, out, a, galois },
            9 => Step::Convert { from: self.sources(), to: over, out, a },
            10 => Step::Dot { over, out, terms: vec![(a, other), (b1, a), (b1, other)] },
            11 => Step::Tensor { over, out: [out, a, b1], a: [c1, d1], b: [d1, self.of(&[c1, 5, 6])] },
            12 => {
                let small = self.of(&[c1, 5, 6]);
                Step::Dots { over, outs: vec![out, a], a: vec![b1, c1], b: vec![Some(small), None, Some(d1), Some(b1)] }
            }
            13 => Step::PermuteAdd { over, acc: out, a, galois },
            14 => {
                let (from, to) = self.switch()?;
                Step::ModSwitch { from, to, out, a }
            }
            _ => {
                let params = &self.chain.params;
                let q = params.q((self.choose)(params.max_level() as usize + 1) as u8);
                let (alpha, digits) = (params.alpha(), params.digits());
                if keys.is_empty() || (0..digits).all(|j| digit(q, params.specials(), alpha, j).is_empty()) {
                    return None;
                }
                let accs = [[out, a], [b1, c1]][..keys.len()].to_vec();
                Step::KeySwitch { q, alpha, digits, d: d1, keys: keys.to_vec(), accs }
            }
        })
    }
}
