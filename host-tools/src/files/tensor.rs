//! The tensors that a file must hold: names, shapes and element types.

use polyformer_kernel::ring::Basis;
use safetensors::Dtype;
use std::borrow::Cow;

/// The element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// U8.
    Bytes,
    /// U32, one row a modulus of the basis, over and over.
    Residues(Basis),
    /// F16.
    Half,
    /// F32.
    Single,
    /// I8.
    Int8,
}

impl ElementType {
    /// The type name of safetensors.
    pub fn dtype(self) -> Dtype {
        match self {
            ElementType::Bytes => Dtype::U8,
            ElementType::Residues(_) => Dtype::U32,
            ElementType::Half => Dtype::F16,
            ElementType::Single => Dtype::F32,
            ElementType::Int8 => Dtype::I8,
        }
    }

    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            ElementType::Bytes | ElementType::Int8 => 1,
            ElementType::Half => 2,
            ElementType::Residues(_) | ElementType::Single => 4,
        }
    }
}

/// The name, the shape and the element type that one tensor of a file must have.
pub struct Expected {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers.
    pub of: ElementType,
}
