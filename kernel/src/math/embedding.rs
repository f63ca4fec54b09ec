//! The canonical embedding: z_j = sum_k w_k zeta^(5^j k) for s slots, zeta = exp(i pi / 2s), in O(s log s) butterflies.
//! All numbers are f64 in a fixed order of operations, without contraction. The roots come from integers ([`unit()`]).
//! Every platform therefore computes the same bits of keys, plaintexts and bootstrapping matrices.

mod unit;

use crate::math::complex::Complex;
pub use unit::unit;

/// Writes the roots for transforms of up to `out.len()` slots, a power of two: the stage that joins halves of
/// length h uses entries h .. 2h, entry h + j being exp(2 pi i 5^j / 8h). Entry 0 is unused.
pub fn fill_roots(out: &mut [Complex]) {
    let mut half = 1;
    while half < out.len() {
        out[half..2 * half].iter_mut().zip(roots(half)).for_each(|(out, root)| *out = root);
        half *= 2;
    }
}

/// exp(2 pi i 5^j / 8 half) for j below `half`, a power of two.
fn roots(half: usize) -> impl Iterator<Item = Complex> {
    let first = (1u64 << 61) >> half.trailing_zeros(); // of a turn of 2^64
    core::iter::successors(Some(first), |turn| Some(turn.wrapping_mul(5))).take(half).map(unit)
}

/// The source of the roots: computed by a client with little memory, or a table of [`fill_roots`].
pub trait Roots: Copy {
    /// The length of the longest transform with these roots.
    fn slots(self) -> usize;
    /// One stage on blocks of two halves: `butterfly(x, y, root)` for each word of the first half, the one of the
    /// second half and their root.
    fn stage(self, half: usize, z: &mut [Complex], butterfly: impl Fn(&mut Complex, &mut Complex, Complex));
}

impl Roots for &[Complex] {
    fn slots(self) -> usize {
        self.len()
    }

    fn stage(self, half: usize, z: &mut [Complex], butterfly: impl Fn(&mut Complex, &mut Complex, Complex)) {
        let roots = self.get(half..).unwrap_or(&[]);
        for block in z.chunks_exact_mut(2 * half.max(1)) {
            let (lo, hi) = block.split_at_mut(half);
            lo.iter_mut().zip(hi).zip(roots).for_each(|((x, y), root)| butterfly(x, y, *root));
        }
    }
}

/// No table: each root is computed once a transform.
#[derive(Clone, Copy, Debug)]
pub struct ComputedRoots;

impl Roots for ComputedRoots {
    fn slots(self) -> usize {
        1 << 16
    }

    fn stage(self, half: usize, z: &mut [Complex], butterfly: impl Fn(&mut Complex, &mut Complex, Complex)) {
        for (j, root) in roots(half).enumerate() {
            for block in z.chunks_exact_mut(2 * half.max(1)) {
                if let Ok([x, y]) = block.get_disjoint_mut([j, j + half]) {
                    butterfly(x, y, root);
                }
            }
        }
    }
}

/// In place, w_k to z_j = sum_k w_k zeta^(5^j k); a power-of-two length up to the length of `roots`.
pub fn embed(roots: impl Roots, w: &mut [Complex]) {
    permute(w);
    let mut half = 1;
    while half < w.len() {
        roots.stage(half, w, |x, y, root| {
            let (u, v) = (*x, *y * root);
            (*x, *y) = (u + v, u - v);
        });
        half *= 2;
    }
}

/// In place, the inverse of [`embed`] times the length.
pub fn embed_inverse(roots: impl Roots, z: &mut [Complex]) {
    let mut half = z.len() / 2;
    while half > 0 {
        roots.stage(half, z, |x, y, root| {
            let (u, v) = (*x, *y);
            (*x, *y) = (u + v, (u - v) * root.conj());
        });
        half /= 2;
    }
    permute(z);
}

fn permute(z: &mut [Complex]) {
    let bits = z.len().trailing_zeros();
    for i in 0..z.len() {
        let j = super::bit_reverse(i, bits);
        if i < j
            && let Ok([x, y]) = z.get_disjoint_mut([i, j])
        {
            core::mem::swap(x, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    #[test]
    fn computed_and_stored_roots_give_the_same_bits() {
        for log in 0..12 {
            let mut table = vec![Complex::default(); 1 << log];
            fill_roots(&mut table);
            let z: Vec<Complex> =
                (0..1 << log).map(|i| Complex { re: (i * 7 % 13) as f64, im: i as f64 / 3.0 }).collect();
            let (mut stored, mut computed) = (z.clone(), z);
            embed(&table[..], &mut stored);
            embed(ComputedRoots, &mut computed);
            assert_eq!(stored, computed, "2^{log} slots");
            embed_inverse(&table[..], &mut stored);
            embed_inverse(ComputedRoots, &mut computed);
            assert_eq!(stored, computed, "2^{log} slots, inverse");
        }
    }
}
