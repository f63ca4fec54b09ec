//! Each homomorphic operation computes its definition, and its noise is the prediction of `ckks::noise`.

use polyformer_kernel::{
    Error,
    arith::{Arithmetic, ComplexArithmetic, Transform},
    ckks::{Ciphertext, Ckks, Plaintext, noise},
    eval::trace::Trace,
    math::complex::Complex,
    params::{Params, Spec, presets},
};
use polyformer_tests::{
    chain::Chain,
    client::{Client, scattered},
};

type Be = polyformer_scalar::Scalar<'static, 'static>;

/// Runs `f` on a client and an evaluator with relinearisation, conjugation and these rotations.
fn with_keys(
    spec: &Spec<'_>,
    log_n: u8,
    rotations: &[i32],
    f: impl FnOnce(&Params, &mut Client<'_, Be>, &mut Ckks<'_, Be>),
) {
    let (params, mut be) = Chain::new(spec, log_n).into_scalar(150);
    let mut trace = Trace::new(params.slots(), None);
    let x = trace.input(params.max_message_level());
    trace.product(&x, &x).unwrap();
    trace.conjugate(&x).unwrap();
    for k in rotations {
        trace.rotate(&x, *k).unwrap();
    }
    let mut client = Client::new(&mut be, params, 3);
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Ckks::new(be, params, keys).unwrap();
    f(params, &mut client, &mut ev);
}

/// The measured error is within a third of the predicted standard deviation, and no slot is beyond 9 of them.
fn assert_noise(
    what: &str,
    (params, client, ev): (&Params, &Client<'_, Be>, &mut Ckks<'_, Be>),
    ct: &Ciphertext<Be>,
    predicted: f64,
    want: impl Fn(usize) -> Complex,
) {
    let e = client.errors(&mut ev.be, ct, want);
    let scale = params.scale(ct.level);
    let ratio = e.rms * scale / predicted;
    assert!((0.7..1.35).contains(&ratio), "{what}: noise {ratio:.2} times the prediction of 2^{:.2}", predicted.log2());
    assert!(e.worst * scale < 9.0 * predicted, "{what}: worst {:.1} standard deviations", e.worst * scale / predicted);
}

fn root_sum(a: f64, b: f64) -> f64 {
    a.hypot(b)
}

#[test]
fn every_operation_has_the_noise_that_is_predicted() {
    for (spec, log_n) in [(presets::L14, 11), (presets::B16, 10), (presets::H16, 10), (presets::L15, 12)] {
        with_keys(&spec, log_n, &[1, 2, 5], |p, client, ev| {
            let (slots, top) = (p.slots(), p.max_message_level());
            let (x, y) = (scattered(slots, 1), scattered(slots, 2));
            let fresh = noise::fresh_symmetric(p).hypot(noise::encoding(p));
            let (rounding, switch) = (noise::rounding(p), noise::key_switch(p, top));
            let mut cx = client.encrypt(&mut ev.be, &x, top);
            let cy = client.encrypt(&mut ev.be, &y, top);
            assert_noise("fresh", (p, client, ev), &cx, fresh, |i| x[i]);

            let public = client.encrypt_public(&mut ev.be, &x, top);
            assert_noise("public", (p, client, ev), &public, noise::fresh_public(p), |i| x[i]);

            let sum = {
                ev.add(&mut cx, &cy).unwrap();
                cx
            };
            assert_noise("add", (p, client, ev), &sum, fresh * 2f64.sqrt(), |i| x[i] + y[i]);
            let cx = {
                let mut x = sum;
                ev.sub(&mut x, &cy).unwrap();
                x
            };

            let rotated = ev.rotate(&cx, 5).unwrap();
            let carried = fresh * 3f64.sqrt(); // x + y - y
            assert_noise("rotate", (p, client, ev), &rotated, root_sum(carried, switch), |i| x[(i + 5) % slots]);

            let hoisted = ev.hoist(&cx, &[1, 2]).unwrap();
            let rotated = ev.hoisted(&hoisted, 2).unwrap();
            assert_noise("hoisted", (p, client, ev), &rotated, root_sum(carried, switch), |i| x[(i + 2) % slots]);

            let plain = ev.encode(&[0.5, -0.25], top).unwrap();
            let wide = ev.mul_plain(&cx, &plain).unwrap();
            let product = ev.rescale(wide).unwrap();
            let half = root_sum(carried * 0.4, rounding);
            assert_noise("mul_plain", (p, client, ev), &product, half, |i| x[i].scale([0.5, -0.25][i % 2]));

            let down = ev.copy(&cx).unwrap();
            let down = ev.drop_to_level(down, 1).unwrap();
            assert_noise("drop_to_level", (p, client, ev), &down, root_sum(carried, rounding), |i| x[i]);

            let product = ev.product(&cx, &cy).unwrap();
            let carried = root_sum(carried, fresh) * 0.58; // each error times the other value, uniform in [-1, 1]
            assert_noise("product", (p, client, ev), &product, root_sum(carried, rounding), |i| x[i] * y[i]);
        });
    }
}

#[test]
fn every_level_comes_down_to_every_level_below_it() {
    for spec in [presets::B16, presets::H16] {
        with_keys(&spec, 10, &[], |p, client, ev| {
            let x = scattered(p.slots(), 1);
            let bound = 6.0 * root_sum(noise::fresh_symmetric(p).hypot(noise::encoding(p)), noise::rounding(p));
            for from in 1..=p.max_message_level() {
                let c = client.encrypt(&mut ev.be, &x, from);
                for to in 0..from {
                    let down = ev.copy_at_level(&c, to).unwrap();
                    let e = client.errors(&mut ev.be, &down, |i| x[i]);
                    let of_the_constant = 2f64.powf(9.5) / p.scale(to);
                    let bound = bound / p.scale(to) + of_the_constant;
                    assert!(e.mean < bound, "{from} to {to}: 2^{:.2} over 2^{:.2}", e.mean.log2(), bound.log2());
                }
            }
        });
    }
}

#[test]
fn a_weighted_sum_takes_terms_from_above_that_have_its_primes() {
    with_keys(&presets::B16, 10, &[], |p, client, ev| {
        let (x, y) = (scattered(p.slots(), 1), scattered(p.slots(), 2));
        let (cx, cy) = (client.encrypt(&mut ev.be, &x, 5), client.encrypt(&mut ev.be, &y, 2));
        assert!(ev.fits(&cx, 2) && ev.fits(&cy, 2) && !ev.fits(&cy, 5) && !ev.fits(&cx, 4));
        let sum = ev.weighted_sum(&[(&cx, 0.5), (&cy, -0.75)], 2).unwrap();
        let sum = ev.rescale(sum).unwrap();
        assert_eq!(sum.level, 1);
        let fresh = noise::fresh_symmetric(p).hypot(noise::encoding(p));
        let bound = root_sum(fresh * 0.5f64.hypot(0.75), noise::rounding(p));
        assert_noise("weighted_sum", (p, client, ev), &sum, bound, |i| x[i].scale(0.5) + y[i].scale(-0.75));
        let refused = ev.weighted_sum(&[(&cx, 1.0)], 4).err();
        assert_eq!(refused, Some(Error::LevelMismatch { left: 4, right: 5 }));
    });
}

#[test]
fn monomials_and_conjugation_act_on_complex_slots() {
    with_keys(&presets::L14, 9, &[], |p, client, ev| {
        let x: Vec<Complex> = scattered(p.slots(), 1)
            .iter()
            .zip(scattered(p.slots(), 2))
            .map(|(a, b)| Complex { re: a.re, im: b.re })
            .collect();
        let mut c = client.encrypt(&mut ev.be, &x, 2);
        let check = |client: &Client<'_, Be>, ev: &mut Ckks<'_, Be>, c: &_, want: &dyn Fn(usize) -> Complex| {
            assert!(client.errors(&mut ev.be, c, want).worst < 1e-6);
        };
        ev.mul_i(&mut c).unwrap();
        check(client, ev, &c, &|i| Complex { re: -x[i].im, im: x[i].re });
        let c = ev.conjugate(&c).unwrap();
        check(client, ev, &c, &|i| Complex { re: -x[i].im, im: -x[i].re });
        let mut c = client.encrypt(&mut ev.be, &x, 2);
        let n = p.n();
        for power in [3, 2 * n - 3, n / 4, n / 4, n, n / 2] {
            ev.mul_monomial(&mut c, power).unwrap();
        }
        check(client, ev, &c, &|i| x[i]); // X^(3 - 3 + n/2 + n + n/2) = X^2n = 1
        ev.mul_int(&mut c, -3).unwrap();
        check(client, ev, &c, &|i| x[i].scale(-3.0));
    });
}

#[test]
fn a_linear_map_costs_one_rescale_and_joins_a_product() {
    with_keys(&presets::L15, 10, &[1, 2, 8, -8], |p, client, ev| {
        let (slots, top) = (p.slots(), p.max_message_level());
        let x = scattered(slots, 1);
        let cx = client.encrypt(&mut ev.be, &x, top);
        let (baby_steps, giant_steps) = ([0, 1, 2], [-8, 0, 8]);
        let diagonal =
            |k: i32| -> Vec<f64> { (0..16).map(|i| ((i * 5 + k * 3).rem_euclid(11)) as f64 / 33.0).collect() };
        let mut plain: Vec<Option<Plaintext<Be>>> = Vec::new();
        for g in giant_steps {
            for b in baby_steps {
                let rotated: Vec<f64> = (0..16).map(|i| diagonal(g + b)[(i - g).rem_euclid(16) as usize]).collect();
                plain.push(if g + b == 2 { None } else { Some(ev.encode_diagonal(&rotated, top).unwrap()) });
            }
        }
        let hoisted = ev.hoist(&cx, &baby_steps).unwrap();
        let plain: Vec<_> = plain.iter().map(Option::as_ref).collect();
        let map = Transform { baby_steps: &baby_steps, giant_steps: &giant_steps, plain: &plain };
        let mapped = ev.transform(&hoisted, &map).unwrap();
        let mut sum = ev.mul(&cx, &cx).unwrap();
        ev.accumulate(&mut sum, mapped).unwrap();
        let sum = ev.rescale(sum).unwrap();
        let want = |i: usize| {
            let terms = giant_steps.iter().flat_map(|g| baby_steps.iter().map(move |b| g + b)).filter(|k| *k != 2);
            let at = |k: i32| x[(i as i32 + k).rem_euclid(slots as i32) as usize].re;
            Complex::from(terms.map(|k| diagonal(k)[i % 16] * at(k)).sum::<f64>() + x[i].re * x[i].re)
        };
        let e = client.errors(&mut ev.be, &sum, want);
        assert!(e.worst < 2f64.powi(-24), "2^{:.1}", e.worst.log2());
    });
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    with_keys(&presets::L14, 9, &[1], |p, client, ev| {
        let top = p.max_message_level();
        let x = scattered(p.slots(), 1);
        let (mut low, high) = (client.encrypt(&mut ev.be, &x, 0), client.encrypt(&mut ev.be, &x, top));
        assert_eq!(ev.add(&mut low, &high), Err(Error::LevelMismatch { left: 0, right: top }));
        assert_eq!(ev.rotate(&high, 3).err(), Some(Error::MissingGaloisKey { galois: 125 }));
        assert_eq!(ev.scaled(&low, 0.5).err(), Some(Error::LevelExhausted { need: 1, have: 0 }));
        assert!(matches!(ev.encode(&[1.0, 2.0, 3.0], 1), Err(Error::Slots { given: 3, .. })));
        assert!(matches!(ev.encode(&[f64::INFINITY], 1), Err(Error::NotFinite { slot: 0 })));
        assert!(matches!(ev.encode(&[1e9], 1), Err(Error::TooLarge { .. })));
        assert!(matches!(ev.mul_const(&high, f64::NAN), Err(Error::TooLarge { .. })));
        assert_eq!(ev.refresh(low, 3).err(), Some(Error::NoBootstrap));
        let (keys, be) = ev.keys_mut();
        let truncated = client.key(be, polyformer_kernel::ckks::keys::Switch::Galois(p.galois(3)), 2);
        keys.galois.insert(p.galois(3), truncated);
        assert_eq!(ev.rotate(&high, 3).err(), Some(Error::KeyLevel { key: 2, operand: top }));
        let down = ev.drop_to_level(high, 2).unwrap();
        let rotated = ev.rotate(&down, 3).unwrap();
        assert!(client.errors(&mut ev.be, &rotated, |i| x[(i + 3) % p.slots()]).worst < 1e-6);
    });
}

#[test]
fn another_key_decrypts_to_noise() {
    with_keys(&presets::L14, 9, &[], |p, client, ev| {
        let x = scattered(p.slots(), 1);
        let c = client.encrypt(&mut ev.be, &x, 1);
        let stranger = Client::new(&mut ev.be, p, 99);
        assert!(stranger.errors(&mut ev.be, &c, |i| x[i]).mean > 1e3);
    });
}
