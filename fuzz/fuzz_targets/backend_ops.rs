//! Random programs of backend operations: every backend leaves the same words, and at small degrees they are the
//! words that the oracle expects.
#![no_main]

use laws::{
    chain::Chain,
    conformance::{Law, chains, random},
};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

/// Degrees 8, 32 and 128, the suite's chains at each.
fn rings() -> &'static [Chain] {
    static RINGS: OnceLock<Vec<Chain>> = OnceLock::new();
    RINGS.get_or_init(|| [3, 5, 7].into_iter().flat_map(chains).collect())
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.iter();
    let mut choose = |below: usize| {
        let digits = if below > 256 { 2 } else { 1 };
        (0..digits).fold(0, |x, _| x * 256 + *bytes.next().unwrap_or(&0) as usize) % below
    };
    let chain = &rings()[choose(rings().len())];
    let (seed, steps) = (choose(256) as u64, 1 + choose(8));
    let law = Law::new(chain, random::program(chain, seed, steps, &mut choose));
    chain.on_scalar(64, |be| law.hold(be));
});
