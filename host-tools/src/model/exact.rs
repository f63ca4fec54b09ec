//! The reference model with softmax, exact activations and exact norms, in f64 in the clear. The polynomial form is
//! compared with the reference model.

use super::{
    config::Shape,
    converted::{Converted, Place, Rows},
    norms::RowNorm,
    text::Embedding,
    weights::Weights,
};
use crate::files::Result;
use polyformer_kernel::nn::Matrix;

/// The reference model's embeddings, layers and head.
pub struct Exact {
    embedding: Embedding,
    layers: Vec<Layer>,
    place: Place,
    last_norm: Option<RowNorm>,
    pooling: Rows,
    head: Vec<Matrix<'static>>,
    head_activation: Option<fn(f64) -> f64>, // after every map of the head but the last
    heads: usize,
    activation: fn(f64) -> f64,
}

struct Layer {
    norms: [Option<RowNorm>; 2], // of attention and of the feed-forward part
    qkv: [Matrix<'static>; 3],
    output: Matrix<'static>,
    up: Matrix<'static>,
    down: Matrix<'static>,
}

/// W x + b of every row of `x`.
fn of_rows(m: &Matrix<'_>, x: &[f64]) -> Vec<f64> {
    let (mut out, mut weights) = (vec![0.0; x.len() / m.cols * m.rows], vec![0.0; m.cols]);
    for i in 0..m.rows {
        let (bias, factor) = m.row(i, &mut weights);
        for (x, out) in x.chunks_exact(m.cols).zip(out.chunks_exact_mut(m.rows)) {
            out[i] = (bias + dot(&weights, x)) * factor;
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
        let norm = || Some(RowNorm::plain(epsilon));
        for i in 0..s.layers {
            let map = |name: &str, rows, cols| weights.map(&format!("layers.{i}.{name}"), rows, cols);
            let square = |name: &str| map(&format!("attention.{name}"), s.width, s.width);
            layers.push(Layer {
                norms: [norm().filter(|_| i > 0), norm()],
                qkv: [square("query")?, square("key")?, square("value")?],
                output: square("output")?,
                up: map("feed_forward.up", s.feed_forward, s.width)?,
                down: map("feed_forward.down", s.width, s.feed_forward)?,
            });
        }
        let head = vec![weights.map("classifier", s.classes, s.width)?];
        let embedding = Embedding::new(s, embedding, weights)?;
        let (place, pooling) = (Place::Pre, Rows::Mean);
        let (last_norm, head_activation, activation) = (None, None, gelu as fn(f64) -> f64);
        Ok(Self { embedding, layers, place, last_norm, pooling, head, head_activation, heads: s.heads, activation })
    }

    /// The original of a converted model.
    pub(super) fn converted(c: &Converted, weights: &Weights<'_>) -> Result<Self> {
        let mut layers = Vec::new();
        for i in 0..c.layers.len() {
            let parts = c.layer(weights, i)?;
            layers.push(Layer {
                norms: parts.norms,
                qkv: parts.qkv,
                output: parts.output,
                up: parts.up,
                down: parts.down,
            });
        }
        let head = match &c.exact_head_activation {
            Some(_) => &["head.dense".to_string(), "classifier".to_string()][..],
            None => &c.head,
        };
        Ok(Self {
            embedding: c.embedding(weights)?,
            layers,
            place: c.place,
            last_norm: c.last_norm(weights)?,
            pooling: c.pooling,
            head: c.head_maps(weights, head)?,
            head_activation: c.exact_head_activation.as_deref().map(activation),
            heads: c.heads,
            activation: activation(&c.activation),
        })
    }

    /// Logits of at least one token, or the embedding.
    pub fn logits(&self, ids: &[u32]) -> Vec<f64> {
        let (width, mut x) = (self.embedding.width(), self.embedding.rows(ids));
        for layer in &self.layers {
            self.part(&mut x, layer.norms[0].as_ref(), |h| {
                let [q, k, v] = layer.qkv.each_ref().map(|m| of_rows(m, h));
                of_rows(&layer.output, &self.attention(&q, &k, &v))
            });
            self.part(&mut x, layer.norms[1].as_ref(), |h| {
                let a: Vec<f64> = of_rows(&layer.up, h).into_iter().map(self.activation).collect();
                of_rows(&layer.down, &a)
            });
        }
        self.last_norm.iter().for_each(|norm| norm.of_rows(width, &mut x));
        let mut y = self.pooling.of_rows(x, width);
        for (i, map) in self.head.iter().enumerate() {
            if let (Some(activation), true) = (self.head_activation, i > 0) {
                y.iter_mut().for_each(|y| *y = activation(*y));
            }
            y = of_rows(map, &y);
        }
        y
    }

    /// x with the result of a part added, with the norm before the part or after the sum.
    fn part(&self, x: &mut [f64], norm: Option<&RowNorm>, part: impl FnOnce(&[f64]) -> Vec<f64>) {
        let width = self.embedding.width();
        match self.place {
            Place::Pre => {
                let mut h = x.to_vec();
                norm.iter().for_each(|norm| norm.of_rows(width, &mut h));
                add(x, &part(&h));
            }
            Place::Post => {
                let y = part(x);
                add(x, &y);
                norm.iter().for_each(|norm| norm.of_rows(width, x));
            }
        }
    }

    fn attention(&self, q: &[f64], k: &[f64], v: &[f64]) -> Vec<f64> {
        let width = self.embedding.width();
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
}

fn add(x: &mut [f64], y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// The function of a name of Hugging Face; GELU for a name that is none.
fn activation(name: &str) -> fn(f64) -> f64 {
    match name {
        "relu" => |a| a.max(0.0),
        "silu" | "swish" => |a| a / (1.0 + (-a).exp()),
        "tanh" => f64::tanh,
        "quick_gelu" => |a| a / (1.0 + (-1.702 * a).exp()),
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_accurate" => |a| {
            let inner = (2.0 / core::f64::consts::PI).sqrt() * (a + 0.044715 * a * a * a);
            0.5 * a * (1.0 + inner.tanh())
        },
        "gelu_10" => |a| gelu(a).clamp(-10.0, 10.0),
        _ => gelu,
    }
}

fn gelu(a: f64) -> f64 {
    0.5 * a * (1.0 + libm::erf(a * core::f64::consts::FRAC_1_SQRT_2))
}
