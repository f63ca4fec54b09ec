//! Arithmetic on vectors of slots. Circuits are written against the trait [`Arithmetic`], and each evaluator implements
//! the trait.
//!
//! A circuit is a function over `A: Arithmetic`. Here floats run a circuit of depth 1:
//!
//! ```
//! use polyformer_kernel::{
//!     arith::{Arithmetic, Sum},
//!     eval::clear::ClearArray,
//! };
//!
//! /// The sum of x_i y_i over pairs of vectors: one relinearisation, one rescale.
//! fn dot<A: Arithmetic>(ev: &mut A, pairs: &[(A::Slots, A::Slots)]) -> polyformer_kernel::Result<A::Slots> {
//!     let mut sum = Sum::default();
//!     for (x, y) in pairs {
//!         let term = ev.mul(x, y)?; // a product may be accumulated or rescaled, nothing else
//!         sum.add(ev, term)?;
//!     }
//!     sum.rescale(ev)
//! }
//!
//! let mut ev = ClearArray::<f64, 2>::new();
//! assert_eq!(dot(&mut ev, &[([1.0, 2.0], [3.0, 4.0]), ([5.0, 6.0], [7.0, 8.0])])?, [38.0, 56.0]);
//! # Ok::<(), polyformer_kernel::Error>(())
//! ```

use crate::{
    error::{Error, Result},
    math::complex::Complex,
};

#[cfg(feature = "alloc")]
pub mod cost;
mod sum;
pub mod wrapper;

pub use sum::Sum;

/// A circuit is a function over `A: Arithmetic`. The function is written once and runs on floats, on intervals, on a
/// cost tracer, and on ciphertexts over any backend.
///
/// A product is a [`Wide`](Arithmetic::Wide) value, at squared scale and possibly quadratic in the secret. A product
/// can only be accumulated or rescaled. A forgotten rescale therefore does not compile, and a sum of products is
/// relinearised once.
///
/// Every value has a level. Operands of one operation have the same level ([`crate::Error::LevelMismatch`] otherwise),
/// and each rescale goes one level down ([`crate::Error::LevelExhausted`] at level 0).
///
/// # Errors
///
/// Each operation on ciphertexts can fail for lack of memory ([`Error::OutOfMemory`], [`Error::DeviceMemory`]). A
/// product of two vectors and a rotation can fail for lack of a key ([`Error::MissingRelinKey`],
/// [`Error::MissingGaloisKey`], [`Error::KeyLevel`]). Each method documents its other errors.
pub trait Arithmetic {
    /// A vector of `slots()` numbers.
    type Slots;
    /// An un-rescaled product.
    type Wide;
    /// A public vector, encoded for one level.
    type Plaintext;
    /// Several rotations of one vector.
    type Hoisted;

    /// Slots of a vector.
    fn slots(&self) -> usize;
    /// Levels left before a `refresh` is needed.
    fn level(&self, x: &Self::Slots) -> u8;
    /// Encodes a public vector for operands at `level`. The length of `values` divides `slots()`, and the values are
    /// repeated.
    ///
    /// # Errors
    ///
    /// [`Error::Slots`] if the length does not divide `slots()`; [`Error::NotFinite`]; [`Error::TooLarge`] if a value times
    /// the scale does not fit the base modulus.
    fn encode(&mut self, values: &[f64], level: u8) -> Result<Self::Plaintext>;
    /// Encodes a public vector for [`Arithmetic::transform`] of operands at `level`.
    ///
    /// # Errors
    ///
    /// The errors of [`Arithmetic::encode`]; [`Error::LevelExhausted`] at level 0.
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<Self::Plaintext>;

    /// A second, independent copy.
    fn copy(&mut self, x: &Self::Slots) -> Result<Self::Slots>;
    /// x += y. Depth 0.
    ///
    /// # Errors
    ///
    /// [`Error::LevelMismatch`] if x and y sit at different levels.
    fn add(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()>;
    /// x -= y. Depth 0.
    ///
    /// # Errors
    ///
    /// [`Error::LevelMismatch`] if x and y sit at different levels.
    fn sub(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()>;
    /// x += p. Depth 0.
    ///
    /// # Errors
    ///
    /// [`Error::LevelMismatch`] if p was encoded for another level.
    fn add_plain(&mut self, x: &mut Self::Slots, p: &Self::Plaintext) -> Result<()>;
    /// x = -x
    fn neg(&mut self, x: &mut Self::Slots) -> Result<()>;
    /// x += c in every slot
    fn add_const(&mut self, x: &mut Self::Slots, c: f64) -> Result<()>;
    /// x = kx for a small integer, exactly and without a level. Costs log2|k| bits of headroom.
    fn mul_int(&mut self, x: &mut Self::Slots, k: i32) -> Result<()>;

    /// xy slot by slot. Depth 1 with the rescale.
    ///
    /// # Errors
    ///
    /// [`Error::LevelMismatch`] if x and y sit at different levels.
    fn mul(&mut self, x: &Self::Slots, y: &Self::Slots) -> Result<Self::Wide>;
    /// xp slot by slot. Depth 1 with the rescale.
    ///
    /// # Errors
    ///
    /// [`Error::LevelMismatch`] if p was encoded for another level.
    fn mul_plain(&mut self, x: &Self::Slots, p: &Self::Plaintext) -> Result<Self::Wide>;
    /// cx in every slot. Depth 1 with the rescale.
    fn mul_const(&mut self, x: &Self::Slots, c: f64) -> Result<Self::Wide>;
    /// Σ c_i x_i over at least one term, as a product at `level`. Each term is at `level`, or above that level if
    /// [`Arithmetic::fits`] is true for the term.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without terms; [`Error::LevelMismatch`] if a term does not fit.
    fn weighted_sum(&mut self, terms: &[(&Self::Slots, f64)], _level: u8) -> Result<Self::Wide> {
        let ((x, c), rest) = terms.split_first().ok_or(Error::Empty { what: "terms of a sum" })?;
        let mut sum = self.mul_const(x, *c)?;
        for (x, c) in rest {
            let term = self.mul_const(x, *c)?;
            self.accumulate(&mut sum, term)?;
        }
        Ok(sum)
    }
    /// Whether x can be a term of a weighted sum at `level` without a change of its level.
    fn fits(&self, x: &Self::Slots, level: u8) -> bool {
        self.level(x) == level
    }
    /// w += v
    ///
    /// # Errors
    ///
    /// [`Error::LevelMismatch`] if w and v are products at different levels.
    fn accumulate(&mut self, w: &mut Self::Wide, v: Self::Wide) -> Result<()>;
    /// Relinearises if quadratic, divides by the level's primes: one level down, nominal scale.
    ///
    /// # Errors
    ///
    /// [`Error::LevelExhausted`] for a product at level 0; [`Error::NotFinite`] in the clear, if a product overflowed.
    fn rescale(&mut self, w: Self::Wide) -> Result<Self::Slots>;

    /// Slot i of the result is slot i + k of x, cyclically.
    fn rotate(&mut self, x: &Self::Slots, k: i32) -> Result<Self::Slots>;
    /// The rotations of x by each of `steps`, made together: the rotations of a ciphertext share one mod_up.
    fn hoist(&mut self, x: &Self::Slots, steps: &[i32]) -> Result<Self::Hoisted>;
    /// The rotation by `k`, one of the hoisted steps.
    ///
    /// # Errors
    ///
    /// [`Error::NotHoisted`] if `k` was not hoisted.
    fn hoisted(&mut self, h: &Self::Hoisted, k: i32) -> Result<Self::Slots>;
    /// A linear map of the vector whose rotations by `map.baby_steps` were hoisted. Ciphertexts hoist twice: a giant
    /// step costs one key switch, and the whole map costs one division by P. The rescale does both, and accumulated
    /// maps share the rescale.
    ///
    /// # Errors
    ///
    /// [`Error::NotHoisted`] if a baby step was not hoisted; [`Error::LevelMismatch`] if a diagonal was encoded for another
    /// level; [`Error::Empty`] if every diagonal is zero.
    fn transform(&mut self, h: &Self::Hoisted, map: &Transform<'_, Self::Plaintext>) -> Result<Self::Wide>;
    /// The same values at a lower level, or at the same.
    ///
    /// # Errors
    ///
    /// [`Error::LevelExhausted`] if `level` is above the level of x.
    fn drop_to_level(&mut self, x: Self::Slots, level: u8) -> Result<Self::Slots>;
    /// A copy of the same values at a lower level, or at the same.
    fn copy_at_level(&mut self, x: &Self::Slots, level: u8) -> Result<Self::Slots> {
        let y = self.copy(x)?;
        self.drop_to_level(y, level)
    }
    /// Ensures at least `depth` levels. Bootstraps if x has fewer.
    ///
    /// # Errors
    ///
    /// [`Error::NoBootstrap`] without bootstrapping; [`Error::LevelExhausted`] if a bootstrap does not reach `depth`.
    fn refresh(&mut self, x: Self::Slots, depth: u8) -> Result<Self::Slots>;
    /// [`Arithmetic::refresh`] of two real vectors of equal period. Where a bootstrap takes both as one complex vector,
    /// the two cost less than two bootstraps.
    ///
    /// # Errors
    ///
    /// Those of [`Arithmetic::refresh`].
    fn refresh_pair(&mut self, [x, y]: [Self::Slots; 2], depth: u8) -> Result<[Self::Slots; 2]> {
        Ok([self.refresh(x, depth)?, self.refresh(y, depth)?])
    }

    /// `rescale(mul(x, y))`
    fn product(&mut self, x: &Self::Slots, y: &Self::Slots) -> Result<Self::Slots> {
        let w = self.mul(x, y)?;
        self.rescale(w)
    }
    /// `rescale(mul_const(x, c))`
    fn scaled(&mut self, x: &Self::Slots, c: f64) -> Result<Self::Slots> {
        let w = self.mul_const(x, c)?;
        self.rescale(w)
    }
}

/// Arithmetic on complex slots, and ModRaise: the operations that bootstrapping needs in addition to [`Arithmetic`].
pub trait ComplexArithmetic: Arithmetic {
    /// Encodes a complex public vector for [`Arithmetic::transform`] of operands at `level`.
    fn encode_complex(&mut self, values: &[Complex], level: u8) -> Result<Self::Plaintext>;
    /// Complex conjugate of every slot.
    fn conjugate(&mut self, x: &Self::Slots) -> Result<Self::Slots>;
    /// x = ix, exactly and without a level.
    fn mul_i(&mut self, x: &mut Self::Slots) -> Result<()>;
    /// Raises from level 0 to `level`, the highest. The coefficients of the scaled message gain small multiples of the
    /// base modulus. In the clear the values stay unchanged.
    fn mod_raise(&mut self, x: Self::Slots, level: u8) -> Result<Self::Slots>;
    /// Called before each bootstrap, with the keys of the bootstrap. An evaluator that counts bootstraps or holds keys
    /// overrides this method.
    ///
    /// # Errors
    ///
    /// The first key of `demand` that is missing.
    #[cfg(feature = "alloc")]
    fn begin_bootstrap(&mut self, _demand: &cost::Demand) -> Result<()> {
        Ok(())
    }
}

/// A linear map by baby steps and giant steps: the sum over g, b of `rot_g(plain[g][b] * rot_b(x))`.
///
/// `plain` holds `giant_steps.len()` rows of `baby_steps.len()` entries, `None` for a zero diagonal. The vector of (g, b) is
/// the diagonal g + b rotated by -g. At least one entry is not `None`.
#[derive(Debug)]
pub struct Transform<'a, P> {
    /// Rotations of the input.
    pub baby_steps: &'a [i32],
    /// Rotations of the inner sums.
    pub giant_steps: &'a [i32],
    /// The diagonals, encoded by [`Arithmetic::encode_diagonal`].
    pub plain: &'a [Option<&'a P>],
}

impl<P> Transform<'_, P> {
    /// The pairs (baby step index, diagonal) of giant step `g`.
    pub fn row(&self, g: usize) -> impl Iterator<Item = (usize, &P)> {
        let row = &self.plain[g * self.baby_steps.len()..][..self.baby_steps.len()];
        row.iter().enumerate().filter_map(|(b, p)| p.map(|p| (b, p)))
    }
}
