//! The explanation of a chain, as one value that prints as text and serialises as stable JSON.

use super::{Chain, Decomposition, candidates};
use crate::spec::SpecBuf;
use polyformer_kernel::{backend::digit, ckks::noise, params::Params, ring::Basis};
use serde::Serialize;
use std::fmt;

/// Consecutive primes of the modulus chain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Its name.
    pub part: &'static str,
    /// Primes of the part.
    pub limbs: usize,
    /// log2 of their product.
    pub bits: f64,
}

/// One level of the chain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Level {
    /// Rescales left.
    pub level: u8,
    /// Primes of Q at the level.
    pub limbs: usize,
    /// log2 of Q at the level.
    pub log_q: f64,
    /// log2 of the scale at the level.
    pub scale_bits: f64,
}

/// One digit of a key switch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Digit {
    /// log2 of its product.
    pub bits: f64,
    /// log2(P) minus that.
    pub margin: f64,
}

/// Everything that `polyformer params` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The name of the preset; `None` for another set.
    pub preset: Option<&'static str>,
    /// Parameter-set hash.
    pub hash: String,
    /// Ring degree.
    pub n: usize,
    /// Values a ciphertext.
    pub slots: usize,
    /// Security in bits.
    pub security: u16,
    /// log2(QP).
    pub log_qp: f64,
    /// The largest log2(QP) allowed.
    pub bound: f64,
    /// Parts of the chain.
    pub parts: Vec<Part>,
    /// Levels, from 0 up, bootstrapping's included.
    pub levels: Vec<Level>,
    /// Message levels.
    pub levels_left: u8,
    /// Levels of a freshly bootstrapped ciphertext.
    pub levels_after_bootstrap: Option<u8>,
    /// Digits of a key switch.
    pub dnum: usize,
    /// Primes of a digit.
    pub alpha: u16,
    /// Digits, bottom of the chain first.
    pub digits: Vec<Digit>,
    /// log2 of the standard deviation that a key switch at the top message level adds to a slot, times the scale.
    pub key_switch_noise_bits: Option<f64>,
    /// log2 of the standard deviation that a rescale's rounding adds to a slot, times the scale.
    pub rescale_noise_bits: f64,
    /// Bytes of a key-switching key in its file, its uniform half a seed.
    pub key_bytes_seeded: usize,
    /// Bytes of a key-switching key in memory.
    pub key_bytes: usize,
    /// Bytes of a ciphertext at the top message level, in memory.
    pub ciphertext_bytes: usize,
    /// The decompositions into digits that fit the bound, with their costs.
    pub cuts: Vec<Decomposition>,
    /// The parameter set itself.
    pub spec: SpecBuf,
}

impl Report {
    /// Reports a parameter set; `cuts` are the decompositions that were weighed, if any.
    pub fn new(spec: &SpecBuf, params: &Params, cuts: &[Decomposition]) -> Self {
        let (n, dnum) = (params.n(), params.digits());
        let log_p = params.log_product(Basis::specials(params.specials()));
        let digits: Vec<Digit> = (0..dnum)
            .map(|j| params.log_product(digit(params.modulus_chain(), params.specials(), params.alpha(), j)))
            .map(|bits| Digit { bits, margin: log_p - bits })
            .collect();
        let key_bytes_seeded = dnum * params.moduli().len() * n * 4;
        Self {
            preset: spec.name(),
            hash: spec.hash().to_hex().to_string(),
            n,
            slots: params.slots(),
            security: spec.security,
            log_qp: params.log_qp(),
            bound: params.security().bound(params.log_n()).unwrap_or(f64::INFINITY),
            parts: parts(spec),
            levels: (0..=params.max_level()).map(|level| self::level(params, level)).collect(),
            levels_left: params.max_message_level(),
            levels_after_bootstrap: params.level_after_bootstrap(),
            dnum,
            alpha: params.alpha(),
            key_switch_noise_bits: (dnum > 0).then(|| noise::key_switch(params, params.max_message_level()).log2()),
            digits,
            rescale_noise_bits: noise::rounding(params).log2(),
            key_bytes_seeded,
            key_bytes: 2 * key_bytes_seeded,
            ciphertext_bytes: 2 * params.q(params.max_message_level()).len() * n * 4,
            cuts: cuts.to_vec(),
            spec: spec.clone(),
        }
    }

    fn message_scales(&self) -> (f64, f64) {
        let scales = self.levels.iter().take(self.levels_left as usize + 1).map(|l| l.scale_bits);
        scales.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s), high.max(s)))
    }
}

impl From<&Chain> for Report {
    fn from(chain: &Chain) -> Self {
        Self::new(&chain.spec, &chain.params, &chain.decompositions)
    }
}

fn level(params: &Params, level: u8) -> Level {
    let q = params.q(level);
    Level { level, limbs: q.len(), log_q: params.log_product(q), scale_bits: params.scale(level).log2() }
}

fn parts(spec: &SpecBuf) -> Vec<Part> {
    let reserved = spec.bootstrap.map_or((0, 0), |b| (b.eval_mod as usize, b.coeffs_to_slots as usize));
    let limbs = |from_top: usize| spec.levels[spec.levels.len() - 1 - from_top].1 as usize;
    let base = spec.terminals as usize;
    let bounds = [
        0,
        base,
        base + spec.base as usize,
        base + limbs(reserved.0 + reserved.1),
        base + limbs(reserved.1),
        base + limbs(0),
    ];
    let names = ["terminals", "base", "mains", "EvalMod", "CoeffsToSlots"];
    let run = |(name, b): (&&'static str, &[usize])| (*name, &spec.line[b[0]..b[1]]);
    let runs = names.iter().zip(bounds.windows(2)).map(run).chain([("P", &spec.specials[..])]);
    let parts = runs.map(|(part, primes)| Part { part, limbs: primes.len(), bits: candidates::total(primes) });
    parts.filter(|p| p.limbs > 0).collect()
}

/// 1234567 as "1.2 MB".
pub fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.preset.map(|p| format!("{p}: ")).unwrap_or_default();
        writeln!(f, "{name}N = {}, {} slots, {} bits of security (classical)", self.n, self.slots, self.security)?;
        writeln!(f, "log2(QP) {:.1}, bound {:.0}", self.log_qp, self.bound)?;
        writeln!(f, "\npart           limbs    bits")?;
        for p in &self.parts {
            writeln!(f, "{:<14} {:>5} {:>7.1}", p.part, p.limbs, p.bits)?;
        }
        let (low, high) = self.message_scales();
        writeln!(
            f,
            "\nlevels: {}, scale 2^{low:.2} to 2^{high:.2} (2^{:.2} asked for)",
            self.levels_left, self.spec.scale_bits
        )?;
        if let (Some(left), Some(b)) = (self.levels_after_bootstrap, self.spec.bootstrap) {
            writeln!(
                f,
                "bootstrapping: {left} levels left after it; CoeffsToSlots takes {}, EvalMod {} at 2^{:.0}, SlotsToCoeffs {}{}",
                b.coeffs_to_slots,
                b.eval_mod,
                b.eval_mod_scale_bits,
                b.slots_to_coeffs,
                if b.iterations > 1 { ", each twice: two iterations" } else { "" }
            )?;
        }
        writeln!(f, "ciphertext: {} at level {}", megabytes(self.ciphertext_bytes), self.levels_left)?;
        let Some(noise) = self.key_switch_noise_bits else {
            return writeln!(f, "no P: nothing is evaluated under these parameters, they are for a client");
        };
        writeln!(
            f,
            "key: {} in a file (seeded), {} in memory",
            megabytes(self.key_bytes_seeded),
            megabytes(self.key_bytes)
        )?;
        writeln!(
            f,
            "key switch: {} digits of {} primes; noise 2^{noise:.1} beside 2^{:.1} of a rescale",
            self.dnum, self.alpha, self.rescale_noise_bits
        )?;
        for (j, d) in self.digits.iter().enumerate() {
            writeln!(f, "  digit {j}: {:.1} bits, {:.1} under P", d.bits, d.margin)?;
        }
        if let Some(best) = self.cuts.iter().find(|c| c.dnum == self.dnum).filter(|_| self.cuts.len() > 1) {
            writeln!(f, "dnum that fit the bound (cost of a key switch relative to the one chosen, the cheapest):")?;
            for c in &self.cuts {
                writeln!(f, "  {:>2}: log2(QP) {:.1}, cost {:.2}", c.dnum, c.log_qp, c.cost / best.cost)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Report;
    use crate::spec::{BootstrapBuf, SpecBuf};
    use polyformer_kernel::params::presets;

    #[test]
    fn every_set_that_passes_has_a_report() {
        let (mut passed, mut refused) = (0, 0);
        for levels in
            [vec![(0, 4), (2, 3)], vec![(0, 4), (2, 3), (2, 4)], vec![(0, 5), (2, 4), (2, 5)], vec![(0, 2), (2, 2)]]
        {
            for (coeffs_to_slots, eval_mod) in [(0, 0), (1, 0), (0, 1), (1, 1), (4, 8)] {
                for bootstrap in [false, true] {
                    let given = BootstrapBuf {
                        coeffs_to_slots,
                        eval_mod,
                        slots_to_coeffs: 0,
                        eval_mod_scale_bits: 39.5,
                        iterations: 1,
                    };
                    let spec = SpecBuf {
                        levels: levels.clone(),
                        bootstrap: bootstrap.then_some(given),
                        ..SpecBuf::from(&presets::L15)
                    };
                    let Ok(params) = spec.params() else {
                        refused += 1;
                        continue;
                    };
                    passed += 1;
                    let report = Report::new(&spec, &params, &[]);
                    let limbs: usize = report.parts.iter().map(|p| p.limbs).sum();
                    assert!(limbs <= params.moduli().len() && report.to_string().contains("levels"), "{spec:?}");
                }
            }
        }
        assert_eq!((passed, refused), (5, 35)); // only the levels that grow, without bootstrapping
    }
}
