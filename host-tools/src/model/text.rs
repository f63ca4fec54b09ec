//! The client's part of a model: text to tokens to normalised embeddings, and logits to labels. The type holds no
//! secret.

use super::{
    config::{Config, Shape},
    norms::RowNorm,
    tokenizer::Words,
    weights::Weights,
};
use crate::{
    Error, Result,
    files::{self, FileError, ModelId},
};
use half::f16;
use polyformer_kernel::nn::{Numbers, slot_engine::Layout};
use zeroize::Zeroizing;

/// Tokenizer, embeddings, labels.
pub struct Text {
    words: Words,
    embedding: Embedding,
    labels: Vec<String>,
    outputs: usize,
    each: bool,
    repeats: bool,
    tokenizer_hash: blake3::Hash,
    largest_logit: f64,
}

/// Numbers that are hashed at a time.
const PIECE: usize = 1 << 14;

/// The tables of tokens and positions, and the norm of their sums. Step 1 of FORM.md.
pub struct Embedding {
    width: usize,
    token: Numbers<'static>,    // vocabulary x width
    position: Numbers<'static>, // max_tokens x width
    norm: Option<RowNorm>,
}

impl Embedding {
    pub(super) fn new(s: &Shape, epsilon: f64, weights: &Weights<'_>) -> files::Result<Self> {
        let token = weights.numbers("embeddings.token", &[s.vocabulary, s.width])?;
        let position = weights.numbers("embeddings.position", &[s.max_tokens, s.width])?;
        Ok(Self::of(s.width, [token, position], Some(RowNorm::plain(epsilon))))
    }

    /// Of the tables of tokens and positions with `width` columns.
    pub(super) fn of(width: usize, [token, position]: [Numbers<'static>; 2], norm: Option<RowNorm>) -> Self {
        Self { width, token, position, norm }
    }

    /// Features of a token.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Normalised rows, one a token. [`Words::parse`] gives no token beyond the vocabulary.
    pub(super) fn rows(&self, ids: &[u32]) -> Vec<f64> {
        let mut out = Vec::with_capacity(ids.len() * self.width);
        for (t, id) in ids.iter().take(self.position.len() / self.width).enumerate() {
            let id = *id as usize;
            let entry = |table: &Numbers<'_>, row: usize, i: usize| table.at(row * self.width + i) as f64;
            out.extend((0..self.width).map(|i| entry(&self.token, id, i) + entry(&self.position, t, i)));
        }
        self.norm.iter().for_each(|norm| norm.of_rows(self.width, &mut out));
        out
    }
}

impl Text {
    pub(super) fn new(config: &Config, weights: &Weights<'_>, tokenizer: &[u8]) -> files::Result<Self> {
        let embedding = Embedding::new(&config.shape, config.embedding_epsilon, weights)?;
        Self::of(tokenizer, embedding, config.labels.clone(), config.shape.classes)
    }

    /// Of a tokenizer's JSON, embeddings, labels, and the numbers of an answer.
    pub(super) fn of(
        tokenizer: &[u8],
        embedding: Embedding,
        labels: Vec<String>,
        outputs: usize,
    ) -> files::Result<Self> {
        let words = Words::parse(tokenizer, embedding.token.len() / embedding.width.max(1))?;
        let positions = embedding.position.len() / embedding.width.max(1);
        if words.special() >= positions {
            let what =
                format!("tokenizer.json: {} special tokens, the model has {positions} positions", words.special());
            return Err(FileError::model(what));
        }
        let tokenizer_hash = blake3::hash(tokenizer);
        let (each, repeats, largest_logit) = (false, false, f64::MAX);
        Ok(Self { words, embedding, labels, outputs, each, repeats, tokenizer_hash, largest_logit })
    }

    /// The tables of tokens and positions, row by row.
    pub(super) fn embeddings(&self) -> [&Numbers<'static>; 2] {
        [&self.embedding.token, &self.embedding.position]
    }

    /// Gain and bias of the norm of the embeddings.
    pub(super) fn affine(&self) -> Option<&[Vec<f32>; 2]> {
        self.embedding.norm.as_ref()?.affine()
    }

    /// ε of the norm of the embeddings.
    pub(super) fn epsilon(&self) -> Option<f64> {
        Some(self.embedding.norm.as_ref()?.epsilon())
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

    /// Ciphertexts of an answer: the blocks of an embedding's features, one for labels.
    pub fn answer_ciphertexts(&self) -> u16 {
        let features = Layout::new(&[1], self.width(), 1, usize::MAX).map_or(usize::MAX, |layout| layout.features);
        self.outputs.div_ceil(features).max(1) as u16 // at most as many as features
    }

    /// Whether `ids` are fewer tokens than the text has.
    pub fn is_cut(&self, text: &str, ids: &[u32]) -> bool {
        ids.len() == self.max_tokens()
            && self.words.ids(text).is_ok_and(|all| all.len() + self.words.special() > ids.len())
    }

    /// The client's plaintext: one normalised row per token.
    pub fn embed(&self, ids: &[u32]) -> Vec<f64> {
        self.embedding.rows(ids)
    }

    /// The client's plaintext of some questions in the slots of a layout: a vector for each block of features, one period
    /// long. Rows without a token are 0, or repeat a token in a converted model, whose ranges they keep.
    ///
    /// # Errors
    /// [`Error::Kernel`] for questions of other lengths than the layout has.
    pub fn blocks(&self, layout: &Layout, questions: &[&[u32]]) -> Result<Vec<Zeroizing<Vec<f64>>>> {
        let rows: Vec<_> = questions.iter().map(|ids| Zeroizing::new(self.embed(ids))).collect();
        if self.repeats {
            let blocks = layout.pack_blocks(&rows.iter().map(|rows| &rows[..]).collect::<Vec<_>>())?;
            return Ok(blocks.into_iter().map(Zeroizing::new).collect());
        }
        let mut slots = Zeroizing::new(vec![0.0; layout.period()]);
        rows.iter().enumerate().try_for_each(|(i, rows)| layout.pack(i, rows, &mut slots))?;
        Ok(vec![slots])
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
        for part in self.affine().into_iter().flatten() {
            for x in part {
                h.update(&x.to_le_bytes());
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

    /// Of a converted model, in which each token answers for itself or not.
    pub(super) fn of_encoder(self, each: bool) -> Self {
        Self { each, repeats: true, ..self }
    }

    /// Whether each token of a text has an answer of its own.
    pub fn answers_each_token(&self) -> bool {
        self.each
    }

    /// With a bound of the logits.
    pub(super) fn with_largest_logit(self, largest_logit: f64) -> Self {
        Self { largest_logit, ..self }
    }

    /// Classes; none for embeddings.
    pub fn classes(&self) -> usize {
        self.labels.len()
    }

    /// The names of the classes.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Numbers of an answer: one a class, or one a feature of an embedding.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The name of a class.
    pub fn label(&self, class: usize) -> &str {
        self.labels.get(class).map_or("", |label| label)
    }
}
