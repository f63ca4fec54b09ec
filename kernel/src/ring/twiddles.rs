//! Transforms of one limb with or without a table of twiddle factors: the memory plan of a small device. Without one,
//! the factors are computed on the way, at one more product for every two words.
//!
//! Entry i of the table is psi^brv(i) ([`super::rom`]). From i to i + 1 the t trailing ones of i become zeros and the
//! zero after them a one; in brv, of L bits, that adds 3 2^(L-1-t) - 2^L. So the quotient of neighbours depends on t
//! alone, and psi^n = -1: it is -(psi^(2^(L-1-t)))^3.

use super::{limb, rom};
use crate::{
    error::{Error, Result},
    modular::Modulus,
};

/// Where the twiddle factors of one ring degree come from.
#[derive(Clone, Copy, Debug)]
pub enum Twiddles<'t> {
    /// Memory that [`rom::fill`] wrote, 2n words a modulus; in flash, perhaps.
    Table(&'t [u32]),
    /// Nowhere: they are computed.
    Computed,
}

impl Twiddles<'_> {
    /// An error if there is a table, and not one for `moduli` primes at degree n.
    pub fn check(self, n: usize, moduli: usize) -> Result<()> {
        let expected = rom::words(n, moduli);
        match self {
            Self::Table(words) if words.len() != expected => Err(Error::Length { expected, actual: words.len() }),
            _ => Ok(()),
        }
    }

    /// [`limb::ntt`] of `a`, n words modulo `q`, which is modulus `index` of the table.
    pub fn ntt(self, q: Modulus, index: usize, a: &mut [u32]) {
        match self.part(2 * index, a.len()) {
            Some(w) => limb::ntt(q, w, a),
            None => ntt(q, a),
        }
    }

    /// [`limb::intt`] likewise.
    pub fn intt(self, q: Modulus, index: usize, a: &mut [u32]) {
        match self.part(2 * index + 1, a.len()) {
            Some(w) => limb::intt(q, w, a),
            None => intt(q, a),
        }
    }

    /// The n words after the first `index` n of the table.
    fn part(&self, index: usize, n: usize) -> Option<&[u32]> {
        match self {
            Self::Table(words) => words.get(index * n..)?.get(..n),
            Self::Computed => None,
        }
    }
}

/// Powers of psi or of its inverse, Montgomery form, from which neighbours follow.
struct Walk {
    first: [u32; 32], // psi^(2^(L-1-t)) = entry 2^t of the table
    step: [u32; 32],  // entry i + 1 over entry i, for t trailing ones of i
}

impl Walk {
    fn new(q: Modulus, n: usize, psi: u32) -> Self {
        let mut walk = Self { first: [0; 32], step: [0; 32] };
        let mut power = q.to_mont(psi);
        let stages = n.trailing_zeros() as usize;
        for (first, step) in walk.first.iter_mut().zip(&mut walk.step).take(stages).rev() {
            let square = q.mul(power, power);
            (*first, *step) = (power, q.neg(q.mul(square, power)));
            power = square;
        }
        walk
    }

    /// Entries `start`, `start` + 1, ... of the table; `start` is a power of two.
    fn from(&self, q: Modulus, start: usize) -> impl Iterator<Item = u32> {
        let (mut i, mut w) = (start, self.first[start.trailing_zeros() as usize & 31]);
        core::iter::repeat_with(move || {
            let this = w;
            w = q.mul(w, self.step[i.trailing_ones() as usize & 31]);
            i += 1;
            this
        })
    }
}

/// [`limb::ntt`] without a table.
fn ntt(q: Modulus, a: &mut [u32]) {
    let n = a.len();
    let walk = Walk::new(q, n, rom::root(n, q));
    for x in a.iter_mut() {
        *x = q.to_mont(*x);
    }
    let (mut blocks, mut half) = (1, n / 2);
    while half > 0 {
        for (block, w) in a.chunks_exact_mut(2 * half).zip(walk.from(q, blocks)) {
            let (lo, hi) = block.split_at_mut(half);
            for (x, y) in lo.iter_mut().zip(hi) {
                let (u, v) = (*x, q.mul(*y, w));
                (*x, *y) = (q.add(u, v), q.sub(u, v));
            }
        }
        (blocks, half) = (2 * blocks, half / 2);
    }
}

/// [`limb::intt`] without a table.
fn intt(q: Modulus, a: &mut [u32]) {
    let n = a.len();
    let walk = Walk::new(q, n, q.inv(rom::root(n, q)));
    let (mut blocks, mut half) = (n / 2, 1);
    while blocks > 0 {
        for (block, w) in a.chunks_exact_mut(2 * half).zip(walk.from(q, blocks)) {
            let (lo, hi) = block.split_at_mut(half);
            for (x, y) in lo.iter_mut().zip(hi) {
                let (u, v) = (*x, *y);
                (*x, *y) = (q.add(u, v), q.mul(q.sub(u, v), w));
            }
        }
        (blocks, half) = (blocks / 2, 2 * half);
    }
    let n_inv = q.inv(n as u32);
    for x in a.iter_mut() {
        *x = q.mul(*x, n_inv);
    }
}

#[cfg(test)]
mod tests {
    use super::{Twiddles, rom};
    use crate::{Error, modular::Modulus, ring::limb};
    use std::{vec, vec::Vec};

    #[test]
    fn computed_and_stored_factors_give_the_same_words() {
        let moduli = [1054212097, 1053818881, 786433].map(Modulus::new);
        for log_n in 1..=13 {
            let n = 1 << log_n;
            let mut table = vec![0; rom::words(n, moduli.len())];
            rom::fill(n, &moduli, &mut table);
            for (i, q) in moduli.into_iter().enumerate() {
                let mut want: Vec<u32> = (0..n as u32).map(|k| q.reduce(k.wrapping_mul(2654435761) ^ 7)).collect();
                let (mut stored, mut computed) = (want.clone(), want.clone());
                Twiddles::Table(&table).ntt(q, i, &mut stored);
                Twiddles::Computed.ntt(q, i, &mut computed);
                let input = want.clone();
                limb::ntt(q, &table[2 * i * n..], &mut want);
                assert!(want == stored && want == computed, "degree {n}, modulus {}", q.q());
                Twiddles::Table(&table).intt(q, i, &mut stored);
                Twiddles::Computed.intt(q, i, &mut computed);
                assert!(input == stored && input == computed, "degree {n}, modulus {}", q.q());
            }
        }
    }

    #[test]
    fn a_table_of_another_length_is_an_error() {
        assert_eq!(Twiddles::Table(&[0; 60]).check(16, 2), Err(Error::Length { expected: 64, actual: 60 }));
        assert_eq!(Twiddles::Computed.check(16, 2), Ok(()));
    }
}
