//! At n = 2^16 the oracle is too slow for every word, so the oracle checks some words of the scalar backend. All other
//! backends are compared with the scalar backend word for word.

use num_bigint::BigInt;
use polyformer_kernel::{
    backend::{Op, digit},
    params::Params,
    ring::Basis,
};
use polyformer_tests::{
    chain::Chain,
    conformance::{Build, on_scalar},
    oracle::{
        self,
        integers::{Residues, Switch, rem},
    },
    program::{Program, Step},
};

const LOG_N: u8 = 16;
const N: usize = 1 << LOG_N;
/// The words of a row that the oracle checks.
const SOME: [usize; 10] = [0, 1, 2, 3, 4, N / 2 - 1, N / 2, 12345, 54321, N - 1];

/// The words of register `reg` at prime index `m`.
fn row<'a>(program: &Program, words: &'a [Vec<u32>], reg: usize, m: usize) -> &'a [u32] {
    &words[reg][program.registers[reg].shape.range(0, m)]
}

fn primes(params: &Params, basis: Basis) -> Vec<u32> {
    basis.iter().map(|m| params.moduli()[m].q()).collect()
}

/// Residues of one coefficient of a Coeff register.
fn column(program: &Program, words: &[Vec<u32>], reg: usize, basis: Basis, k: usize) -> Vec<u32> {
    basis.iter().map(|m| row(program, words, reg, m)[k]).collect()
}

#[test]
fn the_transform_evaluates_at_odd_powers_of_psi_and_automorphisms_match_coefficients() {
    let chain = Chain::b16(LOG_N);
    let over = Basis::span(12, 14).with(1);
    let mut b = Build::new(&chain, "transform".into());
    let (a, values, back) = (b.edges(1, over, N), b.garbage(1, over, N), b.garbage(1, over, N));
    b.step(Step::Copy { over, out: values, a });
    b.step(Step::Ntt { over, a: values });
    b.step(Step::Copy { over, out: back, a: values });
    b.step(Step::Intt { over, a: back });
    let galois = [chain.params.galois(1), chain.params.galois(-7), chain.params.galois_conjugate()];
    let permuted = galois.map(|galois| {
        let out = b.garbage(1, over, N);
        b.step(Step::Permute { over, out, a: values, galois });
        b.step(Step::Intt { over, a: out });
        out
    });
    let program = b.finish();
    let words = on_scalar(&chain, &program);
    for m in over.iter() {
        let (q, a) = (chain.modulus(m).q(), row(&program, &words, a, m));
        let expected = oracle::evaluate_at(q, oracle::root(N, q), a, SOME.into_iter());
        let values = row(&program, &words, values, m);
        assert_eq!(SOME.map(|i| values[i]).to_vec(), expected);
        assert!(row(&program, &words, back, m) == a);
        for (g, out) in galois.iter().zip(permuted) {
            assert!(row(&program, &words, out, m) == oracle::automorphism(q, *g, a), "X -> X^{g} modulo {q}");
        }
    }
}

#[test]
fn conversions_and_switches_round_as_big_integers_do() {
    let chain = Chain::b16(LOG_N);
    let params = &chain.params;
    let p = Basis::span(12, 12).with(12);
    let mut checked = 0;
    for (from, to) in [
        (params.q(2), params.q(1)), // two mains dropped, a terminal restored
        (params.q(1), params.q(0)), // two terminals dropped
        (params.pq(1), params.q(1)),
        (params.pq(28), params.q(27)),
    ] {
        let mut b = Build::new(&chain, format!("{from:?} to {to:?}"));
        let (coeffs, a, out) = (b.edges(1, from, N), b.garbage(1, from, N), b.garbage(1, to, N));
        let lifted = b.garbage(1, to, N);
        let source = if from.covers(p) && !p.is_empty() { p } else { params.base() };
        b.step(Step::Copy { over: from, out: a, a: coeffs });
        b.step(Step::Ntt { over: from, a });
        b.step(Step::ModSwitch { from, to, out, a });
        b.step(Step::Intt { over: to, a: out });
        b.step(Step::Convert { from: source, to, out: lifted, a: coeffs });
        let program = b.finish();
        let words = on_scalar(&chain, &program);
        let switch = Switch::new(&primes(params, from), &primes(params, to));
        let residues = Residues::new(&primes(params, source));
        for k in (0..N).step_by(97).chain(SOME) {
            let rounded = switch.rounded(&column(&program, &words, coeffs, from, k));
            let nearest = residues.centered(&column(&program, &words, coeffs, source, k));
            for m in to.iter() {
                let q = params.moduli()[m].q();
                assert_eq!(row(&program, &words, out, m)[k], rem(&rounded, q), "coefficient {k} modulo {q}");
                assert_eq!(row(&program, &words, lifted, m)[k], rem(&nearest, q), "coefficient {k} modulo {q}");
                checked += 1;
            }
        }
    }
    assert!(checked > 10_000);
}

#[test]
fn a_key_switch_sums_lifted_digits_times_keys() {
    let chain = Chain::b16(LOG_N);
    let params = &chain.params;
    let (q, pq) = (params.q(17), params.pq(17)); // the last of three digits is cut short
    let (alpha, digits) = (params.alpha(), params.digits());
    let mut b = Build::new(&chain, "key switch".into());
    let (coeffs, d) = (b.edges(1, q, N), b.garbage(1, q, N));
    b.step(Step::Copy { over: q, out: d, a: coeffs });
    b.step(Step::Ntt { over: q, a: d });
    let key: Vec<[usize; 2]> = (0..digits).map(|_| [b.value(1, pq, N), b.value(1, pq, N)]).collect();
    let acc = [b.garbage(1, pq, N), b.garbage(1, pq, N)];
    b.step(Step::KeySwitch { q, alpha, digits, d, keys: vec![key.clone()], accs: vec![acc] });
    let program = b.finish();
    let words = on_scalar(&chain, &program);
    let lifts: Vec<Vec<BigInt>> = (0..digits)
        .map(|j| digit(q, params.specials(), alpha, j))
        .filter(|digit| !digit.is_empty())
        .map(|digit| {
            let residues = Residues::new(&primes(params, digit));
            (0..N).map(|k| residues.centered(&column(&program, &words, coeffs, digit, k))).collect()
        })
        .collect();
    assert_eq!(lifts.len(), 3);
    for m in [0, 11, pq.start as usize, pq.end as usize - 1] {
        let prime = params.moduli()[m].q();
        let (add, mul) = (oracle::operation(prime, Op::Add), oracle::operation(prime, Op::Mul));
        let mut sums = [[0; SOME.len()]; 2];
        for (lift, key) in lifts.iter().zip(&key) {
            let extended: Vec<u32> = lift.iter().map(|x| rem(x, prime)).collect();
            let values = oracle::evaluate_at(prime, oracle::root(N, prime), &extended, SOME.into_iter());
            for (sums, key) in sums.iter_mut().zip(key) {
                let key = row(&program, &words, *key, m);
                sums.iter_mut().zip(SOME).zip(&values).for_each(|((s, i), v)| *s = add(*s, mul(*v, key[i])));
            }
        }
        for (sums, acc) in sums.iter().zip(acc) {
            assert_eq!(SOME.map(|i| row(&program, &words, acc, m)[i]), *sums, "modulo {prime}");
        }
    }
}
