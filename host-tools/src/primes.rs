//! The builder of modulus chains. The builder makes a checked parameter set from a ring degree, a number of levels and
//! a scale, and gives the reasons for every choice. `docs/params.md` states the rules. The presets of the kernel are
//! results of this builder.

mod advice;
mod assembly;
mod build_error;
mod candidates;
mod deep;
mod digits;
mod main_primes;
mod refusal;
mod report;
mod scale_pattern;

pub use advice::Advice;
pub use build_error::{BuildError, Fault};
pub use digits::Decomposition;
pub use refusal::refusal;
pub use report::Report;
pub use scale_pattern::ScalePattern;

use crate::spec::SpecBuf;
use build_error::Result;
use polyformer_kernel::params::{MAX_LEVELS, Params, Security};

/// A user's request for a parameter set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// log2 of the ring degree.
    pub log_n: u8,
    /// Message levels above level 0; 0 makes a client's chain, on which nothing is evaluated.
    pub levels: u8,
    /// log2 of the scale.
    pub scale_bits: f64,
    /// Whether ciphertexts can be bootstrapped.
    pub bootstrap: bool,
    /// Iterations of bootstrapping: 1, or 2 for high precision.
    pub iterations: u8,
    /// Digits of key switching; `None` for the cheapest within the bound.
    pub dnum: Option<usize>,
    /// The security level.
    pub security: Security,
}

/// A parameter set with the data of its choice.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The contents of a parameter file.
    pub spec: SpecBuf,
    /// The same, checked.
    pub params: Params,
    /// The decompositions into digits that fit the bound, fewest digits first; the cheapest was taken. Empty for a client.
    pub decompositions: Vec<Decomposition>,
}

impl Request {
    /// Builds the chain with the cheapest key switch.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] with the numbers that disagree and with requests that build, if there are some near this one.
    pub fn build(&self) -> std::result::Result<Chain, BuildError> {
        let (spec, params, decompositions) = self.assemble().map_err(|fault| refusal(self, fault))?;
        Ok(Chain { spec, params, decompositions })
    }

    fn assemble(&self) -> Result<(SpecBuf, Params, Vec<Decomposition>)> {
        let pattern = self.check()?;
        digits::choose(self, pattern)
    }

    /// Checks degree, scale and number of levels, before any prime is chosen.
    fn check(&self) -> Result<ScalePattern> {
        if !(10..=16).contains(&self.log_n) {
            return Err(Fault::Degree { n: 1u64.checked_shl(self.log_n as u32).unwrap_or(u64::MAX) });
        }
        let pattern = ScalePattern::of(self.scale_bits).ok_or(Fault::ScalePattern { scale_bits: self.scale_bits })?;
        let reserved = deep::BOOTSTRAP.coeffs_to_slots + deep::BOOTSTRAP.eval_mod;
        let limit = MAX_LEVELS - 1 - if self.bootstrap { reserved as usize } else { 0 };
        if self.levels as usize > limit {
            return Err(Fault::Levels { asked: self.levels as usize, limit });
        }
        if self.bootstrap && self.levels < deep::BOOTSTRAP.slots_to_coeffs {
            return Err(Fault::FewLevels { asked: self.levels, limit: deep::BOOTSTRAP.slots_to_coeffs });
        }
        if self.bootstrap && pattern == ScalePattern::Pairs {
            let limit = ScalePattern::Half.range().1;
            return Err(Fault::BootstrapScale { scale_bits: self.scale_bits, limit });
        }
        Ok(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Request};
    use crate::spec::SpecBuf;
    use polyformer_kernel::params::{Security, presets};

    fn request(log_n: u8, levels: u8, scale_bits: f64) -> Request {
        Request { log_n, levels, scale_bits, bootstrap: false, iterations: 1, dnum: None, security: Security::Bits128 }
    }

    #[test]
    fn the_builder_makes_every_preset() {
        let b16 = Request { bootstrap: true, ..request(16, 16, 39.5) };
        for (name, request, dnum) in [
            ("B16", b16, Some(4)),
            ("F16", Request { bootstrap: true, ..request(16, 16, 29.5) }, Some(3)),
            ("H16", Request { bootstrap: true, iterations: 2, ..request(16, 13, 44.4) }, Some(4)),
            ("L13", request(13, 2, 39.5), Some(6)),
            ("L14", request(14, 7, 39.5), Some(4)),
            ("L15", request(15, 16, 39.5), Some(5)),
            ("C12", request(12, 0, 39.5), None),
            ("C13", request(13, 0, 39.5), None),
        ] {
            let preset = SpecBuf::from(presets::find(name).unwrap());
            assert_eq!(Request { dnum, ..request }.build().unwrap().spec, preset, "{name}");
            assert_eq!(request.build().unwrap().spec, preset, "{name} is also the default");
        }
    }

    #[test]
    fn every_scale_pattern_builds_at_both_ends_and_keeps_its_scale() {
        for scale_bits in [23.0, 26.0, 29.9, 39.1, 39.9, 44.0, 44.8, 50.0, 55.0, 59.9] {
            for log_n in 13..=16 {
                let levels = [1, 3, 7, 11][log_n as usize - 13];
                let chain = request(log_n, levels, scale_bits).build().unwrap_or_else(|e| panic!("{scale_bits}: {e}"));
                for level in 0..=chain.params.max_message_level() {
                    let drift = chain.params.scale(level).log2() - scale_bits;
                    assert!(drift.abs() <= 0.5, "2^{scale_bits}, level {level}: {drift}");
                }
            }
        }
    }

    #[test]
    fn bootstrapping_also_builds_on_single_primes() {
        let chain = Request { bootstrap: true, ..request(16, 20, 29.5) }.build().unwrap();
        assert_eq!(chain.params.level_after_bootstrap(), Some(17));
    }

    #[test]
    fn over_the_bound_is_refused_with_both_numbers_and_a_way_out() {
        let asked = Request { bootstrap: true, dnum: Some(4), ..request(16, 20, 39.5) };
        let error = asked.build().unwrap_err();
        let Fault::Insecure { log_qp, bound, .. } = error.fault else { panic!("{error}") };
        assert!(log_qp > 1747.0 && bound == 1747.0);
        let [digits, levels] = &error.advice[..] else { panic!("{error}") };
        assert!(digits.to_string().starts_with("--dnum ") && digits.request.build().is_ok(), "{error}");
        assert!(levels.to_string().starts_with("--levels ") && levels.request.build().is_ok(), "{error}");
        let more = Request { levels: levels.request.levels + 1, ..asked };
        assert!(matches!(more.build().unwrap_err().fault, Fault::Insecure { .. }));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert!(matches!(request(17, 1, 39.5).build().unwrap_err().fault, Fault::Degree { n: 131072 }));
        assert!(matches!(request(16, 1, 47.0).build().unwrap_err().fault, Fault::ScalePattern { .. }));
        assert!(matches!(request(16, 1, f64::NAN).build().unwrap_err().fault, Fault::ScalePattern { .. }));
        assert!(matches!(request(16, 200, 39.5).build().unwrap_err().fault, Fault::Levels { asked: 200, limit: 47 }));
        assert!(matches!(
            request(16, 47, 39.5).build().unwrap_err().fault,
            Fault::Limbs { .. } | Fault::Insecure { .. }
        ));
        assert!(request(12, 0, 52.5).build().is_ok());
        let dnum = |dnum| Request { dnum: Some(dnum), ..request(15, 16, 39.5) }.build();
        assert!(matches!(dnum(0).unwrap_err().fault, Fault::Dnum { least: 2, most: 24, .. }));
        assert!(matches!(dnum(25).unwrap_err().fault, Fault::Dnum { .. }));
        let bootstrap = |levels, scale| Request { bootstrap: true, ..request(16, levels, scale) }.build();
        assert!(matches!(bootstrap(2, 39.5).unwrap_err().fault, Fault::FewLevels { asked: 2, limit: 3 }));
        assert!(matches!(bootstrap(9, 52.0).unwrap_err().fault, Fault::BootstrapScale { .. }));
        assert!(matches!(bootstrap(36, 39.5).unwrap_err().fault, Fault::Levels { asked: 36, limit: 35 }));
    }
}
