//! The small client makes the words of a backend, reads the words of a backend, and refuses bad input.

use polyformer_kernel::{
    Error,
    backend::{Backend, Shape, poly::Poly},
    ckks::{
        Ciphertext,
        embedded::{EmbeddedClient, Tables},
        encode::{MAX_BITS, decode, encode},
        encrypt, hazmat,
        keys::{SecretKey, SecretSeed, UniformHalf, uniform},
    },
    math::{
        complex::Complex,
        embedding::{ComputedRoots, Roots, fill_roots},
    },
    params::{Params, Spec, presets},
    ring::{
        entropy,
        sample::{self, Seed},
        tables,
        twiddles::{Computed, Twiddles},
    },
};
use polyformer_tests::{chain::Chain, client::scattered};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

/// The words and roots that a plan with stored tables reads.
struct StoredTables {
    roots: Vec<Complex>,
    twiddles: Vec<u32>,
}

impl StoredTables {
    fn new(params: &Params) -> Self {
        let mut tables = Self {
            roots: vec![Complex::default(); params.slots()],
            twiddles: vec![0; tables::words(params.n(), params.moduli().len())],
        };
        fill_roots(&mut tables.roots);
        tables::fill(params.n(), params.moduli(), &mut tables.twiddles);
        tables
    }
}

fn secret() -> SecretSeed {
    SecretSeed::take(&mut [9; 32])
}

fn values(slots: usize) -> Vec<Complex> {
    let of = |seed| scattered(slots, seed).into_iter().map(|z| z.re);
    of(1).zip(of(2)).map(|(re, im)| Complex { re, im }).collect()
}

/// The public seed, c0 and c1 of these values, by the scalar backend from the raw pieces. Entropy comes from a generator
/// of seed 1.
fn on_a_backend(chain: &Chain) -> (Seed, [Vec<u32>; 2]) {
    let params = &chain.params;
    let mut rng = entropy::generator(&mut ChaCha20Rng::from_seed([1; 32])).unwrap();
    let (mut slots, mut coeffs, mut seed) = (values(params.slots()), vec![0; params.n()], [0; 32]);
    let tables = StoredTables::new(params);
    encode(&tables.roots, &mut slots, params.scale(0), MAX_BITS, &mut coeffs).unwrap();
    let mut rng = hazmat::hedged(params, &secret(), &mut rng, coeffs.iter().copied());
    rng.fill_bytes(&mut seed);
    sample::error(&mut rng, &mut coeffs);
    let key = uniform(params, UniformHalf::Ciphertext, 0, &seed);
    chain.on_scalar(6, |be| {
        let sk = SecretKey::expand(be, params, &secret(), params.modulus_chain(), &mut vec![0; params.n()]).unwrap();
        let c = hazmat::symmetric(be, &sk, params.q(0), &coeffs, (&key, 0)).unwrap();
        let words = c.map(|c| {
            let mut words = vec![0; c.shape().words()];
            be.download(c.limbs(), &mut words).unwrap();
            words
        });
        (seed, words)
    })
}

fn encrypts(params: &Params, plan: Tables<impl Roots, impl Twiddles>, (seed, want): (&Seed, &[u32])) {
    let (device, secret) = (EmbeddedClient::new(params, plan).unwrap(), secret());
    let mut rng = entropy::generator(&mut ChaCha20Rng::from_seed([1; 32])).unwrap();
    let (mut slots, mut words) = (values(params.slots()), vec![0; params.n()]);
    let mut message = device.hide(device.encode(&mut slots).unwrap(), &secret, &mut rng);
    assert_eq!(message.seed(), seed);
    for _ in 0..2 {
        for (limb, want) in want.chunks_exact(params.n()).enumerate() {
            device.encrypt(limb, &mut message, &mut words).unwrap();
            assert!(words == want, "limb {limb} at degree {}", params.n()); // also when a limb is made again
        }
    }
    let bad = device.encrypt(2, &mut message, &mut words);
    assert_eq!(bad, Err(Error::Length { expected: 2, actual: 2 }));
    drop(message);
    assert!(slots.iter().all(|z| *z == Complex::default()), "the message was wiped");
}

#[test]
fn a_device_makes_the_words_of_a_backend_with_every_memory_plan() {
    for spec in [presets::C12, presets::C13] {
        let chain = Chain::new(&spec, spec.log_n);
        let (params, (seed, [c0, _])) = (&chain.params, on_a_backend(&chain));
        let want = (&seed, &c0[..]);
        let StoredTables { roots, twiddles } = StoredTables::new(params);
        encrypts(params, Tables { roots: &roots[..], twiddles: &twiddles[..] }, want);
        encrypts(params, Tables { roots: &roots[..], twiddles: Computed }, want);
        encrypts(params, Tables { roots: ComputedRoots, twiddles: &twiddles[..] }, want);
        encrypts(params, Tables { roots: ComputedRoots, twiddles: Computed }, want);
    }
}

fn decrypts(params: &Params, plan: Tables<impl Roots, impl Twiddles>, c: &[Vec<u32>; 2], want: &[Complex]) {
    let (n, device) = (params.n(), EmbeddedClient::new(params, plan).unwrap());
    let (mut slots, mut words) = (vec![Complex::default(); params.slots()], vec![0; n]);
    let mut opening = device.open(&mut slots).unwrap();
    for limb in 0..2 {
        let pairs = (0..n).map(|i| (c[0][limb * n + i], c[1][limb * n + i]));
        device.decrypt(&mut opening, &secret(), pairs, &mut words).unwrap();
        assert!(words.iter().all(|w| *w == 0), "the limb was wiped");
    }
    let again = device.decrypt(&mut opening, &secret(), (0..n).map(|_| (0, 0)), &mut words);
    assert_eq!(again, Err(Error::Length { expected: 2, actual: 2 }));
    assert_eq!(device.close(opening).unwrap(), want);
}

#[test]
fn a_device_reads_what_a_backend_reads() {
    let chain = Chain::new(&presets::C12, 12);
    let (params, (_, c)) = (&chain.params, on_a_backend(&chain));
    let n = params.n();
    let StoredTables { roots, twiddles } = StoredTables::new(params);
    let mut coeffs = vec![0; n];
    chain.on_scalar(6, |be| {
        let shape = Shape { count: 1, basis: params.modulus_chain(), cols: n as u32 };
        let sk = SecretKey::expand(be, params, &secret(), params.modulus_chain(), &mut vec![0; n]).unwrap();
        let ct = Ciphertext { c: [0, 1].map(|i| Poly::from_words(be, shape, &c[i]).unwrap()), level: 0 };
        encrypt::decrypt(be, params, &sk, &ct, 0, &mut vec![0; 2 * n], &mut coeffs).unwrap();
    });
    let mut want = vec![Complex::default(); params.slots()];
    decode(&roots, &coeffs, params.scale(0), &mut want).unwrap();
    decrypts(params, Tables { roots: &roots[..], twiddles: &twiddles[..] }, &c, &want);
    decrypts(params, Tables { roots: ComputedRoots, twiddles: Computed }, &c, &want);
    let worst = want.iter().zip(values(params.slots())).map(|(a, b)| (a.re - b.re).abs().max((a.im - b.im).abs()));
    assert!(worst.fold(0.0, f64::max) < 2f64.powi(-29));
}

fn refusal(params: &Params, plan: Tables<impl Roots, impl Twiddles>) -> Error {
    EmbeddedClient::new(params, plan).map(|_| ()).unwrap_err()
}

#[test]
fn lengths_tables_and_values_that_do_not_fit_are_errors() {
    let params = Params::new(&presets::C12).unwrap();
    let tables = StoredTables::new(&params);
    let plan = Tables { roots: ComputedRoots, twiddles: Computed };
    let length = |expected, actual| Error::Length { expected, actual };
    let short = refusal(&params, Tables { roots: &tables.roots[1..], twiddles: Computed });
    assert_eq!(short, Error::Slots { given: 2048, slots: 2047 });
    let short = refusal(&params, Tables { roots: ComputedRoots, twiddles: &tables.twiddles[..4096] });
    assert_eq!(short, length(16384, 4096));
    let deep = Chain::new(&Spec { base: 3, levels: &[(0, 3)], ..presets::L13 }, 6);
    assert_eq!(refusal(&deep.params, plan), Error::TooMany { asked: 3, limit: 2 });

    let device = EmbeddedClient::new(&params, plan).unwrap();
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let encode = |slots: &mut [Complex]| device.encode(slots).map(|_| ()).unwrap_err();
    assert_eq!(encode(&mut values(1024)), length(2048, 1024));
    let mut slots = values(2048);
    slots[77].im = f64::INFINITY;
    assert_eq!(encode(&mut slots), Error::NotFinite { slot: 77 });
    let mut slots: Vec<Complex> = values(2048).iter().map(|z| z.scale(1e9)).collect();
    assert!(matches!(encode(&mut slots), Error::TooLarge { .. }));
    assert!(slots.iter().all(|z| *z == Complex::default()), "a message that is refused is wiped, too");

    let (mut slots, mut words, key) = (values(2048), vec![0; 4096], secret());
    let mut message = device.hide(device.encode(&mut slots).unwrap(), &key, &mut rng);
    let short = device.encrypt(0, &mut message, &mut words[1..]);
    assert_eq!(short, Err(length(4096, 4095)));
    let other = Params::new(&Spec { scale_bits: 30.0, ..presets::C12 }).unwrap();
    let other = EmbeddedClient::new(&other, plan).map(|device| device.encrypt(0, &mut message, &mut words));
    let what = "a message that was hidden for other parameters";
    assert_eq!(other, Ok(Err(Error::Unsupported { what })));
    drop(message);
    let mut opening = device.open(&mut slots).unwrap();
    let few = device.decrypt(&mut opening, &secret(), (0..100).map(|i| (i, i)), &mut words);
    assert_eq!(few, Err(length(4096, 100)));
    assert_eq!(device.close(opening).unwrap_err(), length(2, 0));
    assert_eq!(device.open(&mut [Complex::default(); 8]).map(|_| ()).unwrap_err(), length(2048, 8));
}

#[test]
fn a_source_that_repeats_its_bytes_repeats_neither_seed_nor_error_for_another_message_or_secret() {
    let params = Params::new(&presets::C12).unwrap();
    let device = EmbeddedClient::new(&params, Tables { roots: ComputedRoots, twiddles: Computed }).unwrap();
    let seeds = |secret: &SecretSeed, from: u8, change: f64| {
        let mut slots = values(2048);
        slots[2047].im += change;
        let message = device.encode(&mut slots).unwrap();
        *device.hide(message, secret, &mut ChaCha20Rng::from_seed([from; 32])).seed()
    };
    let (one, two) = (secret(), SecretSeed::take(&mut [8; 32]));
    let all = [seeds(&one, 1, 0.0), seeds(&one, 1, 1e-6), seeds(&two, 1, 0.0), seeds(&one, 2, 0.0)];
    assert!((0..4).all(|i| all[..i].iter().all(|seed| *seed != all[i])));
    assert_eq!(all[0], seeds(&one, 1, 0.0), "the same bytes and the same message are the same ciphertext");
}
