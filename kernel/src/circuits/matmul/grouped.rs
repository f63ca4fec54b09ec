//! Scores and mixing of a few tokens, in the slots of their features.
//!
//! The d features of a head form d/g groups of g, the number of tokens. Scores are stored by distance: slot (t, h, a,
//! c) holds the score of query t and key t + c, equal in every group a. Let K' = turn(K), with turn(x)(t, h, a, c) =
//! x(t + c, h, a, c). The score is a sum of products over groups and over k < g. The columns of both factors are
//! shifted by k within their groups: Q(t, ., c + k) and K'(t - k, ., c + k). The circuit makes g products and
//! relinearises once, and one linear map adds the groups.
//!
//! Mixing uses V' = turn(V): the sum over k of the weights with their columns shifted by k, times V' with its tokens
//! rotated by k. The sum of the shifted weights alone is the sum of a row, in every column of the row.
//!
//! A mask of scores or of weights costs nothing. The plaintexts that shift columns contain the mask.

use crate::{
    arith::{Arithmetic, Sum, Transform},
    circuits::{PRODUCT_DEPTH, attention::Similarity, linear},
    error::{Error, Result},
};
use alloc::vec::Vec;

/// Levels of [`turn`].
pub const TURN_DEPTH: u8 = linear::DEPTH;
/// Levels of the shift that precedes a product. The sum that [`mix`] returns is that deep.
pub const SHIFT_DEPTH: u8 = 1;
/// The largest depth of [`scores`], from the rotated K: a shift, a product, the sum over groups. With one group the
/// circuit has no sum, and the level of the sum remains.
pub const SCORES_DEPTH: u8 = SHIFT_DEPTH + PRODUCT_DEPTH + linear::DEPTH;
/// Levels of [`mix`]: a shift and a product.
pub const MIX_DEPTH: u8 = SHIFT_DEPTH + PRODUCT_DEPTH;

/// Groups of the features of a head.
#[derive(Clone, Copy, Debug)]
pub struct Groups {
    /// g: columns of a group.
    pub size: usize,
    /// d/g: groups of a head.
    pub count: usize,
    /// Slots from a token to the next.
    pub stride: i32,
}

impl Groups {
    /// For `tokens` tokens, a power of two, `stride` slots apart, and heads of `d` features.
    ///
    /// # Errors
    /// [`Error::BadShape`] if d is no multiple of the tokens.
    pub fn new(tokens: usize, d: usize, stride: usize) -> Result<Self> {
        if tokens == 0 || !d.is_multiple_of(tokens) {
            let what = "the padded number of tokens must divide the features of a head";
            return Err(Error::BadShape { what, left: tokens, right: d });
        }
        Ok(Self { size: tokens, count: d / tokens, stride: stride as i32 })
    }

    /// Baby and giant steps of a turn by up to g tokens.
    pub fn steps(&self) -> [Vec<i32>; 2] {
        let baby_steps = 1 << self.size.ilog2().div_ceil(2);
        let steps = |count: i32, each: i32| (0..count).map(|i| i * each * self.stride).collect();
        [steps(baby_steps, 1), steps(self.size as i32 / baby_steps, baby_steps)]
    }

    /// The slot whose value column shift `k` brings to slot `at`.
    fn source(&self, k: i32, at: usize) -> usize {
        let column = at % self.size;
        at - column + (column + k as usize) % self.size
    }
}

/// A public factor for each slot. The factors repeat after `period` slots, a multiple of the size of the groups.
pub struct Factors<'f> {
    /// Slots after which the factors repeat.
    pub period: usize,
    /// The factor of a slot.
    pub at: &'f dyn Fn(usize) -> f64,
}

/// The scores of q and the rotated k, at one level: the scores of each slot's query and key, times `factors` of the
/// slot. A factor is 0 where the key is hidden. Distances take the largest factor for q. Depth [`SCORES_DEPTH`].
///
/// # Errors
///
/// [`Error::LevelMismatch`] if q and k are at different levels. [`Error::LevelExhausted`] if the level is too low.
pub fn scores<A: Arithmetic>(
    ev: &mut A,
    groups: Groups,
    similarity: Similarity,
    [q, turned]: [&A::Slots; 2],
    factors: &Factors<'_>,
) -> Result<A::Slots> {
    // of -‖q - k‖²/2, half of the factor's root is in each of q and k
    let split = |x: f64| if similarity == Similarity::Distance { libm::sqrt(0.5 * x) } else { x };
    let of_q = match similarity {
        Similarity::Dot => 1.0,
        Similarity::Distance => split((0..factors.period).map(factors.at).fold(0.0, f64::max)),
    };
    let k = shift_columns(ev, groups, turned, true, factors.period, &|_, at| split((factors.at)(at)))?;
    let q = shift_columns(ev, groups, q, false, groups.size, &|_, _| of_q)?;
    let mut sum = Sum::default();
    for (q, k) in q.iter().zip(&k) {
        let w = match similarity {
            Similarity::Dot => ev.mul(q, k)?,
            Similarity::Distance => {
                let mut difference = ev.copy(q)?;
                ev.sub(&mut difference, k)?;
                ev.mul(&difference, &difference)?
            }
        };
        sum.add(ev, w)?;
    }
    let partial = sum.rescale(ev)?;
    let mut sum = add_groups(ev, groups, &partial)?;
    if similarity == Similarity::Distance {
        ev.neg(&mut sum)?;
    }
    Ok(sum)
}

/// Σ over keys of the numerators z, times `factors` of their slots, times v; and, if `wants_sum`, the sum of the multiplied
/// numerators of each row. Depth [`MIX_DEPTH`] from z, [`TURN_DEPTH`] and a product from v; the sum [`SHIFT_DEPTH`].
///
/// # Errors
/// [`Error::LevelExhausted`] if z or v has too few levels.
pub fn mix<A: Arithmetic>(
    ev: &mut A,
    groups: Groups,
    z: A::Slots,
    v: &A::Slots,
    factors: &Factors<'_>,
    wants_sum: bool,
) -> Result<(A::Slots, Option<A::Slots>)> {
    let factor = |k: i32, at: usize| (factors.at)(groups.source(k, at));
    let mut shifted = shift_columns(ev, groups, &z, false, factors.period, &factor)?;
    drop(z);
    let turned = turn(ev, groups, v)?;
    let level = shifted.first().map_or(0, |z| ev.level(z)).min(ev.level(&turned));
    let turned = ev.drop_to_level(turned, level)?;
    if shifted.first().is_some_and(|z| ev.level(z) > level) {
        let all = shifted.into_iter().map(|z| ev.drop_to_level(z, level));
        shifted = all.collect::<Result<_>>()?;
    }
    let steps: Vec<i32> = (0..groups.size as i32).map(|k| k * groups.stride).collect();
    let rows = ev.hoist(&turned, &steps)?;
    let mut mixed = Sum::default();
    let mut sum: Option<A::Slots> = None;
    for (z, step) in shifted.iter().zip(&steps) {
        let v = ev.hoisted(&rows, *step)?;
        let w = ev.mul(z, &v)?;
        mixed.add(ev, w)?;
        match &mut sum {
            Some(sum) => ev.add(sum, z)?,
            None if wants_sum => sum = Some(ev.copy(z)?),
            None => {}
        }
    }
    let mixed = mixed.rescale(ev)?;
    Ok((mixed, sum))
}

/// x(t + c, h, a, c). Depth [`TURN_DEPTH`].
///
/// # Errors
/// [`Error::LevelExhausted`] at level 0.
pub fn turn<A: Arithmetic>(ev: &mut A, groups: Groups, x: &A::Slots) -> Result<A::Slots> {
    let (level, [baby_steps, giant_steps]) = (ev.level(x), groups.steps());
    let mut plain = Vec::with_capacity(groups.size);
    for c in 0..groups.size {
        let column: Vec<f64> = (0..groups.size).map(|f| (f == c) as u8 as f64).collect();
        plain.push(ev.encode_diagonal(&column, level)?);
    }
    linear::map(ev, x, &baby_steps, &giant_steps, &plain.iter().map(Some).collect::<Vec<_>>())
}

/// For every k < g: x with column c of each group taken from column c + k, times `value(k, slot)`, where the slot is
/// the target. With `back` the tokens are also rotated back by k. Columns that wrap come from x rotated by a whole
/// group. Both parts therefore use the keys of the baby steps of linear maps, and the rotations use the keys of mixing.
/// Depth [`SHIFT_DEPTH`].
fn shift_columns<A: Arithmetic>(
    ev: &mut A,
    groups: Groups,
    x: &A::Slots,
    back: bool,
    period: usize,
    value: &dyn Fn(i32, usize) -> f64,
) -> Result<Vec<A::Slots>> {
    let (size, level) = (groups.size as i32, ev.level(x));
    let steps: Vec<i32> = (0..size).collect();
    let near = ev.hoist(x, &steps)?;
    let wrapped = ev.rotate(x, -size)?;
    let far = ev.hoist(&wrapped, &steps[1..])?;
    let mut out = Vec::with_capacity(groups.size);
    for k in steps {
        // back by k is forth by the rest of the turn
        let turn = if back && k > 0 { (size - k) * groups.stride } else { 0 };
        let mut part = |x: &A::Hoisted, wraps: bool| {
            let value = |s: usize| {
                let at = (s as i32 - turn).rem_euclid(period as i32) as usize;
                if (s as i32 % size + k >= size) == wraps { value(k, at) } else { 0.0 }
            };
            let plain = ev.encode_diagonal(&(0..period).map(value).collect::<Vec<_>>(), level)?;
            ev.transform(x, &Transform { baby_steps: &[k], giant_steps: &[0], plain: &[Some(&plain)] })
        };
        let mut sum = part(&near, false)?;
        if k > 0 {
            let w = part(&far, true)?;
            ev.accumulate(&mut sum, w)?;
        }
        let y = ev.rescale(sum)?;
        out.push(if turn == 0 { y } else { ev.rotate(&y, turn)? });
    }
    Ok(out)
}

/// The sum over the groups of a head, in each group. Depth 1, or 0 if there is one group.
fn add_groups<A: Arithmetic>(ev: &mut A, groups: Groups, x: &A::Slots) -> Result<A::Slots> {
    let (count, size) = (groups.count as i32, groups.size as i32);
    if count == 1 {
        return ev.copy(x);
    }
    let level = ev.level(x);
    let offsets: Vec<i32> = (1 - count..count).collect();
    let mut plain = Vec::with_capacity(offsets.len());
    for offset in &offsets {
        let value = |f: usize| (0..count).contains(&(f as i32 / size + offset)) as u8 as f64;
        let values: Vec<f64> = (0..(count * size) as usize).map(value).collect();
        plain.push(ev.encode_diagonal(&values, level)?);
    }
    let baby_steps: Vec<i32> = offsets.iter().map(|o| o * size).collect();
    linear::map(ev, x, &baby_steps, &[0], &plain.iter().map(Some).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::Groups;
    use std::string::ToString;

    #[test]
    fn tokens_that_do_not_divide_a_head_are_named() {
        let error = Groups::new(128, 64, 1).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "the padded number of tokens must divide the features of a head: 128 and 64 given");
    }
}
