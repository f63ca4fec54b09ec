//! A small transformer with arbitrary weights, for tests.

use polyformer_kernel::{
    circuits::{
        attention::{PowerSoftmax, Variant, power::Form},
        norm::Norm,
        poly::Polynomial,
        reciprocal::Division,
    },
    math::complex::Complex,
    nn::{
        Attention, Layer, Matrix, Model, Pooling, Rotary, Stored,
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::Layout,
    },
};

/// Numbers in [-1, 1] that no structure helps with.
pub fn noise(seed: usize, len: usize) -> Vec<f64> {
    (0..len).map(|i| ((i * 7919 + seed * 104729 + i * i * 31) % 2003) as f64 / 1001.0 - 1.0).collect()
}

/// A packed question of one text, repeated in every slot.
pub fn packed_question(layout: &Layout, rows: &[f64], slots: usize) -> Vec<Complex> {
    let mut period = vec![0.0; layout.period()];
    layout.pack(0, rows, &mut period).unwrap();
    (0..slots).map(|i| Complex::from(period[i % period.len()])).collect()
}

fn matrix(seed: usize, rows: usize, cols: usize) -> Matrix<'static> {
    let size = 0.5 / (cols as f64).sqrt();
    let small = |v: Vec<f64>, size: f64| v.into_iter().map(|w| (w * size) as f32).collect::<Vec<_>>();
    Matrix::new(rows, cols, small(noise(seed, rows * cols), size), small(noise(seed + 1, rows), 0.1)).unwrap()
}

/// Two layers of features `width` and `hidden`, two heads: an encoder.
pub fn model(width: usize, hidden: usize, classes: usize) -> Model<'static> {
    layers(2, width, hidden, classes, None)
}

/// The same numbers as a decoder of `count` layers: with a causal mask and rotary positions, the last token answers.
pub fn decoder(count: usize, width: usize, hidden: usize, classes: usize) -> Model<'static> {
    let rotary = Rotary { base: 100.0 }; // small: every pair of few features is turned visibly
    Model { pooling: Pooling::Last, ..layers(count, width, hidden, classes, Some(rotary)) }
}

/// An encoder of `count` layers.
pub fn encoder(count: usize, width: usize, hidden: usize, classes: usize) -> Model<'static> {
    layers(count, width, hidden, classes, None)
}

/// The model with other attention weights in every layer.
pub fn with_weights(mut model: Model<'static>, weights: &Variant) -> Model<'static> {
    let mut layers = model.layers.to_vec();
    layers.iter_mut().for_each(|layer| layer.attention.weights = weights.clone());
    model.layers = Stored::Owned(layers);
    model
}

/// The model with another inverse root in every norm.
pub fn with_root(mut model: Model<'static>, root: &Polynomial) -> Model<'static> {
    let mut layers = model.layers.to_vec();
    let norm = |norm: &mut Norm| *norm = Norm::trained(norm.length(), norm.epsilon(), root.clone()).unwrap();
    for layer in &mut layers {
        norm(&mut layer.norm_feed_forward);
        layer.norm_attention.iter_mut().for_each(norm);
    }
    model.layers = Stored::Owned(layers);
    model
}

fn layers(count: usize, width: usize, hidden: usize, classes: usize, rotary: Option<Rotary>) -> Model<'static> {
    let poly = |c: &[f64], range| Polynomial::new(c, range).unwrap();
    let norm = || Norm::trained(width, 0.01, poly(&[0.9, -0.4, 0.1, -0.05], (0.1, 4.0))).unwrap();
    let weights = || {
        let reciprocal = poly(&[3.0, -2.0, 1.0, -0.5, 0.3, -0.2, 0.1, -0.05], (0.02, 1.5));
        PowerSoftmax::with_form(4, Form::LengthAgnostic, 0.02, Division::trained(reciprocal)).unwrap()
    };
    let layer = |i: usize| Layer {
        norm_attention: (i > 0).then(norm),
        attention: Attention {
            causal: rotary.is_some(),
            rotary,
            weights: weights().into(),
            qkv: [1, 3, 5].map(|s| matrix(10 * i + s, width, width)),
            output: matrix(10 * i + 7, width, width),
        },
        norm_feed_forward: norm(),
        up: matrix(100 + i, hidden, width),
        activation: [0.2, 0.5, 0.12].into(),
        down: Some(matrix(200 + i, width, hidden)),
        gains: [None, None],
    };
    Model::new(width, 2, (0..count).map(layer).collect(), matrix(300, classes, width), 16.0).unwrap()
}

/// Its logits on rows of features, in f64.
pub fn dense(model: &Model<'_>, x: &[f64]) -> Vec<f64> {
    let x = Rows::new(model.width, x.to_vec()).unwrap();
    forward(&mut ClearEngine::<f64>::new(model.heads), model, x).unwrap().values().to_vec()
}
