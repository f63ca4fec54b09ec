//! The number of digits. Few digits mean a cheap key switch and small keys, but a large P, whose bits count against the
//! security bound. The default is the cheapest number within the bound.

use super::{
    Request,
    line::assemble,
    primes,
    refusal::{BuildError, Result},
    window::ScalePattern,
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

/// One way to cut the line into digits.
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
    /// Cost of a key switch over the whole line, in limb NTTs.
    pub cost: f64,
}

impl Decomposition {
    /// The cut of `spec`. With l primes in the line and k in P, a key switch takes d(l + k) NTTs to extend the d
    /// digits and 2(l + k) to divide by P, d alpha (l + k) + 2kl limb multiply-adds of conversion, and reads
    /// 2d(l + k) limbs of key.
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

/// A chain of one cut: checked by the kernel, or over the bound.
enum Trial {
    Fits(Box<(SpecBuf, Params)>, Decomposition),
    Over { cut: Decomposition, bound: f64 },
}

/// The chain that `ask` describes in its cheapest cut, and every cut that fits the bound.
pub fn choose(ask: &Request, window: ScalePattern) -> Result<(SpecBuf, Params, Vec<Decomposition>)> {
    if ask.levels == 0 {
        let spec = assemble(ask, window, 0)?;
        let params = spec.params().map_err(|e| refusal(ask, e))?;
        return Ok((spec, params, Vec::new()));
    }
    let limbs = assemble(ask, window, 1)?.line.len();
    let (mut best, mut cuts, mut why): (Option<(f64, Box<_>)>, _, _) = (None, Vec::new(), None);
    for alpha in alphas(ask, limbs)? {
        match attempt(ask, window, alpha) {
            Ok(Trial::Fits(built, cut)) => {
                cuts.push(cut);
                if best.as_ref().is_none_or(|(cost, _)| cut.cost < *cost) {
                    best = Some((cut.cost, built));
                }
            }
            Ok(Trial::Over { cut, bound }) => why = Some(insecure(ask, window, limbs, cut, bound)),
            Err(refusal) => why = why.or(Some(refusal)),
        }
    }
    match (best, why) {
        (Some((_, built)), _) => Ok((built.0, built.1, cuts)),
        (None, Some(refusal)) => Err(refusal),
        (None, None) => Err(BuildError::Limbs { asked: limbs, limit: MAX_MODULI }),
    }
}

/// The digit sizes to try, largest first.
fn alphas(ask: &Request, limbs: usize) -> Result<Vec<usize>> {
    let (least, most) = (limbs.div_ceil(MAX_ALPHA), limbs.min(MAX_DIGITS));
    let dnums = match ask.dnum {
        Some(dnum) if !(least..=most).contains(&dnum) => return Err(BuildError::Dnum { dnum, least, most }),
        Some(dnum) => dnum..=dnum,
        None => least..=most,
    };
    let mut alphas: Vec<usize> = dnums.map(|dnum| limbs.div_ceil(dnum)).collect();
    alphas.dedup();
    Ok(alphas)
}

/// Builds the chain with digits of `alpha` primes. The bound is looked at first: it is what users want to hear of.
fn attempt(ask: &Request, window: ScalePattern, alpha: usize) -> Result<Trial> {
    let spec = assemble(ask, window, alpha)?;
    let limbs = spec.line.len() + spec.specials.len();
    let log_qp = primes::total(&spec.line) + primes::total(&spec.specials);
    let cut = Decomposition::new(&spec, log_qp);
    match ask.security.check(ask.log_n, log_qp) {
        Err(Error::Insecure { bound, .. }) => Ok(Trial::Over { cut, bound }),
        Err(error) => Err(error.into()),
        Ok(()) if limbs > MAX_MODULI => Err(BuildError::Limbs { asked: limbs, limit: MAX_MODULI }),
        Ok(()) => {
            let params = spec.params()?;
            Ok(Trial::Fits(Box::new((spec, params)), cut))
        }
    }
}

/// The refusal of a client's chain.
fn refusal(ask: &Request, error: Error) -> BuildError {
    match error {
        Error::Insecure { log_qp, bound } => {
            BuildError::Insecure { log_qp, bound, log_n: ask.log_n, dnum: 0, dnum_fits: None, levels_fit: None }
        }
        error => error.into(),
    }
}

/// The refusal of a chain over the bound, with what would fit instead.
fn insecure(ask: &Request, window: ScalePattern, limbs: usize, cut: Decomposition, bound: f64) -> BuildError {
    let any = |ask: Request, limbs: usize| {
        let fits = |alpha: &usize| matches!(attempt(&ask, window, *alpha), Ok(Trial::Fits(..)));
        alphas(&ask, limbs).ok()?.into_iter().find(fits).map(|alpha| limbs.div_ceil(alpha))
    };
    let dnum_fits = ask.dnum.and_then(|_| any(Request { dnum: None, ..*ask }, limbs));
    let fewer = |levels: &u8| {
        let ask = Request { levels: *levels, ..*ask };
        let limbs = ask.check().and_then(|_| assemble(&ask, window, 1)).map(|spec| spec.line.len());
        limbs.is_ok_and(|limbs| any(ask, limbs).is_some())
    };
    let levels_fit = (1..ask.levels).rev().find(fewer);
    BuildError::Insecure { log_qp: cut.log_qp, bound, log_n: ask.log_n, dnum: cut.dnum, dnum_fits, levels_fit }
}
