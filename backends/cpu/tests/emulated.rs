//! The laws of backends and a small bootstrap on aarch64, for an emulator: `scripts/foreign.sh aarch64-unknown-linux-musl`.
//! On other machines `tests/tests/cpu.rs` runs the same laws.
#![cfg(target_arch = "aarch64")]

use polyformer_cpu::{Cpu, Isa};
use polyformer_tests::{bootstrapping::words, chain::Chain};

fn cpu(chain: &Chain, mut law: impl FnMut(&mut Cpu<'_>)) {
    for isa in Isa::available() {
        law(&mut Cpu::with(chain.ring(), isa, 2));
    }
}

polyformer_tests::conformance!(n8, 3, cpu);
polyformer_tests::conformance!(n64, 6, cpu);

#[test]
fn neon_is_there() {
    assert_eq!(Isa::detect().name(), "neon");
}

#[test]
fn bootstrapping_gives_the_words_of_the_scalar_backend() {
    const LOG_N: u8 = 7;
    let (params, be) = Chain::b16(LOG_N).into_scalar(400);
    let expected = words(params, be, |_| (), |_| ());
    let chain = Chain::b16(LOG_N);
    assert!(words(&chain.params, Cpu::with(chain.ring(), Isa::detect(), 2), |_| (), |_| ()) == expected);
}
