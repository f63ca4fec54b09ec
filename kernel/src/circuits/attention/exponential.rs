//! Softmax as a value: e^(x - b) over the mean of the row, with b a public bound of scores. The range of the mean does
//! not depend on the length of the row.

use super::{
    fields::{FieldError, Fields, FromFields, number},
    weights::{AttentionWeights, Normaliser},
};
use crate::{
    arith::Arithmetic,
    circuits::{
        exp::{Exp, exp_unit},
        reciprocal::Division,
    },
    error::{Error, Result},
};

/// e^x / Σ e^x for scores in a known range.
#[derive(Clone, Debug, PartialEq)]
pub struct ExponentialSoftmax {
    exp: Exp,
    high: f64,
    division: Division,
}

impl ExponentialSoftmax {
    /// For scores in [low, high], within a relative error of about `error` at each weight.
    ///
    /// # Errors
    /// [`Error::BadRange`] for an empty range; [`Error::Inaccurate`] if the range is too wide for the error.
    pub fn new((low, high): (f64, f64), error: f64) -> Result<Self> {
        let range = high - low;
        if !(range > 0.0 && range.is_finite()) {
            return Err(Error::BadRange { lo: low, hi: high });
        }
        let least = libm::exp(-range);
        let exp = Exp::choose(range, 0.25 * error * least)?; // relative where e^x is least
        let division = Division::choose((least - exp.error(), 1.0 + exp.error()), 0.5 * error)?;
        Ok(Self { exp, high, division })
    }
}

impl AttentionWeights for ExponentialSoftmax {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    fn score_factor(&self, _: usize) -> f64 {
        self.exp.to_unit().0
    }
    fn range(&self) -> Option<(f64, f64)> {
        Some((self.high - self.exp.range(), self.high))
    }
    fn numerators<A: Arithmetic>(&self, ev: &mut A, mut x: A::Slots, _: Option<[&A::Slots; 2]>) -> Result<A::Slots> {
        let (slope, offset) = self.exp.to_unit();
        ev.add_const(&mut x, offset - slope * self.high)?;
        exp_unit(ev, &self.exp, &x)
    }
    fn numerator_depth(&self) -> u8 {
        self.exp.unit_depth()
    }
    fn weight_factor(&self, visible: usize) -> f64 {
        1.0 / visible.max(1) as f64
    }
    fn normaliser(&self) -> Option<Normaliser<'_>> {
        Some(Normaliser { epsilon: 0.0, division: &self.division })
    }
    fn define(&self, row: &mut [f64]) {
        super::softmax::define(row);
    }
    fn error(&self) -> f64 {
        // numerators and their mean are off by the same relative error at most; then the division
        let exp = self.exp.error() / libm::exp(-self.exp.range());
        (1.0 + exp) / (1.0 - exp) * (1.0 + self.division.error()) - 1.0
    }
}

/// Fields: `low` and `high` of the scores; `error` of a weight, relative.
impl FromFields for ExponentialSoftmax {
    const NAME: &'static str = "softmax";

    fn from_fields(fields: &impl Fields) -> core::result::Result<Self, FieldError> {
        Ok(Self::new((number(fields, "low")?, number(fields, "high")?), number(fields, "error")?)?)
    }
}
