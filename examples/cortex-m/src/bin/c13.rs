//! The client at n = 2^13, with the roots of the embedding in flash and computed twiddles.
#![no_std]
#![no_main]

use device::{client, constants};
use polyformer_kernel::{
    ckks::embedded::Tables, math::complex::Complex, params::presets::C13, ring::twiddles::Computed,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SLOTS: [Complex; 4096] = [Complex { re: 0.0, im: 0.0 }; 4096];
    static mut WORDS: [u32; 8192] = [0; 8192];
    let plan = Tables { roots: &constants::ROOTS_13[..], twiddles: Computed };
    client::run(&C13, plan, client::Memory { slots: SLOTS, words: WORDS })
}
