//! Scores: inner products of encrypted vectors with many public vectors of 16-bit integers, one vector a coefficient.
//!
//! A block holds n vectors, feature by feature. The column of feature j is the polynomial of the block's j-th features. A
//! query is [expanded](Ckks::expand) to one ciphertext a feature, whose message is a constant. Constant j times column
//! j, summed over j, has the inner product with vector i as its coefficient i. No rotation and no encoder takes part, and
//! every coefficient of a result is a score.
//!
//! All messages are integers. The scale of a score is far above its error, so that rounding gives the exact inner
//! product of the integers.

use super::{Ciphertext, Ckks, expand::steps, noise};
use crate::{
    backend::{
        Backend, Op, Shape,
        poly::{Coeff, Eval, Poly},
    },
    error::{Error, Result, same_length, same_level},
    params::Params,
    ring::sample::ERROR_STD,
};
use alloc::{vec, vec::Vec};

/// Columns that are transformed together, and then multiplied: as many terms as a 64-bit sum holds.
const TOGETHER: usize = 16;

/// The scale of a score at the level below `level`, for queries whose integers were encrypted at `scale`.
pub fn scale(params: &Params, level: u8, width: usize, scale: f64) -> f64 {
    scale * libm::exp2(steps(width) as f64) / params.ratio(params.q(level), params.q(level - 1))
}

/// The variance of a coefficient of an expanded ciphertext, the mean over the `width` of them. A split doubles the
/// energy of the error and adds that of a key switch; a part without a sibling has twice the energy of the others.
pub fn leaf_variance(params: &Params, level: u8, width: usize) -> f64 {
    let (n, leaves) = (params.n() as f64, libm::exp2(steps(width) as f64));
    let switch = noise::key_switch(params, level);
    (ERROR_STD * ERROR_STD * leaves + switch * switch / n * (leaves - 1.0)) * leaves / width as f64
}

/// The standard deviation of the error of a score, in units of coefficients at the level below `level`. `energy` is the
/// sum of all squares of the block.
pub fn deviation(params: &Params, level: u8, width: usize, energy: f64) -> f64 {
    let ratio = params.ratio(params.q(level), params.q(level - 1));
    let product = libm::sqrt(leaf_variance(params, level, width) * energy) / ratio;
    libm::hypot(product, noise::rounding(params) / libm::sqrt(params.n() as f64))
}

impl<B: Backend> Ckks<'_, B> {
    /// For each expanded query, the inner products with the vectors of `block`: n vectors of `width` integers, feature by
    /// feature. Coefficient i of a result belongs to vector i. One level. Queries share the transforms of the columns.
    ///
    /// Cost: `width` transforms a limb; for each query 2 `width` products of polynomials and one rescale. Error:
    /// [`deviation`].
    ///
    /// # Errors
    /// [`Error::Length`] for a block or a query of another width; [`Error::LevelMismatch`] for queries at different
    /// levels; [`Error::LevelExhausted`] at level 0; [`Error::Empty`] without queries; errors of the backend's memory.
    pub fn scores(&mut self, queries: &[Vec<Ciphertext<B>>], block: &[i16]) -> Result<Vec<Ciphertext<B>>> {
        let first = queries.first().and_then(|query| query.first());
        let level = first.ok_or(Error::Empty { what: "queries" })?.level;
        let below = level.checked_sub(1).ok_or(Error::LevelExhausted { need: 1, have: 0 })?;
        let n = self.params.n();
        for query in queries {
            same_length(query.len() * n, block.len())?;
            query.iter().try_for_each(|x| same_level(level, x.level))?;
        }
        let mut sums = self.sums(queries.len(), level)?;
        let mut terms = self.sums(queries.len(), level)?;
        let over = self.params.q(level);
        let width = block.len() / n;
        for (i, columns) in block.chunks(TOGETHER * n).enumerate() {
            let from = i * TOGETHER;
            let columns = self.columns(columns, level)?;
            let columns: Vec<_> = columns.iter().map(Poly::limbs).collect();
            let halves = queries.iter().flat_map(|query| [0, 1].map(|half| (query, half)));
            let factors = halves.flat_map(|(query, half)| {
                query[from..width.min(from + TOGETHER)].iter().map(move |x| Some(x.c[half].limbs()))
            });
            let factors: Vec<_> = factors.collect();
            let outs = if i == 0 { &mut sums } else { &mut terms };
            self.be.inner_products(over, outs, &columns, &factors);
            for (sum, term) in sums.iter_mut().zip(&terms).filter(|_| i > 0) {
                self.be.zip_assign(Op::Add, over, sum, term);
            }
        }
        self.executed.mul_plain += (queries.len() * width) as u32;
        self.executed.rescale += queries.len() as u32;
        let mut sums = sums.into_iter();
        let mut out = Vec::with_capacity(queries.len());
        while let (Some(c0), Some(c1)) = (sums.next(), sums.next()) {
            let c = [Poly::assume(c0), Poly::assume(c1)];
            out.push(Ciphertext { c: self.switch_basis(over, self.params.q(below), &c)?, level: below });
        }
        Ok(out)
    }

    /// Memory for two polynomials a query.
    fn sums(&mut self, queries: usize, level: u8) -> Result<Vec<crate::backend::Limbs<B::Buf>>> {
        let shape = Shape { count: 1, basis: self.params.q(level), cols: self.params.n() as u32 };
        (0..2 * queries).map(|_| self.be.alloc(shape)).collect()
    }

    /// Some columns of a block, transformed.
    fn columns(&mut self, columns: &[i16], level: u8) -> Result<Vec<Poly<Eval, B>>> {
        let n = self.params.n();
        let shape = Shape { count: 1, basis: self.params.q(level), cols: n as u32 };
        let mut wide = vec![0i64; n];
        let transformed = columns.chunks_exact(n).map(|column| {
            wide.iter_mut().zip(column).for_each(|(wide, x)| *wide = *x as i64);
            Ok(Poly::<Coeff, B>::from_signed(&mut self.be, shape, &wide)?.ntt(&mut self.be))
        });
        transformed.collect()
    }
}
