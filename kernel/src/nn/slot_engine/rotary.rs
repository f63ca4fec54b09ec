//! Rotary embedding in slots, on levels that attention takes anyway.
//!
//! A rotated feature is a sum of three products: the vector, the vector rotated by half a head forward, and the vector
//! rotated back. Each factor is a plaintext of cosines or sines. The query has a spare level, because the query waits
//! for the rotation of the keys. The map that rotates keys has one diagonal per column, and the diagonals contain the
//! angles.
//!
//! The baby steps rotate each of the three vectors, and the giant steps are shared. With b baby steps the query takes 2
//! more key switches and the keys take 2 b more. Half a head needs at most two rotation keys.
//! [docs/decisions/decoders.md]

use super::Layout;
use crate::{
    arith::{Arithmetic, Sum, Transform},
    circuits::{linear::map, matmul::grouped::Groups},
    error::Result,
    nn::Rotary,
};
use alloc::vec::Vec;

/// Rotations that bring to a feature itself, its partner in the second half of the head, and that in the first.
fn shifts(layout: &Layout) -> [i32; 3] {
    let half = (layout.head_width() / 2) as i32;
    [0, half, -half]
}

/// The share of slot `s` in the slot `shift` ahead, if its token is `token`.
fn share(layout: &Layout, rotary: &Rotary, token: usize, s: usize, shift: i32) -> f64 {
    let (d, feature) = (layout.head_width(), s % layout.head_slots());
    if feature >= d {
        return 0.0; // padding
    }
    let (i, second) = (feature % (d / 2), feature >= d / 2);
    let (cos, sin) = rotary.turn(token, i, d);
    match (shift.signum(), second) {
        (0, _) => cos,
        (1, false) => -sin,
        (-1, true) => sin,
        _ => 0.0,
    }
}

/// The query, rotated by the angles of its tokens. Depth 1.
///
/// # Errors
/// [`Error::LevelExhausted`][crate::Error::LevelExhausted] at level 0; the first key that is missing.
pub fn query<A: Arithmetic>(ev: &mut A, layout: &Layout, rotary: &Rotary, q: &A::Slots) -> Result<A::Slots> {
    let (level, shifts) = (ev.level(q), shifts(layout));
    let mut plain = Vec::with_capacity(shifts.len());
    for shift in shifts {
        let values: Vec<f64> =
            (0..layout.period()).map(|s| share(layout, rotary, layout.place(s).0, s, shift)).collect();
        plain.push(ev.encode_diagonal(&values, level)?);
    }
    map(ev, q, &shifts, &[0], &plain.iter().map(Some).collect::<Vec<_>>())
}

/// R k(t + c, h, a, c), with R the rotation by the angles of token t + c: the rotated keys after `turn`. Depth 1.
/// Plaintexts have the length of the period, so one giant step's plaintexts are encoded at a time.
///
/// # Errors
/// [`Error::LevelExhausted`][crate::Error::LevelExhausted] at level 0; the first key that is missing.
pub fn turned_keys<A: Arithmetic>(
    ev: &mut A,
    layout: &Layout,
    groups: Groups,
    rotary: &Rotary,
    k: &A::Slots,
) -> Result<A::Slots> {
    let (level, [baby_steps, giant_steps], shifts) = (ev.level(k), groups.steps(), shifts(layout));
    let partners = ev.hoist(k, &shifts)?;
    let mut sum = Sum::default();
    for shift in shifts {
        let partner = ev.hoisted(&partners, shift)?;
        let turned = ev.hoist(&partner, &baby_steps)?;
        for (g, giant) in giant_steps.iter().enumerate() {
            let mut plain = Vec::with_capacity(baby_steps.len());
            for b in 0..baby_steps.len() {
                // entry s is for slot s - giant: its token and its column together are the token of s, and b
                let value = |s: usize| {
                    let token = (layout.place(s).0 + b) % layout.tokens;
                    let picked = s % groups.size == g * baby_steps.len() + b;
                    if picked { share(layout, rotary, token, s, shift) } else { 0.0 }
                };
                let values: Vec<f64> = (0..layout.period()).map(value).collect();
                let nothing = values.iter().all(|v| *v == 0.0); // a column of the half without a partner there
                plain.push(if nothing { None } else { Some(ev.encode_diagonal(&values, level)?) });
            }
            let plain: Vec<_> = plain.iter().map(Option::as_ref).collect();
            if plain.iter().all(Option::is_none) {
                continue;
            }
            let w =
                ev.transform(&turned, &Transform { baby_steps: &baby_steps, giant_steps: &[*giant], plain: &plain })?;
            sum.add(ev, w)?;
        }
    }
    sum.rescale(ev)
}
