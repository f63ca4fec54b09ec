//! The planner of bootstraps on every circuit of the catalogue.

use polyformer_catalogue::every;
use polyformer_kernel::{
    arith::Arithmetic,
    error::Result,
    eval::{
        placement::{Placement, cheapest, greedy},
        planner::{BootstrapPlanner, TOP},
        trace::{Leveled, Trace},
    },
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
