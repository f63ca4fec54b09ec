//! The CPU backend obeys the laws, on every instruction set of this machine, with one thread and with several.

use polyformer_cpu::{Cpu, Isa};
use polyformer_tests::{bootstrapping::words, chain::Chain};

fn cpu(chain: &Chain, mut law: impl FnMut(&mut Cpu<'_>)) {
    for isa in Isa::available() {
        for threads in [1, 3] {
            law(&mut Cpu::with(chain.ring(), isa, threads));
        }
    }
}

polyformer_tests::conformance!(cpu);

#[test]
fn bootstrapping_gives_the_words_of_the_scalar_backend() {
    const LOG_N: u8 = 10;
    let (params, be) = Chain::b16(LOG_N).into_scalar(400);
    let expected = words(params, be, |_| (), |_| ());
    let chain = Chain::b16(LOG_N);
    for isa in Isa::available() {
        for threads in [1, 2] {
            let actual = words(&chain.params, Cpu::with(chain.ring(), isa, threads), |_| (), |_| ());
            assert!(actual == expected, "{} on {threads} threads", isa.name());
        }
    }
}
