//! The tensors of a converted model under BERT's names: embeddings, layers, head. Positions and the first token type are
//! one table, and the scale of scores is in the query.

use super::{
    super::{norms::RowNorm, text::Embedding, weights::Weights},
    Converted, NormKind, Place, Rows, fault,
};
use crate::files::Result;
use polyformer_kernel::nn::Matrix;

/// The tensors of a layer.
pub struct LayerParts {
    /// Of attention and of the feed-forward part.
    pub norms: [Option<RowNorm>; 2],
    /// Query with the scale of scores, key, value.
    pub qkv: [Matrix<'static>; 3],
    /// The map that combines the heads.
    pub output: Matrix<'static>,
    /// Into the feed-forward part.
    pub up: Matrix<'static>,
    /// Out of the feed-forward part.
    pub down: Matrix<'static>,
}

impl Rows {
    /// The rows of an answer, of `width` numbers each.
    pub fn of_rows(self, x: Vec<f64>, width: usize) -> Vec<f64> {
        let rows = x.len() / width;
        match self {
            Self::Each => x,
            Self::First => x.into_iter().take(width).collect(),
            Self::Last => x.into_iter().skip((rows.max(1) - 1) * width).collect(),
            Self::Mean => {
                let mut mean = vec![0.0; width];
                x.chunks_exact(width).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, x)| *m += x));
                mean.iter_mut().for_each(|m| *m /= rows as f64);
                mean
            }
        }
    }
}

impl Converted {
    fn norm(&self, weights: &Weights<'_>, name: &str) -> Result<RowNorm> {
        let shape = [self.width];
        let gain = weights.list(&format!("{name}.weight"), &shape)?;
        let bias = match self.norm {
            NormKind::Layer => weights.list(&format!("{name}.bias"), &shape)?,
            NormKind::Rms => vec![0.0; self.width],
        };
        Ok(RowNorm::new(self.norm == NormKind::Layer, self.epsilon, [gain, bias]))
    }

    /// The client's tables: tokens, positions with the first token type, and the norm of their sums.
    ///
    /// # Errors
    /// `Tensor` for a tensor that is missing or of another shape; `Model` for fewer positions than `max_tokens`.
    pub fn embedding(&self, weights: &Weights<'_>) -> Result<Embedding> {
        let width = self.width;
        let token = weights.numbers("embeddings.word_embeddings.weight", &[self.vocabulary, width])?;
        let positions = "embeddings.position_embeddings.weight";
        let rows = weights.shape(positions).and_then(|shape| shape.first().copied()).unwrap_or(self.max_tokens);
        if rows < self.max_tokens {
            return Err(fault(format!("{positions} has {rows} rows where max_tokens is {}", self.max_tokens)));
        }
        let mut position = weights.list(positions, &[rows, width])?;
        position.truncate(self.max_tokens * width);
        let types = "embeddings.token_type_embeddings.weight";
        if let Some(rows) = weights.shape(types).and_then(|shape| shape.first().copied()) {
            let first = weights.list(types, &[rows, width])?;
            position.chunks_exact_mut(width).for_each(|row| row.iter_mut().zip(&first).for_each(|(x, t)| *x += t));
        }
        let norm = "embeddings.LayerNorm";
        let norm = weights.shape(&format!("{norm}.weight")).map(|_| self.norm(weights, norm)).transpose()?;
        Ok(Embedding::of(width, [token, position.into()], norm))
    }

    /// The tensors of layer `i`.
    ///
    /// # Errors
    /// `Tensor` for a tensor that is missing, of another shape, or with a number that is not finite.
    pub fn layer(&self, weights: &Weights<'_>, i: usize) -> Result<LayerParts> {
        let (width, hidden) = (self.width, self.hidden);
        let name = |part: &str| format!("encoder.layer.{i}.{part}");
        let map = |part: &str, rows, cols| weights.map(&name(part), rows, cols);
        let square = |part: &str| map(&format!("attention.{part}"), width, width);
        let scale = 1.0 / ((width / self.heads) as f64).sqrt();
        let has_norm = self.layers.get(i).is_some_and(|layer| layer.norm_attention.is_some());
        let norm = |part: &str| self.norm(weights, &name(part));
        Ok(LayerParts {
            norms: [has_norm.then(|| norm("attention.output.LayerNorm")).transpose()?, Some(norm("output.LayerNorm")?)],
            qkv: [square("self.query")?.scaled(scale), square("self.key")?, square("self.value")?],
            output: square("output.dense")?,
            up: map("intermediate.dense", hidden, width)?,
            down: map("output.dense", width, hidden)?,
        })
    }

    /// The norm after the last layer, if there is one.
    ///
    /// # Errors
    /// Those of [`Converted::layer`].
    pub fn last_norm(&self, weights: &Weights<'_>) -> Result<Option<RowNorm>> {
        let norm = self.final_norm.is_some() && self.place == Place::Pre;
        norm.then(|| self.norm(weights, "encoder.LayerNorm")).transpose()
    }

    /// The maps of these names after the pooled row, the first one first.
    ///
    /// # Errors
    /// `Model` for a map that is not in the file; `Tensor` for a map of another shape.
    pub fn head_maps(&self, weights: &Weights<'_>, names: &[String]) -> Result<Vec<Matrix<'static>>> {
        let (mut maps, mut cols) = (Vec::new(), self.width);
        for (i, name) in names.iter().enumerate() {
            let tensor = format!("{name}.weight");
            let shape = weights.shape(&tensor);
            let rows = shape.as_ref().and_then(|shape| shape.first().copied());
            let rows = rows.ok_or_else(|| fault(format!("the head {name:?} has no tensor {tensor:?}")))?;
            if i + 1 == names.len() && rows != self.labels.len() {
                let labels = self.labels.len();
                return Err(fault(format!("the head {name:?} has {rows} rows where id2label has {labels} names")));
            }
            maps.push(weights.map(name, rows, cols)?);
            cols = rows;
        }
        Ok(maps)
    }
}
