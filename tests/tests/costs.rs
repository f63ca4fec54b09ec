//! Every circuit of the catalogue: its cost is fixed, and all its clear evaluators agree.

use polyformer_catalogue::{Entry, every};
use polyformer_kernel::{
    arith::{Arithmetic, cost::Cost},
    eval::{
        clear::ClearVec,
        interval::{Bounds, IntervalVec},
        trace::Trace,
    },
};

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
