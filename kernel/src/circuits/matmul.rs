//! Products of two encrypted matrices. Multi-head attention needs the scores Q Kᵀ and the mixing A V, by rotations of
//! whole tokens. The bicyclic product is the third.
//!
//! Slot = token · F + head · d + feature, and the vector repeats after L tokens. The weights of attention are packed
//! without gaps. Block c holds in slot (t, head, j) the weight of token t for token t + cd + j (modulo L).
//!
//! Both products are sums over δ = feature - j. A term is one factor rotated by δ, times the other factor with rotated
//! tokens and with features that masks select. The masks keep every term within its head. Each sum is relinearised
//! once. With hoisting, the scores of all blocks take about 3L key switches, and the mixing takes as many.
//! [docs/math.md §15.2]

use crate::{
    arith::{Arithmetic, Sum},
    error::{Error, Result},
};
use alloc::{vec, vec::Vec};

pub mod grouped;

/// The shape of multi-head attention in one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// L: tokens; the vector repeats after so many slots.
    pub tokens: usize,
    /// Heads of a token.
    pub heads: usize,
    /// d: features of a head.
    pub width: usize,
}

impl Heads {
    /// F: slots of a token.
    pub fn features(&self) -> usize {
        self.heads * self.width
    }

    /// Vectors that hold the weights of attention.
    pub fn blocks(&self) -> usize {
        self.tokens.div_ceil(self.width)
    }

    /// The token of slot (query, head, j) of a block, or `None` if the slot has no token.
    pub fn key(&self, query: usize, block: usize, j: usize) -> Option<usize> {
        let ahead = block * self.width + j;
        (ahead < self.tokens).then(|| (query + ahead) % self.tokens)
    }

    /// The pattern of one block for masks: `value(query, key)` in a slot with a key, else 0.
    pub fn pattern(&self, block: usize, value: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        let slot = |s: usize| {
            let query = s / self.features();
            self.key(query, block, s % self.width).map_or(0.0, |key| value(query, key))
        };
        (0..self.tokens * self.features()).map(slot).collect()
    }

    fn check(&self, slots: usize) -> Result<()> {
        let given = self.tokens * self.features();
        let fits = given > 0 && slots.is_multiple_of(given);
        if fits { Ok(()) } else { Err(Error::Slots { given, slots }) }
    }

    /// -(d-1) … d-1
    fn offsets(&self) -> Vec<i32> {
        let d = self.width as i32;
        (1 - d..d).collect()
    }

    /// 1 at feature `m` of every head; one token long.
    fn feature(&self, m: usize) -> Vec<f64> {
        (0..self.features()).map(|f| (f % self.width == m) as u8 as f64).collect()
    }
}

/// The rotations of x by whole tokens, one each token.
fn hoist_tokens<A: Arithmetic>(ev: &mut A, heads: &Heads, x: &A::Slots) -> Result<A::Hoisted> {
    let steps: Vec<i32> = (0..heads.tokens).map(|t| (t * heads.features()) as i32).collect();
    ev.hoist(x, &steps)
}

/// Σ of `terms`: features selected from rotated tokens, as (feature, tokens). Depth 1. `None` without terms.
fn pick<A: Arithmetic>(
    ev: &mut A,
    heads: &Heads,
    turned: &A::Hoisted,
    masks: &[A::Plaintext],
    terms: impl Iterator<Item = (usize, usize)>,
) -> Result<Option<A::Slots>> {
    let mut sum = Sum::default();
    for (feature, tokens) in terms {
        let x = ev.hoisted(turned, (tokens * heads.features()) as i32)?;
        let w = ev.mul_plain(&x, &masks[feature])?;
        sum.add(ev, w)?;
    }
    sum.into_wide().map(|w| ev.rescale(w)).transpose()
}

/// S_c(t, h, j) = Σ_f Q(t, h, f) K(t + cd + j, h, f), every block c. Depth 2 from K, 1 from Q. A scale belongs into
/// W_q: 1/√d, or the scale of the circuit that follows.
///
/// # Errors
/// [`Error::Slots`] if the heads do not fill the vector; [`Error::LevelExhausted`] if q or k has too few levels.
pub fn scores<A: Arithmetic>(ev: &mut A, heads: &Heads, q: &A::Slots, k: &A::Slots) -> Result<Vec<A::Slots>> {
    heads.check(ev.slots())?;
    let d = heads.width;
    let offsets = heads.offsets();
    let masks = masks(ev, heads, k)?;
    let turned_k = hoist_tokens(ev, heads, k)?;
    let mut low: Option<(u8, A::Hoisted)> = None; // Q turned by every offset, at the level of the products
    let mut blocks = Vec::with_capacity(heads.blocks());
    for c in 0..heads.blocks() {
        let mut sum = Sum::default();
        for offset in &offsets {
            // feature f = j + δ of token t + cd + j, still in slot f; turning by δ brings it to slot j
            let pairs = (0..d).filter_map(|j| {
                let f = j as i32 + offset;
                let ahead = c * d + j;
                ((0..d as i32).contains(&f) && ahead < heads.tokens).then_some((f as usize, ahead))
            });
            let Some(u) = pick(ev, heads, &turned_k, &masks, pairs)? else { continue };
            let mut u = ev.rotate(&u, *offset)?;
            let level = ev.level(&u).min(ev.level(q));
            u = ev.drop_to_level(u, level)?;
            if low.is_none() {
                let q = ev.copy_at_level(q, level)?;
                low = Some((level, ev.hoist(&q, &offsets)?));
            }
            let Some((_, turned_q)) = &low else { continue }; // was just made
            let q = ev.hoisted(turned_q, *offset)?;
            let w = ev.mul(&q, &u)?;
            sum.add(ev, w)?;
        }
        blocks.push(sum.rescale(ev)?);
    }
    Ok(blocks)
}

/// Y(t, h, f) = Σ_c Σ_j A_c(t, h, j) V(t + cd + j, h, f). Depth 1 from A, 2 from V; one relinearisation.
///
/// # Errors
/// [`Error::Slots`] if the heads do not fill the vector; [`Error::Length`] with the number of blocks;
/// [`Error::LevelExhausted`] if a vector has too few levels.
pub fn mix<A: Arithmetic>(ev: &mut A, heads: &Heads, weights: &[A::Slots], v: &A::Slots) -> Result<A::Slots> {
    heads.check(ev.slots())?;
    if weights.len() != heads.blocks() {
        return Err(Error::Length { expected: heads.blocks(), actual: weights.len() });
    }
    let d = heads.width;
    let offsets = heads.offsets();
    let masks = masks(ev, heads, v)?;
    let turned_v = hoist_tokens(ev, heads, v)?;
    let level = weights.iter().fold(ev.level(v).saturating_sub(1), |m, a| m.min(ev.level(a)));
    let mut sum = Sum::default();
    for (c, a) in weights.iter().enumerate() {
        let a = ev.copy_at_level(a, level)?;
        let turned_a = ev.hoist(&a, &offsets)?;
        for offset in &offsets {
            // weight j = f + δ meets feature f of token t + cd + j
            let pairs = (0..d).filter_map(|f| {
                let j = f as i32 + offset;
                let ahead = (c * d) as i32 + j;
                ((0..d as i32).contains(&j) && ahead < heads.tokens as i32).then_some((f, ahead as usize))
            });
            let Some(u) = pick(ev, heads, &turned_v, &masks, pairs)? else { continue };
            let u = ev.drop_to_level(u, level)?;
            let a = ev.hoisted(&turned_a, *offset)?;
            let w = ev.mul(&a, &u)?;
            sum.add(ev, w)?;
        }
    }
    sum.rescale(ev)
}

/// The masks of every feature, at the level of x.
fn masks<A: Arithmetic>(ev: &mut A, heads: &Heads, x: &A::Slots) -> Result<Vec<A::Plaintext>> {
    let level = ev.level(x);
    (0..heads.width).map(|m| ev.encode(&heads.feature(m), level)).collect()
}

/// The slots of a matrix of n rows and m columns, coprime, in bicyclic order: slot i holds entry (i mod n, i mod m).
pub fn bicyclic_order(n: usize, m: usize, slots: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..slots).map(|i| entry(i % n, i % m)).collect()
}

/// C = A B for A (n × m) and B (m × p) in bicyclic order, with n, m, p pairwise coprime. c_i = Σ_s a_{i + ns} b_{i +
/// pu}, u = ns/p modulo m. Slots 0 … slots - m max(n, p) - 1 of the result are correct, and the result needs np slots.
/// Depth 1, one relinearisation, 2(m - 1) hoisted rotations. [eprint 2025/1200]
///
/// # Errors
/// [`Error::Slots`] if the product needs more slots, or two of the sizes have a common factor; [`Error::LevelMismatch`]
/// if a and b are at different levels; [`Error::LevelExhausted`] at level 0.
pub fn bicyclic<A: Arithmetic>(
    ev: &mut A,
    (n, m, p): (usize, usize, usize),
    a: &A::Slots,
    b: &A::Slots,
) -> Result<A::Slots> {
    let needed = n * p + m * n.max(p);
    if needed > ev.slots() || !(coprime(n, m) && coprime(m, p) && coprime(n, p)) {
        return Err(Error::Slots { given: needed, slots: ev.slots() });
    }
    let inverse = (0..m).find(|u| u * p % m == 1 % m).unwrap_or(0); // exists: p and m are coprime
    let mut steps = vec![(0, 0); m];
    for (s, step) in steps.iter_mut().enumerate() {
        *step = ((n * s) as i32, (p * (n * s % m * inverse % m)) as i32);
    }
    let turned_a = ev.hoist(a, &steps.iter().map(|s| s.0).collect::<Vec<_>>())?;
    let turned_b = ev.hoist(b, &steps.iter().map(|s| s.1).collect::<Vec<_>>())?;
    let mut sum = Sum::default();
    for (of_a, of_b) in steps {
        let (a, b) = (ev.hoisted(&turned_a, of_a)?, ev.hoisted(&turned_b, of_b)?);
        let w = ev.mul(&a, &b)?;
        sum.add(ev, w)?;
    }
    sum.rescale(ev)
}

fn coprime(a: usize, b: usize) -> bool {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

#[cfg(test)]
mod tests {
    use super::{Heads, bicyclic, bicyclic_order, mix, scores};
    use crate::{
        Error,
        arith::Arithmetic,
        eval::{
            clear::{ClearArray, ClearVec},
            interval::{Bounds, Interval},
            trace::Trace,
        },
    };

    const N: usize = 96;

    #[test]
    fn scores_and_mixing_are_those_of_every_head() {
        // as many tokens as slots hold; fewer tokens than features; a vector that repeats
        for heads in [
            Heads { tokens: 12, heads: 2, width: 4 },
            Heads { tokens: 3, heads: 4, width: 8 },
            Heads { tokens: 16, heads: 1, width: 3 },
            Heads { tokens: 10, heads: 1, width: 4 },
        ] {
            let f = heads.features();
            let slots = if N.is_multiple_of(heads.tokens * f) { N } else { heads.tokens * f };
            let entry = |seed: usize, t: usize, g: usize| libm::sin((seed + 31 * t + 7 * g * g) as f64);
            let vector = |seed: usize| -> std::vec::Vec<f64> {
                (0..slots).map(|s| entry(seed, s / f % heads.tokens, s % f)).collect()
            };
            let (q, k, v) = (vector(1), vector(2), vector(3));
            let mut ev = ClearVec::<f64>::with_slots(slots);
            let s = scores(&mut ev, &heads, &q, &k).unwrap();
            let y = mix(&mut ev, &heads, &s, &v).unwrap();
            for t in 0..heads.tokens {
                for h in 0..heads.heads {
                    let dot = |key: usize| -> f64 {
                        let at = |x: usize, t: usize, i: usize| entry(x, t, h * heads.width + i);
                        (0..heads.width).map(|i| at(1, t, i) * at(2, key, i)).sum()
                    };
                    for (c, block) in s.iter().enumerate() {
                        for j in 0..heads.width {
                            let want = heads.key(t, c, j).map_or(0.0, dot);
                            assert!(
                                (block[t * f + h * heads.width + j] - want).abs() < 1e-13,
                                "{heads:?} {t} {h} {c} {j}"
                            );
                        }
                    }
                    for i in 0..heads.width {
                        let g = h * heads.width + i;
                        let want: f64 = (0..heads.tokens).map(|key| dot(key) * entry(3, key, g)).sum();
                        assert!((y[t * f + g] - want).abs() < 1e-12, "{heads:?} {t} {h} {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn products_are_inside_their_enclosures() {
        let heads = Heads { tokens: 12, heads: 2, width: 4 };
        let x: [f64; N] = core::array::from_fn(|i| libm::cos((i * i) as f64));
        let s = scores(&mut ClearArray::<f64, N>::new(), &heads, &x, &x).unwrap();
        let y = mix(&mut ClearArray::<f64, N>::new(), &heads, &s, &x).unwrap();
        let sure_x = x.map(Bounds::point);
        let sure = scores(&mut Interval::<f64, N>::new(), &heads, &sure_x, &sure_x).unwrap();
        let sure = mix(&mut Interval::<f64, N>::new(), &heads, &sure, &sure_x).unwrap();
        assert!(y.iter().zip(sure).all(|(y, s)| s.contains(*y)));
    }

    #[test]
    fn key_switches_grow_with_the_tokens_only() {
        let heads = Heads { tokens: 128, heads: 4, width: 64 };
        let mut tr = Trace::new(1 << 15, None);
        let (q, k, v) = (tr.input(9), tr.input(9), tr.input(9));
        let s = scores(&mut tr, &heads, &q, &k).unwrap();
        let of_scores = tr.cost().key_switch;
        assert_eq!((tr.level(&s[0]), s.len()), (7, 2));
        // 127 turns of K, 126 of Q, and for each of 2 blocks 126 turns of what was picked and 1 relinearisation
        assert_eq!(of_scores, 127 + 126 + 2 * (126 + 1));
        let y = mix(&mut tr, &heads, &s, &v).unwrap();
        assert_eq!(tr.level(&y), 6);
        assert_eq!(tr.cost().key_switch - of_scores, 127 + 2 * 126 + 1);
    }

    #[test]
    fn a_bicyclic_product_takes_one_level() {
        let (n, m, p) = (3, 4, 5);
        let a = |i: usize, j: usize| (i * 10 + j) as f64;
        let b = |i: usize, j: usize| libm::sin((i + 3 * j) as f64);
        let (x, y) = (bicyclic_order(n, m, 40, a), bicyclic_order(m, p, 40, b));
        let c = bicyclic(&mut ClearVec::<f64>::with_slots(40), (n, m, p), &x, &y).unwrap();
        for (i, c) in c.iter().enumerate().take(n * p) {
            let want: f64 = (0..m).map(|k| a(i % n, k) * b(k, i % p)).sum();
            assert!((c - want).abs() < 1e-12, "{i}");
        }
        let mut tr = Trace::new(40, None);
        let (x, y) = (tr.input(1), tr.input(1));
        bicyclic(&mut tr, (n, m, p), &x, &y).unwrap();
        assert_eq!((tr.lowest_level(), tr.cost().key_switch, tr.cost().mul), (0, 7, 4));
        let not = bicyclic(&mut tr, (2, 4, 5), &x, &y).err();
        assert_eq!(not, Some(Error::Slots { given: 30, slots: 40 }));
    }
}
