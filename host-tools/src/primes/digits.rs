//! The number of digits. Few digits mean a cheap key switch and small keys, but a large P, whose bits count against the
//! security bound. The default is the cheapest number within the bound.

use super::{
    Request,
    assembly::assemble,
    build_error::{Fault, Result},
    candidates,
    scale_pattern::ScalePattern,
};
use crate::spec::SpecBuf;
use polyformer_kernel::{
    Error,
    backend::MAX_DIGITS,
    params::Params,
    ring::{MAX_MODULI, convert::MAX_SOURCES},
};
use serde::Serialize;

/// Multiply-adds of one limb of basis conversion, in units of one limb's NTT.
const CONVERT: f64 = 0.04;
/// Streaming one limb of a key from memory, in units of one limb's NTT.
const KEY: f64 = 0.35;

/// A decomposition of the modulus chain into digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Decomposition {
    /// Digits.
    pub dnum: usize,
    /// Primes of a digit.
    pub alpha: usize,
    /// Primes of P.
    pub specials: usize,
    /// log2(QP).
    pub log_qp: f64,
    /// Cost of a key switch over the whole chain, in limb NTTs.
    pub cost: f64,
}

impl Decomposition {
    /// The decomposition of `spec`. Let l be the primes of the chain and k the primes of P. A key switch takes d(l + k)
    /// transforms to extend the d digits, and 2(l + k) to divide by P. The conversion takes d alpha (l + k) + 2kl
    /// multiply-adds of limbs, and the key has 2d(l + k) limbs.
    fn new(spec: &SpecBuf, log_qp: f64) -> Self {
        let (limbs, alpha, specials) = (spec.line.len(), spec.alpha as usize, spec.specials.len());
        let dnum = limbs.div_ceil(alpha.max(1));
        let (l, a, k, d) = (limbs as f64, alpha as f64, specials as f64, dnum as f64);
        let cost = (d + 2.0) * (l + k) + CONVERT * (d * a * (l + k) + 2.0 * k * l) + KEY * 2.0 * d * (l + k);
        Self { dnum, alpha, specials, log_qp, cost }
    }
}

/// The most primes of a digit: dividing by P and rescaling by a pair is one conversion.
const MAX_ALPHA: usize = MAX_SOURCES - 2;

/// A chain with one decomposition: checked by the kernel, or over the bound.
enum Trial {
    Fits(Box<(SpecBuf, Params)>, Decomposition),
    Over { decomposition: Decomposition, bound: f64 },
}

/// The chain of `request` with its cheapest decomposition, and every decomposition within the bound.
///
/// # Errors
///
/// `Dnum` for a number of digits outside its range, `Insecure`, `Limbs`, `Drift`, or an
/// error of the kernel.
pub fn choose(request: &Request, pattern: ScalePattern) -> Result<(SpecBuf, Params, Vec<Decomposition>)> {
    if request.levels == 0 {
        let spec = assemble(request, pattern, 0)?;
        let params = spec.params().map_err(|e| client_error(request, e))?;
        return Ok((spec, params, Vec::new()));
    }
    let limbs = assemble(request, pattern, 1)?.line.len();
    let (mut best, mut decompositions, mut why): (Option<(f64, Box<_>)>, _, _) = (None, Vec::new(), None);
    for alpha in alphas(request, limbs)? {
        match attempt(request, pattern, alpha) {
            Ok(Trial::Fits(built, decomposition)) => {
                decompositions.push(decomposition);
                if best.as_ref().is_none_or(|(cost, _)| decomposition.cost < *cost) {
                    best = Some((decomposition.cost, built));
                }
            }
            Ok(Trial::Over { decomposition, bound }) => {
                let (log_n, dnum) = (request.log_n, decomposition.dnum);
                why = Some(Fault::Insecure { log_qp: decomposition.log_qp, bound, log_n, dnum })
            }
            Err(client_error) => why = why.or(Some(client_error)),
        }
    }
    match (best, why) {
        (Some((_, built)), _) => Ok((built.0, built.1, decompositions)),
        (None, Some(client_error)) => Err(client_error),
        (None, None) => Err(Fault::Limbs { asked: limbs, limit: MAX_MODULI }),
    }
}

/// The digit sizes to try, largest first.
fn alphas(request: &Request, limbs: usize) -> Result<Vec<usize>> {
    let (least, most) = (limbs.div_ceil(MAX_ALPHA), limbs.min(MAX_DIGITS));
    let dnums = match request.dnum {
        Some(dnum) if !(least..=most).contains(&dnum) => return Err(Fault::Dnum { dnum, least, most }),
        Some(dnum) => dnum..=dnum,
        None => least..=most,
    };
    let mut alphas: Vec<usize> = dnums.map(|dnum| limbs.div_ceil(dnum)).collect();
    alphas.dedup();
    Ok(alphas)
}

/// Builds the chain with digits of `alpha` primes. The security bound is checked first, because its error matters most
/// to a user.
fn attempt(request: &Request, pattern: ScalePattern, alpha: usize) -> Result<Trial> {
    let spec = assemble(request, pattern, alpha)?;
    let limbs = spec.line.len() + spec.specials.len();
    let log_qp = candidates::total(&spec.line) + candidates::total(&spec.specials);
    let decomposition = Decomposition::new(&spec, log_qp);
    match request.security.check(request.log_n, log_qp) {
        Err(Error::Insecure { bound, .. }) => Ok(Trial::Over { decomposition, bound }),
        Err(error) => Err(error.into()),
        Ok(()) if limbs > MAX_MODULI => Err(Fault::Limbs { asked: limbs, limit: MAX_MODULI }),
        Ok(()) => {
            let params = spec.params()?;
            Ok(Trial::Fits(Box::new((spec, params)), decomposition))
        }
    }
}

/// The error of a client's chain.
fn client_error(request: &Request, error: Error) -> Fault {
    match error {
        Error::Insecure { log_qp, bound } => Fault::Insecure { log_qp, bound, log_n: request.log_n, dnum: 0 },
        error => error.into(),
    }
}
