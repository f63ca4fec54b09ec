//! Circuits: the polynomial parts of a transformer, written once over [`Arithmetic`]. A circuit uses arithmetic and
//! errors alone. The evaluator decides whether a run gives numbers, costs, errors or ciphertexts.
//!
//! The modules, from the bottom up: [`poly`] evaluates polynomials. [`approx`] makes polynomials and certifies their
//! errors. [`reciprocal`] and [`inv_sqrt`] divide. [`reduce`] sums along rows. [`activation`], [`norm`] and
//! [`attention`] use these modules. [`linear`] and [`matmul`] multiply matrices.
//!
//! A circuit on numbers; a tracer or ciphertexts take the place of `ClearArray` without another change:
//!
//! ```
//! use polyformer_kernel::{
//!     arith::Arithmetic,
//!     circuits::{approx::interpolate, poly::{Polynomial, evaluate}},
//!     eval::clear::ClearArray,
//! };
//!
//! fn third_power<A: Arithmetic>(ev: &mut A, p: &Polynomial, x: &A::Slots) -> polyformer_kernel::Result<A::Slots> {
//!     evaluate(ev, p, x)
//! }
//!
//! let p = interpolate(|x| x * x * x, (-1.0, 1.0), 3)?;
//! let [y] = third_power(&mut ClearArray::<f64, 1>::new(), &p, &[0.5])?;
//! assert!((y - 0.125).abs() < 1e-12);
//! # Ok::<(), polyformer_kernel::Error>(())
//! ```

use crate::{
    arith::Arithmetic,
    error::{Error, Result},
};

pub mod activation;
pub mod approx;
pub mod attention;
pub mod exp;
pub mod inv_sqrt;
#[cfg(feature = "alloc")]
pub mod linear;
#[cfg(feature = "alloc")]
pub mod matmul;
pub mod norm;
pub mod poly;
pub mod reciprocal;
pub mod reduce;
pub mod sign;

/// The two vectors, at the lower of their levels. Depth 0.
///
/// # Errors
/// The errors of [`Arithmetic::drop_to_level`].
pub fn aligned<A: Arithmetic>(ev: &mut A, x: A::Slots, y: A::Slots) -> Result<(A::Slots, A::Slots)> {
    let level = ev.level(&x).min(ev.level(&y));
    Ok((ev.drop_to_level(x, level)?, ev.drop_to_level(y, level)?))
}

/// Levels of a product of two vectors.
pub const PRODUCT_DEPTH: u8 = 1;

/// xy for operands at any two levels: the higher one is lowered first. Depth [`PRODUCT_DEPTH`] below the lower one.
///
/// # Errors
/// [`crate::Error::LevelExhausted`] if the lower operand is at level 0.
pub fn mul_aligned<A: Arithmetic>(ev: &mut A, x: &A::Slots, y: &A::Slots) -> Result<A::Slots> {
    let (a, b) = (ev.level(x), ev.level(y));
    if a > b {
        let x = ev.copy_at_level(x, b)?;
        ev.product(&x, y)
    } else if b > a {
        let y = ev.copy_at_level(y, a)?;
        ev.product(x, &y)
    } else {
        ev.product(x, y)
    }
}

/// c - x. Depth 0.
///
/// # Errors
/// Errors of the backend's memory.
pub fn const_minus<A: Arithmetic>(ev: &mut A, c: f64, x: &A::Slots) -> Result<A::Slots> {
    let mut y = ev.copy(x)?;
    ev.neg(&mut y)?;
    ev.add_const(&mut y, c)?;
    Ok(y)
}

/// x^p for p > 0 by squarings, and a product for each further bit of p. Depth log2 p, rounded up.
///
/// # Errors
/// [`crate::Error::BadPower`] for p = 0; [`crate::Error::LevelExhausted`] if x has fewer levels than the depth.
pub fn power<A: Arithmetic>(ev: &mut A, x: &A::Slots, p: u32) -> Result<A::Slots> {
    if p < 2 {
        return if p == 1 { ev.copy(x) } else { Err(Error::BadPower { power: 0, most: u32::MAX }) };
    }
    let mut low = if p & 1 == 1 { Some(ev.copy(x)?) } else { None }; // x to the bits of p below k
    let mut square = ev.product(x, x)?; // x^(2^k)
    let mut rest = p >> 1;
    while rest > 1 {
        if rest & 1 == 1 {
            low = Some(match low {
                None => ev.copy(&square)?,
                Some(y) => mul_aligned(ev, &square, &y)?,
            });
        }
        square = ev.product(&square, &square)?;
        rest >>= 1;
    }
    match low {
        None => Ok(square),
        Some(y) => mul_aligned(ev, &square, &y),
    }
}
