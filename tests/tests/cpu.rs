//! The CPU backend obeys the laws, on every instruction set that this machine has, alone and with company.

use cpu::{Cpu, Isa};
use laws::chain::Chain;

fn cpu(chain: &Chain, mut law: impl FnMut(&mut Cpu<'_>)) {
    for isa in Isa::available() {
        for threads in [1, 3] {
            law(&mut Cpu::with(chain.ring(), isa, threads));
        }
    }
}

laws::conformance!(cpu);
