//! Twiddle factors, written into the caller's memory: flash, a vector, or a static.

use crate::math::bit_reverse;
use crate::math::modular::Modulus;

/// Words that [`fill`] writes for `moduli` primes at ring degree n.
pub const fn words(n: usize, moduli: usize) -> usize {
    2 * n * moduli
}

/// For each modulus n forward twiddles psi^bit_reverse(i), then n inverse twiddles psi^-bit_reverse(i), in Montgomery form.
/// `out` is [`words`] long.
pub fn fill(n: usize, moduli: &[Modulus], out: &mut [u32]) {
    for (q, out) in moduli.iter().zip(out.chunks_exact_mut(2 * n)) {
        fill_one(n, *q, out);
    }
}

/// The part of [`fill`] that belongs to one modulus; `out` is 2n long.
pub fn fill_one(n: usize, q: Modulus, out: &mut [u32]) {
    let psi = root(n, q);
    let (forward, inverse) = out.split_at_mut(n);
    for (table, base) in [(forward, psi), (inverse, q.inv(psi))] {
        let (base, mut power) = (q.to_mont(base), q.one());
        for i in 0..n {
            table[bit_reverse(i, n.trailing_zeros())] = power;
            power = q.mul(power, base);
        }
    }
}

/// psi, a primitive 2n-th root of unity modulo q: the first g^((q-1)/2n), g = 2, 3, ..., whose n-th power is -1. A q
/// that is not 1 modulo 2n has no such root, and the search then returns 0.
pub fn root(n: usize, q: Modulus) -> u32 {
    let exponent = (q.q() as u64 - 1).wrapping_shr(n.trailing_zeros() + 1); // n is a power of two
    (2..q.q()).map(|g| q.pow_vartime(g, exponent)).find(|psi| q.pow_vartime(*psi, n as u64) == q.q() - 1).unwrap_or(0)
}
