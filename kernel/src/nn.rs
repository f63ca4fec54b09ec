//! The transformer, written once: an encoder of polynomials over an [`Engine`]. [`dense`] runs it on rows of numbers,
//! [`packed`] on slots, which may be encrypted.
//!
//! x starts as normalised embeddings. Each layer adds attention and a feed-forward part to it; a norm multiplies by a
//! polynomial inverse root of the mean square, and what centring and gain would do is folded into the weights. The
//! answer is a linear map of the mean over tokens.

use crate::{
    circuits::poly::Polynomial,
    error::{Error, Result},
};
use alloc::vec::Vec;

pub mod dense;
pub mod packed;

/// y = W x + b: `rows` outputs, `cols` inputs, W row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Matrix {
    /// `weight` is rows x cols long, `bias` rows.
    pub fn new(rows: usize, cols: usize, weight: Vec<f32>, bias: Vec<f32>) -> Result<Self> {
        for (expected, actual) in [(rows * cols, weight.len()), (rows, bias.len())] {
            if expected != actual || expected == 0 {
                return Err(Error::Length { expected, actual });
            }
        }
        if let Some(slot) = weight.iter().chain(&bias).position(|w| !w.is_finite()) {
            return Err(Error::NotFinite { slot });
        }
        Ok(Self { rows, cols, weight, bias })
    }

    /// Weight of input j in output i; 0 beyond the matrix.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        if i < self.rows && j < self.cols { self.weight[i * self.cols + j] as f64 } else { 0.0 }
    }

    /// Bias of output i; 0 beyond the matrix.
    pub fn bias(&self, i: usize) -> f64 {
        self.bias.get(i).map_or(0.0, |b| *b as f64)
    }

    /// c W x + c b
    pub fn scaled(mut self, c: f64) -> Self {
        self.weight.iter_mut().chain(&mut self.bias).for_each(|w| *w = (*w as f64 * c) as f32);
        self
    }

    /// W (V x + a) + b
    pub fn after(&self, first: &Matrix) -> Result<Self> {
        if self.cols != first.rows {
            return Err(Error::Length { expected: self.cols, actual: first.rows });
        }
        let dot = |i: usize, f: &dyn Fn(usize) -> f64| (0..self.cols).map(|k| self.at(i, k) * f(k)).sum::<f64>();
        let entries = (0..self.rows).flat_map(|i| (0..first.cols).map(move |j| (i, j)));
        let weight = entries.map(|(i, j)| dot(i, &|k| first.at(k, j)) as f32).collect();
        let bias = (0..self.rows).map(|i| (self.bias(i) + dot(i, &|k| first.bias(k))) as f32).collect();
        Self::new(self.rows, first.cols, weight, bias)
    }
}

/// x times `root` of its mean square.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    /// Added to the mean square.
    pub epsilon: f64,
    /// The inverse square root.
    pub root: Polynomial,
}

/// Length-agnostic PowerSoftmax of power 4: (z/L) times `reciprocal` of epsilon + sum z/L, z = (q k)^4.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Added to the mean of the powers.
    pub epsilon: f64,
    /// The reciprocal, on \[epsilon, hi\].
    pub reciprocal: Polynomial,
    /// Query, key and value; 1/sqrt(d) is in the query.
    pub qkv: [Matrix; 3],
    /// What joins the heads.
    pub output: Matrix,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The norm before attention; the first layer's input is normalised already.
    pub norm_attention: Option<Norm>,
    /// Attention.
    pub attention: Attention,
    /// The norm before the feed-forward part.
    pub norm_feed_forward: Norm,
    /// Into the feed-forward part.
    pub up: Matrix,
    /// c0 + c1 x + c2 x^2
    pub activation: [f64; 3],
    /// Out of it; once folded, the last layer has none: `classify` holds it.
    pub down: Option<Matrix>,
}

/// A whole model, folded for its engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Features of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// The layers.
    pub layers: Vec<Layer>,
    /// From the last activations, and from x: what is left of the network, one linear map each.
    pub classify: [Matrix; 2],
    /// The largest value that is ever refreshed, for bootstrapping.
    pub range: f64,
}

impl Model {
    /// Folds: the leading coefficient of each activation into `up`, the last `down` into the classifier. Fails on
    /// shapes that do not fit each other.
    pub fn new(width: usize, heads: usize, mut layers: Vec<Layer>, classifier: Matrix, range: f64) -> Result<Self> {
        for layer in &mut layers {
            let [c0, c1, c2] = layer.activation;
            if c2 <= 0.0 || c2.is_nan() {
                return Err(Error::BadRange { lo: 0.0, hi: c2 });
            }
            let root = libm::sqrt(c2);
            layer.up = layer.up.clone().scaled(root);
            layer.activation = [c0, c1 / root, 1.0];
        }
        let none = Error::Length { expected: 1, actual: 0 };
        let down = layers.last_mut().and_then(|last| last.down.take()).ok_or(none)?;
        let classify = [classifier.after(&down)?, classifier.without_bias()];
        Self { width, heads, layers, classify, range }.checked()
    }

    /// The model, if its shapes fit each other.
    pub fn checked(self) -> Result<Self> {
        let Self { width, heads, range, .. } = self;
        if heads == 0 || !width.is_multiple_of(heads) || !(range > 0.0 && range.is_finite()) {
            return Err(Error::Slots { given: heads, slots: width });
        }
        let (hidden, last) = (self.layers.last().map_or(0, |l| l.up.rows), self.layers.len().wrapping_sub(1));
        for (i, layer) in self.layers.iter().enumerate() {
            if layer.down.is_some() != (i < last) {
                return Err(Error::Length { expected: last, actual: i });
            }
            let maps = layer.attention.qkv.iter().chain([&layer.attention.output]);
            let down = layer.down.iter().map(|m| (m, width, hidden));
            for (m, rows, cols) in maps.map(|m| (m, width, width)).chain([(&layer.up, hidden, width)]).chain(down) {
                m.expect(rows, cols)?;
            }
        }
        let classes = self.classes();
        self.classify[0].expect(classes, hidden)?;
        self.classify[1].expect(classes, width)?;
        Ok(self)
    }

    /// Labels.
    pub fn classes(&self) -> usize {
        self.classify[0].rows
    }
}

impl Matrix {
    fn expect(&self, rows: usize, cols: usize) -> Result<()> {
        if (self.rows, self.cols) == (rows, cols) {
            return Ok(());
        }
        Err(Error::Length { expected: rows * cols, actual: self.rows * self.cols })
    }

    fn without_bias(mut self) -> Self {
        self.bias.fill(0.0);
        self
    }
}

/// What a transformer is made of.
pub trait Engine {
    /// Rows of features, one a token.
    type Tensor;
    /// Each of `maps` of every row.
    fn linear(&mut self, x: &Self::Tensor, maps: &[&Matrix]) -> Result<Vec<Self::Tensor>>;
    /// What the heads make of query, key and value, side by side.
    fn attention(&mut self, qkv: [Self::Tensor; 3], how: &Attention) -> Result<Self::Tensor>;
    /// The norm of every row.
    fn norm(&mut self, x: &Self::Tensor, how: &Norm) -> Result<Self::Tensor>;
    /// c0 + c1 x + x^2
    fn activate(&mut self, x: &Self::Tensor, c: [f64; 3]) -> Result<Self::Tensor>;
    /// x += y
    fn add(&mut self, x: &mut Self::Tensor, y: Self::Tensor) -> Result<()>;
    /// The mean over tokens of the sum of maps\[i\] xs\[i\].
    fn classify(&mut self, xs: [&Self::Tensor; 2], maps: &[Matrix; 2]) -> Result<Self::Tensor>;
    /// Makes x good for what comes next: encrypted values are bootstrapped if they must be.
    fn refresh(&mut self, x: Self::Tensor, next: Next) -> Result<Self::Tensor>;
}

/// The parts between which x may be refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Query, key and value, attention, and the map that joins the heads.
    Attention,
    /// A norm and the feed-forward part; then the classifier if it is the `last`, else another norm.
    FeedForward {
        /// Whether this is the last layer.
        last: bool,
    },
}

/// The logits of normalised embeddings `x`.
pub fn forward<E: Engine>(e: &mut E, model: &Model, x: E::Tensor) -> Result<E::Tensor> {
    let mut x = x;
    let layers = model.layers.len();
    for (i, layer) in model.layers.iter().enumerate() {
        let last = i + 1 == layers;
        let [q, k, v] = &layer.attention.qkv;
        let qkv = match &layer.norm_attention {
            None => e.linear(&x, &[q, k, v])?,
            Some(norm) => {
                let h = e.norm(&x, norm)?;
                let h = e.refresh(h, Next::Attention)?;
                e.linear(&h, &[q, k, v])?
            }
        };
        let given = qkv.len();
        let qkv: [E::Tensor; 3] = qkv.try_into().map_err(|_| Error::Length { expected: 3, actual: given })?;
        let mixed = e.attention(qkv, &layer.attention)?;
        for y in e.linear(&mixed, &[&layer.attention.output])? {
            e.add(&mut x, y)?;
        }
        x = e.refresh(x, Next::FeedForward { last })?;
        let h = e.norm(&x, &layer.norm_feed_forward)?;
        let mut up = e.linear(&h, &[&layer.up])?;
        let hidden = up.pop().ok_or(Error::Length { expected: 1, actual: 0 })?;
        let active = e.activate(&hidden, layer.activation)?;
        if last {
            return e.classify([&active, &x], &model.classify);
        }
        let down = layer.down.as_ref().ok_or(Error::Length { expected: layers, actual: i })?;
        for y in e.linear(&active, &[down])? {
            e.add(&mut x, y)?;
        }
    }
    Err(Error::Length { expected: 1, actual: 0 })
}
