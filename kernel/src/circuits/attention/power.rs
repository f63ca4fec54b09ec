//! PowerSoftmax: x_j^p / Σ_i x_i^p for even p, in four forms. [Zimerman et al., arXiv 2410.09457; docs/math.md §13.1]
//!
//! All four forms are m x_j^p / (ε + m Σ x_i^p):
//!
//! - The basic form has m = 1, ε = 0, and a known range of the sum.
//! - The Lipschitz form has ε > 0, which bounds the reciprocal for every row.
//! - The length-agnostic form has m = 1/L, so that neither end of the range grows with the row.
//! - The stable form is the basic form or the Lipschitz form on x/c, with a public c >= ‖x‖_∞, given as a pattern of
//!   1/c.

use super::{
    fields::{FieldError, Fields, FromFields, integer, number},
    weights::{AttentionWeights, Normaliser},
};
use crate::{
    arith::Arithmetic,
    circuits::{
        mul_aligned,
        poly::ceil_log2,
        power,
        reciprocal::{Division, Iteration, divide, reciprocal},
        reduce::{RowLayout, masked, row_sums},
    },
    error::{Error, Result},
};

/// The form of PowerSoftmax that a model was trained with, for rows of L visible keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// x^p / Σ x^p, and the range of the sum is known.
    Plain,
    /// x^p / (ε + Σ x^p)
    Lipschitz,
    /// (1/L) x^p / (ε + (1/L) Σ x^p)
    LengthAgnostic,
    /// Lipschitz, or plain if ε is 0, of x over a public bound of |x|.
    Stable {
        /// The bound.
        bound: f64,
    },
}

/// The power, the sum, and the division of a PowerSoftmax.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerSoftmax {
    p: u32,
    mean: f64,
    form: Form,
    epsilon: f64,
    division: Division,
}

impl PowerSoftmax {
    /// x^p / Σ x^p. The sum of a row is in `sum`, and the relative error is at most `error`. p is even, at most 16.
    ///
    /// # Errors
    /// The errors of [`Division::choose`] and [`PowerSoftmax::with_division`].
    pub fn plain(p: u32, sum: (f64, f64), error: f64) -> Result<Self> {
        Self::with_division(p, 1.0, 0.0, Division::choose(sum, error)?)
    }

    /// |x|^p / (ε + Σ |x|^p). The sum is at most `most`.
    ///
    /// # Errors
    /// The errors of [`Division::choose`] and [`PowerSoftmax::with_division`].
    pub fn lipschitz(p: u32, epsilon: f64, most: f64, error: f64) -> Result<Self> {
        let division = Division::choose((epsilon, epsilon + most), error)?;
        Self::with_division(p, 1.0, epsilon, division)
    }

    /// (1/L) x^p / (ε + (1/L) Σ x^p), for rows of L entries whose mean power is at most `most`.
    ///
    /// # Errors
    /// The errors of [`Division::choose`] and [`PowerSoftmax::with_division`].
    pub fn length_agnostic(p: u32, length: usize, epsilon: f64, most: f64, error: f64) -> Result<Self> {
        let division = Division::choose((epsilon, epsilon + most), error)?;
        Self::with_division(p, 1.0 / length.max(1) as f64, epsilon, division)
    }

    /// The recipe as published, for [`published`]. The recipe divides the sum by its largest value. Each of
    /// `iterations` unrelaxed steps of Goldschmidt then squares e and multiplies with 1 + e.
    ///
    /// # Errors
    /// The errors of [`Division::new`] and [`PowerSoftmax::with_division`].
    pub fn published(p: u32, sum: (f64, f64), iterations: usize) -> Result<Self> {
        let division = Division::new(sum, Iteration::Goldschmidt, false, None, iterations + 1)?;
        Self::with_division(p, 1.0, 0.0, division)
    }

    /// m x^p / (ε + m Σ x^p) by a given division, whose range is the range of the denominator.
    ///
    /// # Errors
    /// [`Error::BadPower`] for a power that is odd or over 16; [`Error::BadRange`] for a mean that is not positive, or
    /// an ε that is negative or above the range of the division.
    pub fn with_division(p: u32, mean: f64, epsilon: f64, division: Division) -> Result<Self> {
        let (lo, hi) = division.range();
        if p == 0 || !p.is_multiple_of(2) || p > 16 {
            return Err(Error::BadPower { power: p, most: 16 });
        }
        let most = if division.polynomial().is_some() { hi } else { lo };
        if !(mean > 0.0 && (0.0..=most).contains(&epsilon)) {
            return Err(Error::BadRange { lo: epsilon.min(lo), hi });
        }
        Ok(Self { p, mean, form: if epsilon > 0.0 { Form::Lipschitz } else { Form::Plain }, epsilon, division })
    }

    /// For the rows of a model, whose lengths differ: any form, by any division of ε + Σ or ε + the mean.
    ///
    /// # Errors
    /// [`Error::BadPower`] for a power that is odd or over 16; [`Error::BadRange`] for a bound that is not positive, or an
    /// ε that is negative or above the range of the division.
    pub fn with_form(p: u32, form: Form, epsilon: f64, division: Division) -> Result<Self> {
        if let Form::Stable { bound } = form
            && !(bound > 0.0 && bound.is_finite())
        {
            return Err(Error::BadRange { lo: 0.0, hi: bound });
        }
        Ok(Self { form, ..Self::with_division(p, 1.0, epsilon, division)? })
    }

    /// The division.
    pub fn division(&self) -> &Division {
        &self.division
    }

    /// Certified: no weight is off by more, relative to m x^p / (ε + m Σ x^p), inside the range.
    pub fn error(&self) -> f64 {
        self.division.error()
    }

    /// The factor that goes into the scores (so into W_q) to save the level of scaling: see [`folded`].
    pub fn input_scale(&self) -> f64 {
        libm::pow(self.mean * self.division.scale(), 1.0 / self.p as f64)
    }

    /// The definition, in floats: `row` becomes its weights.
    pub fn define(&self, row: &mut [f64]) {
        let mean = if self.form == Form::LengthAgnostic { 1.0 / row.len() as f64 } else { self.mean };
        let power = |x: f64| (0..self.p / 2).fold(1.0, |y, _| y * (x * x));
        row.iter_mut().for_each(|x| *x /= self.bound());
        let sum: f64 = row.iter().map(|x| power(*x)).sum();
        for x in row {
            let y = mean * power(*x);
            *x = if y == 0.0 { 0.0 } else { y / (self.epsilon + mean * sum) };
        }
    }

    /// The divisor of scores.
    fn bound(&self) -> f64 {
        if let Form::Stable { bound } = self.form { bound } else { 1.0 }
    }

    /// Levels that [`power_softmax`] takes.
    pub fn depth(&self) -> u8 {
        ceil_log2(self.p as usize) + 1 + self.division.divide_depth()
    }

    /// Levels that [`folded`] takes on rows in vectors of `slots` slots.
    pub fn folded_depth(&self, rows: &RowLayout, slots: usize) -> u8 {
        ceil_log2(self.p as usize) + rows.depth(slots, 1.0) + self.division.divide_depth()
    }
}

/// The weights of attention of the scores `xs`. Depth [`PowerSoftmax::depth`].
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn power_softmax<A: Arithmetic>(
    ev: &mut A,
    config: &PowerSoftmax,
    xs: &mut [A::Slots],
    rows: &RowLayout,
) -> Result<()> {
    let factor = config.mean * config.division.scale();
    let sum = powers_and_sum(ev, config, xs, rows, factor)?;
    for x in xs.iter_mut() {
        *x = ev.scaled(x, factor)?; // beside the sum's level, not after it
    }
    divide(ev, &config.division, xs, &sum)
}

/// The same for scores that were already multiplied by [`PowerSoftmax::input_scale`]. Depth
/// [`PowerSoftmax::folded_depth`], which is one less if rows wrap.
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn folded<A: Arithmetic>(ev: &mut A, config: &PowerSoftmax, xs: &mut [A::Slots], rows: &RowLayout) -> Result<()> {
    let sum = powers_and_sum(ev, config, xs, rows, 1.0)?;
    divide(ev, &config.division, xs, &sum)
}

/// The recipe as published: the reciprocal of the scaled sum, then one product. The depth is log2 p + 3 levels more
/// than the iterations: 27 for p = 4 and 22 iterations.
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn published<A: Arithmetic>(
    ev: &mut A,
    config: &PowerSoftmax,
    xs: &mut [A::Slots],
    rows: &RowLayout,
) -> Result<()> {
    let factor = config.mean * config.division.scale();
    let sum = powers_and_sum(ev, config, xs, rows, factor)?;
    let inverse = reciprocal(ev, &config.division, &sum)?;
    for x in xs {
        let y = ev.scaled(x, factor)?;
        *x = mul_aligned(ev, &y, &inverse)?;
    }
    Ok(())
}

/// The stable form: x/c, then [`power_softmax`]. `inverse` is the pattern of 1/c, where c >= ‖x‖_∞ of the row of the
/// slot. The pattern is zero where a mask hides the entry. Depth one more.
///
/// # Errors
/// [`Error::Slots`] if the length of the pattern does not divide the slots; the errors of [`power_softmax`].
pub fn stable<A: Arithmetic>(
    ev: &mut A,
    config: &PowerSoftmax,
    xs: &mut [A::Slots],
    rows: &RowLayout,
    inverse: &[f64],
) -> Result<()> {
    for x in xs.iter_mut() {
        *x = masked(ev, x, inverse)?;
    }
    power_softmax(ev, config, xs, rows)
}

/// Every entry becomes x^p, at depth log2 p, rounded up. Returns `factor` · Σ x^p of each row plus the scaled ε, at that depth
/// and [`RowLayout::depth`].
fn powers_and_sum<A: Arithmetic>(
    ev: &mut A,
    config: &PowerSoftmax,
    xs: &mut [A::Slots],
    rows: &RowLayout,
    factor: f64,
) -> Result<A::Slots> {
    for x in xs.iter_mut() {
        *x = power(ev, x, config.p)?;
    }
    let mut sum = row_sums(ev, xs, rows, factor)?;
    ev.add_const(&mut sum, config.epsilon * config.division.scale())?;
    Ok(sum)
}

impl AttentionWeights for PowerSoftmax {
    fn name(&self) -> &'static str {
        Self::NAME
    }
    /// L^(-1/p) in the length-agnostic form: the mean of powers is then a sum.
    fn score_factor(&self, visible: usize) -> f64 {
        let length = visible.max(1) as f64;
        match self.form {
            Form::LengthAgnostic if self.p.is_power_of_two() => {
                1.0 / (0..self.p.ilog2()).fold(length, |x, _| libm::sqrt(x))
            }
            Form::LengthAgnostic => libm::pow(length, -1.0 / self.p as f64),
            _ => 1.0 / self.bound(),
        }
    }
    /// None: what is bounded is the sum of powers.
    fn range(&self) -> Option<(f64, f64)> {
        None
    }
    fn numerators<A: Arithmetic>(&self, ev: &mut A, x: A::Slots, _: Option<[&A::Slots; 2]>) -> Result<A::Slots> {
        power(ev, &x, self.p)
    }
    fn numerator_depth(&self) -> u8 {
        ceil_log2(self.p as usize)
    }
    fn hides_by_itself(&self) -> bool {
        true
    }
    fn normaliser(&self) -> Option<Normaliser<'_>> {
        Some(Normaliser { epsilon: self.epsilon, division: &self.division })
    }
    fn define(&self, row: &mut [f64]) {
        PowerSoftmax::define(self, row);
    }
    fn error(&self) -> f64 {
        self.division.error()
    }

    /// The power first, then its share of the mean.
    fn whole_numerators<A: Arithmetic>(
        &self,
        ev: &mut A,
        x: A::Slots,
        visible: usize,
        _: Option<[&A::Slots; 2]>,
    ) -> Result<A::Slots> {
        let x = if let Form::Stable { bound } = self.form { ev.scaled(&x, 1.0 / bound)? } else { x };
        let y = power(ev, &x, self.p)?;
        if self.form == Form::LengthAgnostic { ev.scaled(&y, 1.0 / visible.max(1) as f64) } else { Ok(y) }
    }
}

/// The fields are:
/// - `power`,
/// - `form`: "plain", "lipschitz", "length_agnostic", or "stable" with `bound`,
/// - `epsilon`, or for "plain" the smallest sum `least`,
/// - the polynomial `reciprocal`, or `most`, the largest sum (or mean) of powers, and the `error` of a weight.
impl FromFields for PowerSoftmax {
    const NAME: &'static str = "power_softmax";

    fn from_fields(fields: &impl Fields) -> core::result::Result<Self, FieldError> {
        let p = integer(fields, "power", 16)?;
        let form = match fields.text("form") {
            Some("plain") => Form::Plain,
            Some("lipschitz") => Form::Lipschitz,
            Some("length_agnostic") => Form::LengthAgnostic,
            Some("stable") => Form::Stable { bound: number(fields, "bound")? },
            _ => return Err(FieldError::Missing("form")),
        };
        let epsilon = if form == Form::Plain { 0.0 } else { number(fields, "epsilon")? };
        let division = match fields.polynomial("reciprocal") {
            Some(polynomial) => Division::trained(polynomial),
            None => {
                let least = if epsilon > 0.0 { epsilon } else { number(fields, "least")? };
                Division::choose((least, epsilon + number(fields, "most")?), number(fields, "error")?)?
            }
        };
        Ok(Self::with_form(p, form, epsilon, division)?)
    }
}

#[cfg(test)]
mod tests;
