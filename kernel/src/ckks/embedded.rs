//! The client on a small device. The client encodes, encrypts and decrypts one limb at a time, without a backend or an
//! allocator. The caller provides two buffers: n/2 complex numbers and n words, 12n bytes in total (48 KB at n = 2^12).
//!
//! The words equal the words that [`super::hazmat::symmetric`] makes from the same seed and error. A server lifts such
//! ciphertexts into its ring ([`super::ring_switch`]) and sends its answers back through the small ring.

use super::{
    derive::{UniformHalf, uniform},
    encode::{decode_in_place, encode_packed, packed, unpacked},
    encrypt::{Garner, centered},
    hedge, public_seed,
    secret::SecretSeed,
};
use crate::{
    error::{Error, Result, same_length},
    math::{complex::Complex, embedding::Roots, modular::Modulus},
    params::Params,
    ring::{
        sample::{self, Seed, Uniform},
        twiddles::Twiddles,
    },
    wipe::on_a_clean_stack,
};
use zeroize::Zeroize;

/// Bytes of the stack that are overwritten after each use of the secret.
const STACK: usize = 1024;

/// The memory plan: which constants are stored, perhaps in flash, and which are computed again and again.
#[derive(Clone, Copy, Debug)]
pub struct Tables<R, T> {
    /// Of the embedding: 8n bytes, or n/2 sines and cosines a message.
    pub roots: R,
    /// Of the transforms: 8n bytes a limb, or n products a transform.
    pub twiddles: T,
}

/// A client of the level 0 of its parameters, whose base has one prime or two.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedClient<'a, R, T> {
    params: &'a Params,
    plan: Tables<R, T>,
}

/// Integer coefficients in a buffer of slots: coefficient k in the bytes of the real part of entry k, coefficient k + n/2
/// in the bytes of its imaginary part. Arithmetic on coefficients and errors is integer arithmetic, whose time does not
/// depend on the values. Wiped when dropped.
pub struct Message<'m>(&'m mut [Complex]);

/// A message that carries its error, and so may be encrypted: under one secret and one public seed, as often as a limb is
/// needed. Wiped when dropped.
///
/// The seed was drawn with the error. A limb that was lost is made again with the same words; another seed would give the
/// secret away.
pub struct MaskedMessage<'m> {
    message: Message<'m>,
    secret: &'m SecretSeed,
    seed: Seed,
    uniform: Seed, // of the half a, for the set below
    set: [u64; 4],
}

/// A decryption under way. Wiped when dropped.
pub struct Opening<'m> {
    coeffs: &'m mut [Complex], // integers in [0, q0) after the first limb; centred modulo the base after the last
    limbs: usize,
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.coeffs.zeroize();
    }
}

/// `f` of every coefficient in order: the real parts, then the imaginary parts. One loop, so that `f` is compiled once.
fn each(coeffs: &mut [Complex], mut f: impl FnMut(&mut f64)) {
    for imaginary in [false, true] {
        for z in coeffs.iter_mut() {
            f(if imaginary { &mut z.im } else { &mut z.re });
        }
    }
}

/// `f` of every word and its coefficient.
fn each_word(words: &mut [u32], coeffs: &mut [Complex], f: impl Fn(&mut u32, &mut f64)) {
    let mut words = words.iter_mut();
    each(coeffs, |c| {
        if let Some(w) = words.next() {
            f(w, c);
        }
    });
}

impl Message<'_> {
    /// The coefficients in order.
    fn coefficients(&self) -> impl Iterator<Item = i64> {
        let parts = |part: fn(&Complex) -> f64| self.0.iter().map(move |z| unpacked(part(z)));
        parts(|z| z.re).chain(parts(|z| z.im))
    }
}

impl MaskedMessage<'_> {
    /// The public seed, from which the other half of the ciphertext is expanded. The client sends the seed first.
    pub fn seed(&self) -> &Seed {
        &self.seed
    }
}

impl<'a, R: Roots, T: Twiddles> EmbeddedClient<'a, R, T> {
    /// Fails if a table of `plan` does not fit the parameters, or their base has more than two primes.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::Slots`] if a table of `plan` is too short, [`Error::TooMany`] if the base has more than
    /// two primes.
    pub fn new(params: &'a Params, plan: Tables<R, T>) -> Result<Self> {
        plan.twiddles.check(params.n(), params.moduli().len())?;
        let (given, slots) = (params.slots(), plan.roots.slots());
        if given > slots {
            return Err(Error::Slots { given, slots });
        }
        match params.base().len() {
            1 | 2 => Ok(Self { params, plan }),
            asked => Err(Error::TooMany { asked, limit: 2 }),
        }
    }

    /// Limbs of a ciphertext.
    pub fn limbs(&self) -> usize {
        self.params.base().len()
    }

    /// Prime index and modulus of a limb.
    fn limb(&self, limb: usize) -> Result<(usize, Modulus)> {
        let index = self.params.base().iter().nth(limb);
        let found = index.and_then(|m| Some((m, *self.params.moduli().get(m)?)));
        found.ok_or(Error::Length { expected: self.limbs(), actual: limb })
    }

    /// Encodes n/2 slots in place, which are wiped on failure. Error: that of [`super::encode::encode`].
    ///
    /// # Errors
    /// Those of [`super::encode::encode`]; [`Error::Length`] if `slots` is not n/2 long.
    pub fn encode<'m>(&self, slots: &'m mut [Complex]) -> Result<Message<'m>> {
        same_length(self.params.slots(), slots.len())?;
        let message = Message(slots);
        encode_packed(self.plan.roots, message.0, self.params.base_scale(), self.params.limit_bits())?;
        Ok(message)
    }

    /// Draws the public seed and the error ([`sample::error`]) of a message. Both follow from 32 bytes of `rng`, the secret,
    /// and the message, so a source that repeats its bytes repeats neither for another message.
    pub fn hide<'m>(
        &self,
        message: Message<'m>,
        secret: &'m SecretSeed,
        rng: &mut impl rand_core::CryptoRng,
    ) -> MaskedMessage<'m> {
        let seed = on_a_clean_stack::<STACK, _>(|| {
            let mut hedged = hedge::generator(self.params, secret, rng, message.coefficients());
            let seed = public_seed(&mut hedged);
            each(message.0, |c| *c = packed(unpacked(*c) + sample::binomial(&mut hedged)));
            seed
        });
        let uniform = uniform(self.params, UniformHalf::Ciphertext, 0, &seed);
        MaskedMessage { message, secret, seed, uniform, set: *self.params.fingerprint() }
    }

    /// One limb of c0 = message - a s in `words`, n words. The same call gives the same words.
    ///
    /// # Errors
    /// [`Error::Length`] if there is no such limb, or `words` is not n long; [`Error::Unsupported`] if the message was
    /// hidden by a client of other parameters.
    pub fn encrypt(&self, limb: usize, masked: &mut MaskedMessage<'_>, words: &mut [u32]) -> Result<()> {
        let (index, q) = self.limb(limb)?;
        if masked.set != *self.params.fingerprint() {
            return Err(Error::Unsupported { what: "a message that was hidden for other parameters" });
        }
        self.secret(index, q, masked.secret, words)?;
        let mut a = Uniform::new(q, &masked.uniform, index as u64); // as upload_uniform makes it for stream 0
        let mut rest = &mut *words;
        while !rest.is_empty() {
            let chunk = a.chunk();
            let (now, later) = rest.split_at_mut(chunk.len().min(rest.len()));
            now.iter_mut().zip(chunk).for_each(|(s, a)| *s = q.mul(*s, *a));
            rest = later;
        }
        self.plan.twiddles.intt(q, index, words);
        each_word(words, masked.message.0, |w, c| *w = q.sub(q.reduce_i64(unpacked(*c)), *w));
        self.plan.twiddles.ntt(q, index, words);
        Ok(())
    }

    /// s modulo q, Eval, in `words`.
    fn secret(&self, index: usize, q: Modulus, secret: &SecretSeed, words: &mut [u32]) -> Result<()> {
        same_length(self.params.n(), words.len())?;
        on_a_clean_stack::<STACK, _>(|| {
            words.iter_mut().zip(secret.trits(self.params)).for_each(|(w, s)| *w = q.reduce_i64(s));
        });
        self.plan.twiddles.ntt(q, index, words);
        Ok(())
    }

    /// Starts a decryption into n/2 slots.
    ///
    /// # Errors
    /// [`Error::Length`] if `slots` is not n/2 long.
    pub fn open<'m>(&self, slots: &'m mut [Complex]) -> Result<Opening<'m>> {
        same_length(self.params.slots(), slots.len())?;
        Ok(Opening { coeffs: slots, limbs: 0 })
    }

    /// Takes the next limb of a ciphertext: its n pairs of words of c0 and c1, in order of arrival. `words` has n words
    /// and is wiped.
    ///
    /// # Errors
    /// [`Error::Length`] if the ciphertext ends early, all limbs were taken, or `words` is not n long.
    pub fn decrypt(
        &self,
        opening: &mut Opening<'_>,
        secret: &SecretSeed,
        pairs: impl Iterator<Item = (u32, u32)>,
        words: &mut [u32],
    ) -> Result<()> {
        let (index, q) = self.limb(opening.limbs)?;
        self.secret(index, q, secret, words)?;
        let (mut given, n) = (0, words.len());
        for (w, (c0, c1)) in words.iter_mut().zip(pairs) {
            *w = q.add(q.reduce(c0), q.mul(*w, q.reduce(c1)));
            given += 1;
        }
        if given < n {
            words.zeroize();
            return Err(Error::Length { expected: n, actual: given });
        }
        self.join(opening, index, q, words)
    }

    /// Takes a limb c0 + c1 s, Eval, into the coefficients, and wipes the limb. Apart from [`EmbeddedClient::decrypt`], so
    /// that the code is not repeated for each source of pairs.
    #[inline(never)]
    fn join(&self, opening: &mut Opening<'_>, index: usize, q: Modulus, words: &mut [u32]) -> Result<()> {
        self.plan.twiddles.intt(q, index, words);
        let last = self.limbs() == opening.limbs + 1;
        match (opening.limbs, last) {
            (0, true) => each_word(words, opening.coeffs, |w, c| *c = packed(centered(*w as u64, q.q() as u64))),
            (0, false) => each_word(words, opening.coeffs, |w, c| *c = packed(*w as i64)),
            _ => {
                let q0 = self.limb(0)?.1;
                let (pair, product) = (Garner::new(q0, q), q0.q() as u64 * q.q() as u64);
                let join = |w: u32, c: f64| centered(pair.join(unpacked(c) as u32, w), product);
                each_word(words, opening.coeffs, |w, c| *c = packed(join(*w, *c)));
            }
        }
        words.zeroize();
        opening.limbs += 1;
        Ok(())
    }

    /// The slots, after all limbs.
    ///
    /// The values carry noise that depends on the secret and are private to the key's owner (docs/math.md §17.3).
    ///
    /// # Errors
    /// [`Error::Length`] with the number of limbs if one is missing.
    pub fn close<'m>(&self, mut opening: Opening<'m>) -> Result<&'m mut [Complex]> {
        same_length(self.limbs(), opening.limbs)?;
        each(opening.coeffs, |c| *c = unpacked(*c) as f64);
        decode_in_place(self.plan.roots, opening.coeffs, self.params.base_scale())?;
        Ok(core::mem::take(&mut opening.coeffs)) // the caller's from now on
    }
}
