//! Published approximations of softmax: by cumulants (CGF), by Goldschmidt's iteration (NEXUS), and by normalising and
//! squaring (Cho et al.). The circuits serve the comparison with other variants at the same parameters and rows.
//! [docs/math.md §13.2]

use crate::{
    arith::Arithmetic,
    circuits::{
        aligned,
        approx::{Approximation, Function, Weight},
        const_minus,
        exp::{Exp, by_limit, exp_unit},
        inv_sqrt::{InverseRoot, inverse_root},
        mul_aligned,
        poly::{Polynomial, evaluate_unit},
        reciprocal::{Division, divide},
        reduce::{RowLayout, row_sums},
    },
    error::{Error, Result},
};
use heapless::Vec;

/// Softmax, in floats, of x - shift: `row` becomes its weights.
pub fn define(row: &mut [f64]) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| libm::exp(x - most)).sum();
    row.iter_mut().for_each(|x| *x = libm::exp(*x - most) / sum);
}

/// CGF: exp(x_j - μ - σ²/2 - ln L), μ and σ² the mean and variance of the row. For narrow rows. [arXiv 2602.01621]
#[derive(Clone, Debug, PartialEq)]
pub struct Cgf {
    exp: Approximation,
    length: f64,
}

impl Cgf {
    /// For rows of `length` entries whose exponents x - μ - σ²/2 lie in `range`, each weight within error/L of CGF.
    ///
    /// # Errors
    /// The errors of [`Approximation::within`].
    pub fn new(length: usize, range: (f64, f64), error: f64) -> Result<Self> {
        let exp = Approximation::within(Function::Exp, Weight::Absolute, range, error)?;
        Ok(Self { exp, length: length.max(1) as f64 })
    }

    /// No weight is off by more than this from CGF's definition, inside the range.
    pub fn error(&self) -> f64 {
        self.exp.error() / self.length
    }

    /// The polynomial of e^x.
    pub(super) fn exponential(&self) -> &Polynomial {
        self.exp.poly()
    }

    /// The definition, in floats: `row` becomes its weights.
    pub fn define(&self, row: &mut [f64]) {
        let mean = row.iter().sum::<f64>() / self.length;
        let variance = row.iter().map(|x| x * x).sum::<f64>() / self.length - mean * mean;
        row.iter_mut().for_each(|x| *x = libm::exp(*x - mean - 0.5 * variance) / self.length);
    }

    /// Levels that [`cgf`] takes.
    pub fn depth(&self) -> u8 {
        2 + self.exp.poly().unit_depth()
    }
}

/// The weights by CGF; the row is `length` entries long. Depth [`Cgf::depth`].
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn cgf<A: Arithmetic>(ev: &mut A, config: &Cgf, xs: &mut [A::Slots], rows: &RowLayout) -> Result<()> {
    let (slope, offset) = config.exp.poly().to_unit();
    let p = config.exp.poly().clone().scaled(1.0 / config.length);
    let half = libm::sqrt(0.5 * slope);
    let (first, rest) = xs.split_first().ok_or(Error::Empty { what: "vectors" })?;
    let mut squares = ev.product(first, first)?;
    for x in rest {
        let y = ev.product(x, x)?;
        ev.add(&mut squares, &y)?;
    }
    // t = slope (x - μ - (m - μ²)/2) + offset, m the mean square: everything below is at depth 2
    let second = row_sums(ev, &[squares], rows, 0.5 * slope / config.length)?;
    let mean = row_sums(ev, xs, rows, half / config.length)?; // √(slope/2) μ
    let mut shift = ev.mul(&mean, &mean)?;
    let linear = ev.mul_const(&mean, -slope / half)?;
    ev.accumulate(&mut shift, linear)?;
    let shift = ev.rescale(shift)?;
    let (mut shift, second) = aligned(ev, shift, second)?;
    ev.sub(&mut shift, &second)?;
    ev.add_const(&mut shift, offset)?;
    let level = ev.level(&shift);
    for x in xs {
        let t = ev.scaled(x, slope)?;
        let mut t = ev.drop_to_level(t, level)?;
        ev.add(&mut t, &shift)?;
        *x = evaluate_unit(ev, &p, &t)?;
    }
    Ok(())
}

/// NEXUS: e^x = (1 + x/2^k)^(2^k) for x <= 0 (a public bound was subtracted), divided by its sum. [NDSS 2025] Depth k +
/// 2 + [`Division::divide_depth`]; the range of the division is the range of the sum.
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn nexus<A: Arithmetic>(
    ev: &mut A,
    squarings: u32,
    division: &Division,
    xs: &mut [A::Slots],
    rows: &RowLayout,
) -> Result<()> {
    for x in xs.iter_mut() {
        *x = by_limit(ev, x, squarings)?;
    }
    let sum = row_sums(ev, xs, rows, division.scale())?;
    for x in xs.iter_mut() {
        *x = ev.scaled(x, division.scale())?;
    }
    divide(ev, division, xs, &sum)
}

/// The most rounds of [`NormaliseAndSquare`].
const MAX_ROUNDS: usize = 8;

/// Normalise and square: y = e^(x/2^k), k times y ← (y/‖y‖)², and twice y ← y (2 - Σ y). [arXiv 2410.11184]
#[derive(Clone, Debug)]
pub struct NormaliseAndSquare {
    start: Exp, // of x/2^k
    slope: f64,
    roots: Vec<InverseRoot, MAX_ROUNDS>,
}

impl NormaliseAndSquare {
    /// For rows of `length` entries in [-range, 0], with inverse roots that are within `error`.
    ///
    /// # Errors
    /// [`Error::TooMany`] for no round, or more than 8; the errors of [`Exp::choose`] and
    /// [`InverseRoot::choose`].
    pub fn new(length: usize, range: f64, rounds: u32, error: f64) -> Result<Self> {
        if rounds == 0 || rounds as usize > MAX_ROUNDS {
            return Err(Error::TooMany { asked: rounds as usize, limit: MAX_ROUNDS });
        }
        let length = length.max(1) as f64;
        let start = Exp::choose(range / libm::exp2(rounds as f64), error)?;
        let least = libm::exp(-start.range()) - start.error();
        if least <= 0.0 {
            return Err(Error::Inaccurate { wanted: libm::exp(-start.range()), reached: start.error() });
        }
        let mut roots = Vec::new();
        let mut sum = (length * least * least, length * (1.0 + start.error()) * (1.0 + start.error()));
        for _ in 0..rounds {
            let root = InverseRoot::choose(sum, error)?;
            // the squares of a normalised row sum to 1, up to the root's error
            let off = (1.0 + root.error()) * (1.0 + root.error());
            sum = (1.0 / (length * off * off), off * off);
            let _ = roots.push(root); // cannot overflow: rounds checked
        }
        Ok(Self { slope: 2.0 / range, start, roots })
    }

    /// Levels that [`normalise_and_square`] takes on these rows of a vector of `slots` slots.
    pub fn depth(&self, rows: &RowLayout, slots: usize) -> u8 {
        let rounds: u8 = self.roots.iter().map(|r| r.depth() + 4).sum();
        1 + self.start.unit_depth() + rounds + 2 * (1 + rows.depth(slots, 1.0))
    }
}

/// The weights by normalising and squaring. Depth [`NormaliseAndSquare::depth`].
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn normalise_and_square<A: Arithmetic>(
    ev: &mut A,
    config: &NormaliseAndSquare,
    xs: &mut [A::Slots],
    rows: &RowLayout,
) -> Result<()> {
    for x in xs.iter_mut() {
        let mut t = ev.scaled(x, config.slope)?;
        ev.add_const(&mut t, 1.0)?;
        *x = exp_unit(ev, &config.start, &t)?;
    }
    for root in &config.roots {
        let norm = norms(ev, xs, rows, root)?;
        for x in xs.iter_mut() {
            let y = ev.scaled(x, libm::sqrt(root.scale()))?; // beside the root, not after it
            let y = mul_aligned(ev, &y, &norm)?;
            *x = ev.product(&y, &y)?;
        }
    }
    for _ in 0..2 {
        let sum = row_sums(ev, xs, rows, 1.0)?;
        let t = const_minus(ev, 2.0, &sum)?;
        for x in xs.iter_mut() {
            *x = mul_aligned(ev, x, &t)?;
        }
    }
    Ok(())
}

/// 1/√(scale Σ x²) of each row.
fn norms<A: Arithmetic>(ev: &mut A, xs: &[A::Slots], rows: &RowLayout, root: &InverseRoot) -> Result<A::Slots> {
    let (first, rest) = xs.split_first().ok_or(Error::Empty { what: "vectors" })?;
    let mut squares = ev.mul(first, first)?;
    for x in rest {
        let y = ev.mul(x, x)?;
        ev.accumulate(&mut squares, y)?;
    }
    let squares = ev.rescale(squares)?;
    let sum = row_sums(ev, &[squares], rows, root.scale())?;
    inverse_root(ev, root, &sum)
}

#[cfg(test)]
mod tests {
    use super::{Cgf, NormaliseAndSquare, cgf, define, nexus, normalise_and_square};
    use crate::{
        circuits::{reciprocal::Division, reduce::RowLayout},
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
        },
    };

    const L: usize = 64;

    /// One row of scores in [-range, 0] with a maximum of 0.
    fn row(range: f64) -> [f64; L] {
        core::array::from_fn(|i| if i == 9 { 0.0 } else { -range * (0.5 + 0.5 * libm::sin((i * i) as f64)) })
    }

    #[test]
    fn cgf_is_its_definition_and_close_to_softmax_on_a_narrow_row() {
        let x = row(1.5);
        let config = Cgf::new(L, (-2.0, 2.0), 1e-5).unwrap();
        let (mut y, mut sure, mut want, mut exact) = ([x], [x.map(Bounds::point)], x, x);
        let rows = RowLayout::new(L, 1).unwrap();
        cgf(&mut ClearArray::<f64, L>::new(), &config, &mut y, &rows).unwrap();
        cgf(&mut Interval::<f64, L>::new(), &config, &mut sure, &rows).unwrap();
        config.define(&mut want);
        define(&mut exact);
        for i in 0..L {
            assert!((y[0][i] - want[i]).abs() <= config.error() + 1e-15 && sure[0][i].contains(y[0][i]));
            assert!((y[0][i] / exact[i] - 1.0).abs() < 0.02);
        }
    }

    #[test]
    fn nexus_and_normalise_and_square_are_close_to_softmax() {
        let x = row(8.0);
        let mut want = x;
        define(&mut want);
        let rows = RowLayout::new(L, 1).unwrap();
        let division = Division::choose((1.0, L as f64), 1e-4).unwrap();
        let (mut y, mut sure) = ([x], [x.map(Bounds::point)]);
        nexus(&mut ClearArray::<f64, L>::new(), 7, &division, &mut y, &rows).unwrap();
        nexus(&mut Interval::<f64, L>::new(), 7, &division, &mut sure, &rows).unwrap();
        for i in 0..L {
            assert!((y[0][i] - want[i]).abs() < 3e-3 && sure[0][i].contains(y[0][i]));
        }
        let config = NormaliseAndSquare::new(L, 8.0, 3, 1e-3).unwrap();
        let (mut y, mut sure) = ([x], [x.map(Bounds::point)]);
        normalise_and_square(&mut ClearArray::<f64, L>::new(), &config, &mut y, &rows).unwrap();
        normalise_and_square(&mut Interval::<f64, L>::new(), &config, &mut sure, &rows).unwrap();
        for i in 0..L {
            assert!((y[0][i] - want[i]).abs() < 3e-3 && sure[0][i].contains(y[0][i]), "{} {}", y[0][i], want[i]);
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn the_depths_are_those_of_the_trace() {
        use crate::{arith::Arithmetic, eval::trace::Trace};
        for rows in [RowLayout::new(L, 1).unwrap(), RowLayout::new(L, 4).unwrap()] {
            let mut tr = Trace::new(4 * L, None);
            let config = Cgf::new(L, (-2.0, 2.0), 1e-5).unwrap();
            let mut xs = [tr.input(60), tr.input(60)];
            cgf(&mut tr, &config, &mut xs, &rows).unwrap();
            assert_eq!(60 - tr.level(&xs[1]), config.depth());
            let division = Division::choose((1.0, L as f64), 1e-4).unwrap();
            let mut xs = [tr.input(60)];
            nexus(&mut tr, 7, &division, &mut xs, &rows).unwrap();
            assert_eq!(60 - tr.level(&xs[0]), 9 + division.divide_depth());
            let config = NormaliseAndSquare::new(L, 8.0, 3, 1e-3).unwrap();
            let mut xs = [tr.input(60)];
            normalise_and_square(&mut tr, &config, &mut xs, &rows).unwrap();
            assert_eq!(60 - tr.level(&xs[0]), config.depth(&rows, 4 * L));
        }
    }
}
