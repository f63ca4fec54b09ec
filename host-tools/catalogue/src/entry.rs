//! A named circuit with the range of its inputs, test inputs, and the function that the circuit approximates.

use crate::{Circuit, Form};
use polyformer_kernel::circuits::{attention::softmax, reduce::RowLayout};

/// A circuit, the layout of its rows, and the range of its inputs.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The circuit.
    pub circuit: Circuit,
    /// The layout of the rows.
    pub rows: RowLayout,
    /// The range of its inputs.
    pub range: (f64, f64),
}

impl Entry {
    /// The factor of an input before the circuit: folded factors, and the factors of divisions.
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

    /// The definition of an attention circuit in floats: replaces `row`, before any factor of the input, by its
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

    /// The certified error of a weight against [`Entry::define`], or `None`. Weights are at most 1.
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
