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
    /// F: features of a token, a power of two.
    pub width: usize,
    /// Features inside the feed-forward part.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Labels, at most F.
    pub classes: usize,
    /// The storage of the weights.
    pub weights: Weights,
    /// Bytes of the reference model with the exact functions; 0 without one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub twin: usize,
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
        if self.width.is_power_of_two() {
            return Ok(());
        }
        Err(FileError::Model(format!("{} features, a power of two can be packed", self.width)))
    }

    /// The linear maps, in file order.
    pub fn maps(&self) -> Vec<Map> {
        let map = |name: String, rows, cols| Map { name, rows, cols };
        let mut out = Vec::new();
        for i in 0..self.layers {
            for part in ["query", "key", "value", "output"] {
                out.push(map(format!("layers.{i}.attention.{part}"), self.width, self.width));
            }
            out.push(map(format!("layers.{i}.feed_forward.up"), self.hidden, self.width));
            if i + 1 < self.layers {
                out.push(map(format!("layers.{i}.feed_forward.down"), self.width, self.hidden));
            }
        }
        out.push(map("classify.activations".into(), self.classes, self.hidden));
        out.push(map("classify.rows".into(), self.classes, self.width));
        out
    }

    /// Every tensor, in file order.
    pub(super) fn tensors(&self) -> Vec<Expected> {
        let f = self.width;
        let tensor =
            |name: &str, shape: &[usize], of| Expected { name: name.to_string().into(), shape: shape.into(), of };
        let mut out = vec![
            tensor("tokenizer", &[self.tokenizer], ElementType::Bytes),
            tensor("embeddings.token", &[self.vocabulary, f], ElementType::Half),
            tensor("embeddings.position", &[self.max_tokens, f], ElementType::Half),
        ];
        for Map { name, rows, cols } in self.maps() {
            let of_int8 = self.weights == Weights::Int8;
            out.push(tensor(&format!("{name}.bias"), &[rows], ElementType::Single));
            if of_int8 {
                out.push(tensor(&format!("{name}.scale"), &[rows], ElementType::Single));
            }
            out.push(tensor(
                &format!("{name}.weight"),
                &[rows, cols],
                if of_int8 { ElementType::Int8 } else { ElementType::Half },
            ));
        }
        if self.twin > 0 {
            out.push(tensor("twin", &[self.twin], ElementType::Bytes));
        }
        out
    }
}
