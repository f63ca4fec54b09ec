//! Completing the square: a piece of degree < 4m, with m baby steps, takes two products where a division by W_{2m}
//! takes three.
//!
//! f = q W_{2m} + r needs one product for each of q, q W_{2m} and r, because q and r are of degree < 2m. If W_{4m} =
//! W_{2m}² - 2 exists, f + κ W_{4m} = (W_{2m} + a) (κ W_{2m} + b) + r is possible. For the right a of degree m, the
//! remainder has degree <= m and takes no product. The term a κ a reaches the degrees in between.
//!
//! κ, the leading coefficient of a, and its constant are free. Given these three, an iteration finds a: the residue of
//! T_{m+i} changes with a_i roughly as κ a_m does.

use super::MAX_BABIES;
use heapless::Vec;

/// a_m: W_m itself. With κ near the size of f, neither factor is larger than necessary.
const LEADING: f64 = 2.0;
/// Most steps of the iteration; 40 are typical of pieces whose upper half is the larger.
const MAX_STEPS: usize = 150;

/// f = left · right - size W_{4m} + r
pub(super) struct Square {
    /// W_{2m} + a, in the Chebyshev basis.
    pub(super) left: Vec<f64, { 2 * MAX_BABIES + 1 }>,
    /// κ W_{2m} + b, in the Chebyshev basis.
    pub(super) right: Vec<f64, { 2 * MAX_BABIES + 1 }>,
    /// κ
    pub(super) size: f64,
}

impl Square {
    /// Bounds of both factors, times (m + 2)²: see [`super::plan::spread_of`].
    pub(super) fn spread(&self) -> f64 {
        let size = |c: &[f64]| c.iter().map(|c| c.abs()).sum::<f64>();
        let baby_steps = (self.left.len() / 2 + 2) as f64;
        size(&self.left) * size(&self.right) * baby_steps * baby_steps
    }
}

/// Completes the square of f, of degree in [3m, 4m), m = `baby_steps`, and leaves the remainder in f[..=m]. If the
/// iteration finds no a, returns `None` and leaves f unchanged.
pub(super) fn complete(f: &mut [f64], baby_steps: usize) -> Option<Square> {
    let (m, g) = (baby_steps, 2 * baby_steps);
    let size = libm::sqrt(f[1..].iter().map(|c| c * c).sum());
    let mut left: Vec<f64, _> = Vec::new();
    left.resize(g + 1, 0.0).ok()?;
    (left[m], left[g]) = (LEADING, 2.0);
    let mut rest: Vec<f64, { 4 * MAX_BABIES + 1 }> = Vec::new();
    for _ in 0..MAX_STEPS {
        rest.clear();
        rest.extend_from_slice(f).ok()?;
        rest.resize(2 * g + 1, 0.0).ok()?;
        rest[2 * g] = 2.0 * size;
        let right = quotient(&mut rest, &left);
        let most = rest[m + 1..g].iter().fold(0.0f64, |most, r| most.max(r.abs()));
        if most <= 8.0 * f64::EPSILON * size {
            f[..=m].copy_from_slice(&rest[..=m]);
            return Some(Square { left, right, size });
        }
        for i in 1..m {
            left[i] -= rest[m + i] / (size * LEADING);
        }
    }
    None
}

/// c / (W_g + a) for c of degree 2g, given W_g + a; leaves the remainder in c[..g].
fn quotient(c: &mut [f64], divisor: &[f64]) -> Vec<f64, { 2 * MAX_BABIES + 1 }> {
    let g = divisor.len() - 1;
    let mut q = Vec::new();
    let _ = q.resize(g + 1, 0.0); // cannot overflow: the divisor is no shorter
    for j in (0..=g).rev() {
        let x = if j == 0 { c[g] / 2.0 } else { c[g + j] };
        q[j] = x;
        for (i, a) in divisor.iter().enumerate() {
            c[i + j] -= x * a / 2.0; // 2 T_i T_j = T_{i+j} + T_{|i-j|}
            c[i.abs_diff(j)] -= x * a / 2.0;
        }
    }
    q
}

#[cfg(test)]
mod tests {
    use super::complete;
    use std::vec::Vec;

    /// Σ c_i cos(i θ)
    fn at(c: &[f64], theta: f64) -> f64 {
        c.iter().enumerate().map(|(i, c)| c * libm::cos(i as f64 * theta)).sum()
    }

    #[test]
    fn every_shape_of_coefficients_is_completed() {
        type Shape = fn(usize, usize) -> f64;
        let noise = |i: usize| libm::sin((i * i * 7 + i) as f64);
        let shapes: [Shape; 6] = [
            |_, _| 1.0,
            |i, _| if i % 2 == 0 { 1.0 } else { -1.0 },
            |i, n| if i < n / 2 { 1e-6 } else { 1.0 },
            |i, n| if i < n / 2 { 1.0 } else { 1e-6 },
            |i, _| libm::exp2(-(i as f64)),
            |i, n| (i + 1 == n) as u8 as f64,
        ];
        for m in [2, 4, 8, 16] {
            for (shape, noisy) in shapes.into_iter().flat_map(|s| [(s, false), (s, true)]) {
                let n = 4 * m;
                let f: Vec<f64> = (0..n).map(|i| 1e-3 * shape(i, n) * if noisy { noise(i + 1) } else { 1.0 }).collect();
                let mut c = f.clone();
                let square = complete(&mut c, m).unwrap();
                for k in 0..50 {
                    let theta = k as f64 / 15.0;
                    let product = at(&square.left, theta) * at(&square.right, theta);
                    let rest = at(&c[..=m], theta) - 2.0 * square.size * libm::cos(n as f64 * theta);
                    let error = (product + rest - at(&f, theta)).abs();
                    assert!(error < 1e-12 * square.size, "{m} baby steps: off by {error:e} of {:e}", square.size);
                }
                assert!(square.left.iter().map(|a| a.abs()).sum::<f64>() < 12.0, "{m}: {:?}", square.left);
            }
        }
    }
}
