//! A bootstrap of full slots and one product on a GPU, compared word for word with the CPU backend. The program prints
//! the dispatches, the recording time and the GPU memory. At full degree a run takes 6 GB of host memory and 6 GB of
//! GPU memory.
//!
//!     cargo run --release -p polyformer-tests --example gpu_bootstrap [LOG_N] [int64|halves] [ADAPTER]
//!
//! The recording alone, with an adapter that does nothing:
//!
//!     cargo run --release -p polyformer-tests -p polyformer-wgpu --features polyformer-wgpu/noop \
//!         --example gpu_bootstrap 16 halves noop

use polyformer_cpu::Cpu;
use polyformer_kernel::{
    backend::{Backend, Shape},
    ring::Basis,
};
use polyformer_tests::{bootstrapping::bootstrapped, chain::Chain};
use polyformer_wgpu::{Adapter, Gpu, Options, Wgpu, WideMul};
use std::{
    cell::{Cell, RefCell},
    fs,
    sync::atomic::AtomicBool,
    time::Instant,
};

fn main() {
    let mut args = std::env::args().skip(1);
    let log_n = args.next().map_or(16, |n| n.parse().unwrap());
    let arithmetic = match args.next().as_deref() {
        Some("halves") => Some(WideMul::Halves),
        Some("int64") => Some(WideMul::Int64),
        _ => None,
    };
    let adapter = Adapter::find(args.next().as_deref()).unwrap();
    let chain = Chain::b16(log_n);
    let (params, slots) = (&chain.params, chain.params.slots());

    let start = Instant::now();
    let expected = bootstrapped(params, Cpu::new(chain.ring()), (slots, 1), |_| (), |_| ());
    println!("CPU: {:.1} s with its keys, worst error 2^{:.2}", seconds(start), expected.errors.worst.log2());
    let _ = fs::write("/proc/self/clear_refs", "5"); // the peak starts anew, where there is one

    let gpu = Gpu::open(&adapter, Options { arithmetic, ..Options::default() }).unwrap();
    let be = Wgpu::new(chain.ring(), &gpu).unwrap();
    let compile = Instant::now();
    gpu.prepare(params.specials(), &AtomicBool::new(false));
    println!("kernels compiled: {:.1} s", seconds(compile));
    println!("{}, {}, N = 2^{log_n}", gpu.name(), gpu.arithmetic().name());
    let whole = Instant::now();
    let (held, most, last) = (Cell::new(None), Cell::new(0), RefCell::new(None));
    let begin = |be: &mut Wgpu<'_>| {
        wait(be);
        if held.get().is_none() {
            println!("keys and matrices: {:.1} s, {:.2} GB", seconds(whole), gigabytes(be.used().0));
            held.set(Some(be.used().0));
        }
        *last.borrow_mut() = Some(Counts::of(be));
    };
    let end = |be: &mut Wgpu<'_>| {
        let now = Counts::of(be);
        wait(be);
        most.set(be.used().1);
        if let Some(before) = last.take() {
            before.report(&now);
        }
    };
    // in the first, constants and memory for commands are made
    let actual = bootstrapped(params, be, (slots, RUNS), begin, end);
    let (held, most) = (held.get().unwrap_or(0), most.get());
    let (taken, planned) = (gigabytes(most - held), gigabytes(actual.planned));
    let peak = peak();
    println!(
        "device memory: {:.2} GB, {taken:.2} on the way, {planned:.2} planned; the process: {peak}",
        gigabytes(most)
    );
    if adapter.does_nothing() {
        return println!("nothing was computed");
    }
    println!("worst error 2^{:.2}", actual.errors.worst.log2());
    assert!(actual.words == expected.words, "the words differ");
    println!("the words are those of the CPU backend");
}

/// Bootstrappings, one after the other.
const RUNS: usize = 2;

/// The counts of a backend so far.
struct Counts {
    downloads: u64,
    dispatches: u64,
    kernels: Vec<(&'static str, u64)>,
    processor: Option<f64>,
    at: Instant,
}

impl Counts {
    fn of(be: &Wgpu<'_>) -> Self {
        let processor = processor_seconds();
        let (downloads, dispatches, kernels) = (be.downloads(), be.dispatches(), be.kernels());
        Self { downloads, dispatches, kernels, processor, at: Instant::now() }
    }

    /// Prints the records from `self` to `end`.
    fn report(&self, end: &Self) {
        let (time, count) = (seconds(self.at), end.dispatches - self.dispatches);
        let downloads = end.downloads - self.downloads;
        println!("bootstrapping and product: {time:.3} s, {count} dispatches, {downloads} downloads");
        if let Some(recording) = end.processor.zip(self.processor).map(|(end, start)| end - start) {
            let (ms, each, share) = (recording * 1e3, recording * 1e6 / count as f64, 100.0 * recording / time);
            println!("  recording: {ms:.2} ms of processor time, {each:.2} µs a dispatch, {share:.2} % of the time");
        }
        let earlier = |name: &str| self.kernels.iter().find(|(other, _)| *other == name).map_or(0, |(_, count)| *count);
        let of_each = end.kernels.iter().map(|(name, count)| format!("{} {name}", count - earlier(name)));
        println!("  dispatches: {}", of_each.collect::<Vec<_>>().join(", "));
    }
}

/// Until everything recorded is done.
fn wait(be: &mut Wgpu<'_>) {
    let last = be.ring().modulus_chain().end as usize;
    let word = be.alloc(Shape { count: 1, basis: Basis::span(last - 1, last), cols: 1 }).unwrap();
    be.download(&word, &mut [0]).unwrap();
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

fn gigabytes(words: usize) -> f64 {
    4e-9 * words as f64
}

/// Processor time of this thread, in seconds, on Linux.
fn processor_seconds() -> Option<f64> {
    std::thread::yield_now(); // or the count stops at the last tick
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<f64>().ok().map(|ns| ns * 1e-9)
}

fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".into(), |line| line.trim().into())
}
