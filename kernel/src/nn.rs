//! The transformer, written once: an encoder or a decoder of polynomials over an [`Engine`]. [`clear_engine`] runs the
//! transformer on rows of numbers. [`slot_engine`] runs the transformer on slots, which may be encrypted.
//!
//! x starts as normalised embeddings. Each layer adds an attention part and a feed-forward part to x. A norm multiplies
//! x by a polynomial inverse root of the mean square; the weights contain centring and gain. The answer is a linear map
//! of the mean over tokens, or of the last token.
//!
//! A linear map on three tokens of two features, in the clear:
//!
//! ```
//! use polyformer_kernel::nn::{Engine, Matrix, clear_engine::{ClearEngine, Rows}};
//!
//! # #[cfg(feature = "alloc")] {
//! let swap = Matrix::new(2, 2, vec![0.0, 1.0, 1.0, 0.0], vec![0.0; 2])?; // rows, columns, weights, bias
//! let x = Rows::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! let [y] = ClearEngine::<f64>::new(1).linear(&x, [&swap])?;
//! assert_eq!(y.values(), [2.0, 1.0, 4.0, 3.0, 6.0, 5.0]);
//! # }
//! # Ok::<(), polyformer_kernel::Error>(())
//! ```

use crate::{
    circuits::{attention::Variant, norm::Norm},
    error::{Error, Result},
};
#[cfg(feature = "alloc")]
use alloc::vec::Vec;

pub mod clear_engine;
mod matrix;
mod rotary;
#[cfg(feature = "alloc")]
pub mod slot_engine;

#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub use matrix::NumberSource;
pub use matrix::{Matrix, Numbers, Stored};
pub use rotary::Rotary;

/// Attention: the weights are any that [`Variant`] knows, for the keys that the query's token sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention<'w> {
    /// Whether a token attends only to itself and to earlier tokens.
    pub causal: bool,
    /// The positions of query and key, or `None`.
    pub rotary: Option<Rotary>,
    /// The variant of the attention weights.
    pub weights: Variant,
    /// Query, key and value; the scale of scores is in the query, or in query and key ([`Similarity`]).
    ///
    /// [`Similarity`]: crate::circuits::attention::Similarity
    pub qkv: [Matrix<'w>; 3],
    /// The map that combines the heads.
    pub output: Matrix<'w>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer<'w> {
    /// The norm before attention; the first layer's input is normalised already.
    pub norm_attention: Option<Norm>,
    /// Attention.
    pub attention: Attention<'w>,
    /// The norm before the feed-forward part.
    pub norm_feed_forward: Norm,
    /// Into the feed-forward part.
    pub up: Matrix<'w>,
    /// c0 + c1 x + c2 x^2
    pub activation: [f64; 3],
    /// The map out of the hidden features. The last layer of a folded model has none, because `classify` contains it.
    pub down: Option<Matrix<'w>>,
}

/// Which rows of x the answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The mean over tokens: an encoder's.
    Mean,
    /// The last token: a decoder's.
    Last,
}

impl Pooling {
    /// The weight of a token's row among `tokens`.
    pub fn share(self, token: usize, tokens: usize) -> f64 {
        match self {
            Self::Mean => 1.0 / tokens as f64,
            Self::Last => (token + 1 == tokens) as u8 as f64,
        }
    }
}

/// A whole model, folded for its engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Model<'w> {
    /// Features of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// The layers. `classify` contains the last layer's `down`.
    pub layers: Stored<'w, Layer<'w>>,
    /// The final linear maps, from the last activations and from x.
    pub classify: [Matrix<'w>; 2],
    /// The pooled rows. The default is the mean.
    pub pooling: Pooling,
    /// The largest value that is ever refreshed, for bootstrapping.
    pub range: f64,
}

impl<'w> Layer<'w> {
    /// Folds the leading coefficient of the activation into `up`.
    ///
    /// # Errors
    /// [`Error::BadRange`] if the leading coefficient is not positive.
    pub fn folded(mut self) -> Result<Self> {
        let [c0, c1, c2] = self.activation;
        if c2 <= 0.0 || c2.is_nan() {
            return Err(Error::BadRange { lo: 0.0, hi: c2 });
        }
        let root = libm::sqrt(c2);
        self.up = self.up.scaled(root);
        self.activation = [c0, c1 / root, 1.0];
        Ok(self)
    }
}

impl<'w> Model<'w> {
    /// Folds: the leading coefficient of each activation into `up`, the last `down` into the classifier. Fails on
    /// shapes that do not fit each other.
    ///
    /// # Errors
    /// [`Error::Empty`] without layers; the errors of [`Layer::folded`] and [`Model::checked`].
    #[cfg(feature = "alloc")]
    pub fn new(width: usize, heads: usize, layers: Vec<Layer<'w>>, classifier: Matrix<'w>, range: f64) -> Result<Self> {
        let mut layers: Vec<_> = layers.into_iter().map(Layer::folded).collect::<Result<_>>()?;
        let none = Error::Empty { what: "layers of a model" };
        let down = layers.last_mut().and_then(|last| last.down.take()).ok_or(none)?;
        let classify = [classifier.after(&down)?, classifier.without_bias()];
        Self::of_folded(width, heads, Stored::Owned(layers), classify, range)
    }

    /// From layers that are [`Layer::folded`], the last without `down`, and a classifier of the last activations and of
    /// x. Fails on shapes that do not fit each other.
    ///
    /// # Errors
    /// The errors of [`Model::checked`].
    pub fn of_folded(
        width: usize,
        heads: usize,
        layers: Stored<'w, Layer<'w>>,
        classify: [Matrix<'w>; 2],
        range: f64,
    ) -> Result<Self> {
        Self { width, heads, layers, classify, pooling: Pooling::Mean, range }.checked()
    }

    /// The model, if its shapes fit each other.
    ///
    /// # Errors
    /// [`Error::BadShape`] if the heads do not divide the width, or leave rotary embedding no pairs;
    /// [`Error::BadRange`] for a range or a base that is not positive; [`Error::Length`] for a matrix of another size.
    pub fn checked(self) -> Result<Self> {
        let Self { width, heads, range, .. } = self;
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(Error::BadShape { what: "heads must divide the width", left: heads, right: width });
        }
        if !(range > 0.0 && range.is_finite()) {
            return Err(Error::BadRange { lo: 0.0, hi: range });
        }
        let (hidden, last) = (self.layers.last().map_or(0, |l| l.up.rows), self.layers.len().wrapping_sub(1));
        for (i, layer) in self.layers.iter().enumerate() {
            if layer.down.is_some() != (i < last) {
                return Err(Error::Length { expected: last, actual: i });
            }
            if let Some(Rotary { base }) = layer.attention.rotary {
                if !(width / heads).is_multiple_of(2) {
                    let what = "a head with rotary embedding must have pairs of features, heads and width";
                    return Err(Error::BadShape { what, left: heads, right: width });
                }
                if !(base > 0.0 && base.is_finite()) {
                    return Err(Error::BadRange { lo: 0.0, hi: base });
                }
            }
            let maps = layer.attention.qkv.iter().chain([&layer.attention.output]);
            let down = layer.down.iter().map(|m| (m, width, hidden));
            for (m, rows, cols) in maps.map(|m| (m, width, width)).chain([(&layer.up, hidden, width)]).chain(down) {
                m.expect(rows, cols)?;
            }
        }
        let classes = self.classes();
        self.classify[0].expect(classes, hidden)?;
        self.classify[1].expect(classes, width)?;
        Ok(self)
    }

    /// Labels.
    pub fn classes(&self) -> usize {
        self.classify[0].rows
    }
}

impl Attention<'_> {
    /// The number of keys that a token sees, of `tokens`: the first ones. A row after the last token sees all keys.
    pub fn seen(&self, token: usize, tokens: usize) -> usize {
        if self.causal { tokens.min(token + 1) } else { tokens }
    }
}

impl Matrix<'_> {
    fn expect(&self, rows: usize, cols: usize) -> Result<()> {
        if (self.rows, self.cols) == (rows, cols) {
            return Ok(());
        }
        Err(Error::Length { expected: rows * cols, actual: self.rows * self.cols })
    }
}

/// The operations of a transformer.
pub trait Engine {
    /// Rows of features, one a token.
    type Tensor;
    /// Each of `maps` of every row.
    fn linear<const K: usize>(&mut self, x: &Self::Tensor, maps: [&Matrix<'_>; K]) -> Result<[Self::Tensor; K]>;
    /// The heads' results from query, key and value, side by side.
    fn attention(&mut self, qkv: [Self::Tensor; 3], attention: &Attention<'_>) -> Result<Self::Tensor>;
    /// The norm of every row.
    fn norm(&mut self, x: &Self::Tensor, norm: &Norm) -> Result<Self::Tensor>;
    /// c0 + c1 x + x^2
    fn activate(&mut self, x: Self::Tensor, c: [f64; 3]) -> Result<Self::Tensor>;
    /// x += y
    fn add(&mut self, x: &mut Self::Tensor, y: Self::Tensor) -> Result<()>;
    /// The rows that `pooling` takes of the sum of maps\[i\] xs\[i\].
    fn classify(&mut self, xs: [&Self::Tensor; 2], maps: &[Matrix<'_>; 2], pooling: Pooling) -> Result<Self::Tensor>;
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
}

/// The logits of normalised embeddings `x`.
///
/// # Errors
/// The errors of the engine.
pub fn forward<E: Engine>(e: &mut E, model: &Model<'_>, x: E::Tensor) -> Result<E::Tensor> {
    let mut x = x;
    let layers = model.layers.len();
    for (i, layer) in model.layers.iter().enumerate() {
        let last = i + 1 == layers;
        let maps = layer.attention.qkv.each_ref();
        let weights = &layer.attention.weights;
        let qkv = match &layer.norm_attention {
            None => {
                x = e.refresh(x, Next::Attention { weights, normalised: false })?;
                e.linear(&x, maps)?
            }
            Some(norm) => {
                x = e.refresh(x, Next::Norm(norm))?;
                let h = e.norm(&x, norm)?;
                let h = e.refresh(h, Next::Attention { weights, normalised: true })?;
                e.linear(&h, maps)?
            }
        };
        let mixed = e.attention(qkv, &layer.attention)?;
        let [y] = e.linear(&mixed, [&layer.attention.output])?;
        drop(mixed);
        e.add(&mut x, y)?;
        x = e.refresh(x, Next::FeedForward { layer, following: model.layers.get(i + 1) })?;
        let h = e.norm(&x, &layer.norm_feed_forward)?;
        let [hidden] = e.linear(&h, [&layer.up])?;
        drop(h);
        let active = e.activate(hidden, layer.activation)?;
        if last {
            return e.classify([&active, &x], &model.classify, model.pooling);
        }
        let down = layer.down.as_ref().ok_or(Error::Length { expected: layers, actual: i })?;
        let [y] = e.linear(&active, [down])?;
        e.add(&mut x, y)?;
    }
    Err(Error::Empty { what: "layers of a model" })
}
