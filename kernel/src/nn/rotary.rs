//! Rotary position embedding. Query and key of token t are rotated by angles that grow with t. Their product depends on
//! the distance of the two tokens. [Su et al., arXiv 2104.09864]

/// Features i and i + d/2 of a head of d features are rotated by t base^(-2i/d): in halves, as in Llama. For a model
/// that pairs neighbours 2i and 2i + 1, reorder the rows of query and key in each head to 0, 2, .. d - 2, 1, 3, .. d -
/// 1. The scores stay the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// Of the angles: 10,000 in most models.
    pub base: f64,
}

impl Rotary {
    /// Cosine and sine of the angle of the pair (i, i + d/2) at token t.
    pub fn turn(&self, token: usize, i: usize, d: usize) -> (f64, f64) {
        let angle = token as f64 * libm::pow(self.base, -((2 * i) as f64) / d as f64);
        (libm::cos(angle), libm::sin(angle))
    }
}
