//! The clear evaluators: a vector of numbers. A number is a float ([`ClearArray`], [`ClearVec`]) or a certified
//! enclosure ([`crate::eval::interval`]). All clear evaluators share the vector code of this file.
//!
//! Nothing is encrypted, and no operation takes a level. `[F; N]` needs no allocator, so that a small client can run
//! inference in the clear.

use crate::{
    arith::{Arithmetic, Transform},
    error::{Error, Result},
};

pub use crate::math::number::Number;

/// The storage of a vector's slots: an array on the stack, or the heap.
pub trait Storage: Clone {
    /// A slot.
    type Number: Number;
    /// The slots.
    fn numbers(&self) -> &[Self::Number];
    /// The slots.
    fn numbers_mut(&mut self) -> &mut [Self::Number];
}

impl<F: Number, const N: usize> Storage for [F; N] {
    type Number = F;
    fn numbers(&self) -> &[F] {
        self
    }
    fn numbers_mut(&mut self) -> &mut [F] {
        self
    }
}

#[cfg(feature = "alloc")]
impl<F: Number> Storage for alloc::vec::Vec<F> {
    type Number = F;
    fn numbers(&self) -> &[F] {
        self
    }
    fn numbers_mut(&mut self) -> &mut [F] {
        self
    }
}

/// Circuits on numbers in the clear.
#[derive(Clone, Debug)]
pub struct Clear<V> {
    zero: V, // the shape of every vector
}

/// `N` numbers on the stack: no allocator needed.
pub type ClearArray<F, const N: usize> = Clear<[F; N]>;

/// Numbers on the heap, as many as a ciphertext has slots.
#[cfg(feature = "alloc")]
pub type ClearVec<F> = Clear<alloc::vec::Vec<F>>;

impl<F: Number, const N: usize> ClearArray<F, N> {
    /// A clear evaluator of `N` slots.
    pub fn new() -> Self {
        Self { zero: [F::of(0.0); N] }
    }
}

impl<F: Number, const N: usize> Default for ClearArray<F, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
impl<F: Number> ClearVec<F> {
    /// A clear evaluator of `slots` slots.
    pub fn with_slots(slots: usize) -> Self {
        Self { zero: alloc::vec![F::of(0.0); slots] }
    }
}

impl<V: Storage> Clear<V> {
    fn zip(x: &mut V, y: &V, op: fn(V::Number, V::Number) -> V::Number) {
        for (x, y) in x.numbers_mut().iter_mut().zip(y.numbers()) {
            *x = op(*x, *y);
        }
    }

    fn each(x: &mut V, op: impl Fn(V::Number) -> V::Number) {
        for x in x.numbers_mut() {
            *x = op(*x);
        }
    }

    fn rotated(x: &V, k: i32) -> V {
        let mut out = x.clone();
        let slots = out.numbers().len();
        if slots > 0 {
            out.numbers_mut().rotate_left(k.rem_euclid(slots as i32) as usize);
        }
        out
    }
}

impl<V: Storage> Arithmetic for Clear<V> {
    type Slots = V;
    type Wide = V;
    type Plaintext = V;
    type Hoisted = V;

    fn slots(&self) -> usize {
        self.zero.numbers().len()
    }
    fn level(&self, _: &V) -> u8 {
        u8::MAX
    }
    fn encode(&mut self, values: &[f64], _: u8) -> Result<V> {
        let (given, slots) = (values.len(), self.slots());
        if given == 0 || slots % given != 0 {
            return Err(Error::Slots { given, slots });
        }
        if let Some(slot) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { slot });
        }
        let mut out = self.zero.clone();
        for (x, v) in out.numbers_mut().iter_mut().zip(values.iter().cycle()) {
            *x = V::Number::of(*v);
        }
        Ok(out)
    }
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<V> {
        self.encode(values, level)
    }

    fn copy(&mut self, x: &V) -> Result<V> {
        Ok(x.clone())
    }
    fn add(&mut self, x: &mut V, y: &V) -> Result<()> {
        Self::zip(x, y, V::Number::add);
        Ok(())
    }
    fn sub(&mut self, x: &mut V, y: &V) -> Result<()> {
        Self::zip(x, y, V::Number::sub);
        Ok(())
    }
    fn add_plain(&mut self, x: &mut V, p: &V) -> Result<()> {
        self.add(x, p)
    }
    fn neg(&mut self, x: &mut V) -> Result<()> {
        Self::each(x, |x| V::Number::of(0.0).sub(x));
        Ok(())
    }
    fn add_const(&mut self, x: &mut V, c: f64) -> Result<()> {
        Self::each(x, |x| x.add(V::Number::of(c)));
        Ok(())
    }
    fn mul_int(&mut self, x: &mut V, k: i32) -> Result<()> {
        Self::each(x, |x| x.mul(V::Number::of(k as f64)));
        Ok(())
    }

    fn mul(&mut self, x: &V, y: &V) -> Result<V> {
        let mut w = x.clone();
        if core::ptr::eq(x, y) {
            Self::each(&mut w, V::Number::square);
        } else {
            Self::zip(&mut w, y, V::Number::mul);
        }
        Ok(w)
    }
    fn mul_plain(&mut self, x: &V, p: &V) -> Result<V> {
        let mut w = x.clone();
        Self::zip(&mut w, p, V::Number::mul);
        Ok(w)
    }
    fn mul_const(&mut self, x: &V, c: f64) -> Result<V> {
        let mut w = x.clone();
        Self::each(&mut w, |x| x.mul(V::Number::of(c)));
        Ok(w)
    }
    fn accumulate(&mut self, w: &mut V, v: V) -> Result<()> {
        self.add(w, &v)
    }
    /// [`Error::NotFinite`] if a product overflowed: an input was far outside the range of its circuit.
    fn rescale(&mut self, w: V) -> Result<V> {
        match w.numbers().iter().position(|x| !x.is_finite()) {
            Some(slot) => Err(Error::NotFinite { slot }),
            None => Ok(w),
        }
    }

    fn rotate(&mut self, x: &V, k: i32) -> Result<V> {
        Ok(Self::rotated(x, k))
    }
    fn hoist(&mut self, x: &V, _: &[i32]) -> Result<V> {
        Ok(x.clone())
    }
    fn hoisted(&mut self, h: &V, k: i32) -> Result<V> {
        Ok(Self::rotated(h, k))
    }
    fn transform(&mut self, h: &V, map: &Transform<'_, V>) -> Result<V> {
        let mut sum = self.zero.clone();
        for (g, giant) in map.giant_steps.iter().enumerate() {
            let mut inner = self.zero.clone();
            for (b, p) in map.row(g) {
                let term = self.mul_plain(&Self::rotated(h, map.baby_steps[b]), p)?;
                self.add(&mut inner, &term)?;
            }
            self.add(&mut sum, &Self::rotated(&inner, *giant))?;
        }
        Ok(sum)
    }
    fn drop_to_level(&mut self, x: V, _: u8) -> Result<V> {
        Ok(x)
    }
    fn refresh(&mut self, x: V, _: u8) -> Result<V> {
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    use super::ClearArray;
    use crate::{
        Error,
        arith::{Arithmetic, Transform},
    };

    #[test]
    fn a_public_vector_repeats_and_must_divide_the_slots() {
        let mut ev = ClearArray::<f32, 6>::new();
        assert_eq!(ev.encode(&[1.0, 2.0], 0).unwrap(), [1.0, 2.0, 1.0, 2.0, 1.0, 2.0]);
        assert_eq!(ev.encode(&[1.0; 4], 0), Err(Error::Slots { given: 4, slots: 6 }));
        assert_eq!(ev.encode(&[], 0), Err(Error::Slots { given: 0, slots: 6 }));
        assert_eq!(ev.encode(&[0.0, f64::NAN], 0), Err(Error::NotFinite { slot: 1 }));
    }

    #[test]
    fn a_rotation_turns_left() {
        let mut ev = ClearArray::<f64, 4>::new();
        assert_eq!(ev.rotate(&[0.0, 1.0, 2.0, 3.0], 1).unwrap(), [1.0, 2.0, 3.0, 0.0]);
        assert_eq!(ev.rotate(&[0.0, 1.0, 2.0, 3.0], -5).unwrap(), [3.0, 0.0, 1.0, 2.0]);
    }

    #[test]
    fn a_transform_is_the_sum_that_its_contract_says() {
        let mut ev = ClearArray::<f64, 4>::new();
        let x = [1.0, 10.0, 100.0, 1000.0];
        let (ones, count) = ([1.0; 4], [1.0, 2.0, 3.0, 4.0]);
        let plain = [Some(&ones), None, Some(&count), Some(&ones)];
        let map = Transform { baby_steps: &[0, 1], giant_steps: &[0, 2], plain: &plain };
        let h = ev.hoist(&x, map.baby_steps).unwrap();
        // inner sums: x, and [1,2,3,4]*x + rot_1(x) = [11, 120, 1300, 4001], turned by two
        assert_eq!(ev.transform(&h, &map).unwrap(), [1301.0, 4011.0, 111.0, 1120.0]);
    }
}
