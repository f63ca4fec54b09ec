//! Bad input is an error value on a microcontroller as on a host: lengths, tables, buffers, memory, randomness.
#![no_std]
#![no_main]

use core::cell::RefCell;
use device::board;
use polyformer_kernel::{
    Error,
    backend::{Backend, Shape},
    ckks::{
        embedded::{EmbeddedClient, Tables},
        keys::SecretSeed,
    },
    math::{complex::Complex, embedding::ComputedRoots},
    params::{Params, Spec, presets::C12},
    ring::{Ring, entropy, twiddles::Computed},
    wipe::SecretRng,
};

/// A source of randomness that was never started.
struct Silent;

impl rand_core::TryRng for Silent {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0)
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.fill(0);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Silent {}

/// A source of randomness whose hardware reports a fault.
struct Broken;

impl rand_core::TryRng for Broken {
    type Error = core::fmt::Error;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Err(core::fmt::Error)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Err(core::fmt::Error)
    }
    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
        Err(core::fmt::Error)
    }
}

impl rand_core::TryCryptoRng for Broken {}

/// Prints the error, and whether the error was the expected one.
fn refused<T>(what: &str, result: Result<T, Error>, expected: Error) -> bool {
    let error = result.err();
    let same = error == Some(expected);
    defmt::println!("refused {=str} with {}: {=bool}", what, error, same);
    same
}

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut SLOTS: [Complex; 2048] = [Complex { re: 0.0, im: 0.0 }; 2048];
    static mut WORDS: [u32; 4096] = [0; 4096];
    board::exit(all(SLOTS, WORDS).unwrap_or(false))
}

fn all(slots: &mut [Complex], words: &mut [u32]) -> polyformer_kernel::Result<bool> {
    let length = |expected, actual| Error::Length { expected, actual };
    let params = Params::new(&C12)?;
    let plan = Tables { roots: ComputedRoots, twiddles: Computed };
    let device = EmbeddedClient::new(&params, plan)?;
    let secret = SecretSeed::take(&mut [9; 32]);
    let mut rng = SecretRng::from_seed(&[1; 32]);

    let mut well = refused("randomness that is all zeros", entropy::generator(&mut Silent), Error::NoEntropy);
    well &= refused("randomness that fails", entropy::generator(&mut Broken), Error::NoEntropy);
    let short = Tables { roots: ComputedRoots, twiddles: &[0; 100][..] };
    well &= refused("a short table", EmbeddedClient::new(&params, short), length(16384, 100));
    let insecure = Spec { log_n: 11, ..C12 };
    let over = Params::new(&insecure).err();
    well &= matches!(over, Some(Error::Insecure { log_qp, bound: 53.0 }) if log_qp > 59.0);

    let (few, rest) = slots.split_at_mut(1000);
    well &= refused("too few slots", device.encode(few), length(2048, 1000));
    rest[3].re = f64::NAN;
    well &= refused("not a number", device.encode(slots), Error::NotFinite { slot: 1003 });
    slots.fill(Complex { re: 1e9, im: 0.0 });
    let large = device.encode(slots).err();
    well &= matches!(large, Some(Error::TooLarge { .. }));
    well &= slots.iter().all(|z| z.re == 0.0 && z.im == 0.0); // and wiped

    let mut message = device.hide(device.encode(slots)?, &secret, &mut rng);
    let short = device.encrypt(0, &mut message, &mut words[..4000]);
    well &= refused("a short limb", short, length(4096, 4000));
    let third = device.encrypt(2, &mut message, words);
    well &= refused("a limb that is not there", third, length(2, 2));
    drop(message);

    let mut opening = device.open(slots)?;
    let broken_off = (0..77).map(|i| (i, i));
    well &= refused(
        "a message that breaks off",
        device.decrypt(&mut opening, &secret, broken_off, words),
        length(4096, 77),
    );
    well &= words.iter().all(|w| *w == 0); // the secret was wiped
    well &= refused("half a message", device.close(opening), length(2, 0));

    let blocks = [RefCell::new(&mut words[..64])];
    let mut memory = polyformer_scalar::Scalar::new(Ring::new(4096, 0, &[], &[])?, &blocks);
    let shape = Shape { count: 1, basis: params.modulus_chain(), cols: 4096 };
    well &= refused("a pool that is exhausted", memory.alloc(shape), Error::OutOfMemory { words: 8192 });
    Ok(well)
}
