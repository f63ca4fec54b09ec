//! The transformer, written once: an encoder or a decoder of polynomials over an [`Engine`]. [`clear_engine`] runs the
//! transformer on rows of numbers. [`slot_engine`] runs the transformer on slots, which may be encrypted.
//!
//! x starts as normalised embeddings. Each layer adds an attention part and a feed-forward part to x. Norms come before
//! the parts, or after the sums. A norm multiplies x, or x without its mean, by a polynomial inverse root of the mean
//! square; the maps contain gains and biases. The answer is made of the mean over tokens, of one token, or of each
//! token: a linear map, two maps with an activation, or the features themselves.
//!
//! A linear map on three tokens of two features, in the clear:
//!
//! ```
//! use polyformer_kernel::nn::{Engine, HeadSlots, Matrix, clear_engine::{ClearEngine, Rows}};
//!
//! # #[cfg(feature = "alloc")] {
//! let swap = Matrix::new(2, 2, vec![0.0, 1.0, 1.0, 0.0], vec![0.0; 2])?; // rows, columns, weights, bias
//! let x = Rows::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! let [y] = ClearEngine::<f64>::new(1).linear(&x, [&swap], HeadSlots::Neither)?;
//! assert_eq!(y.values(), [2.0, 1.0, 4.0, 3.0, 6.0, 5.0]);
//! # }
//! # Ok::<(), polyformer_kernel::Error>(())
//! ```

use crate::{
    circuits::{attention::Variant, norm::Norm},
    error::{Error, Result},
};

pub mod clear_engine;
#[cfg(feature = "alloc")]
mod fold;
mod matrix;
mod model;
mod rotary;
#[cfg(feature = "alloc")]
pub mod slot_engine;

#[cfg(feature = "alloc")]
pub use fold::{AffineNorm, Unfolded, UnfoldedHead, UnfoldedLayer};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use matrix::NumberSource;
pub use matrix::{Matrix, Numbers, Stored};
pub use model::{Activation, Attention, Head, Layer, Model, NormPlace, Pooling};
pub use rotary::Rotary;

/// Which side of a linear map is the features of the heads. The heads of attention have slots of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadSlots {
    /// Neither side.
    Neither,
    /// The outputs: query, key and value.
    Outputs,
    /// The inputs: the map that combines the heads.
    Inputs,
}

/// The operations of a transformer.
pub trait Engine {
    /// Rows of features, one a token.
    type Tensor;
    /// Each of `maps` of every row.
    fn linear<const K: usize>(
        &mut self,
        x: &Self::Tensor,
        maps: [&Matrix<'_>; K],
        heads: HeadSlots,
    ) -> Result<[Self::Tensor; K]>;
    /// The heads' results from query, key and value, side by side.
    fn attention(&mut self, qkv: [Self::Tensor; 3], attention: &Attention<'_>) -> Result<Self::Tensor>;
    /// The norm of every row.
    fn norm(&mut self, x: &Self::Tensor, norm: &Norm) -> Result<Self::Tensor>;
    /// The function of every number.
    fn activate(&mut self, x: Self::Tensor, activation: &Activation) -> Result<Self::Tensor>;
    /// x = gain x + y, with a factor for each feature, or without factors.
    fn add(&mut self, x: &mut Self::Tensor, gain: Option<&Numbers<'_>>, y: Self::Tensor) -> Result<()>;
    /// The rows that `pooling` takes of the sum of maps\[i\] xs\[i\].
    fn classify<const N: usize>(
        &mut self,
        xs: [&Self::Tensor; N],
        maps: [&Matrix<'_>; N],
        pooling: Pooling,
    ) -> Result<Self::Tensor>;
    /// The rows that `pooling` takes of gain x + bias, or of x without `affine`.
    fn pool(&mut self, x: &Self::Tensor, affine: Option<[&Numbers<'_>; 2]>, pooling: Pooling) -> Result<Self::Tensor>;
    /// Prepares x for the next part. An engine on ciphertexts bootstraps if necessary.
    fn refresh(&mut self, x: Self::Tensor, next: Next<'_>) -> Result<Self::Tensor>;
}

/// The parts before which a value may be refreshed.
#[derive(Clone, Copy, Debug)]
pub enum Next<'m> {
    /// A norm. The part after the norm is refreshed by itself.
    Norm(&'m Norm),
    /// Query, key and value, attention, and the map that joins the heads.
    Attention {
        /// The variant of the attention weights.
        weights: &'m Variant,
        /// Whether the value comes from a norm.
        normalised: bool,
    },
    /// A norm and the feed-forward part. Then the norm of the `following` layer, or the classifier after the last
    /// layer.
    FeedForward {
        /// The layer.
        layer: &'m Layer<'m>,
        /// The next layer.
        following: Option<&'m Layer<'m>>,
    },
    /// A part of a model with norms after the sums, or a head that is not folded.
    Part {
        /// The model.
        model: &'m Model<'m>,
        /// The layer, or the number of layers before the head.
        layer: usize,
        /// The part of the layer; before the head, [`Part::Attention`].
        part: Part,
    },
}

/// The parts of a layer whose norms come after the sums, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Query, key and value, and attention.
    Attention,
    /// The map that joins the heads.
    Output,
    /// The norm of the sum with attention's result.
    NormAttention,
    /// The feed-forward part.
    FeedForward,
    /// The norm of the sum with the feed-forward result.
    NormFeedForward,
}

/// The answer to normalised embeddings `x`.
///
/// # Errors
/// The errors of the engine.
pub fn forward<E: Engine>(e: &mut E, model: &Model<'_>, x: E::Tensor) -> Result<E::Tensor> {
    match model.norm_place {
        NormPlace::Pre => norms_before(e, model, x),
        NormPlace::Post => norms_after(e, model, x),
    }
}

fn norms_before<E: Engine>(e: &mut E, model: &Model<'_>, x: E::Tensor) -> Result<E::Tensor> {
    let mut x = x;
    for (i, layer) in model.layers.iter().enumerate() {
        let maps = layer.attention.qkv.each_ref();
        let weights = &layer.attention.weights;
        let qkv = match &layer.norm_attention {
            None => {
                x = e.refresh(x, Next::Attention { weights, normalised: false })?;
                e.linear(&x, maps, HeadSlots::Outputs)?
            }
            Some(norm) => {
                x = e.refresh(x, Next::Norm(norm))?;
                let h = e.norm(&x, norm)?;
                let h = e.refresh(h, Next::Attention { weights, normalised: true })?;
                e.linear(&h, maps, HeadSlots::Outputs)?
            }
        };
        let mixed = e.attention(qkv, &layer.attention)?;
        let [y] = e.linear(&mixed, [&layer.attention.output], HeadSlots::Inputs)?;
        drop(mixed);
        e.add(&mut x, layer.gains[0].as_ref(), y)?;
        x = e.refresh(x, Next::FeedForward { layer, following: model.layers.get(i + 1) })?;
        let h = e.norm(&x, &layer.norm_feed_forward)?;
        let [hidden] = e.linear(&h, [&layer.up], HeadSlots::Neither)?;
        drop(h);
        let active = e.activate(hidden, &layer.activation)?;
        let Some(down) = &layer.down else {
            let Head::Folded([of_active, of_x]) = &model.head else { break };
            return e.classify([&active, &x], [of_active, of_x], model.pooling);
        };
        let [y] = e.linear(&active, [down], HeadSlots::Neither)?;
        e.add(&mut x, layer.gains[1].as_ref(), y)?;
    }
    if let Some(norm) = &model.final_norm {
        x = e.refresh(x, Next::Norm(norm))?;
        x = e.norm(&x, norm)?;
    }
    answer(e, model, x)
}

fn norms_after<E: Engine>(e: &mut E, model: &Model<'_>, x: E::Tensor) -> Result<E::Tensor> {
    let mut x = x;
    for (i, layer) in model.layers.iter().enumerate() {
        let next = |part| Next::Part { model, layer: i, part };
        x = e.refresh(x, next(Part::Attention))?;
        let qkv = e.linear(&x, layer.attention.qkv.each_ref(), HeadSlots::Outputs)?;
        let mixed = e.attention(qkv, &layer.attention)?;
        let mixed = e.refresh(mixed, next(Part::Output))?;
        let [y] = e.linear(&mixed, [&layer.attention.output], HeadSlots::Inputs)?;
        drop(mixed);
        e.add(&mut x, layer.gains[0].as_ref(), y)?;
        x = e.refresh(x, next(Part::NormAttention))?;
        x = e.norm(&x, layer.norm_attention.as_ref().ok_or(Error::Empty { what: "the norm after attention" })?)?;
        x = e.refresh(x, next(Part::FeedForward))?;
        let down = layer.down.as_ref().ok_or(Error::Empty { what: "a map out of the feed-forward part" })?;
        let [hidden] = e.linear(&x, [&layer.up], HeadSlots::Neither)?;
        let active = e.activate(hidden, &layer.activation)?;
        let [y] = e.linear(&active, [down], HeadSlots::Neither)?;
        drop(active);
        e.add(&mut x, layer.gains[1].as_ref(), y)?;
        x = e.refresh(x, next(Part::NormFeedForward))?;
        x = e.norm(&x, &layer.norm_feed_forward)?;
    }
    answer(e, model, x)
}

/// The end of a model whose head is not folded.
fn answer<E: Engine>(e: &mut E, model: &Model<'_>, x: E::Tensor) -> Result<E::Tensor> {
    let x = e.refresh(x, Next::Part { model, layer: model.layers.len(), part: Part::Attention })?;
    match &model.head {
        Head::Linear(map) => e.classify([&x], [map], model.pooling),
        Head::Hidden { up, activation, down } => {
            let (x, pooling) = match model.pooling {
                Pooling::Mean => (e.pool(&x, None, Pooling::Mean)?, Pooling::First),
                pooling => (x, pooling), // of whole rows, which may as well be taken at the end
            };
            let [hidden] = e.linear(&x, [up], HeadSlots::Neither)?;
            let active = e.activate(hidden, activation)?;
            e.classify([&active], [down], pooling)
        }
        Head::Features { gain, bias } => e.pool(&x, Some([gain, bias]), model.pooling),
        Head::Folded(_) => Err(Error::Empty { what: "layers of a model" }),
    }
}
