//! Circuits on single numbers: the clear engine's computation of a score, a sum and a mean square.

use crate::{
    circuits::{
        attention::{AttentionWeights, Normaliser, Variant},
        inv_sqrt::{InverseRoot, inverse_root},
        reciprocal::reciprocal,
    },
    error::Result,
    eval::clear::{ClearArray, Number},
};

/// The numerator of a score, times its factors.
///
/// # Errors
/// [`Error::NotFinite`][crate::Error::NotFinite] if a power overflows.
pub fn numerator<F: Number>(weights: &Variant, score: F, visible: usize, moments: Option<[F; 2]>) -> Result<F> {
    let moments = moments.map(|m| m.map(|x| [x]));
    let moments = moments.as_ref().map(|[mean, square]| [mean, square]);
    let [y] = weights.whole_numerators(&mut ClearArray::<F, 1>::new(), [score], visible, moments)?;
    Ok(y)
}

/// The moments of a row's scores that `weights` asks for, from the scores of the keys that are seen.
pub fn moments<F: Number>(weights: &Variant, scores: impl Iterator<Item = F>, visible: usize) -> Option<[F; 2]> {
    let [a, b] = weights.moment_factors()?;
    let factor = F::of(weights.score_factor(visible));
    let sums = scores.map(|x| x.mul(factor)).fold([F::of(0.0); 2], |[s, t], x| [s.add(x), t.add(x.square())]);
    let each = 1.0 / visible.max(1) as f64;
    Some([sums[0].mul(F::of(a * each)), sums[1].mul(F::of(b * each))])
}

/// 1/x for x = ε + Σ.
///
/// # Errors
/// [`Error::NotFinite`][crate::Error::NotFinite] if a product overflows.
pub fn quotient<F: Number>(normaliser: Normaliser<'_>, x: F) -> Result<F> {
    let division = normaliser.division;
    if let Some(p) = division.polynomial() {
        return Ok(p.number(x));
    }
    let scale = F::of(division.scale());
    let [y] = reciprocal(&mut ClearArray::<F, 1>::new(), division, &[x.mul(scale)])?;
    Ok(y.mul(scale))
}

/// 1/√x.
///
/// # Errors
/// [`Error::NotFinite`][crate::Error::NotFinite] if a product overflows.
pub fn root<F: Number>(root: &InverseRoot, x: F) -> Result<F> {
    if let Some(p) = root.polynomial() {
        return Ok(p.number(x));
    }
    let [y] = inverse_root(&mut ClearArray::<F, 1>::new(), root, &[x.mul(F::of(root.scale()))])?;
    Ok(y.mul(F::of(root.numerator_scale())))
}
