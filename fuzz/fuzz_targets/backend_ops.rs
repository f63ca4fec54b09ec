//! Random programs of backend operations. Every backend, on every instruction set, leaves the words of the oracle.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer_cpu::{Cpu, Isa};
use polyformer_tests::{
    chain::Chain,
    conformance::{Law, chains, random},
};
use std::{cell::RefCell, sync::LazyLock};

/// Degrees 8, 32 and 128, the suite's chains at each.
static RINGS: LazyLock<Vec<Chain>> = LazyLock::new(|| [3, 5, 7].into_iter().flat_map(chains).collect());

/// Each instruction set, with one, two and three threads.
fn cpus(chain: &'static Chain) -> Vec<Cpu<'static>> {
    Isa::available().into_iter().zip([1, 2, 3]).map(|(isa, threads)| Cpu::with(chain.ring(), isa, threads)).collect()
}

thread_local!(static CPUS: RefCell<Vec<Vec<Cpu<'static>>>> = RefCell::new(RINGS.iter().map(cpus).collect()));

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.iter();
    let mut choose = |below: usize| {
        let digits = if below > 256 { 2 } else { 1 };
        (0..digits).fold(0, |x, _| x * 256 + *bytes.next().unwrap_or(&0) as usize) % below
    };
    let ring = choose(RINGS.len());
    let chain = &RINGS[ring];
    let (seed, steps) = (choose(256) as u64, 1 + choose(8));
    let law = Law::new(chain, random::program(chain, seed, steps, &mut choose));
    chain.on_scalar(64, |be| law.hold(be));
    CPUS.with(|cpus| cpus.borrow_mut()[ring].iter_mut().for_each(|be| law.hold(be)));
});
