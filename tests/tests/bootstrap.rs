//! Bootstrapping end to end on a small ring: the precision on every kind of input, both orders, sparse vectors, and
//! many bootstraps in a row. The tests also check a missing key and a value out of range.

use polyformer_kernel::{
    Error,
    arith::Arithmetic,
    bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe, RotationStrategy, Stage},
    ckks::{
        Ckks,
        raise::{dense_basis, sparse_basis},
    },
    eval::trace::Trace,
    math::complex::Complex,
    params::{KeySecret, Params, SPARSE_WEIGHT, presets},
    ring::Basis,
};
use polyformer_tests::{
    bootstrapping::{Scalar, inputs, lockstep, refreshed, with},
    client::{Client, scattered},
};

const LOG_N: u8 = 10;
const ORDERS: [Order; 3] = [Order::SlotsToCoeffsFirst, Order::SlotsToCoeffsFirstComplex, Order::ModRaiseFirst];

fn with_bootstrapping(
    order: Order,
    (period, range): (usize, f64),
    f: impl FnOnce(&Params, &mut Client<'_, Scalar>, &mut Bootstrapped<Ckks<'_, Scalar>>),
) -> Trace {
    with((&presets::B16, LOG_N), Recipe::new(period, order, range), f)
}

#[test]
fn real_vectors_come_back_at_the_top_within_2_to_the_minus_23() {
    for period in [1 << (LOG_N - 1), 64] {
        with_bootstrapping(Order::SlotsToCoeffsFirst, (period, 1.0), |p, client, ev| {
            for (name, x) in inputs(p.slots(), period) {
                let (c, e) = refreshed(client, ev, &x);
                assert_eq!(c.level, p.max_message_level());
                assert!(e.worst < 2f64.powi(-23), "{name}: worst 2^{:.2}", e.worst.log2());
            }
        });
    }
}

#[test]
fn complex_vectors_come_back_at_the_top_or_from_level_0_three_levels_below() {
    for period in [1 << (LOG_N - 1), 32] {
        for order in [Order::SlotsToCoeffsFirstComplex, Order::ModRaiseFirst] {
            with_bootstrapping(order, (period, 1.0), |p, client, ev| {
                for (name, x) in inputs(p.slots(), period) {
                    let shifted = |i: usize| x[(i + 3) % period].re;
                    let x: Vec<Complex> =
                        x.iter().enumerate().map(|(i, z)| Complex { re: z.re, im: shifted(i) }).collect();
                    let (c, e) = refreshed(client, ev, &x);
                    assert_eq!(
                        Some(c.level),
                        if order == Order::ModRaiseFirst {
                            p.level_after_bootstrap()
                        } else {
                            Some(p.max_message_level())
                        }
                    );
                    assert!(e.worst < 2f64.powi(-22), "{order:?} {name}: worst 2^{:.2}", e.worst.log2());
                }
            });
        }
    }
}

#[test]
fn min_ks_keeps_the_precision_with_half_of_the_keys() {
    let period = 1 << (LOG_N - 1);
    for (order, bits) in ORDERS.into_iter().zip([-23, -22, -22]) {
        let hoisted = with_bootstrapping(order, (period, 1.0), |_, _, _| {});
        let recipe = Recipe::new(period, order, 1.0).with(RotationStrategy::MinKs);
        let few = with((&presets::B16, LOG_N), recipe, |_, client, ev| {
            for (name, x) in inputs(period, period) {
                let (_, e) = refreshed(client, ev, &x);
                eprintln!("{order:?} {name}: mean 2^{:.2} worst 2^{:.2}", e.mean.log2(), e.worst.log2());
                assert!(e.worst < 2f64.powi(bits), "{order:?} {name}: worst 2^{:.2}", e.worst.log2());
            }
        });
        assert!(2 * few.rotations().len() <= hoisted.rotations().len());
    }
}

#[test]
fn at_full_size_min_ks_needs_a_third_of_the_keys() {
    let params = Params::new(&presets::B16).unwrap();
    let keys = |order, steps| {
        let recipe = Recipe::new(params.slots(), order, 1.0).with(steps);
        let bootstrapper = Bootstrapper::new(&mut Trace::new(params.slots(), None), &params, &recipe).unwrap();
        bootstrapper.demand(params.slots()).unwrap().rotations.len()
    };
    for order in ORDERS {
        let [all, few] = [RotationStrategy::Hoisted, RotationStrategy::MinKs].map(|steps| keys(order, steps));
        eprintln!("{order:?}: {few} of {all}");
        assert!(few <= 2 * 7 + 2 && 3 * few <= all, "{order:?}: {few} of {all}");
    }
}

#[test]
fn every_range_has_a_bootstrap_or_is_refused() {
    let edge = 2f64.powi(64);
    for spec in [presets::B16, presets::H16] {
        let params = Params::new(&spec).unwrap();
        let demand = |order, range| {
            let recipe = Recipe::new(params.slots(), order, range);
            Bootstrapper::new(&mut Trace::new(params.slots(), None), &params, &recipe)?.demand(params.slots())
        };
        for order in ORDERS {
            for range in [1.0 / edge, 1e-6, edge] {
                assert!(demand(order, range).is_ok(), "{order:?} {range}");
            }
            for range in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-321, 0.9 / edge, 1.1 * edge] {
                assert!(matches!(demand(order, range), Err(Error::BadRange { .. })), "{order:?} {range}");
            }
        }
    }
}

#[test]
fn sparse_vectors_also_come_back_with_few_keys() {
    let recipe = Recipe::new(32, Order::ModRaiseFirst, 1.0).with(RotationStrategy::MinKs);
    with((&presets::B16, LOG_N), recipe, |p, client, ev| {
        let (_, e) = refreshed(client, ev, &inputs(p.slots(), 32)[0].1);
        assert!(e.worst < 2f64.powi(-22), "worst 2^{:.2}", e.worst.log2());
    });
}

#[test]
fn two_real_vectors_share_a_bootstrap_with_the_error_of_one() {
    for (spec, bits) in [(presets::B16, -23), (presets::F16, -15)] {
        for period in [1 << (LOG_N - 1), 64] {
            let recipe = Recipe::new(period, Order::SlotsToCoeffsFirst, 1.0);
            with((&spec, LOG_N), recipe, |p, client, ev| {
                let of = inputs(p.slots(), period);
                for ((name, x), (other, y)) in [(&of[0], &of[1]), (&of[2], &of[4])] {
                    let pair = [(x, 3), (y, 4)].map(|(x, level)| client.encrypt(&mut ev.be, x, level));
                    ev.executed(); // starts again
                    let got = ev.refresh_pair(pair, 5).unwrap();
                    let two = ev.executed();
                    for (c, x) in got.iter().zip([x, y]) {
                        assert_eq!(c.level, p.max_message_level());
                        let e = client.errors(&mut ev.be, c, |i| x[i]);
                        assert!(e.worst < 2f64.powi(bits), "{name}, {other}: worst 2^{:.2}", e.worst.log2());
                    }
                    let c = client.encrypt(&mut ev.be, x, 3);
                    ev.executed();
                    ev.refresh(c, 5).unwrap();
                    let one = ev.executed();
                    assert_eq!((one.bootstrap, two.bootstrap), (1, 1));
                    assert_eq!(two.key_switch, one.key_switch + 12, "EvalMod is done twice, and nothing else");
                }
            });
        }
    }
}

#[test]
fn two_vectors_are_bootstrapped_one_by_one_where_they_cannot_share() {
    let recipe = Recipe::new(64, Order::SlotsToCoeffsFirstComplex, 1.0);
    for (spec, recipe, bits) in [
        (presets::B16, recipe, -22), // slots are complex
        (presets::H16, Recipe { order: Order::SlotsToCoeffsFirst, ..recipe }, -30), // two iterations
    ] {
        let trace = with((&spec, LOG_N), recipe, |p, client, ev| {
            let of = inputs(p.slots(), 64);
            let pair = [0, 2].map(|i| client.encrypt(&mut ev.be, &of[i].1, 3));
            ev.executed();
            for (c, i) in ev.refresh_pair(pair, 5).unwrap().iter().zip([0, 2]) {
                let e = client.errors(&mut ev.be, c, |j| of[i].1[j]);
                assert!(e.worst < 2f64.powi(bits), "worst 2^{:.2}", e.worst.log2());
            }
            assert_eq!(ev.executed().bootstrap, 2);
        });
        assert!(trace.cost().bootstrap > 0);
    }
    with_bootstrapping(Order::SlotsToCoeffsFirst, (64, 1.0), |p, client, ev| {
        let of = inputs(p.slots(), 64);
        let pair = [(0, 3), (2, 6)].map(|(i, level)| client.encrypt(&mut ev.be, &of[i].1, level));
        let [x, y] = ev.refresh_pair(pair, 5).unwrap();
        assert_eq!((x.level, y.level), (16, 6), "only the first is below the wanted level");
    });
}

#[test]
fn two_iterations_keep_what_a_scale_of_44_bits_can_hold() {
    // A rescale leaves 2^7.9 / scale in a slot at n = 2^10, 2^-36.5; here are two and the switch down to the input's level.
    for (order, bits) in ORDERS.into_iter().zip([-32, -32, -32]) {
        for period in [1 << (LOG_N - 1), 32] {
            with((&presets::H16, LOG_N), Recipe::new(period, order, 1.0), |p, client, ev| {
                for (name, x) in inputs(p.slots(), period) {
                    let (_, e) = refreshed(client, ev, &x);
                    eprintln!("{order:?} {name}: mean 2^{:.2} worst 2^{:.2}", e.mean.log2(), e.worst.log2());
                    assert!(e.worst < 2f64.powi(bits), "{order:?} {name}: worst 2^{:.2}", e.worst.log2());
                }
            });
        }
    }
}

#[test]
fn every_stage_computes_what_it_does_in_the_clear() {
    with_bootstrapping(Order::SlotsToCoeffsFirst, (1 << (LOG_N - 1), 1.0), |p, client, ev| {
        for (name, x) in inputs(p.slots(), p.slots()) {
            let c = client.encrypt(&mut ev.be, &x, 3);
            let errors = lockstep(p, client, ev, (c, &x));
            assert_eq!(errors.len(), 3);
            for (stage, e) in errors {
                // after CoeffsToSlots in units of q0: with the ratio 2^13.4, 2^-23 of a value is 2^-36.4 of q0
                let bound = if stage == Stage::CoeffsToSlots { -36 } else { -23 };
                eprintln!("{name} {stage:?}: mean 2^{:.2} worst 2^{:.2}", e.mean.log2(), e.worst.log2());
                assert!(e.worst < 2f64.powi(bound), "{name} {stage:?}: worst 2^{:.2}", e.worst.log2());
            }
        }
    });
}

#[test]
fn ten_in_a_row_with_products_between_keep_the_precision() {
    with_bootstrapping(Order::SlotsToCoeffsFirst, (1 << (LOG_N - 1), 1.0), |p, client, ev| {
        let x = scattered(p.slots(), 4);
        let mut want: Vec<f64> = x.iter().map(|z| z.re).collect();
        let mut c = client.encrypt(&mut ev.be, &x, 3);
        for round in 1..=10 {
            let up = ev.refresh(c, 5).unwrap();
            let mut square = ev.product(&up, &up).unwrap(); // 2 x^2 - 1 keeps [-1, 1] and doubles errors at most twice
            ev.mul_int(&mut square, 2).unwrap();
            ev.add_const(&mut square, -1.0).unwrap();
            let level = ev.level(&square);
            let back = ev.drop_to_level(up, level).unwrap();
            let mut mixed = ev.scaled(&square, 0.25).unwrap();
            let other = ev.scaled(&back, 0.5).unwrap();
            ev.add(&mut mixed, &other).unwrap();
            c = ev.drop_to_level(mixed, 3).unwrap();
            want.iter_mut().for_each(|x| *x = 0.25 * (2.0 * *x * *x - 1.0) + 0.5 * *x);
            let e = client.errors(&mut ev.be, &c, |i| Complex::from(want[i]));
            // A round maps an error e to at most (|x| + 1/2) e plus its own, below 2^-23: at most 3/2 a round.
            let bound = (0..round).map(|r| 1.5f64.powi(r)).sum::<f64>() * 2f64.powi(-23);
            assert!(e.worst < bound, "round {round}: worst 2^{:.2}, bound 2^{:.2}", e.worst.log2(), bound.log2());
        }
    });
}

#[test]
fn the_trace_runs_as_many_key_switches_as_the_plan_says_and_names_every_key() {
    let trace = with_bootstrapping(Order::SlotsToCoeffsFirst, (64, 1.0), |_, _, _| {});
    let demand = trace.demand();
    assert_eq!(trace.cost().bootstrap, 1);
    assert!(demand.rotations.values().any(|level| *level <= 3), "SlotsToCoeffs has keys of its own, for low levels");
    assert_eq!(demand.conjugate, Some(24));
    assert_eq!(demand.relin, Some(24));
}

#[test]
fn a_missing_key_is_named_before_any_work_starts() {
    with_bootstrapping(Order::SlotsToCoeffsFirst, (64, 1.0), |p, client, ev| {
        let (keys, _) = ev.keys_mut();
        keys.galois.remove(&p.galois(2)).unwrap();
        let c = client.encrypt(&mut ev.be, &scattered(p.slots(), 1), 3);
        assert_eq!(ev.refresh(c, 5).err(), Some(Error::MissingRotationKey { step: 2, galois: 25 }));
        let (keys, _) = ev.keys_mut();
        keys.raise = None;
        let c = client.encrypt(&mut ev.be, &scattered(p.slots(), 1), 3);
        assert!(ev.refresh(c, 5).is_err());
    });
}

#[test]
fn a_level_too_low_to_bootstrap_is_an_error() {
    with_bootstrapping(Order::SlotsToCoeffsFirst, (64, 1.0), |p, client, ev| {
        let c = client.encrypt(&mut ev.be, &scattered(p.slots(), 1), 2);
        assert_eq!(ev.refresh(c, 5).err(), Some(Error::LevelExhausted { need: 3, have: 2 }));
    });
}

#[test]
fn outside_the_range_the_error_grows_with_the_cube_as_stated() {
    // sin(2 pi x) / 2 pi = x (1 - (2 pi x)^2 / 6 + ..), x = value / ratio, ratio = q0 / (scale 2^shift).
    with_bootstrapping(Order::SlotsToCoeffsFirst, (1 << (LOG_N - 1), 1.0), |p, client, ev| {
        let q0: f64 = p.base().iter().map(|m| p.moduli()[m].q() as f64).product();
        let ratio = q0 / p.scale(0) / 2f64.powi(7);
        for size in [2.0f64, 8.0, 32.0] {
            let x: Vec<Complex> = scattered(p.slots(), 1).iter().map(|z| z.scale(size)).collect();
            let (_, e) = refreshed(client, ev, &x);
            let cube = size * (2.0 * std::f64::consts::PI * size / ratio).powi(2) / 6.0;
            assert!(
                e.worst < cube * 1.1 + 2f64.powi(-22),
                "size {size}: 2^{:.2} over 2^{:.2}",
                e.worst.log2(),
                cube.log2()
            );
            assert!(e.worst > cube * 0.7, "size {size}: 2^{:.2} under 2^{:.2}", e.worst.log2(), cube.log2());
        }
    });
}

#[test]
fn a_wider_range_costs_its_factor_in_precision() {
    for (order, level) in ORDERS.into_iter().zip([16, 16, 13]) {
        with_bootstrapping(order, (64, 16.0), |_, client, ev| {
            let x: Vec<Complex> = scattered(1 << (LOG_N - 1), 1)
                .iter()
                .enumerate()
                .map(|(i, z)| z.scale(if i % 64 < 32 { 16.0 } else { 0.1 }))
                .collect();
            let x: Vec<Complex> = (0..x.len()).map(|i| x[i % 64]).collect();
            let (c, e) = refreshed(client, ev, &x);
            assert_eq!(c.level, level);
            assert!(e.worst < 16.0 * 2f64.powi(-22), "{order:?}: worst 2^{:.2}", e.worst.log2());
        });
    }
}

#[test]
fn a_key_under_the_sparse_secret_may_not_live_over_one_prime_more() {
    let params = Params::new(&presets::B16).unwrap();
    let allowed = sparse_basis(&params).unwrap();
    assert!(params.log_product(allowed) <= 120.0);
    let check_sparse = |basis| params.check_key(KeySecret::Sparse(SPARSE_WEIGHT), basis);
    let wider = allowed.with(allowed.specials + 1);
    assert!(matches!(check_sparse(wider), Err(Error::Insecure { log_qp, bound: 120.0 }) if log_qp > 149.0));
    let longer = Basis { end: allowed.end + 1, ..allowed };
    assert!(matches!(check_sparse(longer), Err(Error::Insecure { .. })));
    assert!(matches!(check_sparse(dense_basis(&params)), Err(Error::Insecure { .. })));
}
