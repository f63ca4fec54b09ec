//! What the server learns about the number of tokens. The client decides, and says so before a question is sent.

use crate::{Error, Result, plan::model::bucket};
use polyformer_kernel::{
    circuits::attention::{AttentionWeights, Similarity},
    nn::{Attention, Model, slot_engine::can_hide},
};
use std::fmt;

/// How the client pads questions.
///
/// ```
/// use polyformer::{model::Pretrained, session::Padding};
///
/// let model = Pretrained::open(None)?.model; // the model in the program
/// assert_eq!(Padding::Bucket.shown(9, &model)?.to_string(), "at most 16 tokens");
/// assert_eq!(Padding::Rows(64).shown(9, &model)?.to_string(), "at most 64 tokens");
/// assert_eq!(Padding::None.shown(9, &model)?.to_string(), "9 tokens");
/// let error = Padding::Rows(8).shown(9, &model).expect_err("too few");
/// assert_eq!(error.to_string(), "--bucket 8: the text has 9 tokens");
/// # Ok::<(), polyformer::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// To the next [`bucket`], where the model can hide lengths.
    #[default]
    Bucket,
    /// To this many rows. The number of tokens then says nothing at all.
    Rows(usize),
    /// The server sees the number of tokens.
    None,
}

/// What the server learns about the number of tokens of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The number.
    Exactly(usize),
    /// Rows that hold the tokens.
    AtMost(usize),
}

impl Padding {
    /// What a server learns about a question of `tokens` tokens.
    ///
    /// # Errors
    /// [`Error::Usage`] for rows that are no bucket or too few, or if the model cannot hide lengths.
    pub fn shown(self, tokens: usize, model: &Model<'_>) -> Result<Shown> {
        let Padding::Rows(rows) = self else {
            let hides = self == Padding::Bucket && can_hide(model);
            return Ok(if hides { Shown::AtMost(bucket(tokens)) } else { Shown::Exactly(tokens) });
        };
        let refused = |what: String| Err(Error::usage(format!("--bucket {rows}"), what));
        let most = model.width / model.heads.max(1);
        if rows > most || bucket(rows) != rows {
            return refused(format!("4, 8, 16, … up to {most} rows are possible"));
        }
        if !can_hide(model) {
            return refused(format!("this model shows the number of tokens: {}", why_shown(model)));
        }
        if tokens > rows {
            return refused(format!("the text has {tokens} tokens"));
        }
        Ok(Shown::AtMost(rows))
    }
}

/// Why the lengths of a model's questions cannot be hidden. `docs/decisions/hidden-lengths.md` has the table.
pub fn why_shown(model: &Model<'_>) -> String {
    let layers = model.layers.iter().map(|layer| &layer.attention);
    let reason = |attention: &Attention<'_>| {
        let (weights, name) = (&attention.weights, attention.weights.name());
        if weights.similarity() == Similarity::Distance {
            Some(format!("{name} scores a key that is 0 by its distance"))
        } else if weights.moment_factors().is_some() {
            Some(format!("{name} takes means over the tokens"))
        } else if !weights.hides_by_itself() {
            Some(format!("{name} has a factor of the number of tokens, or gives weight to a key that is 0"))
        } else if attention.causal || attention.rotary.is_some() {
            Some("attention depends on places".into())
        } else {
            None
        }
    };
    layers
        .filter_map(reason)
        .next()
        .unwrap_or_else(|| "its head or its activations have no form for hidden lengths".into())
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Exactly(1) => f.write_str("1 token"),
            Shown::Exactly(tokens) => write!(f, "{tokens} tokens"),
            Shown::AtMost(rows) => write!(f, "at most {rows} tokens"),
        }
    }
}

impl Shown {
    /// The length of the question in a layout.
    pub fn length(self) -> usize {
        match self {
            Shown::Exactly(length) | Shown::AtMost(length) => length,
        }
    }

    /// Whether the number of tokens is hidden.
    pub fn is_hidden(self) -> bool {
        matches!(self, Shown::AtMost(_))
    }
}

#[cfg(test)]
mod tests {
    use super::{Padding, Shown, why_shown};
    use crate::model::Pretrained;
    use polyformer_kernel::circuits::{
        approx::{Approximation, Function, Weight},
        attention::{Cgf, ExponentialSoftmax, GaussianKernel, PublicBpMax, ScaledSigma, Variant, pointwise::BpMax},
        exp::Exp,
    };
    use polyformer_kernel::nn::Stored;

    #[test]
    fn a_model_that_cannot_hide_lengths_says_why_and_shows_them() {
        let error = 2f64.powi(-12);
        let gelu = Approximation::chebyshev(Function::Gelu, Weight::Absolute, (-4.0, 4.0), 15).unwrap();
        let variants: [(Variant, &str); 5] = [
            (
                ExponentialSoftmax::new((-2.0, 2.0), error).unwrap().into(),
                "softmax has a factor of the number of tokens",
            ),
            (PublicBpMax::new(BpMax::PUBLISHED, 3125.0).unwrap().into(), "bpmax has a factor of the number of tokens"),
            (ScaledSigma::new(&gelu).unwrap().into(), "scaled_sigma has a factor of the number of tokens"),
            (GaussianKernel::new(Exp::choose(8.0, error).unwrap()).into(), "gaussian_kernel scores a key that is 0"),
            (Cgf::new(1, (-4.0, 3.0), error).unwrap().into(), "cgf takes means over the tokens"),
        ];
        for (weights, why) in variants {
            let mut model = Pretrained::embedded().unwrap().model;
            let mut layers = model.layers.to_vec();
            layers.iter_mut().for_each(|layer| layer.attention.weights = weights.clone());
            model.layers = Stored::Owned(layers);
            assert!(why_shown(&model).starts_with(why), "{}", why_shown(&model));
            assert_eq!(Padding::Bucket.shown(9, &model).unwrap(), Shown::Exactly(9));
            let refused = Padding::Rows(16).shown(9, &model).unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("--bucket 16: this model shows the number of tokens: {why}")),
                "{refused}"
            );
        }
    }
}
