//! The design of a bootstrap in the clear: the linear maps, the sine and the scale factors, before any encoding.

use super::{
    dft::{Diagonals, Direction, factor},
    encoded::RotationStrategy,
    sine::{DOUBLINGS, Sine},
};
use crate::{
    ckks::noise,
    error::{Error, Result},
    math::{complex::Complex, embedding::fill_roots},
    params::{
        Params,
        bootstrapping::{EVAL_MOD_DEPTH, MAX_SHIFT},
    },
};
use alloc::{vec, vec::Vec};

/// Degree of EvalMod's cosine: depth 6. One product and one relinearisation less than degree 62.
pub const DEGREE: usize = 60;
const _: () = {
    let depth = (DEGREE + 1).next_power_of_two().trailing_zeros() + DOUBLINGS as u32;
    assert!(depth == EVAL_MOD_DEPTH as u32, "parameter sets reserve the depth of the sine");
};
/// The bound K of the multiples that ModRaise adds.
pub const REACH: u32 = 16;
/// log2 of the least ratio of the base modulus to the scale during ModRaise. The sine's error acts on coefficients,
/// and a constant message puts everything into one: relative error 6.6 / ratio^2. A larger ratio costs as many
/// bits against noise. Where the rounding of a message is above that error, the ratio is less.
pub const RATIO_BITS: f64 = 13.0;
/// log2 of the ratio at n = 2^16 if SlotsToCoeffs follows, which adds the noise of EvalMod over all coefficients. The
/// ratio gains one bit for each quarter of the degree, up to [`RATIO_BITS`].
const RATIO_BITS_BEFORE: f64 = 10.4;
/// log2 of the factor of EvalMod's result if SlotsToCoeffs follows. SlotsToCoeffs divides by the factor, so the noise
/// of its levels counts less by this factor.
const HEADROOM_BITS: i32 = 6;
/// log2 of the factor of the first iteration's error before the second iteration. The factor is over 2^4 below the
/// inverse of the worst error, so that the input of the second iteration is well within \[-1, 1\].
pub(super) const CORRECTION_BITS: u32 = 16;

/// Ranges are in \[2^-64, 2^64\]. A coefficient of EvalMod's polynomial is a product with the range. Beyond these limits
/// the coefficient could be 0 or infinite, and the polynomial would have another depth.
const RANGE_LIMIT: f64 = (1u128 << 64) as f64;

/// The order of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// For real slots: SlotsToCoeffs at the lowest levels, where a map is cheap, and one EvalMod. The result of EvalMod
    /// is the value, at the top message level. The input has at least level `slots_to_coeffs`.
    SlotsToCoeffsFirst,
    /// The same for complex slots, or two real vectors as real and imaginary part, with an EvalMod for each part.
    SlotsToCoeffsFirstComplex,
    /// For complex slots at level 0: one EvalMod for each part, then SlotsToCoeffs, which adds the noise over all
    /// coefficients. At n = 2^16 the result has some 4 bits less precision and ends three levels lower.
    ModRaiseFirst,
}

impl Order {
    /// The order for values at `level`: SlotsToCoeffs first if the level is high enough.
    pub fn of(params: &Params, complex: bool, level: u8) -> Self {
        match (params.bootstrap(), complex) {
            (Some(b), _) if level < b.slots_to_coeffs() => Order::ModRaiseFirst,
            (_, true) => Order::SlotsToCoeffsFirstComplex,
            (_, false) => Order::SlotsToCoeffsFirst,
        }
    }

    /// Whether imaginary parts are kept.
    pub fn is_complex(self) -> bool {
        self != Order::SlotsToCoeffsFirst
    }

    fn ratio_bits(self, params: &Params) -> f64 {
        let rounding = noise::rounding(params) / params.scale(0);
        let enough = 0.5 * libm::log2(6.6 / rounding); // 6.6 / ratio^2 is the rounding
        let most = match self {
            Order::ModRaiseFirst => RATIO_BITS_BEFORE + 0.5 * (16.0 - params.log_n() as f64),
            _ => RATIO_BITS,
        };
        most.min(enough).min(RATIO_BITS)
    }
}

/// The values to bootstrap, and the method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// The period of the vectors, a power of two of at least 4.
    pub slots: usize,
    /// The order of the steps.
    pub order: Order,
    /// Values are in \[-range, range\] (real and imaginary part). The error is `range` times that at 1.
    pub range: f64,
    /// The rotations of the transforms.
    pub steps: RotationStrategy,
}

impl Recipe {
    /// With hoisted rotations.
    pub fn new(slots: usize, order: Order, range: f64) -> Self {
        Self { slots, order, range, steps: RotationStrategy::Hoisted }
    }

    /// With other rotations.
    pub fn with(self, steps: RotationStrategy) -> Self {
        Self { steps, ..self }
    }
}

/// The maps and polynomials of a recipe.
#[derive(Clone, Debug)]
pub struct Design {
    /// From slots to coefficients, in the order of application.
    pub slots_to_coeffs: Vec<Diagonals>,
    /// From coefficients to slots.
    pub coeffs_to_slots: Vec<Diagonals>,
    /// EvalMod.
    pub sine: Sine,
    /// EvalMod of the second iteration, or `None` with one iteration.
    pub correction: Option<Sine>,
    /// The message is multiplied by 2^shift before ModRaise.
    pub shift: u32,
    /// Rotations that add up the copies of a sparse vector.
    pub project: Vec<i32>,
}

impl Design {
    /// The design of `recipe`. An error if the parameters have no bootstrapping, or the recipe has too many slots or an
    /// empty range.
    ///
    /// # Errors
    /// [`Error::NoBootstrap`] if the parameters have no bootstrapping; [`Error::Slots`] if the recipe's slots are no
    /// power of two from 4 to the slots of the ring; [`Error::BadRange`] for a range outside \[2^-64, 2^64\].
    pub fn new(params: &Params, recipe: &Recipe) -> Result<Self> {
        let Recipe { slots, order, range, steps: _ } = *recipe;
        let bootstrap = params.bootstrap().ok_or(Error::NoBootstrap)?;
        let (up_maps, down_maps) = (bootstrap.coeffs_to_slots(), bootstrap.slots_to_coeffs());
        let iterations = bootstrap.iterations();
        let (all, top, highest) = (params.slots(), params.max_message_level(), params.max_level());
        if !slots.is_power_of_two() || slots < 4 || slots > all {
            return Err(Error::Slots { given: slots, slots: all });
        }
        let slots = if iterations == 1 { slots } else { all };
        if !(1.0 / RANGE_LIMIT..=RANGE_LIMIT).contains(&range) {
            return Err(Error::BadRange { lo: -range, hi: range });
        }
        // SlotsToCoeffs, if it comes first, brings the values into [-1, 1]; else there is less to multiply by
        let (before, after) = if order == Order::ModRaiseFirst { (1.0, range) } else { (range, 1.0) };
        let scale = params.scale(0);
        let q0: f64 = params.base().iter().map(|m| params.moduli()[m].q() as f64).product();
        let shift = libm::floor(libm::log2(q0 / scale / after) - order.ratio_bits(params));
        let shift = shift.clamp(0.0, MAX_SHIFT as f64) as u32; // a smaller message is as right, with more noise
        let headroom = if order == Order::ModRaiseFirst { libm::exp2(HEADROOM_BITS as f64) } else { 1.0 };
        let twice = if iterations > 1 && !order.is_complex() { 0.5 } else { 1.0 }; // the real part at the end
        let amplitude =
            twice * before * headroom * q0 / (2.0 * core::f64::consts::PI * scale * libm::exp2(shift as f64));
        let sine = |amplitude| Sine::new(REACH, DEGREE, amplitude, params.eval_mod_exit_correction(top + 1));
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
        let coeffs_to_slots = factor(&roots, slots, up_maps as usize, Direction::CoeffsToSlots, up);
        let slots_to_coeffs =
            factor(&roots, slots, down_maps as usize, Direction::SlotsToCoeffs, 1.0 / headroom / before);
        let project = core::iter::successors(Some(slots), |s| Some(2 * s)).take_while(|s| *s < all);
        let project = project.map(|s| s as i32).collect();
        Ok(Self { slots_to_coeffs, coeffs_to_slots, sine, correction, shift, project })
    }
}
