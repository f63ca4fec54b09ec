//! The trait of a variant of attention weights, [`AttentionWeights`], and the division by the sum of a row.

use crate::{
    arith::Arithmetic,
    circuits::{
        mul_aligned,
        reciprocal::{Division, reciprocal_plus},
        reduce::{RowLayout, row_sums},
    },
    error::{Error, Result},
};

/// The score of a query q and a key k.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Similarity {
    /// q · k. A scale such as 1/√d is folded into q.
    Dot,
    /// -‖q - k‖²/2. A scale such as 1/√d is folded into q and k, its root into each: d^(-1/4).
    Distance,
}

/// A way to make the weights of attention from scores. A row has the scores of one query with `visible` keys.
pub trait AttentionWeights {
    /// The name in model files.
    fn name(&self) -> &'static str;
    /// The kind of score.
    fn similarity(&self) -> Similarity {
        Similarity::Dot
    }
    /// The factor of a score before [`AttentionWeights::numerators`]. The score of a hidden key is replaced by 0. The
    /// factor is the same for every `visible` if the similarity is [`Similarity::Distance`].
    fn score_factor(&self, visible: usize) -> f64;
    /// The scores that the variant is made for; `None` if what is bounded is the sum of a row.
    fn range(&self) -> Option<(f64, f64)>;
    /// (a, b) if the numerators need a times the mean, and b times the mean square, of the row's multiplied scores.
    fn moment_factors(&self) -> Option<[f64; 2]> {
        None
    }
    /// The numerators of multiplied scores x, slot by slot; `moments` as [`AttentionWeights::moment_factors`] asks for
    /// them, one and two levels below x. Depth [`AttentionWeights::numerator_depth`].
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] if x has fewer levels than the depth; [`Error::Length`] without the moments.
    fn numerators<A: Arithmetic>(&self, ev: &mut A, x: A::Slots, moments: Option<[&A::Slots; 2]>) -> Result<A::Slots>;
    /// Levels from multiplied scores to numerators, the levels of the moments included.
    fn numerator_depth(&self) -> u8;
    /// The factor of a numerator.
    fn weight_factor(&self, _visible: usize) -> f64 {
        1.0
    }
    /// Whether the numerator of a hidden key is 0 by itself, and [`AttentionWeights::weight_factor`] 1: then the
    /// numerators need no mask.
    fn hides_by_itself(&self) -> bool {
        false
    }
    /// The division of numerators by the sum of their row; `None` if the numerators are weights.
    fn normaliser(&self) -> Option<Normaliser<'_>> {
        None
    }
    /// The definition, in floats: the scores of a row's visible keys become their weights.
    fn define(&self, row: &mut [f64]);
    /// The largest error of a weight against [`AttentionWeights::define`] that is certified, weights being at most 1.
    /// Infinite where nothing is certified: the model was trained with the polynomials themselves.
    fn error(&self) -> f64;

    /// The numerators of scores that carry no factor, times their factors, for `visible` keys; `moments` as for
    /// [`AttentionWeights::numerators`]. Depth at most [`AttentionWeights::numerator_depth`] and 2: for the clear, where
    /// levels cost nothing.
    ///
    /// # Errors
    /// The errors of [`AttentionWeights::numerators`].
    fn whole_numerators<A: Arithmetic>(
        &self,
        ev: &mut A,
        x: A::Slots,
        visible: usize,
        moments: Option<[&A::Slots; 2]>,
    ) -> Result<A::Slots> {
        let x = ev.scaled(&x, self.score_factor(visible))?;
        let y = self.numerators(ev, x, moments)?;
        ev.scaled(&y, self.weight_factor(visible))
    }

    /// The weights of whole rows: every row has `visible` keys, and multiplied scores
    /// ([`AttentionWeights::score_factor`]) in all of its slots. Depth at most [`AttentionWeights::numerator_depth`],
    /// the depth of the normaliser, and 2.
    ///
    /// # Errors
    /// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if x has too few levels.
    fn weights<A: Arithmetic>(&self, ev: &mut A, xs: &mut [A::Slots], rows: &RowLayout, visible: usize) -> Result<()> {
        let each = 1.0 / visible.max(1) as f64;
        let moments = match self.moment_factors() {
            Some([a, b]) => Some(moments(ev, xs, |ev, x, i| row_sums(ev, x, rows, [a, b][i] * each))?),
            None => None,
        };
        for x in xs.iter_mut() {
            let y = ev.copy(x)?;
            *x = self.numerators(ev, y, moments.as_ref().map(|[mean, square]| [mean, square]))?;
        }
        let factor = self.weight_factor(visible) * self.normaliser().map_or(1.0, |n| n.factor());
        let sum = match self.normaliser() {
            Some(_) => Some(row_sums(ev, xs, rows, factor)?),
            None => None,
        };
        if factor != 1.0 {
            for x in xs.iter_mut() {
                *x = ev.scaled(x, factor)?;
            }
        }
        if let (Some(normaliser), Some(sum)) = (self.normaliser(), sum) {
            let inverse = normaliser.reciprocal(ev, sum)?;
            for x in xs.iter_mut() {
                *x = mul_aligned(ev, x, &inverse)?;
            }
        }
        Ok(())
    }
}

/// A row's mean and mean square. `sums` adds along the rows, of x (0) and of x² (1), and multiplies by the caller's
/// factors. The depth is the depth of `sums`, and one more for the mean square.
///
/// # Errors
///
/// [`Error::Empty`] if `xs` is empty, and the errors of `sums`.
pub fn moments<A: Arithmetic>(
    ev: &mut A,
    xs: &[A::Slots],
    mut sums: impl FnMut(&mut A, &[A::Slots], usize) -> Result<A::Slots>,
) -> Result<[A::Slots; 2]> {
    let (first, rest) = xs.split_first().ok_or(Error::Empty { what: "vectors" })?;
    let mut squares = ev.mul(first, first)?;
    for x in rest {
        let square = ev.mul(x, x)?;
        ev.accumulate(&mut squares, square)?;
    }
    let squares = ev.rescale(squares)?;
    Ok([sums(ev, xs, 0)?, sums(ev, &[squares], 1)?])
}

/// The division of numerators by ε + their sum.
#[derive(Clone, Copy, Debug)]
pub struct Normaliser<'v> {
    /// ε, added to the sum.
    pub epsilon: f64,
    /// The division.
    pub division: &'v Division,
}

impl Normaliser<'_> {
    /// The factor of numerators before their sum. [`Normaliser::reciprocal`] removes the factor.
    pub fn factor(&self) -> f64 {
        self.division.scale()
    }

    /// Levels from the sum to its reciprocal.
    pub fn depth(&self) -> u8 {
        self.division.depth()
    }

    /// 1/(factor (ε + Σ)) of a sum that carries the factor. Depth [`Normaliser::depth`].
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] if the sum has fewer levels.
    pub fn reciprocal<A: Arithmetic>(&self, ev: &mut A, sum: A::Slots) -> Result<A::Slots> {
        reciprocal_plus(ev, self.division, self.epsilon, sum)
    }
}
