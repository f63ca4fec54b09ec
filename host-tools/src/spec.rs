//! An owned [`Spec`]: the contents of a parameter file, and the hash that binds every other file to the parameter set.

use polyformer_kernel::{
    Error, Result,
    params::{Bootstrap, Params, Security, Spec, presets},
};
use serde::{Deserialize, Serialize};

/// An owned parameter set. [`Spec`] documents each field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecBuf {
    /// log2 of the ring degree.
    pub log_n: u8,
    /// P.
    pub specials: Vec<u32>,
    /// The modulus chain after P: `[rescaling primes | base | main primes | EvalMod | CoeffsToSlots]`.
    pub line: Vec<u32>,
    /// The number of rescaling primes at the front of the chain.
    pub terminals: u8,
    /// Base primes after them.
    pub base: u8,
    /// Primes of one key-switching digit.
    pub alpha: u8,
    /// (rescaling primes, main primes) of each level, from 0 up.
    pub levels: Vec<(u8, u8)>,
    /// log2 of the scale at level 0.
    pub scale_bits: f64,
    /// The levels of bootstrapping.
    pub bootstrap: Option<BootstrapBuf>,
    /// Bits of security: 128, 192 or 256.
    pub security: u16,
}

/// [`Bootstrap`] in a parameter file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapBuf {
    /// Levels of CoeffsToSlots.
    pub coeffs_to_slots: u8,
    /// Levels of EvalMod.
    pub eval_mod: u8,
    /// Message levels of SlotsToCoeffs.
    pub slots_to_coeffs: u8,
    /// log2 of the scale during EvalMod.
    pub eval_mod_scale_bits: f64,
    /// Iterations; omitted in the file if 1.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub iterations: u8,
}

fn once() -> u8 {
    1
}

fn is_once(iterations: &u8) -> bool {
    *iterations == 1
}

/// The levels that the tools write; [`Security::Toy`] is not among them.
const LEVELS: [Security; 3] = [Security::Bits128, Security::Bits192, Security::Bits256];

/// The security level of that many bits: 128, 192 or 256.
pub fn security(bits: u16) -> Option<Security> {
    LEVELS.into_iter().find(|s| s.bits() == bits)
}

impl From<&Spec<'_>> for SpecBuf {
    fn from(spec: &Spec<'_>) -> Self {
        Self {
            log_n: spec.log_n,
            specials: spec.specials.to_vec(),
            line: spec.line.to_vec(),
            terminals: spec.terminals,
            base: spec.base,
            alpha: spec.alpha,
            levels: spec.levels.to_vec(),
            scale_bits: spec.scale_bits,
            bootstrap: spec.bootstrap.map(|b| BootstrapBuf {
                coeffs_to_slots: b.coeffs_to_slots,
                eval_mod: b.eval_mod,
                slots_to_coeffs: b.slots_to_coeffs,
                eval_mod_scale_bits: b.eval_mod_scale_bits,
                iterations: b.iterations,
            }),
            security: spec.security.bits(),
        }
    }
}

impl SpecBuf {
    /// The preset of that name.
    pub fn preset(name: &str) -> Option<Self> {
        presets::find(name).map(Self::from)
    }

    /// Checks everything that [`Params::new`] checks.
    ///
    /// # Errors
    ///
    /// Also a security level without a bound.
    pub fn params(&self) -> Result<Params> {
        let bootstrap = self.bootstrap.map(|b| Bootstrap {
            coeffs_to_slots: b.coeffs_to_slots,
            eval_mod: b.eval_mod,
            slots_to_coeffs: b.slots_to_coeffs,
            eval_mod_scale_bits: b.eval_mod_scale_bits,
            iterations: b.iterations,
        });
        let security = security(self.security).ok_or(Error::NoBound { log_n: self.log_n })?;
        Params::new(&Spec {
            log_n: self.log_n,
            specials: &self.specials,
            line: &self.line,
            terminals: self.terminals,
            base: self.base,
            alpha: self.alpha,
            levels: &self.levels,
            scale_bits: self.scale_bits,
            bootstrap,
            security,
        })
    }

    /// Compact JSON, the form in files.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() // numbers in lists: nothing that JSON cannot say
    }

    /// The name of the preset with this set, or `None`.
    pub fn name(&self) -> Option<&'static str> {
        presets::ALL.iter().find(|(_, spec)| Self::from(spec) == *self).map(|(name, _)| *name)
    }

    /// The name in messages: the name of the preset, or the first 16 hexadecimal digits of the hash.
    pub fn label(&self) -> String {
        self.name().map_or_else(|| self.hash().to_hex()[..16].into(), String::from)
    }

    /// The parameter-set hash: BLAKE3 of the fields in the order of the struct. Integers are little-endian, lists
    /// carry their length as u32, reals are IEEE doubles, an option is a byte 0 or 1 and then its fields. One iteration is
    /// left out, more are a byte.
    pub fn hash(&self) -> blake3::Hash {
        let mut h = blake3::Hasher::new();
        h.update(b"polyformer params 1\0").update(&[self.log_n]);
        for primes in [&self.specials, &self.line] {
            h.update(&(primes.len() as u32).to_le_bytes());
            primes.iter().for_each(|q| {
                h.update(&q.to_le_bytes());
            });
        }
        h.update(&[self.terminals, self.base, self.alpha]).update(&(self.levels.len() as u32).to_le_bytes());
        self.levels.iter().for_each(|(terminals, limbs)| {
            h.update(&[*terminals, *limbs]);
        });
        h.update(&self.scale_bits.to_le_bytes()).update(&[self.bootstrap.is_some() as u8]);
        if let Some(b) = self.bootstrap {
            h.update(&[b.coeffs_to_slots, b.eval_mod, b.slots_to_coeffs]).update(&b.eval_mod_scale_bits.to_le_bytes());
            if b.iterations != 1 {
                h.update(&[b.iterations]);
            }
        }
        h.update(&self.security.to_le_bytes());
        h.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::SpecBuf;
    use polyformer_kernel::params::presets;

    #[test]
    fn presets_survive_json_and_have_different_hashes() {
        let mut hashes = std::collections::HashSet::new();
        for (name, spec) in presets::ALL {
            let spec = SpecBuf::from(&spec);
            let json = serde_json::to_string(&spec).unwrap();
            let back: SpecBuf = serde_json::from_str(&json).unwrap();
            assert_eq!(back, spec, "{name}");
            assert_eq!(back.name(), Some(name));
            assert!(back.params().is_ok());
            assert!(hashes.insert(spec.hash()));
        }
    }

    #[test]
    fn the_hash_of_a_preset_never_changes() {
        let hash = SpecBuf::preset("L13").unwrap().hash();
        assert_eq!(hash.to_hex().as_str(), "8e1bebfbaea56f8fafe2c84002a9dbebce33118a43f4f84b3fa4665933c53d05");
    }
}
