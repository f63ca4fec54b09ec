//! Bootstrapping: from level 0 back to the top, on the encrypted values (MATH §7).
//!
//! For real slots, SlotsToCoeffs comes first, at the bottom where it is cheap: the values become coefficients,
//! ModRaise adds multiples of q0 to them, CoeffsToSlots brings them into the slots, and one EvalMod removes the
//! multiples. Its result is the value, at the top message level.

use super::{Ciphertext, Ckks, encode::Complex};
use crate::{
    arith::ComplexArithmetic,
    backend::Backend,
    error::{Error, Result},
    params::{Bootstrap, Params},
};
use alloc::vec::Vec;

pub mod dft;
pub mod raise;
pub mod sine;

use dft::{Direction, Encoded, factor};
use sine::Sine;

/// What bootstrapping needs of an arithmetic beside complex slots.
pub trait Raise: ComplexArithmetic {
    /// The parameters.
    fn params(&self) -> &Params;
    /// From level 0 to the highest level: the coefficients of the scaled message gain multiples of the base modulus.
    fn mod_raise(&mut self, x: Self::Slots) -> Result<Self::Slots>;
}

impl<B: Backend> Raise for Ckks<'_, B> {
    fn params(&self) -> &Params {
        self.params
    }

    fn mod_raise(&mut self, x: Ciphertext<B>) -> Result<Ciphertext<B>> {
        self.raise(&x)
    }
}

/// Degree of EvalMod's cosine: depth 6, error below 2^-50 at K = 16.
pub const DEGREE: usize = 62;
/// log2 of the ratio of the base modulus to the scale during ModRaise. The sine's error acts on coefficients and a
/// constant message puts everything into one: relative error 6.6 / ratio^2.
pub const RATIO_BITS: f64 = 13.0;

/// The matrices and polynomials of one way to bootstrap, encoded once.
pub struct Bootstrapper<P> {
    slots_to_coeffs: Vec<Encoded<P>>,
    coeffs_to_slots: Vec<Encoded<P>>,
    sine: Sine,
    shift: u32,        // the message is multiplied by 2^shift before ModRaise
    project: Vec<i32>, // rotations that add up the copies of a sparse vector
}

impl<P> Bootstrapper<P> {
    /// For real vectors of period `slots`, a power of two of at least 4.
    pub fn new<A: Raise<Plain = P>>(ev: &mut A, slots: usize) -> Result<Self> {
        let Bootstrap { coeffs_to_slots, slots_to_coeffs, .. } = ev.params().bootstrap().ok_or(Error::NoBootstrap)?;
        let (all, top, highest) = (ev.params().slots(), ev.params().top(), ev.params().highest());
        if !slots.is_power_of_two() || slots < 4 || slots > all {
            return Err(Error::Slots { given: slots, slots: all });
        }
        let (scale, scale_high) = (ev.params().scale(0), ev.params().scale(highest));
        let log_q0 = ev.params().log_product(ev.params().base());
        let q0 = ev.params().base().iter().map(|m| ev.params().moduli()[m].q() as f64).product::<f64>();
        let shift = libm::floor(log_q0 - libm::log2(scale) - RATIO_BITS).max(0.0) as u32;
        let amplitude = q0 / (2.0 * core::f64::consts::PI * scale * libm::exp2(shift as f64));
        let sine = Sine::new(raise::REACH, DEGREE, amplitude, ev.params().exit_ratio(top + 1))?;
        let mut roots = alloc::vec![Complex::default(); slots];
        super::encode::fill_roots(&mut roots);
        // Slots after CoeffsToSlots: (t + q0 I) / q0 in the units of the sine, halved for the real part, divided by
        // the number of copies that the projection adds up.
        let copies = (all / slots) as f64;
        let to_slots = scale_high / q0 * sine.input_factor() / 2.0 / copies;
        let down = factor(&roots, slots, slots_to_coeffs as usize, Direction::SlotsToCoeffs, 1.0);
        let up = factor(&roots, slots, coeffs_to_slots as usize, Direction::CoeffsToSlots, to_slots);
        let encode = |(map, level): (&dft::Diagonals, u8), ev: &mut A| Encoded::new(ev, map, level);
        let down = down.iter().zip((1..=slots_to_coeffs).rev()).map(|m| encode(m, ev)).collect::<Result<_>>()?;
        let up = up.iter().zip((0..=highest).rev()).map(|m| encode(m, ev)).collect::<Result<_>>()?;
        let project = core::iter::successors(Some(slots), |s| Some(2 * s)).take_while(|s| *s < all);
        let project = project.map(|s| s as i32).collect();
        Ok(Self { slots_to_coeffs: down, coeffs_to_slots: up, sine, shift, project })
    }

    /// The same values at the top message level. x at any level from that of SlotsToCoeffs up, its values real and
    /// in \[-1, 1\]. Errors and margins: `docs/bootstrapping.md`.
    pub fn refresh<A: Raise<Plain = P>>(&self, ev: &mut A, x: A::Slots) -> Result<A::Slots> {
        let mut x = x;
        for map in &self.slots_to_coeffs {
            x = map.apply(ev, x)?;
        }
        ev.mul_int(&mut x, 1 << self.shift)?;
        let mut x = ev.mod_raise(x)?;
        for step in &self.project {
            let y = ev.rotate(&x, *step)?;
            ev.add(&mut x, &y)?;
        }
        for map in &self.coeffs_to_slots {
            x = map.apply(ev, x)?;
        }
        let conjugate = ev.conjugate(&x)?;
        ev.add(&mut x, &conjugate)?;
        self.sine.evaluate(ev, x)
    }

    /// The rotations whose keys [`Bootstrapper::refresh`] needs, beside conjugation.
    pub fn rotations(&self) -> impl Iterator<Item = i32> {
        let maps = self.slots_to_coeffs.iter().chain(&self.coeffs_to_slots);
        maps.flat_map(|m| m.rotations()).chain(self.project.iter().copied())
    }
}
