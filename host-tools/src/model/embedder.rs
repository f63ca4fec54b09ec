//! The vector of a text in the clear, brought to length 1: the answer of a model of embeddings, or the pooled hidden state
//! of a classifier that was trained in polynomial form, whose classifier is left out.

use super::{Checkpoint, Config, Digest, Pretrained, Task, Text, checkpoint::FolderConfig, with_classifier};
use crate::{
    Error, Result,
    error::WithPath,
    files::{self, FileError},
};
use polyformer_kernel::nn::{
    Matrix, Model,
    clear_engine::{ClearEngine, Rows},
    forward,
};
use std::path::Path;

/// A model of vectors.
pub struct Embedder {
    digest: Digest,
    text: Text,
    model: Model<'static>,
}

impl Embedder {
    /// The model of a folder or of a model file, or the model in the program.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model file or a converted model of another task than embeddings; those of
    /// [`Pretrained::open`].
    pub fn open(path: Option<&Path>) -> Result<Self> {
        let from = match path {
            Some(path) if !path.is_dir() => return Self::of_embeddings(Pretrained::read(path)?),
            Some(path) => Checkpoint::read(path)?,
            None => Checkpoint::embedded()?,
        };
        match &from.config {
            FolderConfig::Trained(config) => Self::without_classifier(&from, config).with_path(&from.place),
            FolderConfig::Converted(_) => Self::of_embeddings(from.assemble()?),
        }
    }

    fn of_embeddings(model: Pretrained) -> Result<Self> {
        model.expect_task(&[Task::Embed])?;
        Ok(Self { digest: model.digest, text: model.text, model: model.model })
    }

    fn without_classifier(from: &Checkpoint, config: &Config) -> files::Result<Self> {
        let (text, _) = from.forms()?;
        let model = with_classifier(config, &from.weights()?, identity(config.shape.width)?)?;
        Ok(Self { digest: from.digest, text, model })
    }

    /// The space of the vectors, by the digest of the model.
    pub fn space(&self) -> String {
        format!("model {}", self.digest)
    }

    /// The vector of a text, of length 1. A text that is too long for the model is cut.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text without words; [`Error::Unreliable`] for a vector that is not finite.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>> {
        let ids = self.text.truncated(text)?;
        if ids.is_empty() {
            return Err(Error::usage("text", "no words in it"));
        }
        let rows = Rows::new(self.model.width, self.text.embed(&ids))?;
        let state = forward(&mut ClearEngine::<f64>::new(self.model.heads), &self.model, rows)?;
        let length = state.values().iter().map(|x| x * x).sum::<f64>().sqrt();
        if !length.is_normal() {
            return Err(Error::unreliable("text", format!("its vector has length {length:e}, which is no direction")));
        }
        Ok(state.values().iter().map(|x| (x / length) as f32).collect())
    }
}

/// The map that changes nothing.
fn identity(width: usize) -> files::Result<Matrix<'static>> {
    let weight: Vec<f32> = (0..width * width).map(|i| if i % (width + 1) == 0 { 1.0 } else { 0.0 }).collect();
    Matrix::new(width, width, weight, vec![0.0; width]).map_err(|e| FileError::Model(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::Embedder;

    #[test]
    fn texts_of_one_meaning_are_nearer_than_texts_of_two() {
        let model = Embedder::open(None).unwrap();
        let dot = |a: &str, b: &str| {
            let (a, b) = (model.embed(a).unwrap(), model.embed(b).unwrap());
            a.iter().zip(&b).map(|(a, b)| *a as f64 * *b as f64).sum::<f64>()
        };
        let (lost, stolen, rate) = ("I lost my card", "my card was stolen", "what is the exchange rate for euros");
        assert!((dot(lost, lost) - 1.0).abs() < 1e-6);
        assert!(dot(lost, stolen) > dot(lost, rate) + 0.1, "{} {}", dot(lost, stolen), dot(lost, rate));
        assert_eq!(model.embed("  ").unwrap_err().to_string(), "text: no words in it");
    }
}
