//! The results of the operations by definition: explicit sums, powers of psi, and (in [`integers`]) the big integers of
//! the residues. The oracle does not call the kernel's arithmetic, and shares only the order of rows and words. The
//! oracle is slow (quadratic in n) and simple to verify.

use polyformer_kernel::backend::Op;

pub mod integers;
pub mod machine;

/// ab mod q.
pub fn mul(q: u32, a: u32, b: u32) -> u32 {
    (a as u64 * b as u64 % q as u64) as u32
}

/// base^e mod q.
pub fn pow(q: u32, base: u32, e: u64) -> u32 {
    if e == 0 {
        return 1;
    }
    let half = pow(q, base, e / 2);
    let square = mul(q, half, half);
    if e % 2 == 1 { mul(q, square, base) } else { square }
}

/// a^-1 mod q, by Fermat.
pub fn inverse(q: u32, a: u32) -> u32 {
    pow(q, a, q as u64 - 2)
}

/// R = 2^32 mod q: Eval words are values times R.
pub fn radix(q: u32) -> u32 {
    ((1u64 << 32) % q as u64) as u32
}

/// The operation on words: the product of words is ab/R.
pub fn operation(q: u32, op: Op) -> impl Fn(u32, u32) -> u32 {
    let (modulus, inverse) = (q as u64, inverse(q, radix(q)));
    move |a, b| match op {
        Op::Add => ((a as u64 + b as u64) % modulus) as u32,
        Op::Sub => ((a as u64 + modulus - b as u64) % modulus) as u32,
        Op::Mul => mul(q, mul(q, a, b), inverse),
    }
}

/// psi: the first g^((q-1)/2n), g = 2, 3, ..., of order 2n.
pub fn root(n: usize, q: u32) -> u32 {
    let exponent = (q as u64 - 1) / (2 * n as u64);
    (2..q).map(|g| pow(q, g, exponent)).find(|psi| pow(q, *psi, n as u64) == q - 1).unwrap()
}

/// The bits of i, log2(n) of them, read backwards.
pub fn reversed(i: usize, n: usize) -> usize {
    let bits = n.ilog2();
    (0..bits).fold(0, |r, b| r | ((i >> b) & 1) << (bits - 1 - b))
}

/// psi^0, ..., psi^(2n - 1).
fn powers(q: u32, psi: u32, n: usize) -> Vec<u32> {
    core::iter::successors(Some(1), |p| Some(mul(q, *p, psi))).take(2 * n).collect()
}

/// sum_k a_k powers[start + k step], exponents modulo 2n.
fn sum(q: u32, a: &[u32], powers: &[u32], start: usize, step: usize) -> u32 {
    let mask = powers.len() - 1; // 2n is a power of two
    let term = |(k, a): (usize, &u32)| (*a as u64 * powers[(start + k * step) & mask] as u64) as u128;
    (a.iter().enumerate().map(term).sum::<u128>() % q as u128) as u32
}

/// Coeff to Eval: word i is R a(psi^(2 bit_reverse(i) + 1)), psi a primitive 2n-th root of unity for n the length of `a`.
pub fn evaluate(q: u32, psi: u32, a: &[u32]) -> Vec<u32> {
    evaluate_at(q, psi, a, 0..a.len())
}

/// The words of [`evaluate`] at some positions.
pub fn evaluate_at(q: u32, psi: u32, a: &[u32], positions: impl Iterator<Item = usize>) -> Vec<u32> {
    let n = a.len();
    let powers = powers(q, psi, n);
    positions.map(|i| mul(q, sum(q, a, &powers, 0, 2 * reversed(i, n) + 1), radix(q))).collect()
}

/// Eval to Coeff, by the inversion formula: a_k = 1/(nR) sum_j value_j psi^(-k (2j + 1)), value_j = word_bit_reverse(j).
pub fn interpolate(q: u32, psi: u32, words: &[u32]) -> Vec<u32> {
    let n = words.len();
    let powers = powers(q, inverse(q, psi), n);
    let values: Vec<u32> = (0..n).map(|j| words[reversed(j, n)]).collect();
    let scale = inverse(q, mul(q, n as u32, radix(q)));
    (0..n).map(|k| mul(q, sum(q, &values, &powers, k, 2 * k), scale)).collect()
}

/// ab in `Z_q[X]/(X^n + 1)`, coefficients, by the schoolbook.
pub fn product(q: u32, a: &[u32], b: &[u32]) -> Vec<u32> {
    let n = a.len();
    let (add, sub) = (operation(q, Op::Add), operation(q, Op::Sub));
    let mut out = vec![0; n];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            let (ab, k) = (mul(q, *a, *b), (i + j) % n);
            out[k] = if i + j < n { add(out[k], ab) } else { sub(out[k], ab) };
        }
    }
    out
}

/// a(X^g), coefficients: X^k goes to X^(kg), and X^n = -1.
pub fn automorphism(q: u32, g: u32, a: &[u32]) -> Vec<u32> {
    let n = a.len();
    let mut out = vec![0; n];
    for (k, a) in a.iter().enumerate() {
        let e = k * g as usize % (2 * n);
        out[e % n] = if e < n { *a } else { (q - *a) % q };
    }
    out
}

/// A block-constant operand at full length: each word n / len times.
pub fn spread(words: &[u32], n: usize) -> Vec<u32> {
    (0..n).map(|x| words[x * words.len() / n]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const Q: u32 = 786433;

    #[test]
    fn interpolation_undoes_evaluation() {
        let psi = root(8, Q);
        let a = [1, 2, 3, Q - 4, 0, 6, 7, 8];
        assert_eq!(interpolate(Q, psi, &evaluate(Q, psi, &a)), a);
    }

    #[test]
    fn values_of_a_product_are_products_of_values() {
        let psi = root(8, Q);
        let (a, b) = ([5, 0, 1, 9, Q - 1, 3, 2, 7], [1, 1, Q - 2, 4, 4, 0, 0, 9]);
        let (values, mul) = (evaluate(Q, psi, &a).into_iter().zip(evaluate(Q, psi, &b)), operation(Q, Op::Mul));
        let pointwise: Vec<u32> = values.map(|(a, b)| mul(a, b)).collect();
        assert_eq!(pointwise, evaluate(Q, psi, &product(Q, &a, &b)));
    }

    #[test]
    fn the_product_wraps_with_a_minus() {
        assert_eq!(product(Q, &[0, 0, 0, 1], &[0, 0, 1, 0]), [0, Q - 1, 0, 0]);
        assert_eq!(automorphism(Q, 3, &[1, 2, 3, 4]), [1, 4, Q - 3, 2]);
    }
}
