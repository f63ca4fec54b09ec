//! Instructions of the operations on secrets, for different secrets, errors and messages. The script compares the
//! figures of each operation.
#![no_std]
#![no_main]

use core::hint::black_box;
use device::{
    board::{self, Counter},
    constants,
    figures::figure,
};
use polyformer_kernel::{
    Error, Result,
    ckks::{
        embedded::{EmbeddedClient, Tables},
        keys::{self, SecretSeed, UniformHalf},
    },
    math::{complex::Complex, modular::Modulus},
    params::{Params, presets::C12},
    ring::{
        sample::{Seed, Uniform},
        twiddles::Computed,
    },
    wipe::SecretRng,
};

/// Secrets, and for each of them an error and a message.
const CASES: u8 = 12;

/// Chunks of candidates that the uniform half of a limb takes.
fn chunks(q: Modulus, uniform: &Seed, limb: usize) -> u32 {
    let mut words = Uniform::new(q, uniform, limb as u64);
    let (mut kept, mut chunks) = (0, 0);
    while kept < 4096 {
        kept += words.chunk().len();
        chunks += 1;
    }
    chunks
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SLOTS: [Complex; 2048] = [Complex { re: 0.0, im: 0.0 }; 2048];
    static mut WORDS: [u32; 4096] = [0; 4096];
    let result = all(SLOTS, WORDS).inspect_err(|error| defmt::error!("{}", error));
    board::exit(result.is_ok())
}

fn all(slots: &mut [Complex], words: &mut [u32]) -> Result<()> {
    let params = Params::new(&C12)?;
    let client = EmbeddedClient::new(&params, Tables { roots: &constants::ROOTS_12[..], twiddles: Computed })?;
    let mut counter = Counter::start().ok_or(Error::DeviceLost)?;
    for case in 0..CASES {
        let secret = SecretSeed::take(black_box(&mut [case; 32]));
        let scale = [0.0, 1.0, -3000.0][case as usize % 3];
        let value = |i: usize| {
            let pattern = (i * 7 + case as usize * 5) % 13;
            Complex { re: scale * (pattern as f64 - 6.0), im: scale }
        };
        slots.iter_mut().enumerate().for_each(|(i, z)| *z = value(i));
        let (message, count) = counter.count_finely(|| client.encode(slots));
        let message = message?;
        defmt::println!("varies encode: {=u32}", count);
        let mut rng = SecretRng::from_seed(black_box(&[case + 100; 32]));
        let (mut message, count) = counter.count_finely(|| client.hide(message, &secret, &mut rng));
        figure("hide", count);
        let uniform = keys::uniform(&params, UniformHalf::Ciphertext, 0, message.seed());
        for (limb, q) in params.moduli().iter().enumerate() {
            let (done, count) = counter.count_finely(|| client.encrypt(limb, &mut message, words));
            done?;
            // the public half rejects candidates: its time is public, and equal for equally many
            let chunks = chunks(*q, &uniform, limb);
            defmt::println!("figure encrypt {=usize} with {=u32} chunks: {=u32}", limb, chunks, count);
        }
        drop(message);
        let mut opening = client.open(slots)?;
        for limb in 0..client.limbs() {
            let pairs = (0..4096).map(|i| black_box((i * 77_777, i * 33_333)));
            let (done, count) = counter.count_finely(|| client.decrypt(&mut opening, &secret, pairs, words));
            done?;
            figure(["decrypt 0", "decrypt 1"][limb], count);
        }
        let (done, count) = counter.count_finely(|| client.close(opening).map(drop));
        done?;
        defmt::println!("varies close: {=u32}", count);
    }
    Ok(())
}
