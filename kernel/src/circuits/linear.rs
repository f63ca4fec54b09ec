//! Products of weights and tokens. Slot = token · F + feature. A weight matrix acts on every token alike, so its
//! diagonals have period F and their plaintexts are block-constant.
//!
//! The diagonals -(F-1) … F-1 are not cyclic. An entry that would leave its token is zero, so the circuit needs no
//! mask. All matrices on the same vector (Q, K and V) share the hoisted baby steps. Inner sums with the same giant step
//! are added first, so each giant step costs a row of matrices one key switch. For F = 1, with one vector per feature,
//! weights are constants and no vector is rotated. [docs/math.md §15.1]

use crate::{
    arith::{Arithmetic, Sum, Transform},
    error::{Error, Result, same_length},
};
use alloc::vec::Vec;

/// The split of the diagonals of F × F matrices: d = g + b, with b in [0, baby_steps) and g a multiple of `baby_steps`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BsgsSplit {
    features: usize,
    baby_steps: Vec<i32>,
    giant_steps: Vec<i32>,
}

impl BsgsSplit {
    /// The split for matrices of `features` rows and columns. All such matrices use one split, and so share keys. A
    /// giant step is a whole key switch. A baby step is one gadget product, about a third of a key switch, and matrices
    /// on the same vector share the baby steps. The split therefore has at least four times as many baby steps as giant
    /// steps.
    ///
    /// # Errors
    /// [`Error::TooMany`] for no feature, or more than 2^20.
    pub fn new(features: usize) -> Result<Self> {
        if features == 0 || features > 1 << 20 {
            return Err(Error::TooMany { asked: features, limit: 1 << 20 });
        }
        let giant_steps = |baby_steps: usize| 2 * features.div_ceil(baby_steps);
        let powers = (0..=features.ilog2()).map(|i| 1 << i);
        let baby_steps = powers.into_iter().find(|b| *b >= 4 * giant_steps(*b)).unwrap_or(1 << features.ilog2());
        let first = -((features.div_ceil(baby_steps) * baby_steps) as i32);
        Ok(Self {
            features,
            baby_steps: (0..baby_steps as i32).collect(),
            giant_steps: (0..giant_steps(baby_steps)).map(|i| first + (i * baby_steps) as i32).collect(),
        })
    }

    /// Rotations of the input.
    pub fn baby_steps(&self) -> &[i32] {
        &self.baby_steps
    }
}

/// Levels of a linear map.
pub const DEPTH: u8 = 1;

/// A linear map of x, given by its diagonals. Depth [`DEPTH`].
///
/// # Errors
/// [`Error::LevelExhausted`] at level 0; [`Error::NotHoisted`] if a diagonal is encoded for something else.
pub fn map<A: Arithmetic>(
    ev: &mut A,
    x: &A::Slots,
    baby_steps: &[i32],
    giant_steps: &[i32],
    plain: &[Option<&A::Plaintext>],
) -> Result<A::Slots> {
    let hoisted = ev.hoist(x, baby_steps)?;
    let w = ev.transform(&hoisted, &Transform { baby_steps, giant_steps, plain })?;
    ev.rescale(w)
}

/// A weight matrix, encoded for one level.
#[derive(Debug)]
pub struct Linear<P> {
    steps: BsgsSplit,
    plain: Vec<Option<P>>,
    level: u8,
}

/// The matrix y_i = Σ_j weight(i, j) x_j on every token, for operands at `level`. Zero diagonals cost nothing; rows
/// and columns beyond a matrix that is not F × F are zero.
///
/// # Errors
/// [`Error::Slots`] if the features do not divide the slots; [`Error::LevelExhausted`] at level 0; [`Error::TooLarge`]
/// for a weight that does not fit the base modulus.
pub fn encode<A: Arithmetic>(
    ev: &mut A,
    steps: &BsgsSplit,
    weight: impl Fn(usize, usize) -> f64,
    level: u8,
) -> Result<Linear<A::Plaintext>> {
    let f = steps.features as i32;
    let mut plain = Vec::with_capacity(steps.baby_steps.len() * steps.giant_steps.len());
    for g in &steps.giant_steps {
        for b in &steps.baby_steps {
            // entry u of the plaintext is entry s = u - g of diagonal d = g + b, the weight of input s + d in slot s
            let entry = |u: usize| {
                let s = (u as i32 - g).rem_euclid(f);
                let j = s + g + b;
                if (0..f).contains(&j) { weight(s as usize, j as usize) } else { 0.0 }
            };
            let values: Vec<f64> = (0..steps.features).map(entry).collect();
            let zero = values.iter().all(|v| *v == 0.0);
            plain.push(if zero { None } else { Some(ev.encode_diagonal(&values, level)?) });
        }
    }
    if plain.iter().all(Option::is_none) {
        plain[0] = Some(ev.encode_diagonal(&[0.0], level)?); // the zero matrix
    }
    Ok(Linear { steps: steps.clone(), plain, level })
}

/// The baby steps of x, for every matrix with these steps.
///
/// # Errors
/// The first key of a baby step that is missing.
pub fn hoist<A: Arithmetic>(ev: &mut A, steps: &BsgsSplit, x: &A::Slots) -> Result<A::Hoisted> {
    ev.hoist(x, &steps.baby_steps)
}

/// A map of a hoisted x, not rescaled. Depth 1 with the rescale.
///
/// # Errors
/// [`Error::LevelMismatch`] if x is not at [`Linear::level`]; [`Error::NotHoisted`] if x was hoisted for other steps.
pub fn times<A: Arithmetic>(ev: &mut A, map: &Linear<A::Plaintext>, x: &A::Hoisted) -> Result<A::Wide> {
    let plain: Vec<Option<&A::Plaintext>> = map.plain.iter().map(Option::as_ref).collect();
    ev.transform(
        x,
        &Transform { baby_steps: &map.steps.baby_steps, giant_steps: &map.steps.giant_steps, plain: &plain },
    )
}

/// Σ_i `maps[i]` x_i of hoisted x_i: a row of a block matrix. Depth 1, one rescale for the sum.
///
/// # Errors
/// [`Error::Length`] if there is not one map for each vector; [`Error::Empty`] without maps; the errors of
/// [`times`].
pub fn apply<A: Arithmetic>(ev: &mut A, maps: &[&Linear<A::Plaintext>], xs: &[&A::Hoisted]) -> Result<A::Slots> {
    same_length(maps.len(), xs.len())?;
    let mut sum = Sum::default();
    for (map, x) in maps.iter().zip(xs) {
        let w = times(ev, map, x)?;
        sum.add(ev, w)?;
    }
    sum.rescale(ev)
}

impl<P> Linear<P> {
    /// The level of the operands.
    pub fn level(&self) -> u8 {
        self.level
    }
}

/// x + bias in every token. Depth 0.
///
/// # Errors
/// [`Error::Slots`] if the length of `bias` does not divide the slots; [`Error::TooLarge`] if an entry does not fit.
pub fn add_bias<A: Arithmetic>(ev: &mut A, x: &mut A::Slots, bias: &[f64]) -> Result<()> {
    let level = ev.level(x);
    let p = ev.encode(bias, level)?;
    ev.add_plain(x, &p)
}

/// F = 1: y_i = Σ_j weight(i, j) x_j + bias(i) for `outputs` outputs, one vector a feature. Depth 1, no key switch.
///
/// # Errors
/// [`Error::Empty`] without vectors; [`Error::LevelMismatch`] if a vector does not fit the lowest level;
/// [`Error::LevelExhausted`] at level 0.
pub fn batched<A: Arithmetic>(
    ev: &mut A,
    xs: &[A::Slots],
    outputs: usize,
    weight: impl Fn(usize, usize) -> f64,
    bias: impl Fn(usize) -> f64,
) -> Result<Vec<A::Slots>> {
    let mut ys = Vec::with_capacity(outputs);
    for i in 0..outputs {
        let terms: Vec<_> = xs.iter().enumerate().map(|(j, x)| (x, weight(i, j))).collect();
        let level = xs.iter().map(|x| ev.level(x)).min().unwrap_or(0);
        let sum = ev.weighted_sum(&terms, level)?;
        let mut y = ev.rescale(sum)?;
        ev.add_const(&mut y, bias(i))?;
        ys.push(y);
    }
    Ok(ys)
}

#[cfg(test)]
mod tests {
    use super::{BsgsSplit, add_bias, apply, batched, encode, hoist};
    use crate::{
        arith::Arithmetic,
        eval::{
            clear::ClearArray,
            interval::{Bounds, Interval},
            trace::Trace,
        },
    };
    use std::vec::Vec;

    fn weight(i: usize, j: usize) -> f64 {
        libm::sin((7 * i + 3 * j) as f64)
    }

    #[test]
    fn weights_act_on_every_token_and_no_token_meets_another() {
        const N: usize = 48; // 8 tokens of 6 features
        let x: [f64; N] = core::array::from_fn(|i| libm::cos((i * i) as f64));
        {
            let steps = BsgsSplit::new(6).unwrap();
            let mut ev = ClearArray::<f64, N>::new();
            let map = encode(&mut ev, &steps, weight, 5).unwrap();
            let h = hoist(&mut ev, &steps, &x).unwrap();
            let mut y = apply(&mut ev, &[&map], &[&h]).unwrap();
            add_bias(&mut ev, &mut y, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
            let mut certify = Interval::<f64, N>::new();
            let map = encode(&mut certify, &steps, weight, 5).unwrap();
            let h = hoist(&mut certify, &steps, &x.map(Bounds::point)).unwrap();
            let mut sure = apply(&mut certify, &[&map], &[&h]).unwrap();
            add_bias(&mut certify, &mut sure, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
            for s in 0..N {
                let (t, i) = (s / 6, s % 6);
                let want: f64 = (0..6).map(|j| weight(i, j) * x[6 * t + j]).sum::<f64>() + i as f64;
                assert!((y[s] - want).abs() < 1e-14 && sure[s].contains(y[s]));
            }
        }
    }

    #[test]
    fn block_rows_and_zero_matrices_are_sums() {
        let mut ev = ClearArray::<f64, 8>::new();
        let steps = BsgsSplit::new(4).unwrap();
        let maps = [encode(&mut ev, &steps, weight, 1).unwrap(), encode(&mut ev, &steps, |_, _| 0.0, 1).unwrap()];
        let xs = [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [9.0; 8]];
        let h: Vec<_> = xs.iter().map(|x| hoist(&mut ev, &steps, x).unwrap()).collect();
        let y = apply(&mut ev, &[&maps[0], &maps[1]], &[&h[0], &h[1]]).unwrap();
        let alone = apply(&mut ev, &[&maps[0]], &[&h[0]]).unwrap();
        assert_eq!(y, alone);
    }

    #[test]
    fn the_batched_form_is_the_same_map() {
        let xs: [[f64; 2]; 3] = [[1.0, -1.0], [2.0, 0.5], [3.0, 4.0]];
        let ys = batched(&mut ClearArray::<f64, 2>::new(), &xs, 4, weight, |i| i as f64).unwrap();
        for (i, y) in ys.iter().enumerate() {
            for s in 0..2 {
                let want: f64 = (0..3).map(|j| weight(i, j) * xs[j][s]).sum::<f64>() + i as f64;
                assert!((y[s] - want).abs() < 1e-15);
            }
        }
        let mut tr = Trace::new(2, None);
        let xs = [tr.input(1), tr.input(1), tr.input(1)];
        batched(&mut tr, &xs, 4, weight, |_| 0.0).unwrap();
        assert_eq!((tr.cost().key_switch, tr.lowest_level()), (0, 0));
    }

    #[test]
    fn a_full_ciphertext_of_128_features_takes_few_key_switches_and_one_level() {
        let run = |maps: usize| {
            let mut tr = Trace::new(1 << 15, None); // 256 tokens of 128 features
            let steps = BsgsSplit::new(128).unwrap();
            let x = tr.input(3);
            let h = hoist(&mut tr, &steps, &x).unwrap();
            for _ in 0..maps {
                let map = encode(&mut tr, &steps, weight, 3).unwrap();
                let y = apply(&mut tr, &[&map], &[&h]).unwrap();
                assert_eq!(tr.level(&y), 2);
            }
            tr.cost()
        };
        assert_eq!((run(1).key_switch, run(1).hoist, run(1).mul_plain), (38, 1, 255));
        assert_eq!((run(3).key_switch, run(3).hoist), (52, 1));
    }

    #[test]
    fn the_giant_steps_of_a_block_row_are_taken_once() {
        let run = |blocks: usize| {
            let mut tr = Trace::new(1 << 15, None);
            let steps = BsgsSplit::new(128).unwrap();
            let (mut maps, mut xs) = (Vec::new(), Vec::new());
            for _ in 0..blocks {
                let x = tr.input(3);
                maps.push(encode(&mut tr, &steps, weight, 3).unwrap());
                xs.push(hoist(&mut tr, &steps, &x).unwrap());
            }
            let (maps, xs): (Vec<_>, Vec<_>) = (maps.iter().collect(), xs.iter().collect());
            apply(&mut tr, &maps, &xs).unwrap();
            tr.cost().key_switch
        };
        assert_eq!((run(1), run(4)), (31 + 7, 4 * 31 + 7));
    }
}
