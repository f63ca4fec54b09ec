//! The reference model with softmax, GELU and LayerNorm, in f64 in the clear. The polynomial form is compared with the
//! reference model.

use super::{config::Shape, text::Embedding, weights::Weights};
use crate::files::Result;
use polyformer_kernel::nn::Matrix;

/// The reference model's embeddings, layers and classifier.
pub struct Exact {
    embedding: Embedding,
    layers: Vec<Layer>,
    classifier: Matrix<'static>,
    heads: usize,
    epsilon: f64,
}

struct Layer {
    qkv: [Matrix<'static>; 3],
    output: Matrix<'static>,
    up: Matrix<'static>,
    down: Matrix<'static>,
}

/// W x + b of every row of `x`.
fn of_rows(m: &Matrix<'_>, x: &[f64]) -> Vec<f64> {
    let (mut out, mut weights) = (vec![0.0; x.len() / m.cols * m.rows], vec![0.0; m.cols]);
    for i in 0..m.rows {
        let (bias, _) = m.row(i, &mut weights); // no factor: a reference model is not folded
        for (x, out) in x.chunks_exact(m.cols).zip(out.chunks_exact_mut(m.rows)) {
            out[i] = bias + dot(&weights, x);
        }
    }
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Exact {
    /// From the reference model's tensors. The epsilons belong to the norm of the embeddings and to the norms of the
    /// layers.
    pub(super) fn new(s: &Shape, [embedding, epsilon]: [f64; 2], weights: &Weights<'_>) -> Result<Self> {
        let mut layers = Vec::new();
        for i in 0..s.layers {
            let map = |name: &str, rows, cols| weights.map(&format!("layers.{i}.{name}"), rows, cols);
            let square = |name: &str| map(&format!("attention.{name}"), s.width, s.width);
            layers.push(Layer {
                qkv: [square("query")?, square("key")?, square("value")?],
                output: square("output")?,
                up: map("feed_forward.up", s.feed_forward, s.width)?,
                down: map("feed_forward.down", s.width, s.feed_forward)?,
            });
        }
        let classifier = weights.map("classifier", s.classes, s.width)?;
        let embedding = Embedding::new(s, embedding, weights)?;
        Ok(Self { embedding, layers, classifier, heads: s.heads, epsilon })
    }

    /// Logits of at least one token.
    pub fn logits(&self, ids: &[u32]) -> Vec<f64> {
        let width = self.classifier.cols;
        let mut x = self.embedding.rows(ids);
        for (i, layer) in self.layers.iter().enumerate() {
            let h = if i == 0 { x.clone() } else { self.norm(&x) };
            let [q, k, v] = layer.qkv.each_ref().map(|m| of_rows(m, &h));
            add(&mut x, &of_rows(&layer.output, &self.attention(&q, &k, &v)));
            let a: Vec<f64> = of_rows(&layer.up, &self.norm(&x)).into_iter().map(gelu).collect();
            add(&mut x, &of_rows(&layer.down, &a));
        }
        let mut pooled = vec![0.0; width];
        x.chunks_exact(width).for_each(|row| add(&mut pooled, row));
        pooled.iter_mut().for_each(|p| *p /= ids.len() as f64);
        let logits = of_rows(&self.classifier, &pooled);
        debug_assert_eq!(logits.len(), self.classifier.rows);
        logits
    }

    fn attention(&self, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
        let width = self.classifier.cols;
        let d = width / self.heads;
        let mut out = vec![0.0; q.len()];
        for (q, out) in q.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
            for h in 0..self.heads {
                let part = h * d..(h + 1) * d;
                let scores: Vec<f64> = k.chunks_exact(width).map(|k| dot(&q[part.clone()], &k[part.clone()])).collect();
                let weights = super::probabilities(&scores);
                for (w, v) in weights.iter().zip(v.chunks_exact(width)) {
                    out[part.clone()].iter_mut().zip(&v[part.clone()]).for_each(|(o, v)| *o += w * v);
                }
            }
        }
        out
    }

    fn norm(&self, x: &[f64]) -> Vec<f64> {
        let width = self.classifier.cols;
        let rows = x.chunks_exact(width);
        rows.flat_map(|row| {
            let mean = row.iter().sum::<f64>() / width as f64;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width as f64;
            let scale = 1.0 / (variance + self.epsilon).sqrt();
            row.iter().map(|x| (x - mean) * scale).collect::<Vec<_>>()
        })
        .collect()
    }
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

fn gelu(a: f64) -> f64 {
    0.5 * a * (1.0 + libm::erf(a * core::f64::consts::FRAC_1_SQRT_2))
}
