//! A client: encrypts the demo question for a server, decrypts its own message, and decrypts an answer if one exists.
//! No code allocates or panics. Every failure is an error that ends the program.

use crate::{
    board::{self, Counter},
    constants::{CLASSES, QUESTION},
    figures::{figure, memory},
};
use polyformer_kernel::{
    Error,
    ckks::{
        embedded::{EmbeddedClient, MaskedMessage, Tables},
        keys::{SecretSeed, UniformHalf, uniform},
    },
    math::{complex::Complex, embedding::Roots},
    params::{Params, Spec},
    ring::{
        entropy,
        sample::{Seed, Uniform},
        twiddles::Twiddles,
    },
    wipe::SecretRng,
};
use semihosting::{
    fs::File,
    io::{self, Read, Write},
};

/// The failures of a client.
pub enum Fault {
    /// An argument of the kernel.
    Kernel(Error),
    /// A file of the emulating machine.
    File,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::File
    }
}

type Result<T> = core::result::Result<T, Fault>;

/// All the memory that a client needs.
pub struct Memory {
    /// n/2 of them.
    pub slots: &'static mut [Complex],
    /// n of them.
    pub words: &'static mut [u32],
}

/// The program. The secret and the source of randomness are for a test. A product keeps a secret of its own and gets
/// randomness from its hardware.
pub fn run(spec: &Spec<'_>, plan: Tables<impl Roots, impl Twiddles>, mut on: Memory) -> ! {
    let well = Params::new(spec).map_err(Fault::from).and_then(|params| {
        let device = EmbeddedClient::new(&params, plan)?;
        let secret = SecretSeed::take(&mut [9; 32]);
        let mut counter = Counter::start().ok_or(Fault::File)?;
        let seed = encrypt(&device, &secret, &mut on, &mut counter)?;
        read_back(&device, &params, &secret, &seed, &mut on, &mut counter)?;
        answer(&device, &secret, &mut on)
    });
    match &well {
        Ok(()) => {}
        Err(Fault::Kernel(error)) => defmt::error!("the kernel refused: {}", error),
        Err(Fault::File) => defmt::error!("no file, or no timer"),
    }
    board::exit(well.is_ok())
}

/// Writes the public seed and both limbs of c0.
#[inline(never)] // scripts/device-profile.py counts from here
fn encrypt(
    device: &EmbeddedClient<'_, impl Roots, impl Twiddles>,
    secret: &SecretSeed,
    on: &mut Memory,
    counter: &mut Counter,
) -> Result<Seed> {
    board::paint_stack();
    on.slots.iter_mut().for_each(|z| *z = Complex { re: 0.0, im: 0.0 });
    for (z, x) in on.slots.iter_mut().zip(QUESTION) {
        z.re = x as f64;
    }
    let mut source = SecretRng::from_seed(&[1; 32]);
    let mut file = File::create(c"question.bin")?;
    let mut rng = entropy::generator(&mut source)?;
    let (message, encoding) = counter.count(|| device.encode(on.slots));
    let (message, hiding) = counter.count(|| message.map(|m| device.hide(m, secret, &mut rng)));
    let mut message = message?;
    let seed = *message.seed();
    file.write_all(&seed)?;
    let mut total = encoding + hiding;
    for limb in 0..device.limbs() {
        total += one_limb(device, limb, &mut message, on.words, counter)?;
        for word in on.words.iter() {
            file.write_all(&word.to_le_bytes())?;
        }
    }
    figure("encode", encoding);
    figure("error", hiding);
    figure("limbs", total - encoding - hiding);
    figure("encrypt", total);
    memory("encrypt");
    Ok(seed)
}

fn one_limb(
    device: &EmbeddedClient<'_, impl Roots, impl Twiddles>,
    limb: usize,
    message: &mut MaskedMessage<'_>,
    words: &mut [u32],
    counter: &mut Counter,
) -> Result<u32> {
    let (result, count) = counter.count(|| device.encrypt(limb, message, words));
    result?;
    Ok(count)
}

/// Words of a file, little-endian, up to the end of the file.
struct Words(File);

impl Iterator for Words {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        let mut bytes = [0; 4];
        self.0.read_exact(&mut bytes).ok()?;
        Some(u32::from_le_bytes(bytes))
    }
}

/// Words below q of a stream, as many as requested.
struct Half {
    uniform: Uniform,
    chunk: [u32; 64],
    at: usize,
    len: usize,
}

impl Iterator for Half {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        while self.at == self.len {
            let chunk = self.uniform.chunk();
            self.chunk.iter_mut().zip(chunk).for_each(|(x, c)| *x = *c);
            (self.at, self.len) = (0, chunk.len());
        }
        let word = self.chunk.get(self.at).copied();
        self.at += 1;
        word
    }
}

/// Decrypts the written ciphertext, and prints the largest error in units of 2^-32.
#[inline(never)] // to here
fn read_back(
    device: &EmbeddedClient<'_, impl Roots, impl Twiddles>,
    params: &Params,
    secret: &SecretSeed,
    seed: &Seed,
    on: &mut Memory,
    counter: &mut Counter,
) -> Result<()> {
    board::paint_stack();
    let mut file = File::open(c"question.bin")?;
    file.read_exact(&mut [0; 32])?;
    let mut c0 = Words(file);
    let (mut total, key) = (0, uniform(params, UniformHalf::Ciphertext, 0, seed));
    let mut opening = device.open(on.slots)?;
    for (index, q) in params.moduli().iter().enumerate() {
        let uniform = Uniform::new(*q, &key, index as u64);
        let c1 = Half { uniform, chunk: [0; 64], at: 0, len: 0 };
        let pairs = (&mut c0).zip(c1);
        let (result, count) = counter.count(|| device.decrypt(&mut opening, secret, pairs, on.words));
        result?;
        total += count;
    }
    let (slots, decoding) = counter.count(|| device.close(opening));
    let wanted = QUESTION.iter().copied().chain(core::iter::repeat(0.0));
    let errors = slots?.iter().zip(wanted).map(|(z, x)| (z.re - x as f64).abs());
    figure("decrypt", total + decoding);
    figure("decode", decoding);
    memory("decrypt");
    figure("worst error in 2^-32", (errors.fold(0.0, f64::max) * 4294967296.0) as u32);
    Ok(())
}

/// Decrypts answer.bin, pairs of words of c0 and c1, limb by limb. Prints the largest of the first numbers, and its
/// distance to the next.
fn answer(device: &EmbeddedClient<'_, impl Roots, impl Twiddles>, secret: &SecretSeed, on: &mut Memory) -> Result<()> {
    let Ok(file) = File::open(c"answer.bin") else {
        return Ok(());
    };
    let mut words = Words(file);
    let mut opening = device.open(on.slots)?;
    for _ in 0..device.limbs() {
        let pairs = core::iter::from_fn(|| Some((words.next()?, words.next()?)));
        device.decrypt(&mut opening, secret, pairs, on.words)?;
    }
    let (mut best, mut second) = ((0, f64::MIN), f64::MIN);
    for (class, z) in device.close(opening)?.iter().take(CLASSES).enumerate() {
        if z.re > best.1 {
            (best, second) = ((class, z.re), best.1);
        } else if z.re > second {
            second = z.re;
        }
    }
    defmt::println!("answer class {=usize}, logit {=f64}", best.0, best.1);
    defmt::println!("answer margin {=f64}", best.1 - second);
    Ok(())
}
