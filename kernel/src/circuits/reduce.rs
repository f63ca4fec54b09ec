//! Sums along rows, and masks. The entries of a row are a fixed stride apart. If the rows fill the whole vector,
//! rotations wrap from a row's end to its start. Every slot then gets the sum of its row without a level. Otherwise a
//! mask keeps the sums at the first entry of each row, and rotations spread the sums again. The mask takes one level
//! and can contain a factor.

use crate::{
    arith::Arithmetic,
    error::{Error, Result},
};
use heapless::Vec;

/// The longest pattern of a mask: stride times width of rows that do not fill the vector.
pub const MAX_PERIOD: usize = 4096;

/// RowLayout of `width` entries, `stride` slots apart; `stride` rows are interleaved, and the pattern repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLayout {
    width: usize,
    stride: usize,
}

impl RowLayout {
    /// RowLayout of `width` entries, a power of two, `stride` slots apart.
    ///
    /// # Errors
    /// [`Error::BadShape`] if the width is no power of two, or the stride is 0.
    pub fn new(width: usize, stride: usize) -> Result<Self> {
        if !width.is_power_of_two() || stride == 0 {
            let what = "a row must have a power of two of entries, whole slots apart";
            return Err(Error::BadShape { what, left: width, right: stride });
        }
        Ok(Self { width, stride })
    }

    /// Entries of a row in one vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether rotations wrap within the rows of a vector of `slots` slots.
    pub fn wrap(&self, slots: usize) -> bool {
        self.width == 1 || self.width * self.stride == slots
    }

    /// Levels that [`row_sums`] takes with this factor.
    pub fn depth(&self, slots: usize, factor: f64) -> u8 {
        !(self.wrap(slots) && factor == 1.0) as u8
    }

    /// Slot by slot, the sum of the `width` entries from that slot on, cyclically. log2(width) rotations, depth 0.
    fn windows<A: Arithmetic>(&self, ev: &mut A, mut x: A::Slots, sign: i32) -> Result<A::Slots> {
        for i in 0..self.width.ilog2() {
            let step = ((self.stride << i) % ev.slots().max(1)) as i32; // below 2^31: slots are
            let turned = ev.rotate(&x, sign * step)?;
            ev.add(&mut x, &turned)?;
        }
        Ok(x)
    }
}

/// factor · Σ of each row, in every slot of the row. A row may go on through all of `xs` (not empty). Depth
/// [`RowLayout::depth`]; log2(width) rotations, or twice as many if rows do not wrap.
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelMismatch`] if the vectors are at different levels;
/// [`Error::TooMany`] for a pattern over [`MAX_PERIOD`]; [`Error::LevelExhausted`] at level 0 if the depth is 1.
pub fn row_sums<A: Arithmetic>(ev: &mut A, xs: &[A::Slots], rows: &RowLayout, factor: f64) -> Result<A::Slots> {
    let (first, rest) = xs.split_first().ok_or(Error::Empty { what: "vectors" })?;
    let mut sum = ev.copy(first)?;
    for x in rest {
        ev.add(&mut sum, x)?;
    }
    let sum = rows.windows(ev, sum, 1)?;
    if rows.wrap(ev.slots()) {
        return if factor == 1.0 { Ok(sum) } else { ev.scaled(&sum, factor) };
    }
    let mut pattern: Vec<f64, MAX_PERIOD> = Vec::new();
    let period = rows.width * rows.stride;
    pattern.resize(period, 0.0).map_err(|_| Error::TooMany { asked: period, limit: MAX_PERIOD })?;
    pattern[..rows.stride].fill(factor);
    let firsts = masked(ev, &sum, &pattern)?;
    rows.windows(ev, firsts, -1)
}

/// Σ of each row times a factor of its own, in every slot of the row. `factors` is repeated; the slots of a row have the
/// same. Depth 1.
///
/// # Errors
/// [`Error::Empty`] if `xs` is empty; [`Error::LevelExhausted`] at level 0.
#[cfg(feature = "alloc")]
pub fn scaled_row_sums<A: Arithmetic>(
    ev: &mut A,
    xs: &[A::Slots],
    rows: &RowLayout,
    factors: &[f64],
) -> Result<A::Slots> {
    let (first, rest) = xs.split_first().ok_or(Error::Empty { what: "vectors" })?;
    let mut sum = ev.copy(first)?;
    for x in rest {
        ev.add(&mut sum, x)?;
    }
    let sum = rows.windows(ev, sum, 1)?;
    if rows.wrap(ev.slots()) {
        return masked(ev, &sum, factors);
    }
    let period = rows.width * rows.stride;
    let first = |(slot, factor): (usize, &f64)| if slot % period < rows.stride { *factor } else { 0.0 };
    let repeats = if factors.len() < period { period / factors.len().max(1) } else { 1 };
    let repeated = factors.iter().cycle().take(factors.len() * repeats);
    let firsts = masked(ev, &sum, &repeated.enumerate().map(first).collect::<alloc::vec::Vec<_>>())?;
    rows.windows(ev, firsts, -1)
}

/// Levels of [`masked`].
pub const MASK_DEPTH: u8 = 1;

/// x times a public pattern, repeated: masks, and factors that differ from slot to slot. Depth 1.
///
/// # Errors
/// [`Error::Slots`] if the length of the pattern does not divide the slots; [`Error::LevelExhausted`] at level 0.
pub fn masked<A: Arithmetic>(ev: &mut A, x: &A::Slots, pattern: &[f64]) -> Result<A::Slots> {
    let level = ev.level(x);
    let p = ev.encode(pattern, level)?;
    let w = ev.mul_plain(x, &p)?;
    ev.rescale(w)
}

#[cfg(test)]
mod tests {
    use super::{RowLayout, masked, row_sums};
    use crate::{Error, eval::clear::ClearArray};

    #[test]
    fn sums_arrive_in_every_slot_of_their_row() {
        let x: [f64; 16] = core::array::from_fn(|i| (i * i) as f64);
        let mut ev = ClearArray::<f64, 16>::new();
        for (width, stride) in [(1, 1), (4, 1), (4, 2), (16, 1), (8, 2), (4, 4), (2, 8)] {
            let rows = RowLayout::new(width, stride).unwrap();
            let y = row_sums(&mut ev, &[x, x], &rows, 0.5).unwrap();
            for (i, y) in y.iter().enumerate() {
                let first = i / (width * stride) * (width * stride) + i % stride;
                let sum: f64 = (0..width).map(|j| x[first + j * stride]).sum();
                assert_eq!(*y, sum, "width {width}, stride {stride}, slot {i}");
            }
        }
    }

    #[test]
    fn a_mask_repeats() {
        let y = masked(&mut ClearArray::<f32, 4>::new(), &[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0]).unwrap();
        assert_eq!(y, [0.0, 2.0, 0.0, 4.0]);
    }

    #[test]
    fn a_row_without_vectors_or_with_an_odd_width_is_an_error() {
        assert!(matches!(RowLayout::new(6, 1), Err(Error::BadShape { left: 6, right: 1, .. })));
        let none = row_sums(&mut ClearArray::<f32, 4>::new(), &[], &RowLayout::new(2, 1).unwrap(), 1.0);
        assert_eq!(none, Err(Error::Empty { what: "vectors" }));
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn rows_that_wrap_take_no_level() {
        use crate::{arith::Arithmetic, eval::trace::Trace};
        for (width, stride, factor, depth, rotations) in
            [(8, 2, 1.0, 0, 3), (8, 2, 0.5, 1, 3), (8, 1, 1.0, 1, 6), (8, 1, 0.5, 1, 6), (1, 1, 1.0, 0, 0)]
        {
            let (mut tr, rows) = (Trace::new(16, None), RowLayout::new(width, stride).unwrap());
            let xs = [tr.input(5), tr.input(5)];
            let y = row_sums(&mut tr, &xs, &rows, factor).unwrap();
            assert_eq!((5 - tr.level(&y), tr.cost().key_switch), (depth, rotations));
            assert_eq!(rows.depth(16, factor), depth);
        }
    }
}
