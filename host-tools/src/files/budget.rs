//! The budget of published results, as the file of a secret key carries it.

use super::{
    fault::{FileError, Result},
    fields::Fields,
};

/// The bits of statistical security that can be asked for.
pub const STATISTICAL_BITS: std::ops::RangeInclusive<u32> = 30..=64;

/// Results that may be published under a key. The first result fixes the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// T: results that may be published in all.
    pub results: u32,
    /// s: bits of statistical security.
    pub bits: u32,
    /// Results that were published.
    pub published: u32,
}

const RESULTS: &str = "publish_results";
const BITS: &str = "publish_bits";
const PUBLISHED: &str = "published";

impl Budget {
    /// Adds the fields of a header.
    pub(super) fn put(&self, put: &mut impl FnMut(&str, String)) {
        put(RESULTS, self.results.to_string());
        put(BITS, self.bits.to_string());
        put(PUBLISHED, self.published.to_string());
    }

    /// The budget in the fields of a header, if there is one.
    ///
    /// # Errors
    /// `Field` for some of the fields without the others, or a number that no budget has.
    pub(super) fn parse(fields: &Fields) -> Result<Option<Self>> {
        if ![RESULTS, BITS, PUBLISHED].iter().any(|name| fields.contains_key(*name)) {
            return Ok(None);
        }
        let number = |name: &'static str, least: u32, most: u32| {
            let value = fields.get(name).map(String::as_str);
            let number = value.and_then(|text| text.parse().ok()).filter(|x| (least..=most).contains(x));
            number.ok_or_else(|| FileError::field(name, value, format!("a whole number from {least} to {most}")))
        };
        let results = number(RESULTS, 1, u32::MAX)?;
        let bits = number(BITS, *STATISTICAL_BITS.start(), *STATISTICAL_BITS.end())?;
        Ok(Some(Self { results, bits, published: number(PUBLISHED, 0, results)? }))
    }
}
