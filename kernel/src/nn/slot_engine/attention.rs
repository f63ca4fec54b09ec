//! Attention on slots. Scores and mixing are the circuits of [`crate::circuits::matmul::grouped`], and the weights are
//! any [`AttentionWeights`]. The plaintexts of scores and mixing contain the mask and every public factor.

use super::{
    Layout,
    hidden::HiddenLengths,
    levels::{AttentionLevels, AttentionStep},
    rotary,
};
use crate::{
    arith::Arithmetic,
    circuits::{
        attention::{AttentionWeights, moments},
        matmul::grouped::{self, Factors, Groups},
        mul_aligned,
        reduce::{RowLayout, scaled_row_sums},
    },
    error::Result,
    nn::{Attention, slot_engine::BootstrapLevels},
};
use alloc::vec::Vec;

/// The heads' results from query, key and value, side by side. A block has whole heads, and the steps of all blocks are
/// taken together. Depth [`AttentionLevels::total`], if no value is bootstrapped in between. If the levels are too few,
/// scores, numerators, sums and reciprocals are bootstrapped. `hidden` has the lengths of the questions if the server
/// does not see the lengths. The second of `bootstraps` says that the result may be bootstrapped before the next map.
///
/// # Errors
/// [`Error::BadShape`][crate::Error::BadShape] if a head does not fit a block;
/// [`Error::LevelExhausted`][crate::Error::LevelExhausted] if a vector has too few levels and no bootstrap is allowed;
/// the first key that is missing.
pub fn attention<A: Arithmetic>(
    ev: &mut A,
    (layout, hidden): (&Layout, Option<&HiddenLengths<A::Slots>>),
    bootstraps: (Option<BootstrapLevels>, bool),
    [q, k, v]: [Vec<A::Slots>; 3],
    attention: &Attention<'_>,
) -> Result<Vec<A::Slots>> {
    layout.heads_of_block()?;
    let groups = Groups::new(layout.tokens, layout.head_slots(), layout.stride())?;
    let (weights, levels) = (&attention.weights, AttentionLevels::of(&attention.weights));
    let each = q.into_iter().zip(k);
    let s = each.map(|(q, k)| scores(ev, (layout, hidden), groups, [&q, &k], attention)).collect::<Result<_>>()?;
    let s = levels.before(ev, bootstraps, AttentionStep::Numerators, s)?;
    let z = s.into_iter().map(|s| numerators(ev, layout, groups, attention, s)).collect::<Result<_>>()?;
    let z: Vec<A::Slots> = levels.before(ev, bootstraps, AttentionStep::Mixing, z)?;
    let normaliser = weights.normaliser();
    // the factor that the reciprocal's argument wants is in the weights; the reciprocal takes it out again
    let factor = normaliser.map_or(1.0, |n| n.factor());
    let pattern = match weights.hides_by_itself() {
        true => alloc::vec![factor; groups.size],
        false => pattern(layout, groups, attention, |visible| factor * weights.weight_factor(visible)),
    };
    let factors = Factors { period: pattern.len(), at: &|slot| pattern[slot % pattern.len()] };
    let (mut mixed, mut sums) = (Vec::with_capacity(z.len()), Vec::with_capacity(z.len()));
    for (z, v) in z.into_iter().zip(&v) {
        let (mix, sum) = grouped::mix(ev, groups, z, v, &factors, normaliser.is_some())?;
        mixed.push(mix);
        sums.extend(sum);
    }
    let Some(normaliser) = normaliser else { return Ok(mixed) };
    let sums = levels.before(ev, bootstraps, AttentionStep::Reciprocal, sums)?;
    let inverses = sums.into_iter().map(|sum| normaliser.reciprocal(ev, sum)).collect::<Result<_>>()?;
    let inverses = levels.before(ev, bootstraps, AttentionStep::Product, inverses)?;
    mixed.iter().zip(&inverses).map(|(mixed, inverse)| mul_aligned(ev, mixed, inverse)).collect()
}

/// The numerators of multiplied scores, with the moments of their rows if the variant asks for moments.
fn numerators<A: Arithmetic>(
    ev: &mut A,
    layout: &Layout,
    groups: Groups,
    attention: &Attention<'_>,
    s: A::Slots,
) -> Result<A::Slots> {
    let weights = &attention.weights;
    let moments = match weights.moment_factors() {
        None => None,
        Some(factors) => {
            let rows = RowLayout::new(groups.size, 1)?;
            let of = |factor: f64| -> Vec<f64> {
                (0..layout.period()).map(|s| factor / visible(layout, attention, s).max(1) as f64).collect()
            };
            let factors = factors.map(of);
            let sums = |ev: &mut A, x: &[A::Slots], i: usize| scaled_row_sums(ev, x, &rows, &factors[i]);
            Some(moments(ev, core::slice::from_ref(&s), sums)?)
        }
    };
    weights.numerators(ev, s, moments.as_ref().map(|[mean, square]| [mean, square]))
}

/// The number of keys that the token of a slot sees.
fn visible(layout: &Layout, attention: &Attention<'_>, slot: usize) -> usize {
    let (t, question, _) = layout.place(slot);
    attention.seen(t, layout.lengths[question])
}

/// In each slot, the factor of as many keys as its token sees, or 0 if its key is hidden.
fn pattern(layout: &Layout, groups: Groups, attention: &Attention<'_>, factor: impl Fn(usize) -> f64) -> Vec<f64> {
    let value = |slot: usize| {
        let ((t, _, f), visible) = (layout.place(slot), visible(layout, attention, slot));
        if (t + f % groups.size) % layout.tokens < visible { factor(visible) } else { 0.0 }
    };
    (0..layout.period()).map(value).collect()
}

/// Multiplied scores, 0 where the key is hidden. Depth [`grouped::TURN_DEPTH`] and [`grouped::SCORES_DEPTH`].
fn scores<A: Arithmetic>(
    ev: &mut A,
    (layout, hidden): (&Layout, Option<&HiddenLengths<A::Slots>>),
    groups: Groups,
    [q, k]: [&A::Slots; 2],
    attention: &Attention<'_>,
) -> Result<A::Slots> {
    let (q, turned) = match &attention.rotary {
        None => {
            let turned = grouped::turn(ev, groups, k)?;
            let level = ev.level(&turned);
            let q = match hidden {
                None => ev.copy_at_level(q, level)?,
                Some(hidden) => mul_aligned(ev, q, &hidden.scores)?, // while the keys turn
            };
            (ev.drop_to_level(q, level)?, turned)
        }
        Some(rotary) => (rotary::query(ev, layout, rotary, q)?, rotary::turned_keys(ev, layout, groups, rotary, k)?),
    };
    let weights = &attention.weights;
    let seen = |visible| if hidden.is_some() { 1 } else { visible };
    let pattern = pattern(layout, groups, attention, |visible| weights.score_factor(seen(visible)));
    let factors = Factors { period: pattern.len(), at: &|slot| pattern[slot] };
    grouped::scores(ev, groups, weights.similarity(), [&q, &turned], &factors)
}
