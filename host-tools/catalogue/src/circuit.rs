//! A circuit as a value: its parameters, and one function that runs the circuit on any evaluator.

use polyformer_kernel::{
    arith::Arithmetic,
    circuits::{
        activation::quadratic,
        approx::Approximation,
        attention::{
            pointwise,
            power::{self, PowerSoftmax},
            softmax,
        },
        exp::{Exp, exp},
        inv_sqrt::{InverseRoot, inverse_root},
        linear,
        matmul::{self, Heads},
        norm::{self, Norm},
        poly::evaluate,
        reciprocal::{Division, reciprocal},
        reduce::{RowLayout, masked, row_sums},
        sign::{self, Sign},
    },
    error::{Error, Result},
};

/// A circuit with its parameters.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few dozen of them exist")]
pub enum Circuit {
    /// PowerSoftmax. Scores of a folded form are multiplied by [`PowerSoftmax::input_scale`].
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

impl Circuit {
    /// The number of input vectors.
    pub fn inputs(&self) -> usize {
        match self {
            Circuit::Attention(_) | Circuit::GaussianExponent => 3,
            Circuit::Bicyclic(..) => 2,
            Circuit::Batched(features, _) => *features,
            _ => 1,
        }
    }

    /// Replaces its inputs by its outputs.
    ///
    /// # Errors
    /// `Length` if `xs` are not [`Circuit::inputs`] vectors; else the errors of the circuit and of the
    /// evaluator.
    pub fn run<A: Arithmetic>(&self, ev: &mut A, xs: &mut Vec<A::Slots>, rows: &RowLayout) -> Result<()> {
        if xs.len() != self.inputs() {
            return Err(Error::Length { expected: self.inputs(), actual: xs.len() });
        }
        match self {
            Circuit::Power(config, Form::Direct) => power::power_softmax(ev, config, xs, rows)?,
            Circuit::Power(config, Form::Folded) => power::folded(ev, config, xs, rows)?,
            Circuit::Power(config, Form::Published) => power::published(ev, config, xs, rows)?,
            Circuit::Power(config, Form::Stable(inverse)) => power::stable(ev, config, xs, rows, inverse)?,
            Circuit::Sigma(sigma, length) => pointwise::scaled_sigma(ev, sigma, xs, *length)?,
            Circuit::BpMax(config, pattern) => pointwise::bpmax(ev, config, xs, &[pattern])?,
            Circuit::Cgf(config) => softmax::cgf(ev, config, xs, rows)?,
            Circuit::Nexus(squarings, division) => softmax::nexus(ev, *squarings, division, xs, rows)?,
            Circuit::NormaliseAndSquare(config) => softmax::normalise_and_square(ev, config, xs, rows)?,
            Circuit::LayerNorm(config) => norm::layer_norm(ev, config, xs, rows)?,
            Circuit::FoldedLayerNorm(config) => norm::folded_layer_norm(ev, config, xs, rows)?,
            Circuit::RmsNorm(config) => norm::rms_norm(ev, config, xs, rows)?,
            Circuit::Centre(length) => norm::subtract_mean(ev, xs, rows, *length)?,
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
            Circuit::Exp(config) => exp(ev, config, x),
            Circuit::Quadratic(b, c) => quadratic(ev, x, *b, *c),
            Circuit::Activation(f) => evaluate(ev, f.poly(), x),
            Circuit::Relu(config) => sign::relu(ev, config, x),
            Circuit::Reciprocal(config) => reciprocal(ev, config, x),
            Circuit::InverseRoot(config) => inverse_root(ev, config, x),
            Circuit::Mask(pattern) => masked(ev, x, pattern),
            Circuit::BatchNorm(a, b) => norm::affine(ev, x, a, b),
            _ => Err(Error::Unsupported { what: "a circuit that has no arm in `Circuit::run`" }),
        }
    }
}

/// A typical entry of a weight matrix, in [-1, 1].
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
