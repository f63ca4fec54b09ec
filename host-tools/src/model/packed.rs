//! A packed model: one file for one parameter set. Linear maps are folded and lie row by row: the weights of an output are
//! a row. Polynomials are fixed. Weights are used where they lie in the map of the file; only biases, gains, scales and
//! the tokenizer are copied.

mod limits;
mod read;
mod write;

pub use read::read;
pub use write::Packing;

use super::{
    attention::Attention,
    converted::Task,
    polynomials::{self, Polynomials},
};
use crate::files::{self, FileError};
use polyformer_kernel::{
    circuits::poly::Polynomial,
    nn::{Activation, Head, Matrix, Model},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The fields of the header in addition to the sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    name: String,
    labels: Vec<String>,
    heads: usize,
    embedding_epsilon: f64,
    norm_epsilon: f64,
    /// ε of length-agnostic PowerSoftmax of power 4, if that is the attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attention_epsilon: Option<f64>,
    /// Any other attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attention: Option<Attention>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact_norm_epsilon: Option<f64>, // of the twin, if it is there
    range: f64,
    layers: Vec<Fixed>,
    layouts: Vec<QuestionsPerCiphertext>,
    /// A general encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoder: Option<Encoder>,
}

/// What a general encoder has in addition to sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoder {
    task: Task,
    pooling: super::converted::Rows,
    /// Whether the norms subtract the mean.
    centred: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    final_norm: Option<Chebyshev>,
    /// Between the maps of the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<Between>,
}

/// The polynomials of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reciprocal: Option<Chebyshev>,
    /// The other polynomials of attention, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attention: BTreeMap<String, Chebyshev>,
    norm_attention: Option<Chebyshev>,
    norm_feed_forward: Chebyshev,
    activation: Between,
}

/// The function between two maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Between {
    /// c0 and c1 of c0 + c1 x + x^2.
    Quadratic([f64; 2]),
    /// A polynomial whose argument is twice the unit variable.
    Doubled(Chebyshev),
}

impl Between {
    fn of(activation: &Activation) -> Self {
        match activation {
            Activation::Quadratic([c0, c1, _]) => Self::Quadratic([*c0, *c1]),
            Activation::Doubled(p) => {
                let (lo, hi) = p.range();
                Self::Doubled(Chebyshev { lo, hi, coeffs: p.coeffs().to_vec() })
            }
        }
    }

    fn activation(&self) -> files::Result<Activation> {
        match self {
            Self::Quadratic([c0, c1]) => Ok(Activation::Quadratic([*c0, *c1, 1.0])),
            Self::Doubled(p) => Ok(Activation::Doubled(p.to_polynomial()?)),
        }
    }
}

/// The name of the polynomial that has a field of its own.
const RECIPROCAL: &str = "reciprocal";

impl Fixed {
    /// The polynomials of attention, by name.
    fn attention(&self) -> Polynomials {
        let reciprocal = self.reciprocal.iter().map(|p| (RECIPROCAL, p));
        let others = self.attention.iter().map(|(name, p)| (name.as_str(), p));
        let named = |(name, p): (&str, &Chebyshev)| (name.to_string(), p.named(name));
        reciprocal.chain(others).map(named).collect()
    }
}

/// Coefficients on [lo, hi].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chebyshev {
    lo: f64,
    hi: f64,
    coeffs: Vec<f64>,
}

/// The number of questions of at most `rows` tokens that share a ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionsPerCiphertext {
    /// Rows that are kept for a question, a power of two.
    pub rows: usize,
    /// Questions.
    pub questions: usize,
}

impl Chebyshev {
    fn of(p: &polynomials::Polynomial) -> Self {
        Self { lo: p.lo, hi: p.hi, coeffs: p.coeffs.clone() }
    }

    fn named(&self, name: &str) -> polynomials::Polynomial {
        polynomials::Polynomial::new(name, (self.lo, self.hi), &self.coeffs)
    }

    fn to_polynomial(&self) -> files::Result<Polynomial> {
        Polynomial::new(&self.coeffs, (self.lo, self.hi)).map_err(|e| FileError::Model(format!("polynomial: {e}")))
    }
}

/// The linear maps in the order of [`files::Sizes::maps`].
fn maps<'m>(model: &'m Model<'static>) -> Vec<&'m Matrix<'static>> {
    let layers = model.layers.iter().flat_map(|l| {
        let attention = l.attention.qkv.iter().chain([&l.attention.output, &l.up]);
        attention.chain(l.down.iter())
    });
    let head = match &model.head {
        Head::Folded([of_active, of_x]) => vec![of_active, of_x],
        Head::Linear(map) => vec![map],
        Head::Hidden { up, down, .. } => vec![up, down],
        Head::Features { .. } => Vec::new(),
    };
    layers.chain(head).collect()
}
