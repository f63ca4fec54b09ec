//! The client at n = 2^12, with the roots of the embedding in flash and computed twiddles.
#![no_std]
#![no_main]

use device::{client, constants};
use polyformer_kernel::{
    ckks::embedded::Tables, math::complex::Complex, params::presets::C12, ring::twiddles::Computed,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SLOTS: [Complex; 2048] = [Complex { re: 0.0, im: 0.0 }; 2048];
    static mut WORDS: [u32; 4096] = [0; 4096];
    let plan = Tables { roots: &constants::ROOTS_12[..], twiddles: Computed };
    client::run(&C12, plan, client::Memory { slots: SLOTS, words: WORDS })
}
