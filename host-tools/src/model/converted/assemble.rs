//! From the tensors of a converted model to the client's part and the server's part. The kernel folds gains, biases and
//! scales ([`Unfolded::folded`]).

use super::{
    super::{norms::RowNorm, polynomials::Polynomial, text::Text, weights::Weights},
    Converted, NormKind, Place, Rows, Task, fault,
    parts::LayerParts,
};
use crate::files::Result;
use polyformer_kernel::{
    circuits::{
        attention::{AttentionWeights, Similarity},
        norm::Norm,
    },
    nn::{AffineNorm, Matrix, Model, NormPlace, Pooling, Unfolded, UnfoldedHead, UnfoldedLayer},
};

impl From<Rows> for Pooling {
    fn from(rows: Rows) -> Self {
        match rows {
            Rows::Mean => Self::Mean,
            Rows::First => Self::First,
            Rows::Last => Self::Last,
            Rows::Each => Self::Each,
        }
    }
}

impl Converted {
    /// The client's part.
    ///
    /// # Errors
    /// The errors of [`Converted::embedding`] and of the tokenizer.
    pub fn text(&self, weights: &Weights<'_>, tokenizer: &[u8]) -> Result<Text> {
        let outputs = if self.task == Task::Embed { self.width } else { self.labels.len() };
        let text = Text::of(tokenizer, self.embedding(weights)?, self.labels.clone(), outputs)?;
        Ok(text.of_encoder(self.pooling == Rows::Each))
    }

    /// The server's part.
    ///
    /// # Errors
    /// `Tensor` for a tensor that is missing, of another shape, or not finite; `Model` for polynomials or shapes that the
    /// engines do not take.
    pub fn model(&self, weights: &Weights<'_>) -> Result<Model<'static>> {
        let mut layers = Vec::new();
        for (i, polynomials) in self.layers.iter().enumerate() {
            let LayerParts { norms: [norm_attention, norm_feed_forward], qkv, output, up, down } =
                self.layer(weights, i)?;
            let of_attention = polynomials.attention();
            let distance = self.attention.weights(&of_attention)?.similarity() == Similarity::Distance;
            let [query, key, value] = if distance { self.spread_scale(qkv) } else { qkv };
            let norm_attention = polynomials.norm_attention.as_ref().zip(norm_attention);
            let none = || fault(format!("layer {i}: norm_feed_forward is missing"));
            layers.push(UnfoldedLayer {
                norm_attention: norm_attention.map(|(p, norm)| self.affine(p, norm)).transpose()?,
                attention: self.attention.layer(&of_attention, [query, key, value, output])?,
                norm_feed_forward: self.affine(&polynomials.norm_feed_forward, norm_feed_forward.ok_or_else(none)?)?,
                up,
                activation: polynomials.activation.to_polynomial()?,
                down,
            });
        }
        let last = self.final_norm.as_ref().zip(self.last_norm(weights)?);
        let unfolded = Unfolded {
            width: self.width,
            heads: self.heads,
            norm_place: match self.place {
                Place::Post => NormPlace::Post,
                Place::Pre => NormPlace::Pre,
            },
            layers,
            final_norm: last.map(|(p, norm)| self.affine(p, norm)).transpose()?,
            head: self.head_of(weights)?,
            pooling: self.pooling.into(),
            range: self.range()?,
        };
        unfolded.folded().map_err(|e| fault(e.to_string()))
    }

    fn affine(&self, polynomial: &Polynomial, norm: RowNorm) -> Result<AffineNorm<'static>> {
        let made = Norm::trained(self.width, norm.epsilon(), polynomial.to_polynomial()?);
        let made = made.map_err(|e| fault(e.to_string()))?;
        let made = if self.norm == NormKind::Layer { made.centred() } else { made };
        let [gain, bias] = norm.into_affine(self.width);
        Ok(AffineNorm { norm: made, gain: gain.into(), bias: bias.into() })
    }

    /// The maps of the head as one map.
    fn head_of(&self, weights: &Weights<'_>) -> Result<UnfoldedHead<'static>> {
        let mut maps = self.head_maps(weights, &self.head)?.into_iter();
        let Some(first) = maps.next() else { return Ok(UnfoldedHead::Features) };
        let joined =
            |first: Result<Matrix<'static>>, map: Matrix<'static>| map.after(&first?).map_err(|e| fault(e.to_string()));
        Ok(UnfoldedHead::Linear(maps.fold(Ok(first), joined)?))
    }

    /// Half of the scale of scores in the query and half in the key, for attention of distances.
    fn spread_scale(&self, [query, key, value]: [Matrix<'static>; 3]) -> [Matrix<'static>; 3] {
        let root = ((self.width / self.heads) as f64).powf(0.25); // the query has 1/√d
        [query.scaled(root), key.scaled(1.0 / root), value]
    }
}
