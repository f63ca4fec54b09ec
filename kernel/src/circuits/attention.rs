//! What stands where softmax stood, for one row of scores x or for many at once: every vector of `xs` holds entries
//! of the same rows, [`super::reduce::RowLayout`] says where. Each circuit replaces `xs` by the weights of attention.
//!
//! [`power`] is PowerSoftmax in its four forms; [`pointwise`] needs no sum along the row; [`softmax`] holds what others
//! have published for the exponential itself, so that all of them are compared on one engine. A mask is a product
//! with zeros and ones ([`super::reduce::masked`]) of the scores before a power, or of the weights after an exponential.

pub mod pointwise;
pub mod power;
pub mod softmax;

/// 1 where token `query` may look at token `key`, else 0: causal attention sees no later token.
pub fn causal(query: usize, key: usize) -> f64 {
    (key <= query) as u8 as f64
}
