//! config.json of a converted model: the keys of Hugging Face, and one section `polyformer` with the polynomials and the
//! measured ranges. `polyformer-convert` writes such a folder. What the engines do not compute is refused by key and
//! value.

mod assemble;
mod keys;
mod parts;
mod ranges;

use super::{
    attention::Attention,
    config::{check_epsilon, check_names},
    polynomials::{Layer, Polynomial},
};
use crate::files::{FileError, Result};
use keys::Keys;
pub use keys::describe;
use ranges::Ranges;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Map, Value};
use std::fmt;

/// The name of the section.
pub const SECTION: &str = "polyformer";

/// The version of the section that this program reads.
const VERSION: u32 = 1;

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// One vector for a text.
    Embed,
    /// One label for a text.
    Classify,
    /// One label for each token of a text.
    Tokens,
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embed => "embed",
            Self::Classify => "classify",
            Self::Tokens => "tokens",
        })
    }
}

/// The rows that an answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rows {
    /// The mean of all rows.
    Mean,
    /// The first row.
    First,
    /// The last row.
    Last,
    /// Every row for itself.
    Each,
}

/// The place of the norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// After the sum of each part.
    Post,
    /// Before each part.
    Pre,
}

/// The kind of the norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// LayerNorm: the mean is subtracted, gain and bias follow.
    Layer,
    /// RMSNorm: a gain follows.
    Rms,
}

/// The section, as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    version: u32,
    task: Task,
    pooling: Rows,
    norm_place: Place,
    norm: NormKind,
    max_tokens: usize,
    attention: Attention,
    layers: Vec<Layer>,
    #[serde(default)]
    final_norm: Option<Polynomial>,
    #[serde(default)]
    head: Option<Head>,
    #[serde(default)]
    exact_head_activation: Option<String>,
    #[serde(default)]
    ranges: Option<Ranges>,
    // how the model was made and measured
    #[serde(default, rename = "report")]
    _report: IgnoredAny,
    #[serde(default, rename = "recipe")]
    _recipe: IgnoredAny,
}

/// The maps after the layers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    layers: Vec<String>,
    #[serde(default)]
    activation: Option<Value>,
}

/// A converted model's config.json, checked.
#[derive(Clone, Debug)]
pub struct Converted {
    /// Its name, if the file says one.
    pub name: Option<String>,
    /// What it is for.
    pub task: Task,
    /// The rows that the answer is made of.
    pub pooling: Rows,
    /// The place of the norms.
    pub place: Place,
    /// The kind of the norms.
    pub norm: NormKind,
    /// Features of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Features inside the feed-forward part.
    pub hidden: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// The longest text, in tokens.
    pub max_tokens: usize,
    /// Of every norm.
    pub epsilon: f64,
    /// The activation that the polynomials replace, in the name of Hugging Face.
    pub activation: String,
    /// Kind and parameters of attention.
    pub attention: Attention,
    /// The polynomials, one entry a layer.
    pub layers: Vec<Layer>,
    /// Of the norm after the last layer.
    pub final_norm: Option<Polynomial>,
    /// Names of the linear maps after pooling, the first one first.
    pub head: Vec<String>,
    /// The activation between the two maps of the original's head, if the original has such a head.
    pub exact_head_activation: Option<String>,
    /// One name a class; none for embeddings.
    pub labels: Vec<String>,
    /// The measured ranges.
    pub(super) ranges: Ranges,
}

fn fault(what: impl Into<String>) -> FileError {
    FileError::model(what)
}

impl Converted {
    /// Reads and checks the contents of config.json, an object with the section.
    ///
    /// # Errors
    /// `Model` with the key and the value that the engines do not compute, or with the two values that disagree.
    pub fn parse(all: &Map<String, Value>) -> Result<Self> {
        let section = all.get(SECTION).unwrap_or(&Value::Null);
        let version = section.get("version").and_then(Value::as_u64);
        if version != Some(VERSION.into()) {
            let version = section.get("version").unwrap_or(&Value::Null);
            return Err(fault(format!("{SECTION}.version is {version}, this program reads {VERSION}")));
        }
        let s = Section::deserialize(section).map_err(|e| fault(format!("{SECTION}: {e}")))?;
        debug_assert_eq!(s.version, VERSION);
        let keys = Keys::parse(all)?;
        let ranges = s.ranges.ok_or_else(|| {
            fault(format!("{SECTION}.ranges is missing: the model's ranges were never measured; `polyformer-convert` measures them"))
        })?;
        ranges.check()?;
        let head = head(s.task, s.head)?;
        let out = Self {
            name: keys.name,
            task: s.task,
            pooling: s.pooling,
            place: s.norm_place,
            norm: s.norm,
            width: keys.width,
            heads: keys.heads,
            hidden: keys.hidden,
            vocabulary: keys.vocabulary,
            max_tokens: s.max_tokens,
            epsilon: keys.epsilon,
            activation: keys.activation,
            attention: s.attention,
            layers: s.layers,
            final_norm: s.final_norm,
            head,
            exact_head_activation: s.exact_head_activation,
            labels: if s.task == Task::Embed { Vec::new() } else { keys.labels },
            ranges,
        };
        out.check(keys.layers)?;
        Ok(out)
    }

    fn check(&self, layers: usize) -> Result<()> {
        if self.layers.len() != layers || layers == 0 {
            let given = self.layers.len();
            return Err(fault(format!("{given} entries of {SECTION}.layers where num_hidden_layers is {layers}")));
        }
        let Self { width, heads, max_tokens, .. } = *self;
        if heads == 0 || width == 0 || !width.is_multiple_of(heads) {
            return Err(fault(format!("num_attention_heads {heads} does not divide hidden_size {width}")));
        }
        if max_tokens == 0 {
            return Err(fault(format!("{SECTION}.max_tokens is 0, at least 1 is needed")));
        }
        check_epsilon("layer_norm_eps", self.epsilon)?;
        if (self.pooling == Rows::Each) != (self.task == Task::Tokens) {
            let what = format!("{SECTION}.pooling is {:?} where the task is {:?}", self.pooling, self.task);
            return Err(fault(what.to_lowercase()));
        }
        for (i, layer) in self.layers.iter().enumerate() {
            layer.check(i)?;
            if layer.norm_attention.is_none() && (i > 0 || self.place == Place::Post) {
                return Err(fault(format!("layer {i}: norm_attention is missing")));
            }
            let (function, wanted) = (&layer.activation.function, &self.activation);
            if keys::family(function) != keys::family(wanted) {
                return Err(fault(format!("layer {i}: activation {function:?} where hidden_act is {wanted:?}")));
            }
        }
        if self.final_norm.is_some() && self.place == Place::Post {
            return Err(fault(format!("{SECTION}.final_norm is for norm_place pre, norm_place is post")));
        }
        match (self.task, self.labels.len()) {
            (Task::Embed, _) => Ok(()),
            (_, 0) => Err(fault("id2label is missing: a classifier has a name for each label")),
            _ => check_names("model", &self.labels),
        }
    }
}

/// The names of the maps of the head, the first one first.
fn head(task: Task, head: Option<Head>) -> Result<Vec<String>> {
    let Some(head) = head else {
        return Ok(if task == Task::Embed { Vec::new() } else { vec!["classifier".into()] });
    };
    if let Some(activation) = head.activation.filter(|value| !value.is_null()) {
        return Err(fault(format!("{SECTION}.head.activation is {activation}, heads of linear maps are supported")));
    }
    if head.layers.is_empty() != (task == Task::Embed) {
        let given = head.layers.len();
        let what = format!("{SECTION}.head.layers has {given} maps where the task is {task:?}").to_lowercase();
        return Err(fault(what));
    }
    Ok(head.layers)
}

#[cfg(test)]
mod tests;
