//! Named tensors of a safetensors file, f16 or f32, with the shapes of FORM.md.

use crate::files::{FileError, Mapped, MappedNumbers, Result};
use half::f16;
use polyformer_kernel::nn::{Matrix, Numbers};
use safetensors::{Dtype, SafeTensors};
use std::sync::Arc;

/// The tensors of one form.
pub struct Weights<'a> {
    tensors: SafeTensors<'a>,
    map: Option<&'a Arc<Mapped>>, // in which they lie, if they can stay there
}

impl<'a> Weights<'a> {
    /// Checks the file's own claims.
    ///
    /// # Errors
    /// `Header` if the bytes are not safetensors.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes).map_err(FileError::header)?;
        Ok(Self { tensors, map: None })
    }

    /// The same of bytes in a map: numbers stay there, and keep the map alive.
    ///
    /// # Errors
    /// `Header` if the bytes are not safetensors.
    pub fn shared(map: &'a Arc<Mapped>, bytes: &'a [u8]) -> Result<Self> {
        Ok(Self { map: Some(map), ..Self::parse(bytes)? })
    }

    /// The numbers of a tensor of this shape, all of them finite.
    ///
    /// # Errors
    /// `Tensor` if the tensor is missing, has another shape or type, or a number is not finite.
    pub fn numbers(&self, name: &str, shape: &[usize]) -> Result<Numbers<'static>> {
        let bad = |expected: String, actual: String| FileError::Tensor { tensor: name.into(), expected, actual };
        let tensor = self.tensors.tensor(name).map_err(|_| bad(format!("{shape:?}"), "missing".into()))?;
        if tensor.shape() != shape {
            return Err(bad(format!("{shape:?}"), format!("{:?}", tensor.shape())));
        }
        let data = tensor.data();
        let numbers = match tensor.dtype() {
            Dtype::F16 => match self.map.and_then(|map| MappedNumbers::halves(map, data)) {
                Some(halves) => halves,
                None => data.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect::<Vec<_>>().into(),
            },
            Dtype::F32 => match self.map.and_then(|map| MappedNumbers::singles(map, data)) {
                Some(singles) => singles,
                None => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>().into(),
            },
            other => return Err(bad("F16 or F32".into(), format!("{other:?}"))),
        };
        match (0..numbers.len()).find(|i| !numbers.at(*i).is_finite()) {
            Some(i) => Err(bad("finite".into(), format!("{} at {i}", numbers.at(i)))),
            None => Ok(numbers),
        }
    }

    /// `name`.weight and `name`.bias.
    ///
    /// # Errors
    /// `Tensor` if a tensor is missing, has another shape or type, or a number is not finite.
    pub fn map(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix<'static>> {
        let weight = self.numbers(&format!("{name}.weight"), &[rows, cols])?;
        let bias = self.numbers(&format!("{name}.bias"), &[rows])?;
        Matrix::of_finite(rows, cols, weight, bias).map_err(|e| FileError::Model(format!("{name}: {e}")))
    }
}
