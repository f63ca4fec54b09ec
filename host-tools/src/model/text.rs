//! The client's part of a model: text to tokens to normalised embeddings, and logits to labels. The type holds no
//! secret.

use super::{
    config::{Config, Shape},
    tokenizer::Words,
    weights::Weights,
};
use crate::{Error, Result, files};
use polyformer_kernel::nn::Numbers;

/// Tokenizer, embeddings, labels.
pub struct Text {
    words: Words,
    embedding: Embedding,
    labels: Vec<String>,
}

/// Step 1 of FORM.md.
pub(super) struct Embedding {
    width: usize,
    token: Numbers<'static>,    // vocabulary x width
    position: Numbers<'static>, // max_tokens x width
    epsilon: f64,
}

impl Embedding {
    pub(super) fn new(s: &Shape, epsilon: f64, weights: &Weights<'_>) -> files::Result<Self> {
        let token = weights.numbers("embeddings.token", &[s.vocabulary, s.width])?;
        let position = weights.numbers("embeddings.position", &[s.max_tokens, s.width])?;
        Ok(Self::of(s.width, token, position, epsilon))
    }

    /// Of tables with `width` columns.
    pub(super) fn of(width: usize, token: Numbers<'static>, position: Numbers<'static>, epsilon: f64) -> Self {
        Self { width, token, position, epsilon }
    }

    /// Rows of mean 0 and variance 1, one a token. [`Words::parse`] gives no token beyond the vocabulary.
    pub(super) fn rows(&self, ids: &[u32]) -> Vec<f64> {
        let mut out = Vec::with_capacity(ids.len() * self.width);
        for (t, id) in ids.iter().take(self.position.len() / self.width).enumerate() {
            let id = *id as usize;
            let entry = |table: &Numbers<'_>, row: usize, i: usize| table.at(row * self.width + i) as f64;
            let row = (0..self.width).map(|i| entry(&self.token, id, i) + entry(&self.position, t, i));
            let row: Vec<f64> = row.collect();
            let mean = row.iter().sum::<f64>() / self.width as f64;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / self.width as f64;
            let scale = 1.0 / (variance + self.epsilon).sqrt();
            out.extend(row.iter().map(|x| (x - mean) * scale));
        }
        out
    }
}

impl Text {
    pub(super) fn new(config: &Config, weights: &Weights<'_>, tokenizer: &[u8]) -> files::Result<Self> {
        let embedding = Embedding::new(&config.shape, config.embedding_epsilon, weights)?;
        Self::of(tokenizer, embedding, config.labels.clone())
    }

    /// Of a tokenizer's JSON, embeddings and labels.
    pub(super) fn of(tokenizer: &[u8], embedding: Embedding, labels: Vec<String>) -> files::Result<Self> {
        let words = Words::parse(tokenizer, embedding.token.len() / embedding.width.max(1))?;
        Ok(Self { words, embedding, labels })
    }

    /// The tables of tokens and positions, row by row.
    pub(super) fn embeddings(&self) -> [&Numbers<'static>; 2] {
        [&self.embedding.token, &self.embedding.position]
    }

    /// The longest text, in tokens: the positions of the model, or fewer if the tokenizer cuts texts.
    pub fn max_tokens(&self) -> usize {
        self.words.most(self.embedding.position.len() / self.embedding.width)
    }

    /// Tokens of a text: at least one that is known, at most [`Text::max_tokens`].
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let ids = self.words.ids(text)?;
        match (ids.len(), self.max_tokens()) {
            (0, _) => Err(Error::usage("text", "no words in it")),
            (given, most) if given > most => {
                Err(Error::usage("text", format!("{given} tokens, the model takes {most}")))
            }
            (given, _) if self.unknown(&ids) == given => {
                Err(Error::usage("text", format!("{given} tokens, the model knows 0 of them")))
            }
            _ => Ok(ids),
        }
    }

    /// The number of tokens that the model does not know.
    pub fn unknown(&self, ids: &[u32]) -> usize {
        ids.iter().filter(|id| Some(**id) == self.words.unknown()).count()
    }

    /// The tokens of a text, truncated to the model's maximum. An empty text has 0 tokens.
    pub fn truncated(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.words.truncated(self.words.ids(text)?, self.max_tokens()))
    }

    /// The client's plaintext: one normalised row per token.
    pub fn embed(&self, ids: &[u32]) -> Vec<f64> {
        self.embedding.rows(ids)
    }

    /// Classes.
    pub fn classes(&self) -> usize {
        self.labels.len()
    }

    /// The name of a class.
    pub fn label(&self, class: usize) -> &str {
        self.labels.get(class).map_or("", |label| label)
    }
}

/// Classes, the likeliest first.
pub fn top(logits: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    order
}

/// Softmax of the logits.
pub fn probabilities(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::MIN, f64::max);
    let powers: Vec<f64> = logits.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}
