//! From the parts of a checkpoint to a [`Model`]: where gains, biases and scales go.
//!
//! A norm returns g n + b, with n the normalised row. The maps that read the norm take g and b: W (g n + b) + c is
//! (W g) n + (W b + c). Norms after a residual sum are also read by the next residual sum. The layer multiplies n by g
//! there ([`Layer::gains`]), beside a deeper path, and the map that is added to the sum takes b into its bias.
//!
//! A polynomial activation on [lo, hi] reads 2t, twice the unit variable. The map before takes slope and offset, so
//! that the activation of degree d has depth ⌈log2(d + 1)⌉. A polynomial of degree 2 becomes a quadratic of depth 1.
//! Without a norm after the last layer, a linear head takes the last `down`. [docs/decisions/general-encoder.md]

use super::{Activation, Attention, Head, Layer, Matrix, Model, NormPlace, Numbers, Pooling, Stored};
use crate::{
    circuits::{norm::Norm, poly::Polynomial},
    error::{Error, Result},
};
use alloc::{vec, vec::Vec};

/// A norm with its gain and bias.
#[derive(Clone, Debug, PartialEq)]
pub struct AffineNorm<'w> {
    /// The normalisation. [`Norm::centred`] makes an RMSNorm a LayerNorm.
    pub norm: Norm,
    /// The factor of each feature.
    pub gain: Numbers<'w>,
    /// The sum of each feature.
    pub bias: Numbers<'w>,
}

/// One layer of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct UnfoldedLayer<'w> {
    /// The norm before attention, or after the residual sum of attention. `None` for no norm.
    pub norm_attention: Option<AffineNorm<'w>>,
    /// Attention, with the scale of scores in the query, or in query and key.
    pub attention: Attention<'w>,
    /// The norm before the feed-forward part, or after its residual sum.
    pub norm_feed_forward: AffineNorm<'w>,
    /// Into the feed-forward part.
    pub up: Matrix<'w>,
    /// A polynomial on the range of the values that `up` makes.
    pub activation: Polynomial,
    /// Out of the feed-forward part.
    pub down: Matrix<'w>,
}

/// The end of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one a checkpoint")]
pub enum UnfoldedHead<'w> {
    /// A linear map of the pooled row.
    Linear(Matrix<'w>),
    /// A map, a polynomial on the range of its values, and a map.
    Hidden {
        /// Into the hidden features.
        up: Matrix<'w>,
        /// Between the maps.
        activation: Polynomial,
        /// To the answer.
        down: Matrix<'w>,
    },
    /// The features of the pooled row.
    Features,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfolded<'w> {
    /// Features of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// The place of the norms.
    pub norm_place: NormPlace,
    /// The layers.
    pub layers: Vec<UnfoldedLayer<'w>>,
    /// The norm after the last layer, or `None`.
    pub final_norm: Option<AffineNorm<'w>>,
    /// The end.
    pub head: UnfoldedHead<'w>,
    /// The pooled rows.
    pub pooling: Pooling,
    /// The largest value that is ever refreshed, for bootstrapping.
    pub range: f64,
}

impl<'w> Unfolded<'w> {
    /// The model of these parts. The memory of the folded maps is owned. Cost: one pass over the weights.
    ///
    /// # Errors
    /// [`Error::Empty`] without layers, or without the norm after attention; [`Error::NotFinite`] if a folded weight is
    /// not finite; the errors of [`Model::checked`].
    pub fn folded(self) -> Result<Model<'w>> {
        let Self { width, heads, norm_place, layers, final_norm, head, pooling, range } = self;
        let post = norm_place == NormPlace::Post;
        let mut out = Vec::with_capacity(layers.len());
        let mut stream: Option<AffineNorm<'w>> = None; // gain and bias that x lacks, with norms after the sums
        for layer in layers {
            let UnfoldedLayer { norm_attention, attention, norm_feed_forward, up, activation, down } = layer;
            let (before, between) = if post { (&stream, &norm_attention) } else { (&norm_attention, &None) };
            let mut attention = attention;
            if let Some(norm) = before {
                attention.qkv = norm.read_by_all(attention.qkv)?;
            }
            let mut gains = [None, None];
            if let Some(norm) = stream.as_ref().filter(|_| post) {
                attention.output = attention.output.plus(&norm.bias)?;
                gains[0] = Some(norm.gain.clone());
            }
            let (up, activation, mut down) = {
                let reads = if post {
                    between.as_ref().ok_or(Error::Empty { what: "the norm after attention" })?
                } else {
                    &norm_feed_forward
                };
                let (up, activation) = activated(reads.read_by(&up)?, activation)?;
                (up, activation, down)
            };
            if let Some(norm) = between {
                down = down.plus(&norm.bias)?;
                gains[1] = Some(norm.gain.clone());
            }
            out.push(Layer {
                norm_attention: norm_attention.map(|n| n.norm),
                attention,
                norm_feed_forward: norm_feed_forward.norm.clone(),
                up,
                activation,
                down: Some(down),
                gains,
            });
            stream = post.then_some(norm_feed_forward);
        }
        let last = final_norm.as_ref().or(stream.as_ref());
        let read = |map: &Matrix<'w>| last.map_or_else(|| Ok(map.clone()), |norm| norm.read_by(map));
        let head = match head {
            UnfoldedHead::Linear(map) if last.is_none() => {
                let none = Error::Empty { what: "layers of a model" };
                let down = out.last_mut().and_then(|last| last.down.take()).ok_or(none)?;
                Head::Folded([map.after(&down)?, map.without_bias()])
            }
            UnfoldedHead::Linear(map) => Head::Linear(read(&map)?),
            UnfoldedHead::Hidden { up, activation, down } => {
                let (up, activation) = activated(read(&up)?, activation)?;
                Head::Hidden { up, activation, down }
            }
            UnfoldedHead::Features => match last {
                Some(norm) => Head::Features { gain: norm.gain.clone(), bias: norm.bias.clone() },
                None => Head::Features { gain: vec![1.0; width].into(), bias: vec![0.0; width].into() },
            },
        };
        let (layers, final_norm) = (Stored::Owned(out), final_norm.map(|n| n.norm));
        Model { width, heads, norm_place, layers, final_norm, head, pooling, range }.checked()
    }
}

impl AffineNorm<'_> {
    /// W (g n + b) + c, as a map of n.
    fn read_by<'w>(&self, map: &Matrix<'w>) -> Result<Matrix<'w>> {
        map.of_affine(&self.gain, &self.bias)
    }

    fn read_by_all<'w>(&self, maps: [Matrix<'w>; 3]) -> Result<[Matrix<'w>; 3]> {
        let [a, b, c] = maps.each_ref().map(|map| self.read_by(map));
        Ok([a?, b?, c?])
    }
}

/// A map and an activation of its values, as the engines read the two.
fn activated<'w>(map: Matrix<'w>, p: Polynomial) -> Result<(Matrix<'w>, Activation)> {
    let (slope, offset) = p.to_unit();
    if let [a, b, c] = *p.coeffs() {
        let c2 = 2.0 * c * slope * slope;
        if c2 > 0.0 {
            let (c0, c1) = (a - c + (b + 2.0 * c * offset) * offset, (b + 4.0 * c * offset) * slope);
            let root = libm::sqrt(c2);
            return Ok((map.scaled(root), Activation::Quadratic([c0, c1 / root, 1.0])));
        }
    }
    Ok((map.scaled(2.0 * slope).plus_each(2.0 * offset)?, Activation::Doubled(p)))
}
