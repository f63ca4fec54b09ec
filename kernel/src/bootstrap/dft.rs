//! The transforms between slots and coefficients, as products of sparse linear maps.
//!
//! The canonical embedding of [`crate::ckks::encode`] is log2(s) stages of butterflies on s slots. Consecutive stages
//! form one linear map with few diagonals, all multiples of the smallest stride. k stages of strides h, 2h, .. 2^(k-1)
//! h have the diagonals -(2^k - 1)h .. (2^k - 1)h, each of period 2^k h.
//!
//! Both sides leave out the bit reversal. SlotsToCoeffs reads the output order of CoeffsToSlots, and the steps in
//! between work on single slots. [eprint 2018/1043; 2020/1203, section 4]

use crate::math::complex::Complex;
use alloc::{collections::BTreeMap, vec, vec::Vec};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The values in the slots become the coefficients: the embedding, small strides first.
    SlotsToCoeffs,
    /// The coefficients become values in the slots: its inverse, large strides first.
    CoeffsToSlots,
}

/// One linear map by its diagonals: out_i = sum_d diagonal_d\[i\] in_{i+d}, on vectors of period `slots`.
#[derive(Clone, Debug)]
pub struct Diagonals {
    slots: usize,
    by_offset: BTreeMap<i32, Vec<Complex>>, // each `slots` long
}

impl Diagonals {
    fn identity(slots: usize) -> Self {
        Self { slots, by_offset: BTreeMap::from([(0, vec![Complex::from(1.0); slots])]) }
    }

    /// Offsets of one period, so that d and d - slots are one diagonal.
    pub(super) fn offset(&self, d: i32) -> i32 {
        let (s, d) = (self.slots as i32, d.rem_euclid(self.slots as i32));
        if d >= s / 2 { d - s } else { d }
    }

    /// The butterflies of stride `half`, or their inverse.
    fn stage(roots: &[Complex], slots: usize, half: usize, direction: Direction) -> Self {
        let mut out = Self { slots, by_offset: BTreeMap::new() };
        for i in 0..slots {
            let (j, lower) = (i % half, i % (2 * half) < half);
            let root = roots[half + j];
            let (own, other) = match (direction, lower) {
                (Direction::SlotsToCoeffs, true) => (Complex::from(1.0), root),
                (Direction::SlotsToCoeffs, false) => (Complex::default() - root, Complex::from(1.0)),
                (Direction::CoeffsToSlots, true) => (Complex::from(0.5), Complex::from(0.5)),
                (Direction::CoeffsToSlots, false) => (root.conj().scale(-0.5), root.conj().scale(0.5)),
            };
            let d = if lower { half as i32 } else { -(half as i32) };
            for (d, value) in [(0, own), (d, other)] {
                let d = out.offset(d);
                out.by_offset.entry(d).or_insert_with(|| vec![Complex::default(); slots])[i] = value;
            }
        }
        out
    }

    /// First `first`, then `self`.
    fn after(&self, first: &Self) -> Self {
        let mut out = Self { slots: self.slots, by_offset: BTreeMap::new() };
        for (d, a) in &self.by_offset {
            for (e, b) in &first.by_offset {
                let sum =
                    out.by_offset.entry(self.offset(d + e)).or_insert_with(|| vec![Complex::default(); self.slots]);
                for (i, (sum, a)) in sum.iter_mut().zip(a).enumerate() {
                    *sum = *sum + *a * b[(i as i32 + d).rem_euclid(self.slots as i32) as usize];
                }
            }
        }
        out
    }

    /// The map on a vector in the clear.
    pub fn apply(&self, x: &[Complex]) -> Vec<Complex> {
        let s = self.slots as i32;
        let at = |i: usize| {
            let terms = self.by_offset.iter().map(|(d, a)| a[i] * x[(i as i32 + d).rem_euclid(s) as usize]);
            terms.fold(Complex::default(), |sum, t| sum + t)
        };
        (0..self.slots).map(at).collect()
    }

    /// The diagonal of this offset, or `None` for a zero diagonal.
    pub fn diagonal(&self, d: i32) -> Option<&[Complex]> {
        self.by_offset.get(&self.offset(d)).map(Vec::as_slice)
    }

    /// Offsets with a nonzero diagonal.
    pub fn offsets(&self) -> impl Iterator<Item = i32> {
        self.by_offset.keys().copied()
    }
}

/// The transform on `slots` slots as `maps` linear maps, in the order of application. The product of all maps is
/// multiplied by `factor`, spread evenly. `roots` are the roots of [`crate::math::embedding::fill_roots`].
pub fn factor(roots: &[Complex], slots: usize, maps: usize, direction: Direction, factor: f64) -> Vec<Diagonals> {
    let stages = slots.ilog2() as usize;
    let each = libm::pow(factor, 1.0 / maps as f64);
    let mut out = Vec::with_capacity(maps);
    let mut done = 0;
    for map in 0..maps {
        // the longest runs go to the small strides, whose diagonals are short: first or last
        let (base, extra) = (stages / maps, stages % maps);
        let long = match direction {
            Direction::SlotsToCoeffs => map < extra,
            Direction::CoeffsToSlots => map >= maps - extra,
        };
        let count = base + long as usize;
        let mut product = Diagonals::identity(slots);
        for stage in done..done + count {
            let bit = if direction == Direction::SlotsToCoeffs { stage } else { stages - 1 - stage };
            product = Diagonals::stage(roots, slots, 1 << bit, direction).after(&product);
        }
        done += count;
        for diagonal in product.by_offset.values_mut().flatten() {
            *diagonal = diagonal.scale(each);
        }
        out.push(product);
    }
    out
}

/// The vector rotated by k, cut to its period.
pub(super) fn rotated_period(x: &[Complex], k: i32) -> Vec<Complex> {
    let mut period = x.len();
    while period > 1 && x[..period / 2] == x[period / 2..period] {
        period /= 2;
    }
    (0..period).map(|i| x[(i as i32 + k).rem_euclid(period as i32) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::embedding::{embed_inverse, fill_roots};

    #[test]
    fn the_factors_invert_each_other_and_compute_the_embedding() {
        let s = 64;
        let mut roots = vec![Complex::default(); s];
        fill_roots(&mut roots);
        let x: Vec<Complex> =
            (0..s).map(|i| Complex { re: (i * 37 % 101) as f64, im: (i * 71 % 103) as f64 }).collect();
        for maps in 1..=4 {
            let to_slots = factor(&roots, s, maps, Direction::CoeffsToSlots, 3.0);
            let to_coeffs = factor(&roots, s, maps, Direction::SlotsToCoeffs, 1.0 / 3.0);
            let y = to_slots.iter().fold(x.clone(), |x, m| m.apply(&x));
            let mut want = x.clone();
            embed_inverse(&roots[..], &mut want);
            for (i, y) in y.iter().enumerate() {
                let want = want[crate::math::bit_reverse(i, 6)].scale(3.0 / s as f64);
                assert!((y.re - want.re).abs() + (y.im - want.im).abs() < 1e-9, "{maps} maps, slot {i}");
            }
            let back = to_coeffs.iter().fold(y, |x, m| m.apply(&x));
            for (a, b) in back.iter().zip(&x) {
                assert!((a.re - b.re).abs() + (a.im - b.im).abs() < 1e-9, "{maps} maps");
            }
        }
    }

    #[test]
    fn diagonals_are_few_and_short() {
        let s = 1 << 12;
        let mut roots = vec![Complex::default(); s];
        fill_roots(&mut roots);
        let maps = factor(&roots, s, 3, Direction::CoeffsToSlots, 1.0);
        let counts: Vec<usize> = maps.iter().map(|m| m.offsets().count()).collect();
        assert_eq!(counts, [16, 31, 31]);
        let periods: Vec<usize> =
            maps.iter().map(|m| m.by_offset.values().map(|d| rotated_period(d, 0).len()).max().unwrap()).collect();
        assert_eq!(periods, [s, 256, 16]);
    }
}
