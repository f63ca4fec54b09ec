//! The levels of EvalMod and CoeffsToSlots, above the messages: their primes, and the primes of each level.
//!
//! Their scale follows the scale of the messages. Above one prime a level, 2^58 would cost limbs, and the rounding of a
//! message would hide what they gain.

use super::{
    build_error::{Fault, Result},
    candidates::{self, Prime},
    main_primes::main_primes,
    scale_pattern::ScalePattern,
};
use crate::spec::BootstrapBuf;

/// The levels of bootstrapping: EvalMod in 8 levels, CoeffsToSlots in 4, and 3 message levels at the end. The scale of
/// EvalMod is the one of pairs.
pub const BOOTSTRAP: BootstrapBuf =
    BootstrapBuf { coeffs_to_slots: 4, eval_mod: 8, slots_to_coeffs: 3, eval_mod_scale_bits: 58.0, iterations: 1 };
/// Sizes of EvalMod's primes in bits: near 29, apart from the main primes.
const EVAL_MOD_PRIMES: (f64, f64) = (28.6, 29.4);
/// The size of CoeffsToSlots' primes in bits.
const COEFFS_TO_SLOTS_PRIME: f64 = 28.0;
/// The patterns above messages of one prime a level, from the lowest level of EvalMod up: three primes in two levels,
/// but for the two highest levels of EvalMod, where most noise enters. A pair there lowers that noise by six bits.
const FAST: [(ScalePattern, u8); 3] = [(ScalePattern::Half, 6), (ScalePattern::Pairs, 2), (ScalePattern::Half, 4)];
/// log2 of the scale of the lowest six levels of [`FAST`], the largest of the pattern.
const FAST_SCALE: f64 = 44.8;

/// The levels that bootstrapping adds above the messages.
pub struct Deep {
    /// Rescaling and main primes of each level, from the lowest up.
    pub levels: Vec<(u8, u8)>,
    /// The primes, in the order of the chain.
    pub primes: Vec<u32>,
    /// log2 of the scale at the lowest level of EvalMod.
    pub scale_bits: f64,
}

/// The rescaling primes of a bootstrappable chain with messages of `pattern`.
pub fn rescaling_primes(pattern: ScalePattern) -> &'static [u32] {
    match pattern {
        ScalePattern::Single => ScalePattern::Half.rescaling_primes(),
        _ => pattern.rescaling_primes(),
    }
}

/// The levels above messages of `pattern`. `top` is the level of the highest message, with the primes `(rescaling, main)`.
/// Takes primes out of `pool`.
///
/// # Errors
/// `Drift` with the first level whose scale no prime restores.
pub fn deep(pattern: ScalePattern, top: usize, primes: (u8, u8), pool: &mut Vec<Prime>) -> Result<Deep> {
    match pattern {
        ScalePattern::Single => fast(top, primes.1, pool),
        _ => precise(primes, pool),
    }
}

/// Two primes a level.
fn precise((rescaling, limbs): (u8, u8), pool: &mut Vec<Prime>) -> Result<Deep> {
    let levels = (1..=BOOTSTRAP.eval_mod + BOOTSTRAP.coeffs_to_slots).map(|i| (rescaling, limbs + 2 * i)).collect();
    let mut primes = eval_mod(pool)?;
    let count = 2 * BOOTSTRAP.coeffs_to_slots as usize;
    primes.extend(candidates::nearest(pool, COEFFS_TO_SLOTS_PRIME, count).iter().map(|p| p.q));
    Ok(Deep { levels, primes, scale_bits: BOOTSTRAP.eval_mod_scale_bits })
}

/// The runs of [`FAST`].
fn fast(top: usize, mut limbs: u8, pool: &mut Vec<Prime>) -> Result<Deep> {
    let (mut levels, mut primes) = (Vec::new(), Vec::new());
    for (pattern, count) in FAST {
        let run: Vec<(u8, u8)> = (0..=count).map(|i| pattern.level(i, limbs)).collect();
        let scale_bits = if pattern == ScalePattern::Pairs { BOOTSTRAP.eval_mod_scale_bits } else { FAST_SCALE };
        primes.extend(main_primes(pattern, scale_bits, &run, top + levels.len(), pool)?);
        limbs = run.last().map_or(limbs, |(_, limbs)| *limbs);
        levels.extend(&run[1..]);
    }
    Ok(Deep { levels, primes, scale_bits: FAST_SCALE })
}

/// EvalMod's pairs, taken from `pool`, in the order of the chain: the lowest level's first. The pairs are chosen from
/// the top down, where the scale is exact. Each pair brings the scale below the pair back to 2^58.
fn eval_mod(pool: &mut Vec<Prime>) -> Result<Vec<u32>> {
    let asked = BOOTSTRAP.eval_mod_scale_bits;
    let (low, high) = EVAL_MOD_PRIMES;
    let mut near: Vec<Prime> = pool.iter().rev().copied().filter(|p| p.bits > low && p.bits < high).collect();
    let (mut pairs, mut scale) = (Vec::new(), asked);
    for level in (1..=BOOTSTRAP.eval_mod as usize).rev() {
        let pair = candidates::widest_pair(&near, 2.0 * scale - asked);
        let Some([a, b]) = pair else { return Err(Fault::Drift { level, got: 0.0, asked }) };
        near.retain(|p| p.q != a.q && p.q != b.q);
        scale = 2.0 * scale - a.bits - b.bits;
        pairs.push([a.q, b.q]);
    }
    pairs.reverse();
    let primes = pairs.concat();
    pool.retain(|p| !primes.contains(&p.q));
    Ok(primes)
}
