//! Vectors to ciphertext files and back. A vector longer than a ciphertext's slots becomes several ciphertexts.

use crate::{
    Error, Result,
    files::{Body, CiphertextMeta, Header, View, public_basis},
    keys::{random, secret::Secret},
    load::{self, SecondHalf},
    machine::{ComputeTarget, Host, Job},
    session::private::{self, Private},
};
use polyformer_kernel::{
    backend::{Backend, Shape, Wiping},
    ckks::{
        Encoder,
        encrypt::{self, Encryptor},
        keys::{PublicKey, SecretKey, UniformHalf},
        noise,
    },
    math::complex::Complex,
    params::Params,
    wipe::Wiped,
};
use std::f64::consts::SQRT_2;
use zeroize::Zeroizing;

/// The key of an encryption.
pub enum EncryptionKey<'a> {
    /// The secret key: less noise, half the size.
    Secret(&'a Secret),
    /// A public key's file.
    Public(&'a View<'a>),
}

/// A ciphertext file's header and tensors.
pub struct Encrypted {
    /// Its header.
    pub header: Header,
    /// c0, and c1 unless a seed replaces c1.
    pub tensors: Vec<Vec<u32>>,
}

/// Ciphertexts that `values` fill.
pub fn count(params: &Params, values: &[f64]) -> usize {
    values.len().div_ceil(params.slots()).max(1)
}

/// Encrypts `values` at `level`; `step` is called after each ciphertext.
pub fn encrypt(
    host: &Host,
    on: ComputeTarget,
    under: &EncryptionKey<'_>,
    values: &[f64],
    level: u8,
    step: &dyn Fn(),
) -> Result<Encrypted> {
    let top = host.params().max_message_level();
    if level > top {
        return Err(Error::usage(format!("--level {level}"), format!("the highest is {top}")));
    }
    let count = u16::try_from(count(host.params(), values)).map_err(|_| {
        let most = u16::MAX as usize * host.params().slots();
        Error::usage("values", format!("{} of them, a file holds up to {most}", values.len()))
    })?;
    host.run_client(on, Encrypt { host, under, values, level, count, step })
}

struct Encrypt<'a> {
    host: &'a Host,
    under: &'a EncryptionKey<'a>,
    values: &'a [f64],
    level: u8,
    count: u16,
    step: &'a dyn Fn(),
}

/// The key in the backend's memory.
enum Loaded<'p, B: Backend> {
    Secret(SecretKey<B>, Encryptor<'p>),
    Public(PublicKey<B>),
}

impl Job for Encrypt<'_> {
    type Output = Encrypted;

    fn run<B: Backend>(self, be: B) -> Result<Encrypted> {
        let mut guard = Wiping::new(be);
        let be = &mut *guard;
        let (params, level) = (self.host.params(), self.level);
        let (n, slots, basis) = (params.n(), params.slots(), params.q(level));
        let (mut encoder, mut rng) = (Encoder::new(params), random::generator()?);
        let (mut scratch, mut z) = (vec![0; n], vec![Complex::default(); slots]);
        let (mut scratch, mut z) = (Wiped::new(&mut scratch), Wiped::new(&mut z));
        let (mut key, from) = match self.under {
            EncryptionKey::Secret(s) => {
                let sk = SecretKey::expand(be, params, &s.seed, basis, &mut scratch)?;
                (Loaded::Secret(sk, Encryptor::new(params, &mut rng)), &s.header)
            }
            EncryptionKey::Public(view) => (Loaded::Public(load_public(be, params, view)?), &view.header),
        };
        let words = basis.len() * n;
        let mut tensors = vec![vec![0; self.count as usize * words]; 1 + matches!(key, Loaded::Public(_)) as usize];
        for item in 0..self.count as usize {
            let values = self.values.get(item * slots..).unwrap_or(&[]);
            z.fill(Complex::default());
            z.iter_mut().zip(values).for_each(|(z, x)| *z = Complex::from(*x));
            let coeffs = encoder.encode(z.iter().copied(), params.scale(level))?;
            let ct = match &mut key {
                Loaded::Secret(sk, encryptor) => encryptor.encrypt(be, sk, level, coeffs, &mut rng)?,
                Loaded::Public(pk) => encrypt::encrypt_public(be, params, pk, level, coeffs, &mut rng, &mut scratch)?,
            };
            encoder.wipe();
            for (tensor, c) in tensors.iter_mut().zip(&ct.c) {
                be.download(c.limbs(), &mut tensor[item * words..][..words])?;
            }
            (self.step)();
        }
        let seed = match key {
            Loaded::Secret(sk, encryptor) => {
                sk.wipe(be)?;
                Some(*encryptor.seed())
            }
            Loaded::Public(_) => None,
        };
        let sealed = CiphertextMeta { level, count: self.count, values: self.values.len() as u64, seed };
        let header = Header { body: Body::Ciphertext(sealed), ..from.clone() };
        Ok(Encrypted { header, tensors })
    }
}

/// Decrypts a ciphertext file, whose key was compared with `secret`'s, to its values.
///
/// `step` is called after each ciphertext. [`Private::stray`] of the result is the largest imaginary part.
pub fn decrypt(host: &Host, on: ComputeTarget, secret: &Secret, view: &View<'_>, step: &dyn Fn()) -> Result<Private> {
    match view.header.body.sealed() {
        Some((sealed, _)) => decrypt_words(host, on, secret, &[view.words(0), view.words(1)], *sealed, step),
        None => Ok(Private::new(Vec::new())),
    }
}

/// [`decrypt`] of c0, and of c1 unless a seed replaces c1.
pub fn decrypt_words(
    host: &Host,
    on: ComputeTarget,
    secret: &Secret,
    words: &[&[u32]],
    sealed: CiphertextMeta,
    step: &dyn Fn(),
) -> Result<Private> {
    let expected = sealed.count as usize * host.params().q(sealed.level).len() * host.params().n();
    for tensor in 0..1 + sealed.seed.is_none() as usize {
        let actual = words.get(tensor).map_or(0, |w| w.len());
        if actual != expected {
            return Err(polyformer_kernel::Error::Length { expected, actual }.into());
        }
    }
    host.run_client(on, Decrypt { host, secret, words, sealed, step })
}

struct Decrypt<'a> {
    host: &'a Host,
    secret: &'a Secret,
    words: &'a [&'a [u32]],
    sealed: CiphertextMeta,
    step: &'a dyn Fn(),
}

impl Job for Decrypt<'_> {
    type Output = Private;

    fn run<B: Backend>(self, be: B) -> Result<Private> {
        let mut guard = Wiping::new(be);
        let be = &mut *guard;
        let (params, level) = (self.host.params(), self.sealed.level);
        let (n, q, base) = (params.n(), params.q(level), params.base());
        let (mut words, mut coeffs) = (vec![0; base.len() * n], vec![0; n]);
        let (encoder, mut words, mut coeffs) = (Encoder::new(params), Wiped::new(&mut words), Wiped::new(&mut coeffs));
        let sk = SecretKey::expand(be, params, &self.secret.seed, base, &mut coeffs)?;
        let shape = Shape { count: 1, basis: base, cols: n as u32 };
        // of the full capacity at once: a vector that grows leaves copies
        let mut values = Zeroizing::new(Vec::with_capacity(self.sealed.count as usize * params.slots()));
        let mut imaginary = 0f64;
        for item in 0..self.sealed.count as usize {
            let at = (item * q.len() + q.row(base.start as usize)) * n; // the base rows are adjacent
            let stored = |tensor: usize| &self.words[tensor][at..][..base.len() * n];
            let c1 = match &self.sealed.seed {
                Some(seed) => SecondHalf::Seed(seed, item as u64),
                None => SecondHalf::Stored(stored(1)),
            };
            let ct = load::ciphertext(be, params, shape, level, stored(0), c1)?;
            encrypt::decrypt(be, params, &sk, &ct, 0, &mut words, &mut coeffs)?;
            let z = Zeroizing::new(encoder.decode(&coeffs, params.scale(level))?);
            let left = (self.sealed.values as usize).saturating_sub(values.len());
            values.extend(z.iter().take(left).map(|z| z.re));
            imaginary = z.iter().map(|z| z.im.abs()).fold(imaginary, f64::max); // finite: of integers
            (self.step)();
        }
        sk.wipe(be)?;
        let fresh = noise::fresh_symmetric(params) / SQRT_2 / params.scale(level); // of real parts
        let private = Private::new(std::mem::take(&mut *values)).with_signs(fresh, imaginary);
        Ok(private.with_origin(origin(&self.sealed, self.words)))
    }
}

/// The name of ciphertexts: of everything that decryption reads, without the key.
fn origin(sealed: &CiphertextMeta, words: &[&[u32]]) -> [u8; 32] {
    let numbers = [sealed.level as u64, sealed.count as u64, sealed.values].map(u64::to_le_bytes);
    let seed = sealed.seed.as_ref().map_or(&[][..], |seed| &seed[..]);
    let stored = words.iter().take(2 - sealed.seed.is_some() as usize).map(|words| bytemuck::cast_slice(words));
    let parts: Vec<&[u8]> = [numbers.as_flattened(), seed].into_iter().chain(stored).collect();
    private::name("polyformer decrypted ciphertexts 1", &parts)
}

fn load_public<B: Backend>(be: &mut B, params: &Params, view: &View<'_>) -> Result<PublicKey<B>> {
    let basis = public_basis(params);
    let Body::PublicKey { seed } = view.header.body else {
        return Err(Error::usage("--public-key", format!("a {} file", view.header.kind())));
    };
    let pair = load::pair(be, params, view.words(0), basis, (UniformHalf::PublicKey, 0, &seed))?;
    Ok(PublicKey { seed, pair })
}
