//! From a small client's ring to a server's ring and back, by laws on small rings. Keys under the client's secret obey
//! the bound of the client's ring. One test runs a small client's question through an encrypted transformer.

use polyformer_kernel::{
    Error,
    arith::Arithmetic,
    backend::{Backend, Shape, poly::Poly},
    bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe},
    ckks::{
        Ckks,
        embedded::{EmbeddedClient, Tables},
        keys::{Keys, SecretKey, SecretSeed},
        noise,
        ring_switch::{LiftKey, LowerKey, lift_basis, lower_basis, receive},
    },
    eval::trace::Trace,
    math::{complex::Complex, embedding::ComputedRoots},
    nn::{
        forward,
        slot_engine::{BootstrapLevels, Layout, SlotEngine},
    },
    params::{KeySecret, Params, Security, Spec, presets},
    ring::{sample, tables, twiddles::Computed},
};
use polyformer_tests::{
    chain::Chain,
    client::{Client, Errors, scattered},
    transformer,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

fn secret() -> SecretSeed {
    SecretSeed::take(&mut [21; 32])
}

/// The public seed and c0 of `values` as a device of the ring `small` encrypts them.
fn ask(small: &Params, values: &[Complex]) -> (sample::Seed, Vec<u32>) {
    let device = EmbeddedClient::new(small, Tables { roots: ComputedRoots, twiddles: Computed }).unwrap();
    let (mut slots, mut limb, secret) = (values.to_vec(), vec![0; small.n()], secret());
    let message = device.encode(&mut slots).unwrap();
    let mut message = device.hide(message, &secret, &mut ChaCha20Rng::from_seed([4; 32]));
    let limbs = (0..device.limbs()).flat_map(|i| {
        device.encrypt(i, &mut message, &mut limb).unwrap();
        limb.clone()
    });
    let words = limbs.collect();
    (*message.seed(), words)
}

/// The small client's reading of an answer.
fn read(small: &Params, [c0, c1]: &[Vec<u32>; 2]) -> Vec<Complex> {
    let device = EmbeddedClient::new(small, Tables { roots: ComputedRoots, twiddles: Computed }).unwrap();
    let (n, mut slots, mut limb) = (small.n(), vec![Complex::default(); small.slots()], vec![0; small.n()]);
    let mut opening = device.open(&mut slots).unwrap();
    for i in 0..device.limbs() {
        let pairs = c0[i * n..].iter().copied().zip(c1[i * n..].iter().copied());
        device.decrypt(&mut opening, &secret(), pairs, &mut limb).unwrap();
    }
    device.close(opening).unwrap().to_vec()
}

/// The two keys between the ring of `client` and that of the device.
fn keys<B: Backend>(be: &mut B, params: &Params, small: &Params, large: &SecretSeed) -> (LiftKey<B>, LowerKey<B>) {
    let (scratch, rng) = (&mut vec![0; params.n()], &mut ChaCha20Rng::from_seed([8; 32]));
    let all = params.full();
    let sk = SecretKey::expand(be, params, large, all, scratch).unwrap();
    let device = SecretKey::expand_small(be, small, &secret(), all, scratch).unwrap();
    let lift = LiftKey::generate(be, params, small, [&device, &sk], rng, scratch).unwrap();
    let lower = LowerKey::generate(be, params, small, [&sk, &device], rng, scratch).unwrap();
    (lift, lower)
}

fn errors(got: &[Complex], want: impl Fn(usize) -> Complex) -> Errors {
    Errors::of(got.iter().enumerate().map(|(i, z)| (z.re - want(i).re).hypot(z.im - want(i).im)))
}

fn complex(slots: usize) -> Vec<Complex> {
    scattered(slots, 1).iter().zip(scattered(slots, 2)).map(|(a, b)| Complex { re: a.re, im: b.re }).collect()
}

#[test]
fn a_lifted_vector_repeats_and_a_lowered_one_is_the_mean_of_its_copies() {
    for (log_n, log_m) in [(9, 6), (9, 9), (10, 3)] {
        let (params, mut be) = Chain::b16(log_n).into_scalar(60);
        let small = Chain::new(&presets::C12, log_m).params;
        let mut client = Client::new(&mut be, params, 3);
        let (lift, lower) = keys(&mut be, params, &small, &client.secret());
        let x = complex(small.slots());
        let (seed, c0) = ask(&small, &x);
        let mut ev = Bootstrapped::new(Ckks::new(be, params, Keys::default()).unwrap());
        let question = receive(&mut ev.be, params, &small, &c0, &seed).unwrap();
        let lifted = ev.lift(&lift, &question).unwrap();
        let e = client.errors(&mut ev.be, &lifted, |i| x[i % x.len()]);
        let bound = 8.0 * (noise::rounding(params) + noise::fresh_symmetric(params)) / params.scale(0);
        assert!(e.worst < bound, "2^{log_m} to 2^{log_n}: {:e} over {bound:e}", e.worst);

        let back = read(&small, &ev.lower(&lower, &small, &lifted).unwrap());
        let e = errors(&back, |i| x[i]);
        assert!(e.worst < 2.0 * bound, "and back: {:e} over {bound:e}", e.worst);

        let y = complex(params.slots());
        let ct = client.encrypt(&mut ev.be, &y, 0);
        let mean = |i: usize| {
            let copies = y.iter().skip(i).step_by(small.slots());
            copies.fold(Complex::default(), |sum, z| sum + *z).scale(small.n() as f64 / params.n() as f64)
        };
        let e = errors(&read(&small, &ev.lower(&lower, &small, &ct).unwrap()), mean);
        assert!(e.worst < 2.0 * bound, "a vector that does not repeat: {:e} over {bound:e}", e.worst);
    }
}

/// The words of a lifted question, and of its answer.
fn there_and_back<B: Backend>(mut be: B, params: &Params, small: &Params) -> Vec<Vec<u32>> {
    let (lift, lower) = keys(&mut be, params, small, &SecretSeed::take(&mut [5; 32]));
    let mut ev = Bootstrapped::new(Ckks::new(be, params, Keys::default()).unwrap());
    let (seed, c0) = ask(small, &complex(small.slots()));
    let question = receive(&mut ev.be, params, small, &c0, &seed).unwrap();
    let lifted = ev.lift(&lift, &question).unwrap();
    let mut words = ev.lower(&lower, small, &lifted).unwrap().to_vec();
    for c in &lifted.c {
        let mut row = vec![0; c.shape().words()];
        ev.be.download(c.limbs(), &mut row).unwrap();
        words.push(row);
    }
    words
}

#[test]
fn backends_switch_rings_word_for_word_alike() {
    for (log_n, log_m) in [(12, 9), (10, 3)] {
        let chain = Chain::b16(log_n);
        let small = Chain::new(&presets::C12, log_m).params;
        let fast = there_and_back(polyformer_cpu::Cpu::new(chain.ring()), &chain.params, &small);
        let (params, be) = Chain::b16(log_n).into_scalar(40);
        assert!(fast == there_and_back(be, params, &small), "2^{log_m} and 2^{log_n}");
    }
}

#[test]
fn a_key_under_the_small_secret_may_not_live_over_one_prime_more() {
    let (params, small) = (Params::new(&presets::B16).unwrap(), Params::new(&presets::C12).unwrap());
    let allowed = lower_basis(&params, &small).unwrap();
    assert!(params.log_product(allowed) <= 106.0 && allowed.specials == 1);
    for wider in
        [allowed.with(2), polyformer_kernel::ring::Basis { end: allowed.end + 1, ..allowed }, lift_basis(&params)]
    {
        let error = params.check_key(KeySecret::Small(&small), wider).unwrap_err();
        assert!(matches!(error, Error::Insecure { log_qp, bound: 106.0 } if log_qp > 118.0), "{error}");
    }
    let strict = Params::new(&Spec { security: Security::Bits192, ..presets::C12 }).unwrap();
    let error = lower_basis(&params, &strict).unwrap_err();
    assert!(matches!(error, Error::Insecure { log_qp, bound: 73.0 } if log_qp > 89.0), "{error}");
    let c13 = Params::new(&presets::C13).unwrap();
    assert_eq!(lower_basis(&params, &c13).unwrap(), allowed);
}

#[test]
fn full_size_keys_are_what_was_checked() {
    let chain = Chain::new(&presets::B16, 16);
    let (params, small) = (&chain.params, Params::new(&presets::C12).unwrap());
    let words = 5 * params.n();
    let mut memory: Vec<Vec<u32>> = (0..12).map(|_| vec![0; words]).collect();
    let pool: Vec<polyformer_scalar::Block<'_>> = memory.iter_mut().map(|m| polyformer_scalar::Block::new(m)).collect();
    let be = &mut polyformer_scalar::Scalar::new(chain.ring(), &pool);
    let (scratch, rng) = (&mut vec![0; params.n()], &mut ChaCha20Rng::from_seed([8; 32]));
    let basis = lower_basis(params, &small).unwrap();
    let sk = SecretKey::expand(be, params, &SecretSeed::take(&mut [1; 32]), basis, scratch).unwrap();
    let device = SecretKey::expand_small(be, &small, &secret(), basis, scratch).unwrap();
    let key = LowerKey::generate(be, params, &small, [&sk, &device], rng, scratch).unwrap();
    assert_eq!(key.digits.len(), 2);
    for limbs in key.digits.iter().flatten() {
        let log_qp = params.log_product(limbs.shape.basis);
        assert!(log_qp <= small.security().bound(small.log_n()).unwrap(), "{log_qp}");
    }
    let strict = Params::new(&Spec { security: Security::Bits192, ..presets::C12 }).unwrap();
    let broken = LowerKey::generate(be, params, &strict, [&sk, &device], rng, scratch);
    assert!(matches!(broken.map(|_| ()), Err(Error::Insecure { .. })));
}

#[test]
fn rings_that_do_not_fit_and_words_that_are_none_are_errors() {
    let (params, mut be) = Chain::b16(8).into_scalar(40);
    let small = Chain::new(&presets::C12, 5).params;
    let fails = |spec: Spec<'_>, log_n| lower_basis(params, &Chain::new(&spec, log_n).params).unwrap_err();
    let large = fails(presets::C12, 9).to_string();
    assert_eq!(large, "the small ring's degree must not exceed the large ring's: 512 and 256 given");
    let bare = Spec { line: presets::C12.line, log_n: 9, security: Security::Toy, ..presets::C12 };
    let bare = lower_basis(&Params::new(&bare).unwrap(), &small).unwrap_err();
    assert_eq!(bare.to_string(), "not supported: ring switching without a special prime");
    let other = Spec { line: &[1054212097, 1073479681], ..presets::C12 };
    assert_eq!(fails(other, 5), Error::BadModulus { modulus: 1073479681, two_n: 512 });
    let one = Spec { line: &[1054212097], base: 1, levels: &[(0, 1)], scale_bits: 20.0, ..presets::C12 };
    assert_eq!(fails(one, 5), Error::Length { expected: 2, actual: 1 });
    let finer = fails(Spec { scale_bits: 40.0, ..presets::C12 }, 5);
    assert!(matches!(finer, Error::ScaleMismatch { right, .. } if right == 2f64.powi(40)));

    let (seed, mut words) = ask(&small, &complex(16));
    let short = receive(&mut be, params, &small, &words[1..], &seed).map(|_| ());
    assert_eq!(short, Err(Error::Length { expected: 64, actual: 63 }));
    words[40] = u32::MAX;
    let wide = receive(&mut be, params, &small, &words, &seed).map(|_| ()).unwrap_err();
    let q = small.moduli()[small.base().iter().nth(1).unwrap()].q();
    assert_eq!(wide.to_string(), format!("the word 4294967295 is not below the modulus {q}"));

    let mut client = Client::new(&mut be, params, 3);
    let (lift, lower) = keys(&mut be, params, &small, &client.secret());
    drop(lift);
    let high = client.encrypt(&mut be, &complex(128), 1);
    let (specials, level) = (params.specials(), 1);
    assert!(specials > 0 && high.level == level);
    let mut ev = Bootstrapped::new(Ckks::new(be, params, Keys::default()).unwrap());
    assert_eq!(ev.lower(&lower, &small, &high), Err(Error::LevelMismatch { left: 0, right: 1 }));
}

/// The words of a small ring are the block-constant words of the large one: both take their roots of unity from the same
/// generator.
#[test]
fn the_words_of_the_small_ring_are_those_of_the_powers_of_x() {
    let (chain, small) = (Chain::b16(8), Chain::new(&presets::C12, 5));
    let (n, m) = (chain.params.n(), small.params.n());
    let base = chain.params.base();
    for (index, q) in base.iter().zip(small.params.moduli()) {
        let psi = chain.modulus(index).pow_vartime(tables::root(n, *q), (n / m) as u64);
        assert_eq!(psi, tables::root(m, *q));
    }
    let coeffs: Vec<i64> = (0..m as i64).map(|i| i * i - 300).collect();
    let transformed = small.on_scalar(2, |be| {
        let shape = Shape { count: 1, basis: small.params.modulus_chain(), cols: m as u32 };
        let x = Poly::from_signed(be, shape, &coeffs).unwrap().ntt(be);
        let mut words = vec![0; shape.words()];
        be.download(x.limbs(), &mut words).unwrap();
        words
    });
    let mut spread = vec![0; n];
    spread.iter_mut().step_by(n / m).zip(&coeffs).for_each(|(x, c)| *x = *c);
    chain.on_scalar(2, |be| {
        let shape = Shape { count: 1, basis: base, cols: n as u32 };
        let x = Poly::from_signed(be, shape, &spread).unwrap().ntt(be);
        let mut words = vec![0; shape.words()];
        be.download(x.limbs(), &mut words).unwrap();
        assert!(words.chunks_exact(n / m).zip(&transformed).all(|(block, w)| block.iter().all(|x| x == w)));
    });
}

#[test]
fn a_device_gets_the_answer_of_an_encrypted_transformer() {
    let model = transformer::model(16, 32, 5);
    let (params, mut be) = Chain::b16(10).into_scalar(700);
    let small = Chain::new(&presets::C12, 7).params;
    let layout = Layout::new(&[3], 16, model.heads, small.slots()).unwrap();
    let (period, order) = (layout.period(), Order::SlotsToCoeffsFirst);
    let levels = BootstrapLevels::new(params, order).unwrap();
    let mut trace = Trace::new(params.slots(), None);
    let first = Bootstrapper::new(&mut trace, params, &Recipe::new(period, Order::ModRaiseFirst, model.range)).unwrap();
    let later = Bootstrapper::new(&mut trace, params, &Recipe::new(period, order, model.range)).unwrap();
    let mut trace = Bootstrapped::with(trace, later).unwrap();
    let x = trace.input(0);
    let x = first.refresh(&mut *trace, x).unwrap();
    let x = trace.refresh(x, params.max_message_level()).unwrap();
    forward(&mut SlotEngine::bootstrapping(&mut trace, layout.clone(), levels), &model, vec![x]).unwrap();
    assert_eq!(trace.cost().bootstrap, 4);

    // On the device.
    let rows = transformer::noise(5, 3 * 16);
    let mut packed = vec![0.0; period];
    layout.pack(0, &rows, &mut packed).unwrap();
    let slots: Vec<Complex> = (0..small.slots()).map(|i| Complex::from(packed[i % period])).collect();
    let (seed, question) = ask(&small, &slots);

    // On the server, which has keys.
    let mut client = Client::new(&mut be, params, 5);
    let (lift, lower) = keys(&mut be, params, &small, &client.secret());
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    let first = Bootstrapper::new(&mut *ev, params, &Recipe::new(period, Order::ModRaiseFirst, model.range)).unwrap();
    ev.prepare(params, &Recipe::new(period, order, model.range)).unwrap();
    let question = receive(&mut ev.be, params, &small, &question, &seed).unwrap();
    let x = ev.lift(&lift, &question).unwrap();
    let x = first.refresh(&mut *ev, x).unwrap();
    let x = ev.refresh(x, params.max_message_level()).unwrap();
    let mut answer = forward(&mut SlotEngine::bootstrapping(&mut ev, layout.clone(), levels), &model, vec![x]).unwrap();
    let answer = ev.drop_to_level(answer.remove(0), 0).unwrap();
    let answer = ev.lower(&lower, &small, &answer).unwrap();

    // On the device.
    let logits: Vec<f64> = read(&small, &answer).iter().map(|z| z.re).collect();
    for (got, want) in layout.unpack(0, &logits, 5).unwrap().iter().zip(transformer::dense(&model, &rows)) {
        assert!((got - want).abs() < 2f64.powi(-14), "{got} and {want}");
    }
}
