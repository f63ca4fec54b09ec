//! What a model is, in a few lines: its task, its sizes, its attention, and what a text costs in ciphertexts.

use super::Pretrained;
use polyformer_kernel::{
    circuits::attention::AttentionWeights,
    nn::{Activation, NormPlace, Pooling},
};
use serde::Serialize;
use std::fmt;

/// A summary of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// The digest of its files, short.
    pub digest: String,
    /// What it is for.
    pub task: String,
    /// Layers.
    pub layers: usize,
    /// Features of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Features inside the feed-forward part of the first layer.
    pub hidden: usize,
    /// Numbers of an answer.
    pub outputs: usize,
    /// The rows that the answer is made of: mean, first, last or each.
    pub pooling: &'static str,
    /// The place of the norms: pre or post.
    pub norm_place: &'static str,
    /// The attention of the first layer.
    pub attention: String,
    /// The degree of the activation of the first layer.
    pub activation_degree: usize,
    /// The longest text, in tokens.
    pub max_tokens: usize,
    /// A bound of all bootstrapped values.
    pub range: f64,
    /// Ciphertexts of a text.
    pub ciphertexts: usize,
    /// Whether the original travels with the model.
    pub reference: bool,
}

impl Pretrained {
    /// What the model is.
    pub fn summary(&self) -> Summary {
        let (model, first) = (&self.model, self.model.layers.first());
        Summary {
            name: self.name.clone(),
            digest: self.digest.to_string(),
            task: self.task.to_string(),
            layers: model.layers.len(),
            width: model.width,
            heads: model.heads,
            hidden: first.map_or(0, |layer| layer.up.rows),
            outputs: model.outputs(),
            pooling: match model.pooling {
                Pooling::Mean => "mean",
                Pooling::First => "first",
                Pooling::Last => "last",
                Pooling::Each => "each",
            },
            norm_place: if model.norm_place == NormPlace::Post { "post" } else { "pre" },
            attention: first.map_or(String::new(), |layer| layer.attention.weights.name().into()),
            activation_degree: match first.map(|layer| &layer.activation) {
                Some(Activation::Doubled(p)) => p.degree(),
                Some(Activation::Quadratic(_)) => 2,
                None => 0,
            },
            max_tokens: self.text.max_tokens(),
            range: model.range,
            ciphertexts: self.blocks(),
            reference: self.exact.is_some(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layers, width, heads, hidden, outputs, pooling, attention, activation_degree, .. } = self;
        writeln!(f, "model:      digest {}", self.digest)?;
        writeln!(
            f,
            "name:       {}, for the task {}, {outputs} numbers an answer",
            self.name.escape_debug(),
            self.task
        )?;
        writeln!(
            f,
            "layers:     {layers} of width {width}, {heads} heads, {hidden} hidden features; norms {}, pooling {pooling}",
            self.norm_place
        )?;
        writeln!(f, "attention:  {attention}; activation of degree {activation_degree}")?;
        let reference = if self.reference { "with" } else { "without" };
        writeln!(
            f,
            "texts:      up to {} tokens, {} ciphertext(s) each; nothing over {} is bootstrapped; {reference} the original",
            self.max_tokens, self.ciphertexts, self.range
        )
    }
}
