//! The polynomials of a layer, as config.json and model files write them: Chebyshev coefficients on a range, and the
//! site of each argument.

use crate::files::{FileError, Result};
use polyformer_kernel::circuits::poly;
use serde::{Deserialize, de::IgnoredAny};
use std::collections::BTreeMap;

/// The polynomials of a layer.
#[derive(Clone, Debug, Deserialize)]
pub struct Layer {
    /// Of the norm of attention; `None` if there is none.
    pub norm_attention: Option<Polynomial>,
    /// Of the norm of the feed-forward part.
    pub norm_feed_forward: Polynomial,
    /// Of the hidden features.
    pub activation: Polynomial,
    /// The polynomials of attention, by name.
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

/// Polynomials by name.
pub type Polynomials = BTreeMap<String, Polynomial>;

impl Layer {
    /// The polynomials of attention.
    pub fn attention(&self) -> Polynomials {
        let read = |value: &serde_json::Value| Polynomial::deserialize(value).ok();
        self.others.iter().filter_map(|(name, value)| Some((name.clone(), read(value)?))).collect()
    }

    /// Insists that every field of layer `i` is a polynomial.
    ///
    /// # Errors
    /// `Model` with the name of the field.
    pub fn check(&self, i: usize) -> Result<()> {
        let bad = |name: &String, e| FileError::model(format!("layer {i}: {name} is no polynomial ({e})"));
        let fields = self.others.iter();
        fields
            .map(|(name, value)| Polynomial::deserialize(value).map_err(|e| bad(name, e)))
            .try_for_each(|p| p.map(drop))
    }

    /// Each polynomial of layer `i` with the site of its argument.
    pub fn sites(&self, i: usize) -> Vec<(String, Polynomial)> {
        let attention = self.attention().into_iter().map(|(name, p)| (attention_place(&name), Some(p)));
        let others = [
            ("norm_attention.variance", self.norm_attention.clone()),
            ("norm_feed_forward.variance", Some(self.norm_feed_forward.clone())),
            ("feed_forward.activation", Some(self.activation.clone())),
        ];
        let others = others.into_iter().map(|(place, p)| (place.to_string(), p));
        attention.chain(others).filter_map(|(place, p)| Some((format!("layers.{i}.{place}"), p?))).collect()
    }
}

/// Chebyshev coefficients on [lo, hi].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polynomial {
    pub(super) function: String,
    pub(super) lo: f64,
    pub(super) hi: f64,
    pub(super) coeffs: Vec<f64>,
    #[serde(default)]
    degree: Option<usize>,
    // figures of the training package about its own approximation
    #[serde(default, rename = "error")]
    _error: IgnoredAny,
    #[serde(default, rename = "relative")]
    _relative: IgnoredAny,
    #[serde(default, rename = "at_zero")]
    _at_zero: IgnoredAny,
}

/// The place of the range measurement for a polynomial of attention.
fn attention_place(name: &str) -> String {
    let site = if name == "reciprocal" { "denominator" } else { "scores" };
    format!("attention.{site}")
}

fn fault(what: impl Into<String>) -> FileError {
    FileError::model(what)
}

impl Polynomial {
    /// Chebyshev coefficients of `function` on \[lo, hi\].
    pub(super) fn new(function: &str, (lo, hi): (f64, f64), coeffs: &[f64]) -> Self {
        let (function, coeffs) = (function.into(), coeffs.to_vec());
        let (_error, _relative, _at_zero) = Default::default();
        Self { function, lo, hi, coeffs, degree: None, _error, _relative, _at_zero }
    }

    /// The kernel's polynomial.
    ///
    /// # Errors
    /// `Model` for an empty range, too many coefficients, or another number of coefficients than the degree says.
    pub fn to_polynomial(&self) -> Result<poly::Polynomial> {
        if let Some(degree) = self.degree.filter(|degree| degree.checked_add(1) != Some(self.coeffs.len())) {
            let (name, given) = (&self.function, self.coeffs.len());
            return Err(fault(format!("polynomial of {name}: {given} coefficients, its degree is {degree}")));
        }
        let made = poly::Polynomial::new(&self.coeffs, (self.lo, self.hi));
        made.map_err(|e| fault(format!("polynomial of {}: {e}", self.function)))
    }

    /// c0, c1, c2 of c0 + c1 x + c2 x^2.
    pub fn quadratic(&self) -> Result<[f64; 3]> {
        let [a, b, c] = self.coeffs[..] else {
            return Err(fault(format!("an activation of degree {}, 2 is supported", self.coeffs.len().max(1) - 1)));
        };
        let (slope, offset) = self.to_polynomial()?.to_unit(); // T_2(t) = 2 t^2 - 1, t = slope x + offset
        Ok([a - c + (b + 2.0 * c * offset) * offset, (b + 4.0 * c * offset) * slope, 2.0 * c * slope * slope])
    }
}

#[cfg(test)]
mod tests {
    use super::Polynomial;

    #[test]
    fn a_quadratic_in_the_chebyshev_basis_is_the_same_in_powers() {
        let p = Polynomial::new("gelu", (-1.0, 5.0), &[0.7, -2.0, 0.3]);
        let ([c0, c1, c2], k) = (p.quadratic().unwrap(), p.to_polynomial().unwrap());
        for x in [-1.0, 0.0, 0.4, 5.0] {
            assert!((c0 + c1 * x + c2 * x * x - k.at(x)).abs() < 1e-12);
        }
    }
}
