//! The constants of a modulus for the AVX-512 lanes.

use super::Avx512;
use core::arch::x86_64::__m512i;
use polyformer_kernel::math::modular::Modulus;

const RADIX: u64 = 1 << 52;

/// The constants of q, each in every lane.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    pub(super) q: __m512i,
    pub(super) words: __m512i,         // q in every half of a lane
    pub(super) minus_q: __m512i,       // 2^52 - q
    pub(super) quotient: __m512i,      // floor(2^52 / q)
    pub(super) raised: [__m512i; 8],   // 2q 3^level: more than the second input of any inverse butterfly of that stage
    pub(super) lift: __m512i,          // 32 q
    pub(super) inverse: __m512i,       // q^-1 mod 2^52, and so modulo 2^32
    pub(super) minus_inverse: __m512i, // -q^-1 mod 2^52
}

impl Constants {
    /// The constants of q, each in every lane.
    #[inline(always)]
    pub(super) fn new(lanes: Avx512, q: Modulus) -> Self {
        let (p, inverse) = (q.q() as u64, inverse(q));
        Constants {
            q: lanes.all(p),
            words: lanes.all(p << 32 | p),
            minus_q: lanes.all(RADIX - p),
            quotient: lanes.all(RADIX / p),
            raised: [1, 3, 9, 27, 81, 243, 729, 2187].map(|power| lanes.all(2 * power * p)),
            lift: lanes.all(32 * p),
            inverse: lanes.all(inverse),
            minus_inverse: lanes.all(RADIX - inverse),
        }
    }
}

/// q^-1 modulo 2^52.
fn inverse(q: Modulus) -> u64 {
    let q = q.q() as u64;
    let mut inverse = q; // correct to 3 bits, then 6, 12, 24, 48, 96
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(q.wrapping_mul(inverse)));
    }
    inverse % RADIX
}
