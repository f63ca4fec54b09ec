//! Times of every operation at n = 2^16 over 39 q primes and 12 special primes, with 4 digits: `bench [isa] [threads]
//! [filter]`. The program prints two numbers: the least of all samples, which other load affects little, and the least
//! of the medians of five runs.
#![allow(clippy::unwrap_used)]

use polyformer_cpu::{Cpu, Isa};
use polyformer_kernel::{
    backend::{Backend, Limbs, Op, Shape},
    math::modular::Modulus,
    ring::{Basis, Ring, tables},
};
use std::time::Instant;

const N: usize = 1 << 16;
const SPECIALS: usize = 12;
const LIMBS: usize = 39;
const ALPHA: u16 = 12;

/// The largest primes below 2^30 that are 1 modulo 2^17.
fn primes(count: usize) -> Vec<Modulus> {
    let candidates = (1..).map(|k| (1u32 << 30) - (k << 17) + 1).map(Modulus::new);
    candidates.filter(|q| q.is_prime()).take(count).collect()
}

/// Seconds a call: the least, and the least median.
fn time(mut f: impl FnMut()) -> (f64, f64) {
    let start = Instant::now();
    f();
    let samples = (0.1 / start.elapsed().as_secs_f64()).clamp(3.0, 101.0) as usize;
    let median = |f: &mut dyn FnMut()| {
        let sample = |_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        };
        let mut times: Vec<f64> = (0..samples).map(sample).collect();
        times.sort_by(f64::total_cmp);
        (times[0], times[samples / 2])
    };
    (0..5).map(|_| median(&mut f)).fold((f64::INFINITY, f64::INFINITY), |x, y| (x.0.min(y.0), x.1.min(y.1)))
}

struct Bench {
    filter: String,
}

impl Bench {
    fn op(&self, name: &str, limbs: usize, f: impl FnMut()) {
        if name.contains(&self.filter) {
            let (least, median) = time(f);
            let a_limb = least * 1e6 / limbs as f64;
            println!("{name:28} {:10.3} ms (median {:10.3}) {a_limb:10.2} us a limb", least * 1e3, median * 1e3);
        }
    }
}

fn limbs(be: &mut Cpu<'_>, basis: Basis, cols: usize) -> Limbs<polyformer_cpu::Words> {
    let shape = Shape { count: 1, basis, cols: cols as u32 };
    let mut limbs = be.alloc(shape).unwrap();
    be.upload_uniform(&mut limbs, &[1; 32], basis.len() as u64).unwrap();
    limbs
}

fn main() {
    let mut args = std::env::args().skip(1);
    let isa = args.next().and_then(|name| Isa::named(&name)).unwrap_or_else(Isa::detect);
    let threads = args.next().and_then(|t| t.parse().ok()).unwrap_or(1);
    let bench = Bench { filter: args.next().unwrap_or_default() };
    let moduli = primes(SPECIALS + LIMBS);
    let mut twiddles = vec![0; tables::words(N, moduli.len())];
    tables::fill(N, &moduli, &mut twiddles);
    let ring = Ring::new(N, SPECIALS as u16, &moduli, &twiddles).unwrap();
    let start = Instant::now();
    let be = &mut Cpu::with(ring, isa, threads);
    println!("{} {} threads, tables {:.0} ms", isa.name(), be.threads(), start.elapsed().as_secs_f64() * 1e3);

    let (q, one) = (ring.modulus_chain(), Basis::span(SPECIALS, SPECIALS + 1));
    let full = q.with(SPECIALS as u16);
    let (mut x, mut y, mut z) = (limbs(be, full, N), limbs(be, full, N), limbs(be, full, N));
    let (mut u, mut v) = (limbs(be, full, N), limbs(be, full, N));
    let weight = limbs(be, full, 512);
    let constants: Vec<u32> = full.iter().map(|m| m as u32).collect();
    bench.op("ntt hot", 1, || be.ntt(one, &mut x));
    bench.op("intt hot", 1, || be.intt(one, &mut x));
    bench.op("ntt", LIMBS, || be.ntt(q, &mut x));
    bench.op("intt", LIMBS, || be.intt(q, &mut x));
    bench.op("copy", LIMBS, || be.copy(q, &mut z, &x));
    bench.op("zip add", LIMBS, || be.zip(Op::Add, q, &mut z, &x, &y));
    bench.op("zip mul", LIMBS, || be.zip(Op::Mul, q, &mut z, &x, &y));
    bench.op("zip mul, block-constant", LIMBS, || be.zip(Op::Mul, q, &mut z, &x, &weight));
    bench.op("zip_assign mul", LIMBS, || be.zip_assign(Op::Mul, q, &mut z, &x));
    bench.op("mul_add", LIMBS, || be.mul_add(q, &mut z, &x, &y));
    bench.op("mul_add, block-constant", LIMBS, || be.mul_add(q, &mut z, &x, &weight));
    bench.op("scalar mul", LIMBS, || be.scalar(Op::Mul, q, &mut z, &x, &constants));
    bench.op("scalar_assign mul", LIMBS, || be.scalar_assign(Op::Mul, q, &mut z, &constants));
    bench.op("permute", LIMBS, || be.permute(q, &mut z, &x, 5));
    bench.op("dot of 8", LIMBS, || be.dot(q, &mut z, &[(&x, &y); 8]));
    let rotated: Vec<_> = (0..16).map(|_| limbs(be, full, N)).collect();
    let diagonals: Vec<_> = (0..8).map(|_| limbs(be, full, 512)).collect();
    let mut sums: Vec<_> = (0..8).map(|_| limbs(be, full, N)).collect();
    let (a, b): (Vec<_>, Vec<_>) = (rotated.iter().collect(), (0..128).map(|i| Some(&diagonals[i % 8])).collect());
    bench.op("8 dots of 16, block-constant", 1, || be.inner_products(one, &mut sums, &a, &b));
    let rows: Vec<_> = (0..128).map(|i| Some(&rotated[i % 16])).collect();
    bench.op("8 dots of 16", 1, || be.inner_products(one, &mut sums, &a, &rows));
    bench.op("tensor", LIMBS, || be.tensor(q, [&mut z, &mut u, &mut v], [&x, &y], [&y, &x]));
    bench.op("convert 12 to 39", LIMBS, || be.convert(full.minus(q), q, &mut z, &x));
    let integers: Vec<i64> = (0..N as i64).map(|i| i * i * i - (1 << 40)).collect();
    bench.op("upload_signed", LIMBS + SPECIALS, || be.upload_signed(&mut y, &integers).unwrap());
    bench.op("upload_uniform", LIMBS + SPECIALS, || be.upload_uniform(&mut y, &[2; 32], 0).unwrap());

    let mut ws = be.workspace(1, 4).unwrap();
    let rescaled = Basis::span(SPECIALS, SPECIALS + LIMBS - 2);
    bench.op("mod_switch by P", LIMBS, || be.mod_switch(full, q, &mut z, &x, &mut ws));
    bench.op("mod_switch by 2 primes", LIMBS - 2, || be.mod_switch(q, rescaled, &mut z, &x, &mut ws));
    bench.op("mod_switch by P, 2 primes", LIMBS - 2, || be.mod_switch(full, rescaled, &mut z, &x, &mut ws));
    let mut key = || -> Vec<_> { (0..4).map(|_| [limbs(be, full, N), limbs(be, full, N)]).collect() };
    let keys = [key(), key()];
    let mut acc = [[u, v]];
    bench.op("key_switch", 1, || be.key_switch(q, ALPHA, &x, &[&keys[0]], &mut acc, &mut ws));
    let mut out = [limbs(be, q, N), limbs(be, q, N)];
    bench.op("key_switch + mod_switch", 1, || {
        be.key_switch(q, ALPHA, &x, &[&keys[0]], &mut acc, &mut ws);
        for (out, acc) in out.iter_mut().zip(&acc[0]) {
            be.mod_switch(full, q, out, acc, &mut ws);
        }
    });
    let mut accs = [[limbs(be, full, N), limbs(be, full, N)], [limbs(be, full, N), limbs(be, full, N)]];
    bench.op("key_switch, 2 keys", 1, || {
        be.key_switch(q, ALPHA, &x, &[&keys[0], &keys[1]], &mut accs, &mut ws);
    });
}
