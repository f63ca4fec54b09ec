//! Scaled σ-attention as a value: σ(x)/√L for rows of L keys, σ a polynomial for GELU or ReLU. (σ is not the sigmoid.)
//! [Zimerman et al., arXiv 2311.08610]

use super::{
    fields::{FieldError, Fields, FromFields, integer, number},
    weights::AttentionWeights,
};
use crate::{
    arith::Arithmetic,
    circuits::{
        approx::{Approximation, Function, Weight},
        poly::{Polynomial, evaluate_doubled},
    },
    error::{Error, Result},
};

/// σ(x)/√L.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledSigma {
    function: Function,
    poly: Polynomial,
    error: f64,
}

impl ScaledSigma {
    /// σ by this approximation: of GELU or of ReLU.
    ///
    /// # Errors
    /// [`Error::BadRange`] for another function, whose value at 0 is not 0.
    pub fn new(sigma: &Approximation) -> Result<Self> {
        Self::of(sigma.function(), sigma.poly().clone(), sigma.error())
    }

    /// The σ that a model was trained with.
    ///
    /// # Errors
    /// [`Error::BadRange`] for a function that is neither GELU nor ReLU.
    pub fn trained(function: Function, poly: Polynomial) -> Result<Self> {
        Self::of(function, poly, f64::INFINITY)
    }

    fn of(function: Function, poly: Polynomial, error: f64) -> Result<Self> {
        if !matches!(function, Function::Gelu | Function::Relu) {
            let (lo, hi) = poly.range();
            return Err(Error::BadRange { lo, hi });
        }
        Ok(Self { function, poly, error })
    }
}

impl AttentionWeights for ScaledSigma {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    /// To the doubled variable of the Chebyshev basis, its constant apart.
    fn score_factor(&self, _: usize) -> f64 {
        2.0 * self.poly.to_unit().0
    }
    fn range(&self) -> Option<(f64, f64)> {
        Some(self.poly.range())
    }
    fn numerators<A: Arithmetic>(&self, ev: &mut A, mut x: A::Slots, _: Option<[&A::Slots; 2]>) -> Result<A::Slots> {
        ev.add_const(&mut x, 2.0 * self.poly.to_unit().1)?;
        evaluate_doubled(ev, &self.poly, x)
    }
    fn numerator_depth(&self) -> u8 {
        self.poly.unit_depth()
    }
    fn weight_factor(&self, visible: usize) -> f64 {
        1.0 / libm::sqrt(visible.max(1) as f64)
    }
    fn define(&self, row: &mut [f64]) {
        let factor = self.weight_factor(row.len());
        row.iter_mut().for_each(|x| *x = factor * self.function.at(*x));
    }
    fn error(&self) -> f64 {
        self.error
    }
}

/// Fields: `sigma`, "gelu" or "relu"; the polynomial `sigma`, or `low`, `high` and `degree` of an interpolation.
impl FromFields for ScaledSigma {
    const NAME: &'static str = "scaled_sigma";

    fn from_fields(fields: &impl Fields) -> core::result::Result<Self, FieldError> {
        let function = match fields.text("sigma") {
            Some("gelu") => Function::Gelu,
            Some("relu") => Function::Relu,
            _ => return Err(FieldError::Missing("sigma")),
        };
        if let Some(poly) = fields.polynomial("sigma") {
            return Ok(Self::trained(function, poly)?);
        }
        let range = (number(fields, "low")?, number(fields, "high")?);
        let degree = integer(fields, "degree", 255)? as usize;
        Ok(Self::new(&Approximation::chebyshev(function, Weight::Absolute, range, degree)?)?)
    }
}
