//! A sum of products that grows term by term and is rescaled once.

use super::Arithmetic;
use crate::error::{Error, Result};

/// A sum of products `W`. A new sum has no terms.
#[derive(Debug)]
pub struct Sum<W>(Option<W>);

impl<W> Default for Sum<W> {
    fn default() -> Self {
        Self(None)
    }
}

impl<W> Sum<W> {
    /// Adds a term.
    ///
    /// # Errors
    ///
    /// The errors of [`Arithmetic::accumulate`]: the term is at another level than the sum.
    pub fn add<A: Arithmetic<Wide = W>>(&mut self, ev: &mut A, term: W) -> Result<()> {
        match &mut self.0 {
            Some(sum) => ev.accumulate(sum, term),
            None => {
                self.0 = Some(term);
                Ok(())
            }
        }
    }

    /// The sum, or `None` without terms.
    pub fn into_wide(self) -> Option<W> {
        self.0
    }

    /// The rescaled sum, one level down.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without terms, and the errors of [`Arithmetic::rescale`].
    pub fn rescale<A: Arithmetic<Wide = W>>(self, ev: &mut A) -> Result<A::Slots> {
        ev.rescale(self.0.ok_or(Error::Empty { what: "terms of a sum" })?)
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;
    use crate::{arith::Arithmetic, eval::clear::ClearArray};
    use std::string::ToString;

    #[test]
    fn a_sum_is_that_of_its_terms_and_needs_one() {
        let mut ev = ClearArray::<f64, 1>::new();
        let mut sum = Sum::default();
        for x in [[2.0], [3.0]] {
            let term = ev.mul(&x, &x).unwrap();
            sum.add(&mut ev, term).unwrap();
        }
        assert_eq!(sum.rescale(&mut ev), Ok([13.0]));
        let none = Sum::<[f64; 1]>::default().rescale(&mut ev).unwrap_err();
        assert_eq!(none.to_string(), "no terms of a sum: at least one is needed");
    }
}
