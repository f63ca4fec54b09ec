//! The result of decryption. The last digits of a decrypted CKKS value are noise that depends on the secret key. Enough
//! such digits may reveal the key (IND-CPA^D, eprint 2020/1533). Decryption therefore returns a [`Private`] value.
//! Added noise turns a private value into a [`Published`] value, and a [`Budget`] counts each publication. [eprint
//! 2022/816]

use crate::{Error, Result, error::WithPath, files, keys::random};
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};
use std::{fmt, io::Write, path::Path};
use zeroize::Zeroize;

/// Decrypted values, for the owner of the key alone; wiped when dropped. They can be looked at, and that is all:
///
/// ```compile_fail
/// fn serialise<T: serde::Serialize>(_: &T) {}
/// serialise(&polyformer::session::private::Private::new(vec![1.0]));
/// ```
/// ```compile_fail
/// println!("{}", polyformer::session::private::Private::new(vec![1.0]));
/// ```
/// ```compile_fail
/// println!("{:?}", polyformer::session::private::Private::new(vec![1.0]));
/// ```
/// ```
/// println!("{:?}", polyformer::session::private::Private::new(vec![1.0]).expose());
/// ```
pub struct Private(Vec<f64>);

impl Drop for Private {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Private {
    /// Values that depend on a secret.
    pub fn new(values: Vec<f64>) -> Self {
        Self(values)
    }

    /// The values, for the owner of the key only. Values for others go through [`Private::publish`].
    pub fn expose(&self) -> &[f64] {
        &self.0
    }

    /// The first `count` values, so that the rest need not be published.
    ///
    /// # Errors
    ///
    /// The vector has fewer values.
    pub fn first(mut self, count: usize) -> Result<Self> {
        match self.0.get_mut(count..) {
            Some(rest) if count > 0 => rest.zeroize(),
            _ => return Err(Error::usage(format!("the first {count} values"), format!("there are {}", self.0.len()))),
        }
        self.0.truncate(count);
        Ok(self)
    }

    /// The values with Gaussian noise of [`Budget::deviation`], as one result of the budget. `bound` is a bound of
    /// every value's error, from the circuit and never from this result.
    pub fn publish(&self, budget: &mut Budget, bound: f64) -> Result<Published> {
        let sigma = budget.deviation(bound)?;
        budget.spend()?;
        let mut rng = random::generator()?;
        Ok(Published(self.0.iter().map(|x| x + sigma * normal(&mut rng)).collect()))
    }
}

/// Values that everybody may see.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Published(Vec<f64>);

impl Published {
    /// The values.
    pub fn values(&self) -> &[f64] {
        &self.0
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|x| writeln!(f, "{x}"))
    }
}

/// The number of results to publish under one key, decided before the first result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// tau: results that may be published in all.
    pub results: u32,
    /// s: bits of statistical security, at least 30.
    pub bits: u32,
    /// Results that were published.
    pub published: u32,
}

impl Budget {
    /// `results` at `bits` bits.
    pub fn new(results: u32, bits: u32) -> Result<Self> {
        if !(30..=128).contains(&bits) {
            return Err(Error::usage(format!("{bits} bits of statistical security"), "from 30 to 128"));
        }
        if results == 0 {
            return Err(Error::usage("0 results", "at least one is published"));
        }
        Ok(Self { results, bits, published: 0 })
    }

    /// sqrt(12 tau) 2^(s/2) bound: the standard deviation of the noise that is added.
    pub fn deviation(&self, bound: f64) -> Result<f64> {
        if !(bound > 0.0 && bound.is_finite()) {
            return Err(Error::usage(format!("a noise bound of {bound}"), "positive and finite"));
        }
        Ok((12.0 * self.results as f64).sqrt() * (self.bits as f64 / 2.0).exp2() * bound)
    }

    fn spend(&mut self) -> Result<()> {
        if self.published >= self.results {
            let what =
                format!("{} results were published, the noise of each was made for {}", self.published, self.results);
            return Err(Error::usage("publish", what));
        }
        self.published += 1;
        Ok(())
    }

    /// The budget in the file at `path`, or this budget without a file.
    ///
    /// # Errors
    ///
    /// The file has another budget, because the first result fixes the budget.
    pub fn kept_at(self, path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(self);
        }
        let text = std::fs::read(path).with_path(path)?;
        let kept: Self = serde_json::from_slice(&text).map_err(std::io::Error::from).with_path(path)?;
        if (kept.results, kept.bits) == (self.results, self.bits) {
            return Ok(kept);
        }
        let say = |b: &Self| format!("{} results at {} bits", b.results, b.bits);
        Err(Error::usage(path.display().to_string(), format!("made for {}, not for {}", say(&kept), say(&self))))
    }

    /// Writes the budget to its file. Call this before a result is shown.
    pub fn keep(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(std::io::Error::from).with_path(path)?;
        files::atomically(path, files::Access::Private, |file| file.write_all(&text)).with_path(path)
    }
}

/// A normal deviate. [Box, Muller]
fn normal(rng: &mut impl Rng) -> f64 {
    let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64; // in (0, 1)
    let (u, v) = (uniform(), uniform());
    (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}

#[cfg(test)]
mod tests {
    use super::{Budget, Private};

    #[test]
    fn what_is_published_has_the_stated_noise_and_is_counted() {
        let values = Private::new((0..20_000).map(|i| i as f64).collect());
        let mut budget = Budget::new(3, 30).unwrap();
        let sigma = budget.deviation(1e-6).unwrap();
        assert!((sigma - 36f64.sqrt() * 32768e-6).abs() < 1e-12);
        let published = values.publish(&mut budget, 1e-6).unwrap();
        let errors: Vec<f64> = published.values().iter().zip(values.expose()).map(|(a, b)| a - b).collect();
        let (n, sum) = (errors.len() as f64, errors.iter().sum::<f64>());
        let spread = (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt();
        assert!((spread / sigma - 1.0).abs() < 0.05 && (sum / n).abs() < 5.0 * sigma / n.sqrt(), "{spread}, {sigma}");
        assert!(errors.iter().any(|e| e.abs() > 3.0 * sigma));
        values.publish(&mut budget, 1e-6).unwrap();
        values.publish(&mut budget, 1e-6).unwrap();
        assert!(values.publish(&mut budget, 1e-6).unwrap_err().to_string().contains("3 results were published"));
        assert!(Budget::new(1, 20).is_err() && budget.deviation(0.0).is_err());
    }

    #[test]
    fn a_budget_is_kept_and_cannot_grow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("published");
        let mut budget = Budget::new(2, 30).unwrap().kept_at(&path).unwrap();
        Private::new(vec![1.0]).publish(&mut budget, 1e-6).unwrap();
        budget.keep(&path).unwrap();
        assert_eq!(Budget::new(2, 30).unwrap().kept_at(&path).unwrap().published, 1);
        let error = Budget::new(100, 30).unwrap().kept_at(&path).unwrap_err().to_string();
        assert!(error.ends_with("made for 2 results at 30 bits, not for 100 results at 30 bits"), "{error}");
    }
}
