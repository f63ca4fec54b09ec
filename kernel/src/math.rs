//! Numbers without a ring: words modulo a prime, complex numbers, pairs of doubles, and the canonical embedding.

pub mod complex;
#[cfg(feature = "alloc")]
pub mod double_double;
pub mod embedding;
pub mod modular;
pub mod number;

/// The low `bits` bits of i in reverse order; i is below 2^bits.
pub fn bit_reverse(i: usize, bits: u32) -> usize {
    i.reverse_bits().checked_shr(usize::BITS - bits).unwrap_or(0)
}
