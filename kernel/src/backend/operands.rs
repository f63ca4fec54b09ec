//! The operands of the contract: buffers with their shapes, and what the fused methods take.

use super::Backend;
use crate::{
    error::{Error, Result},
    ring::Basis,
};
use heapless::Vec;

/// `count` x `basis.len()` x `cols` words, row-major, rows in the order of `basis.iter()`.
///
/// The second operand of an element-wise operation broadcasts in two dimensions: a `count` of 1 serves every item
/// of a batch (keys, weights), and `cols` below n is constant on contiguous blocks of n / `cols` words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Shape {
    /// Polynomials in the batch.
    pub count: u16,
    /// The moduli of the rows.
    pub basis: Basis,
    /// Words a row: n, or a smaller power of two.
    pub cols: u32,
}

impl Shape {
    /// Total words.
    pub const fn words(self) -> usize {
        self.count as usize * self.basis.len() * self.cols as usize
    }

    /// Word offset of the row of prime index `m` in `item`. With a count of 1 every item is the first.
    pub const fn at(self, item: usize, m: usize) -> usize {
        let item = if self.count == 1 { 0 } else { item };
        (item * self.basis.len() + self.basis.row(m)) * self.cols as usize
    }

    /// The range of words of that row.
    pub const fn range(self, item: usize, m: usize) -> core::ops::Range<usize> {
        let at = self.at(item, m);
        at..at + self.cols as usize
    }
}

/// Residues of a batch of polynomials.
#[derive(Debug)]
pub struct Limbs<Buf> {
    /// The backend's handle of the words. Layers above the backend cannot read a buffer.
    pub buf: Buf,
    /// The layout of the words.
    pub shape: Shape,
}

/// The most digits of a key switch.
pub const MAX_DIGITS: usize = 32;

/// A pair (b, a) of polynomials: a ciphertext, or one digit of a key.
pub type Pair<Buf> = [Limbs<Buf>; 2];

/// The two factors of one term of a sum of products.
pub type Term<'a, Buf> = (&'a Limbs<Buf>, &'a Limbs<Buf>);

/// The operand of several key switches: `d` (Eval, over `q`), in digits of `alpha` primes. P times `add`, over `q`, is
/// added to every product.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a, Buf> {
    /// The basis of the level.
    pub q: Basis,
    /// Primes a digit.
    pub alpha: u16,
    /// The polynomial that is decomposed into digits.
    pub d: &'a Limbs<Buf>,
    /// The addends of b and of a.
    pub add: [Option<&'a Limbs<Buf>>; 2],
}

/// A pending giant step of a linear map.
#[derive(Debug)]
pub struct GiantStep<'a, Buf> {
    /// (P and q) the inner sum, times P.
    pub c: Pair<Buf>,
    /// The rotation.
    pub galois: u32,
    /// Its key.
    pub key: &'a [Pair<Buf>],
}

/// The most words of temporary memory for the key switches of a batch. A larger batch is computed in parts.
pub const BATCH_WORDS: usize = 1 << 26;

/// Temporaries of [`Backend::key_switch`] and [`Backend::mod_switch`], allocated once.
#[derive(Debug)]
pub struct Workspace<Buf> {
    /// P modulo each prime of the modulus chain, one word a row.
    pub p: Limbs<Buf>,
    /// Each digit, extended to P and the whole modulus chain. Empty if the backend's `key_switch` needs no such memory.
    pub ext: Vec<Limbs<Buf>, MAX_DIGITS>,
    /// The operand, or its dropped part, in Coeff, over P and the whole modulus chain.
    pub coeff: Limbs<Buf>,
    /// The converted part of a mod_switch, over the modulus chain.
    pub tmp: Limbs<Buf>,
}

impl<Buf> Workspace<Buf> {
    /// Allocates temporaries for operands of `count` items over the whole modulus chain: `digits` buffers for extended
    /// digits, then the others.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`] for more than [`MAX_DIGITS`] digits; an error of memory.
    pub fn new<B: Backend<Buf = Buf> + ?Sized>(be: &mut B, count: u16, digits: usize) -> Result<Self> {
        let ring = be.ring();
        let line = Shape { count, basis: ring.modulus_chain(), cols: ring.n() as u32 };
        let full = Shape { basis: line.basis.with(ring.specials()), ..line };
        let mut ext = Vec::new();
        for _ in 0..digits {
            let limbs = be.alloc(full)?;
            ext.push(limbs).map_err(|_| Error::TooMany { asked: digits, limit: MAX_DIGITS })?;
        }
        Ok(Self { p: p_modulo(be)?, ext, coeff: be.alloc(full)?, tmp: be.alloc(line)? })
    }
}

/// P modulo each prime of the modulus chain.
fn p_modulo<B: Backend + ?Sized>(be: &mut B) -> Result<Limbs<B::Buf>> {
    let ring = be.ring();
    let (line, p) = (ring.modulus_chain(), Basis::specials(ring.specials()));
    let words = ring.constants(line, |q| ring.product(p, q));
    let mut out = be.alloc(Shape { count: 1, basis: line, cols: 1 })?;
    be.upload(&mut out, &words)?;
    Ok(out)
}
