//! The result of decryption. The last digits of a decrypted CKKS value are noise that depends on the secret key. Enough
//! such digits may reveal the key (IND-CPA^D, eprint 2020/1533). Decryption therefore returns a [`Private`] value.
//!
//! A private value has two exits. [`Private::best`] names classes, with rounded probabilities. [`Private::publish`] adds
//! noise and counts the result. Code that needs the exact values says so: [`hazmat::expose`].

use crate::{
    Error, Result,
    model::{probabilities, top},
};
use zeroize::Zeroize;

pub mod hazmat;

/// Decrypted values, for the owner of the key alone; wiped when dropped.
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
/// ```compile_fail
/// polyformer::session::private::Private::new(vec![1.0]).values();
/// ```
/// ```
/// use polyformer::session::private::{Private, hazmat};
///
/// println!("{:?}", hazmat::expose(&Private::new(vec![1.0])));
/// ```
pub struct Private {
    values: Vec<f64>,
    signs: Signs,
    origin: Option<Origin>,
}

/// The name of what was decrypted: a hash of public data. Equal names are equal values.
type Origin = [u8; 32];

/// What decryption saw beside the values, in units of values.
#[derive(Clone, Copy, Default)]
struct Signs {
    fresh: f64, // the deviation of the error of a fresh ciphertext
    stray: f64, // the largest of what an honest circuit leaves at 0: imaginary parts, masked slots, differences of copies
}

impl Drop for Private {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

impl Private {
    /// Values that depend on a secret.
    pub fn new(values: Vec<f64>) -> Self {
        Self { values, signs: Signs::default(), origin: None }
    }

    /// The values of the ciphertexts with this name. Two decryptions of one name have equal values.
    pub(super) fn with_origin(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// The name of what was decrypted.
    pub(super) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// The values, and what decryption saw beside them: the deviation of a fresh ciphertext's error, and the largest
    /// magnitude of what an honest circuit leaves at 0. Both in units of values.
    pub fn with_signs(mut self, fresh: f64, stray: f64) -> Self {
        self.signs = Signs { fresh, stray };
        self
    }

    /// Some of the values in the place of all, with what was seen beside all; `stray` is also an imaginary part, a masked
    /// slot or a difference of copies. `place` are numbers that say which values.
    pub(super) fn part(&self, place: &[usize], values: Vec<f64>, stray: f64) -> Self {
        let place: Vec<[u8; 8]> = place.iter().map(|x| (*x as u64).to_le_bytes()).collect();
        let origin = self.origin.map(|of| name("polyformer part of a decryption 1", &[&of, place.as_flattened()]));
        Self { values, signs: Signs { stray: self.signs.stray.max(stray), ..self.signs }, origin }
    }

    /// Rows one after the other.
    pub fn joined(rows: Vec<Self>) -> Self {
        let (fresh, stray) = rows
            .iter()
            .fold((0f64, 0f64), |(fresh, stray), row| (fresh.max(row.signs.fresh), stray.max(row.signs.stray)));
        let mut values = Vec::with_capacity(rows.iter().map(|row| row.values.len()).sum());
        rows.iter().for_each(|row| values.extend_from_slice(&row.values));
        let origins: Option<Vec<Origin>> = rows.iter().map(|row| row.origin).collect();
        let origin = origins.map(|all| name("polyformer rows of a decryption 1", &[all.as_flattened()]));
        Self { values, signs: Signs { fresh, stray }, origin }
    }

    /// The values, for what this crate publishes, and for the commands of the owner of the key.
    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The largest magnitude of what an honest circuit leaves at 0, in units of values.
    pub fn stray(&self) -> f64 {
        self.signs.stray
    }

    /// Classes and their probabilities, the likeliest first; the values are logits. A probability is rounded to 1e-4.
    pub fn best(&self) -> Vec<(usize, f64)> {
        let p = probabilities(&self.values);
        top(&self.values).into_iter().map(|class| (class, (p[class] * 1e4).round() / 1e4)).collect()
    }

    /// [`Private::best`] of each group of `outputs` logits: one group for a text, or one for each of its tokens.
    pub fn best_of_each(&self, outputs: usize) -> Vec<Vec<(usize, f64)>> {
        let groups = self.values.chunks(outputs.max(1)).enumerate();
        groups.map(|(i, logits)| self.part(&[i, outputs], logits.to_vec(), 0.0).best()).collect()
    }

    /// The cosine of the angle to `others`, for reports: one minus it is rounded to two significant digits.
    pub fn cosine(&self, others: &[f64]) -> f64 {
        1.0 - crate::error::two_digits(1.0 - crate::model::cosine(&self.values, others))
    }

    /// The largest difference from `others`, for reports: rounded to two significant digits.
    pub fn difference(&self, others: &[f64]) -> f64 {
        crate::error::two_digits(crate::model::largest_difference(&self.values, others))
    }

    /// The first `count` values, so that the rest need not be published.
    ///
    /// # Errors
    ///
    /// The vector has fewer values.
    pub fn first(mut self, count: usize) -> Result<Self> {
        match self.values.get_mut(count..) {
            Some(rest) if count > 0 => rest.zeroize(),
            _ => {
                return Err(Error::usage(
                    format!("the first {count} values"),
                    format!("there are {}", self.values.len()),
                ));
            }
        }
        self.values.truncate(count);
        Ok(self)
    }

    /// Insists that `bound` covers the errors of the values.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if the error of a fresh ciphertext is larger. [`Error::Unreliable`] if what an honest circuit
    /// leaves at 0 is larger.
    pub(super) fn check(&self, bound: f64) -> Result<()> {
        let Signs { fresh, stray } = self.signs;
        if bound < fresh {
            let what = format!("the error of a fresh ciphertext is {fresh:.1e}");
            return Err(Error::usage(format!("a noise bound of {bound:.1e}"), what));
        }
        if stray.is_nan() || stray > bound {
            let what = format!("{stray:.1e} where an honest circuit leaves 0 within the noise bound of {bound:.1e}");
            return Err(Error::unreliable("result", format!("{what}; nothing is published")));
        }
        Ok(())
    }
}

/// A name for a list of public data.
pub(super) fn name(context: &str, parts: &[&[u8]]) -> Origin {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    *hasher.finalize().as_bytes()
}
