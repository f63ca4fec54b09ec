//! Named tensors of a safetensors file, f16 or f32, with the shapes that FORM.md gives them.

use crate::files::{FileError, Result};
use half::f16;
use polyformer_kernel::nn::Matrix;
use safetensors::{Dtype, SafeTensors};

/// The tensors of one form.
pub struct Weights<'a> {
    tensors: SafeTensors<'a>,
}

impl<'a> Weights<'a> {
    /// Checks the file's own claims.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| FileError::Header(e.to_string()))?;
        Ok(Self { tensors })
    }

    /// The numbers of a tensor of this shape, all of them finite.
    pub fn numbers(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let bad = |expected: String, actual: String| FileError::Tensor { tensor: name.into(), expected, actual };
        let tensor = self.tensors.tensor(name).map_err(|_| bad(format!("{shape:?}"), "missing".into()))?;
        if tensor.shape() != shape {
            return Err(bad(format!("{shape:?}"), format!("{:?}", tensor.shape())));
        }
        let numbers: Vec<f32> = match tensor.dtype() {
            Dtype::F16 => tensor.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::F32 => tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            other => return Err(bad("F16 or F32".into(), format!("{other:?}"))),
        };
        match numbers.iter().position(|x| !x.is_finite()) {
            Some(i) => Err(bad("finite".into(), format!("{} at {i}", numbers[i]))),
            None => Ok(numbers),
        }
    }

    /// `name`.weight and `name`.bias.
    pub fn map(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix<'static>> {
        let weight = self.numbers(&format!("{name}.weight"), &[rows, cols])?;
        let bias = self.numbers(&format!("{name}.bias"), &[rows])?;
        Matrix::new(rows, cols, weight, bias).map_err(|e| FileError::Model(format!("{name}: {e}")))
    }
}
