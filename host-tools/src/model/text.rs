//! The client's part of a model: text to tokens to normalised embeddings, and logits to labels. The type holds no
//! secret.

use super::{
    config::{Config, Shape},
    tokenizer::Words,
    weights::Weights,
};
use crate::{
    Error, Result,
    files::{self, FileError, ModelId},
};
use half::f16;
use polyformer_kernel::nn::Numbers;
use zeroize::Zeroizing;

/// Tokenizer, embeddings, labels.
pub struct Text {
    words: Words,
    embedding: Embedding,
    labels: Vec<String>,
    tokenizer_hash: blake3::Hash,
    largest_logit: f64,
}

/// Numbers that are hashed at a time.
const PIECE: usize = 1 << 14;

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
        let positions = embedding.position.len() / embedding.width.max(1);
        if words.special() >= positions {
            let what =
                format!("tokenizer.json: {} special tokens, the model has {positions} positions", words.special());
            return Err(FileError::model(what));
        }
        Ok(Self { words, embedding, labels, tokenizer_hash: blake3::hash(tokenizer), largest_logit: f64::MAX })
    }

    /// The tables of tokens and positions, row by row.
    pub(super) fn embeddings(&self) -> [&Numbers<'static>; 2] {
        [&self.embedding.token, &self.embedding.position]
    }

    /// The longest text, in tokens: the positions of the model, or fewer if the tokenizer cuts texts.
    pub fn max_tokens(&self) -> usize {
        self.words.most(self.embedding.position.len() / self.embedding.width)
    }

    /// Tokens of a text with the special tokens around: at least one that is known, at most [`Text::max_tokens`].
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let ids = Zeroizing::new(self.words.ids(text)?);
        let special = self.words.special();
        match (ids.len(), self.max_tokens()) {
            (0, _) => Err(Error::usage("text", "no words in it")),
            (given, most) if given + special > most => {
                let special = if special == 0 { String::new() } else { format!(" and {special} special tokens") };
                Err(Error::usage("text", format!("{given} tokens{special}, the model takes {most}")))
            }
            (given, _) if self.unknown(&ids) == given => {
                Err(Error::usage("text", format!("{given} tokens, the model knows 0 of them")))
            }
            _ => Ok(self.words.whole(&ids)),
        }
    }

    /// The number of tokens that the model does not know.
    pub fn unknown(&self, ids: &[u32]) -> usize {
        ids.iter().filter(|id| Some(**id) == self.words.unknown()).count()
    }

    /// The tokens of a text, truncated to the model's maximum. A text without words has 0 tokens.
    pub fn truncated(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.words.truncated(&Zeroizing::new(self.words.ids(text)?), self.max_tokens()))
    }

    /// The client's plaintext: one normalised row per token.
    pub fn embed(&self, ids: &[u32]) -> Vec<f64> {
        self.embedding.rows(ids)
    }

    /// The name of the model for client and server: half of a hash of tokenizer, labels and embeddings, the embeddings as
    /// F16. A folder and its packed file have one name. Costs a pass over the embeddings.
    pub fn id(&self) -> ModelId {
        let mut h = blake3::Hasher::new_derive_key("polyformer model id 1");
        h.update(self.tokenizer_hash.as_bytes()).update(&(self.embedding.width as u64).to_le_bytes());
        for label in &self.labels {
            h.update(&(label.len() as u64).to_le_bytes()).update(label.as_bytes());
        }
        let mut bytes = Vec::with_capacity(2 * PIECE);
        for table in self.embeddings() {
            h.update(&(table.len() as u64).to_le_bytes());
            for start in (0..table.len()).step_by(PIECE) {
                let numbers = (start..table.len().min(start + PIECE)).map(|i| f16::from_f32(table.at(i)));
                bytes.clear();
                bytes.extend(numbers.flat_map(f16::to_le_bytes));
                h.update(&bytes);
            }
        }
        let mut id = ModelId::default();
        id.copy_from_slice(&h.finalize().as_bytes()[..16]);
        id
    }

    /// Features of a token.
    pub fn width(&self) -> usize {
        self.embedding.width
    }

    /// A bound of every logit of questions that stay in the ranges of the model.
    pub fn largest_logit(&self) -> f64 {
        self.largest_logit
    }

    /// With a bound of the logits.
    pub(super) fn with_largest_logit(self, largest_logit: f64) -> Self {
        Self { largest_logit, ..self }
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
