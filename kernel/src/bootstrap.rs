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
pub mod encoded;
pub mod sine;

pub use encoded::Steps;

use dft::{Direction, factor};
use encoded::Product;
use sine::Sine;

/// Degree of EvalMod's cosine: depth 6, error 2^-57 at K = 16.
pub const DEGREE: usize = 62;
/// The bound K of the multiples that ModRaise adds.
pub const REACH: u32 = 16;
/// log2 of the least ratio of the base modulus to the scale during ModRaise. The sine's error acts on coefficients,
/// and a constant message puts everything into one: relative error 6.6 / ratio^2. A larger ratio costs as many
/// bits against noise.
pub const RATIO_BITS: f64 = 13.0;
/// log2 of what EvalMod's result is multiplied by when SlotsToCoeffs follows, and divides by: the noise of these
/// levels counts as much less.
const HEADROOM_BITS: i32 = 6;
/// log2 of what the second iteration multiplies the error of the first by: over 2^4 below its worst, so that what it
/// bootstraps stays well in \[-1, 1\].
const CORRECTION_BITS: u32 = 16;

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

/// What is bootstrapped, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// The period of the vectors, a power of two of at least 4.
    pub slots: usize,
    /// The order of the steps.
    pub order: Order,
    /// Values are in \[-range, range\] (real and imaginary part). The error is `range` times that at 1.
    pub range: f64,
    /// How the transforms rotate.
    pub steps: Steps,
}

impl Recipe {
    /// With hoisted rotations.
    pub fn new(slots: usize, order: Order, range: f64) -> Self {
        Self { slots, order, range, steps: Steps::Hoisted }
    }

    /// With other rotations.
    pub fn with(self, steps: Steps) -> Self {
        Self { steps, ..self }
    }
}

/// A part of bootstrapping, as [`Bootstrapper::refresh_seen`] reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// From slots to coefficients.
    SlotsToCoeffs,
    /// The switches to and from the sparse secret, the raise between them, the projection of a sparse vector.
    ModRaise,
    /// From coefficients to slots, real and imaginary parts.
    CoeffsToSlots,
    /// The sine.
    EvalMod,
    /// Only with two iterations: what the first has lost, and its addition.
    Correction,
}

/// The matrices and polynomials of one way to bootstrap, encoded once.
#[derive(Debug)]
pub struct Bootstrapper<P> {
    order: Order,
    highest: u8,
    input: u8, // the least level of an input
    slots_to_coeffs: Product<P>,
    coeffs_to_slots: Product<P>,
    sine: Sine,
    correction: Option<Sine>, // of the second iteration, if there is one
    shift: u32,               // the message is multiplied by 2^shift before ModRaise
    project: Vec<i32>,        // rotations that add up the copies of a sparse vector
}

impl<P> Bootstrapper<P> {
    /// Encodes everything for `recipe`.
    pub fn new<A: Raise<Plain = P>>(ev: &mut A, params: &Params, recipe: &Recipe) -> Result<Self> {
        let Recipe { slots, order, range, steps } = *recipe;
        let Bootstrap { coeffs_to_slots, slots_to_coeffs, iterations, .. } =
            params.bootstrap().ok_or(Error::NoBootstrap)?;
        let (all, top, highest) = (params.slots(), params.top(), params.highest());
        if !slots.is_power_of_two() || slots < 4 || slots > all {
            return Err(Error::Slots { given: slots, slots: all });
        }
        let slots = if iterations == 1 { slots } else { all };
        if !(range > 0.0 && range.is_finite()) {
            return Err(Error::BadRange { lo: -range, hi: range });
        }
        // SlotsToCoeffs, if it comes first, brings the values into [-1, 1]; else there is less to multiply by
        let (before, after) = if order == Order::SlotsToCoeffsFirst { (range, 1.0) } else { (1.0, range) };
        let scale = params.scale(0);
        let q0: f64 = params.base().iter().map(|m| params.moduli()[m].q() as f64).product();
        let shift = libm::floor(libm::log2(q0 / scale / after) - RATIO_BITS).max(0.0) as u32;
        let headroom = if order == Order::ModRaiseFirst { libm::exp2(HEADROOM_BITS as f64) } else { 1.0 };
        let twice = if iterations > 1 && order == Order::SlotsToCoeffsFirst { 0.5 } else { 1.0 }; // the real part at the end
        let amplitude =
            twice * before * headroom * q0 / (2.0 * core::f64::consts::PI * scale * libm::exp2(shift as f64));
        let sine = |amplitude| Sine::new(REACH, DEGREE, amplitude, params.exit_ratio(top + 1));
        let correction = match iterations {
            1 => None,
            _ => Some(sine(amplitude / libm::exp2(CORRECTION_BITS as f64))?),
        };
        let sine = sine(amplitude)?;
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
            slots_to_coeffs: Product::new(ev, &down, down_from, steps)?,
            coeffs_to_slots: Product::new(ev, &up, highest, steps)?,
            sine,
            correction,
            shift,
            project: project.map(|s| s as i32).collect(),
        })
    }

    /// The same steps with each encoded diagonal replaced, its level being known.
    pub fn map<Q>(&self, f: impl Fn(u8) -> Q) -> Bootstrapper<Q> {
        Bootstrapper {
            order: self.order,
            highest: self.highest,
            input: self.input,
            slots_to_coeffs: self.slots_to_coeffs.map(&f),
            coeffs_to_slots: self.coeffs_to_slots.map(&f),
            sine: self.sine.clone(),
            correction: self.correction.clone(),
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
        self.refresh_seen(ev, x, &mut |_, _| Ok(()))
    }

    /// [`Bootstrapper::refresh`] that calls `seen` after each stage.
    ///
    /// With two iterations the result of the first is taken from x at its level, and what is left, multiplied by 2^16,
    /// bootstrapped again: the error is then 2^-16 of one iteration's, beside the rounding of a rescale and of a
    /// level_down at the scale of messages. Of real slots the real part is taken at the end: the noise in the
    /// imaginary part was in no iteration's input. For the same reason all slots are bootstrapped, whatever the
    /// period: noise that does not repeat is noise too. [eprint 2022/1167]
    pub fn refresh_seen<A: Raise<Plain = P>>(
        &self,
        ev: &mut A,
        x: A::Slots,
        seen: &mut dyn FnMut(&mut A, Stage) -> Result<()>,
    ) -> Result<A::Slots> {
        let x = ev.level_down(x, self.input)?;
        let Some(correction) = &self.correction else { return self.once(ev, x, &self.sine, seen) };
        let mut rest = ev.copy(&x)?;
        let mut sum = self.once(ev, x, &self.sine, seen)?;
        let mut first = ev.lowered(&sum, self.input)?;
        if self.order == Order::SlotsToCoeffsFirst {
            ev.mul_int(&mut first, 2)?;
        }
        ev.sub(&mut rest, &first)?;
        ev.mul_int(&mut rest, 1 << CORRECTION_BITS)?;
        seen(ev, Stage::Correction)?;
        let rest = self.once(ev, rest, correction, seen)?;
        ev.add(&mut sum, &rest)?;
        if self.order == Order::SlotsToCoeffsFirst {
            let conjugate = ev.conjugate(&sum)?;
            ev.add(&mut sum, &conjugate)?;
        }
        seen(ev, Stage::Correction)?;
        Ok(sum)
    }

    /// One iteration, from the input's level.
    fn once<A: Raise<Plain = P>>(
        &self,
        ev: &mut A,
        mut x: A::Slots,
        sine: &Sine,
        seen: &mut dyn FnMut(&mut A, Stage) -> Result<()>,
    ) -> Result<A::Slots> {
        if self.order == Order::SlotsToCoeffsFirst {
            x = self.slots_to_coeffs.apply(ev, x)?;
            seen(ev, Stage::SlotsToCoeffs)?;
        }
        ev.mul_int(&mut x, 1 << self.shift)?;
        let mut x = ev.mod_raise(x, self.highest)?;
        for step in &self.project {
            let y = ev.rotate(&x, *step)?;
            ev.add(&mut x, &y)?;
        }
        seen(ev, Stage::ModRaise)?;
        let mut x = self.coeffs_to_slots.apply(ev, x)?;
        let conjugate = ev.conjugate(&x)?;
        let imaginary = match self.order {
            Order::SlotsToCoeffsFirst => None,
            Order::ModRaiseFirst => {
                let mut imaginary = ev.copy(&conjugate)?;
                ev.sub(&mut imaginary, &x)?;
                ev.mul_i(&mut imaginary)?; // i (conj(x) - x) is twice the imaginary part
                Some(imaginary)
            }
        };
        ev.add(&mut x, &conjugate)?; // twice the real part
        seen(ev, Stage::CoeffsToSlots)?;
        let mut x = sine.evaluate(ev, x)?;
        let Some(imaginary) = imaginary else {
            seen(ev, Stage::EvalMod)?;
            return Ok(x);
        };
        let mut y = sine.evaluate(ev, imaginary)?;
        ev.mul_i(&mut y)?;
        ev.add(&mut x, &y)?;
        seen(ev, Stage::EvalMod)?;
        let x = self.slots_to_coeffs.apply(ev, x)?;
        seen(ev, Stage::SlotsToCoeffs)?;
        Ok(x)
    }
}
