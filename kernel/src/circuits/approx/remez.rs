//! Remez's exchange: computes the polynomial with the smallest largest weighted error. The exchange needs an allocator,
//! and runs before any circuit.

use crate::{
    circuits::poly::{MAX_DEGREE, Polynomial},
    error::{Error, Result},
};
use alloc::{vec, vec::Vec};
use core::f64::consts::PI;

/// Rounds of exchange; a handful is usual.
const MAX_ROUNDS: usize = 40;
/// Points tried between two extrema.
const DENSITY: usize = 48;

/// Which T_i a polynomial may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// Every one.
    All,
    /// T_1, T_3, …
    Odd,
}

/// The domain of the error, and the range of the polynomial. For odd polynomials the domain is \[a, b\] and the range
/// is \[-b, b\].
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The terms to use.
    pub terms: Terms,
    /// The domain of the error.
    pub domain: (f64, f64),
    /// The range of the Chebyshev basis.
    pub range: (f64, f64),
}

/// The polynomial p of this degree with the least max w |p - f| on the domain, to about one part in a thousand.
/// [Remez 1934; Pachón and Trefethen 2009]
///
/// # Errors
/// [`Error::TooMany`] for a degree over [`MAX_DEGREE`]; the errors of [`Polynomial::new`].
pub fn remez(f: impl Fn(f64) -> f64, w: impl Fn(f64) -> f64, target: Target, degree: usize) -> Result<Polynomial> {
    if degree > MAX_DEGREE {
        return Err(Error::TooMany { asked: degree, limit: MAX_DEGREE });
    }
    let mut terms: Vec<usize> = match target.terms {
        Terms::All => (0..=degree).collect(),
        Terms::Odd => (1..=degree).step_by(2).collect(),
    };
    let (p, error, is_level) = exchange(&f, &w, target, &terms)?;
    if !is_level && target.terms == Terms::All && degree < MAX_DEGREE {
        // An error that is even or odd has one extremum more than the terms ask for: it is the best of one degree more.
        terms.push(degree + 1);
        let (q, other, _) = exchange(&f, &w, target, &terms)?;
        if other < error && q.coeffs().iter().skip(degree + 1).all(|c| *c == 0.0) {
            return Polynomial::new(&q.coeffs()[..q.coeffs().len().min(degree + 1)], target.range);
        }
    }
    Ok(p)
}

/// The exchange. Returns the best polynomial, its largest error on the grid, and whether the error was level at the
/// end.
fn exchange(
    f: &impl Fn(f64) -> f64,
    w: &impl Fn(f64) -> f64,
    target: Target,
    terms: &[usize],
) -> Result<(Polynomial, f64, bool)> {
    let mut is_level = false;
    let n = terms.len();
    let (lo, hi) = target.domain;
    let point = |k: usize, of: usize| 0.5 * (lo + hi) - 0.5 * (hi - lo) * libm::cos(PI * k as f64 / of as f64);
    let grid: Vec<f64> = (0..=DENSITY * n).map(|k| point(k, DENSITY * n)).collect();
    let mut reference: Vec<f64> = (0..=n).map(|k| point(k, n)).collect();
    let mut best: Option<(f64, Polynomial)> = None;
    for _ in 0..MAX_ROUNDS {
        let p = level(f, w, target.range, terms, &reference)?;
        let errors: Vec<f64> = grid.iter().map(|x| w(*x) * (p.at(*x) - f(*x))).collect();
        let extrema = alternation(&errors, n + 1);
        let largest = errors.iter().fold(0.0, |m: f64, e| m.max(e.abs()));
        if best.as_ref().is_none_or(|(e, _)| largest < *e) {
            best = Some((largest, p));
        }
        let least = extrema.iter().fold(f64::INFINITY, |m, i| m.min(errors[*i].abs()));
        is_level = extrema.len() > n && largest <= least * 1.001;
        if extrema.len() <= n || is_level {
            break; // level, or rounding has taken over
        }
        reference = extrema.iter().map(|i| grid[*i]).collect();
    }
    best.map(|(error, p)| (p, error, is_level)).ok_or(Error::BadRange { lo, hi })
}

/// The polynomial whose weighted error is alternately +E and -E at the reference points.
fn level(
    f: &impl Fn(f64) -> f64,
    w: &impl Fn(f64) -> f64,
    range: (f64, f64),
    terms: &[usize],
    reference: &[f64],
) -> Result<Polynomial> {
    let n = terms.len();
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(n + 1);
    for (i, x) in reference.iter().enumerate() {
        let t = (((x - range.0) - (range.1 - x)) / (range.1 - range.0)).clamp(-1.0, 1.0);
        let angle = libm::acos(t);
        let mut row: Vec<f64> = terms.iter().map(|j| libm::cos(*j as f64 * angle)).collect();
        row.push(if i % 2 == 0 { 1.0 } else { -1.0 } / w(*x));
        row.push(f(*x));
        rows.push(row);
    }
    let solution = solve(rows).ok_or(Error::BadRange { lo: range.0, hi: range.1 })?;
    let mut coeffs = vec![0.0; terms.last().map_or(1, |j| j + 1)];
    let negligible = solution[n].abs() * 1e-3 / (n + 1) as f64; // the other parity of an even or odd function
    for (j, c) in terms.iter().zip(&solution).filter(|(_, c)| c.abs() > negligible) {
        coeffs[*j] = *c;
    }
    Polynomial::new(&coeffs, range)
}

/// Gaussian elimination with partial pivoting of rows [A | b].
fn solve(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let n = rows.len();
    for col in 0..n {
        let pivot = (col..n).max_by(|a, b| rows[*a][col].abs().total_cmp(&rows[*b][col].abs()))?;
        rows.swap(col, pivot);
        if rows[col][col] == 0.0 || !rows[col][col].is_finite() {
            return None;
        }
        let (upper, lower) = rows.split_at_mut(col + 1);
        for row in lower {
            let factor = row[col] / upper[col][col];
            for (x, p) in row.iter_mut().zip(&upper[col]).skip(col) {
                *x -= factor * p;
            }
        }
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| rows[i][j] * x[j]).sum();
        x[i] = (rows[i][n] - known) / rows[i][i];
    }
    Some(x)
}

/// Indices of the `count` largest extrema of alternating sign, or of fewer if fewer exist.
fn alternation(errors: &[f64], count: usize) -> Vec<usize> {
    let mut extrema: Vec<usize> = Vec::new();
    for (i, e) in errors.iter().enumerate() {
        match extrema.last_mut() {
            Some(last) if (errors[*last] < 0.0) == (*e < 0.0) => {
                if e.abs() > errors[*last].abs() {
                    *last = i;
                }
            }
            _ => extrema.push(i),
        }
    }
    while extrema.len() > count {
        let (first, last) = (errors[extrema[0]].abs(), errors[extrema[extrema.len() - 1]].abs());
        if first < last {
            extrema.remove(0);
        } else {
            extrema.pop();
        }
    }
    extrema
}

#[cfg(test)]
mod tests {
    use super::{Target, Terms, remez};

    #[test]
    fn a_known_minimax_polynomial_is_found() {
        // the best line for √x on [0, 1] is x + 1/8, with error 1/8; from above, at (0, 1/4, 1)
        let target = Target { terms: Terms::All, domain: (0.0, 1.0), range: (0.0, 1.0) };
        let p = remez(libm::sqrt, |_| 1.0, target, 1).unwrap();
        assert!((p.at(0.0) - 0.125).abs() < 1e-3 && (p.at(1.0) - 1.125).abs() < 1e-3);
    }

    #[test]
    fn odd_terms_approximate_the_sign() {
        let target = Target { terms: Terms::Odd, domain: (0.1, 1.0), range: (-1.0, 1.0) };
        let p = remez(|_| 1.0, |_| 1.0, target, 15).unwrap();
        let worst = (0..=900).map(|i| (p.at(0.1 + i as f64 / 1000.0) - 1.0).abs()).fold(0.0, f64::max);
        assert!(worst < 0.121, "{worst}");
        assert!((p.at(0.4) + p.at(-0.4)).abs() < 1e-12);
    }
}
