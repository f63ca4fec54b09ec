//! Every circuit by name, at parameters that models meet: what the golden depths, the agreement of all meanings, the
//! planner and the fuzzers run. A circuit here is a value, so that one list serves every arithmetic.

use super::{
    activation::quadratic,
    approx::{Approximation, Function, Weight},
    attention::{
        causal, pointwise,
        power::{self, PowerSoftmax},
        softmax,
    },
    exp::{Exp, exp},
    inv_sqrt::{InverseRoot, inverse_root},
    linear,
    matmul::{self, Heads},
    norm::{self, Norm},
    poly::evaluate,
    reciprocal::{Division, Iteration, reciprocal},
    reduce::{RowLayout, masked, row_sums},
    sign::{self, Sign},
};
use crate::{
    arith::Arithmetic,
    error::{Error, Result},
};
use alloc::{vec, vec::Vec};

/// A circuit with its parameters.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few dozen of them exist")]
pub enum Circuit {
    /// PowerSoftmax; scores are multiplied by [`PowerSoftmax::input_scale`] where the form is folded.
    Power(PowerSoftmax, Form),
    /// Scaled σ-attention for rows of that length.
    Sigma(Approximation, usize),
    /// The Gaussian kernel, and e^x.
    Exp(Exp),
    /// BPMax with the pattern of its mask and divisors.
    BpMax(pointwise::BpMax, Vec<f64>),
    /// CGF.
    Cgf(softmax::Cgf),
    /// NEXUS softmax: squarings, division.
    Nexus(u32, Division),
    /// Normalise and square.
    NormaliseAndSquare(softmax::NormaliseAndSquare),
    /// LayerNorm.
    LayerNorm(Norm),
    /// LayerNorm of entries multiplied by [`Norm::input_scale`].
    FoldedLayerNorm(Norm),
    /// RMSNorm.
    RmsNorm(Norm),
    /// LayerNorm without its inverse, for rows of that length.
    Centre(usize),
    /// x² + bx + c
    Quadratic(f64, f64),
    /// An activation.
    Activation(Approximation),
    /// ReLU by a composite sign.
    Relu(Sign),
    /// 1/x of x times the division's scale.
    Reciprocal(Division),
    /// 1/√x of x times its scale.
    InverseRoot(InverseRoot),
    /// A sum along the row, times a factor.
    RowSum(f64),
    /// A mask.
    Mask(Vec<f64>),
    /// That many matrices of so many features, on one vector.
    Linear(usize, usize),
    /// Scores of Q and K, then mixing with V; no normaliser in between.
    Attention(Heads),
    /// A bicyclic product of these dimensions.
    Bicyclic(usize, usize, usize),
    /// Weights on so many features for so many outputs, one vector a feature.
    Batched(usize, usize),
    /// The exponent of the Gaussian kernel, of a dot product and two squared norms.
    GaussianExponent,
    /// BatchNorm: ax + b with patterns a and b.
    BatchNorm(Vec<f64>, Vec<f64>),
}

/// Which PowerSoftmax circuit.
#[derive(Clone, Debug)]
pub enum Form {
    /// Scaled after the power.
    Direct,
    /// Scaled in the scores.
    Folded,
    /// As published.
    Published,
    /// With a pattern of public 1/c.
    Stable(Vec<f64>),
}

/// A circuit, where its rows lie, and the range of its inputs.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The circuit.
    pub circuit: Circuit,
    /// Where its rows lie.
    pub rows: RowLayout,
    /// The range of its inputs.
    pub range: (f64, f64),
}

impl Circuit {
    /// How many vectors it takes.
    pub fn inputs(&self) -> usize {
        match self {
            Circuit::Attention(_) | Circuit::GaussianExponent => 3,
            Circuit::Bicyclic(..) => 2,
            Circuit::Batched(features, _) => *features,
            _ => 1,
        }
    }

    /// Replaces its inputs by its outputs.
    pub fn run<A: Arithmetic>(&self, ev: &mut A, xs: &mut Vec<A::Slots>, rows: &RowLayout) -> Result<()> {
        if xs.len() != self.inputs() {
            return Err(Error::Length { expected: self.inputs(), actual: xs.len() });
        }
        match self {
            Circuit::Power(how, Form::Direct) => power::power_softmax(ev, how, xs, rows)?,
            Circuit::Power(how, Form::Folded) => power::folded(ev, how, xs, rows)?,
            Circuit::Power(how, Form::Published) => power::published(ev, how, xs, rows)?,
            Circuit::Power(how, Form::Stable(inverse)) => power::stable(ev, how, xs, rows, inverse)?,
            Circuit::Sigma(sigma, length) => pointwise::scaled_sigma(ev, sigma, xs, *length)?,
            Circuit::BpMax(how, pattern) => pointwise::bpmax(ev, how, xs, &[pattern])?,
            Circuit::Cgf(how) => softmax::cgf(ev, how, xs, rows)?,
            Circuit::Nexus(turns, division) => softmax::nexus(ev, *turns, division, xs, rows)?,
            Circuit::NormaliseAndSquare(how) => softmax::normalise_and_square(ev, how, xs, rows)?,
            Circuit::LayerNorm(how) => norm::layer_norm(ev, how, xs, rows)?,
            Circuit::FoldedLayerNorm(how) => norm::folded_layer_norm(ev, how, xs, rows)?,
            Circuit::RmsNorm(how) => norm::rms_norm(ev, how, xs, rows)?,
            Circuit::Centre(length) => norm::centre(ev, xs, rows, *length)?,
            Circuit::RowSum(factor) => *xs = vec![row_sums(ev, xs, rows, *factor)?],
            Circuit::Linear(features, maps) => *xs = matrices(ev, *features, *maps, &xs[0])?,
            Circuit::Attention(heads) => {
                let weights = matmul::scores(ev, heads, &xs[0], &xs[1])?;
                *xs = vec![matmul::mix(ev, heads, &weights, &xs[2])?];
            }
            Circuit::Bicyclic(n, m, p) => *xs = vec![matmul::bicyclic(ev, (*n, *m, *p), &xs[0], &xs[1])?],
            Circuit::Batched(features, outputs) => {
                let weight = |i: usize, j: usize| model_weight(i, j, 0) / *features as f64;
                *xs = linear::batched(ev, xs, *outputs, weight, |i| i as f64 / *outputs as f64)?;
            }
            Circuit::GaussianExponent => *xs = vec![pointwise::gaussian_exponent(ev, &xs[0], &xs[1], &xs[2])?],
            pointwise => xs[0] = pointwise.each(ev, &xs[0])?,
        }
        Ok(())
    }

    /// The circuits of one vector, slot by slot.
    fn each<A: Arithmetic>(&self, ev: &mut A, x: &A::Slots) -> Result<A::Slots> {
        match self {
            Circuit::Exp(how) => exp(ev, how, x),
            Circuit::Quadratic(b, c) => quadratic(ev, x, *b, *c),
            Circuit::Activation(f) => evaluate(ev, f.poly(), x),
            Circuit::Relu(how) => sign::relu(ev, how, x),
            Circuit::Reciprocal(how) => reciprocal(ev, how, x),
            Circuit::InverseRoot(how) => inverse_root(ev, how, x),
            Circuit::Mask(pattern) => masked(ev, x, pattern),
            Circuit::BatchNorm(a, b) => norm::affine(ev, x, a, b),
            _ => ev.copy(x), // the others are not slot by slot: see `run`
        }
    }
}

/// An entry of a weight matrix as a model might have it, in [-1, 1].
fn model_weight(i: usize, j: usize, map: usize) -> f64 {
    libm::sin((7 * i + 3 * j + map) as f64)
}

/// Such weight matrices, applied to one vector.
fn matrices<A: Arithmetic>(ev: &mut A, features: usize, maps: usize, x: &A::Slots) -> Result<Vec<A::Slots>> {
    let steps = linear::BsgsSplit::new(features)?;
    let level = ev.level(x);
    let h = linear::hoist(ev, &steps, x)?;
    let mut out = Vec::with_capacity(maps);
    for map in 0..maps {
        let weight = |i: usize, j: usize| model_weight(i, j, map) / features as f64;
        let map = linear::encode(ev, &steps, weight, level)?;
        out.push(linear::apply(ev, &[&map], &[&h])?);
    }
    Ok(out)
}

/// The attention rows, for rows of `length` scores in [-range, range]; `error` is what the division may add, `narrow` the
/// range of CGF's exponents. PowerSoftmax sees scores over `range`, so that none is over 1.
pub fn attention(slots: usize, length: usize, range: f64, error: f64, narrow: (f64, f64)) -> Result<Vec<Entry>> {
    let rows = RowLayout::new(length, slots / length)?;
    let (l, unit) = (length as f64, (-1.0, 1.0));
    let published = PowerSoftmax::published(4, (2e-6 * l, l), 22)?;
    let plain = PowerSoftmax::plain(4, (2e-6 * l, l), published.error())?; // at its error, whatever `error` is
    let agnostic = PowerSoftmax::length_agnostic(4, length, 1e-3, 1.0, error)?;
    let stable = PowerSoftmax::plain(4, (1.0, l), error)?;
    let inverse: Vec<f64> = (0..slots).map(|_| 1.0 / range).collect();
    let narrow = softmax::Cgf::new(length, narrow, error)?;
    let bpmax = pointwise::BpMax::PUBLISHED;
    // the pattern: visible, over a divisor that the largest row sum cannot exceed
    let pattern: Vec<f64> = (0..slots).map(|_| bpmax.pattern(1.0, l * libm::pow(2.0 * bpmax.c, 5.0))).collect();
    let relu = Approximation::chebyshev(Function::Relu, Weight::Absolute, (-range, range), 31)?;
    let gelu = Approximation::chebyshev(Function::Gelu, Weight::Absolute, (-range, range), 31)?;
    let sum = Division::choose((1.0, l), error)?;
    let squares = softmax::NormaliseAndSquare::new(length, 2.0 * range, 4, error)?;
    let entry = |name, circuit, range| Entry { name, circuit, rows, range };
    let below = (-2.0 * range, 0.0);
    Ok(vec![
        entry("power_softmax_published", Circuit::Power(published, Form::Published), unit),
        entry("power_softmax", Circuit::Power(plain.clone(), Form::Direct), unit),
        entry("power_softmax_folded", Circuit::Power(plain, Form::Folded), unit),
        entry(
            "power_softmax_lipschitz",
            Circuit::Power(PowerSoftmax::lipschitz(4, 1e-3, l, error)?, Form::Direct),
            unit,
        ),
        entry("power_softmax_stable", Circuit::Power(stable, Form::Stable(inverse)), (-range, range)),
        entry("power_softmax_length_agnostic", Circuit::Power(agnostic.clone(), Form::Direct), unit),
        entry("power_softmax_length_agnostic_folded", Circuit::Power(agnostic, Form::Folded), unit),
        entry("sigma_gelu", Circuit::Sigma(gelu, length), (-range, range)),
        entry("sigma_relu", Circuit::Sigma(relu, length), (-range, range)),
        entry("gaussian", Circuit::Exp(Exp::choose(2.0 * range, error)?), below),
        entry("bpmax", Circuit::BpMax(bpmax, pattern), (-5.0, 5.0)),
        entry("cgf", Circuit::Cgf(narrow), (-1.0, 1.0)),
        entry("nexus", Circuit::Nexus(7, sum), below),
        entry("normalise_and_square", Circuit::NormaliseAndSquare(squares), below),
    ])
}

/// Every circuit on vectors of `slots` slots, a power of two from 64 on.
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

impl Entry {
    /// What an input is multiplied by before the circuit sees it: folded factors, and those of divisions.
    pub fn input_scale(&self) -> f64 {
        match &self.circuit {
            Circuit::Power(how, Form::Folded) => how.input_scale(),
            Circuit::FoldedLayerNorm(how) => how.input_scale(),
            Circuit::BpMax(how, _) => how.input_scale(),
            Circuit::Reciprocal(how) => how.scale(),
            Circuit::InverseRoot(how) => how.scale(),
            _ => 1.0,
        }
    }

    /// The definition that an attention circuit stands for, in floats: `row`, before any factor of the input, becomes its
    /// weights. `None` for other circuits.
    pub fn define(&self, row: &mut [f64]) -> Option<()> {
        match &self.circuit {
            Circuit::Power(how, Form::Stable(inverse)) => {
                row.iter_mut().for_each(|x| *x *= inverse.first().copied().unwrap_or(1.0));
                how.define(row);
            }
            Circuit::Power(how, _) => how.define(row),
            Circuit::Sigma(f, length) => {
                let scale = 1.0 / libm::sqrt(*length as f64);
                row.iter_mut().for_each(|x| *x = scale * f.function().at(*x));
            }
            Circuit::Exp(_) => row.iter_mut().for_each(|x| *x = libm::exp(*x)),
            Circuit::BpMax(how, pattern) => {
                let divisor = how.pattern(1.0, 1.0) / pattern.first().copied().unwrap_or(1.0);
                row.iter_mut().for_each(|x| *x = how.define(*x, divisor));
            }
            Circuit::Cgf(how) => how.define(row),
            Circuit::Nexus(..) | Circuit::NormaliseAndSquare(_) => softmax::define(row),
            _ => return None,
        }
        Some(())
    }

    /// The error of a weight against [`Entry::define`] that is certified, where one is: weights are at most 1.
    pub fn certified_error(&self) -> Option<f64> {
        match &self.circuit {
            Circuit::Power(how, _) => Some(how.error()),
            Circuit::Sigma(f, length) => Some(f.error() / libm::sqrt(*length as f64)),
            Circuit::Exp(how) => Some(how.error()),
            Circuit::BpMax(..) => Some(0.0),
            Circuit::Cgf(how) => Some(how.error()),
            _ => None,
        }
    }

    /// Inputs spread over the range, the same on every machine.
    pub fn sample(&self, slots: usize, seed: u64) -> Vec<Vec<f64>> {
        let (lo, hi) = self.range;
        let mut state = seed;
        let mut unit = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..self.circuit.inputs())
            .map(|_| (0..slots).map(|_| (lo + (hi - lo) * unit()) * self.input_scale()).collect())
            .collect()
    }
}
