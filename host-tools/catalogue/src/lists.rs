//! The circuits by name, at parameters that models use.

use crate::{Circuit, Entry, Form};
use polyformer_kernel::{
    circuits::{
        approx::{Approximation, Function, Weight},
        attention::{causal, pointwise, power::PowerSoftmax, softmax},
        exp::Exp,
        inv_sqrt::InverseRoot,
        matmul::Heads,
        norm::{self, Norm},
        reciprocal::{Division, Iteration},
        reduce::RowLayout,
        sign::Sign,
    },
    error::Result,
};

/// An attention circuit that was asked for: its name, and the circuit with the range of its inputs.
pub type Candidate = (&'static str, Result<(Circuit, (f64, f64))>);

/// The attention circuits for rows of `length` scores in [-range, range], each with its own refusal. `error` is the error
/// of the division, and `narrow` the range of CGF's exponents. PowerSoftmax gets scores over `range`, so that no score is
/// over 1.
///
/// # Errors
/// The circuit's own: a range or an error that no polynomial reaches.
pub fn candidates(slots: usize, length: usize, range: f64, error: f64, narrow: (f64, f64)) -> Vec<Candidate> {
    let (l, unit, wide, below) = (length as f64, (-1.0, 1.0), (-range, range), (-2.0 * range, 0.0));
    let published = || PowerSoftmax::published(4, (2e-6 * l, l), 22);
    let plain = || PowerSoftmax::plain(4, (2e-6 * l, l), published()?.error()); // at its error, whatever `error` is
    let agnostic = || PowerSoftmax::length_agnostic(4, length, 1e-3, 1.0, error);
    let inverse: Vec<f64> = (0..slots).map(|_| 1.0 / range).collect();
    let bpmax = pointwise::BpMax::PUBLISHED;
    // the pattern: visible, over a divisor that the largest row sum cannot exceed
    let pattern: Vec<f64> = (0..slots).map(|_| bpmax.pattern(1.0, l * libm::pow(2.0 * bpmax.c, 5.0))).collect();
    let sigma = |f| Approximation::chebyshev(f, Weight::Absolute, wide, 31).map(|f| Circuit::Sigma(f, length));
    let power = |how: Result<PowerSoftmax>, form| how.map(|how| Circuit::Power(how, form));
    let in_range = |circuit: Result<Circuit>, range| circuit.map(|circuit| (circuit, range));
    vec![
        ("power_softmax_published", in_range(power(published(), Form::Published), unit)),
        ("power_softmax", in_range(power(plain(), Form::Direct), unit)),
        ("power_softmax_folded", in_range(power(plain(), Form::Folded), unit)),
        ("power_softmax_lipschitz", in_range(power(PowerSoftmax::lipschitz(4, 1e-3, l, error), Form::Direct), unit)),
        ("power_softmax_stable", in_range(power(PowerSoftmax::plain(4, (1.0, l), error), Form::Stable(inverse)), wide)),
        ("power_softmax_length_agnostic", in_range(power(agnostic(), Form::Direct), unit)),
        ("power_softmax_length_agnostic_folded", in_range(power(agnostic(), Form::Folded), unit)),
        ("sigma_gelu", in_range(sigma(Function::Gelu), wide)),
        ("sigma_relu", in_range(sigma(Function::Relu), wide)),
        ("gaussian", in_range(Exp::choose(2.0 * range, error).map(Circuit::Exp), below)),
        ("bpmax", Ok((Circuit::BpMax(bpmax, pattern), (-5.0, 5.0)))),
        ("cgf", in_range(softmax::Cgf::new(length, narrow, error).map(Circuit::Cgf), unit)),
        ("nexus", in_range(Division::choose((1.0, l), error).map(|sum| Circuit::Nexus(7, sum)), below)),
        (
            "normalise_and_square",
            in_range(
                softmax::NormaliseAndSquare::new(length, 2.0 * range, 4, error).map(Circuit::NormaliseAndSquare),
                below,
            ),
        ),
    ]
}

/// The circuits of [`candidates`], all of them.
///
/// # Errors
/// The first refusal of a circuit, or a `length` that does not divide `slots`.
pub fn attention(slots: usize, length: usize, range: f64, error: f64, narrow: (f64, f64)) -> Result<Vec<Entry>> {
    let rows = RowLayout::new(length, slots / length)?;
    let entry = |(name, made): Candidate| made.map(|(circuit, range)| Entry { name, circuit, rows, range });
    candidates(slots, length, range, error, narrow).into_iter().map(entry).collect()
}

/// Every circuit on vectors of `slots` slots, a power of two from 64 on.
///
/// # Errors
/// `Slots` if `slots` is not a power of two from 64 on.
pub fn every(slots: usize) -> Result<Vec<Entry>> {
    let length = slots.min(128);
    let mut all = attention(slots, length, 8.0, 1e-3, (-3.0, 3.0))?;
    let rows = RowLayout::new(length, slots / length)?;
    let blocks = RowLayout::new(16, 1)?;
    let norm = Norm::new(length, (0.75, 2500.0), 1e-5, 1e-3)?;
    let narrow = Norm::new(16, (0.15, 10.0), 1e-5, 1e-3)?;
    let minimax = |f, range, degree| Approximation::minimax(f, Weight::Absolute, range, degree);
    let heads = Heads { tokens: (slots / 16).min(32), heads: 2, width: 8 };
    let mask: Vec<f64> = (0..slots).map(|i| causal(i / 16 % 16, i % 16)).collect();
    let features: Vec<(f64, f64)> = (0..16)
        .map(|f| f as f64 / 16.0)
        .map(|f| norm::fold_batch_norm(1.0 + f, f, -f, 0.5 + f, 1e-5)) // gain, bias, mean, variance, epsilon
        .collect();
    let (slopes, offsets) = features.into_iter().unzip();
    let newton = Division::new((0.1, 1.0), Iteration::Newton, true, Some(3), 2)?;
    let root = InverseRoot::new((0.2, 150.0), Iteration::Newton, true, None, 6)?;
    let mut add = |name, circuit, rows, range| all.push(Entry { name, circuit, rows, range });
    add("layer_norm", Circuit::LayerNorm(norm.clone()), rows, (-60.0, 60.0));
    add("layer_norm_blocks", Circuit::LayerNorm(narrow.clone()), blocks, (-4.0, 4.0));
    add("layer_norm_folded", Circuit::FoldedLayerNorm(norm.clone()), rows, (-60.0, 60.0));
    add("rms_norm", Circuit::RmsNorm(norm), rows, (-60.0, 60.0));
    add("rms_norm_blocks", Circuit::RmsNorm(narrow), blocks, (-4.0, 4.0));
    add("centre", Circuit::Centre(length), rows, (-60.0, 60.0));
    add("gelu", Circuit::Activation(minimax(Function::Gelu, (-8.0, 8.0), 31)?), rows, (-8.0, 8.0));
    add("silu", Circuit::Activation(minimax(Function::Silu, (-10.0, 10.0), 31)?), rows, (-10.0, 10.0));
    add("tanh", Circuit::Activation(minimax(Function::Tanh, (-5.0, 5.0), 31)?), rows, (-5.0, 5.0));
    add("relu", Circuit::Relu(Sign::new(0.005, &[15, 15, 27])?), rows, (-1.0, 1.0));
    add("quadratic", Circuit::Quadratic(0.5, 0.25), rows, (-4.0, 4.0));
    add("reciprocal", Circuit::Reciprocal(Division::choose((1e-3, 1.0), 1e-3)?), rows, (1e-3, 1.0));
    add("reciprocal_newton", Circuit::Reciprocal(newton), rows, (0.1, 1.0));
    add("inverse_root", Circuit::InverseRoot(InverseRoot::choose((0.2, 150.0), 1e-3)?), rows, (0.2, 150.0));
    add("inverse_root_newton", Circuit::InverseRoot(root), rows, (0.2, 150.0));
    add("row_sum", Circuit::RowSum(1.0), rows, (-1.0, 1.0));
    add("row_sum_blocks", Circuit::RowSum(0.5), blocks, (-1.0, 1.0));
    add("mask", Circuit::Mask(mask), rows, (-1.0, 1.0));
    add("linear", Circuit::Linear(16, 1), rows, (-1.0, 1.0));
    add("linear_qkv", Circuit::Linear(16, 3), rows, (-1.0, 1.0));
    add("attention", Circuit::Attention(heads), rows, (-0.3, 0.3));
    add("bicyclic", Circuit::Bicyclic(3, 4, 5), rows, (-1.0, 1.0));
    add("batched", Circuit::Batched(3, 4), rows, (-1.0, 1.0));
    add("gaussian_exponent", Circuit::GaussianExponent, rows, (-1.0, 1.0));
    add("batch_norm", Circuit::BatchNorm(slopes, offsets), rows, (-4.0, 4.0));
    Ok(all)
}
