//! Embeddings of the polynomial form beside those of the original: cosines over texts.

use crate::{
    Result,
    accuracy::{ClearRun, run},
    model::{Pretrained, cosine},
};
use rayon::prelude::*;

/// Cosines, the least first, and what cannot be trusted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cosines {
    sorted: Vec<f64>,
    /// Texts with a value outside the ranges of the model.
    pub departed: usize,
    /// Texts for which one of the forms has a number that is not finite. Such a text has the cosine 0.
    pub not_finite: usize,
}

impl Cosines {
    /// The mean; `None` without an original.
    pub fn mean(&self) -> Option<f64> {
        let n = self.sorted.len();
        (n > 0).then(|| self.sorted.iter().sum::<f64>() / n as f64)
    }

    /// The cosine that 99 % of the texts reach; `None` without an original.
    pub fn percentile(&self) -> Option<f64> {
        self.sorted.get(self.sorted.len() / 100).copied()
    }

    /// The least; `None` without an original.
    pub fn least(&self) -> Option<f64> {
        self.sorted.first().copied()
    }
}

/// Runs both forms on every text, on all threads; `step` is called after each.
///
/// # Errors
/// The errors of [`run`].
pub fn measure(model: &Pretrained, texts: &[Vec<u32>], step: impl Fn() + Sync) -> Result<Cosines> {
    let one = |ids: &Vec<u32>| -> Result<(Option<f64>, bool, bool)> {
        let ClearRun { logits, departures } = run(model, ids)?;
        let exact = model.exact.as_ref().map(|twin| twin.logits(ids));
        step();
        let cosine = exact.as_ref().map(|exact| cosine(&logits, exact));
        let not_finite = logits.iter().any(|x| !x.is_finite()) || cosine.is_some_and(|x| !x.is_finite());
        Ok((cosine.map(|x| if x.is_finite() { x } else { 0.0 }), departures.total() > 0, not_finite))
    };
    let all = texts.par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let mut sorted: Vec<f64> = all.iter().filter_map(|(cosine, ..)| *cosine).collect();
    sorted.sort_by(f64::total_cmp);
    let count = |is: fn(&(Option<f64>, bool, bool)) -> bool| all.iter().filter(|one| is(one)).count();
    Ok(Cosines { sorted, departed: count(|one| one.1), not_finite: count(|one| one.2) })
}

#[cfg(test)]
mod tests {
    use super::Cosines;

    #[test]
    fn one_text_in_a_hundred_may_be_below_the_percentile() {
        let sorted: Vec<f64> = (0..200).map(|i| i as f64 / 200.0).collect();
        let all = Cosines { sorted, ..Cosines::default() };
        assert_eq!((all.least(), all.percentile()), (Some(0.0), Some(0.01)));
        assert!((all.mean().unwrap() - 0.4975).abs() < 1e-12);
        assert_eq!((Cosines::default().mean(), Cosines::default().percentile()), (None, None));
    }
}
