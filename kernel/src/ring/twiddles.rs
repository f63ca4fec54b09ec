//! Transforms of one limb with or without a table of twiddle factors, for a client with little memory. Without a table
//! the transform computes the factors, at one more product for every two words.
//!
//! Entry i of the table is psi^bit_reverse(i) ([`super::tables`]). From i to i + 1 the t trailing ones of i become
//! zeros, and the zero above them becomes a one. In bit_reverse, of L bits, this step adds 3 2^(L-1-t) - 2^L. The
//! quotient of neighbours therefore depends on t alone. With psi^n = -1 the quotient is -(psi^(2^(L-1-t)))^3.

use super::tables;
use crate::{
    error::{Error, Result},
    math::modular::Modulus,
};

/// The source of the twiddle factors of one ring degree: a table of [`tables::fill`], or [`Computed`].
pub trait Twiddles: Copy {
    /// An error for a table that is not for `moduli` primes at degree n.
    fn check(self, n: usize, moduli: usize) -> Result<()>;
    /// [`super::limb::ntt`] of `a`, n words modulo `q`, which is modulus `index` of the table.
    fn ntt(self, q: Modulus, index: usize, a: &mut [u32]);
    /// [`super::limb::intt`] likewise.
    fn intt(self, q: Modulus, index: usize, a: &mut [u32]);
}

impl Twiddles for &[u32] {
    fn check(self, n: usize, moduli: usize) -> Result<()> {
        let (expected, actual) = (tables::words(n, moduli), self.len());
        if expected == actual { Ok(()) } else { Err(Error::Length { expected, actual }) }
    }

    fn ntt(self, q: Modulus, index: usize, a: &mut [u32]) {
        let table = part(self, 2 * index, a.len());
        ntt(q, a, |start| table.iter().copied().skip(start));
    }

    fn intt(self, q: Modulus, index: usize, a: &mut [u32]) {
        let table = part(self, 2 * index + 1, a.len());
        intt(q, a, |start| table.iter().copied().skip(start));
    }
}

/// The n words after the first `index` n of the table.
fn part(table: &[u32], index: usize, n: usize) -> &[u32] {
    table.chunks_exact(n.max(1)).nth(index).unwrap_or(&[])
}

/// No table: the factors are computed in each transform.
#[derive(Clone, Copy, Debug)]
pub struct Computed;

impl Twiddles for Computed {
    fn check(self, _: usize, _: usize) -> Result<()> {
        Ok(())
    }

    fn ntt(self, q: Modulus, _: usize, a: &mut [u32]) {
        let walk = Walk::new(q, a.len(), tables::root(a.len(), q));
        ntt(q, a, |start| walk.from(q, start));
    }

    fn intt(self, q: Modulus, _: usize, a: &mut [u32]) {
        let walk = Walk::new(q, a.len(), q.inv(tables::root(a.len(), q)));
        intt(q, a, |start| walk.from(q, start));
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

/// [`super::limb::ntt`]; `from(i)` are the entries of the table from i on.
fn ntt<I: Iterator<Item = u32>>(q: Modulus, a: &mut [u32], from: impl Fn(usize) -> I) {
    a.iter_mut().for_each(|x| *x = q.to_mont(*x));
    let (mut blocks, mut length) = (1, a.len());
    while length > 1 {
        for (block, w) in a.chunks_exact_mut(length).zip(from(blocks)) {
            let (lo, hi) = block.split_at_mut(block.len() / 2);
            for (x, y) in lo.iter_mut().zip(hi) {
                let (u, v) = (*x, q.mul(*y, w));
                (*x, *y) = (q.add(u, v), q.sub(u, v));
            }
        }
        (blocks, length) = (2 * blocks, length / 2);
    }
}

/// [`super::limb::intt`]; `from(i)` are the entries of the table from i on.
fn intt<I: Iterator<Item = u32>>(q: Modulus, a: &mut [u32], from: impl Fn(usize) -> I) {
    let n = a.len();
    let (mut blocks, mut length) = (n / 2, 2);
    while blocks > 0 {
        for (block, w) in a.chunks_exact_mut(length.max(2)).zip(from(blocks)) {
            let (lo, hi) = block.split_at_mut(block.len() / 2);
            for (x, y) in lo.iter_mut().zip(hi) {
                let (u, v) = (*x, *y);
                (*x, *y) = (q.add(u, v), q.mul(q.sub(u, v), w));
            }
        }
        (blocks, length) = (blocks / 2, 2 * length);
    }
    let n_inv = q.inv(n as u32);
    a.iter_mut().for_each(|x| *x = q.mul(*x, n_inv));
}

#[cfg(test)]
mod tests {
    use super::{Computed, Twiddles};
    use crate::ring::tables;
    use crate::{Error, math::modular::Modulus, ring::limb};
    use std::{vec, vec::Vec};

    #[test]
    fn computed_and_stored_factors_give_the_same_words() {
        let moduli = [1054212097, 1053818881, 786433].map(Modulus::new);
        for log_n in 1..=13 {
            let n = 1 << log_n;
            let mut table = vec![0; tables::words(n, moduli.len())];
            tables::fill(n, &moduli, &mut table);
            for (i, q) in moduli.into_iter().enumerate() {
                let mut want: Vec<u32> = (0..n as u32).map(|k| q.reduce(k.wrapping_mul(2654435761) ^ 7)).collect();
                let (mut stored, mut computed) = (want.clone(), want.clone());
                (&table[..]).ntt(q, i, &mut stored);
                Computed.ntt(q, i, &mut computed);
                let input = want.clone();
                limb::ntt(q, &table[2 * i * n..], &mut want);
                assert!(want == stored && want == computed, "degree {n}, modulus {}", q.q());
                (&table[..]).intt(q, i, &mut stored);
                Computed.intt(q, i, &mut computed);
                assert!(input == stored && input == computed, "degree {n}, modulus {}", q.q());
            }
        }
    }

    #[test]
    fn a_table_of_another_length_is_an_error() {
        assert_eq!((&[0; 60][..]).check(16, 2), Err(Error::Length { expected: 64, actual: 60 }));
        assert_eq!(Computed.check(16, 2), Ok(()));
    }
}
