//! The planner of bootstraps on every circuit of the catalogue, and on a model.

use polyformer_catalogue::every;
use polyformer_kernel::{
    arith::Arithmetic,
    bootstrap::{Bootstrapped, Order, Recipe},
    ckks::Ckks,
    error::Result,
    eval::{
        placement::{Node, Placement, cheapest, greedy},
        planner::{BootstrapPlanner, TOP},
        trace::{Leveled, Trace},
    },
    nn::{
        forward,
        slot_engine::{BootstrapLevels, Layout, SlotEngine},
    },
};
use polyformer_tests::{
    chain::Chain,
    client::Client,
    transformer::{dense, model, noise, packed_question},
};

const SLOTS: usize = 256;

fn refresh(tr: &mut Trace, x: Leveled) -> Result<Leveled> {
    tr.refresh(x, 13)
}

#[test]
fn every_circuit_runs_on_a_short_chain_and_costs_no_more_than_greedily() {
    let mut saved = 0;
    for entry in every(SLOTS).unwrap() {
        let mut deep = BootstrapPlanner::new(Trace::new(SLOTS, None), Placement::none(TOP), |_, x| Ok(x));
        let inputs: Vec<_> = (0..entry.circuit.inputs()).map(|_| deep.inner.input(TOP)).collect();
        let mut xs: Vec<_> = inputs.into_iter().map(|x| deep.input(x).unwrap()).collect();
        entry.circuit.run(&mut deep, &mut xs, &entry.rows).unwrap();
        let (_, nodes) = deep.into_parts();
        let depth = nodes.iter().map(|n| n.depth).max().unwrap();
        for input in [16, 5] {
            let (late, best) = (greedy(&nodes, input, 13).unwrap(), cheapest(&nodes, input, 13).unwrap());
            assert!(best.bootstraps() <= late.bootstraps(), "{}", entry.name);
            assert_eq!(best.bootstraps() > 0, depth > input, "{}", entry.name);
            saved += late.bootstraps() - best.bootstraps();
            let count = best.bootstraps() as u32;
            let mut deep = BootstrapPlanner::new(Trace::new(SLOTS, Some(13)), best, refresh);
            let inputs: Vec<_> = (0..entry.circuit.inputs()).map(|_| deep.inner.input(input)).collect();
            let mut xs: Vec<_> = inputs.into_iter().map(|x| deep.input(x).unwrap()).collect();
            entry.circuit.run(&mut deep, &mut xs, &entry.rows).unwrap();
            assert_eq!(deep.inner.cost().bootstrap, count, "{}", entry.name);
        }
    }
    assert!(saved > 0, "greedy was never worse");
}

/// A model under the planner: levels as many as it likes, and bootstraps where the graph is cut.
fn planned<A: Arithmetic>(
    ev: A,
    placement: Placement,
    refresh: impl FnMut(&mut A, A::Slots) -> Result<A::Slots>,
    x: A::Slots,
) -> Result<(A, A::Slots, Vec<Node>)> {
    let model = model(16, 32, 5);
    let layout = Layout::new(&[3], 16, model.heads, ev.slots())?;
    let mut planner = BootstrapPlanner::new(ev, placement, refresh);
    let x = planner.input(x)?;
    let mut out = forward(&mut SlotEngine::new(&mut planner, layout), &model, vec![x])?;
    let y = planner.output(out.remove(0));
    let (ev, nodes) = planner.into_parts();
    Ok((ev, y, nodes))
}

#[test]
fn an_encrypted_model_runs_with_the_bootstraps_that_the_planner_places() {
    let (params, mut be) = Chain::b16(10).into_scalar(700);
    let (model, order) = (model(16, 32, 5), Order::SlotsToCoeffsFirst);
    let layout = Layout::new(&[3], 16, model.heads, params.slots()).unwrap();
    let levels = BootstrapLevels::new(params, order).unwrap();
    let mut recorder = Trace::new(params.slots(), None);
    let x = recorder.input(TOP);
    let (_, _, nodes) = planned(recorder, Placement::none(TOP), |_, x| Ok(x), x).unwrap();
    let best = cheapest(&nodes, params.max_message_level() - levels.input, levels.output - levels.input).unwrap();
    let best = best.raised(levels.input);

    let recipe = Recipe::new(layout.period(), order, model.range);
    let mut trace = Bootstrapped::new(Trace::new(params.slots(), None));
    trace.prepare(params, &recipe).unwrap();
    let x = trace.input(params.max_message_level());
    let (trace, _, _) = planned(trace, best.clone(), |ev, x| ev.refresh(x, levels.output), x).unwrap();
    println!("{} bootstraps, cuts at {:?}", trace.cost().bootstrap, best.cuts());
    assert_eq!(trace.cost().bootstrap as usize, best.bootstraps());

    let x = noise(5, 3 * 16);
    let slots = packed_question(&layout, &x, params.slots());
    let mut client = Client::new(&mut be, params, 5);
    let keys = client.keys(&mut be, trace.demand());
    let question = client.encrypt(&mut be, &slots, params.max_message_level());
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    ev.prepare(params, &recipe).unwrap();
    let (mut ev, answer, _) = planned(ev, best, |ev, x| ev.refresh(x, levels.output), question).unwrap();
    let logits: Vec<f64> = client.decrypt(&mut ev.be, &answer).iter().map(|z| z.re).collect();
    for (got, want) in layout.unpack(0, &logits, 5).unwrap().iter().zip(dense(&model, &x)) {
        assert!((got - want).abs() < 1.0 / 1024.0, "{got} and {want}");
    }
}
