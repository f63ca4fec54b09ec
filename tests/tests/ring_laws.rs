//! Ring laws, with words and polynomials drawn by proptest.

use polyformer_kernel::{
    backend::Op,
    math::modular::Modulus,
    params::presets,
    ring::{limb, tables},
};
use polyformer_tests::oracle;
use proptest::prelude::*;

/// Any prime of the preset chains: 20 to 30 bits.
fn prime() -> impl Strategy<Value = Modulus> {
    let primes: Vec<u32> = presets::B16.specials.iter().chain(presets::B16.line).copied().collect();
    proptest::sample::select(primes).prop_map(Modulus::new)
}

/// A residue, the edges often.
fn residue(q: Modulus) -> impl Strategy<Value = u32> {
    let q = q.q();
    prop_oneof![4 => 0..q, 1 => Just(0), 1 => Just(q - 1), 1 => Just(1)]
}

/// A modulus, and `count` limbs of one degree between 2 and 128.
fn limbs(count: usize) -> impl Strategy<Value = (Modulus, Vec<Vec<u32>>)> {
    (prime(), 1..8u32).prop_flat_map(move |(q, log_n)| {
        let limb = proptest::collection::vec(residue(q), 1 << log_n);
        (Just(q), proptest::collection::vec(limb, count))
    })
}

fn twiddles(q: Modulus, n: usize) -> Vec<u32> {
    let mut words = vec![0; tables::words(n, 1)];
    tables::fill(n, &[q], &mut words);
    words
}

fn ntt(q: Modulus, a: &[u32]) -> Vec<u32> {
    let mut a = a.to_vec();
    limb::ntt(q, &twiddles(q, a.len()), &mut a);
    a
}

fn intt(q: Modulus, a: &[u32]) -> Vec<u32> {
    let mut a = a.to_vec();
    limb::intt(q, &twiddles(q, a.len())[a.len()..], &mut a);
    a
}

fn zip(q: Modulus, op: Op, a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut out = vec![0xDEAD_BEEF; a.len()];
    limb::zip(q, op, &mut out, a, b);
    out
}

fn permute(g: u32, a: &[u32]) -> Vec<u32> {
    let mut out = vec![0xDEAD_BEEF; a.len()];
    limb::permute(g, &mut out, a);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn words_form_a_commutative_ring((q, x) in limbs(3)) {
        let op = |op, a: &[u32], b: &[u32]| zip(q, op, a, b);
        let [x, y, z] = [&x[0], &x[1], &x[2]];
        for o in [Op::Add, Op::Mul] {
            prop_assert_eq!(op(o, x, y), op(o, y, x));
            prop_assert_eq!(op(o, &op(o, x, y), z), op(o, x, &op(o, y, z)));
        }
        prop_assert_eq!(op(Op::Mul, x, &op(Op::Add, y, z)), op(Op::Add, &op(Op::Mul, x, y), &op(Op::Mul, x, z)));
        prop_assert_eq!(op(Op::Add, &op(Op::Sub, x, y), y), x.clone());
        prop_assert_eq!(op(Op::Mul, x, &[q.one()]), x.clone());
        prop_assert_eq!(op(Op::Add, x, &[0]), x.clone());
    }

    #[test]
    fn the_inverse_transform_undoes_the_transform((q, x) in limbs(1)) {
        prop_assert_eq!(&intt(q, &ntt(q, &x[0])), &x[0]);
        prop_assert_eq!(&ntt(q, &intt(q, &x[0])), &x[0]);
    }

    #[test]
    fn the_transform_of_a_product_is_the_pointwise_product((q, x) in limbs(2)) {
        let product = oracle::product(q.q(), &x[0], &x[1]);
        prop_assert_eq!(ntt(q, &product), zip(q, Op::Mul, &ntt(q, &x[0]), &ntt(q, &x[1])));
    }

    #[test]
    fn the_transform_is_linear((q, x) in limbs(2), c in any::<u32>()) {
        let c = q.reduce(c);
        let ax_plus_y = |x: &[u32], y: &[u32]| zip(q, Op::Add, &zip(q, Op::Mul, x, &[c]), y);
        prop_assert_eq!(ntt(q, &ax_plus_y(&x[0], &x[1])), ax_plus_y(&ntt(q, &x[0]), &ntt(q, &x[1])));
    }

    #[test]
    fn a_short_transform_is_a_long_one_constant_on_blocks((q, x) in limbs(1), log_blocks in 0..4u32) {
        let (short, stretch) = (&x[0], 1 << log_blocks);
        let n = short.len() * stretch;
        let mut long = vec![0; n]; // short(X^stretch)
        short.iter().enumerate().for_each(|(k, a)| long[k * stretch] = *a);
        let words = twiddles(q, n);
        let mut values = short.clone();
        limb::ntt(q, &words, &mut values);
        prop_assert_eq!(ntt(q, &long), oracle::spread(&values, n));
    }

    #[test]
    fn automorphisms_match_coefficients_and_compose((q, x) in limbs(1), g in 0..1u32 << 17, h in 0..1u32 << 17) {
        let (x, two_n) = (&x[0], 2 * x[0].len() as u32);
        let (g, h) = ((2 * g + 1) % two_n, (2 * h + 1) % two_n);
        prop_assert_eq!(permute(g, &ntt(q, x)), ntt(q, &oracle::automorphism(q.q(), g, x)));
        prop_assert_eq!(permute(g, &permute(h, x)), permute((g as u64 * h as u64 % two_n as u64) as u32, x));
        prop_assert_eq!(&permute(1, x), x);
    }

    #[test]
    fn automorphisms_respect_products((q, x) in limbs(2), g in 0..1u32 << 17) {
        let (x, y, g) = (&x[0], &x[1], 2 * g + 1);
        prop_assert_eq!(permute(g, &zip(q, Op::Mul, x, y)), zip(q, Op::Mul, &permute(g, x), &permute(g, y)));
    }

    #[test]
    fn reductions_match_wide_integers(q in prime(), x in any::<u64>(), w in any::<u32>()) {
        let m = q.q() as u64;
        prop_assert_eq!(q.reduce_u64(x) as u64, x % m);
        prop_assert_eq!(q.reduce_i64(x as i64) as i128, (x as i64 as i128).rem_euclid(m as i128));
        prop_assert_eq!(q.reduce(w) as u64, w as u64 % m);
        prop_assert_eq!(q.from_mont(q.to_mont(w)) as u64, w as u64 % m);
        let t = x % (m << 32); // the whole domain of redc
        prop_assert_eq!(oracle::mul(q.q(), q.redc(t), oracle::radix(q.q())) as u64, t % m);
        prop_assert!(q.redc(t) < q.q() && q.reduce_once(w % (2 * q.q())) < q.q());
    }

    #[test]
    fn inverses_and_powers_are_what_they_say(q in prime(), x in any::<u32>(), e in any::<u64>()) {
        let x = q.reduce(x).max(1);
        prop_assert_eq!(oracle::mul(q.q(), q.inv(x), x), 1);
        prop_assert_eq!(q.pow_vartime(x, e), oracle::pow(q.q(), x, e));
        prop_assert_eq!(q.inv(0), 0);
    }

    #[test]
    fn the_rounded_quotient_is_right_except_near_a_half(y in proptest::collection::vec((prime(), any::<u32>()), 1..17)) {
        let terms: Vec<(u32, u32)> = y.iter().map(|(f, y)| (f.reduce(*y), f.q())).collect();
        let sum: f64 = terms.iter().map(|(y, f)| *y as f64 / *f as f64).sum(); // exact to 2^-48
        let v = limb::quotient(terms.iter().copied());
        let off = sum - v as f64; // in [-1/2, 1/2) up to two units a term
        let slack = 2.0 * terms.len() as f64 / (1u64 << 29) as f64;
        prop_assert!(off >= -0.5 && off < 0.5 + slack, "{} -> {}", sum, v);
    }

    #[test]
    fn a_quotient_term_is_from_below_by_less_than_two_units(f in prime(), y in any::<u32>()) {
        let y = f.reduce(y);
        let exact = ((y as u128) << 29) as f64 / f.q() as f64;
        let term = limb::quotient_term(y, limb::quotient_inverse(f.q())) as f64;
        prop_assert!(term <= exact + 1e-6 && exact - term < 2.0, "{} of {}", term, exact);
    }
}

#[test]
fn every_prime_of_every_preset_has_a_root_of_each_order() {
    for q in presets::B16.specials.iter().chain(presets::B16.line) {
        let m = Modulus::new(*q);
        for n in [8, 1024, 65536] {
            let psi = tables::root(n, m);
            assert_eq!(psi, oracle::root(n, *q));
            assert_eq!(oracle::pow(*q, psi, n as u64), q - 1);
        }
    }
}
