//! Named tensors of a model: one safetensors file or several shards, f32, f16 or bf16. A tensor that a writer left out
//! because the tensor equals another one (tied weights) is found under the name that the file's metadata gives.

use crate::files::{FileError, Mapped, MappedNumbers, Result};
use half::{bf16, f16};
use polyformer_kernel::nn::{Matrix, Numbers};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::HashMap, sync::Arc};

/// The tensors of one form.
pub struct Weights<'a> {
    shards: Vec<SafeTensors<'a>>,
    ties: HashMap<String, String>,
    map: Option<&'a Arc<Mapped>>, // in which they lie, if they can stay there
}

impl<'a> Weights<'a> {
    /// Checks the file's own claims.
    ///
    /// # Errors
    /// `Header` if the bytes are not safetensors.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        Self::sharded([bytes])
    }

    /// The same of several files.
    ///
    /// # Errors
    /// `Header` if bytes are not safetensors; `Model` for a name in two files.
    pub fn sharded(files: impl IntoIterator<Item = &'a [u8]>) -> Result<Self> {
        let (mut shards, mut ties) = (Vec::<SafeTensors>::new(), HashMap::new());
        for bytes in files {
            let tensors = SafeTensors::deserialize(bytes).map_err(FileError::header)?;
            let (_, header) = SafeTensors::read_metadata(bytes).map_err(FileError::header)?;
            ties.extend(header.metadata().iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
            let twice = |name: &&str| shards.iter().any(|shard| shard.tensor(name).is_ok());
            if let Some(name) = tensors.names().into_iter().find(twice) {
                return Err(FileError::model(format!("the tensor {name:?} is in two files")));
            }
            shards.push(tensors);
        }
        Ok(Self { shards, ties, map: None })
    }

    /// The same of bytes in a map: numbers stay there, and keep the map alive.
    ///
    /// # Errors
    /// `Header` if the bytes are not safetensors.
    pub fn shared(map: &'a Arc<Mapped>, bytes: &'a [u8]) -> Result<Self> {
        Ok(Self { map: Some(map), ..Self::parse(bytes)? })
    }

    fn find(&self, name: &str) -> Option<TensorView<'a>> {
        let of = |name: &str| self.shards.iter().find_map(|shard| shard.tensor(name).ok());
        of(name).or_else(|| of(self.ties.get(name)?))
    }

    /// The shape of a tensor, or `None` without such a tensor.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.find(name).map(|tensor| tensor.shape().to_vec())
    }

    /// The numbers of a tensor of this shape, all of them finite.
    ///
    /// # Errors
    /// `Tensor` if the tensor is missing, has another shape or type, or a number is not finite.
    pub fn numbers(&self, name: &str, shape: &[usize]) -> Result<Numbers<'static>> {
        let tensor = self.find(name).ok_or_else(|| unlike(name, format!("{shape:?}"), "missing"))?;
        if tensor.shape() != shape {
            return Err(unlike(name, format!("{shape:?}"), format!("{:?}", tensor.shape())));
        }
        let data = tensor.data();
        let halves = |of: fn([u8; 2]) -> f32| data.as_chunks().0.iter().map(|b| of(*b)).collect::<Vec<_>>().into();
        let numbers = match tensor.dtype() {
            Dtype::F16 => match self.map.and_then(|map| MappedNumbers::halves(map, data)) {
                Some(mapped) => mapped,
                None => halves(|b| f16::from_le_bytes(b).to_f32()),
            },
            Dtype::BF16 => halves(|b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F32 => match self.map.and_then(|map| MappedNumbers::singles(map, data)) {
                Some(singles) => singles,
                None => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>().into(),
            },
            other => return Err(unlike(name, "F32, F16 or BF16", format!("{other:?}"))),
        };
        match (0..numbers.len()).find(|i| !numbers.at(*i).is_finite()) {
            Some(i) => Err(unlike(name, "finite", format!("{} at {i}", numbers.at(i)))),
            None => Ok(numbers),
        }
    }

    /// The numbers of a tensor of this shape as a list.
    ///
    /// # Errors
    /// Those of [`Weights::numbers`].
    pub fn list(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let numbers = self.numbers(name, shape)?;
        let mut list = vec![0.0; numbers.len()];
        numbers.copy(0, &mut list);
        Ok(list)
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

fn unlike(name: &str, expected: impl Into<String>, actual: impl Into<String>) -> FileError {
    FileError::Tensor { tensor: name.into(), expected: expected.into(), actual: actual.into() }
}

#[cfg(test)]
mod tests {
    use super::Weights;
    use half::{bf16, f16};
    use safetensors::{Dtype, tensor::TensorView};
    use std::collections::HashMap;

    fn file(name: &str, dtype: Dtype, bytes: &[u8], ties: &[(&str, &str)]) -> Vec<u8> {
        let view = TensorView::new(dtype, vec![1, 3], bytes).unwrap();
        let ties: HashMap<String, String> = ties.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        safetensors::serialize([(name, view)], Some(ties)).unwrap()
    }

    #[test]
    fn numbers_of_every_type_and_of_every_shard_are_read() {
        let values = [0.5f32, -2.0, 3.25];
        let single: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let half: Vec<u8> = values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        let brain: Vec<u8> = values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect();
        let files = [
            file("a", Dtype::F32, &single, &[("tied", "b")]),
            file("b", Dtype::F16, &half, &[]),
            file("c", Dtype::BF16, &brain, &[]),
        ];
        let weights = Weights::sharded(files.iter().map(|f| &f[..])).unwrap();
        for name in ["a", "b", "c", "tied"] {
            assert_eq!(weights.list(name, &[1, 3]).unwrap(), values, "{name}");
        }
        assert_eq!((weights.shape("c"), weights.shape("d")), (Some(vec![1, 3]), None));
        let error = |name: &str, shape: &[usize]| weights.numbers(name, shape).unwrap_err().to_string();
        assert!(error("d", &[3]).contains("missing") && error("a", &[3]).contains("[1, 3]"), "{}", error("a", &[3]));
        let twice = Weights::sharded([&files[0][..], &files[0][..]]).err().unwrap().to_string();
        assert!(twice.contains("in two files"), "{twice}");
        let longs = file("e", Dtype::I64, &[0; 24], &[]);
        let error = Weights::parse(&longs).unwrap().numbers("e", &[1, 3]).unwrap_err().to_string();
        assert!(error.contains("F32, F16 or BF16") && error.contains("I64"), "{error}");
    }
}
