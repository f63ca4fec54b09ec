//! One variant on ciphertexts: a throwaway secret, exactly the keys that the tracer demands, the bootstraps of the plan,
//! and the time from the first operation to the last. Nothing of it is written anywhere.

use super::Case;
use crate::{
    Result,
    bench::finish,
    keys::{KeySpec, random},
    machine::{ComputeTarget, Host, Job},
    plan::{circuit, memory},
};
use polyformer_kernel::{
    arith::{Arithmetic, cost::Demand},
    backend::Backend,
    bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe, RotationStrategy},
    ckks::{
        Ckks,
        encode::{MAX_BITS, decode, encode},
        encrypt::{decrypt, encrypt},
        keys::{EvaluationKey, Keys, SecretKey, SecretSeed, Switch},
        raise::RaiseKeys,
    },
    eval::{placement::Placement, planner::BootstrapPlanner, trace::Trace},
    math::{complex::Complex, embedding::fill_roots},
    params::Params,
};
use std::time::Instant;

/// Seconds, and the decrypted weights.
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

/// Where it bootstraps and how, the keys that it takes, and words of memory.
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
        let new = || Trace::new(slots, None).measured(params);
        let (mut trace, mut before) = (Bootstrapped::new(new()), new());
        if placement.bootstraps() > 0 {
            trace = Bootstrapped::with(trace.into_inner(), Bootstrapper::new(&mut before, params, &recipe)?)?;
        }
        let mut deep =
            BootstrapPlanner::new(trace, placement.clone(), |tr: &mut Bootstrapped<Trace>, x| tr.refresh(x, top));
        let x = deep.inner.input(top);
        let mut xs = vec![deep.input(x)?];
        entry.circuit.run(&mut deep, &mut xs, &entry.rows)?;
        let demand = deep.inner.demand().clone();
        let wants = KeySpec::all(params, &demand, placement.bootstraps() > 0);
        let secret = memory::polynomial(params); // it makes the keys there
        let words = secret + memory::words(params, &wants, before.words() + deep.inner.words());
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
        let (n, slots, top) = (params.n(), params.slots(), params.max_message_level());
        let RunPlan { placement, recipe, demand, .. } = self.plan;
        let mut rng = random::generator()?;
        let full = params.full();
        let mut coeffs = vec![0; n];
        let sk = SecretKey::expand(&mut be, &SecretSeed::generate(&mut rng), full, &mut coeffs)?;
        let mut keys = Keys::default();
        let rotations = demand.rotations.iter().map(|(k, level)| (params.galois(*k), *level));
        let conjugate = demand.conjugate.map(|level| (params.galois_conjugate(), level));
        for (g, level) in rotations.chain(conjugate) {
            let (seed, what) = (random::bytes()?, (Switch::Galois(g), level));
            let key = EvaluationKey::generate(&mut be, params, &sk, what, &seed, &mut rng, &mut coeffs)?;
            keys.galois.insert(g, key);
        }
        if let Some(level) = demand.relin {
            let (seed, what) = (random::bytes()?, (Switch::Relinearize, level));
            keys.relin = Some(EvaluationKey::generate(&mut be, params, &sk, what, &seed, &mut rng, &mut coeffs)?);
        }
        if placement.bootstraps() > 0 {
            let seed = random::bytes()?;
            keys.raise = Some(RaiseKeys::generate(&mut be, params, &sk, &seed, &mut rng, &mut coeffs)?);
        }

        let mut roots = vec![Complex::default(); slots];
        fill_roots(&mut roots);
        let mut values: Vec<Complex> = self.case.input.iter().map(|x| Complex::from(*x)).collect();
        encode(&roots, &mut values, params.scale(top), MAX_BITS, &mut coeffs)?;
        let x = encrypt(&mut be, params, &sk, top, &mut coeffs, &random::bytes()?, &mut rng)?;

        let mut ckks = Bootstrapped::new(Ckks::new(be, params, keys, 1)?);
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

        let mut words = vec![0; params.base().len() * n];
        let mut weights = Vec::new();
        for x in xs {
            let x = deep.output(x);
            decrypt(&mut deep.inner.be, params, &sk, &x, 0, &mut words, &mut coeffs)?;
            decode(&roots, &coeffs, params.scale(x.level), &mut values)?;
            weights = values.iter().map(|z| z.re).collect();
        }
        sk.wipe(&mut deep.inner.be)?;
        Ok((seconds, weights))
    }
}
