//! PowerSoftmax: x_j^p / Σ_i x_i^p for even p, in four forms. [Zimerman et al., arXiv 2410.09457; docs/math.md §13.1]
//!
//! All four are m x_j^p / (ε + m Σ x_i^p): plain has m = 1, ε = 0 and a known range of the sum; Lipschitz has ε > 0,
//! which bounds the reciprocal whatever the row; length-agnostic has m = 1/L, so that neither end of the range
//! grows with the row; stable is plain (or Lipschitz) on x/c with c >= ‖x‖_∞ public, given as a pattern of 1/c.

use crate::{
    arith::Arithmetic,
    circuits::{
        poly::ceil_log2,
        product,
        reciprocal::{Division, Iteration, divide, reciprocal},
        reduce::{RowLayout, masked, row_sums},
    },
    error::{Error, Result},
};

/// Which power, over which sum, divided how.
#[derive(Clone, Debug)]
pub struct PowerSoftmax {
    p: u32,
    mean: f64,
    epsilon: f64,
    division: Division,
}

impl PowerSoftmax {
    /// x^p / Σ x^p where the sum of a row is known to lie in `sum`, within a relative error of `error`. p is even, at
    /// most 16.
    pub fn plain(p: u32, sum: (f64, f64), error: f64) -> Result<Self> {
        Self::with_division(p, 1.0, 0.0, Division::choose(sum, error)?)
    }

    /// |x|^p / (ε + Σ |x|^p) where the sum is at most `most`.
    pub fn lipschitz(p: u32, epsilon: f64, most: f64, error: f64) -> Result<Self> {
        let division = Division::choose((epsilon, epsilon + most), error)?;
        Self::with_division(p, 1.0, epsilon, division)
    }

    /// (1/L) x^p / (ε + (1/L) Σ x^p), for rows of L entries whose mean power is at most `most`.
    pub fn length_agnostic(p: u32, length: usize, epsilon: f64, most: f64, error: f64) -> Result<Self> {
        let division = Division::choose((epsilon, epsilon + most), error)?;
        Self::with_division(p, 1.0 / length.max(1) as f64, epsilon, division)
    }

    /// The recipe as published, for [`published`]: the sum over its largest value, then 1 + e times as many squarings
    /// of e and products with 1 + e as there are `iterations` of plain Goldschmidt.
    pub fn published(p: u32, sum: (f64, f64), iterations: usize) -> Result<Self> {
        let division = Division::new(sum, Iteration::Goldschmidt, false, None, iterations + 1)?;
        Self::with_division(p, 1.0, 0.0, division)
    }

    /// m x^p / (ε + m Σ x^p) by a given division, whose range is that of the denominator.
    pub fn with_division(p: u32, mean: f64, epsilon: f64, division: Division) -> Result<Self> {
        let (lo, hi) = division.range();
        if p == 0 || !p.is_multiple_of(2) || p > 16 {
            return Err(Error::BadPower { power: p, most: 16 });
        }
        if !(mean > 0.0 && (0.0..=lo).contains(&epsilon)) {
            return Err(Error::BadRange { lo: epsilon.min(lo), hi });
        }
        Ok(Self { p, mean, epsilon, division })
    }

    /// How it divides.
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
        let power = |x: f64| (0..self.p / 2).fold(1.0, |y, _| y * (x * x));
        let sum: f64 = row.iter().map(|x| power(*x)).sum();
        for x in row {
            let y = self.mean * power(*x);
            *x = if y == 0.0 { 0.0 } else { y / (self.epsilon + self.mean * sum) };
        }
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
pub fn power_softmax<A: Arithmetic>(
    ev: &mut A,
    how: &PowerSoftmax,
    xs: &mut [A::Slots],
    rows: &RowLayout,
) -> Result<()> {
    raise(ev, how, xs)?;
    let factor = how.mean * how.division.scale();
    let mut sum = row_sums(ev, xs, rows, factor)?;
    ev.add_const(&mut sum, how.epsilon * how.division.scale())?;
    for x in xs.iter_mut() {
        *x = ev.scaled(x, factor)?; // beside the sum's level, not after it
    }
    divide(ev, &how.division, xs, &sum)
}

/// The same for scores that were already multiplied by [`PowerSoftmax::input_scale`]. Depth
/// [`PowerSoftmax::folded_depth`]: one less, where rows wrap.
pub fn folded<A: Arithmetic>(ev: &mut A, how: &PowerSoftmax, xs: &mut [A::Slots], rows: &RowLayout) -> Result<()> {
    raise(ev, how, xs)?;
    let mut sum = row_sums(ev, xs, rows, 1.0)?;
    ev.add_const(&mut sum, how.epsilon * how.division.scale())?;
    divide(ev, &how.division, xs, &sum)
}

/// The recipe as published: the reciprocal of the scaled sum, then one product. It takes log2 p + 3 levels
/// more than it has iterations: 27 for p = 4 and 22 of them.
pub fn published<A: Arithmetic>(ev: &mut A, how: &PowerSoftmax, xs: &mut [A::Slots], rows: &RowLayout) -> Result<()> {
    raise(ev, how, xs)?;
    let factor = how.mean * how.division.scale();
    let mut sum = row_sums(ev, xs, rows, factor)?;
    ev.add_const(&mut sum, how.epsilon * how.division.scale())?;
    let inverse = reciprocal(ev, &how.division, &sum)?;
    for x in xs {
        let y = ev.scaled(x, factor)?;
        *x = product(ev, &y, &inverse)?;
    }
    Ok(())
}

/// The stable form: x/c, then [`power_softmax`]. `inverse` is the pattern of 1/c with c >= ‖x‖_∞ of the row in that
/// slot, zero where a mask hides the entry. Depth one more.
pub fn stable<A: Arithmetic>(
    ev: &mut A,
    how: &PowerSoftmax,
    xs: &mut [A::Slots],
    rows: &RowLayout,
    inverse: &[f64],
) -> Result<()> {
    for x in xs.iter_mut() {
        *x = masked(ev, x, inverse)?;
    }
    power_softmax(ev, how, xs, rows)
}

fn raise<A: Arithmetic>(ev: &mut A, how: &PowerSoftmax, xs: &mut [A::Slots]) -> Result<()> {
    for x in xs {
        *x = power(ev, x, how.p)?;
    }
    Ok(())
}

/// x^p for p > 0 by squarings, and a product for each further bit of p. Depth log2 p, rounded up.
fn power<A: Arithmetic>(ev: &mut A, x: &A::Slots, p: u32) -> Result<A::Slots> {
    let mut square = ev.copy(x)?; // x^(2^k)
    let mut low: Option<A::Slots> = None; // x to the bits of p below k
    let mut rest = p;
    while rest > 1 {
        if rest & 1 == 1 {
            low = Some(match low {
                None => ev.copy(&square)?,
                Some(y) => product(ev, &square, &y)?,
            });
        }
        square = ev.product(&square, &square)?;
        rest >>= 1;
    }
    match low {
        None => Ok(square),
        Some(y) => product(ev, &square, &y),
    }
}

#[cfg(test)]
mod tests {
    use super::{PowerSoftmax, folded, power_softmax, published, stable};
    use crate::{
        circuits::reduce::RowLayout,
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
        },
    };

    const L: usize = 64;

    /// Scores of rows that wrap: entry j of row r is in slot 4 j + r. The largest of a row is 1/(r + 1).
    fn scores() -> [f64; 4 * L] {
        core::array::from_fn(|i| {
            let (j, r) = (i / 4, i % 4);
            let x = if j == 5 + r { 1.0 } else { libm::sin((i * i) as f64) * 0.4 };
            x / (r + 1) as f64
        })
    }

    /// The definition, row by row.
    fn defined(how: &PowerSoftmax, x: &[f64; 4 * L]) -> [f64; 4 * L] {
        let mut out = [0.0; 4 * L];
        for r in 0..4 {
            let mut row: [f64; L] = core::array::from_fn(|j| x[4 * j + r]);
            how.define(&mut row);
            (0..L).for_each(|j| out[4 * j + r] = row[j]);
        }
        out
    }

    fn rows() -> RowLayout {
        RowLayout::new(L, 4).unwrap()
    }

    #[test]
    fn every_form_keeps_its_error_and_its_enclosure() {
        let x = scores();
        let forms = [
            PowerSoftmax::plain(4, (1.0 / 256.0, 4.0), 1e-4).unwrap(),
            PowerSoftmax::plain(2, (0.05, 16.0), 1e-4).unwrap(),
            PowerSoftmax::lipschitz(4, 1e-3, 4.0, 1e-4).unwrap(),
            PowerSoftmax::lipschitz(6, 1e-3, 4.0, 1e-4).unwrap(),
            PowerSoftmax::lipschitz(14, 1e-3, 4.0, 1e-4).unwrap(),
            PowerSoftmax::length_agnostic(4, L, 1e-3, 1.0, 1e-3).unwrap(),
            PowerSoftmax::published(4, (1.0 / 256.0, 4.0), 16).unwrap(),
        ];
        for how in forms {
            let (want, mut y, mut sure) = (defined(&how, &x), [x], [x.map(Bounds::point)]);
            power_softmax(&mut ClearArray::<f64, 256>::new(), &how, &mut y, &rows()).unwrap();
            power_softmax(&mut Interval::<f64, 256>::new(), &how, &mut sure, &rows()).unwrap();
            for ((y, want), sure) in y[0].iter().zip(want).zip(sure[0]) {
                assert!((y - want).abs() <= how.error() * want + 1e-12, "{how:?}: {y} {want}");
                assert!(sure.contains(*y));
            }
            let mut y = [x];
            published(&mut ClearArray::<f64, 256>::new(), &how, &mut y, &rows()).unwrap();
            assert!(y[0].iter().zip(want).all(|(y, want)| (y - want).abs() <= how.error() * want + 1e-12));
            let mut y = [x.map(|x| x * how.input_scale())];
            folded(&mut ClearArray::<f64, 256>::new(), &how, &mut y, &rows()).unwrap();
            assert!(y[0].iter().zip(want).all(|(y, want)| (y - want).abs() <= how.error() * want + 1e-12));
        }
    }

    #[test]
    fn the_stable_form_takes_rows_of_any_size_and_a_mask() {
        let mut x = scores().map(|x| x * 1000.0);
        // the largest of row r is 1000/(r+1); later tokens are hidden from token 20
        let inverse: [f64; 256] =
            core::array::from_fn(|i| super::super::causal(20, i / 4) * (i % 4 + 1) as f64 / 1000.0);
        let how = PowerSoftmax::plain(4, (1.0, L as f64), 1e-4).unwrap();
        let mut y = [x];
        stable(&mut ClearArray::<f64, 256>::new(), &how, &mut y, &rows(), &inverse).unwrap();
        (0..256).filter(|i| i / 4 > 20).for_each(|i| x[i] = 0.0);
        let want = defined(&how, &x);
        assert!(y[0].iter().zip(want).all(|(y, want)| (y - want).abs() <= how.error() * want + 1e-12));
    }

    #[test]
    fn a_row_of_zeros_is_a_row_of_zeros() {
        for how in [
            PowerSoftmax::plain(4, (1e-3, 4.0), 1e-3).unwrap(),
            PowerSoftmax::length_agnostic(4, L, 1e-3, 1.0, 1e-3).unwrap(),
        ] {
            let mut y = [[0.0f32; 256]];
            power_softmax(&mut ClearArray::<f32, 256>::new(), &how, &mut y, &rows()).unwrap();
            assert_eq!(y[0], [0.0; 256]);
        }
    }

    #[test]
    fn powers_that_are_odd_or_too_large_are_refused() {
        for p in [0, 3, 5, 18] {
            let error = PowerSoftmax::lipschitz(p, 1e-3, 4.0, 1e-3).unwrap_err();
            assert_eq!(error, crate::Error::BadPower { power: p, most: 16 });
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn every_even_power_takes_as_many_levels_as_it_says() {
        use crate::{arith::Arithmetic, eval::trace::Trace};
        for p in (2..=16).step_by(2) {
            let how = PowerSoftmax::lipschitz(p, 1e-3, 4.0, 1e-3).unwrap();
            let mut tr = Trace::new(4 * L, None);
            let mut xs = [tr.input(40)];
            power_softmax(&mut tr, &how, &mut xs, &rows()).unwrap();
            assert_eq!(40 - tr.level(&xs[0]), how.depth(), "p = {p}");
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn the_published_range_takes_17_levels_at_most_and_the_length_agnostic_form_12() {
        use crate::{arith::Arithmetic, eval::trace::Trace};
        type Circuit =
            fn(&mut Trace, &PowerSoftmax, &mut [crate::eval::trace::Leveled], &RowLayout) -> crate::Result<()>;
        let depth = |how: &PowerSoftmax, circuit: Circuit| {
            let mut tr = Trace::new(4 * L, None);
            let mut xs = [tr.input(40)];
            circuit(&mut tr, how, &mut xs, &rows()).unwrap();
            40 - tr.level(&xs[0])
        };
        for (lo, ours_takes) in [(2e-6, 16), (4e-6, 17)] {
            let recipe = PowerSoftmax::published(4, (lo * L as f64, L as f64), 22).unwrap();
            let ours = PowerSoftmax::plain(4, (lo * L as f64, L as f64), recipe.error()).unwrap();
            assert!(ours.error() <= recipe.error(), "{:e} {:e}", ours.error(), recipe.error());
            assert_eq!(depth(&recipe, published), 27);
            assert_eq!((depth(&ours, power_softmax), ours.depth()), (ours_takes, ours_takes), "{lo}");
            assert_eq!((depth(&ours, folded), ours.folded_depth(&rows(), 4 * L)), (ours_takes - 1, ours_takes - 1));
        }
        let agnostic = PowerSoftmax::length_agnostic(4, L, 1e-3, 1.0, libm::exp2(-10.0)).unwrap();
        assert_eq!((depth(&agnostic, power_softmax), depth(&agnostic, folded)), (10, 9));
    }
}
