//! The measured ranges of a converted model, by site. A polynomial is right on its range alone, and a value above the
//! bound of bootstrapping is lost, so a model without ranges is refused.

use super::{
    super::{
        measured::{MeasuredPolynomial, contains},
        polynomials::Polynomial,
    },
    Converted, SECTION, fault,
};
use crate::files::Result;
use polyformer_kernel::circuits::attention::{AttentionWeights, Variant};
use serde::{Deserialize, de::IgnoredAny};
use std::collections::BTreeMap;

/// What was measured, by site.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Ranges(BTreeMap<String, Measured>);

/// The measured values of a site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    texts: [f64; 2],
    #[serde(default = "one")]
    margin: f64,
    #[serde(default)]
    padding: Option<[f64; 2]>,
    #[serde(default, rename = "quantiles")]
    _quantiles: IgnoredAny,
    #[serde(default, rename = "count")]
    _count: IgnoredAny,
}

fn one() -> f64 {
    1.0
}

impl Ranges {
    /// Insists on ranges that are ranges.
    pub(super) fn check(&self) -> Result<()> {
        for (site, m) in &self.0 {
            let Measured { texts: [lo, hi], margin, .. } = m;
            if !(lo <= hi && lo.is_finite() && hi.is_finite()) {
                return Err(fault(format!(
                    "{SECTION}.ranges.{site}.texts is [{lo}, {hi}], two rising numbers are needed"
                )));
            }
            if m.padding.is_some_and(|ends| ends.iter().any(|x| !x.is_finite())) {
                return Err(fault(format!("{SECTION}.ranges.{site}.padding is not finite")));
            }
            if !(1.0..1e6).contains(margin) {
                return Err(fault(format!("{SECTION}.ranges.{site}.margin is {margin}, at least 1 is needed")));
            }
        }
        Ok(())
    }

    /// The largest value at a site, with its margin, on texts and on rows of padding. `None` if it was not measured.
    fn largest(&self, site: &str) -> Option<f64> {
        let m = self.0.get(site)?;
        let ends = [m.texts].into_iter().chain(m.padding).flatten();
        Some(m.margin * ends.fold(0.0, |most, x| f64::max(most, x.abs())))
    }

    /// What was measured at a site.
    fn at(&self, site: &str) -> Result<&Measured> {
        let never = || fault(format!("{SECTION}.ranges has no {site:?}: this range was never measured"));
        self.0.get(site).ok_or_else(never)
    }
}

impl Converted {
    /// Every polynomial with the measured range of its argument. The ranges of the attention's own polynomials are
    /// checked, too.
    ///
    /// # Errors
    /// `Model` for a site that was not measured, and for a range that does not contain what was measured.
    pub fn measured(&self) -> Result<Vec<MeasuredPolynomial>> {
        let mut out = Vec::new();
        let mut add = |place: String, p: &Polynomial| -> Result<()> {
            let [lo, hi] = self.ranges.at(&place)?.texts;
            out.push(MeasuredPolynomial::new(place, p, (lo, hi), None)?);
            Ok(())
        };
        for (i, layer) in self.layers.iter().enumerate() {
            layer.sites(i).into_iter().try_for_each(|(place, p)| add(place, &p))?;
            self.check_attention(i, &self.attention.weights(&layer.attention())?)?;
        }
        self.final_norm.iter().try_for_each(|p| add("final_norm.variance".into(), p))?;
        Ok(out)
    }

    fn check_attention(&self, i: usize, weights: &Variant) -> Result<()> {
        let seen = |site: &str, range: (f64, f64)| {
            let place = format!("layers.{i}.attention.{site}");
            let [lo, hi] = self.ranges.at(&place)?.texts;
            contains(&place, range, (lo, hi))
        };
        weights.range().map_or(Ok(()), |range| seen("scores", range))?;
        match weights.normaliser() {
            Some(normaliser) => seen("denominator", normaliser.division.range()),
            None => Ok(()),
        }
    }

    /// A power of two above every value that may be bootstrapped, each with its margin: the embeddings, the sums, the
    /// results of the heads, and the rows of the norms before their gains. A row of a norm that was not measured is below √width.
    ///
    /// # Errors
    /// `Model` if the sums of a layer were not measured.
    pub fn range(&self) -> Result<f64> {
        let mut most = self.ranges.largest("embedding").unwrap_or(0.0);
        for i in 0..self.layers.len() {
            for part in ["attention", "feed_forward"] {
                let site = format!("layers.{i}.{part}.residual");
                self.ranges.at(&site)?;
                let sum = self.ranges.largest(&site).unwrap_or(0.0);
                let row = self.ranges.largest(&format!("layers.{i}.norm_{part}.normalised"));
                most = most.max(sum).max(row.unwrap_or((self.width as f64).sqrt()));
            }
            let mixed = self.ranges.largest(&format!("layers.{i}.attention.mixed"));
            most = most.max(mixed.unwrap_or(0.0));
        }
        if most > 0.0 && most.is_finite() {
            return Ok(libm::exp2(libm::ceil(libm::log2(most))));
        }
        Err(fault(format!("{SECTION}.ranges: the largest value of x is {most}, a number above 0 is needed")))
    }
}
