//! Every operation and every override gives the words of the scalar backend. The tests vary the instruction set, the
//! number of threads, the length, the moduli and the previous contents of the buffers.
#![allow(clippy::unwrap_used)]

use polyformer_cpu::{Cpu, Isa};
use polyformer_kernel::{
    backend::{Backend, Limbs, Op, Shape},
    math::modular::Modulus,
    ring::{Basis, Ring, tables},
};
use polyformer_scalar::{Block, Scalar};
use polyformer_tests::data::Stream;
use std::cell::RefCell;

const SPECIALS: [u32; 12] = [
    1073479681, 1071513601, 1070727169, 1068236801, 1065484289, 1064697857, 1062862849, 1062469633, 1060765697,
    1056440321, 1056178177, 1055260673,
];
/// Two 20-bit primes, then larger ones.
const LINE: [u32; 28] = [
    786433, 1179649, 1054212097, 1053818881, 790364161, 708182017, 969146369, 946339841, 771096577, 725876737,
    992083969, 924450817, 740294657, 756154369, 996278273, 920518657, 721551361, 775815169, 943718401, 971898881,
    780009473, 717488129, 940572673, 975175681, 536608769, 537133057, 268042241, 269221889,
];

struct Constants {
    n: usize,
    specials: usize,
    moduli: Vec<Modulus>,
    twiddles: Vec<u32>,
}

impl Constants {
    fn new(n: usize, specials: usize, line: usize) -> Self {
        let primes = SPECIALS[..specials].iter().chain(&LINE[..line]);
        let moduli: Vec<_> = primes.map(|q| Modulus::new(*q)).collect();
        let mut twiddles = vec![0; tables::words(n, moduli.len())];
        tables::fill(n, &moduli, &mut twiddles);
        Self { n, specials, moduli, twiddles }
    }

    fn ring(&self) -> Ring<'_> {
        Ring::new(self.n, self.specials as u16, &self.moduli, &self.twiddles).unwrap()
    }
}

/// The contents of the operands.
#[derive(Clone, Copy, Debug)]
enum Words {
    Random,
    Largest,
    Zero,
}

const ALL: [Words; 3] = [Words::Random, Words::Largest, Words::Zero];

/// Operands from one stream, so that every backend sees the same words.
struct Source {
    stream: Stream,
    words: Words,
}

impl Source {
    fn next(&mut self) -> u64 {
        self.stream.word()
    }

    fn limbs<B: Backend>(&mut self, be: &mut B, count: u16, basis: Basis, cols: usize) -> Limbs<B::Buf> {
        let shape = Shape { count, basis, cols: cols as u32 };
        let mut words = Vec::with_capacity(shape.words());
        for m in (0..count).flat_map(|_| basis.iter()) {
            let q = be.ring().modulus(m).q();
            words.extend((0..cols).map(|_| match self.words {
                Words::Random => (self.next() >> 20) as u32 % q,
                Words::Largest => q - 1,
                Words::Zero => 0,
            }));
        }
        let mut limbs = dirty(be, shape);
        be.upload(&mut limbs, &words).unwrap();
        limbs
    }
}

/// A buffer full of words that no operation may read.
fn dirty<B: Backend>(be: &mut B, shape: Shape) -> Limbs<B::Buf> {
    let mut limbs = be.alloc(shape).unwrap();
    be.upload(&mut limbs, &vec![u32::MAX; shape.words()]).unwrap();
    limbs
}

#[derive(Default)]
struct Log(Vec<(&'static str, Vec<u32>)>);

impl Log {
    /// Records rows `over`: the others are unspecified.
    fn add<B: Backend>(&mut self, name: &'static str, be: &mut B, x: &Limbs<B::Buf>, over: Basis) {
        let mut words = vec![0; x.shape.words()];
        be.download(x, &mut words).unwrap();
        let rows = (0..x.shape.count as usize).flat_map(|item| over.iter().map(move |m| (item, m)));
        self.0.push((name, rows.flat_map(|(item, m)| words[x.shape.range(item, m)].to_vec()).collect()));
    }
}

/// A program run on a backend.
trait Program {
    fn run<B: Backend>(&self, be: &mut B) -> Log;
}

fn compare(constants: &Constants, program: &impl Program, label: &str) {
    let mut memory: Vec<Vec<u32>> = (0..420).map(|_| vec![0; 3 * constants.moduli.len() * constants.n]).collect();
    let pool: Vec<Block<'_>> = memory.iter_mut().map(|m| RefCell::new(&mut m[..])).collect();
    let expected = program.run(&mut Scalar::new(constants.ring(), &pool)).0;
    for (isa, threads) in Isa::available().into_iter().flat_map(|isa| [(isa, 1), (isa, 2)]) {
        let actual = program.run(&mut Cpu::with(constants.ring(), isa, threads)).0;
        assert_eq!(expected.len(), actual.len());
        for ((name, expected), (_, actual)) in expected.iter().zip(&actual) {
            assert_eq!(expected.len(), actual.len());
            let wrong = expected.iter().zip(actual).position(|(e, a)| e != a);
            assert_eq!(wrong, None, "{name}, {label}, n = {}, {}, {threads} threads", constants.n, isa.name());
        }
    }
}

/// Element-wise operations, transforms and permutations.
#[derive(Clone, Copy)]
struct Plain {
    words: Words,
    count: u16,
    over: Basis,
    basis: Basis,
}

impl Plain {
    fn element_wise<B: Backend>(&self, be: &mut B, source: &mut Source, log: &mut Log) {
        let (n, Self { count, over, basis, .. }) = (be.ring().n(), *self);
        let (a, b) = (source.limbs(be, count, basis, n), source.limbs(be, count, basis, n));
        let (key, shape) = (source.limbs(be, 1, basis, n), a.shape);
        let constants: Vec<u32> = over.iter().map(|m| be.ring().modulus(m).q() - 1 - m as u32).collect();
        for op in [Op::Add, Op::Sub, Op::Mul] {
            for b in [&b, &key] {
                let mut out = dirty(be, shape);
                be.zip(op, over, &mut out, &a, b);
                log.add("zip", be, &out, over);
                be.zip_assign(op, over, &mut out, b);
                log.add("zip_assign", be, &out, over);
                be.mul_add(over, &mut out, &a, b);
                log.add("mul_add", be, &out, over);
            }
            let mut out = dirty(be, shape);
            be.scalar(op, over, &mut out, &a, &constants);
            log.add("scalar", be, &out, over);
            be.scalar_assign(op, over, &mut out, &constants);
            log.add("scalar_assign", be, &out, over);
        }
        for terms in [1, 2, 16, 17, 33] {
            let terms: Vec<_> = (0..terms).map(|i| if i % 3 == 0 { (&a, &key) } else { (&b, &a) }).collect();
            let mut out = dirty(be, shape);
            be.dot(over, &mut out, &terms);
            log.add("dot", be, &out, over);
        }
        for galois in [1, 3, 5, 25, 2 * n as u32 - 1, 2 * n as u32 - 5] {
            let mut out = dirty(be, shape);
            be.permute(over, &mut out, &a, galois);
            log.add("permute", be, &out, over);
        }
    }

    fn at_length<B: Backend>(&self, be: &mut B, source: &mut Source, log: &mut Log, cols: usize) {
        let (n, Self { count, over, basis, .. }) = (be.ring().n(), *self);
        let (a, b) = (source.limbs(be, count, basis, n), source.limbs(be, count, basis, n));
        let (x, y) = (source.limbs(be, 1, basis, cols), source.limbs(be, count, basis, cols));
        let (mut out, [mut d0, mut d1, mut d2]) = (dirty(be, a.shape), [0; 3].map(|_| dirty(be, a.shape)));
        be.zip(Op::Mul, over, &mut out, &a, &x);
        be.mul_add(over, &mut out, &b, &y);
        log.add("block-constant mul_add", be, &out, over);
        be.tensor(over, [&mut d0, &mut d1, &mut d2], [&a, &b], [&x, &y]);
        log.add("block-constant tensor, first", be, &d0, over);
        log.add("block-constant tensor, second", be, &d1, over);
        log.add("block-constant tensor, third", be, &d2, over);
        let mut short = source.limbs(be, count, basis, cols);
        let mut out = dirty(be, short.shape);
        be.copy(over, &mut out, &short);
        log.add("copy", be, &out, over);
        be.ntt(over, &mut short);
        log.add("ntt", be, &short, over);
        be.permute(over, &mut out, &short, 2 * n as u32 - 1);
        log.add("permute, short", be, &out, over);
        be.intt(over, &mut short);
        log.add("intt", be, &short, over);
    }
}

impl Program for Plain {
    fn run<B: Backend>(&self, be: &mut B) -> Log {
        let n = be.ring().n();
        let mut source = Source { stream: Stream::new(7), words: self.words };
        let mut log = Log::default();
        self.element_wise(be, &mut source, &mut log);
        for log_cols in 0..=n.trailing_zeros() {
            self.at_length(be, &mut source, &mut log, 1 << log_cols);
        }
        let mut integers = dirty(be, Shape { count: self.count, basis: self.basis, cols: n as u32 });
        let signed = (0..self.count as usize * n).map(|_| source.next() as i64 >> (source.next() % 60));
        be.upload_signed(&mut integers, &signed.collect::<Vec<_>>()).unwrap();
        log.add("upload_signed", be, &integers, self.basis);
        be.upload_uniform(&mut integers, &[3; 32], 5).unwrap();
        log.add("upload_uniform", be, &integers, self.basis);
        log
    }
}

/// Changes of moduli.
struct Moduli {
    words: Words,
    count: u16,
    switches: Vec<(Basis, Basis)>,
}

impl Program for Moduli {
    fn run<B: Backend>(&self, be: &mut B) -> Log {
        let (n, specials) = (be.ring().n(), be.ring().specials());
        let everything = be.ring().modulus_chain().with(specials);
        let mut source = Source { stream: Stream::new(11), words: self.words };
        let mut log = Log::default();
        let mut ws = be.workspace(self.count, 0).unwrap();
        for (from, to) in &self.switches {
            let a = source.limbs(be, self.count, everything, n);
            let mut out = dirty(be, Shape { count: self.count, basis: *to, cols: n as u32 });
            be.mod_switch(*from, *to, &mut out, &a, &mut ws);
            log.add("mod_switch", be, &out, *to);
            let mut out = dirty(be, a.shape);
            be.convert(from.minus(*to), *to, &mut out, &a);
            log.add("convert", be, &out, *to);
        }
        log
    }
}

/// Key switches, with one key and with two.
struct KeySwitch {
    words: Words,
    count: u16,
    alpha: u16,
    spans: Vec<Basis>,
}

impl Program for KeySwitch {
    fn run<B: Backend>(&self, be: &mut B) -> Log {
        let (n, specials, line) = (be.ring().n(), be.ring().specials(), be.ring().modulus_chain());
        let digits = line.len().div_ceil(self.alpha as usize);
        let mut source = Source { stream: Stream::new(13), words: self.words };
        let mut log = Log::default();
        let mut ws = be.workspace(self.count, digits).unwrap();
        let mut keys = [vec![], vec![]];
        for key in &mut keys {
            key.extend((0..digits).map(|_| [0; 2].map(|_| source.limbs(be, 1, line.with(specials), n))));
        }
        for q in &self.spans {
            let full = q.with(specials);
            let d = source.limbs(be, self.count, *q, n);
            let shape = Shape { count: self.count, basis: full, cols: n as u32 };
            for keys in [&[&keys[0][..]][..], &[&keys[0][..], &keys[1][..]][..]] {
                let mut accs: Vec<_> = keys.iter().map(|_| [0; 2].map(|_| dirty(be, shape))).collect();
                be.key_switch(*q, self.alpha, &d, keys, &mut accs, &mut ws);
                for acc in accs.iter().flatten() {
                    log.add("key_switch", be, acc, full);
                }
            }
        }
        log
    }
}

/// Sums of products that share their first factors. A second factor has a word for each `run` columns, or is absent.
struct InnerProducts {
    words: Words,
    sums: usize,
    width: usize,
    run: usize,
}

impl Program for InnerProducts {
    fn run<B: Backend>(&self, be: &mut B) -> Log {
        let (n, basis) = (be.ring().n(), Basis::span(2, 4).with(1));
        let mut source = Source { stream: Stream::new(5), words: self.words };
        let a: Vec<_> = (0..self.width).map(|_| source.limbs(be, 1, basis, n)).collect();
        let b: Vec<_> = (0..self.sums * self.width).map(|_| source.limbs(be, 1, basis, n / self.run)).collect();
        let b: Vec<_> = b.iter().enumerate().map(|(i, b)| (i % 7 != 3).then_some(b)).collect();
        let mut sums: Vec<_> = (0..self.sums).map(|_| dirty(be, Shape { count: 1, basis, cols: n as u32 })).collect();
        be.inner_products(basis, &mut sums, &a.iter().collect::<Vec<_>>(), &b);
        let mut log = Log::default();
        for sum in &sums {
            log.add("inner product", be, sum, basis);
        }
        log
    }
}

#[test]
fn inner_products_agree() {
    let constants = Constants::new(256, 2, 3);
    for (sums, width, run) in [(1, 1, 1), (3, 17, 8), (4, 16, 32), (5, 7, 64), (8, 3, 256), (6, 33, 128), (9, 18, 16)] {
        for words in ALL {
            compare(&constants, &InnerProducts { words, sums, width, run }, &format!("{words:?} {sums} {width} {run}"));
        }
    }
    let program = InnerProducts { words: Words::Random, sums: 5, width: 17, run: 32 };
    compare(&Constants::new(4096, 2, 3), &program, "several chunks");
}

#[test]
fn short_rows_agree_on_every_operation() {
    for n in [8, 64, 512] {
        let constants = Constants::new(n, 2, 4);
        let basis = Basis::span(2, 6).with(2);
        let parts = [(3, basis), (1, Basis::span(3, 5)), (2, Basis::span(2, 5).with(1))];
        for (words, (count, over)) in ALL.into_iter().zip(parts) {
            compare(&constants, &Plain { words, count, over, basis }, &format!("{words:?}"));
        }
    }
}

#[test]
fn every_length_of_transform_agrees() {
    for log_n in 9..=16 {
        let constants = Constants::new(1 << log_n, 1, 2);
        let basis = Basis::span(1, 3).with(1);
        let words = if log_n % 2 == 0 { Words::Random } else { Words::Largest };
        compare(&constants, &Plain { words, count: 1, over: basis, basis }, "long");
    }
}

#[test]
fn moduli_switch_alike() {
    let line = |a: usize, b: usize| Basis::span(12 + a, 12 + b);
    let switches = vec![
        (line(2, 28).with(12), line(2, 28)), // divide by P
        (line(2, 28).with(12), line(2, 26)), // and rescale: 14 primes at once
        (line(2, 28), line(0, 26)),          // by a rational, restoring 20-bit primes
        (line(2, 28), line(1, 26)),
        (line(1, 28), line(2, 28)), // dropping 20-bit primes
        (line(0, 28), line(2, 28)),
        (line(0, 20), line(0, 4)), // 16 primes
        (line(0, 5), line(0, 4)),
        (line(0, 5), line(0, 5)), // nothing
    ];
    for n in [8, 64] {
        let constants = Constants::new(n, 12, 28);
        for (words, count) in ALL.into_iter().zip([1, 2, 1]) {
            let program = Moduli { words, count, switches: switches.clone() };
            compare(&constants, &program, &format!("{words:?}"));
        }
    }
}

#[test]
fn gadget_products_agree() {
    for n in [8, 64] {
        let constants = Constants::new(n, 12, 28);
        let spans = vec![Basis::span(12, 40), Basis::span(14, 37), Basis::span(14, 16), Basis::span(26, 30)];
        for (words, (count, alpha)) in ALL.into_iter().zip([(1, 12), (2, 12), (1, 3)]) {
            let program = KeySwitch { words, count, alpha, spans: spans.clone() };
            compare(&constants, &program, &format!("{words:?}"));
        }
    }
}

#[test]
fn more_digits_than_a_sum_holds() {
    let constants = Constants::new(16, 2, 28);
    for words in ALL {
        let program = KeySwitch { words, count: 1, alpha: 1, spans: vec![Basis::span(2, 30)] };
        compare(&constants, &program, &format!("{words:?}"));
    }
}

#[test]
fn fused_operations_agree_on_long_rows() {
    for (log_n, words) in [(10, Words::Largest), (12, Words::Random), (16, Words::Random)] {
        let constants = Constants::new(1 << log_n, 2, 5);
        let line = Basis::span(2, 7);
        compare(&constants, &KeySwitch { words, count: 1, alpha: 2, spans: vec![line] }, "long");
        let switches =
            vec![(line.with(2), line), (line.with(2), Basis::span(2, 5)), (Basis::span(4, 7), Basis::span(3, 6))];
        compare(&constants, &Moduli { words, count: 1, switches }, "long");
    }
}
