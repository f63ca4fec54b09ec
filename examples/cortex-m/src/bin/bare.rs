//! The client without logger and files, as in a product. No panic is linked in this program, and the script checks
//! this.
#![no_std]
#![no_main]

use core::hint::black_box;
use device::{board, constants};
use polyformer_kernel::{
    Result,
    ckks::{
        embedded::{EmbeddedClient, Tables},
        keys::SecretSeed,
    },
    math::complex::Complex,
    params::{Params, presets::C12},
    ring::{entropy, twiddles::Computed},
    wipe::SecretRng,
};

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SLOTS: [Complex; 2048] = [Complex { re: 0.0, im: 0.0 }; 2048];
    static mut WORDS: [u32; 4096] = [0; 4096];
    board::exit(everything(SLOTS, WORDS).is_ok())
}

/// Every function of a client, on numbers that the compiler may not know.
fn everything(slots: &mut [Complex], words: &mut [u32]) -> Result<()> {
    let params = Params::new(&C12)?;
    let device = EmbeddedClient::new(&params, Tables { roots: &constants::ROOTS_12[..], twiddles: Computed })?;
    let secret = SecretSeed::take(black_box(&mut [9; 32]));
    let mut rng = entropy::generator(&mut SecretRng::from_seed(black_box(&[1; 32])))?;
    let mut message = device.hide(device.encode(black_box(slots))?, &secret, &mut rng);
    for limb in 0..device.limbs() {
        device.encrypt(limb, &mut message, words)?;
        black_box(&mut *words);
    }
    drop(message);
    let mut opening = device.open(slots)?;
    for _ in 0..device.limbs() {
        device.decrypt(&mut opening, &secret, (0..4096).map(|i| black_box((i, i))), words)?;
    }
    black_box(device.close(opening)?);
    Ok(())
}
