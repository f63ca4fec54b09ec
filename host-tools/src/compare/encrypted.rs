//! One variant on ciphertexts, with a temporary secret, exactly the keys of the tracer's demand, and the bootstraps of
//! the plan. The time counts from the first operation to the last. The run writes no file.

use super::Case;
use crate::{
    Result,
    bench::finish,
    keys::random,
    machine::{ComputeTarget, Host, Job},
    plan::{circuit, dry_run::DryRun, memory},
};
use polyformer_kernel::{
    arith::{Arithmetic, cost::Demand},
    backend::Backend,
    bootstrap::{Bootstrapped, Order, Recipe, RotationStrategy},
    ckks::{Ckks, Client},
    eval::{placement::Placement, planner::BootstrapPlanner, trace::Trace},
    math::complex::Complex,
    params::Params,
};
use std::time::Instant;

/// Seconds, and the decrypted weights.
///
/// # Errors
/// The errors of planning, of key generation and of the backend.
pub fn run(host: &Host, on: ComputeTarget, case: &Case) -> Result<(f64, Vec<f64>)> {
    let plan = memory::fit_to_memory(
        host,
        on,
        RotationStrategy::Hoisted,
        |steps| RunPlan::new(host.params(), case, steps),
        |plan| plan.words,
    )?;
    host.run(on, Encrypted { host, case, plan })
}

struct Encrypted<'a> {
    host: &'a Host,
    case: &'a Case,
    plan: RunPlan,
}

/// The placement and the kind of the bootstraps, the keys, and the words of memory.
struct RunPlan {
    placement: Placement,
    recipe: Recipe,
    demand: Demand,
    words: usize,
}

impl RunPlan {
    fn new(params: &Params, case: &Case, steps: RotationStrategy) -> Result<Self> {
        let entry = &case.entry;
        let (slots, top) = (params.slots(), params.max_message_level());
        let (nodes, depth) = circuit::graph(entry, slots)?;
        let (placement, _, _) = circuit::place_bootstraps(&nodes, depth, params)?;
        let recipe = Recipe::new(slots, Order::SlotsToCoeffsFirst, 1.0).with(steps);
        let mut dry = DryRun::new(params);
        let trace = dry.bootstrapped((placement.bootstraps() > 0).then_some(&recipe))?;
        let mut deep =
            BootstrapPlanner::new(trace, placement.clone(), |tr: &mut Bootstrapped<Trace>, x| tr.refresh(x, top));
        let x = deep.inner.input(top);
        let mut xs = vec![deep.input(x)?];
        entry.circuit.run(&mut deep, &mut xs, &entry.rows)?;
        let taken = dry.finish(&deep.inner);
        let secret = memory::polynomial(params); // it makes the keys there
        let (words, demand) = (secret + taken.words(params), taken.demand);
        Ok(Self { placement, recipe, demand, words })
    }
}

impl Job for Encrypted<'_> {
    type Output = (f64, Vec<f64>);

    fn words(&self) -> usize {
        self.plan.words
    }

    fn run<B: Backend>(self, mut be: B) -> Result<Self::Output> {
        let (params, entry) = (self.host.params(), &self.case.entry);
        let (top, RunPlan { placement, recipe, demand, .. }) = (params.max_message_level(), self.plan);
        let mut client = Client::new(&mut be, params, random::generator()?)?;
        let keys = client.keys(&mut be, &demand)?;
        let values: Vec<Complex> = self.case.input.iter().map(|x| Complex::from(*x)).collect();
        let x = client.encrypt(&mut be, &values, top)?;

        let mut ckks = Bootstrapped::new(Ckks::new(be, params, keys)?);
        if placement.bootstraps() > 0 {
            ckks.prepare(params, &recipe)?;
        }
        let mut deep =
            BootstrapPlanner::new(ckks, placement, |ev: &mut Bootstrapped<Ckks<'_, B>>, x| ev.refresh(x, top));
        finish(&mut deep.inner.be)?;
        let start = Instant::now();
        let mut xs = vec![deep.input(x)?];
        entry.circuit.run(&mut deep, &mut xs, &entry.rows)?;
        finish(&mut deep.inner.be)?;
        let seconds = start.elapsed().as_secs_f64();

        let mut weights = Vec::new();
        for x in xs {
            let x = deep.output(x);
            weights = client.decrypt(&mut deep.inner.be, &x)?.iter().map(|z| z.re).collect();
        }
        client.wipe(&mut deep.inner.be)?;
        Ok((seconds, weights))
    }
}
