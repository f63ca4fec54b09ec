//! General encoders with arbitrary weights, and what they compute by their definition: norms with mean, gain and bias,
//! activations on their ranges, nothing folded.

use crate::transformer::noise;
use polyformer_kernel::{
    circuits::{
        approx::interpolate,
        attention::{AttentionWeights, PowerSoftmax, power::Form},
        norm::Norm,
        poly::Polynomial,
        reciprocal::Division,
    },
    nn::{AffineNorm, Attention, Matrix, NormPlace, Numbers, Pooling, Unfolded, UnfoldedHead, UnfoldedLayer},
};

/// The sizes of an encoder.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Features of a token.
    pub width: usize,
    /// Heads.
    pub heads: usize,
    /// Features of the feed-forward part.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Degree of the activation.
    pub degree: usize,
    /// Degree of the reciprocal of attention.
    pub reciprocal: usize,
}

fn numbers(seed: usize, len: usize, size: f64, middle: f64) -> Vec<f32> {
    noise(seed, len).into_iter().map(|x| (middle + size * x) as f32).collect()
}

fn matrix(seed: usize, rows: usize, cols: usize) -> Matrix<'static> {
    let size = 1.0 / (cols as f64).sqrt();
    Matrix::new(rows, cols, numbers(seed, rows * cols, size, 0.0), numbers(seed + 1, rows, 0.1, 0.0)).unwrap()
}

/// A LayerNorm whose inverse root is a polynomial of degree 7.
fn norm(seed: usize, width: usize) -> AffineNorm<'static> {
    let root = interpolate(|x| 1.0 / x.sqrt(), (0.05, 20.0), 7).unwrap();
    AffineNorm {
        norm: Norm::trained(width, 0.01, root).unwrap().centred(),
        gain: numbers(seed, width, 0.3, 1.0).into(),
        bias: numbers(seed + 1, width, 0.1, 0.0).into(),
    }
}

/// A smooth function on [-12, 13].
fn activation(degree: usize) -> Polynomial {
    interpolate(|x| 0.5 * x + 0.4 * (1.0 + x * x).sqrt(), (-12.0, 13.0), degree).unwrap()
}

/// An encoder with a head that is "linear" (5 outputs), "hidden" or "features".
pub fn unfolded(shape: &Shape, place: NormPlace, head: &str, pooling: Pooling) -> Unfolded<'static> {
    let Shape { width, heads, hidden, layers, degree, reciprocal } = *shape;
    let weights = || {
        let p = interpolate(|x| 1.0 / (x + 0.3), (0.02, 8.0), reciprocal).unwrap();
        PowerSoftmax::with_form(4, Form::LengthAgnostic, 0.02, Division::trained(p)).unwrap()
    };
    let layer = |i: usize| UnfoldedLayer {
        norm_attention: Some(norm(1000 + 10 * i, width)),
        attention: Attention {
            causal: false,
            rotary: None,
            weights: weights().into(),
            qkv: [1, 3, 5].map(|s| matrix(10 * i + s, width, width).scaled(0.35)),
            output: matrix(10 * i + 7, width, width),
        },
        norm_feed_forward: norm(1005 + 10 * i, width),
        up: matrix(100 + i, hidden, width),
        activation: activation(degree),
        down: matrix(200 + i, width, hidden).scaled(0.3),
    };
    let head = match head {
        "linear" => UnfoldedHead::Linear(matrix(300, 5, width)),
        "hidden" => UnfoldedHead::Hidden {
            up: matrix(301, width, width),
            activation: activation(degree),
            down: matrix(302, 5, width),
        },
        _ => UnfoldedHead::Features,
    };
    let final_norm = (place == NormPlace::Pre).then(|| norm(2000, width));
    let layers = (0..layers).map(layer).collect();
    Unfolded { width, heads, norm_place: place, layers, final_norm, head, pooling, range: 32.0 }
}

type Row = Vec<f64>;

fn apply(m: &Matrix<'_>, x: &[Row]) -> Vec<Row> {
    let row = |x: &Row| (0..m.rows).map(|i| m.bias(i) + (0..m.cols).map(|j| m.at(i, j) * x[j]).sum::<f64>()).collect();
    x.iter().map(row).collect()
}

fn each(p: &Polynomial, x: Vec<Row>) -> Vec<Row> {
    x.into_iter().map(|row| row.into_iter().map(|x| p.at(x)).collect()).collect()
}

fn sum(x: Vec<Row>, y: Vec<Row>) -> Vec<Row> {
    x.into_iter().zip(y).map(|(x, y)| x.into_iter().zip(y).map(|(x, y)| x + y).collect()).collect()
}

fn normalise(n: &AffineNorm<'_>, x: &[Row]) -> Vec<Row> {
    let at = |x: &Numbers<'_>, i: usize| x.at(i) as f64;
    let row = |x: &Row| {
        let width = x.len() as f64;
        let mean = x.iter().sum::<f64>() / width;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width;
        let root = n.norm.root().polynomial().unwrap().at(variance + n.norm.epsilon());
        x.iter().enumerate().map(|(i, x)| (x - mean) * root * at(&n.gain, i) + at(&n.bias, i)).collect()
    };
    x.iter().map(row).collect()
}

/// Σ p(q k) v / (ε + Σ p(q k)), head by head, with the polynomials of the variant.
fn attend(attention: &Attention<'_>, heads: usize, x: &[Row]) -> Vec<Row> {
    let [q, k, v] = attention.qkv.each_ref().map(|m| apply(m, x));
    let (d, tokens) = (q[0].len() / heads, x.len());
    let normaliser = attention.weights.normaliser().unwrap();
    let factor = attention.weights.score_factor(tokens);
    let mut out = vec![vec![0.0; q[0].len()]; tokens];
    for (t, out) in out.iter_mut().enumerate() {
        for h in (0..heads).map(|h| h * d) {
            let score = |s: usize| (h..h + d).map(|i| q[t][i] * k[s][i]).sum::<f64>();
            let weights: Vec<f64> = (0..tokens).map(|s| (factor * score(s)).powi(4)).collect();
            let total = normaliser.epsilon + weights.iter().sum::<f64>();
            let reciprocal = normaliser.division.polynomial().unwrap().at(total);
            for i in h..h + d {
                out[i] = (0..tokens).map(|s| weights[s] * v[s][i]).sum::<f64>() * reciprocal;
            }
        }
    }
    apply(&attention.output, &out)
}

/// The answer by definition to rows of features; the rows of each token if each token answers.
pub fn defined(parts: &Unfolded<'_>, x: &[f64]) -> Vec<f64> {
    let mut x: Vec<Row> = x.chunks(parts.width).map(<[f64]>::to_vec).collect();
    for layer in &parts.layers {
        let feed = |x: &[Row]| apply(&layer.down, &each(&layer.activation, apply(&layer.up, x)));
        let first = layer.norm_attention.as_ref().unwrap();
        if parts.norm_place == NormPlace::Post {
            let y = attend(&layer.attention, parts.heads, &x);
            x = normalise(first, &sum(x, y));
            let y = feed(&x);
            x = normalise(&layer.norm_feed_forward, &sum(x, y));
        } else {
            let y = attend(&layer.attention, parts.heads, &normalise(first, &x));
            x = sum(x, y);
            let y = feed(&normalise(&layer.norm_feed_forward, &x));
            x = sum(x, y);
        }
    }
    if let Some(norm) = &parts.final_norm {
        x = normalise(norm, &x);
    }
    let rows = match parts.pooling {
        Pooling::Each => x,
        Pooling::First => x[..1].to_vec(),
        Pooling::Last => x[x.len() - 1..].to_vec(),
        Pooling::Mean => {
            let total = x.iter().cloned().reduce(|a, b| sum(vec![a], vec![b]).remove(0)).unwrap();
            vec![total.iter().map(|s| s / x.len() as f64).collect()]
        }
    };
    let hidden = |up: &Matrix<'_>, p: &Polynomial, x: &[Row]| each(p, apply(up, x));
    let out = match &parts.head {
        UnfoldedHead::Linear(map) => apply(map, &rows),
        UnfoldedHead::Hidden { up, activation, down } => apply(down, &hidden(up, activation, &rows)),
        UnfoldedHead::Features => rows,
    };
    out.concat()
}
