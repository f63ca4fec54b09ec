//! Attention of a few tokens in the slots of their features.
//!
//! The d features of a head lie in d/g groups of g, the number of tokens. Scores are kept by distance: slot (t, h, a, c)
//! holds the score of query t and key t + c, the same in every group a. With K' = turn(K), turn(x)(t, h, a, c) =
//! x(t + c, h, a, c), the score is the sum over groups and over k < g of two factors whose columns are shifted by k
//! within their groups: Q(t, ., c + k) and K'(t - k, ., c + k). So g products are made, relinearised once, and the
//! groups are added by one linear map. Mixing is the same with V' = turn(V): the sum over k of the weights with
//! their columns shifted by k, times V' with its tokens turned by k. The sum of the shifted weights alone is the
//! sum of a row, in every column of it.
//!
//! A causal mask costs nothing: which scores are kept is in the plaintexts that shift the keys' columns.

use super::{Layout, groups::Groups, rotary};
use crate::{
    arith::{Arithmetic, Transform},
    circuits::{at_level, linear::map, poly::evaluate_doubled},
    error::{Error, Result},
    nn::Attention,
};
use alloc::vec::Vec;

/// Levels from query, key and value to what the heads make of them: scores 4, power 2, shift 1, reciprocal of degree at
/// most 7 3, product 1.
pub const DEPTH: u8 = 11;

/// What the heads make of query, key and value, side by side. Depth [`DEPTH`].
pub fn attention<A: Arithmetic>(
    ev: &mut A,
    layout: &Layout,
    [q, k, v]: [&A::Slots; 3],
    how: &Attention<'_>,
) -> Result<A::Slots> {
    let d = layout.features / layout.heads;
    let size = layout.tokens;
    if size > d {
        return Err(Error::Slots { given: size, slots: d });
    }
    let groups = Groups { size, count: d / size, stride: layout.stride() as i32 };
    let s = scores(ev, layout, groups, [q, k], how)?;
    let z = ev.product(&s, &s)?;
    let z = ev.product(&z, &z)?;
    let (slope, offset) = how.reciprocal.to_unit();
    // the factor that the reciprocal's argument wants is in the shifted weights; the reciprocal takes it out again
    let factor = 2.0 * slope;
    let shifted = shift_columns(ev, groups, &z, false, factor, &[1.0])?;
    let level = shifted.first().map_or(0, |z| ev.level(z));
    let turned = turn(ev, groups, v)?;
    let turned = ev.drop_to_level(turned, level)?;
    let steps: Vec<i32> = (0..size as i32).map(|k| k * groups.stride).collect();
    let rows = ev.hoist(&turned, &steps)?;
    let mut mixed: Option<A::Wide> = None;
    let mut sum: Option<A::Slots> = None;
    for (z, step) in shifted.iter().zip(&steps) {
        let v = ev.hoisted(&rows, *step)?;
        let w = ev.mul(z, &v)?;
        match (&mut mixed, &mut sum) {
            (Some(mixed), Some(sum)) => {
                ev.accumulate(mixed, w)?;
                ev.add(sum, z)?;
            }
            _ => {
                mixed = Some(w);
                sum = Some(ev.copy(z)?);
            }
        }
    }
    let none = Error::Length { expected: 1, actual: 0 };
    let (mixed, mut sum) = (ev.rescale(mixed.ok_or(none)?)?, sum.ok_or(none)?);
    ev.add_const(&mut sum, 2.0 * (offset + slope * how.epsilon))?;
    let reciprocal = evaluate_doubled(ev, &how.reciprocal.clone().scaled(1.0 / factor), sum)?;
    crate::circuits::product(ev, &mixed, &reciprocal)
}

/// n^(-1/4) q k where t + c is one of the n keys that t sees, 0 elsewhere. Depth 4.
fn scores<A: Arithmetic>(
    ev: &mut A,
    layout: &Layout,
    groups: Groups,
    [q, k]: [&A::Slots; 2],
    how: &Attention<'_>,
) -> Result<A::Slots> {
    let (q, turned) = match &how.rotary {
        None => {
            let turned = turn(ev, groups, k)?;
            (at_level(ev, q, ev.level(&turned))?, turned)
        }
        Some(by) => (rotary::query(ev, layout, by, q)?, rotary::turned_keys(ev, layout, groups, by, k)?),
    };
    let k = shift_columns(ev, groups, &turned, true, 1.0, &pattern(layout, groups, how))?;
    let q = shift_columns(ev, groups, &q, false, 1.0, &[1.0])?;
    let mut sum: Option<A::Wide> = None;
    for (q, k) in q.iter().zip(&k) {
        let w = ev.mul(q, k)?;
        match &mut sum {
            Some(sum) => ev.accumulate(sum, w)?,
            None => sum = Some(w),
        }
    }
    let partial = ev.rescale(sum.ok_or(Error::Length { expected: 1, actual: 0 })?)?;
    add_groups(ev, groups, &partial)
}

/// n^(-1/4) in the slots (t, c) whose key t + c is one of the n that t sees.
fn pattern(layout: &Layout, groups: Groups, how: &Attention<'_>) -> Vec<f64> {
    let value = |slot: usize| {
        let (t, question, f) = layout.place(slot);
        let (seen, key) = (how.seen(t, layout.lengths[question]), (t + f % groups.size) % layout.tokens);
        if key < seen { 1.0 / libm::sqrt(libm::sqrt(seen as f64)) } else { 0.0 }
    };
    (0..layout.period()).map(value).collect()
}

/// x(t + c, h, a, c). Depth 1.
fn turn<A: Arithmetic>(ev: &mut A, groups: Groups, x: &A::Slots) -> Result<A::Slots> {
    let (level, [baby_steps, giant_steps]) = (ev.level(x), groups.steps());
    let mut plain = Vec::with_capacity(groups.size);
    for c in 0..groups.size {
        let column: Vec<f64> = (0..groups.size).map(|f| (f == c) as u8 as f64).collect();
        plain.push(ev.encode_diagonal(&column, level)?);
    }
    map(ev, x, &baby_steps, &giant_steps, &plain.iter().map(Some).collect::<Vec<_>>())
}

/// For every k < g, x with column c of each group taken from column c + k, times `factor` and `pattern`; with `back`
/// the tokens are turned back by k, too. Columns that wrap come from x turned by a whole group, so that both parts
/// share their keys with the baby steps of linear maps, and turns share theirs with mixing. Depth 1.
fn shift_columns<A: Arithmetic>(
    ev: &mut A,
    groups: Groups,
    x: &A::Slots,
    back: bool,
    factor: f64,
    pattern: &[f64],
) -> Result<Vec<A::Slots>> {
    let (size, level) = (groups.size as i32, ev.level(x));
    let steps: Vec<i32> = (0..size).collect();
    let near = ev.hoist(x, &steps)?;
    let wrapped = ev.rotate(x, -size)?;
    let far = ev.hoist(&wrapped, &steps[1..])?;
    let mut out = Vec::with_capacity(groups.size);
    for k in steps {
        // back by k is forth by the rest of the turn; the pattern is of where a value ends
        let turn = if back && k > 0 { (size - k) * groups.stride } else { 0 };
        let period = pattern.len().max(groups.size);
        let mut part = |x: &A::Hoisted, wraps: bool| {
            let value = |s: usize| {
                let at = (s as i32 - turn).rem_euclid(pattern.len() as i32) as usize;
                if (s as i32 % size + k >= size) == wraps { factor * pattern[at] } else { 0.0 }
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

/// The sum over the groups of a head, in each of them. Depth 1, or a level lost if there is one group.
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
    map(ev, x, &baby_steps, &[0], &plain.iter().map(Some).collect::<Vec<_>>())
}
