//! Answers of an independent program, `vectors/make.py`, which uses Python integers and numpy and follows the formulas.

use polyformer_kernel::{
    backend::Shape,
    ckks::encode,
    math::{complex::Complex, embedding::fill_roots},
    params::presets,
    ring::{Basis, limb},
};
use polyformer_tests::{
    chain::Chain,
    conformance::on_scalar,
    program::{Program, Reg, Step},
};
use serde_json::Value;

fn cases(name: &str) -> Vec<Value> {
    let path = format!("{}/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(cases.len() >= 4);
    cases
}

fn number(case: &Value, key: &str) -> u64 {
    case[key].as_u64().unwrap()
}

fn numbers(case: &Value, key: &str) -> Vec<u32> {
    case[key].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as u32).collect()
}

/// The generator of the inputs.
fn stream(seed: u64) -> impl Iterator<Item = u64> {
    let next = |x: u64| x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    std::iter::successors(Some(next(seed)), move |x| Some(next(*x))).map(|x| x >> 33)
}

fn residues(n: usize, q: u32, seed: u64) -> Vec<u32> {
    stream(seed).take(n).map(|x| (x % q as u64) as u32).collect()
}

/// Compares rows with the words that an answer lists and with its hash over all of them.
fn compare(answer: &Value, rows: &[Vec<i64>]) {
    assert_eq!(rows.len(), answer["rows"].as_array().unwrap().len());
    for (r, row) in rows.iter().enumerate() {
        for (at, expected) in numbers(answer, "at").iter().zip(answer["rows"][r].as_array().unwrap()) {
            assert_eq!(row[*at as usize], expected.as_i64().unwrap(), "row {r}, word {at}");
        }
        assert_eq!(fnv(row).to_string(), answer["fnv"][r].as_str().unwrap(), "row {r}");
    }
}

/// FNV-1a over the bytes of little-endian 64-bit words.
fn fnv(row: &[i64]) -> u64 {
    let bytes = row.iter().flat_map(|x| x.to_le_bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |h, byte| (h ^ byte as u64).wrapping_mul(0x100_0000_01B3))
}

fn signed(words: &[u32], cols: usize) -> Vec<Vec<i64>> {
    words.chunks(cols).map(|row| row.iter().map(|x| *x as i64).collect()).collect()
}

/// The basis of the chain that consists of these primes.
fn basis(chain: &Chain, primes: &[u32]) -> Basis {
    let line: Vec<usize> =
        primes.iter().map(|q| chain.params.moduli().iter().position(|m| m.q() == *q).unwrap()).collect();
    let specials = line.iter().filter(|m| **m < chain.params.specials() as usize).count();
    let basis = Basis::span(line[specials], line[line.len() - 1] + 1).with(specials as u16);
    assert!(basis.iter().eq(line), "not a basis");
    basis
}

/// A Coeff register whose row r is stream `seed` + r.
fn operand(chain: &Chain, program: &mut Program, basis: Basis, seed: u64) -> Reg {
    let n = chain.params.n();
    let rows = basis.iter().enumerate();
    let words = rows.flat_map(|(r, m)| residues(n, chain.modulus(m).q(), seed + r as u64)).collect();
    program.register(Shape { count: 1, basis, cols: n as u32 }, words)
}

fn zeros(chain: &Chain, program: &mut Program, basis: Basis) -> Reg {
    let shape = Shape { count: 1, basis, cols: chain.params.n() as u32 };
    program.register(shape, vec![0; shape.words()])
}

#[test]
fn the_transform_gives_the_known_values() {
    for case in cases("ntt") {
        let chain = Chain::b16(number(&case, "n").ilog2() as u8);
        let (n, q) = (chain.params.n(), number(&case, "q") as u32);
        let m = chain.params.moduli().iter().position(|m| m.q() == q).unwrap();
        let (ring, modulus) = (chain.ring(), chain.modulus(m));
        assert_eq!(polyformer_kernel::ring::tables::root(n, modulus) as u64, number(&case, "psi"));
        let mut a = residues(n, q, number(&case, "seed"));
        limb::ntt(modulus, ring.twiddles(m), &mut a);
        compare(&case, &[a.iter().map(|x| modulus.from_mont(*x) as i64).collect()]);
    }
}

#[test]
fn switching_moduli_gives_the_known_integers() {
    for case in cases("rescale") {
        let chain = Chain::b16(number(&case, "n").ilog2() as u8);
        let (from, to) = (basis(&chain, &numbers(&case, "from")), basis(&chain, &numbers(&case, "to")));
        let mut program = Program::new("rescale");
        let a = operand(&chain, &mut program, from, number(&case, "seed"));
        let out = zeros(&chain, &mut program, to);
        program.step(Step::Ntt { over: from, a });
        program.step(Step::ModSwitch { from, to, out, a });
        program.step(Step::Intt { over: to, a: out });
        compare(&case, &signed(&on_scalar(&chain, &program)[out], chain.params.n()));
    }
}

#[test]
fn a_key_switch_gives_the_known_polynomials() {
    for case in cases("key_switch") {
        let chain = Chain::b16(number(&case, "n").ilog2() as u8);
        let (params, seed) = (&chain.params, number(&case, "seed"));
        let q = basis(&chain, &numbers(&case, "q"));
        let full = q.with(params.specials());
        let mut program = Program::new("key switch");
        let d = operand(&chain, &mut program, q, seed);
        program.step(Step::Ntt { over: q, a: d });
        let half = |program: &mut Program, i: u64| {
            let a = operand(&chain, program, full, seed + 1000 * (i + 1));
            program.step(Step::Ntt { over: full, a });
            a
        };
        let key = (0..params.digits() as u64).map(|j| [2 * j, 2 * j + 1].map(|i| half(&mut program, i))).collect();
        let acc = [(); 2].map(|()| zeros(&chain, &mut program, full));
        let (alpha, digits) = (params.alpha(), params.digits());
        program.step(Step::KeySwitch { q, alpha, digits, d, keys: vec![key], accs: vec![acc] });
        let divided = acc.map(|a| {
            let out = zeros(&chain, &mut program, q);
            program.step(Step::ModSwitch { from: full, to: q, out, a });
            program.step(Step::Intt { over: q, a: out });
            program.step(Step::Intt { over: full, a });
            out
        });
        let words = on_scalar(&chain, &program);
        for half in 0..2 {
            compare(&case["sums"][half], &signed(&words[acc[half]], params.n()));
            compare(&case["divided"][half], &signed(&words[divided[half]], params.n()));
        }
    }
}

#[test]
fn encoding_gives_the_known_coefficients() {
    for case in cases("encode") {
        let n = number(&case, "n") as usize;
        let mut roots = vec![Complex::default(); n / 2];
        fill_roots(&mut roots);
        let mut words = stream(number(&case, "seed"));
        let mut part = || (words.next().unwrap() % (1 << 21)) as f64 / (1 << 20) as f64 - 1.0;
        let mut slots: Vec<Complex> = (0..n / 2).map(|_| Complex { re: part(), im: part() }).collect();
        let mut coeffs = vec![0; n];
        let scale = (1u64 << number(&case, "scale_bits")) as f64;
        encode::encode(&roots, &mut slots, scale, encode::MAX_BITS, &mut coeffs).unwrap();
        compare(&case, &[coeffs]);
    }
}

#[test]
fn the_vectors_use_the_primes_of_the_preset() {
    let case = &cases("key_switch")[2];
    assert_eq!(numbers(case, "q"), presets::B16.line[..26]);
}
