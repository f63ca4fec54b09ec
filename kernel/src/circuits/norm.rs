//! Normalisation along rows: LayerNorm, RMSNorm, LayerNorm without its inverse, and BatchNorm folded to a product and a
//! sum. The weights of the next map contain gains and biases.
//!
//! LayerNorm computes z = x - Σx/n and Σx²/n - (Σx/n)² in one pass, with the square of the mean in parallel to the mean
//! of the squares. The sums contain the scale s of the inverse root, and z contains √s, so that both cancel: z √s / √(s
//! σ²). Where rows wrap and earlier weights contain √s/n, n x - Σx and n Σx² - (Σx)² need no division.

use super::{
    aligned,
    inv_sqrt::{InverseRoot, inverse_root_plus},
    mul_aligned,
    poly::Polynomial,
    reduce::{RowLayout, masked, row_sums},
};
use crate::{
    arith::Arithmetic,
    error::{Error, Result},
};

/// The normalisation of a row of n entries.
#[derive(Clone, Debug, PartialEq)]
pub struct Norm {
    root: InverseRoot,
    length: usize,
    epsilon: f64,
    centred: bool,
}

impl Norm {
    /// For rows of `length` entries whose variance (RMSNorm: mean square) lies in `range`, ε not included; the result
    /// is within a relative error of `error`.
    ///
    /// # Errors
    /// The errors of [`InverseRoot::choose`] and [`Norm::with_root`].
    pub fn new(length: usize, range: (f64, f64), epsilon: f64, error: f64) -> Result<Self> {
        let root = InverseRoot::choose((range.0 + epsilon, range.1 + epsilon), error)?;
        Self::with_root(length, epsilon, root)
    }

    /// With a given inverse root, whose range is the range of variance + ε.
    ///
    /// # Errors
    /// [`Error::Length`] if the row has no entries, or 2^31.
    pub fn with_root(length: usize, epsilon: f64, root: InverseRoot) -> Result<Self> {
        if length == 0 || length > i32::MAX as usize {
            return Err(Error::Length { expected: 1, actual: length });
        }
        Ok(Self { root, length, epsilon, centred: false })
    }

    /// With the polynomial that a model was trained with in the place of 1/√x.
    ///
    /// # Errors
    /// [`Error::Length`] if the row has no entries, or 2^31.
    pub fn trained(length: usize, epsilon: f64, root: Polynomial) -> Result<Self> {
        Self::with_root(length, epsilon, InverseRoot::trained(root))
    }

    /// The same as a LayerNorm: the mean is subtracted first. Without this the norm of a model is an RMSNorm.
    pub fn centred(self) -> Self {
        Self { centred: true, ..self }
    }

    /// Whether the mean is subtracted first.
    pub fn is_centred(&self) -> bool {
        self.centred
    }

    /// ε, added to the variance or the mean square.
    pub fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// Entries of a row.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The inverse root.
    pub fn root(&self) -> &InverseRoot {
        &self.root
    }

    /// The factor √s/n that goes into the weights before, for [`folded_layer_norm`].
    pub fn input_scale(&self) -> f64 {
        libm::sqrt(self.root.scale()) / self.length as f64
    }

    /// Levels of [`layer_norm`] and [`rms_norm`].
    pub fn depth(&self) -> u8 {
        3 + self.root.depth()
    }

    /// Levels of [`folded_layer_norm`] on these rows of a vector of `slots` slots.
    pub fn folded_depth(&self, rows: &RowLayout, slots: usize) -> u8 {
        2 + self.root.depth() + rows.depth(slots, 1.0)
    }

    /// Σx² over the row, not yet summed along the slots. Depth 1.
    fn squares<A: Arithmetic>(&self, ev: &mut A, xs: &[A::Slots]) -> Result<A::Slots> {
        let (first, rest) = xs.split_first().ok_or(Error::Empty { what: "vectors" })?;
        let mut sum = ev.mul(first, first)?;
        for x in rest {
            let w = ev.mul(x, x)?;
            ev.accumulate(&mut sum, w)?;
        }
        ev.rescale(sum)
    }

    /// The inverse root of v + s ε over √s, and x times that for each x. Depth [`InverseRoot::depth`] and 1.
    fn divide<A: Arithmetic>(&self, ev: &mut A, xs: &mut [A::Slots], v: A::Slots) -> Result<()> {
        let inverse = match self.root.polynomial() {
            None => inverse_root_plus(ev, &self.root, self.epsilon, v)?,
            Some(p) => {
                let root = InverseRoot::trained(p.clone().scaled(1.0 / libm::sqrt(self.root.scale())));
                inverse_root_plus(ev, &root, self.epsilon, v)?
            }
        };
        for x in xs {
            *x = mul_aligned(ev, x, &inverse)?;
        }
        Ok(())
    }
}

/// (x - μ)/√(σ² + ε) of each row. Depth [`Norm::depth`].
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn layer_norm<A: Arithmetic>(ev: &mut A, config: &Norm, xs: &mut [A::Slots], rows: &RowLayout) -> Result<()> {
    let (n, s) = (config.length as f64, config.root.scale());
    let squares = config.squares(ev, xs)?;
    let mean = row_sums(ev, xs, rows, libm::sqrt(s) / n)?;
    let square = ev.product(&mean, &mean)?;
    let second = row_sums(ev, &[squares], rows, s / n)?;
    let (mut variance, square) = aligned(ev, second, square)?;
    ev.sub(&mut variance, &square)?;
    for x in xs.iter_mut() {
        let y = ev.scaled(x, libm::sqrt(s))?;
        let mean = ev.copy(&mean)?;
        let (mut y, mean) = aligned(ev, y, mean)?;
        ev.sub(&mut y, &mean)?;
        *x = y;
    }
    config.divide(ev, xs, variance)
}

/// The same for entries that were multiplied by [`Norm::input_scale`]. Depth [`Norm::folded_depth`], which is one less
/// if rows wrap. n as an integer costs log2(n) bits of headroom.
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn folded_layer_norm<A: Arithmetic>(
    ev: &mut A,
    config: &Norm,
    xs: &mut [A::Slots],
    rows: &RowLayout,
) -> Result<()> {
    let n = config.length as i32; // fits: checked when built
    let squares = config.squares(ev, xs)?;
    let mut second = row_sums(ev, &[squares], rows, 1.0)?;
    ev.mul_int(&mut second, n)?;
    let sum = row_sums(ev, xs, rows, 1.0)?;
    let square = ev.product(&sum, &sum)?;
    let (mut variance, square) = aligned(ev, second, square)?;
    ev.sub(&mut variance, &square)?;
    for x in xs.iter_mut() {
        let y = ev.copy(x)?;
        let less = ev.copy(&sum)?;
        let (mut y, less) = aligned(ev, y, less)?;
        ev.mul_int(&mut y, n)?;
        ev.sub(&mut y, &less)?;
        *x = y;
    }
    config.divide(ev, xs, variance)
}

/// x/√(Σx²/n + ε) of each row. Depth [`Norm::depth`].
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn rms_norm<A: Arithmetic>(ev: &mut A, config: &Norm, xs: &mut [A::Slots], rows: &RowLayout) -> Result<()> {
    let inverse = inverse_rms(ev, config, xs, rows)?;
    let factor = config.root.numerator_scale();
    for x in xs {
        if factor != 1.0 {
            *x = ev.scaled(x, factor)?;
        }
        *x = mul_aligned(ev, x, &inverse)?;
    }
    Ok(())
}

/// 1/√(Σx²/n + ε) of each row, in every slot of the row, over [`InverseRoot::numerator_scale`]. Depth [`Norm::depth`] -
/// 1.
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn inverse_rms<A: Arithmetic>(ev: &mut A, config: &Norm, xs: &[A::Slots], rows: &RowLayout) -> Result<A::Slots> {
    let squares = config.squares(ev, xs)?;
    let mean = row_sums(ev, &[squares], rows, config.root.scale() / config.length as f64)?;
    inverse_root_plus(ev, &config.root, config.epsilon, mean)
}

/// σ LN(x) = x - μ of each row. A homogeneous activation passes σ on, and the next norm cancels σ. Depth 1.
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] if a vector has too few levels.
pub fn subtract_mean<A: Arithmetic>(ev: &mut A, xs: &mut [A::Slots], rows: &RowLayout, length: usize) -> Result<()> {
    let mean = row_sums(ev, xs, rows, 1.0 / length.max(1) as f64)?;
    for x in xs {
        let y = ev.copy(x)?;
        let mean = ev.copy(&mean)?;
        let (mut y, mean) = aligned(ev, y, mean)?;
        ev.sub(&mut y, &mean)?;
        *x = y;
    }
    Ok(())
}

/// BatchNorm of one feature as (a, b) of ax + b; both fold into the weights before or after.
pub fn fold_batch_norm(gain: f64, bias: f64, mean: f64, variance: f64, epsilon: f64) -> (f64, f64) {
    let a = gain / libm::sqrt(variance + epsilon);
    (a, bias - a * mean)
}

/// ax + b with public patterns a and b, if no weights can contain a and b. Depth 1.
///
/// # Errors
/// [`Error::Slots`] if the length of a pattern does not divide the slots; [`Error::LevelExhausted`] at level 0.
pub fn affine<A: Arithmetic>(ev: &mut A, x: &A::Slots, a: &[f64], b: &[f64]) -> Result<A::Slots> {
    let mut y = masked(ev, x, a)?;
    let level = ev.level(&y);
    let b = ev.encode(b, level)?;
    ev.add_plain(&mut y, &b)?;
    Ok(y)
}

#[cfg(test)]
mod tests {
    use super::{Norm, affine, fold_batch_norm, folded_layer_norm, layer_norm, rms_norm, subtract_mean};
    use crate::{
        circuits::reduce::RowLayout,
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
        },
    };

    const F: usize = 16;
    const N: usize = 64;

    fn tokens() -> [f64; N] {
        core::array::from_fn(|i| 3.0 * libm::sin((i * i) as f64) + (i / F) as f64)
    }

    /// (x - shift)/√(second moment about shift + ε), row by row; rows of 16 in a row, or interleaved.
    fn defined(x: &[f64; N], stride: usize, epsilon: f64, about_mean: bool) -> [f64; N] {
        let mut out = *x;
        for i in 0..N {
            let first = i / (F * stride) * (F * stride) + i % stride;
            let row: [f64; F] = core::array::from_fn(|j| x[first + j * stride]);
            let shift = if about_mean { row.iter().sum::<f64>() / F as f64 } else { 0.0 };
            let moment = row.iter().map(|x| (x - shift) * (x - shift)).sum::<f64>() / F as f64;
            out[i] = (x[i] - shift) / (moment + epsilon).sqrt();
        }
        out
    }

    #[test]
    fn every_norm_keeps_its_error_and_its_enclosure() {
        let x = tokens();
        let config = Norm::new(F, (0.5, 40.0), 1e-5, 1e-4).unwrap();
        for stride in [1, N / F] {
            let rows = RowLayout::new(F, stride).unwrap();
            let close = |y: &[f64; N], want: &[f64; N]| {
                y.iter().zip(want).all(|(y, w)| (y - w).abs() <= 1e-4 * w.abs() + 1e-12)
            };
            let (mut y, mut sure) = ([x], [x.map(Bounds::point)]);
            layer_norm(&mut ClearArray::<f64, N>::new(), &config, &mut y, &rows).unwrap();
            layer_norm(&mut Interval::<f64, N>::new(), &config, &mut sure, &rows).unwrap();
            assert!(close(&y[0], &defined(&x, stride, 1e-5, true)));
            assert!(y[0].iter().zip(sure[0]).all(|(y, s)| s.contains(*y)));
            let mut y = [x.map(|x| x * config.input_scale())];
            folded_layer_norm(&mut ClearArray::<f64, N>::new(), &config, &mut y, &rows).unwrap();
            assert!(close(&y[0], &defined(&x, stride, 1e-5, true)));
            let (mut y, mut sure) = ([x], [x.map(Bounds::point)]);
            rms_norm(&mut ClearArray::<f64, N>::new(), &config, &mut y, &rows).unwrap();
            rms_norm(&mut Interval::<f64, N>::new(), &config, &mut sure, &rows).unwrap();
            assert!(close(&y[0], &defined(&x, stride, 1e-5, false)));
            assert!(y[0].iter().zip(sure[0]).all(|(y, s)| s.contains(*y)));
            let mut y = [x];
            subtract_mean(&mut ClearArray::<f64, N>::new(), &mut y, &rows, F).unwrap();
            let mut again = y;
            layer_norm(&mut ClearArray::<f64, N>::new(), &config, &mut again, &rows).unwrap();
            assert!(close(&again[0], &defined(&x, stride, 1e-5, true))); // the next norm cancels σ
        }
    }

    #[test]
    fn batch_norm_is_a_product_and_a_sum() {
        let (a, b) = fold_batch_norm(2.0, 1.0, 3.0, 3.99, 0.01);
        let y = affine(&mut ClearArray::<f64, 2>::new(), &[3.0, 5.0], &[a], &[b]).unwrap();
        assert!((y[0] - 1.0).abs() < 1e-15 && (y[1] - 3.0).abs() < 1e-15);
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn the_depths_are_those_of_the_trace() {
        use crate::{arith::Arithmetic, eval::trace::Trace};
        let config = Norm::new(F, (0.5, 40.0), 1e-5, 1e-4).unwrap();
        for stride in [1, N / F] {
            let rows = RowLayout::new(F, stride).unwrap();
            let mut tr = Trace::new(N, None);
            let mut depth = |circuit: fn(
                &mut Trace,
                &Norm,
                &mut [crate::eval::trace::Leveled],
                &RowLayout,
            ) -> crate::Result<()>| {
                let mut xs = [tr.input(30), tr.input(30)];
                circuit(&mut tr, &config, &mut xs, &rows).unwrap();
                30 - tr.level(&xs[1])
            };
            assert_eq!((depth(layer_norm), depth(rms_norm)), (config.depth(), config.depth()));
            assert_eq!(depth(folded_layer_norm), config.folded_depth(&rows, N));
            assert_eq!(depth(|tr, _, xs, rows| subtract_mean(tr, xs, rows, F)), 1);
        }
    }
}
