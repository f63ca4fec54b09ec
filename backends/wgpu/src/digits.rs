//! The digits of an operand of a key switch.

use polyformer_kernel::{
    backend::{MAX_DIGITS, digit},
    ring::Basis,
};

/// The digits of an operand.
pub(crate) struct Digits {
    pub q: Basis,
    pub alpha: u16,
    pub first: usize, // the lowest that is not empty
    pub parts: Vec<Basis>,
}

impl Digits {
    /// The digits of operands over `q`, or `None` for an empty basis.
    pub fn new(q: Basis, specials: u16, alpha: u16) -> Option<Self> {
        let parts = (0..MAX_DIGITS).map(|j| (j, digit(q, specials, alpha, j))).filter(|(_, part)| !part.is_empty());
        let (numbers, parts): (Vec<_>, Vec<_>) = parts.unzip();
        numbers.first().map(|first| Self { q, alpha, first: *first, parts })
    }
}
