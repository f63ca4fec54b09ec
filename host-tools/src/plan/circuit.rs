//! A dry run of a circuit without keys. The result is the cost on a parameter set, the bootstraps, the keys, the
//! memory, and the size of the values. One run computes levels and costs with the tracer and values with f64.

use crate::{
    Error, Result,
    keys::KeySpec,
    plan::{dry_run::DryRun, speed::Speed},
};
use polyformer_catalogue::Entry;
use polyformer_kernel::{
    Result as KernelResult,
    arith::cost::Demand,
    bootstrap::{Bootstrapped, Order, Recipe, RotationStrategy},
    eval::{
        clear::ClearVec,
        lockstep::{Lockstep, Step},
        placement::{Node, Placement, cheapest, greedy},
        planner::{BootstrapPlanner, TOP},
        trace::{Leveled, Trace},
    },
    params::Params,
};
use serde::Serialize;
use std::{cell::RefCell, rc::Rc};

/// One step of a circuit: an operation that makes or changes a vector.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The operation.
    pub op: &'static str,
    /// The level of the operation.
    pub level_before: u8,
    /// The level of the result, after the bootstrap if one follows.
    pub level_after: u8,
    /// The least value in a slot.
    pub least: f64,
    /// The largest.
    pub most: f64,
    /// Whether its result is bootstrapped.
    pub bootstrap: bool,
}

/// An evaluation key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// The use of the key.
    pub key: String,
    /// The highest level of the uses, for which the key is made; `None` for the pair of keys of ModRaise.
    pub level: Option<u8>,
    /// Bytes in memory. A file has half of them: the other half is a seed.
    pub bytes: u64,
}

/// The cost of a circuit. The fields of its JSON are stable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ledger {
    /// The circuit.
    pub circuit: String,
    /// Levels from its inputs to its outputs.
    pub depth: u8,
    /// Products of two ciphertexts, bootstraps included.
    pub mults: u32,
    /// Relinearisations, rotations and conjugations, bootstraps included.
    pub key_switches: u32,
    /// Bootstraps, placed over the whole graph.
    pub bootstraps: usize,
    /// Bootstraps, if each stretch went on until the levels ran out.
    pub bootstraps_greedy: usize,
    /// Every rotation that needs a key.
    pub rotations: Vec<i32>,
    /// Evaluation keys, the largest first.
    pub keys: Vec<Key>,
    /// Their bytes in memory.
    pub key_bytes: u64,
    /// All that is in memory at most: keys, bootstrapping's matrices, vectors, and the temporaries of key switching.
    pub peak_bytes: u64,
    /// Predicted from measured operations; `null` without them.
    pub seconds: Option<f64>,
    /// Step by step.
    pub steps: Vec<Row>,
}

type TracedClear<W> = Lockstep<Bootstrapped<Trace>, ClearVec<f64>, W>;
type Values = (Leveled, Vec<f64>);

fn nothing(_: &mut Bootstrapped<Trace>, _: &mut ClearVec<f64>, _: Step, _: &Leveled, _: &Vec<f64>) -> KernelResult<()> {
    Ok(())
}

/// The graph of a circuit, and its depth.
///
/// # Errors
/// The errors of the circuit, for rows that do not fit in the slots.
pub fn graph(entry: &Entry, slots: usize) -> Result<(Vec<Node>, u8)> {
    let mut deep = BootstrapPlanner::new(Trace::new(slots, None), Placement::none(TOP), |_, x| Ok(x));
    let mut xs = Vec::new();
    for _ in 0..entry.circuit.inputs() {
        let x = deep.inner.input(TOP);
        xs.push(deep.input(x)?);
    }
    entry.circuit.run(&mut deep, &mut xs, &entry.rows)?;
    let depth = deep.nodes().iter().map(|n| n.depth).max().unwrap_or(0);
    Ok((deep.into_parts().1, depth))
}

/// The placement of bootstraps in a graph of this depth on these parameters. Also the number of bootstraps of a greedy
/// placement, and the level of the inputs.
///
/// # Errors
/// `Usage` if the depth needs bootstrapping and the parameters have none; the errors of the planner, if no placement is
/// possible.
pub fn place_bootstraps(nodes: &[Node], depth: u8, params: &Params) -> Result<(Placement, usize, u8)> {
    let top = params.max_message_level();
    if depth <= top {
        return Ok((Placement::none(top), 0, top));
    }
    let floor = params.bootstrap().map(|b| b.slots_to_coeffs()).ok_or_else(|| {
        let what = format!("depth {depth} needs bootstrapping: the parameters have {top} levels and no bootstrap");
        Error::usage("circuit", what)
    })?;
    let reach = top - floor;
    let late = greedy(nodes, reach, reach)?.bootstraps();
    Ok((cheapest(nodes, reach, reach)?.raised(floor), late, top))
}

/// Runs `entry` on `inputs` (one vector each, as from [`Entry::sample`]) over the parameters.
///
/// # Errors
/// The errors of [`graph`], of [`place_bootstraps`] and of the dry run.
pub fn plan(
    entry: &Entry,
    params: &Params,
    inputs: &[Vec<f64>],
    speed: Option<&Speed>,
    steps: RotationStrategy,
) -> Result<(Ledger, Vec<Vec<f64>>)> {
    let slots = params.slots();
    let (nodes, depth) = graph(entry, slots)?;
    let (placement, late, top) = place_bootstraps(&nodes, depth, params)?;
    let recipe = Recipe::new(slots, Order::SlotsToCoeffsFirst, 1.0).with(steps);
    let mut dry = DryRun::new(params);
    let trace = dry.bootstrapped((placement.bootstraps() > 0).then_some(&recipe))?;
    let rows = Rc::new(RefCell::new(Vec::with_capacity(nodes.len())));
    let pair = Lockstep::new(trace, ClearVec::<f64>::with_slots(slots), nothing);
    let refresh = |pair: &mut TracedClear<_>, (x, v): Values| {
        let x = polyformer_kernel::arith::Arithmetic::refresh(&mut pair.left, x, top)?;
        Ok((x, v))
    };
    let mut deep = BootstrapPlanner::new(pair, placement.clone(), refresh);
    let (watched, place) = (rows.clone(), placement.clone());
    deep.watch(Box::new(move |pair, node: &Node, (x, v): &Values| {
        let level_after = polyformer_kernel::arith::Arithmetic::level(&pair.left, x);
        let index = watched.borrow().len();
        let bootstrap = place.refreshes(index);
        let before = if node.product { place.level(node.depth - 1).ok() } else { None };
        let level_before = before.unwrap_or(if bootstrap { place.level(node.depth).unwrap_or(0) } else { level_after });
        let least = v.iter().copied().fold(f64::INFINITY, f64::min);
        let most = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        watched.borrow_mut().push(Row { op: node.name, level_before, level_after, least, most, bootstrap });
    }));
    let mut xs = Vec::new();
    for input in inputs {
        let x = deep.inner.left.input(top);
        xs.push(deep.input((x, input.clone()))?);
    }
    entry.circuit.run(&mut deep, &mut xs, &entry.rows)?;
    let mut results = Vec::new();
    for x in xs {
        results.push(deep.output(x).1);
    }
    let taken = dry.finish(&deep.inner.left);
    drop(deep);
    let keys = keys(params, &taken.demand);
    let key_bytes: u64 = keys.iter().map(|k| k.bytes).sum();
    let steps = rows.take();
    let ledger = Ledger {
        circuit: entry.name.into(),
        depth,
        mults: taken.cost.mul,
        key_switches: taken.cost.key_switch,
        bootstraps: placement.bootstraps(),
        bootstraps_greedy: late,
        rotations: taken.demand.rotations.keys().copied().collect(),
        keys,
        key_bytes,
        peak_bytes: 4 * taken.words(params) as u64,
        seconds: speed.map(|s| s.seconds(&taken.work)),
        steps,
    };
    Ok((ledger, results))
}

/// The keys of a demand and their sizes, the largest first.
pub fn keys(params: &Params, demand: &Demand) -> Vec<Key> {
    let galois = |k: i32| params.galois(k);
    let rotations =
        demand.rotations.iter().map(|(k, l)| (format!("rotation {k}"), KeySpec::Galois(galois(*k), *l), *l));
    let conjugate = demand.conjugate.map(|l| ("conjugation".into(), KeySpec::Galois(params.galois_conjugate(), l), l));
    let relin = demand.relin.map(|l| ("relinearisation".into(), KeySpec::Relin(l), l));
    let leveled = relin.into_iter().chain(conjugate).chain(rotations).map(|(key, want, l)| (key, want, Some(l)));
    let raise = demand.raise.then(|| ("to and from the sparse secret".into(), KeySpec::Raise, None));
    let size = |want: KeySpec| 4 * want.words(params) as u64;
    let keys = leveled.chain(raise).map(|(key, want, level)| Key { key, level, bytes: size(want) });
    let mut keys: Vec<Key> = keys.collect();
    keys.sort_by_key(|k| std::cmp::Reverse(k.bytes));
    keys
}
