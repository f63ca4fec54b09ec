//! Activations. GELU, SiLU, tanh, sigmoid and ReLU are [`super::approx::Approximation`]s on a stated range, and
//! [`activate`] evaluates an approximation. A more precise ReLU is in [`super::sign`]. The quadratic activation is for
//! models that were trained with a quadratic.

use super::{approx::Approximation, poly::evaluate};
use crate::{arith::Arithmetic, error::Result};

/// The approximated function at x in its range, within its certified error. Depth
/// [`poly::Polynomial::depth`][super::poly::Polynomial::depth].
///
/// # Errors
/// [`Error::LevelExhausted`][crate::Error::LevelExhausted] if x has too few levels.
pub fn activate<A: Arithmetic>(ev: &mut A, f: &Approximation, x: &A::Slots) -> Result<A::Slots> {
    evaluate(ev, f.poly(), x)
}

/// Levels of [`quadratic`].
pub const QUADRATIC_DEPTH: u8 = 1;

/// x² + bx + c; a leading coefficient folds into the next weights. Depth 1.
///
/// # Errors
/// [`Error::LevelExhausted`][crate::Error::LevelExhausted] at level 0.
pub fn quadratic<A: Arithmetic>(ev: &mut A, x: &A::Slots, b: f64, c: f64) -> Result<A::Slots> {
    let mut y = ev.mul(x, x)?;
    if b != 0.0 {
        let linear = ev.mul_const(x, b)?;
        ev.accumulate(&mut y, linear)?;
    }
    let mut y = ev.rescale(y)?;
    ev.add_const(&mut y, c)?;
    Ok(y)
}

#[cfg(test)]
mod tests {
    use super::{activate, quadratic};
    use crate::{
        circuits::approx::{Approximation, Function, Weight},
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
        },
    };

    const N: usize = 256;

    #[test]
    fn activations_keep_their_errors_in_f32_and_f64() {
        for (function, range, degree) in [
            (Function::Gelu, (-8.0, 8.0), 31),
            (Function::Silu, (-10.0, 10.0), 31),
            (Function::Tanh, (-5.0, 5.0), 27),
            (Function::Sigmoid, (-8.0, 8.0), 15),
            (Function::Relu, (-5.0, 5.0), 31),
        ] {
            let f = Approximation::chebyshev(function, Weight::Absolute, range, degree).unwrap();
            let x: [f64; N] = core::array::from_fn(|i| range.0 + (range.1 - range.0) * i as f64 / (N - 1) as f64);
            let y = activate(&mut ClearArray::<f64, N>::new(), &f, &x).unwrap();
            let sure = activate(&mut Interval::<f64, N>::new(), &f, &x.map(Bounds::point)).unwrap();
            let single = activate(&mut ClearArray::<f32, N>::new(), &f, &x.map(|x| x as f32)).unwrap();
            let slack = f.poly().rounding(f32::EPSILON as f64);
            for i in 0..N {
                assert!((y[i] - function.at(x[i])).abs() <= f.error() && sure[i].contains(y[i]));
                assert!((single[i] as f64 - function.at(x[i] as f32 as f64)).abs() <= f.error() + slack);
            }
        }
    }

    #[test]
    fn a_quadratic_is_itself() {
        let y = quadratic(&mut ClearArray::<f64, 2>::new(), &[2.0, -3.0], 0.5, 1.0).unwrap();
        assert_eq!(y, [6.0, 8.5]);
    }
}
