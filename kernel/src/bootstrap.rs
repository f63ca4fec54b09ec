//! Bootstrapping raises a ciphertext from the bottom of the modulus chain to the top, without decryption (docs/math.md
//! §10).
//!
//! ModRaise reads a ciphertext of level 0 modulo the whole chain. The step adds multiples of the base modulus q0 to the
//! coefficients of the message. CoeffsToSlots moves the coefficients into the slots, EvalMod removes the multiples, and
//! SlotsToCoeffs moves the values back. [`Order`] selects the place of SlotsToCoeffs.
//!
//! A dry run: what a bootstrap costs, and the level of its result.
//!
//! ```
//! use polyformer_kernel::{
//!     arith::Arithmetic,
//!     bootstrap::{Bootstrapped, Order, Recipe},
//!     eval::trace::Trace,
//!     params::{Params, presets},
//! };
//!
//! let params = Params::new(&presets::B16)?;
//! let recipe = Recipe::new(params.slots(), Order::SlotsToCoeffsFirst, 1.0); // real values in [-1, 1]
//! let mut ev = Bootstrapped::new(Trace::new(params.slots(), None)); // or ciphertexts: Ckks
//! ev.prepare(&params, &recipe)?;
//! let x = ev.input(3);
//! let x = ev.refresh(x, 5)?; // a bootstrap, since level 3 is below 5
//! assert_eq!((ev.level(&x), ev.cost().bootstrap), (params.max_message_level(), 1));
//! assert!(ev.demand().raise && ev.demand().conjugate.is_some());
//! # Ok::<(), polyformer_kernel::Error>(())
//! ```

use crate::{
    arith::{Arithmetic, ComplexArithmetic, cost::Demand},
    error::{Error, Result},
    eval::trace::Trace,
    params::Params,
};
use alloc::vec::Vec;

pub mod bootstrapped;
pub mod design;
pub mod dft;
pub mod encoded;
pub mod sine;

pub use bootstrapped::Bootstrapped;
pub use design::{Design, Order, Recipe};
pub use encoded::RotationStrategy;

use design::CORRECTION_BITS;
use encoded::FactoredTransform;
use sine::Sine;

/// A stage of bootstrapping that [`Bootstrapper::refresh_seen`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// From slots to coefficients.
    SlotsToCoeffs,
    /// The switch to the sparse secret, the raise, the switch back, and the projection of a sparse vector.
    ModRaise,
    /// From coefficients to slots, real and imaginary parts.
    CoeffsToSlots,
    /// The sine.
    EvalMod,
    /// With two iterations only: the error of the first iteration, and its addition.
    Correction,
}

/// A callback with the evaluator, a stage, and the result of the stage.
pub type StageObserver<'a, A> = &'a mut dyn FnMut(&mut A, Stage, &<A as Arithmetic>::Slots) -> Result<()>;

/// The matrices and polynomials of one way to bootstrap, encoded once.
#[derive(Debug)]
pub struct Bootstrapper<P> {
    order: Order,
    highest: u8,
    input: u8, // the least level of an input
    slots_to_coeffs: FactoredTransform<P>,
    coeffs_to_slots: FactoredTransform<P>,
    sine: Sine,
    correction: Option<Sine>, // of the second iteration, if there is one
    shift: u32,               // the message is multiplied by 2^shift before ModRaise
    project: Vec<i32>,        // rotations that add up the copies of a sparse vector
}

impl<P> Bootstrapper<P> {
    /// Encodes everything for `recipe`.
    ///
    /// # Errors
    /// The errors of [`Design::new`]; [`Error::TooLarge`] if a diagonal does not fit the base modulus.
    pub fn new<A: ComplexArithmetic<Plaintext = P>>(ev: &mut A, params: &Params, recipe: &Recipe) -> Result<Self> {
        let Design { slots_to_coeffs, coeffs_to_slots, sine, correction, shift, project } =
            Design::new(params, recipe)?;
        let (highest, steps) = (params.max_level(), recipe.steps);
        let bootstrap = params.bootstrap().ok_or(Error::NoBootstrap)?;
        let (input, down_from) = match recipe.order {
            Order::ModRaiseFirst => (0, params.max_message_level()),
            _ => (bootstrap.slots_to_coeffs(), bootstrap.slots_to_coeffs()),
        };
        Ok(Self {
            order: recipe.order,
            highest,
            input,
            slots_to_coeffs: FactoredTransform::new(ev, &slots_to_coeffs, down_from, steps)?,
            coeffs_to_slots: FactoredTransform::new(ev, &coeffs_to_slots, highest, steps)?,
            sine,
            correction,
            shift,
            project,
        })
    }

    /// The keys that one bootstrap of vectors of `slots` slots needs, by a dry run.
    ///
    /// # Errors
    /// The errors of [`Bootstrapper::refresh`].
    pub fn demand(&self, slots: usize) -> Result<Demand> {
        let mut trace = Trace::new(slots, None);
        let outline = self.map(|level| trace.diagonal(level));
        let x = trace.input(outline.input());
        outline.refresh(&mut trace, x)?;
        Ok(trace.demand().clone())
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
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] if x is below [`Bootstrapper::input`]; the first key that is missing; errors of the
    /// backend's memory.
    pub fn refresh<A: ComplexArithmetic<Plaintext = P>>(&self, ev: &mut A, x: A::Slots) -> Result<A::Slots> {
        self.refresh_seen(ev, x, &mut |_, _, _| Ok(()))
    }

    /// [`Bootstrapper::refresh`] with a call of `seen` after each stage, with the result of the stage.
    ///
    /// With two iterations, the result of the first is subtracted from x at the level of x. The difference is
    /// multiplied by 2^16 and bootstrapped. The final error is 2^-16 times the error of one iteration, plus the
    /// rounding of a rescale and of a drop_to_level at the message scale.
    ///
    /// For real slots the real part is taken at the end, because no iteration has the noise of the imaginary part as
    /// input. For the same reason all slots are bootstrapped, whatever the period: noise has no period. [eprint
    /// 2022/1167]
    ///
    /// # Errors
    /// The errors of [`Bootstrapper::refresh`] and of `seen`.
    pub fn refresh_seen<A: ComplexArithmetic<Plaintext = P>>(
        &self,
        ev: &mut A,
        x: A::Slots,
        seen: StageObserver<'_, A>,
    ) -> Result<A::Slots> {
        let x = ev.drop_to_level(x, self.input)?;
        let Some(correction) = &self.correction else { return self.once(ev, x, &self.sine, seen) };
        let mut rest = ev.copy(&x)?;
        let mut sum = self.once(ev, x, &self.sine, seen)?;
        let mut first = ev.copy_at_level(&sum, self.input)?;
        if !self.order.is_complex() {
            ev.mul_int(&mut first, 2)?;
        }
        ev.sub(&mut rest, &first)?;
        ev.mul_int(&mut rest, 1 << CORRECTION_BITS)?;
        seen(ev, Stage::Correction, &rest)?;
        let rest = self.once(ev, rest, correction, seen)?;
        ev.add(&mut sum, &rest)?;
        if !self.order.is_complex() {
            let conjugate = ev.conjugate(&sum)?;
            ev.add(&mut sum, &conjugate)?;
        }
        seen(ev, Stage::Correction, &sum)?;
        Ok(sum)
    }

    /// Whether [`Bootstrapper::refresh_pair`] takes two vectors: real slots, and one iteration.
    pub fn takes_pairs(&self) -> bool {
        self.order == Order::SlotsToCoeffsFirst && self.correction.is_none()
    }

    /// [`Bootstrapper::refresh`] of two real vectors at once, as x + i y: one pass through the linear maps, and EvalMod
    /// for each. Each result has the error of a real vector. At B16 the two take 1.3 times the time of one. Unless
    /// [`Bootstrapper::takes_pairs`], the vectors are bootstrapped one by one.
    ///
    /// # Errors
    /// Those of [`Bootstrapper::refresh`].
    pub fn refresh_pair<A: ComplexArithmetic<Plaintext = P>>(
        &self,
        ev: &mut A,
        [x, y]: [A::Slots; 2],
    ) -> Result<[A::Slots; 2]> {
        if !self.takes_pairs() {
            return Ok([self.refresh(ev, x)?, self.refresh(ev, y)?]);
        }
        let mut x = ev.drop_to_level(x, self.input)?;
        let mut y = ev.drop_to_level(y, self.input)?;
        ev.mul_i(&mut y)?;
        ev.add(&mut x, &y)?;
        let (x, y) = self.parts(ev, x, true, &mut |_, _, _| Ok(()))?;
        let y = y.ok_or(Error::Empty { what: "imaginary part" })?;
        Ok([self.sine.evaluate(ev, x)?, self.sine.evaluate(ev, y)?])
    }

    /// One iteration, from the input's level.
    fn once<A: ComplexArithmetic<Plaintext = P>>(
        &self,
        ev: &mut A,
        x: A::Slots,
        sine: &Sine,
        seen: StageObserver<'_, A>,
    ) -> Result<A::Slots> {
        let (x, imaginary) = self.parts(ev, x, self.order.is_complex(), seen)?;
        let mut x = sine.evaluate(ev, x)?;
        if let Some(imaginary) = imaginary {
            let mut y = sine.evaluate(ev, imaginary)?;
            ev.mul_i(&mut y)?;
            ev.add(&mut x, &y)?;
        }
        seen(ev, Stage::EvalMod, &x)?;
        if self.order == Order::ModRaiseFirst {
            x = self.slots_to_coeffs.apply(ev, x)?;
            seen(ev, Stage::SlotsToCoeffs, &x)?;
        }
        Ok(x)
    }

    /// The steps before EvalMod: twice the real part, and twice the imaginary part if `both`.
    fn parts<A: ComplexArithmetic<Plaintext = P>>(
        &self,
        ev: &mut A,
        mut x: A::Slots,
        both: bool,
        seen: StageObserver<'_, A>,
    ) -> Result<(A::Slots, Option<A::Slots>)> {
        if self.order != Order::ModRaiseFirst {
            x = self.slots_to_coeffs.apply(ev, x)?;
            seen(ev, Stage::SlotsToCoeffs, &x)?;
        }
        ev.mul_int(&mut x, 1 << self.shift)?;
        let mut x = ev.mod_raise(x, self.highest)?;
        for step in &self.project {
            let y = ev.rotate(&x, *step)?;
            ev.add(&mut x, &y)?;
        }
        seen(ev, Stage::ModRaise, &x)?;
        let mut x = self.coeffs_to_slots.apply(ev, x)?;
        let conjugate = ev.conjugate(&x)?;
        let imaginary = if both {
            let mut imaginary = ev.copy(&conjugate)?;
            ev.sub(&mut imaginary, &x)?;
            ev.mul_i(&mut imaginary)?; // i (conj(x) - x) is twice the imaginary part
            Some(imaginary)
        } else {
            None
        };
        ev.add(&mut x, &conjugate)?; // twice the real part
        seen(ev, Stage::CoeffsToSlots, &x)?;
        Ok((x, imaginary))
    }
}
