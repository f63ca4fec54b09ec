//! Logits: classes by likelihood, probabilities, differences, and a bound of their size. Logits that are not finite have
//! no classes, and a difference that is not a number is not small.

use polyformer_kernel::nn::{Activation, Head, Matrix, Model, NormPlace};

/// Classes, the likeliest first; none if a logit is not finite.
pub fn top(logits: &[f64]) -> Vec<usize> {
    if logits.iter().any(|x| !x.is_finite()) {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    order
}

/// Softmax of the logits; not numbers if a logit is not finite.
pub fn probabilities(logits: &[f64]) -> Vec<f64> {
    let most = largest(logits.iter().copied(), f64::MIN);
    let powers: Vec<f64> = logits.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// The largest of `values` and `least`; not a number if one of them is not a number.
pub fn largest(values: impl Iterator<Item = f64>, least: f64) -> f64 {
    values.fold(least, |most, x| if most.is_nan() || x <= most { most } else { x })
}

/// The largest |a - b|; not finite if a number is not finite.
pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    largest(a.iter().zip(b).map(|(a, b)| (a - b).abs()), 0.0)
}

/// The cosine of the angle between two vectors; not a number if one of them is 0.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// A bound of every number of an answer to questions that stay in the ranges of the model. Rows of x are below the range,
/// and rows of a norm have a mean square near 1. The bound has a factor 2 for what "near" leaves open.
pub(super) fn bound(model: &Model<'_>) -> f64 {
    let root = (model.width as f64).sqrt();
    let normalised = model.norm_place == NormPlace::Post || model.final_norm.is_some();
    // of a map of normalised rows, or of rows of x
    let of_rows = |map: &Matrix<'_>, i: usize, normalised: bool| {
        let row = (0..map.cols).map(|j| map.at(i, j));
        let size = match normalised {
            true => 2.0 * row.map(|w| w * w).sum::<f64>().sqrt() * root,
            false => row.map(f64::abs).sum::<f64>() * model.range,
        };
        size + map.bias(i).abs()
    };
    // of a map of activations, each with its bound
    let of_active = |map: &Matrix<'_>, i: usize, active: &[f64]| {
        active.iter().enumerate().map(|(j, a)| map.at(i, j).abs() * a).sum::<f64>() + map.bias(i).abs()
    };
    let most = match (&model.head, model.layers.last()) {
        (Head::Folded([from_active, from_x]), Some(layer)) => {
            let active: Vec<f64> =
                (0..layer.up.rows).map(|i| activated(&layer.activation, of_rows(&layer.up, i, true))).collect();
            let logit = |i| of_active(from_active, i, &active) + of_rows(from_x, i, false);
            largest((0..from_active.rows).map(logit), 0.0)
        }
        (Head::Folded(_), None) => 0.0,
        (Head::Linear(map), _) => largest((0..map.rows).map(|i| of_rows(map, i, normalised)), 0.0),
        (Head::Hidden { up, activation, down }, _) => {
            let active: Vec<f64> = (0..up.rows).map(|i| activated(activation, of_rows(up, i, normalised))).collect();
            largest((0..down.rows).map(|i| of_active(down, i, &active)), 0.0)
        }
        (Head::Features { gain, bias }, _) => {
            let row = if normalised { 2.0 * root } else { model.range };
            let number = |i| row * (gain.at(i) as f64).abs() + (bias.at(i) as f64).abs();
            largest((0..gain.len()).map(number), 0.0)
        }
    };
    2.0 * most
}

/// A bound of an activation of numbers up to `t`.
fn activated(activation: &Activation, t: f64) -> f64 {
    match activation {
        Activation::Quadratic([c0, c1, _]) => t * t + c1.abs() * t + c0.abs(),
        Activation::Doubled(p) => p.coeffs().iter().map(|c| c.abs()).sum(), // in its range
    }
}

#[cfg(test)]
mod tests {
    use super::{bound, largest, largest_difference, probabilities, top};
    use crate::{accuracy::logits, model::Pretrained};

    #[test]
    fn logits_that_are_not_finite_have_no_label_and_no_small_difference() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(top(&[1.0, bad, 2.0]).is_empty());
            assert!(!largest_difference(&[bad, 1.0], &[0.0, 1.0]).is_finite());
            assert!(!largest_difference(&[bad, 1.0], &[bad, 1.0]).is_finite(), "inf - inf is no difference of 0");
        }
        assert_eq!(top(&[1.0, 3.0, 2.0]), [1, 2, 0]);
        assert!(largest([f64::NAN, 1.0, 2.0].into_iter(), 0.0).is_nan());
        assert!(largest([1.0, f64::NAN].into_iter(), 0.0).is_nan());
        assert_eq!(largest([1.0, 3.0, 2.0].into_iter(), 0.0), 3.0);
        assert!((probabilities(&[0.0, 0.0]).iter().sum::<f64>() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn the_bound_holds_with_room_and_is_far_below_what_a_ciphertext_carries() {
        let m = Pretrained::embedded().unwrap();
        let bound = bound(&m.model);
        let mut most = 0f64;
        for text in ["my card was stolen", "exchange rate", "I forgot my passcode and my phone is lost"] {
            most = largest(logits(&m, &m.text.tokens(text).unwrap()).unwrap().into_iter().map(f64::abs), most);
        }
        assert!(most < bound && bound < 2f64.powi(19), "{most}, {bound}");
        assert_eq!(m.text.largest_logit(), bound);
    }
}
