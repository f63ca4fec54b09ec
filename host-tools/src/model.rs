//! A trained model as `host-tools/train/FORM.md` defines a model, from a folder, from a model file, or from the program
//! itself. [`Text`] is the client's part, [`nn::Model`] the server's part, and [`Exact`] the reference model.
//!
//! ```
//! use polyformer::{accuracy::logits, model::{Pretrained, top}};
//!
//! let model = Pretrained::open(None)?; // the model in the program
//! let ids = model.text.tokens("I think someone used my card in another country")?;
//! let best = top(&logits(&model, &ids)?)[0]; // in the clear
//! assert_eq!(model.text.label(best), "compromised_card");
//! # Ok::<(), polyformer::Error>(())
//! ```

mod attention;
mod checkpoint;
mod config;
mod converted;
mod embedder;
mod exact;
mod folder;
mod logits;
mod measured;
mod norms;
mod pack;
mod packed;
mod polynomials;
mod summary;
mod text;
mod tokenizer;
mod weights;

use attention::Attention;
pub use checkpoint::{Checkpoint, FolderConfig, FolderFiles, shard_names};
pub use config::Config;
pub use converted::Task;
pub use embedder::Embedder;
pub use exact::Exact;
pub use logits::{cosine, largest, largest_difference, probabilities, top};
pub use measured::MeasuredPolynomial;
pub use pack::{LayoutCost, Report, pack};
pub use packed::QuestionsPerCiphertext;
pub use summary::Summary;
pub use text::Text;
pub use tokenizer::Words;

use crate::{
    error::{Error, Result, WithPath},
    files::{self, FileError, Mapped},
    spec::SpecBuf,
};
use polyformer_kernel::{
    circuits::norm::Norm,
    nn::{self, slot_engine::Layout},
};
use std::{fmt, path::Path, sync::Arc};
use weights::Weights;

/// The preset that a model that is not packed runs on.
const PRESET: &str = "B16";

/// The digest of a model: BLAKE3 of its files. Its text is the first 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&files::hex(&self.0[..8]))
    }
}

/// A model that can answer questions.
pub struct Pretrained {
    /// Its name.
    pub name: String,
    /// The digest of its files. Models with one digest are the same model.
    pub digest: Digest,
    /// What it is for.
    pub task: Task,
    /// The client's part: text to numbers, and numbers to labels.
    pub text: Text,
    /// The polynomial form.
    pub model: nn::Model<'static>,
    /// The embeddings and layers of the reference model, or `None`.
    pub exact: Option<Exact>,
    /// The parameter set of a model file; `None` for a folder, which runs on any set that bootstraps.
    pub spec: Option<SpecBuf>,
    /// The number of questions that share a ciphertext, by their length. Without an entry, as many as fit.
    pub layouts: Vec<QuestionsPerCiphertext>,
}

impl Pretrained {
    /// The model in the program.
    pub fn embedded() -> Result<Self> {
        Checkpoint::embedded()?.assemble()
    }

    /// The model of a folder (`polyformer_train` exports it) or of a model file (`polyformer pack` writes it).
    pub fn read(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Checkpoint::read(path)?.assemble();
        }
        Self::mapped(&Arc::new(Mapped::open(path).with_path(path)?)).with_path(path)
    }

    /// The model of the contents of a model file.
    ///
    /// # Errors
    /// The first check that fails, as of every file; `Model` for a model that the engines cannot run.
    pub fn mapped(map: &Arc<Mapped>) -> files::Result<Self> {
        packed::read(map)
    }

    /// The model at `path` ([`Pretrained::read`]), or the model in the program.
    ///
    /// # Errors
    /// Those of [`Pretrained::read`]; `Missing` for a path where nothing is.
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Self::embedded() };
        if path.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            let makes = "give a folder with config.json, or a file that `polyformer pack` made".into();
            return Err(FileError::Missing { kinds: "model".into(), makes }).with_path(path);
        }
        Self::read(path)
    }

    /// The parameter set that the model runs on: the set that it was packed for, or B16.
    ///
    /// # Errors
    /// None for the presets of this program.
    pub fn parameter_set(&self) -> Result<SpecBuf> {
        let spec = self.spec.clone().or_else(|| SpecBuf::preset(PRESET));
        spec.ok_or_else(|| Error::usage(PRESET, "no such parameter set"))
    }

    /// Insists on one of some tasks.
    ///
    /// # Errors
    /// [`Error::Usage`] with the task and the tasks.
    pub fn expect_task(&self, tasks: &[Task]) -> Result<()> {
        if tasks.contains(&self.task) {
            return Ok(());
        }
        let wanted: Vec<String> = tasks.iter().map(Task::to_string).collect();
        let what = format!("a model of the task {}, the task {} is needed", self.task, wanted.join(" or "));
        Err(Error::usage(&self.name, what))
    }

    /// The tokens of texts, each cut to the model's maximum.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text without words, with its number from 1, and without a text.
    pub fn questions(&self, texts: &[impl AsRef<str>]) -> Result<Vec<Vec<u32>>> {
        if texts.is_empty() {
            return Err(Error::usage("texts", "there is none"));
        }
        let tokens = |(i, text): (usize, &_)| {
            let ids = self.text.truncated(AsRef::<str>::as_ref(text))?;
            if ids.is_empty() { Err(Error::usage(format!("text {}", i + 1), "no words in it")) } else { Ok(ids) }
        };
        texts.iter().enumerate().map(tokens).collect()
    }

    /// Groups texts of these lengths into ciphertexts of `slots`, longest texts first, so that the texts of a group have
    /// similar lengths. The numbers are places in `lengths`.
    pub fn groups(&self, lengths: &[usize], slots: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(lengths[*i]));
        let (mut out, mut left) = (Vec::new(), &order[..]);
        while let Some(first) = left.first() {
            let fit = self.share(lengths[*first], slots).questions.min(left.len());
            let (now, later) = left.split_at(fit);
            out.push(now.to_vec());
            left = later;
        }
        out
    }

    /// Ciphertexts that the features of a token take.
    pub fn blocks(&self) -> usize {
        Layout::new(&[1], self.model.width, self.model.heads, usize::MAX).map_or(1, |layout| layout.blocks())
    }

    /// Rows of a question of this many tokens, and the number of such questions in a ciphertext of `slots`.
    pub fn share(&self, tokens: usize, slots: usize) -> QuestionsPerCiphertext {
        let rows = tokens.next_power_of_two().max(4);
        let features = Layout::new(&[1], self.model.width, self.model.heads, slots).map_or(slots, |l| l.features);
        let fit = (slots / (rows * features)).max(1);
        let chosen = self.layouts.iter().find(|l| l.rows == rows).map_or(fit, |l| l.questions);
        QuestionsPerCiphertext { rows, questions: chosen.clamp(1, fit) }
    }
}

/// The server's part.
fn polynomial(config: &Config, weights: &Weights<'_>) -> files::Result<nn::Model<'static>> {
    with_classifier(config, weights, weights.map("classifier", config.shape.classes, config.shape.width)?)
}

/// The server's part with this last map.
fn with_classifier(
    config: &Config,
    weights: &Weights<'_>,
    classifier: nn::Matrix<'static>,
) -> files::Result<nn::Model<'static>> {
    let (width, hidden) = (config.shape.width, config.shape.feed_forward);
    let norm = |p: &polynomials::Polynomial| -> files::Result<Norm> {
        let made = Norm::trained(width, config.norm_epsilon, p.to_polynomial()?);
        made.map_err(|e| FileError::Model(e.to_string()))
    };
    let attention = Attention(config.attention.clone());
    let mut layers = Vec::new();
    for (i, p) in config.polynomials.iter().enumerate() {
        let map = |name: &str, rows, cols| weights.map(&format!("layers.{i}.{name}"), rows, cols);
        let square = |name: &str| map(&format!("attention.{name}"), width, width);
        layers.push(nn::Layer {
            norm_attention: p.norm_attention.as_ref().map(norm).transpose()?,
            attention: attention
                .layer(&p.attention(), [square("query")?, square("key")?, square("value")?, square("output")?])?,
            norm_feed_forward: norm(&p.norm_feed_forward)?,
            up: map("feed_forward.up", hidden, width)?,
            activation: p.activation.quadratic()?.into(),
            down: Some(map("feed_forward.down", width, hidden)?),
            gains: [None, None],
        });
    }
    let (heads, range) = (config.shape.heads, config.range()?);
    nn::Model::new(width, heads, layers, classifier, range).map_err(|e| FileError::Model(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::Pretrained;
    use polyformer_kernel::nn::{
        clear_engine::{ClearEngine, Rows},
        forward,
    };

    /// f16 weights are exact in f32; folding rounds products of them to f32 again, 2^-24 of each.
    const FOLDING: f64 = 1e-5;

    #[test]
    fn logits_are_those_of_the_reference() {
        let m = Pretrained::embedded().unwrap();
        assert_eq!(m.model.range, 8.0);
        let golden = include_str!("../models/banking77/golden.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let numbers = |v: &serde_json::Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        for case in golden["cases"].as_array().unwrap() {
            let (poly, exact): (Vec<f64>, Vec<f64>) = (numbers(&case["poly"]), numbers(&case["exact"]));
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = numbers(&case["ids"]).iter().map(|x: &f64| *x as u32).collect();
            assert_eq!(m.text.tokens(text).unwrap(), ids);
            let rows = Rows::new(m.model.width, m.text.embed(&ids)).unwrap();
            let got = forward(&mut ClearEngine::<f64>::new(m.model.heads), &m.model, rows).unwrap();
            let worst = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst(got.values(), &poly) < FOLDING, "{text}: {}", worst(got.values(), &poly));
            let twin = m.exact.as_ref().unwrap().logits(&ids);
            assert!(worst(&twin, &exact) < 1e-9, "{text}: {}", worst(&twin, &exact));
            let label = case["label"].as_str().unwrap();
            assert_eq!(m.text.label(super::top(got.values())[0]), label);
        }
    }

    #[test]
    fn text_that_no_model_understands_is_refused_in_one_line() {
        let m = Pretrained::embedded().unwrap();
        let error = |text: &str| m.text.tokens(text).unwrap_err().to_string();
        assert_eq!(error("  "), "text: no words in it");
        assert_eq!(error(&"card ".repeat(65)), "text: 65 tokens, the model takes 64");
        assert_eq!(error("☃ 卡"), "text: 2 tokens, the model knows 0 of them");
        assert_eq!(m.text.unknown(&m.text.tokens("my ☃ card").unwrap()), 1);
    }
}
