//! Two placements of the bootstraps of a model. A program runs a model by the rule of the slot engine. The planner of
//! circuits decides over the graph of all values. [docs/decisions/placement.md]

use crate::{
    Result,
    plan::model::{ModelPlan, ORDER},
};
use polyformer_kernel::{
    arith::Arithmetic,
    arith::cost::Cost,
    bootstrap::{Bootstrapped, Bootstrapper, Recipe},
    eval::{
        placement::{Placement, cheapest, greedy},
        planner::{BootstrapPlanner, TOP},
        trace::{Leveled, Trace},
    },
    nn::{
        Model, forward,
        slot_engine::{BootstrapLevels, Layout, SlotEngine},
    },
    params::Params,
};

/// What the placements of a model cost.
#[derive(Clone, Debug)]
pub struct Placements {
    /// The rule: between the parts of a layer, where the levels do not last.
    pub rule: Cost,
    /// The planner's cheapest placement.
    pub planner: Cost,
    /// Bootstraps of the planner that cuts the graph where the levels run out.
    pub greedy: usize,
    /// The depths at which the planner cuts.
    pub cuts: Vec<u8>,
    /// Products on the longest path from question to answer.
    pub depth: u8,
}

/// The two placements of a model on questions of these numbers of tokens.
///
/// # Errors
/// The errors of a dry run: a parameter set without bootstrapping, questions that do not fit in a ciphertext.
pub fn placements(params: &Params, model: &Model<'_>, lengths: &[usize]) -> Result<Placements> {
    let rule = ModelPlan::new(params, model, lengths)?.cost;
    let layout = Layout::new(lengths, model.width, model.heads, params.slots())?;
    let levels = BootstrapLevels::new(params, ORDER)?;
    // the graph, by a run with as many levels as it likes
    let mut planner =
        BootstrapPlanner::new(Trace::new(params.slots(), None), Placement::none(TOP), |_: &mut Trace, x| Ok(x));
    let mut x = Vec::with_capacity(layout.blocks());
    for _ in 0..layout.blocks() {
        let block = planner.inner.input(TOP);
        x.push(planner.input(block)?);
    }
    forward(&mut SlotEngine::new(&mut planner, layout.clone()), model, x)?;
    let (_, nodes) = planner.into_parts();
    let depth = nodes.iter().map(|n| n.depth).max().unwrap_or(0);
    // a bootstrap starts at the least level of its input: those below are never used by the circuit
    let (input, refreshed) = (params.max_message_level() - levels.input, levels.output - levels.input);
    let late = greedy(&nodes, input, refreshed)?;
    let best = cheapest(&nodes, input, refreshed)?;
    let cuts = best.cuts().to_vec();
    // the same run with its bootstraps
    let mut before = Trace::new(params.slots(), None);
    let recipe = Recipe::new(layout.period(), ORDER, model.range);
    let bootstrapper = Bootstrapper::new(&mut before, params, &recipe)?;
    let trace = Bootstrapped::with(Trace::new(params.slots(), None), bootstrapper)?;
    let refresh = |ev: &mut Bootstrapped<Trace>, x: Leveled| ev.refresh(x, levels.output);
    let mut planner = BootstrapPlanner::new(trace, best.raised(levels.input), refresh);
    let mut x = Vec::with_capacity(layout.blocks());
    for _ in 0..layout.blocks() {
        let block = planner.inner.input(params.max_message_level());
        x.push(planner.input(block)?);
    }
    forward(&mut SlotEngine::new(&mut planner, layout), model, x)?;
    let planned = planner.inner.cost();
    Ok(Placements { rule, planner: planned, greedy: late.bootstraps(), cuts, depth })
}

#[cfg(test)]
mod tests {
    use super::placements;
    use crate::{model::Pretrained, spec::SpecBuf};

    #[test]
    fn the_planner_takes_no_fewer_bootstraps_than_the_rule_on_the_demo_model() {
        let (m, params) = (Pretrained::embedded().unwrap(), SpecBuf::preset("B16").unwrap().params().unwrap());
        let p = placements(&params, &m.model, &[9]).unwrap();
        println!("{p:?}");
        assert_eq!((p.rule.bootstrap, p.rule.key_switch), (3, 1145));
        assert!(p.planner.bootstrap >= p.rule.bootstrap, "a better placement is worth running: {p:?}");
        assert!(p.greedy as u32 >= p.planner.bootstrap);
    }
}
