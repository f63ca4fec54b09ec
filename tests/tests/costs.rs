//! Every circuit of the catalogue: its cost is fixed, and all its clear evaluators agree. Every depth that the kernel
//! writes as a constant is the depth of the trace.

use polyformer_catalogue::{Entry, every};
use polyformer_kernel::{
    arith::{Arithmetic, cost::Cost},
    bootstrap::{
        design::{DEGREE, REACH},
        sine::Sine,
    },
    circuits::{
        PRODUCT_DEPTH,
        activation::{QUADRATIC_DEPTH, quadratic},
        attention::Similarity,
        linear::{self, BsgsSplit},
        matmul::grouped::{self, Factors, Groups, MIX_DEPTH, SCORES_DEPTH, SHIFT_DEPTH, TURN_DEPTH},
        mul_aligned,
        reduce::{MASK_DEPTH, masked},
    },
    eval::{
        clear::ClearVec,
        interval::{Bounds, IntervalVec},
        trace::{Leveled, Trace},
    },
    nn::{
        Engine, Head, Pooling,
        slot_engine::{CLASSIFY_DEPTH, Layout, SlotEngine},
    },
    params::bootstrapping::EVAL_MOD_DEPTH,
};
use polyformer_tests::transformer::model;
use std::{collections::BTreeSet, fs, path::Path};

const SLOTS: usize = 512;
const TOP: u8 = 100;

fn trace(entry: &Entry) -> (u8, Cost) {
    let mut tr = Trace::new(SLOTS, None);
    let mut xs = (0..entry.circuit.inputs()).map(|_| tr.input(TOP)).collect();
    entry.circuit.run(&mut tr, &mut xs, &entry.rows).unwrap();
    let depth = xs.iter().map(|x| TOP - tr.level(x)).max().unwrap();
    (depth, tr.cost())
}

/// Name, depth, products of two ciphertexts, key switches. Change a row only on purpose.
const GOLDEN: &[(&str, u8, u32, u32)] = &[
    ("power_softmax_published", 27, 47, 54),
    ("power_softmax", 16, 27, 34),
    ("power_softmax_folded", 15, 27, 34),
    ("power_softmax_lipschitz", 14, 23, 30),
    ("power_softmax_stable", 10, 13, 20),
    ("power_softmax_length_agnostic", 10, 15, 22),
    ("power_softmax_length_agnostic_folded", 9, 15, 22),
    ("sigma_gelu", 6, 9, 8),
    ("sigma_relu", 6, 9, 8),
    ("gaussian", 5, 6, 5),
    ("bpmax", 3, 3, 3),
    ("cgf", 6, 7, 21),
    ("nexus", 15, 18, 25),
    ("normalise_and_square", 43, 73, 109),
    ("layer_norm", 11, 37, 46),
    ("layer_norm_blocks", 8, 15, 29),
    ("layer_norm_folded", 10, 37, 46),
    ("rms_norm", 11, 36, 38),
    ("rms_norm_blocks", 8, 14, 20),
    ("centre", 1, 0, 7),
    ("gelu", 6, 9, 8),
    ("silu", 6, 9, 8),
    ("tanh", 6, 12, 11),
    ("relu", 14, 27, 24),
    ("quadratic", 1, 1, 1),
    ("reciprocal", 7, 12, 12),
    ("reciprocal_newton", 6, 6, 6),
    ("inverse_root", 7, 25, 20),
    ("inverse_root_newton", 10, 15, 15),
    ("row_sum", 0, 0, 7),
    ("row_sum_blocks", 1, 0, 8),
    ("mask", 1, 0, 0),
    ("linear", 1, 0, 16),
    ("linear_qkv", 1, 0, 18),
    ("attention", 3, 120, 193),
    ("bicyclic", 1, 4, 7),
    ("batched", 1, 0, 0),
    ("gaussian_exponent", 1, 0, 0),
    ("batch_norm", 1, 0, 0),
];

#[test]
fn no_circuit_eats_a_level_unseen() {
    let table: Vec<_> = every(SLOTS)
        .unwrap()
        .iter()
        .map(|e| {
            let (depth, cost) = trace(e);
            (e.name, depth, cost.mul, cost.key_switch)
        })
        .collect();
    assert!(table == GOLDEN, "{}", table.iter().map(|line| format!("    {line:?},\n")).collect::<String>());
}

#[test]
fn floats_lie_inside_their_enclosures() {
    for entry in every(SLOTS).unwrap() {
        let inputs = entry.sample(SLOTS, 1);
        let mut double = inputs.clone();
        let mut sure: Vec<_> = inputs.iter().map(|x| x.iter().map(|x| Bounds::point(*x)).collect()).collect();
        let mut single: Vec<Vec<f32>> = inputs.iter().map(|x| x.iter().map(|x| *x as f32).collect()).collect();
        let mut sure_single: Vec<_> =
            single.iter().map(|x| x.iter().map(|x| Bounds::point(*x)).collect::<Vec<_>>()).collect();
        entry.circuit.run(&mut ClearVec::<f64>::with_slots(SLOTS), &mut double, &entry.rows).unwrap();
        entry.circuit.run(&mut IntervalVec::<f64>::with_slots(SLOTS), &mut sure, &entry.rows).unwrap();
        entry.circuit.run(&mut ClearVec::<f32>::with_slots(SLOTS), &mut single, &entry.rows).unwrap();
        let name = entry.name;
        let inside = |x: &f64, s: &Bounds<f64>| s.contains(*x);
        assert!(double.iter().flatten().zip(sure.iter().flatten()).all(|(x, s)| inside(x, s)), "{name}");
        // an f32 enclosure may grow beyond all floats where the circuit cancels: then it says so
        let run = entry.circuit.run(&mut IntervalVec::<f32>::with_slots(SLOTS), &mut sure_single, &entry.rows);
        if run.is_ok() {
            let all = single.iter().flatten().zip(sure_single.iter().flatten());
            assert!(all.into_iter().all(|(x, s)| s.contains(*x)), "{name}");
        }
    }
}

/// The levels between `TOP` and the result of a circuit.
fn depth(circuit: impl FnOnce(&mut Trace) -> Leveled) -> u8 {
    let mut tr = Trace::new(SLOTS, None);
    let y = circuit(&mut tr);
    TOP - tr.level(&y)
}

/// Two heads of 16 features, of 4 tokens in 4 groups or of 16 tokens in one group.
fn groups(tokens: usize) -> Groups {
    Groups::new(tokens, 16, 32).unwrap()
}

const ONES: Factors<'static> = Factors { period: 32, at: &|_| 1.0 };

/// The levels of scores, and of their mixing if the sum of a row is wanted: those of the result and those of the sum.
fn scores(tokens: usize, similarity: Similarity) -> u8 {
    depth(|tr| {
        let [q, k] = [tr.input(TOP), tr.input(TOP)];
        grouped::scores(tr, groups(tokens), similarity, [&q, &k], &ONES).unwrap()
    })
}

/// The levels of a mix of numerators at level `z` and values at level `v`, and of the sum.
fn mix(z: u8, v: u8) -> (u8, u8) {
    let mut tr = Trace::new(SLOTS, None);
    let (numerators, values) = (tr.input(z), tr.input(v));
    let (mixed, sum) = grouped::mix(&mut tr, groups(4), numerators, &values, &ONES, true).unwrap();
    (TOP - tr.level(&mixed), TOP - tr.level(&sum.unwrap()))
}

/// Every constant depth of the kernel, with the depth that the tracer sees.
fn traced_depths() -> Vec<(&'static str, u8, u8)> {
    let linear_map = depth(|tr| {
        let (steps, x) = (BsgsSplit::new(8).unwrap(), tr.input(TOP));
        let map = linear::encode(tr, &steps, |i, j| (i + j) as f64, TOP).unwrap();
        let hoisted = linear::hoist(tr, &steps, &x).unwrap();
        linear::apply(tr, &[&map], &[&hoisted]).unwrap()
    });
    let product = depth(|tr| {
        let [x, y] = [tr.input(TOP), tr.input(TOP + 3)];
        mul_aligned(tr, &x, &y).unwrap()
    });
    let turn = depth(|tr| {
        let x = tr.input(TOP);
        grouped::turn(tr, groups(4), &x).unwrap()
    });
    let mask = depth(|tr| {
        let x = tr.input(TOP);
        masked(tr, &x, &[1.0, 0.0]).unwrap()
    });
    let activation = depth(|tr| {
        let x = tr.input(TOP);
        quadratic(tr, &x, 0.5, 0.25).unwrap()
    });
    let classify = depth(|tr| {
        let (model, layout) = (model(16, 16, 5), Layout::new(&[4], 16, 2, SLOTS).unwrap());
        let [x, y] = [vec![tr.input(TOP)], vec![tr.input(TOP)]];
        let Head::Folded(maps) = &model.head else { panic!("a folded head") };
        let logits = SlotEngine::new(tr, layout).classify([&x, &y], maps.each_ref(), Pooling::Mean);
        logits.unwrap().pop().unwrap()
    });
    let mut tr = Trace::new(SLOTS, None);
    let x = tr.input(TOP);
    let x = Sine::new(REACH, DEGREE, 1.0, 1.0).unwrap().evaluate(&mut tr, x).unwrap();
    let sine = TOP - tr.level(&x);
    vec![
        ("EVAL_MOD_DEPTH", EVAL_MOD_DEPTH, sine),
        ("DEPTH", linear::DEPTH, linear_map),
        ("PRODUCT_DEPTH", PRODUCT_DEPTH, product),
        ("TURN_DEPTH", TURN_DEPTH, turn),
        ("SHIFT_DEPTH", SHIFT_DEPTH, mix(TOP, TOP).1),
        ("SCORES_DEPTH", SCORES_DEPTH, scores(4, Similarity::Dot)),
        ("SCORES_DEPTH", SCORES_DEPTH, scores(4, Similarity::Distance)),
        ("SCORES_DEPTH", SCORES_DEPTH - linear::DEPTH, scores(16, Similarity::Dot)), // one group, and no sum over groups
        ("MIX_DEPTH", MIX_DEPTH, mix(TOP, TOP + 3).0),
        ("MIX_DEPTH", TURN_DEPTH + PRODUCT_DEPTH, mix(TOP + 3, TOP).0),
        ("MASK_DEPTH", MASK_DEPTH, mask),
        ("QUADRATIC_DEPTH", QUADRATIC_DEPTH, activation),
        ("CLASSIFY_DEPTH", CLASSIFY_DEPTH, classify),
    ]
}

#[test]
fn every_constant_depth_is_that_of_the_trace() {
    let wrong: Vec<_> = traced_depths().into_iter().filter(|(_, written, traced)| written != traced).collect();
    assert!(wrong.is_empty(), "name, written, traced: {wrong:?}");
}

/// The names of the constants of type `u8` in the sources of a folder whose name ends in DEPTH.
fn constants(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            constants(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|l| l.split_once("const ")?.1.split_once(": u8 ="));
            found.extend(names.map(|(name, _)| name.to_string()).filter(|name| name.ends_with("DEPTH")));
        }
    }
}

#[test]
fn every_constant_depth_is_traced() {
    let mut written = BTreeSet::new();
    constants(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel/src"), &mut written);
    let traced: BTreeSet<_> = traced_depths().into_iter().map(|(name, ..)| name.to_string()).collect();
    assert_eq!(written, traced);
}
