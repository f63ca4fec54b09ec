//! Every circuit of the catalogue on ciphertexts. The depth is the depth of the trace, and the values are the values of
//! f64 within the noise. Circuits deeper than the chain get their bootstraps from the planner. The bootstrap of these
//! tests holds the secret key, so that a fault of real bootstrapping has no effect.

use polyformer_catalogue::{Circuit, Entry, attention, every};
use polyformer_kernel::{
    arith::Arithmetic,
    eval::{
        clear::ClearVec,
        placement::{Placement, cheapest},
        planner::{BootstrapPlanner, TOP},
        trace::Trace,
    },
    params::presets,
};
use polyformer_tests::{
    chain::Chain,
    fake_bootstrap::decrypted,
    probe::{Probe, Seen, largest},
};

const LOG_N: u8 = 10;
const SLOTS: usize = 512;

/// The placement on a chain with `top` levels, a fresh ciphertext having all of them, and the depth.
fn placement(entry: &Entry, top: u8) -> (Placement, u8) {
    let mut deep = BootstrapPlanner::new(Trace::new(SLOTS, None), Placement::none(TOP), |_, x| Ok(x));
    let inputs: Vec<_> = (0..entry.circuit.inputs()).map(|_| deep.inner.input(TOP)).collect();
    let mut xs = inputs.into_iter().map(|x| deep.input(x).unwrap()).collect();
    entry.circuit.run(&mut deep, &mut xs, &entry.rows).unwrap();
    let depth = deep.nodes().iter().map(|n| n.depth).max().unwrap();
    (cheapest(deep.nodes(), top, top).unwrap(), depth)
}

/// A circuit on ciphertexts: its depth, and its decrypted outputs. The number of bootstraps must equal the plan's.
fn encrypted(entry: &Entry, inputs: &[Vec<f64>]) -> (u8, Vec<Vec<f64>>) {
    let (params, be) = Chain::new(&presets::L15, LOG_N).into_scalar(700);
    let top = params.max_message_level();
    let (place, depth) = placement(entry, top);

    let ran = decrypted(entry, (params, be), &place, inputs);
    assert_eq!((ran.depth, ran.bootstraps), (depth, place.bootstraps()), "{}", entry.name);
    (depth, ran.outputs)
}

/// The largest difference from f64, over the largest value.
fn error(entry: &Entry) -> f64 {
    let mut plain = entry.sample(SLOTS, 1);
    let (_, results) = encrypted(entry, &plain);
    entry.circuit.run(&mut ClearVec::<f64>::with_slots(SLOTS), &mut plain, &entry.rows).unwrap();
    let (mut worst, mut most) = (0.0f64, 0.0f64);
    for (got, want) in results.iter().flatten().zip(plain.iter().flatten()) {
        worst = worst.max((got - want).abs());
        most = most.max(want.abs());
    }
    worst / most
}

#[test]
fn every_circuit_on_ciphertexts_is_what_it_is_on_floats() {
    let mut bad = Vec::new();
    for entry in every(SLOTS).unwrap() {
        let e = error(&entry);
        println!("{:40} 2^{:.1}", entry.name, e.log2());
        if e.is_nan() || e > 2f64.powi(-16) {
            bad.push((entry.name, e));
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}

/// Rows of 128 scores, entry j of row r in slot 4 j + r, the largest of a row between 1 and 0.4.
fn scores() -> Vec<f64> {
    let size = [1.0, 0.8, 0.6, 0.4];
    (0..SLOTS).map(|i| size[i % 4] * if i / 4 == 7 { 1.0 } else { ((i * i) as f64).sin() }).collect()
}

/// The expected weights of `scores`.
fn defined(entry: &Entry, scores: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; SLOTS];
    for r in 0..4 {
        let mut row: Vec<f64> = scores.iter().skip(r).step_by(4).copied().collect();
        entry.define(&mut row).unwrap();
        row.iter().enumerate().for_each(|(j, weight)| out[4 * j + r] = *weight);
    }
    out
}

#[test]
fn power_softmax_at_the_published_range_takes_17_levels_on_ciphertexts_and_is_as_good() {
    let entries = attention(SLOTS, 128, 8.0, 2f64.powi(-10), (-3.0, 3.0)).unwrap();
    let scores = scores();
    let run = |name: &str, noise: f64| {
        let entry = entries.iter().find(|e| e.name == name).unwrap();
        let Circuit::Power(how, _) = &entry.circuit else { panic!("{name}") };
        let (depth, weights) = encrypted(entry, std::slice::from_ref(&scores));
        for (got, want) in weights[0].iter().zip(defined(entry, &scores)) {
            assert!((got - want).abs() <= how.error() * want + noise, "{name}: {got} and {want}");
        }
        (depth, how.error())
    };
    let noise = 2f64.powi(-20);
    let (published, recipe) = run("power_softmax_published", noise);
    let (ours, error) = run("power_softmax", noise);
    let (agnostic, relative) = run("power_softmax_length_agnostic", noise);
    assert_eq!(published, 27);
    assert!(ours <= 17 && error <= recipe, "depth {ours}, error {error:e} where the recipe's is {recipe:e}");
    assert!(agnostic <= 12 && relative <= 2f64.powi(-10), "depth {agnostic}, error {relative:e}");
}

#[test]
fn no_circuit_outgrows_the_modulus_of_level_0() {
    let params = Chain::new(&presets::L15, LOG_N).params;
    let q0: f64 = params.base().iter().map(|m| params.moduli()[m].q() as f64).product();
    let room = q0 / params.scale(0) / 2.0;
    for entry in every(SLOTS).unwrap() {
        let mut probe = Probe::new(ClearVec::<f64>::with_slots(SLOTS), |_, x| largest(x));
        let mut xs = entry.sample(SLOTS, 1);
        entry.circuit.run(&mut probe, &mut xs, &entry.rows).unwrap();
        let (at, seen) = probe.most().unwrap();
        assert!(seen.most < room, "{}: {seen:?} at operation {at}, room {room:e}", entry.name);
    }
}

#[test]
fn a_probe_sees_every_result_and_names_the_largest() {
    let mut probe = Probe::new(ClearVec::<f64>::with_slots(2), |_, x| largest(x));
    let mut x = vec![1.0, -3.0];
    probe.add_const(&mut x, 1.0).unwrap();
    let y = probe.product(&x, &x).unwrap();
    let y = probe.rotate(&y, 1).unwrap();
    assert_eq!(y, [4.0, 4.0]);
    let seen = |op, most| Seen { op, most };
    assert_eq!(probe.seen(), [seen("add_const", 2.0), seen("rescale", 4.0), seen("rotate", 4.0)]);
    assert_eq!(probe.most(), Some((1, seen("rescale", 4.0))));
}
