//! Weights at their storage place: owned by a host, in the map of a file, or in the flash of a small client. The stored
//! form is f32, f16, or bytes with a scale for each row. A reader gets each number as f32.

use crate::{
    error::{Error, Result},
    eval::clear::Number,
};
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
use alloc::sync::Arc;
#[cfg(feature = "alloc")]
use alloc::vec::Vec;
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
use core::fmt;
use core::ops::Deref;
use half::f16;

/// A slice that is owned (with an allocator) or borrowed from the caller's memory.
#[derive(Clone, Debug)]
pub enum Stored<'w, T> {
    /// On the heap.
    #[cfg(feature = "alloc")]
    Owned(Vec<T>),
    /// In the caller's memory.
    Borrowed(&'w [T]),
}

impl<T> Deref for Stored<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            #[cfg(feature = "alloc")]
            Self::Owned(v) => v,
            Self::Borrowed(s) => s,
        }
    }
}

impl<T: PartialEq> PartialEq for Stored<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

/// An owner of numbers that several matrices keep alive, for example the map of a file.
#[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
pub trait NumberSource: fmt::Debug + Send + Sync {
    /// The numbers, borrowed from the owner. The numbers are the same at each call.
    fn numbers(&self) -> Numbers<'_>;
}

/// Numbers of a matrix.
#[derive(Clone, Debug)]
pub enum Numbers<'w> {
    /// F32 floats.
    F32(Stored<'w, f32>),
    /// F16 floats, little end first, as in files.
    F16(Stored<'w, [u8; 2]>),
    /// Bytes with a scale for each row.
    Int8 {
        /// The bytes, row by row.
        values: Stored<'w, i8>,
        /// The factor of the bytes of each row.
        scale: Stored<'w, f32>,
        /// Numbers in a row.
        cols: usize,
    },
    /// The errors of an owner.
    #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
    Shared(Arc<dyn NumberSource>),
}

impl Numbers<'_> {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F16(x) => x.len(),
            Self::Int8 { values, .. } => values.len(),
            #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
            Self::Shared(source) => source.numbers().len(),
        }
    }

    /// Whether the slice is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number i; 0 beyond the last.
    pub fn at(&self, i: usize) -> f32 {
        match self {
            Self::F32(x) => x.get(i).copied(),
            Self::F16(x) => x.get(i).map(|b| f16::from_le_bytes(*b).to_f32()),
            Self::Int8 { values, scale, cols } => {
                let scale = i.checked_div(*cols).and_then(|row| scale.get(row));
                values.get(i).zip(scale).map(|(x, scale)| *x as f32 * scale)
            }
            #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
            Self::Shared(source) => Some(source.numbers().at(i)),
        }
        .unwrap_or(0.0)
    }

    /// Numbers `start` .. `start` + `out.len()`.
    pub fn copy<F: Number>(&self, start: usize, out: &mut [F]) {
        match self {
            Self::F32(x) => out.iter_mut().zip(x.iter().skip(start)).for_each(|(o, x)| *o = F::single(*x)),
            Self::F16(x) => {
                let numbers = x.iter().skip(start).map(|b| f16::from_le_bytes(*b).to_f32());
                out.iter_mut().zip(numbers).for_each(|(o, x)| *o = F::single(x));
            }
            Self::Int8 { .. } => {
                out.iter_mut().enumerate().for_each(|(k, o)| *o = F::single(self.at(start + k)));
            }
            #[cfg(all(feature = "alloc", target_has_atomic = "ptr"))]
            Self::Shared(source) => source.numbers().copy(start, out),
        }
    }
}

/// Equal values, whatever the stored form.
impl PartialEq for Numbers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && (0..self.len()).all(|i| self.at(i) == other.at(i))
    }
}

#[cfg(feature = "alloc")]
impl From<Vec<f32>> for Numbers<'_> {
    fn from(x: Vec<f32>) -> Self {
        Self::F32(Stored::Owned(x))
    }
}

/// y = factor (W x + b): `rows` outputs, `cols` inputs, W row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<'w> {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub cols: usize,
    weight: Numbers<'w>,
    bias: Numbers<'w>,
    factor: f64,
}

impl<'w> Matrix<'w> {
    /// `weight` is rows x cols long, `bias` rows. Reads every number once.
    ///
    /// # Errors
    /// `Length` if a length is another, `NotFinite` with the first number that is not finite: of `weight`, then of `bias`.
    pub fn new(rows: usize, cols: usize, weight: impl Into<Numbers<'w>>, bias: impl Into<Numbers<'w>>) -> Result<Self> {
        let matrix = Self::of_finite(rows, cols, weight, bias)?;
        let (weight, bias) = (&matrix.weight, &matrix.bias);
        let all = (0..weight.len()).map(|i| weight.at(i)).chain((0..rows).map(|i| bias.at(i)));
        if let Some(slot) = all.map(f32::is_finite).position(|finite| !finite) {
            return Err(Error::NotFinite { slot });
        }
        Ok(matrix)
    }

    /// The same of numbers that the caller knows to be finite. Reads no number.
    ///
    /// # Errors
    /// `Length` if `weight` is not rows x cols long or `bias` not rows.
    pub fn of_finite(
        rows: usize,
        cols: usize,
        weight: impl Into<Numbers<'w>>,
        bias: impl Into<Numbers<'w>>,
    ) -> Result<Self> {
        let (weight, bias) = (weight.into(), bias.into());
        for (expected, actual) in [(rows * cols, weight.len()), (rows, bias.len())] {
            if expected != actual || expected == 0 {
                return Err(Error::Length { expected, actual });
            }
        }
        Ok(Self { rows, cols, weight, bias, factor: 1.0 })
    }

    /// Weight of input j in output i; 0 beyond the matrix.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        if i < self.rows && j < self.cols { self.weight.at(i * self.cols + j) as f64 * self.factor } else { 0.0 }
    }

    /// Bias of output i; 0 beyond the matrix.
    pub fn bias(&self, i: usize) -> f64 {
        self.bias.at(i) as f64 * self.factor
    }

    /// Row i of W in `out`, `cols` long, and its bias, both without the factor, which is returned, too.
    pub fn row<F: Number>(&self, i: usize, out: &mut [F]) -> (F, F) {
        self.weight.copy(i * self.cols, out);
        (F::single(self.bias.at(i)), F::of(self.factor))
    }

    /// c W x + c b
    pub fn scaled(mut self, c: f64) -> Self {
        self.factor *= c;
        self
    }
}

#[cfg(feature = "alloc")]
impl<'w> Matrix<'w> {
    /// W (V x + a) + b
    ///
    /// # Errors
    /// [`Error::Length`] if the columns of `self` are not the rows of `first`.
    pub fn after(&self, first: &Matrix<'_>) -> Result<Matrix<'static>> {
        if self.cols != first.rows {
            return Err(Error::Length { expected: self.cols, actual: first.rows });
        }
        let dot = |i: usize, f: &dyn Fn(usize) -> f64| (0..self.cols).map(|k| self.at(i, k) * f(k)).sum::<f64>();
        let entries = (0..self.rows).flat_map(|i| (0..first.cols).map(move |j| (i, j)));
        let weight: Vec<f32> = entries.map(|(i, j)| dot(i, &|k| first.at(k, j)) as f32).collect();
        let bias: Vec<f32> = (0..self.rows).map(|i| (self.bias(i) + dot(i, &|k| first.bias(k))) as f32).collect();
        Matrix::new(self.rows, first.cols, weight, bias)
    }

    /// W x
    pub fn without_bias(mut self) -> Self {
        self.bias = alloc::vec![0.0; self.rows].into();
        self
    }

    /// W (g x + h) + b, with a factor g_j and a sum h_j for each input.
    ///
    /// # Errors
    /// [`Error::Length`] if there is not one factor and one sum for each input; [`Error::NotFinite`] if a result is not
    /// finite.
    pub fn of_affine(&self, gain: &Numbers<'_>, sum: &Numbers<'_>) -> Result<Self> {
        for given in [gain.len(), sum.len()] {
            if given != self.cols {
                return Err(Error::Length { expected: self.cols, actual: given });
            }
        }
        let entries = (0..self.rows).flat_map(|i| (0..self.cols).map(move |j| (i, j)));
        let weight: Vec<f32> = entries.map(|(i, j)| (self.at(i, j) * gain.at(j) as f64) as f32).collect();
        let dot = |i: usize| (0..self.cols).map(|j| self.at(i, j) * sum.at(j) as f64).sum::<f64>();
        let bias: Vec<f32> = (0..self.rows).map(|i| (self.bias(i) + dot(i)) as f32).collect();
        Matrix::new(self.rows, self.cols, weight, bias)
    }

    /// W x + b + h, with a number h_i for each output.
    ///
    /// # Errors
    /// [`Error::Length`] if there is not one number for each output; [`Error::NotFinite`] if a result is not finite.
    pub fn plus(self, sum: &Numbers<'_>) -> Result<Self> {
        if sum.len() != self.rows {
            return Err(Error::Length { expected: self.rows, actual: sum.len() });
        }
        self.with_sums(|i| sum.at(i) as f64)
    }

    /// W x + b + c, with one number c for all outputs.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a result is not finite.
    pub fn plus_each(self, c: f64) -> Result<Self> {
        self.with_sums(|_| c)
    }

    fn with_sums(mut self, sum: impl Fn(usize) -> f64) -> Result<Self> {
        let bias = (0..self.rows).map(|i| (self.bias.at(i) as f64 + sum(i) / self.factor) as f32);
        let bias: Vec<f32> = bias.collect();
        if let Some(slot) = bias.iter().position(|x| !x.is_finite()) {
            return Err(Error::NotFinite { slot });
        }
        self.bias = bias.into();
        Ok(self)
    }

    /// The numbers of W and b, without the factor.
    pub fn numbers(&self) -> (&Numbers<'w>, &Numbers<'w>) {
        (&self.weight, &self.bias)
    }
}

#[cfg(test)]
mod tests {
    use super::{Matrix, NumberSource, Numbers, Stored};
    use crate::Error;
    use half::f16;
    use std::vec::Vec;

    #[test]
    fn half_floats_in_flash_are_the_numbers_that_they_stand_for() {
        let singles: Vec<f32> = [0.5, -1.25, 3.0e-6, 65504.0, -0.0, 7.0].to_vec();
        let bytes: Vec<[u8; 2]> = singles.iter().map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        let bias = [1.0, 2.0];
        let m =
            Matrix::new(2, 3, Numbers::F16(Stored::Borrowed(&bytes)), Numbers::F32(Stored::Borrowed(&bias))).unwrap();
        for (i, x) in singles.iter().enumerate() {
            assert_eq!(m.at(i / 3, i % 3), f16::from_f32(*x).to_f64());
        }
        let mut row = [0.0f32; 3];
        assert_eq!(m.clone().scaled(2.0).row(1, &mut row), (2.0, 2.0));
        assert_eq!(row, [65504.0, -0.0, 7.0]);
        assert_eq!((m.clone().scaled(2.0).bias(1), m.bias(2), m.at(0, 3)), (4.0, 0.0, 0.0));
    }

    #[test]
    fn a_byte_counts_the_scale_of_its_row() {
        let (values, scale) = ([1, -2, 127, -127], [0.5, 0.1]);
        let weight = Numbers::Int8 { values: Stored::Borrowed(&values), scale: Stored::Borrowed(&scale), cols: 2 };
        let m = Matrix::new(2, 2, weight, Numbers::F32(Stored::Borrowed(&[0.0, 0.0]))).unwrap();
        let mut row = [0.0f32; 2];
        m.row(1, &mut row);
        assert_eq!(row, [127.0 * 0.1, -127.0 * 0.1]);
        assert_eq!([m.at(0, 0), m.at(0, 1), m.at(1, 0)], [0.5, -1.0, (127.0f32 * 0.1) as f64]);
    }

    #[test]
    fn shared_numbers_are_those_of_their_owner() {
        #[derive(Debug)]
        struct Owner([f32; 2]);
        impl NumberSource for Owner {
            fn numbers(&self) -> Numbers<'_> {
                Numbers::F32(Stored::Borrowed(&self.0))
            }
        }
        let owner = std::sync::Arc::new(Owner([1.5, -2.0]));
        let m = Matrix::new(1, 2, Numbers::Shared(owner), std::vec![0.0]).unwrap();
        let mut row = [0.0f64; 2];
        m.row(0, &mut row);
        assert_eq!((row, m.at(0, 1)), ([1.5, -2.0], -2.0));
        assert_eq!(m.numbers().0, &Numbers::F32(Stored::Borrowed(&[1.5, -2.0])));
    }

    #[test]
    fn shapes_and_numbers_that_are_none_are_errors() {
        let of = |w: &[[u8; 2]]| {
            Matrix::new(1, 2, Numbers::F16(Stored::Borrowed(w)), Numbers::F32(Stored::Borrowed(&[0.0]))).map(|_| ())
        };
        assert_eq!(of(&[[0, 0]]), Err(Error::Length { expected: 2, actual: 1 }));
        assert_eq!(of(&[[0, 0], [0, 0x7c]]), Err(Error::NotFinite { slot: 1 }));
        assert_eq!(of(&[[0, 0], [1, 0]]), Ok(()));
    }
}
