//! CGF as a value: exp(x - μ - σ²/2)/L, μ and σ² the mean and the variance of a row of L keys. [arXiv 2602.01621]

use super::{
    fields::{FieldError, Fields, FromFields, number},
    softmax::Cgf,
    weights::AttentionWeights,
};
use crate::{
    arith::Arithmetic,
    circuits::{aligned, poly::evaluate_unit},
    error::{Error, Result},
};

/// For rows of any length: the length that [`Cgf::new`] takes is for the row circuit alone.
impl AttentionWeights for Cgf {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    /// To the variable of the Chebyshev basis, its constant apart.
    fn score_factor(&self, _: usize) -> f64 {
        self.exponential().to_unit().0
    }
    /// None: what is bounded is the exponent.
    fn range(&self) -> Option<(f64, f64)> {
        None
    }
    fn moment_factors(&self) -> Option<[f64; 2]> {
        let twice = 2.0 * self.exponential().to_unit().0;
        Some([1.0 / libm::sqrt(twice), 1.0 / twice])
    }
    /// t = x - μ - (m - μ²)/(2 slope) + offset, m the mean square, of scores that are multiplied by the slope.
    fn numerators<A: Arithmetic>(&self, ev: &mut A, x: A::Slots, moments: Option<[&A::Slots; 2]>) -> Result<A::Slots> {
        let [mean, square] = moments.ok_or(Error::Length { expected: 2, actual: 0 })?;
        let p = self.exponential();
        let (slope, offset) = p.to_unit();
        let mut shift = ev.mul(mean, mean)?;
        let linear = ev.mul_const(mean, -libm::sqrt(2.0 * slope))?;
        ev.accumulate(&mut shift, linear)?;
        let shift = ev.rescale(shift)?;
        let square = ev.copy(square)?;
        let (mut shift, square) = aligned(ev, shift, square)?;
        ev.sub(&mut shift, &square)?;
        ev.add_const(&mut shift, offset)?;
        let (mut t, shift) = aligned(ev, x, shift)?;
        ev.add(&mut t, &shift)?;
        evaluate_unit(ev, p, &t)
    }
    fn numerator_depth(&self) -> u8 {
        Cgf::depth(self)
    }
    fn weight_factor(&self, visible: usize) -> f64 {
        1.0 / visible.max(1) as f64
    }
    fn define(&self, row: &mut [f64]) {
        let length = row.len() as f64;
        let mean = row.iter().sum::<f64>() / length;
        let variance = row.iter().map(|x| x * x).sum::<f64>() / length - mean * mean;
        row.iter_mut().for_each(|x| *x = libm::exp(*x - mean - 0.5 * variance) / length);
    }
    fn error(&self) -> f64 {
        Cgf::error(self)
    }
}

/// Fields: `low` and `high` of the exponents x - μ - σ²/2; `error` of a weight times the length of its row.
impl FromFields for Cgf {
    const NAME: &'static str = "cgf";

    fn from_fields(fields: &impl Fields) -> core::result::Result<Self, FieldError> {
        Ok(Self::new(1, (number(fields, "low")?, number(fields, "high")?), number(fields, "error")?)?)
    }
}
