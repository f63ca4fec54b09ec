//! The canonical embedding: z_j = sum_k w_k zeta^(5^j k) for s slots, zeta = exp(i pi / 2s), in O(s log s) butterflies.
//! Everything is f64 in a fixed order of operations, roots from libm, no contraction: the same bits on every
//! platform, so that keys, plaintexts and bootstrapping matrices are, too.

use crate::complex::Complex;

/// Writes the roots for transforms of up to `out.len()` slots, a power of two: the stage that joins halves of
/// length h uses entries h .. 2h, entry h + j being exp(2 pi i 5^j / 8h). Entry 0 is unused.
pub fn fill_roots(out: &mut [Complex]) {
    let mut half = 1;
    while half < out.len() {
        let order = 8 * half;
        let mut power = 1;
        for root in &mut out[half..2 * half] {
            *root = Complex::cis(2.0 * core::f64::consts::PI * power as f64 / order as f64);
            power = power * 5 % order;
        }
        half *= 2;
    }
}

/// In place, w_k to z_j = sum_k w_k zeta^(5^j k); a power-of-two length up to that of `roots`.
pub fn embed(roots: &[Complex], w: &mut [Complex]) {
    bit_reverse(w);
    let mut half = 1;
    while half < w.len() {
        for block in w.chunks_exact_mut(2 * half) {
            let (lo, hi) = block.split_at_mut(half);
            for ((x, y), root) in lo.iter_mut().zip(hi).zip(&roots[half..]) {
                let (u, v) = (*x, *y * *root);
                (*x, *y) = (u + v, u - v);
            }
        }
        half *= 2;
    }
}

/// In place, the inverse of [`embed`] times the length.
pub fn embed_inverse(roots: &[Complex], z: &mut [Complex]) {
    let mut half = z.len() / 2;
    while half > 0 {
        for block in z.chunks_exact_mut(2 * half) {
            let (lo, hi) = block.split_at_mut(half);
            for ((x, y), root) in lo.iter_mut().zip(hi).zip(&roots[half..]) {
                let (u, v) = (*x, *y);
                (*x, *y) = (u + v, (u - v) * root.conj());
            }
        }
        half /= 2;
    }
    bit_reverse(z);
}

fn bit_reverse(z: &mut [Complex]) {
    let bits = z.len().trailing_zeros();
    for i in 0..z.len() {
        let j = crate::ring::limb::brv(i, bits);
        if i < j {
            z.swap(i, j);
        }
    }
}
