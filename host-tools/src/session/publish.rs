//! Publication. Noise for the whole vector of published values hides the error of decryption, which depends on the key.
//! The noise is an integer from a discrete Gaussian on a grid that is finer than the error. The sum is rounded to a
//! coarser grid, which is public. `docs/math.md` §17.3 derives the statement. [eprint 2022/816]

use super::private::{Private, name};
use crate::{
    Error, Result,
    files::ResultId,
    keys::{budget, random, secret::Secret},
};
use gaussian::Gaussian;
use serde::Serialize;
use std::{fmt, path::Path};

mod gaussian;

/// Values that everybody may see.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published(Vec<f64>);

impl Published {
    /// The values.
    pub fn values(&self) -> &[f64] {
        &self.0
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|x| writeln!(f, "{x}"))
    }
}

/// What the owner of a key decides before a result is published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// T: results that may be published under the key in all.
    pub results: u32,
    /// s: bits of statistical security, from 30 to 64.
    pub bits: u32,
    /// E: a bound of every value's error, from the circuit and never from the result.
    pub bound: f64,
}

impl Private {
    /// The values with noise, as one result of the budget in the key's file at `key`. The budget counts the result
    /// before any noise is drawn.
    ///
    /// A result of a decryption is also kept in a file beside the key ([`budget::spend`]). Its noise follows from the secret
    /// key and the ciphertext, so the same values come out again if the file is removed, and nothing is counted then.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if E is smaller than the error of a fresh ciphertext, or the noise cannot be drawn.
    /// [`Error::Unreliable`] if parts of the result that an honest circuit leaves at 0 are larger than E. The errors of
    /// [`budget::spend`]. Nothing is counted before these checks, and nothing is published after an error.
    pub fn publish(&self, key: &Path, secret: &Secret, terms: Terms) -> Result<Published> {
        let noise = Noise::new(self.values().len(), terms)?;
        self.check(terms.bound)?;
        noise.check(self.values())?;
        let names = self.origin().map(|origin| |copy: u32| result_id(origin, self.values().len(), terms, copy));
        let names = names.as_ref().map(|names| names as &dyn Fn(u32) -> ResultId);
        let receipt = budget::spend(key, secret, (terms.results, terms.bits), names)?;
        let mut rng = match &receipt {
            Some(receipt) => secret.noise_of(&receipt.id),
            None => random::generator()?,
        };
        let published = Published(noise.add(self.values(), &mut rng)?);
        receipt.map_or(Ok(()), |receipt| receipt.keep(&published.to_string()))?;
        Ok(published)
    }
}

/// The name of a copy of a result. Everything that decides values and noise is in the name, and nothing secret.
fn result_id(origin: &[u8; 32], values: usize, terms: Terms, copy: u32) -> ResultId {
    let numbers = [values as u64, terms.bound.to_bits(), terms.results as u64, terms.bits as u64, copy as u64];
    name("polyformer published result 1", &[origin, numbers.map(u64::to_le_bytes).as_flattened()])
}

/// The least ratio of E and the step of the fine grid.
const FINE: f64 = 64.0;
/// The number of coarse steps in a deviation is this, times the deviation of [`Gaussian`] of one step.
const COARSE: f64 = 256.0;
/// The share of E that rounding to the fine grid adds: two steps.
const ROUNDING: f64 = 2.0 / FINE;
/// The largest magnitude of a value, in fine steps: quotients of floats are exact to half a step below it.
const LARGEST: f64 = (1u64 << 51) as f64;

/// Noise for a vector of values.
///
/// Published values are multiples of a coarse step, a number of three decimal digits. The fine step is the coarse step
/// over a power of two, and at most E/64.
pub struct Noise {
    digits: u32,     // of the coarse step: 100 to 1000
    exponent: i32,   // of the coarse step: digits · 10^exponent
    below: u32,      // bits from the fine to the coarse grid
    bound: f64,      // E
    draws: Gaussian, // in fine steps
}

impl Noise {
    /// Noise for `values` values.
    ///
    /// # Errors
    /// [`Error::Usage`] for a budget that [`budget::spend`] refuses, no values, a bound that is not positive and finite, and
    /// noise of more than 2^54 times E.
    pub fn new(values: usize, terms: Terms) -> Result<Self> {
        let Terms { results, bits, bound } = terms;
        budget::ask(results, bits)?;
        if values == 0 {
            return Err(Error::usage("publish", "0 values, at least 1 is published"));
        }
        if !(bound > 0.0 && bound.is_finite()) {
            return Err(Error::usage(format!("a noise bound of {bound}"), "positive and finite"));
        }
        let least = deviation(values, results, bits, bound * (1.0 + ROUNDING)) / (COARSE * gaussian::UNIT);
        let exponent = least.log10().floor() as i32 - 2;
        let digits = (least / power_of_ten(exponent)).ceil() as u32;
        let coarse = decimal(digits as f64, exponent);
        let below = (FINE * coarse / bound).log2().ceil().max(1.0) as u32;
        let most = gaussian::MOST_BITS - COARSE.log2() as u32;
        if below > most {
            let what = format!("the noise is 2^{} times E, at most 2^{} can be drawn", below + 2, most + 2);
            return Err(Error::usage("publish", format!("{what}: fewer results, values or bits are needed")));
        }
        let draws = Gaussian::new(below + COARSE.log2() as u32);
        Ok(Self { digits, exponent, below, bound, draws })
    }

    /// The step of published values.
    pub fn step(&self) -> f64 {
        decimal(self.digits as f64, self.exponent)
    }

    /// The standard deviation of the noise: sqrt(12 T n) 2^(s/2) E, and at most 5 % more.
    pub fn deviation(&self) -> f64 {
        self.step() * COARSE * gaussian::UNIT
    }

    /// The fine step, in which the noise is drawn.
    fn fine(&self) -> f64 {
        self.step() / (1u64 << self.below) as f64
    }

    /// Insists on values that the fine grid tells apart.
    fn check(&self, values: &[f64]) -> Result<()> {
        let most = LARGEST * self.fine();
        match values.iter().find(|x| x.is_nan() || x.abs() >= most) {
            Some(_) => {
                let what = format!("a value is not below {most:.1e}, too large for a bound of {:.1e}", self.bound);
                Err(Error::usage("publish", format!("{what}: a larger bound is needed")))
            }
            None => Ok(()),
        }
    }

    /// Each value plus noise, on the coarse grid.
    ///
    /// # Errors
    /// [`Error::Usage`] for a value that is 2^51 fine steps or more.
    pub fn add(&self, values: &[f64], rng: &mut impl rand_core::CryptoRng) -> Result<Vec<f64>> {
        self.check(values)?;
        let fine = self.fine();
        let half = 1i128 << (self.below - 1);
        let noisy = |x: &f64| {
            let sum = (x / fine).round() as i128 + self.draws.draw(rng);
            let steps = (sum + half) >> self.below;
            decimal((steps * self.digits as i128) as f64, self.exponent)
        };
        Ok(values.iter().map(noisy).collect())
    }
}

/// sqrt(12 T n) 2^(s/2) E.
fn deviation(values: usize, results: u32, bits: u32, bound: f64) -> f64 {
    (12.0 * results as f64 * values as f64).sqrt() * (bits as f64 / 2.0).exp2() * bound
}

fn power_of_ten(exponent: i32) -> f64 {
    10f64.powi(exponent)
}

/// `digits` · 10^`exponent`, rounded once if the power is exact.
fn decimal(digits: f64, exponent: i32) -> f64 {
    if exponent < 0 { digits / power_of_ten(-exponent) } else { digits * power_of_ten(exponent) }
}

#[cfg(test)]
mod tests;
