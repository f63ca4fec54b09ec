//! The sizes of a model file. The header holds the sizes, and the shapes of the tensors follow from the sizes.

use super::{
    fault::{FileError, Result},
    tensor::{ElementType, Expected},
};
use serde::{Deserialize, Serialize};

/// The storage of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// Half floats.
    F16,
    /// Bytes, with a scale for each output.
    Int8,
    /// Single floats.
    F32,
}

impl Weights {
    /// The type of the embeddings.
    pub(super) fn embeddings(self) -> ElementType {
        if self == Self::F32 { ElementType::Single } else { ElementType::Half }
    }
}

/// The end of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadForm {
    /// A classifier of the last activations and of the rows.
    Folded,
    /// A map of the rows.
    Linear,
    /// A map of the rows, an activation, and a map.
    Hidden(usize),
    /// The rows themselves, with gain and bias.
    Features,
}

/// The parts of an encoder that is more than a classifier of the mean row with norms before the parts of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// Features of all heads, side by side.
    pub attention: usize,
    /// Whether the norms come after the sums. Each layer then has the gains of the norms before its sums.
    pub post: bool,
    /// Whether the norm of the embeddings has gain and bias.
    pub embedding_norm: bool,
    /// The end.
    pub head: HeadForm,
}

/// Sizes of a model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Bytes of the tokenizer.
    pub tokenizer: usize,
    /// Number of tokens of the vocabulary.
    pub vocabulary: usize,
    /// The longest text.
    pub max_tokens: usize,
    /// Features of a token; a power of two without `parts`.
    pub width: usize,
    /// Features inside the feed-forward part.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Numbers of an answer, at most as many as features.
    pub classes: usize,
    /// The storage of the weights.
    pub weights: Weights,
    /// Bytes of the reference model with the exact functions; 0 without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub twin: usize,
    /// The parts of a general encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
}

fn is_zero(x: &usize) -> bool {
    *x == 0
}

/// A linear map of a model file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Its name.
    pub name: String,
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
}

impl Sizes {
    /// Insists on sizes that a model can have.
    ///
    /// # Errors
    /// `Model` with the first size outside its range.
    pub fn check(&self) -> Result<()> {
        let most = |what: &str, given: usize, most: usize| {
            if (1..=most).contains(&given) {
                return Ok(());
            }
            Err(FileError::Model(format!("{given} {what}, from 1 to {most} are possible")))
        };
        most("bytes of tokenizer", self.tokenizer, 1 << 26)?;
        most("bytes of twin", self.twin.max(1), 1 << 30)?;
        most("words", self.vocabulary, 1 << 20)?;
        most("tokens", self.max_tokens, 1 << 14)?;
        most("features", self.width, 1 << 14)?;
        most("hidden features", self.hidden, 1 << 16)?;
        most("layers", self.layers, 64)?;
        most("classes", self.classes, self.width)?;
        match self.parts {
            Some(parts) => {
                most("features of attention", parts.attention, 1 << 14)?;
                match parts.head {
                    HeadForm::Hidden(features) => most("features of the head", features, 1 << 16),
                    HeadForm::Features => most("numbers of an answer", self.width.abs_diff(self.classes) + 1, 1),
                    HeadForm::Folded | HeadForm::Linear => Ok(()),
                }
            }
            None if self.width.is_power_of_two() => Ok(()),
            None => Err(FileError::Model(format!("{} features, a power of two can be packed", self.width))),
        }
    }

    /// The end.
    pub fn head(&self) -> HeadForm {
        self.parts.map_or(HeadForm::Folded, |parts| parts.head)
    }

    /// The linear maps, in file order.
    pub fn maps(&self) -> Vec<Map> {
        let map = |name: String, rows, cols| Map { name, rows, cols };
        let (width, inner) = (self.width, self.parts.map_or(self.width, |parts| parts.attention));
        let mut out = Vec::new();
        for i in 0..self.layers {
            for part in ["query", "key", "value"] {
                out.push(map(format!("layers.{i}.attention.{part}"), inner, width));
            }
            out.push(map(format!("layers.{i}.attention.output"), width, inner));
            out.push(map(format!("layers.{i}.feed_forward.up"), self.hidden, width));
            if i + 1 < self.layers || self.head() != HeadForm::Folded {
                out.push(map(format!("layers.{i}.feed_forward.down"), width, self.hidden));
            }
        }
        match self.head() {
            HeadForm::Folded => {
                out.push(map("classify.activations".into(), self.classes, self.hidden));
                out.push(map("classify.rows".into(), self.classes, width));
            }
            HeadForm::Linear => out.push(map("head".into(), self.classes, width)),
            HeadForm::Hidden(features) => {
                out.push(map("head.up".into(), features, width));
                out.push(map("head.down".into(), self.classes, features));
            }
            HeadForm::Features => {}
        }
        out
    }

    /// The names of vectors with a number for each feature, in file order after the linear maps: gains of sums, gain and
    /// bias of the embeddings' norm and of the answer.
    pub fn vectors(&self) -> Vec<String> {
        let Some(parts) = self.parts else { return Vec::new() };
        let mut out = Vec::new();
        if parts.embedding_norm {
            out.extend(["embeddings.gain".into(), "embeddings.bias".into()]);
        }
        for i in (0..self.layers).filter(|_| parts.post) {
            out.extend([format!("layers.{i}.attention.gain"), format!("layers.{i}.feed_forward.gain")]);
        }
        if parts.head == HeadForm::Features {
            out.extend(["head.gain".into(), "head.bias".into()]);
        }
        out
    }

    /// Every tensor, in file order.
    pub(super) fn tensors(&self) -> Vec<Expected> {
        let f = self.width;
        let tensor =
            |name: &str, shape: &[usize], of| Expected { name: name.to_string().into(), shape: shape.into(), of };
        let mut out = vec![
            tensor("tokenizer", &[self.tokenizer], ElementType::Bytes),
            tensor("embeddings.token", &[self.vocabulary, f], self.weights.embeddings()),
            tensor("embeddings.position", &[self.max_tokens, f], self.weights.embeddings()),
        ];
        for Map { name, rows, cols } in self.maps() {
            let of_int8 = self.weights == Weights::Int8;
            out.push(tensor(&format!("{name}.bias"), &[rows], ElementType::Single));
            if of_int8 {
                out.push(tensor(&format!("{name}.scale"), &[rows], ElementType::Single));
            }
            let of = match self.weights {
                Weights::F16 => ElementType::Half,
                Weights::Int8 => ElementType::Int8,
                Weights::F32 => ElementType::Single,
            };
            out.push(tensor(&format!("{name}.weight"), &[rows, cols], of));
        }
        out.extend(self.vectors().iter().map(|name| tensor(name, &[f], ElementType::Single)));
        if self.twin > 0 {
            out.push(tensor("twin", &[self.twin], ElementType::Bytes));
        }
        out
    }
}
