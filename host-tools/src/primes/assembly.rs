//! The modulus chain for a given size of digits: the primes, their order, and the primes of each level.
//!
//! P takes the largest primes below 2^30 and the base takes the next primes, so that every key-switching digit is below
//! P. Main primes are chosen from level 1 up, so that the scale of each level returns to the requested scale.

use super::{
    Request,
    build_error::Result,
    candidates::{self, Prime},
    deep,
    main_primes::main_primes,
    scale_pattern::ScalePattern,
};
use crate::spec::{BootstrapBuf, SpecBuf};

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
    let rescaling: &[u32] = match (request.levels, request.bootstrap) {
        (0, _) => &[],
        (_, true) => deep::rescaling_primes(pattern),
        (_, false) => pattern.rescaling_primes(),
    };
    pool.retain(|p| !rescaling.contains(&p.q));

    let mut levels: Vec<(u8, u8)> = (0..=request.levels).map(|l| pattern.level(l, base)).collect();
    let mut main_primes = main_primes(pattern, request.scale_bits, &levels, 0, &mut pool)?;
    let mut bootstrap = None;
    if request.bootstrap {
        let top = levels.last().copied().unwrap_or((0, base));
        let deep = deep::deep(pattern, request.levels as usize, top, &mut pool)?;
        main_primes.extend(deep.primes);
        levels.extend(deep.levels);
        let (iterations, eval_mod_scale_bits) = (request.iterations, deep.scale_bits);
        bootstrap = Some(BootstrapBuf { iterations, eval_mod_scale_bits, ..deep::BOOTSTRAP });
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
        bootstrap,
        security: request.security.bits(),
    })
}

/// Takes the first `count` primes, the largest, out of the pool.
fn take(pool: &mut Vec<Prime>, count: usize) -> Vec<u32> {
    pool.drain(..count.min(pool.len())).map(|p| p.q).collect()
}
