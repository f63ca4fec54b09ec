//! Inference in the clear on a small client: circuits on f32 that are made and run without an allocator.
#![allow(clippy::unwrap_used, missing_docs)]

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use polyformer_kernel::{
    circuits::{
        activation::activate,
        approx::{Approximation, Function, Weight},
        attention::power::{PowerSoftmax, power_softmax},
        norm::{Norm, layer_norm},
        reduce::RowLayout,
    },
    eval::clear::ClearArray,
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
