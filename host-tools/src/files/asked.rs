//! What a question says about itself in its header, and its answer repeats: the lengths, the model, and a nonce.

use super::{
    fault::{FileError, Result},
    fields::{Fields, bytes, hex, text},
};

/// 16 random bytes that name a question.
pub type Nonce = [u8; 16];

/// The name of a model's client part: a hash of tokenizer, embeddings and labels.
pub type ModelId = [u8; 16];

/// The questions of a ciphertext. Everything here is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Tokens of each question, 0 for an empty place.
    pub tokens: Vec<usize>,
    /// The model.
    pub model: ModelId,
    /// The name of the question.
    pub nonce: Nonce,
}

/// The most questions and the most tokens of a question: more than the slots of any ring.
const MOST: usize = 1 << 16;

impl Asked {
    /// Adds the fields of a header.
    pub(super) fn put(&self, put: &mut impl FnMut(&str, String)) {
        put("tokens", self.lengths());
        put("model", hex(&self.model));
        put("nonce", hex(&self.nonce));
    }

    /// From the fields of a header.
    ///
    /// # Errors
    /// `Field` for a field that is missing or wrong.
    pub(super) fn parse(fields: &Fields) -> Result<Self> {
        let expected = "numbers of tokens between commas, not all 0";
        let value = text(fields, "tokens", expected)?;
        let tokens: Option<Vec<usize>> = value.split(',').take(MOST).map(|t| t.parse().ok()).collect();
        let tokens = tokens.filter(|t| t.iter().all(|t| *t <= MOST) && t.iter().any(|t| *t > 0));
        let tokens = tokens.ok_or_else(|| FileError::field("tokens", Some(value), expected))?;
        Ok(Self { tokens, model: bytes(fields, "model")?, nonce: bytes(fields, "nonce")? })
    }

    /// The lengths as text: `9`, or `9,4,0,0`.
    pub fn lengths(&self) -> String {
        self.tokens.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
    }

    /// Insists on the model with this name.
    ///
    /// # Errors
    /// `OtherModel` with both names.
    pub fn expect_model(&self, model: &ModelId) -> Result<()> {
        if self.model == *model {
            return Ok(());
        }
        Err(FileError::OtherModel { expected: hex(model), actual: hex(&self.model) })
    }

    /// Insists on questions of these lengths.
    ///
    /// # Errors
    /// `OtherTokens` with both lists.
    pub fn expect_tokens(&self, tokens: &[usize]) -> Result<()> {
        if self.tokens == tokens {
            return Ok(());
        }
        let expected = Self { tokens: tokens.to_vec(), ..self.clone() };
        Err(FileError::OtherTokens { expected: expected.lengths(), actual: self.lengths() })
    }

    /// Insists that this answer repeats what `question` says.
    ///
    /// # Errors
    /// `OtherQuestion`, `OtherModel` or `OtherTokens`, with both values.
    pub fn expect_answer_to(&self, question: &Self) -> Result<()> {
        self.expect_model(&question.model)?;
        self.expect_tokens(&question.tokens)?;
        if self.nonce == question.nonce {
            return Ok(());
        }
        Err(FileError::OtherQuestion { expected: hex(&question.nonce), actual: hex(&self.nonce) })
    }
}
