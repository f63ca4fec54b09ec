//! Inference in the clear on a small client: circuits on f32 that are made and run without an allocator.
#![allow(clippy::unwrap_used, missing_docs)]

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use polyformer_kernel::{
    circuits::{
        activation::activate,
        approx::{Approximation, Function, Weight},
        attention::{
            ExponentialSoftmax, GaussianKernel, PublicBpMax, ScaledSigma, Variant,
            pointwise::BpMax,
            power::{PowerSoftmax, power_softmax},
        },
        exp::Exp,
        norm::{Norm, layer_norm},
        reduce::RowLayout,
    },
    eval::clear::ClearArray,
    nn::{
        Attention, Engine, Matrix, Numbers, Stored,
        clear_engine::{Block, ClearEngine, Memory, Rows},
    },
};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler; // aborts on an allocation inside `assert_no_alloc`

#[test]
fn a_norm_attention_weights_and_an_activation_never_allocate() {
    let (weights, sum) = assert_no_alloc(|| {
        let mut ev = ClearArray::<f32, 64>::new();
        let rows = RowLayout::new(16, 4).unwrap();
        let norm = Norm::new(16, (0.1, 1.0), 1e-5, 1e-3).unwrap();
        let attention = PowerSoftmax::length_agnostic(4, 16, 1e-3, 80.0, 1e-3).unwrap();
        let gelu = Approximation::chebyshev(Function::Gelu, Weight::Absolute, (-1.0, 1.0), 7).unwrap();
        let mut xs = [core::array::from_fn(|i| (i % 7) as f32 / 3.0 - 1.0)];
        layer_norm(&mut ev, &norm, &mut xs, &rows).unwrap();
        power_softmax(&mut ev, &attention, &mut xs, &rows).unwrap();
        let y = activate(&mut ev, &gelu, &xs[0]).unwrap();
        (xs[0], y.iter().sum::<f32>())
    });
    let row: f32 = weights.iter().step_by(4).sum();
    assert!((row - 1.0).abs() < 2e-2, "{row}"); // ε keeps it below 1
    assert!(sum.is_finite());
}

/// What a head makes of four tokens in the caller's memory.
fn attention(weights: Variant) -> f32 {
    static ZERO: [f32; 1] = [0.0];
    let zero = || Numbers::F32(Stored::Borrowed(&ZERO));
    let nothing = || Matrix::new(1, 1, zero(), zero()).unwrap();
    let attention =
        Attention { causal: true, rotary: None, weights, qkv: [nothing(), nothing(), nothing()], output: nothing() };
    let mut memory = [[0.0f32; 32]; 4];
    let [a, b, c, d] = &mut memory;
    let blocks: [Block<'_, f32>; 4] = [a, b, c, d].map(|m| Block::new(&mut m[..]));
    let blocks = &blocks[..];
    let qkv = [1, 2, 3].map(|seed| {
        let mut rows = blocks.take(32).unwrap();
        rows.iter_mut().enumerate().for_each(|(i, x)| *x = ((i * seed + i * i) % 7) as f32 / 14.0 - 0.2);
        Rows::new(8, rows).unwrap()
    });
    let out = ClearEngine::<f32, _>::within(1, blocks).attention(qkv, &attention).unwrap();
    out.values().iter().sum()
}

#[test]
fn attention_of_every_shape_runs_in_the_callers_memory() {
    let sums = assert_no_alloc(|| {
        let gelu = Approximation::chebyshev(Function::Gelu, Weight::Absolute, (-2.0, 2.0), 7).unwrap();
        [
            attention(PowerSoftmax::lipschitz(6, 0.05, 20.0, 1e-3).unwrap().into()),
            attention(ScaledSigma::new(&gelu).unwrap().into()),
            attention(GaussianKernel::new(Exp::choose(4.0, 1e-3).unwrap()).into()),
            attention(PublicBpMax::new(BpMax::PUBLISHED, 3125.0).unwrap().into()),
            attention(ExponentialSoftmax::new((-2.0, 2.0), 1e-2).unwrap().into()),
        ]
    });
    assert!(sums.iter().all(|sum| sum.is_finite() && *sum != 0.0), "{sums:?}");
}
