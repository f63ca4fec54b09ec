//! Questions whose lengths the server does not see. The server works on every row of the layout, and the client sends
//! three more vectors. Rows without a token stay zero from the first layer to the last.
//!
//! A linear map of a zero row is the bias, and an activation of a zero row is its constant. The engine therefore
//! multiplies biases and constants by the vector of tokens: 1 in the rows of tokens, 0 in the other rows. A zero key has
//! the score 0, and the numerator 0^p is 0. The factor of a score that depends on the length multiplies the query, which
//! waits for the keys to turn. The share of a row in the mean comes in the third vector. No circuit takes a level more
//! than a circuit with a known length. [docs/decisions/hidden-lengths.md]

use super::{Layout, layout::features_of_block};
use crate::{
    circuits::attention::{AttentionWeights, Similarity, Variant},
    error::{Error, Result},
    nn::{Activation, Head, Model, Pooling},
};
use alloc::vec::Vec;

/// The vectors of [`Layout::hide`], as plain or encrypted slots at the level of the question.
#[derive(Debug)]
pub struct HiddenLengths<S> {
    /// 1 in the rows of tokens.
    pub tokens: S,
    /// The factor of scores in the rows of tokens, over the factor of a single token.
    pub scores: S,
    /// 1/L in the rows of tokens.
    pub shares: S,
}

/// Whether the lengths of a model's questions can be hidden. The weights of attention are 0 for keys that are 0, the
/// answer is a mean of classes, activations are quadratic, features are in one block, and positions are in the embeddings
/// alone.
pub fn can_hide(model: &Model<'_>) -> bool {
    let factor = |weights: &Variant| weights.score_factor(2) / weights.score_factor(1);
    let first = model.layers.first().map(|layer| factor(&layer.attention.weights));
    model.pooling == Pooling::Mean
        && matches!(model.head, Head::Folded(_))
        && model.width <= features_of_block(model.width)
        && model.layers.iter().all(|layer| {
            let (attention, weights) = (&layer.attention, &layer.attention.weights);
            let zero = weights.hides_by_itself() && weights.moment_factors().is_none();
            let plain = !attention.causal && attention.rotary.is_none() && weights.similarity() == Similarity::Dot;
            let quadratic = matches!(layer.activation, Activation::Quadratic(_));
            zero && plain && quadratic && Some(factor(weights)) == first
        })
}

impl Layout {
    /// The patterns of one period for questions of these lengths: of tokens, of scores, of shares. The lengths of the
    /// layout itself are the most that the server learns.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the model is not one that [`can_hide`]; [`Error::Length`] for a question that is empty,
    /// or longer than its place.
    pub fn hide(&self, lengths: &[usize], model: &Model<'_>) -> Result<[Vec<f64>; 3]> {
        let weights = model.layers.first().map(|layer| &layer.attention.weights).filter(|_| can_hide(model));
        let weights = weights.ok_or(Error::Unsupported { what: "a hidden number of tokens with this attention" })?;
        for (i, length) in lengths.iter().enumerate() {
            let most = self.lengths.get(i).copied().unwrap_or(0);
            if !(1..=most).contains(length) {
                return Err(Error::Length { expected: most, actual: *length });
            }
        }
        let pattern = |value: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let at = |slot: usize| {
                let (t, question, _) = self.place(slot);
                lengths.get(question).filter(|length| t < **length).map_or(0.0, |length| value(*length))
            };
            (0..self.period()).map(at).collect()
        };
        let factor = |length: usize| weights.score_factor(length) / weights.score_factor(1);
        Ok([pattern(&|_| 1.0), pattern(&factor), pattern(&|length| 1.0 / length as f64)])
    }
}
