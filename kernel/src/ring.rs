//! The ring `Z_q[X]/(X^n + 1)` over a modulus chain of word-size primes.
//!
//! The chain is the special primes p_0 .. p_{k-1} followed by the q primes. Every residue basis of the library is the
//! first few specials followed by one span of q primes ([`Basis`]). Arithmetic therefore finds a row of a buffer,
//! without an index map. [`limb`] specifies every operation on one limb.
//!
//! ```
//! use polyformer_kernel::{
//!     math::modular::Modulus,
//!     ring::{Basis, Op, Ring, limb, tables},
//! };
//!
//! // A chain of three primes, all 1 modulo 16; the first prime is special.
//! let moduli = [469_762_049, 167_772_161, 998_244_353].map(Modulus::new);
//! let mut twiddles = [0; tables::words(8, 3)];
//! tables::fill(8, &moduli, &mut twiddles);
//! let ring = Ring::new(8, 1, &moduli, &twiddles)?;
//! assert_eq!(ring.modulus_chain(), Basis::span(1, 3));
//! let full = ring.modulus_chain().with(ring.specials());
//! assert_eq!((full.len(), full.row(2)), (3, 2));
//!
//! // X^4 times X^4 is X^8 = -1.
//! let q = ring.modulus(1);
//! let mut x = [0, 0, 0, 0, 1, 0, 0, 0];
//! limb::ntt(q, ring.twiddles(1), &mut x);
//! let mut square = [0; 8];
//! limb::zip(q, Op::Mul, &mut square, &x, &x);
//! limb::intt(q, ring.inv_twiddles(1), &mut square);
//! assert_eq!(square, [q.q() - 1, 0, 0, 0, 0, 0, 0, 0]);
//! # Ok::<(), polyformer_kernel::Error>(())
//! ```

use crate::math::modular::Modulus;

pub mod chain;
pub mod convert;
pub mod entropy;
pub mod limb;
pub mod sample;
pub mod tables;
pub mod twiddles;

/// The largest length of the modulus chain.
pub const MAX_MODULI: usize = 64;

/// A set of moduli: the first `specials` primes of the modulus chain, then the span `[start, end)` of the chain, at or
/// after the specials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Basis {
    /// Special primes: 0, or a prefix of P.
    pub specials: u16,
    /// Index of the first q prime in the modulus chain.
    pub start: u16,
    /// One past the last q prime.
    pub end: u16,
}

impl Basis {
    /// `[start, end)` without specials.
    pub const fn span(start: usize, end: usize) -> Self {
        Self { specials: 0, start: start as u16, end: end as u16 }
    }

    /// The first `k` specials alone.
    pub const fn specials(k: u16) -> Self {
        Self { specials: k, start: 0, end: 0 }
    }

    /// The same span with `k` specials in front.
    pub const fn with(self, k: u16) -> Self {
        Self { specials: k, ..self }
    }

    /// Number of limbs.
    pub const fn len(self) -> usize {
        (self.specials + self.end - self.start) as usize
    }

    /// Whether the basis has no limb.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Prime indices in row order.
    pub fn iter(self) -> impl Iterator<Item = usize> + Clone {
        (0..self.specials as usize).chain(self.start as usize..self.end as usize)
    }

    /// Row of prime index `m`, which must be in the basis.
    pub const fn row(self, m: usize) -> usize {
        if m < self.specials as usize { m } else { self.specials as usize + m - self.start as usize }
    }

    /// Prime index of row `i`, for `i` below the length: the inverse of [`Basis::row`].
    pub const fn prime_index(self, i: usize) -> usize {
        let k = self.specials as usize;
        if i < k { i } else { self.start as usize + i - k }
    }

    /// Moduli in both bases.
    pub fn and(self, other: Basis) -> Basis {
        let start = self.start.max(other.start);
        let end = self.end.min(other.end).max(start);
        Basis { specials: self.specials.min(other.specials), start, end }
    }

    /// Whether the moduli in `self` only are a span at one end, as [`Basis::minus`] requires.
    pub fn one_span_apart(self, other: Basis) -> bool {
        let both = self.and(other);
        both.start == both.end || both.start == self.start || both.end == self.end
    }

    /// Moduli in `self` only. The difference must again be a basis: all specials or none are dropped, and the
    /// spans differ at one end.
    pub fn minus(self, other: Basis) -> Basis {
        let both = self.and(other);
        debug_assert!(both.specials == 0 || both.specials == self.specials);
        let specials = if both.specials == 0 { self.specials } else { 0 };
        let (start, end) = if both.start == both.end {
            (self.start, self.end)
        } else if both.end == self.end {
            (self.start, both.start)
        } else {
            debug_assert!(both.start == self.start);
            (both.end, self.end)
        };
        Basis { specials, start, end }
    }

    /// Whether every modulus of `other` is in `self`.
    pub const fn covers(self, other: Basis) -> bool {
        other.specials <= self.specials
            && (other.start == other.end || (self.start <= other.start && other.end <= self.end))
    }
}

/// The element-wise operations as a value, so that a backend can select a compute kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// ab/R, the Montgomery product
    Mul,
}

/// Everything constant about the ring: degree, moduli, twiddles. Flash on a device, one upload on a GPU.
#[derive(Clone, Copy, Debug)]
pub struct Ring<'r> {
    n: usize,
    specials: u16,
    moduli: &'r [Modulus],
    twiddles: &'r [u32],
}

impl<'r> Ring<'r> {
    /// A ring of degree `n`, a power of two. The first `specials` of `moduli` are P. [`tables::fill`] makes `twiddles`.
    ///
    /// # Errors
    ///
    /// [`Error::Length`](crate::Error::Length) if `twiddles` has another length than [`tables::words`].
    pub fn new(n: usize, specials: u16, moduli: &'r [Modulus], twiddles: &'r [u32]) -> crate::Result<Self> {
        let expected = tables::words(n, moduli.len());
        if twiddles.len() != expected {
            return Err(crate::Error::Length { expected, actual: twiddles.len() });
        }
        Ok(Self { n, specials, moduli, twiddles })
    }

    /// Ring degree, a power of two.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Number of special primes.
    pub fn specials(&self) -> u16 {
        self.specials
    }

    /// The modulus chain.
    pub fn moduli(&self) -> &'r [Modulus] {
        self.moduli
    }

    /// Modulus at prime index `m`.
    pub fn modulus(&self, m: usize) -> Modulus {
        self.moduli[m]
    }

    /// Every q prime, no specials.
    pub fn modulus_chain(&self) -> Basis {
        Basis::span(self.specials as usize, self.moduli.len())
    }

    /// Forward twiddles of prime index `m`: entry i is psi^bit_reverse(i), Montgomery form. The first `c` entries serve
    /// a transform of length `c`.
    pub fn twiddles(&self, m: usize) -> &'r [u32] {
        &self.twiddles[2 * m * self.n..][..self.n]
    }

    /// Inverse twiddles of prime index `m`: entry i is psi^-bit_reverse(i), Montgomery form.
    pub fn inv_twiddles(&self, m: usize) -> &'r [u32] {
        &self.twiddles[(2 * m + 1) * self.n..][..self.n]
    }

    /// Product of the moduli of `basis` modulo `q`, plain.
    pub fn product(&self, basis: Basis, q: Modulus) -> u32 {
        basis.iter().fold(1, |acc, m| q.mul(acc, q.to_mont(self.moduli[m].q())))
    }

    /// One Montgomery constant per modulus of `over`: `f` of the modulus, in plain form.
    pub fn constants(&self, over: Basis, f: impl Fn(Modulus) -> u32) -> Constants {
        let mut c = Constants { words: [0; MAX_MODULI], len: over.len() };
        for (c, m) in c.words.iter_mut().zip(over.iter()) {
            let q = self.moduli[m];
            *c = q.to_mont(f(q));
        }
        c
    }
}

/// One word per modulus of a basis, in row order.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    words: [u32; MAX_MODULI],
    len: usize,
}

impl core::ops::Deref for Constants {
    type Target = [u32];
    fn deref(&self) -> &[u32] {
        &self.words[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::Basis;

    #[test]
    fn set_operations_follow_the_line() {
        let pq = Basis::span(4, 20).with(2);
        assert_eq!(pq.len(), 18);
        assert_eq!(pq.iter().map(|m| pq.row(m)).collect::<std::vec::Vec<_>>(), (0..18).collect::<std::vec::Vec<_>>());
        assert_eq!(
            (0..18).map(|i| pq.prime_index(i)).collect::<std::vec::Vec<_>>(),
            pq.iter().collect::<std::vec::Vec<_>>()
        );
        assert_eq!(pq.minus(Basis::span(4, 20)), Basis { specials: 2, start: 4, end: 20 }.minus(Basis::span(4, 20)));
        assert_eq!(pq.minus(Basis::span(4, 20)).len(), 2);
        assert_eq!(pq.minus(Basis::span(4, 18)).len(), 4);
        assert_eq!(Basis::span(6, 20).minus(Basis::span(5, 18)), Basis::span(18, 20));
        assert_eq!(Basis::span(5, 18).minus(Basis::span(6, 20)), Basis::span(5, 6));
        assert!(pq.covers(Basis::span(4, 9)) && !Basis::span(4, 9).covers(pq));
        assert!(Basis::span(4, 9).and(Basis::span(10, 12)).is_empty());
    }
}
