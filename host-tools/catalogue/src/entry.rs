//! A named circuit with the range of its inputs, test inputs, and the function that the circuit approximates.

use crate::{Circuit, Form, SampleNumbers};
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
            Circuit::Power(config, Form::Folded) => config.input_scale(),
            Circuit::FoldedLayerNorm(config) => config.input_scale(),
            Circuit::BpMax(config, _) => config.input_scale(),
            Circuit::Reciprocal(config) => config.scale(),
            Circuit::InverseRoot(config) => config.scale(),
            _ => 1.0,
        }
    }

    /// The definition of an attention circuit in floats: replaces `row`, before any factor of the input, by its
    /// weights. `None` for other circuits.
    pub fn define(&self, row: &mut [f64]) -> Option<()> {
        match &self.circuit {
            Circuit::Power(config, Form::Stable(inverse)) => {
                row.iter_mut().for_each(|x| *x *= inverse.first().copied().unwrap_or(1.0));
                config.define(row);
            }
            Circuit::Power(config, _) => config.define(row),
            Circuit::Sigma(f, length) => {
                let scale = 1.0 / libm::sqrt(*length as f64);
                row.iter_mut().for_each(|x| *x = scale * f.function().at(*x));
            }
            Circuit::Exp(_) => row.iter_mut().for_each(|x| *x = libm::exp(*x)),
            Circuit::BpMax(config, pattern) => {
                let divisor = config.pattern(1.0, 1.0) / pattern.first().copied().unwrap_or(1.0);
                row.iter_mut().for_each(|x| *x = config.define(*x, divisor));
            }
            Circuit::Cgf(config) => config.define(row),
            Circuit::Nexus(..) | Circuit::NormaliseAndSquare(_) => softmax::define(row),
            _ => return None,
        }
        Some(())
    }

    /// The certified error of a weight against [`Entry::define`], or `None`. Weights are at most 1.
    pub fn certified_error(&self) -> Option<f64> {
        match &self.circuit {
            Circuit::Power(config, _) => Some(config.error()),
            Circuit::Sigma(f, length) => Some(f.error() / libm::sqrt(*length as f64)),
            Circuit::Exp(config) => Some(config.error()),
            Circuit::BpMax(..) => Some(0.0),
            Circuit::Cgf(config) => Some(config.error()),
            _ => None,
        }
    }

    /// Inputs spread over the range, the same on every machine.
    pub fn sample(&self, slots: usize, seed: u64) -> Vec<Vec<f64>> {
        let (lo, hi) = self.range;
        let mut numbers = SampleNumbers::new(seed);
        (0..self.circuit.inputs())
            .map(|_| (0..slots).map(|_| (lo + (hi - lo) * numbers.unit()) * self.input_scale()).collect())
            .collect()
    }
}
