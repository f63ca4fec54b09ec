//! The numbers that a model file can hold. A number that the stored form cannot hold is named before anything is written.

use super::{Packing, maps};
use crate::files::{self, FileError, Weights};
use half::f16;

impl Packing<'_> {
    /// Insists that the file can hold every number.
    pub(super) fn check_numbers(&self) -> files::Result<()> {
        let [token, position] = self.text.embeddings();
        for (name, table) in [("embeddings.token", token), ("embeddings.position", position)] {
            if self.weights != Weights::F32 {
                check_halves(name, table.len(), |i| table.at(i) as f64)?;
            }
        }
        for (map, m) in self.sizes().maps().iter().zip(maps(self.model)) {
            let (name, cols) = (format!("{}.weight", map.name), m.cols.max(1));
            match self.weights {
                Weights::F32 => {
                    let fits = |w: f64| (w as f32).is_finite();
                    check_range(&name, m.rows * m.cols, |i| m.at(i / cols, i % cols), fits, "f32")?;
                }
                Weights::F16 => check_halves(&name, m.rows * m.cols, |i| m.at(i / cols, i % cols))?,
                Weights::Int8 => {
                    let fits = |w: f64| ((w / 127.0) as f32 * 128.0).is_finite();
                    check_range(&name, m.rows * m.cols, |i| m.at(i / cols, i % cols), fits, "i8 with a scale in f32")?;
                }
            }
            check_range(&format!("{}.bias", map.name), m.rows, |i| m.bias(i), |x| (x as f32).is_finite(), "f32")?;
        }
        Ok(())
    }
}

/// Insists that each of `len` numbers is one that `fits` the stored form.
fn check_range(
    name: &str,
    len: usize,
    at: impl Fn(usize) -> f64,
    fits: impl Fn(f64) -> bool,
    stored: &str,
) -> files::Result<()> {
    match (0..len).find(|i| !fits(at(*i))) {
        Some(i) => {
            let what = format!("{name}: number {i} is {:e}, more than {stored} can hold", at(i));
            Err(FileError::Model(what))
        }
        None => Ok(()),
    }
}

/// Insists that each of `len` numbers is finite as a half float.
fn check_halves(name: &str, len: usize, at: impl Fn(usize) -> f64) -> files::Result<()> {
    check_range(name, len, at, |x| f16::from_f64(x).is_finite(), "f16 (65504)")
}
