//! What the server learns about the number of tokens. The client decides, and says so before a question is sent.

use crate::{Error, Result, plan::model::bucket};
use polyformer_kernel::nn::{Model, slot_engine::can_hide};
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
            return refused("the attention of this model does not hide the number of tokens".into());
        }
        if tokens > rows {
            return refused(format!("the text has {tokens} tokens"));
        }
        Ok(Shown::AtMost(rows))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
