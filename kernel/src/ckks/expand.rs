//! Expansion: one ciphertext, whose coefficients are d numbers, becomes d ciphertexts of one number each. [eprint 2017/1142]
//!
//! Step t splits by bit t of the index. X -> X^(n/2^t + 1) maps X^(i 2^t) to (-1)^i X^(i 2^t). For a polynomial p in X^(2^t)
//! the sum p + p(X^g) therefore is twice the terms of even i. The difference p - p(X^g), divided by X^(2^t), is twice the
//! terms of odd i. After ceil(log2 d) steps each polynomial is a constant, 2^steps times its number.

use super::{Ciphertext, Ckks};
use crate::{
    arith::Arithmetic,
    backend::Backend,
    error::{Error, Result},
};
use alloc::{vec, vec::Vec};

/// Steps of the expansion to `width` numbers: ceil(log2 width). The numbers grow by 2^steps.
pub fn steps(width: usize) -> u32 {
    width.max(1).next_power_of_two().trailing_zeros()
}

/// The Galois elements whose keys an expansion to `width` numbers uses, in the ring of degree `n`.
pub fn galois(n: usize, width: usize) -> impl Iterator<Item = u32> {
    (0..steps(width)).map(move |t| (n >> t) as u32 + 1)
}

/// Key switches of an expansion to `width` numbers.
pub const fn key_switches(width: usize) -> usize {
    width.saturating_sub(1)
}

impl<B: Backend> Ckks<'_, B> {
    /// The first `width` coefficients of `x`, each alone: result j decrypts to 2^steps times coefficient j, as a constant
    /// polynomial. The other coefficients of `x` are 0. No level. Cost: [`key_switches`].
    ///
    /// Error: [`super::scores::leaf_variance`].
    ///
    /// # Errors
    /// [`Error::BadShape`] for a width that is 0 or over the ring degree; [`Error::MissingGaloisKey`] and
    /// [`Error::KeyLevel`] for a key of [`galois`]; errors of the backend's memory.
    pub fn expand(&mut self, x: Ciphertext<B>, width: usize) -> Result<Vec<Ciphertext<B>>> {
        let n = self.params.n();
        if !(1..=n).contains(&width) {
            let what = "a vector has from 1 number to as many numbers as the ring degree";
            return Err(Error::BadShape { what, left: width, right: n });
        }
        let mut parts = vec![x];
        for g in galois(n, width) {
            let stride = parts.len(); // 2^t; part c has the coefficients c, c + stride, c + 2 stride, ...
            for c in 0..stride {
                let Some(part) = parts.get_mut(c) else { break };
                if c + stride >= width {
                    self.mul_int(part, 2)?; // nothing to split off; the factor 2 all the same
                    continue;
                }
                let turned = self.automorphism(part, g)?;
                let mut odd = self.copy(part)?;
                self.sub(&mut odd, &turned)?;
                self.mul_monomial(&mut odd, 2 * n - stride)?;
                self.add(part, &turned)?;
                parts.push(odd);
            }
        }
        Ok(parts)
    }
}
