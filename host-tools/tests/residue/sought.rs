//! What must not be left: the secrets of a client as bytes. They are kept masked, so that a search does not find itself.

use polyformer::{keys::secret::Secret, machine::Host};
use polyformer_kernel::{ckks::Encoder, math::complex::Complex, ring::limb};
use zeroize::Zeroizing;

/// Bytes to look for, each combined with a mask by XOR.
pub struct Sought {
    /// Its name.
    pub name: &'static str,
    /// The bytes, each combined with a mask by XOR.
    pub masked: Vec<u8>,
}

const MASK: u8 = 0xa5;

impl Sought {
    /// These bytes.
    pub fn new(name: &'static str, bytes: impl Iterator<Item = u8>) -> Self {
        Self { name, masked: bytes.map(|byte| byte ^ MASK).collect() }
    }

    /// The places in `memory` that hold the bytes.
    pub fn places<'a>(&'a self, memory: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let first = self.masked[0] ^ MASK;
        let starts = memory.iter().enumerate().filter(move |(_, byte)| **byte == first).map(|(at, _)| at);
        starts.filter(|at| {
            let here = memory.get(*at..at + self.masked.len());
            here.is_some_and(|here| here.iter().zip(&self.masked).all(|(byte, masked)| byte ^ MASK == *masked))
        })
    }
}

/// Everything that must not be left: the seed, the secret in the forms that jobs compute, the message likewise.
pub fn secrets(host: &Host, secret: &Secret, values: &[f64]) -> Vec<Sought> {
    let params = host.params();
    let (q, index) = (params.moduli()[params.base().start as usize], params.base().start as usize);
    let mut trits = Zeroizing::new(vec![0; params.n()]);
    secret.seed.coefficients(params, &mut trits);
    let mut words = Zeroizing::new(vec![0; params.n()]);
    limb::residues(q, &mut words, &trits);
    let residues = Sought::new("residues of s", words[100..148].iter().flat_map(|x| x.to_le_bytes()));
    limb::ntt(q, host.ring().unwrap().twiddles(index), &mut words);
    let mut encoder = Encoder::new(params);
    let slots = values.iter().copied().chain(std::iter::repeat(0.0)).map(Complex::from).take(params.slots());
    let slots: Zeroizing<Vec<Complex>> = Zeroizing::new(slots.collect());
    let level = params.max_message_level();
    let coeffs = encoder.encode(slots.iter().copied(), params.scale(level)).unwrap();
    vec![
        Sought::new("seed", secret.seed.expose().iter().copied()),
        Sought::new("s, 64-bit", trits[100..148].iter().flat_map(|x| x.to_le_bytes())),
        Sought::new("s, 32-bit", trits[100..148].iter().flat_map(|x| (*x as u32).to_le_bytes())),
        residues,
        Sought::new("s, transformed", words[100..148].iter().flat_map(|x| x.to_le_bytes())),
        Sought::new("message", values[50..58].iter().flat_map(|x| x.to_le_bytes())),
        Sought::new("slots of the message", slots[50..58].iter().flat_map(|z| [z.re, z.im]).flat_map(f64::to_le_bytes)),
        Sought::new("coefficients of the message", coeffs[100..116].iter().flat_map(|x| x.to_le_bytes())),
    ]
}
