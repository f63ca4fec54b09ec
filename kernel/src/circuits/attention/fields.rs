//! The parameters of a variant in a model file: numbers, words and polynomials by name.

use crate::{circuits::poly::Polynomial, error::Error};
use core::fmt;

/// Parameters by name.
pub trait Fields {
    /// The number of this name, or `None`.
    fn number(&self, name: &str) -> Option<f64>;
    /// The word of this name, or `None`.
    fn text(&self, name: &str) -> Option<&str>;
    /// The polynomial of this name, if the model was trained with one.
    fn polynomial(&self, name: &str) -> Option<Polynomial>;
}

/// A value that is made from fields.
pub trait FromFields: Sized {
    /// The name in model files.
    const NAME: &'static str;
    /// The value of these fields.
    ///
    /// # Errors
    /// The field that is missing or wrong.
    fn from_fields(fields: &impl Fields) -> Result<Self, FieldError>;
}

/// The fault of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldError {
    /// No variant has this name.
    Unknown,
    /// A field is missing, or not of its kind.
    Missing(&'static str),
    /// The fields do not make a circuit.
    Invalid(Error),
}

impl From<Error> for FieldError {
    fn from(error: Error) -> Self {
        Self::Invalid(error)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => write!(f, "no attention of this name is known"),
            Self::Missing(field) => write!(f, "the field {field:?} is missing or of another kind"),
            Self::Invalid(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for FieldError {}

/// The number of a field that the file must have.
pub(super) fn number(fields: &impl Fields, name: &'static str) -> Result<f64, FieldError> {
    fields.number(name).ok_or(FieldError::Missing(name))
}

/// A number that must be an integer from 0 to `most`.
pub(super) fn integer(fields: &impl Fields, name: &'static str, most: u32) -> Result<u32, FieldError> {
    let x = number(fields, name)?;
    if libm::trunc(x) == x && (0.0..=most as f64).contains(&x) { Ok(x as u32) } else { Err(FieldError::Missing(name)) }
}
