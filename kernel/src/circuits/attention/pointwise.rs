//! Attention without a sum along the row. Each weight depends on its own score and on public numbers.

use crate::{
    arith::Arithmetic,
    circuits::{
        approx::Approximation,
        exp::{Exp, exp},
        mul_aligned,
        poly::evaluate,
        power,
        reduce::masked,
    },
    error::{Error, Result},
};

/// Scaled σ-attention: σ(x_j)/√L for rows of L entries, with σ a polynomial for GELU or ReLU. The coefficients contain
/// 1/√L. The depth is the depth of σ. [Zimerman et al., arXiv 2311.08610]
///
/// # Errors
/// [`Error::LevelExhausted`] if a vector has too few levels.
pub fn scaled_sigma<A: Arithmetic>(
    ev: &mut A,
    sigma: &Approximation,
    xs: &mut [A::Slots],
    length: usize,
) -> Result<()> {
    let p = sigma.poly().clone().scaled(1.0 / libm::sqrt(length.max(1) as f64));
    for x in xs {
        *x = evaluate(ev, &p, x)?;
    }
    Ok(())
}

/// The Gaussian kernel e^x of x = -‖Q_i - K_j‖² / (2√d) <= 0 ([`gaussian_exponent`]). Depth [`Exp::depth`]. [Rho et
/// al., arXiv 2410.02486]
///
/// # Errors
/// [`Error::LevelExhausted`] if a vector has too few levels.
pub fn gaussian<A: Arithmetic>(ev: &mut A, config: &Exp, xs: &mut [A::Slots]) -> Result<()> {
    for x in xs {
        *x = exp(ev, config, x)?;
    }
    Ok(())
}

/// -‖q - k‖² / (2√d) = q·k/√d - (‖q‖² + ‖k‖²)/(2√d), given the dot product and both squared norms, all three already
/// divided by √d. Norms are made once a token. Depth 1.
///
/// # Errors
/// [`Error::LevelMismatch`] if the three vectors are at different levels; [`Error::LevelExhausted`] at level 0.
pub fn gaussian_exponent<A: Arithmetic>(
    ev: &mut A,
    dot: &A::Slots,
    q_norm: &A::Slots,
    k_norm: &A::Slots,
) -> Result<A::Slots> {
    let mut half = ev.copy(q_norm)?;
    ev.add(&mut half, k_norm)?;
    let mut sum = ev.mul_const(&half, -0.5)?;
    let dot = ev.mul_const(dot, 1.0)?;
    ev.accumulate(&mut sum, dot)?;
    ev.rescale(sum)
}

/// BPMax: (x/√d + c)^p M/R with p = 2^k + 1 and public R. [Powerformer, ACL 2025]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BpMax {
    /// The constant added to every score; 5 as published.
    pub c: f64,
    /// p = 2^log_p + 1; 2 (so p = 5) as published.
    pub log_p: u32,
}

impl BpMax {
    /// As published.
    pub const PUBLISHED: Self = Self { c: 5.0, log_p: 2 };

    /// The factor of the scores in addition to 1/√d, which keeps their power near 1.
    pub fn input_scale(&self) -> f64 {
        0.5 / self.c
    }

    /// One entry of the pattern for [`bpmax`]: the mask, over the public divisor of the row, in units of the power.
    pub fn pattern(&self, visible: f64, divisor: f64) -> f64 {
        visible * libm::pow(2.0 * self.c, libm::exp2(self.log_p as f64) + 1.0) / divisor
    }

    /// The definition: the weight of a visible score (already over √d).
    pub fn define(&self, x: f64, divisor: f64) -> f64 {
        libm::pow(x + self.c, libm::exp2(self.log_p as f64) + 1.0) / divisor
    }
}

/// BPMax of scores that were multiplied by [`BpMax::input_scale`]; `patterns[i]`, of entries
/// [`BpMax::pattern`], belongs to `xs[i]`. Depth log_p + 1: 3 as published.
///
/// # Errors
/// [`Error::Length`] if there is not one pattern for each vector; [`Error::Slots`] if the length of a pattern does not
/// divide the slots; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn bpmax<A: Arithmetic>(ev: &mut A, config: &BpMax, xs: &mut [A::Slots], patterns: &[&[f64]]) -> Result<()> {
    if xs.len() != patterns.len() {
        return Err(Error::Length { expected: xs.len(), actual: patterns.len() });
    }
    for (x, pattern) in xs.iter_mut().zip(patterns) {
        ev.add_const(x, config.c * config.input_scale())?;
        let high = power(ev, x, 1 << config.log_p)?;
        let low = masked(ev, x, pattern)?; // beside the power, not after it
        *x = mul_aligned(ev, &high, &low)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{BpMax, bpmax, gaussian, gaussian_exponent, scaled_sigma};
    use crate::{
        circuits::{
            approx::{Approximation, Function, Weight},
            exp::Exp,
        },
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
        },
    };

    const N: usize = 64;

    #[test]
    fn sigma_is_scaled_by_the_length() {
        let sigma = Approximation::chebyshev(Function::Gelu, Weight::Absolute, (-8.0, 8.0), 31).unwrap();
        let x: [f64; N] = core::array::from_fn(|i| -8.0 + i as f64 / 4.0);
        let (mut y, mut sure) = ([x], [x.map(Bounds::point)]);
        scaled_sigma(&mut ClearArray::<f64, N>::new(), &sigma, &mut y, 256).unwrap();
        scaled_sigma(&mut Interval::<f64, N>::new(), &sigma, &mut sure, 256).unwrap();
        for i in 0..N {
            assert!((y[0][i] - Function::Gelu.at(x[i]) / 16.0).abs() <= sigma.error() / 16.0 + 1e-15);
            assert!(sure[0][i].contains(y[0][i]));
        }
    }

    #[test]
    fn the_gaussian_kernel_keeps_its_error() {
        let config = Exp::choose(20.0, 1e-4).unwrap();
        let x: [f64; N] = core::array::from_fn(|i| -20.0 * i as f64 / 63.0);
        let mut y = [x];
        gaussian(&mut ClearArray::<f64, N>::new(), &config, &mut y).unwrap();
        assert!(x.iter().zip(y[0]).all(|(x, y)| (x.exp() - y).abs() <= config.error()));
        // q = (1, 2), k = (3, -1): ‖q - k‖² = 13, over 2√2
        let d = 2f64.sqrt();
        let z = gaussian_exponent(&mut ClearArray::<f64, 1>::new(), &[1.0 / d], &[5.0 / d], &[10.0 / d]).unwrap();
        assert!((z[0] + 6.5 / d).abs() < 1e-15);
    }

    #[test]
    fn bpmax_is_its_definition_where_the_mask_is_one() {
        let config = BpMax::PUBLISHED;
        let x: [f64; N] = core::array::from_fn(|i| -5.0 + i as f64 * 10.0 / 63.0);
        let pattern: [f64; N] = core::array::from_fn(|i| config.pattern((i % 3 != 0) as u8 as f64, 4e4));
        let (mut y, mut sure) =
            ([x.map(|x| x * config.input_scale())], [x.map(|x| Bounds::point(x * config.input_scale()))]);
        bpmax(&mut ClearArray::<f64, N>::new(), &config, &mut y, &[&pattern]).unwrap();
        bpmax(&mut Interval::<f64, N>::new(), &config, &mut sure, &[&pattern]).unwrap();
        for i in 0..N {
            let want = if i % 3 == 0 { 0.0 } else { config.define(x[i], 4e4) };
            assert!((y[0][i] - want).abs() < 1e-14 && sure[0][i].contains(y[0][i]));
        }
    }
}
