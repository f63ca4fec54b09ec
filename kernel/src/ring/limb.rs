//! The executable specification of every backend operation on one limb (the residues modulo one prime). The code is
//! written for readers and is never optimised. Tests compare fast code with this file word for word.
//!
//! Words are canonical, in [0, q). Coeff limbs hold residues in standard form, in natural order. Eval limbs hold
//! Montgomery residues; entry i is the value at psi^(2 bit_reverse(i) + 1). A second operand that is shorter than the
//! first is a limb that is constant on contiguous blocks ("block-constant": a polynomial in X^(n/c)).

use super::convert::Conversion;
use crate::{
    math::{bit_reverse, modular::Modulus},
    ring::{MAX_MODULI, Op},
};

/// Each word of a block-constant limb as often as its block is long.
fn spread(b: &[u32], n: usize) -> impl Iterator<Item = u32> {
    b.iter().flat_map(move |x| core::iter::repeat_n(*x, n / b.len()))
}

/// a op b for one word.
pub fn apply(q: Modulus, op: Op, a: u32, b: u32) -> u32 {
    match op {
        Op::Add => q.add(a, b),
        Op::Sub => q.sub(a, b),
        Op::Mul => q.mul(a, b),
    }
}

/// out = a op b, b perhaps block-constant.
pub fn zip(q: Modulus, op: Op, out: &mut [u32], a: &[u32], b: &[u32]) {
    for ((o, a), b) in out.iter_mut().zip(a).zip(spread(b, a.len())) {
        *o = apply(q, op, *a, b);
    }
}

/// acc = acc op b, b perhaps block-constant.
pub fn zip_assign(q: Modulus, op: Op, acc: &mut [u32], b: &[u32]) {
    let n = acc.len();
    for (x, b) in acc.iter_mut().zip(spread(b, n)) {
        *x = apply(q, op, *x, b);
    }
}

/// acc = acc + a b, b perhaps block-constant.
pub fn mul_add(q: Modulus, acc: &mut [u32], a: &[u32], b: &[u32]) {
    for ((x, a), b) in acc.iter_mut().zip(a).zip(spread(b, a.len())) {
        *x = q.add(*x, q.mul(*a, b));
    }
}

/// out = a op c.
pub fn scalar(q: Modulus, op: Op, out: &mut [u32], a: &[u32], c: u32) {
    for (o, a) in out.iter_mut().zip(a) {
        *o = apply(q, op, *a, c);
    }
}

/// out = coeffs mod q: signed integers to a Coeff limb.
pub fn residues(q: Modulus, out: &mut [u32], coeffs: &[i64]) {
    for (o, c) in out.iter_mut().zip(coeffs) {
        *o = q.reduce_i64(*c);
    }
}

/// Coeff to Eval in place, for any power-of-two length up to the length of the twiddles `w`. Cooley-Tukey butterflies,
/// natural order in, bit-reversed order out, no separate multiplication by powers of psi.
pub fn ntt(q: Modulus, w: &[u32], a: &mut [u32]) {
    for x in a.iter_mut() {
        *x = q.to_mont(*x);
    }
    let n = a.len();
    let (mut blocks, mut half) = (1, n / 2);
    while half > 0 {
        for (block, w) in a.chunks_exact_mut(2 * half).zip(&w[blocks..]) {
            let (lo, hi) = block.split_at_mut(half);
            for (x, y) in lo.iter_mut().zip(hi) {
                let (u, v) = (*x, q.mul(*y, *w));
                (*x, *y) = (q.add(u, v), q.sub(u, v));
            }
        }
        (blocks, half) = (2 * blocks, half / 2);
    }
}

/// Eval to Coeff in place, the exact inverse of [`ntt`]; `w` are the inverse twiddles.
pub fn intt(q: Modulus, w: &[u32], a: &mut [u32]) {
    let n = a.len();
    let (mut blocks, mut half) = (n / 2, 1);
    while blocks > 0 {
        for (block, w) in a.chunks_exact_mut(2 * half).zip(&w[blocks..]) {
            let (lo, hi) = block.split_at_mut(half);
            for (x, y) in lo.iter_mut().zip(hi) {
                let (u, v) = (*x, *y);
                (*x, *y) = (q.add(u, v), q.mul(q.sub(u, v), *w));
            }
        }
        (blocks, half) = (blocks / 2, 2 * half);
    }
    let n_inv = q.inv(n as u32); // plain, so that the product also leaves Montgomery form
    for x in a.iter_mut() {
        *x = q.mul(*x, n_inv);
    }
}

/// The automorphism X -> X^g on an Eval limb: a permutation of its words, g odd.
pub fn permute(galois: u32, out: &mut [u32], a: &[u32]) {
    for (i, o) in out.iter_mut().enumerate() {
        *o = a[permuted_index(i, galois, a.len())];
    }
}

/// Source index of word i of the permuted limb: the index with exponent (2 bit_reverse(i) + 1) g mod 2n.
pub fn permuted_index(i: usize, galois: u32, n: usize) -> usize {
    let bits = n.trailing_zeros();
    let e = ((2 * bit_reverse(i, bits) + 1) * galois as usize) % (2 * n);
    bit_reverse((e - 1) / 2, bits)
}

/// round(sum y_i f_i) for y_i in [0, f_i), in integers, so that every backend rounds alike. The sum has 29 fractional
/// bits. The quotient is exact unless the sum is within (number of terms) 2^-29 of a half-integer. Every f_i is in
/// (2^19, 2^30).
pub fn quotient(terms: impl Iterator<Item = (u32, u32)>) -> u32 {
    let t = terms.fold(1 << 28, |t, (y, f)| t + quotient_term(y, quotient_inverse(f)));
    (t >> 29) as u32
}

/// The shift that brings a word below f under 2^30, and floor(2^61-shift / f).
pub fn quotient_inverse(f: u32) -> (u32, u64) {
    let shift = f.leading_zeros() - 2;
    (shift, (1 << (61 - shift)) / f as u64)
}

/// floor(2^29 y/f), from below by less than 2 units.
pub fn quotient_term(y: u32, (shift, inv): (u32, u64)) -> u64 {
    (((y as u64) << shift) * inv) >> 32
}

/// Basis conversion of one coefficient. `x(i)` is the residue modulo source i. `to(t, word)` receives the residue
/// modulo target t of the representative nearest to 0.
///
/// The representative is sum_i y_i F/f_i - vF with y_i = x_i (F/f_i)^-1 and v the [`quotient`]. Without v the error
/// would be up to (number of sources) F, with a mean that one slot collects. That slot would lose seven bits of
/// precision at n = 2^16.
pub fn convert(c: &Conversion, x: impl Fn(usize) -> u32, mut to: impl FnMut(usize, u32)) {
    let mut digits = [0; MAX_MODULI];
    for (i, d) in digits[..c.sources().len()].iter_mut().enumerate() {
        *d = c.sources()[i].mul(x(i), c.hat_inv(i));
    }
    let digits = &digits[..c.sources().len()];
    let v = quotient(digits.iter().zip(c.sources()).map(|(y, f)| (*y, f.q())));
    for (t, q) in c.targets().iter().enumerate() {
        let sum = digits.iter().zip(c.hats(t)).fold(0, |s, (y, hat)| q.add(s, q.mul(*y, *hat)));
        to(t, q.sub(sum, q.mul(v, c.modulus(t))));
    }
}
