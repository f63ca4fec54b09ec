//! The Gaussian kernel as a value: e^x of x = -‖q - k‖²/2, where q and k have a factor d^(-1/4) each. The circuit
//! squares differences in place of the products of scores, and needs no norms. [Rho et al., arXiv 2410.02486]

use super::{
    fields::{FieldError, Fields, FromFields, number},
    weights::{AttentionWeights, Similarity},
};
use crate::{
    arith::Arithmetic,
    circuits::exp::{Exp, exp_unit},
    error::Result,
};

/// e^(-‖q - k‖²/2).
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianKernel {
    exp: Exp,
}

impl GaussianKernel {
    /// With e^x by this circuit, for ‖q - k‖²/2 at most its range.
    pub fn new(exp: Exp) -> Self {
        Self { exp }
    }
}

impl AttentionWeights for GaussianKernel {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    fn similarity(&self) -> Similarity {
        Similarity::Distance
    }
    fn score_factor(&self, _: usize) -> f64 {
        self.exp.to_unit().0
    }
    fn range(&self) -> Option<(f64, f64)> {
        Some((-self.exp.range(), 0.0))
    }
    fn numerators<A: Arithmetic>(&self, ev: &mut A, mut x: A::Slots, _: Option<[&A::Slots; 2]>) -> Result<A::Slots> {
        ev.add_const(&mut x, self.exp.to_unit().1)?;
        exp_unit(ev, &self.exp, &x)
    }
    fn numerator_depth(&self) -> u8 {
        self.exp.unit_depth()
    }
    fn define(&self, row: &mut [f64]) {
        row.iter_mut().for_each(|x| *x = libm::exp(*x));
    }
    fn error(&self) -> f64 {
        self.exp.error()
    }
}

/// Fields: `range`, the largest ‖q - k‖²/2; `error` of a weight.
impl FromFields for GaussianKernel {
    const NAME: &'static str = "gaussian_kernel";

    fn from_fields(fields: &impl Fields) -> core::result::Result<Self, FieldError> {
        Ok(Self::new(Exp::choose(number(fields, "range")?, number(fields, "error")?)?))
    }
}
