//! The modulus chain for a given size of digits: the primes, their order, and the primes of each level.
//!
//! P takes the largest primes below 2^30 and the base takes the next primes, so that every key-switching digit is below
//! P. Main primes are chosen from level 1 up, so that the scale of each level returns to the requested scale.

use super::{
    Request,
    build_error::{Fault, Result},
    candidates::{self, Prime},
    scale_pattern::ScalePattern,
};
use crate::spec::{BootstrapBuf, SpecBuf};

/// The levels of bootstrapping: EvalMod in 8 levels at 2^58, CoeffsToSlots in 4 of 2^56, and 3 message levels at the
/// end.
pub const BOOTSTRAP: BootstrapBuf =
    BootstrapBuf { coeffs_to_slots: 4, eval_mod: 8, slots_to_coeffs: 3, eval_mod_scale_bits: 58.0, iterations: 1 };
/// Sizes of EvalMod's primes in bits: near 29, apart from the main primes.
const EVAL_MOD_PRIMES: (f64, f64) = (28.6, 29.4);
/// The size of CoeffsToSlots' primes in bits.
const COEFFS_TO_SLOTS_PRIME: f64 = 28.0;
/// The largest difference between a level's scale and the requested scale, in bits.
const MAX_DRIFT: f64 = 0.5;
/// The bits of P above every digit, so that a key switch is no noisier than a rescale.
const MARGIN: f64 = 2.0;
/// A client's chain is the base of B16, which comes after 12 special primes.
const CLIENT_SKIPS: usize = 12;

/// The parameter set with digits of `alpha` primes. P is the smallest that is [`MARGIN`] above every digit, with at
/// most as many primes as a digit. The set is not yet checked against a bound.
///
/// # Errors
/// `Drift` with the first level whose scale no prime restores.
pub fn assemble(request: &Request, pattern: ScalePattern, alpha: usize) -> Result<SpecBuf> {
    let mut specials = 1;
    loop {
        let spec = with_specials(request, pattern, alpha, specials)?;
        let largest = spec.line.chunks(alpha.max(1)).map(candidates::total).fold(0.0, f64::max);
        if specials >= alpha || candidates::total(&spec.specials) >= largest + MARGIN {
            return Ok(spec);
        }
        specials += 1;
    }
}

fn with_specials(request: &Request, pattern: ScalePattern, alpha: usize, specials: usize) -> Result<SpecBuf> {
    let client = request.levels == 0 && !request.bootstrap;
    let mut pool = candidates::all().to_vec();
    let mut specials = take(&mut pool, if client { CLIENT_SKIPS } else { specials });
    let base = pattern.base(request.scale_bits);
    let base_primes = take(&mut pool, base as usize);
    if client {
        specials.clear();
    }
    let rescaling = if request.levels == 0 { &[] } else { pattern.rescaling_primes() };
    pool.retain(|p| !rescaling.contains(&p.q));

    let mut levels: Vec<(u8, u8)> = (0..=request.levels).map(|l| pattern.level(l, base)).collect();
    let mut main_primes = main_primes(request, pattern, &levels, &pool)?;
    if request.bootstrap {
        pool.retain(|p| !main_primes.contains(&p.q));
        let (top, message_limbs) = levels.last().copied().unwrap_or((0, base));
        main_primes.extend(eval_mod(&mut pool)?);
        let reserve = 2 * BOOTSTRAP.coeffs_to_slots as usize;
        main_primes.extend(candidates::nearest(&pool, COEFFS_TO_SLOTS_PRIME, reserve).iter().map(|p| p.q));
        let reserved = BOOTSTRAP.eval_mod + BOOTSTRAP.coeffs_to_slots;
        levels.extend((1..=reserved).map(|i| (top, message_limbs + 2 * i)));
    }
    Ok(SpecBuf {
        log_n: request.log_n,
        alpha: if client { 0 } else { alpha as u8 },
        specials,
        terminals: rescaling.len() as u8,
        base,
        line: [rescaling, &base_primes, &main_primes].concat(),
        levels,
        scale_bits: request.scale_bits,
        bootstrap: request.bootstrap.then_some(BootstrapBuf { iterations: request.iterations, ..BOOTSTRAP }),
        security: request.security.bits(),
    })
}

/// Takes the first `count` primes, the largest, out of the pool.
fn take(pool: &mut Vec<Prime>, count: usize) -> Vec<u32> {
    pool.drain(..count.min(pool.len())).map(|p| p.q).collect()
}

/// The primes that each level adds above the base. With s_{l-1} the scale below and r the bits of the rescaling primes,
/// the level wants primes of 2s - s_{l-1} - r bits. Its own scale is then s again.
fn main_primes(request: &Request, pattern: ScalePattern, levels: &[(u8, u8)], pool: &[Prime]) -> Result<Vec<u32>> {
    let mut pool: Vec<Prime> = pool.iter().copied().filter(|p| p.bits > pattern.smallest_main_prime()).collect();
    let (mut main_primes, mut scale) = (Vec::new(), request.scale_bits);
    for (level, pair) in levels.windows(2).enumerate() {
        let ([(t0, l0), (t1, l1)], level) = ([pair[0], pair[1]], level + 1);
        let restored = rescaling_bits(pattern, t1) - rescaling_bits(pattern, t0);
        let want = 2.0 * request.scale_bits - scale - restored;
        let new: Vec<Prime> = match l1 - l0 {
            0 => Vec::new(),
            1 => candidates::nearest(&pool, want, 1),
            3 => candidates::nearest_three(&pool, want),
            _ => candidates::nearest_pair(&pool, want).map(Vec::from).unwrap_or_default(),
        };
        pool.retain(|p| new.iter().all(|m| m.q != p.q));
        main_primes.extend(new.iter().map(|p| p.q));
        scale = (scale + restored + new.iter().map(|p| p.bits).sum::<f64>()) / 2.0;
        if new.len() != (l1 - l0) as usize || (scale - request.scale_bits).abs() > MAX_DRIFT {
            return Err(Fault::Drift { level, got: scale, asked: request.scale_bits });
        }
    }
    Ok(main_primes)
}

/// log2 of the product of the last `count` rescaling primes.
fn rescaling_bits(pattern: ScalePattern, count: u8) -> f64 {
    let all = pattern.rescaling_primes();
    candidates::total(&all[all.len() - count as usize..])
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
