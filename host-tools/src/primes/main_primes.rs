//! The main primes of consecutive levels of one scale pattern.

use super::{
    build_error::{Fault, Result},
    candidates::{self, Prime},
    scale_pattern::ScalePattern,
};

/// The largest difference between a level's scale and the requested scale, in bits.
const MAX_DRIFT: f64 = 0.5;

/// The primes that each of `levels` adds to the level below, taken from `pool`. With s_{l-1} the scale below and r the
/// bits of the rescaling primes, the level wants primes of 2s - s_{l-1} - r bits. Its own scale is then s again.
/// `below` is the number of levels under `levels`, for errors.
///
/// # Errors
/// `Drift` with the first level whose scale no prime restores.
pub fn main_primes(
    pattern: ScalePattern,
    scale_bits: f64,
    levels: &[(u8, u8)],
    below: usize,
    pool: &mut Vec<Prime>,
) -> Result<Vec<u32>> {
    let mut near: Vec<Prime> = pool.iter().copied().filter(|p| p.bits > pattern.smallest_main_prime()).collect();
    let (mut main_primes, mut scale) = (Vec::new(), scale_bits);
    for (level, pair) in levels.windows(2).enumerate() {
        let ([(t0, l0), (t1, l1)], level) = ([pair[0], pair[1]], below + level + 1);
        let restored = rescaling_bits(pattern, t1) - rescaling_bits(pattern, t0);
        let want = 2.0 * scale_bits - scale - restored;
        let new: Vec<Prime> = match l1 - l0 {
            0 => Vec::new(),
            1 => candidates::nearest(&near, want, 1),
            3 => candidates::nearest_three(&near, want),
            _ => candidates::nearest_pair(&near, want).map(Vec::from).unwrap_or_default(),
        };
        near.retain(|p| new.iter().all(|m| m.q != p.q));
        main_primes.extend(new.iter().map(|p| p.q));
        scale = (scale + restored + new.iter().map(|p| p.bits).sum::<f64>()) / 2.0;
        if new.len() != (l1 - l0) as usize || (scale - scale_bits).abs() > MAX_DRIFT {
            return Err(Fault::Drift { level, got: scale, asked: scale_bits });
        }
    }
    pool.retain(|p| !main_primes.contains(&p.q));
    Ok(main_primes)
}

/// log2 of the product of the last `count` rescaling primes.
fn rescaling_bits(pattern: ScalePattern, count: u8) -> f64 {
    let all = pattern.rescaling_primes();
    candidates::total(&all[all.len() - count as usize..])
}
