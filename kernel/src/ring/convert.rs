//! Constants of the conversion between residue bases, computed at each use. The computation takes a few thousand
//! products, which is little next to the n columns of a conversion. No table is stored.

use super::{Basis, MAX_MODULI, Ring};
use crate::math::modular::Modulus;
use heapless::Vec;

/// The most source primes of a conversion: sixteen products of words below 2^30 fit in 64 bits.
pub const MAX_SOURCES: usize = 16;

/// Constants to convert out of the basis `from` (product F, primes f_i) into the basis `to`. All in Montgomery
/// form: (F/f_i)^-1 mod f_i, and for each target t, F/f_i mod t and F mod t.
#[derive(Clone, Debug)]
pub struct Conversion {
    sources: Vec<Modulus, MAX_SOURCES>,
    targets: Vec<Modulus, MAX_MODULI>,
    hat_inv: [u32; MAX_SOURCES],
    hats: [[u32; MAX_SOURCES]; MAX_MODULI],
    modulus: [u32; MAX_MODULI],
}

impl Conversion {
    /// `from` has at most [`MAX_SOURCES`] primes, which [`crate::params::Params`] makes sure of.
    pub fn new(ring: &Ring<'_>, from: Basis, to: Basis) -> Self {
        debug_assert!(from.len() <= MAX_SOURCES);
        let sources: Vec<Modulus, MAX_SOURCES> = from.iter().take(MAX_SOURCES).map(|m| ring.modulus(m)).collect();
        let targets: Vec<Modulus, MAX_MODULI> = to.iter().map(|m| ring.modulus(m)).collect();
        let mut c = Self {
            hat_inv: [0; MAX_SOURCES],
            hats: [[0; MAX_SOURCES]; MAX_MODULI],
            modulus: [0; MAX_MODULI],
            sources,
            targets,
        };
        for (i, q) in c.sources.iter().enumerate() {
            c.hat_inv[i] = q.to_mont(q.inv(hats(&c.sources, *q).0[i]));
        }
        for (t, q) in c.targets.iter().enumerate() {
            let (plain, modulus) = hats(&c.sources, *q);
            c.hats[t] = plain.map(|h| q.to_mont(h));
            c.modulus[t] = q.to_mont(modulus);
        }
        c
    }

    /// The primes converted from.
    pub fn sources(&self) -> &[Modulus] {
        &self.sources
    }

    /// The primes converted to.
    pub fn targets(&self) -> &[Modulus] {
        &self.targets
    }

    /// (F/f_i)^-1 mod f_i.
    pub fn hat_inv(&self, i: usize) -> u32 {
        self.hat_inv[i]
    }

    /// F/f_i modulo target `t`, for every source i.
    pub fn hats(&self, t: usize) -> &[u32] {
        &self.hats[t][..self.sources.len()]
    }

    /// F modulo target `t`.
    pub fn modulus(&self, t: usize) -> u32 {
        self.modulus[t]
    }
}

/// Plain (F/f_i mod q for each i, F mod q), by products from the left and from the right.
fn hats(sources: &[Modulus], q: Modulus) -> ([u32; MAX_SOURCES], u32) {
    let mut out = [1; MAX_SOURCES];
    let mut left = 1;
    for (o, f) in out.iter_mut().zip(sources) {
        *o = left;
        left = q.mul(left, q.to_mont(f.q()));
    }
    let mut right = 1;
    for (o, f) in out.iter_mut().zip(sources).rev() {
        *o = q.mul(*o, q.to_mont(right));
        right = q.mul(right, q.to_mont(f.q()));
    }
    (out, left)
}
