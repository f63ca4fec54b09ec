//! A polynomial of a model beside the measured range of its argument. Outside its range a polynomial returns wrong
//! numbers, and encryption hides such numbers.

use super::polynomials::Polynomial;
use crate::files::{FileError, Result};
use serde::Serialize;

/// A polynomial of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasuredPolynomial {
    /// The place in the model.
    pub place: String,
    /// The approximated function.
    pub function: String,
    /// The degree.
    pub degree: usize,
    /// The range on which the polynomial approximates the function.
    pub range: [f64; 2],
    /// The measured range of the argument, on texts.
    pub texts: [f64; 2],
    /// The measured range on random tokens, if it was measured.
    pub random_tokens: Option<[f64; 2]>,
}

impl MeasuredPolynomial {
    /// A polynomial whose argument at `place` was in `texts`.
    ///
    /// # Errors
    /// `Model` if the range of the polynomial does not contain `texts`.
    pub fn new(place: String, p: &Polynomial, texts: (f64, f64), random: Option<(f64, f64)>) -> Result<Self> {
        contains(&place, (p.lo, p.hi), texts)?;
        Ok(Self {
            place,
            function: p.function.clone(),
            degree: p.coeffs.len().max(1) - 1,
            range: [p.lo, p.hi],
            texts: texts.into(),
            random_tokens: random.map(Into::into),
        })
    }
}

/// Insists that what was measured at `place` is in the range of a polynomial. Ranges are printed with a few digits.
///
/// # Errors
/// `Model` with both ranges.
pub fn contains(place: &str, (low, high): (f64, f64), (lo, hi): (f64, f64)) -> Result<()> {
    let slack = 1e-3 * (high - low);
    if lo >= low - slack && hi <= high + slack {
        return Ok(());
    }
    let what = format!("{place}: measured [{lo:.3}, {hi:.3}], its polynomial is good on [{low:.3}, {high:.3}]");
    Err(FileError::model(what))
}
