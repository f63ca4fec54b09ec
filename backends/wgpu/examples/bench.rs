//! Times of every operation on a GPU over 36 q primes and 12 special primes, with digits of 12, as a table in Markdown:
//! `bench [log2(n)] [int64|halves] [filter] [adapter]`.
//!
//! The table has three columns per operation:
//!
//! - the time,
//! - the bandwidth of the minimal traffic, each operand counted once, also as a share of the bandwidth of a copy,
//! - the part of the time that recording takes. On Linux the part is processor time of the recording thread, which
//!   other load affects little.
#![allow(clippy::unwrap_used)]

use polyformer_kernel::{
    backend::{Backend, GiantStep, Limbs, Op, Shape},
    math::modular::Modulus,
    ring::{Basis, Ring, tables},
};
use polyformer_wgpu::{Adapter, Gpu, Options, Wgpu, WideMul, Words};
use std::time::Instant;

const SPECIALS: usize = 12;
const LIMBS: usize = 36;
const ALPHA: u16 = 12;

/// The largest primes below 2^30 that are 1 modulo 2^17.
fn primes(count: usize) -> Vec<Modulus> {
    let candidates = (1..).map(|k| (1u32 << 30) - (k << 17) + 1).map(Modulus::new);
    candidates.filter(|q| q.is_prime()).take(count).collect()
}

struct Bench {
    filter: String,
    copy: f64, // bytes a second
}

impl Bench {
    /// `rows`: rows of n words that one call reads or writes, at least.
    fn op(&mut self, be: &mut Wgpu<'_>, name: &str, rows: usize, mut f: impl FnMut(&mut Wgpu<'_>)) {
        if !name.contains(&self.filter) && name != "copy" {
            return;
        }
        let n = be.ring().n();
        let mut run = |be: &mut Wgpu<'_>, times: usize| {
            let (start, before, processor) = (Instant::now(), be.dispatches(), processor_seconds());
            (0..times).for_each(|_| f(be));
            be.submit().unwrap();
            let wall = start.elapsed().as_secs_f64();
            let recorded = processor_seconds().zip(processor).map_or(wall, |(after, before)| after - before);
            let dispatches = be.dispatches() - before;
            wait(be);
            (start.elapsed().as_secs_f64(), recorded, dispatches)
        };
        run(be, 1);
        let once = run(be, 1).0;
        let times = (0.2 / once).clamp(1.0, 1000.0) as usize;
        let runs: Vec<_> = (0..5).map(|_| run(be, times)).collect();
        let (seconds, recorded, dispatches) = runs.into_iter().min_by(|x, y| x.0.total_cmp(&y.0)).unwrap();
        let (each, calls) = (seconds / times as f64, dispatches as f64 / times as f64);
        let rate = (4 * n * rows) as f64 / each;
        if name == "copy" {
            self.copy = rate;
        }
        println!(
            "| {name} | {:.3} | {calls:.0} | {:.2} | {:.1} | {:.0} % | {:.1} | {:.1} % |",
            each * 1e3,
            (4 * n * rows) as f64 / 1e6,
            rate / 1e9,
            100.0 * rate / self.copy,
            recorded / dispatches as f64 * 1e6,
            100.0 * recorded / seconds,
        );
    }
}

/// Recording alone: 512 dispatches between submissions, each of another kernel or on other operands than the one before.
fn recording(be: &mut Wgpu<'_>, x: &mut Limbs<Words>, y: &Limbs<Words>, z: &mut Limbs<Words>) {
    let one = Basis::span(SPECIALS, SPECIALS + 1);
    let mut least = f64::INFINITY;
    for _ in 0..40 {
        let Some(before) = processor_seconds() else { return println!("\nrecording: the system does not tell") };
        let first = be.dispatches();
        for _ in 0..128 {
            be.ntt(one, x);
            be.mul_add(one, z, x, y);
            be.permute(one, x, z, 5);
            be.zip_assign(Op::Add, one, z, x);
        }
        be.submit().unwrap();
        let after = processor_seconds().unwrap_or(before);
        least = least.min((after - before) / (be.dispatches() - first) as f64);
        wait(be);
    }
    println!(
        "\nrecording 512 dispatches of four kernels: {:.2} µs of processor time each, submissions with them",
        least * 1e6
    );
}

/// Processor time of this thread, in seconds.
fn processor_seconds() -> Option<f64> {
    std::thread::yield_now(); // or the count stops at the last tick
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<f64>().ok().map(|ns| ns * 1e-9)
}

/// Until everything is done.
fn wait(be: &mut Wgpu<'_>) {
    let word = be.alloc(Shape { count: 1, basis: Basis::span(SPECIALS, SPECIALS + 1), cols: 1 }).unwrap();
    be.download(&word, &mut [0]).unwrap();
}

fn limbs(be: &mut Wgpu<'_>, basis: Basis, cols: usize) -> Limbs<Words> {
    let mut limbs = be.alloc(Shape { count: 1, basis, cols: cols as u32 }).unwrap();
    be.upload_uniform(&mut limbs, &[1; 32], basis.len() as u64).unwrap();
    limbs
}

fn main() {
    let mut args = std::env::args().skip(1);
    let log_n: u32 = args.next().map_or(16, |x| x.parse().unwrap());
    let arithmetic = match args.next().as_deref() {
        Some("halves") => Some(WideMul::Halves),
        Some("int64") => Some(WideMul::Int64),
        _ => None,
    };
    let mut bench = Bench { filter: args.next().unwrap_or_default(), copy: f64::NAN };
    let adapter = Adapter::find(args.next().as_deref()).unwrap();
    let gpu = Gpu::open(&adapter, Options { arithmetic, ..Options::default() }).unwrap();
    let n = 1 << log_n;
    let moduli = primes(SPECIALS + LIMBS);
    let mut twiddles = vec![0; tables::words(n, moduli.len())];
    tables::fill(n, &moduli, &mut twiddles);
    let ring = Ring::new(n, SPECIALS as u16, &moduli, &twiddles).unwrap();
    let be = &mut Wgpu::new(ring, &gpu).unwrap();
    println!("{}, {}, N = 2^{log_n}, {LIMBS} limbs\n", gpu.name(), gpu.arithmetic().name());
    println!(
        "| operation | ms | dispatches | MB | GB/s | of a copy | recording, µs a dispatch | recording, of the time |"
    );
    println!("|---|---|---|---|---|---|---|---|");

    let (q, one) = (ring.modulus_chain(), Basis::span(SPECIALS, SPECIALS + 1));
    let full = q.with(SPECIALS as u16);
    let (p, rows) = (full.minus(q), full.len());
    let (mut x, mut y, mut z) = (limbs(be, full, n), limbs(be, full, n), limbs(be, full, n));
    let (mut u, mut v) = (limbs(be, full, n), limbs(be, full, n));
    let weight = limbs(be, full, n >> 7);
    let constants: Vec<u32> = full.iter().map(|m| m as u32).collect();
    bench.op(be, "copy", 2 * rows, |be| be.copy(full, &mut z, &x));
    bench.op(be, "ntt, one limb", 2, |be| be.ntt(one, &mut x));
    bench.op(be, "ntt", 2 * rows, |be| be.ntt(full, &mut x));
    bench.op(be, "intt", 2 * rows, |be| be.intt(full, &mut x));
    bench.op(be, "zip add", 3 * rows, |be| be.zip(Op::Add, full, &mut z, &x, &y));
    bench.op(be, "zip mul", 3 * rows, |be| be.zip(Op::Mul, full, &mut z, &x, &y));
    bench.op(be, "zip mul, block-constant", 2 * rows, |be| be.zip(Op::Mul, full, &mut z, &x, &weight));
    bench.op(be, "mul_add", 4 * rows, |be| be.mul_add(full, &mut z, &x, &y));
    bench.op(be, "scalar mul", 2 * rows, |be| be.scalar(Op::Mul, full, &mut z, &x, &constants));
    bench.op(be, "permute", 2 * rows, |be| be.permute(full, &mut z, &x, 5));
    let terms = |a, b| core::array::from_fn::<_, 8, _>(|_| (a, b));
    bench.op(be, "dot of 8, block-constant", 9 * rows, |be| be.dot(full, &mut z, &terms(&x, &weight)));
    bench.op(be, "tensor", 7 * rows, |be| be.tensor(full, [&mut z, &mut u, &mut v], [&x, &y], [&y, &x]));
    bench.op(be, "convert 12 to 36", rows, |be| be.convert(p, q, &mut z, &x));
    let integers: Vec<i64> = (0..n as i64).map(|i| i * i * i - (1 << 40)).collect();
    bench.op(be, "upload_signed", rows, |be| be.upload_signed(&mut y, &integers).unwrap());

    let mut ws = be.workspace(1, 3).unwrap();
    let rescaled = Basis::span(SPECIALS, SPECIALS + LIMBS - 2);
    let kept = 2 * LIMBS + SPECIALS;
    bench.op(be, "mod_switch by P", kept, |be| be.mod_switch(full, q, &mut z, &x, &mut ws));
    bench.op(be, "mod_switch by 2 primes", 2 * LIMBS - 2, |be| be.mod_switch(q, rescaled, &mut z, &x, &mut ws));
    let key = |be: &mut Wgpu<'_>| -> Vec<_> { (0..3).map(|_| [limbs(be, full, n), limbs(be, full, n)]).collect() };
    let keys = [key(be), key(be)];
    let mut acc = [[u, v]];
    for limbs in [12, 36] {
        let (q, digits) = (Basis::span(SPECIALS, SPECIALS + limbs), limbs / ALPHA as usize);
        let full = q.with(SPECIALS as u16);
        let moved = limbs + 2 * (digits + 1) * full.len();
        let name = format!("key_switch, {limbs} limbs");
        bench.op(be, &name, moved, |be| be.key_switch(q, ALPHA, &x, &[&keys[0]], &mut acc, &mut ws));
        let mut out = [self::limbs(be, q, n), self::limbs(be, q, n)];
        let name = format!("key_switch + mod_switch, {limbs} limbs");
        bench.op(be, &name, moved + 2 * limbs, |be| {
            be.key_switch(q, ALPHA, &x, &[&keys[0]], &mut acc, &mut ws);
            for (out, acc) in out.iter_mut().zip(&acc[0]) {
                be.mod_switch(full, q, out, acc, &mut ws);
            }
        });
    }
    let mut accs = [[limbs(be, full, n), limbs(be, full, n)], [limbs(be, full, n), limbs(be, full, n)]];
    bench.op(be, "key_switch of 2 keys, 36 limbs", LIMBS + 16 * full.len(), |be| {
        be.key_switch(q, ALPHA, &x, &[&keys[0], &keys[1]], &mut accs, &mut ws);
    });
    let mut giant_steps: Vec<_> = (0..8)
        .map(|i| GiantStep { c: [limbs(be, full, n), limbs(be, full, n)], galois: 5, key: &keys[i % 2] })
        .collect();
    let [sum, _] = &mut accs;
    bench.op(be, "giant_steps, 8 of 36 limbs", 8 * (2 + 6) * full.len() + 4 * full.len(), |be| {
        be.giant_steps((q, ALPHA), &mut giant_steps, sum, false, &mut ws).unwrap();
    });
    if "recording".contains(&bench.filter) {
        recording(be, &mut x, &y, &mut z);
    }
}
