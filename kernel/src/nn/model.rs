//! The parts of a model as the engines read them. Gains and biases of norms, scales of activations and, where
//! possible, the last map are folded into other maps. [`super::Unfolded`] does the folding.

use super::{Matrix, Numbers, Rotary, Stored};
use crate::{
    circuits::{activation::QUADRATIC_DEPTH, attention::Variant, norm::Norm, poly::Polynomial},
    error::{Error, Result},
};
#[cfg(feature = "alloc")]
use alloc::vec::Vec;

/// Attention: the weights are any that [`Variant`] knows, for the keys that the query's token sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention<'w> {
    /// Whether a token attends only to itself and to earlier tokens.
    pub causal: bool,
    /// The positions of query and key, or `None`.
    pub rotary: Option<Rotary>,
    /// The variant of the attention weights.
    pub weights: Variant,
    /// Query, key and value, heads side by side; the scale of scores is in the query, or in query and key
    /// ([`Similarity`]).
    ///
    /// [`Similarity`]: crate::circuits::attention::Similarity
    pub qkv: [Matrix<'w>; 3],
    /// The map that combines the heads.
    pub output: Matrix<'w>,
}

/// The function between two maps.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one a layer, and no allocator on a small device")]
pub enum Activation {
    /// c0 + c1 x + c2 x². In a folded model c2 = 1. Depth 1.
    Quadratic([f64; 3]),
    /// p(t) for the argument 2t, with t in [-1, 1] the unit variable of p. The map before makes 2t. Depth
    /// [`Polynomial::unit_depth`].
    Doubled(Polynomial),
}

impl Activation {
    /// Levels of the function.
    pub fn depth(&self) -> u8 {
        match self {
            Self::Quadratic(_) => QUADRATIC_DEPTH,
            Self::Doubled(p) => p.unit_depth(),
        }
    }
}

impl From<[f64; 3]> for Activation {
    fn from(c: [f64; 3]) -> Self {
        Self::Quadratic(c)
    }
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer<'w> {
    /// The norm before attention, or after the residual sum of attention ([`NormPlace`]). `None` in the first layer of
    /// a model with norms before, whose input is normalised already.
    pub norm_attention: Option<Norm>,
    /// Attention.
    pub attention: Attention<'w>,
    /// The norm before the feed-forward part, or after its residual sum.
    pub norm_feed_forward: Norm,
    /// Into the feed-forward part.
    pub up: Matrix<'w>,
    /// Between `up` and `down`.
    pub activation: Activation,
    /// The map out of the hidden features. The last layer has none if the head is [`Head::Folded`].
    pub down: Option<Matrix<'w>>,
    /// The factors of x before attention's result and before the feed-forward result is added: gains of norms that are
    /// after a residual sum. `None` for factors of 1.
    pub gains: [Option<Numbers<'w>>; 2],
}

/// The place of the norms in a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormPlace {
    /// x + f(N(x))
    #[default]
    Pre,
    /// N(x + f(x))
    Post,
}

/// The rows of x that the answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The mean over tokens.
    Mean,
    /// The first token.
    First,
    /// The last token: a decoder's.
    Last,
    /// Each token answers for itself.
    Each,
}

impl Pooling {
    /// The weight of a token's row among `tokens`. The rows are added, except for [`Pooling::Each`].
    pub fn share(self, token: usize, tokens: usize) -> f64 {
        match self {
            Self::Mean => 1.0 / tokens as f64,
            Self::First => (token == 0) as u8 as f64,
            Self::Last => (token + 1 == tokens) as u8 as f64,
            Self::Each => 1.0,
        }
    }
}

/// The end of a model.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one a model, and no allocator on a small device")]
pub enum Head<'w> {
    /// Linear maps of the last activations and of x. The maps contain the last layer's `down`.
    Folded([Matrix<'w>; 2]),
    /// A linear map of x.
    Linear(Matrix<'w>),
    /// Two maps of the pooled row with an activation between the maps.
    Hidden {
        /// Into the hidden features.
        up: Matrix<'w>,
        /// Between the maps.
        activation: Activation,
        /// To the answer.
        down: Matrix<'w>,
    },
    /// x itself times a gain plus a bias, for example an embedding of a sentence.
    Features {
        /// The factor of each feature.
        gain: Numbers<'w>,
        /// The sum of each feature.
        bias: Numbers<'w>,
    },
}

/// A whole model, folded for its engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Model<'w> {
    /// Features of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// The place of the norms.
    pub norm_place: NormPlace,
    /// The layers.
    pub layers: Stored<'w, Layer<'w>>,
    /// The norm after the last layer, or `None`.
    pub final_norm: Option<Norm>,
    /// The end.
    pub head: Head<'w>,
    /// The pooled rows.
    pub pooling: Pooling,
    /// The largest value that is ever refreshed, for bootstrapping.
    pub range: f64,
}

impl<'w> Layer<'w> {
    /// Folds the leading coefficient of a quadratic activation into `up`.
    ///
    /// # Errors
    /// [`Error::BadRange`] if the leading coefficient is not positive.
    pub fn folded(mut self) -> Result<Self> {
        let Activation::Quadratic([c0, c1, c2]) = self.activation else { return Ok(self) };
        if c2 <= 0.0 || c2.is_nan() {
            return Err(Error::BadRange { lo: 0.0, hi: c2 });
        }
        let root = libm::sqrt(c2);
        self.up = self.up.scaled(root);
        self.activation = Activation::Quadratic([c0, c1 / root, 1.0]);
        Ok(self)
    }

    /// The features of its heads, side by side.
    pub fn attention_width(&self) -> usize {
        self.attention.output.cols
    }
}

impl<'w> Model<'w> {
    /// A classifier of the mean row, with norms before the parts of a layer and no norm after the last layer. Folds the
    /// leading coefficient of each activation into `up`, the last `down` into the classifier.
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

    /// The same from layers that are [`Layer::folded`], the last without `down`, and a classifier of the last
    /// activations and of x.
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
        let (head, pooling) = (Head::Folded(classify), Pooling::Mean);
        Self { width, heads, norm_place: NormPlace::Pre, layers, final_norm: None, head, pooling, range }.checked()
    }

    /// The model, if its shapes fit each other.
    ///
    /// # Errors
    /// [`Error::BadShape`] if the heads do not divide the features of attention, or leave rotary embedding no pairs, or
    /// if norms after residual sums meet a folded head; [`Error::BadRange`] for a range or a base that is not positive;
    /// [`Error::Length`] for a matrix, a gain or a norm of another size; [`Error::Empty`] for a layer without its norm.
    pub fn checked(self) -> Result<Self> {
        let Self { width, heads, range, .. } = self;
        if !(range > 0.0 && range.is_finite()) {
            return Err(Error::BadRange { lo: 0.0, hi: range });
        }
        let (folded, post) = (matches!(self.head, Head::Folded(_)), self.norm_place == NormPlace::Post);
        if folded && (post || self.final_norm.is_some()) {
            let what = "a folded head must have no norm between the last layer and the head, layers and width";
            return Err(Error::BadShape { what, left: self.layers.len(), right: width });
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let without_down = folded && i + 1 == self.layers.len();
            if layer.down.is_none() != without_down {
                return Err(Error::Length { expected: self.layers.len() - 1, actual: i });
            }
            if post && layer.norm_attention.is_none() {
                return Err(Error::Empty { what: "the norm after attention" });
            }
            layer.check(width, heads)?;
        }
        let norms = self.layers.iter().flat_map(|layer| layer.norm_attention.iter().chain([&layer.norm_feed_forward]));
        for norm in norms.chain(&self.final_norm) {
            same(width, norm.length())?;
        }
        let hidden = self.layers.last().map_or(0, |layer| layer.up.rows);
        match &self.head {
            Head::Folded([active, x]) => {
                active.expect(self.outputs(), hidden)?;
                x.expect(self.outputs(), width)?;
            }
            Head::Linear(map) => map.expect(map.rows, width)?,
            Head::Hidden { up, down, .. } => {
                up.expect(up.rows, width)?;
                down.expect(down.rows, up.rows)?;
            }
            Head::Features { gain, bias } => {
                same(width, gain.len())?;
                same(width, bias.len())?;
            }
        }
        Ok(self)
    }

    /// Numbers of an answer: labels, or features of an embedding.
    pub fn outputs(&self) -> usize {
        match &self.head {
            Head::Folded([map, _]) | Head::Linear(map) | Head::Hidden { down: map, .. } => map.rows,
            Head::Features { gain, .. } => gain.len(),
        }
    }
}

impl Layer<'_> {
    fn check(&self, width: usize, heads: usize) -> Result<()> {
        let inner = self.attention_width();
        if heads == 0 || !inner.is_multiple_of(heads) {
            return Err(Error::BadShape { what: "heads must divide the width", left: heads, right: inner });
        }
        if let Some(Rotary { base }) = self.attention.rotary {
            if !(inner / heads).is_multiple_of(2) {
                let what = "a head with rotary embedding must have pairs of features, heads and width";
                return Err(Error::BadShape { what, left: heads, right: inner });
            }
            if !(base > 0.0 && base.is_finite()) {
                return Err(Error::BadRange { lo: 0.0, hi: base });
            }
        }
        for map in &self.attention.qkv {
            map.expect(inner, width)?;
        }
        self.attention.output.expect(width, inner)?;
        self.up.expect(self.up.rows, width)?;
        self.down.iter().try_for_each(|down| down.expect(width, self.up.rows))?;
        self.gains.iter().flatten().try_for_each(|gain| same(width, gain.len()))
    }
}

fn same(expected: usize, actual: usize) -> Result<()> {
    if expected == actual { Ok(()) } else { Err(Error::Length { expected, actual }) }
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
