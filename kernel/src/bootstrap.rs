//! Bootstrapping: from the bottom of the chain back to the top, on the encrypted values (MATH §7).
//!
//! ModRaise reads a ciphertext of level 0 modulo the whole chain, which adds multiples of the base modulus q0 to the
//! coefficients of its message. CoeffsToSlots brings the coefficients into the slots, EvalMod removes the multiples,
//! SlotsToCoeffs brings them back. [`Order`] says where the last one stands.

use crate::{
    arith::Raise,
    complex::Complex,
    embedding::fill_roots,
    error::{Error, Result},
    params::{Bootstrap, Params},
};
use alloc::{vec, vec::Vec};

pub mod dft;
pub mod sine;
mod twofold;

use dft::{Diagonals, Direction, Encoded, factor};
use sine::Sine;

/// Degree of EvalMod's cosine: depth 6. One product and one relinearisation less than degree 62.
pub const DEGREE: usize = 60;
/// The bound K of the multiples that ModRaise adds.
pub const REACH: u32 = 16;
/// log2 of the least ratio of the base modulus to the scale during ModRaise. The sine's error acts on coefficients,
/// and a constant message puts everything into one: relative error 6.6 / ratio^2. A larger ratio costs as many
/// bits against noise.
pub const RATIO_BITS: f64 = 13.0;
/// log2 of what EvalMod's result is multiplied by when SlotsToCoeffs follows, and divides by: the noise of these
/// levels counts as much less.
const HEADROOM_BITS: i32 = 6;

/// The order of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// For real slots: SlotsToCoeffs at the bottom, where it is cheap, and one EvalMod, whose result is the value, at
    /// the top message level. Takes x from level `slots_to_coeffs` on.
    SlotsToCoeffsFirst,
    /// For complex slots, or two real vectors as real and imaginary part: an EvalMod for each part, SlotsToCoeffs
    /// below them. Takes x from level 0 on.
    ModRaiseFirst,
}

/// The matrices and polynomials of one way to bootstrap, encoded once.
#[derive(Debug)]
pub struct Bootstrapper<P> {
    order: Order,
    highest: u8,
    input: u8, // the least level of an input
    slots_to_coeffs: Vec<Encoded<P>>,
    coeffs_to_slots: Vec<Encoded<P>>,
    sine: Sine,
    shift: u32,        // the message is multiplied by 2^shift before ModRaise
    project: Vec<i32>, // rotations that add up the copies of a sparse vector
}

impl<P> Bootstrapper<P> {
    /// For vectors of period `slots`, a power of two of at least 4, and values in \[-range, range\] (real and imaginary
    /// part). The error is `range` times that at 1.
    pub fn new<A: Raise<Plain = P>>(
        ev: &mut A,
        params: &Params,
        slots: usize,
        order: Order,
        range: f64,
    ) -> Result<Self> {
        let Bootstrap { coeffs_to_slots, slots_to_coeffs, .. } = params.bootstrap().ok_or(Error::NoBootstrap)?;
        let (all, top, highest) = (params.slots(), params.top(), params.highest());
        if !slots.is_power_of_two() || slots < 4 || slots > all {
            return Err(Error::Slots { given: slots, slots: all });
        }
        if !(range > 0.0 && range.is_finite()) {
            return Err(Error::BadRange { lo: -range, hi: range });
        }
        // SlotsToCoeffs, if it comes first, brings the values into [-1, 1]; else there is less to multiply by
        let (before, after) = if order == Order::SlotsToCoeffsFirst { (range, 1.0) } else { (1.0, range) };
        let scale = params.scale(0);
        let q0: f64 = params.base().iter().map(|m| params.moduli()[m].q() as f64).product();
        let shift = libm::floor(libm::log2(q0 / scale / after) - RATIO_BITS).max(0.0) as u32;
        let headroom = if order == Order::ModRaiseFirst { libm::exp2(HEADROOM_BITS as f64) } else { 1.0 };
        let amplitude = before * headroom * q0 / (2.0 * core::f64::consts::PI * scale * libm::exp2(shift as f64));
        let sine = Sine::new(REACH, DEGREE, amplitude, params.exit_ratio(top + 1))?;
        let mut roots = vec![Complex::default(); slots];
        fill_roots(&mut roots);
        // After CoeffsToSlots a slot holds (t + q0 I) / q0 in the units of the sine, halved because the real part is
        // x + conj(x), and divided by the number of copies that the projection adds up.
        let copies = (all / slots) as f64;
        let up = params.scale(highest) / q0 * sine.input_factor() / 2.0 / copies;
        let up = factor(&roots, slots, coeffs_to_slots as usize, Direction::CoeffsToSlots, up);
        let down = factor(&roots, slots, slots_to_coeffs as usize, Direction::SlotsToCoeffs, 1.0 / headroom / before);
        let (input, down_from) = match order {
            Order::SlotsToCoeffsFirst => (slots_to_coeffs, slots_to_coeffs),
            Order::ModRaiseFirst => (0, top),
        };
        let project = core::iter::successors(Some(slots), |s| Some(2 * s)).take_while(|s| *s < all);
        Ok(Self {
            order,
            highest,
            input,
            slots_to_coeffs: encode(ev, &down, down_from)?,
            coeffs_to_slots: encode(ev, &up, highest)?,
            sine,
            shift,
            project: project.map(|s| s as i32).collect(),
        })
    }

    /// The same steps with each encoded diagonal replaced, its level being known.
    pub fn map<Q>(&self, f: impl Fn(u8) -> Q) -> Bootstrapper<Q> {
        let maps = |maps: &[Encoded<P>]| maps.iter().map(|m| m.map(|_| f(m.level()))).collect();
        Bootstrapper {
            order: self.order,
            highest: self.highest,
            input: self.input,
            slots_to_coeffs: maps(&self.slots_to_coeffs),
            coeffs_to_slots: maps(&self.coeffs_to_slots),
            sine: self.sine.clone(),
            shift: self.shift,
            project: self.project.clone(),
        }
    }

    /// The order of its steps.
    pub fn order(&self) -> Order {
        self.order
    }

    /// The least level that [`Bootstrapper::refresh`] takes.
    pub fn input(&self) -> u8 {
        self.input
    }

    /// The same values, at the level that [`Order`] says.
    pub fn refresh<A: Raise<Plain = P>>(&self, ev: &mut A, x: A::Slots) -> Result<A::Slots> {
        let mut x = ev.level_down(x, self.input)?;
        if self.order == Order::SlotsToCoeffsFirst {
            x = apply(ev, &self.slots_to_coeffs, x)?;
        }
        ev.mul_int(&mut x, 1 << self.shift)?;
        let mut x = ev.mod_raise(x, self.highest)?;
        for step in &self.project {
            let y = ev.rotate(&x, *step)?;
            ev.add(&mut x, &y)?;
        }
        let mut x = apply(ev, &self.coeffs_to_slots, x)?;
        let conjugate = ev.conjugate(&x)?;
        match self.order {
            Order::SlotsToCoeffsFirst => {
                ev.add(&mut x, &conjugate)?; // twice the real part
                self.sine.evaluate(ev, x)
            }
            Order::ModRaiseFirst => {
                let mut imaginary = ev.copy(&conjugate)?;
                ev.sub(&mut imaginary, &x)?;
                ev.mul_i(&mut imaginary)?; // i (conj(x) - x) is twice the imaginary part
                ev.add(&mut x, &conjugate)?;
                let mut x = self.sine.evaluate(ev, x)?;
                let mut y = self.sine.evaluate(ev, imaginary)?;
                ev.mul_i(&mut y)?;
                ev.add(&mut x, &y)?;
                apply(ev, &self.slots_to_coeffs, x)
            }
        }
    }
}

fn encode<A: Raise>(ev: &mut A, maps: &[Diagonals], from: u8) -> Result<Vec<Encoded<A::Plain>>> {
    maps.iter().zip((0..=from).rev()).map(|(map, level)| Encoded::new(ev, map, level)).collect()
}

fn apply<A: Raise>(ev: &mut A, maps: &[Encoded<A::Plain>], x: A::Slots) -> Result<A::Slots> {
    maps.iter().try_fold(x, |x, map| map.apply(ev, x))
}
