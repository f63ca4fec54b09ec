//! The plan of a model: what it takes on questions of known lengths, by a dry run.

use crate::{Result, keys::KeySpec, plan::memory};
use polyformer_kernel::{
    arith::{
        Arithmetic,
        cost::{Cost, Demand, Tally, Work},
    },
    bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe, RotationStrategy},
    ckks::{
        keys::{key_basis, key_digits},
        raise::dense_basis,
    },
    eval::trace::Trace,
    nn::{
        Model, forward,
        slot_engine::{Layout, SlotEngine},
    },
    params::Params,
};

/// How a model's values are bootstrapped: they are real.
pub const ORDER: Order = Order::SlotsToCoeffsFirst;

/// How a device's question is bootstrapped first: from level 0.
pub const ENTRY: Order = Order::ModRaiseFirst;

/// A model on questions of known lengths, before anything is encrypted.
#[derive(Clone, Debug)]
pub struct ModelPlan {
    /// Where tokens and features lie.
    pub layout: Layout,
    /// The keys that it takes.
    pub demand: Demand,
    /// What it costs.
    pub cost: Cost,
    /// The backend's work, from question to answer, of the first question of a process.
    pub work: Tally,
    /// The backend's work once, before the first question.
    pub preparation: Tally,
    /// The level of the answer.
    pub level: u8,
    /// How bootstrapping rotates.
    pub steps: RotationStrategy,
    /// Words of bootstrapping's matrices, and of vectors and encoded weights at most.
    words: usize,
}

impl ModelPlan {
    /// For questions of these numbers of tokens.
    pub fn new(params: &Params, model: &Model, lengths: &[usize]) -> Result<Self> {
        Self::of(params, None, model, lengths, RotationStrategy::Hoisted)
    }

    /// For questions that come from the ring `small` of a device, at level 0, or from a client; bootstrapping may rotate in
    /// another way: with [`RotationStrategy::MinKs`] on a server with little memory.
    pub fn of(
        params: &Params,
        small: Option<&Params>,
        model: &Model,
        lengths: &[usize],
        steps: RotationStrategy,
    ) -> Result<Self> {
        let layout = Layout::new(lengths, model.width, model.heads, small.unwrap_or(params).slots())?;
        let new = || Trace::new(params.slots(), None).measured(params);
        let mut before = new();
        let recipe = |order| Recipe::new(layout.period(), order, model.range).with(steps);
        let mut trace = Bootstrapped::with(new(), Bootstrapper::new(&mut before, params, &recipe(ORDER))?)?;
        let x = match small {
            None => trace.input(params.max_message_level()),
            Some(_) => {
                let entry = Bootstrapper::new(&mut before, params, &recipe(ENTRY))?;
                let x = trace.input(0);
                let x = entry.refresh(&mut *trace, x)?;
                trace.refresh(x, params.max_message_level())?
            }
        };
        let out = forward(&mut SlotEngine::new(&mut trace, layout.clone()), model, vec![x])?;
        let level = out.iter().map(|x| trace.level(x)).min().unwrap_or(0);
        let (demand, cost, work) = (trace.demand().clone(), trace.cost(), trace.work().clone());
        let words = before.words() + trace.words();
        let mut plan = Self { layout, demand, cost, work, preparation: before.work().clone(), level, steps, words };
        plan.work.insert((Work::Fresh, params.max_level()), plan.fresh(params));
        Ok(plan)
    }

    /// What the first question of a process touches for the first time, as polynomials over P and the whole line: the
    /// temporaries of a key switch, and every vector that is alive at once, as if each were as long, since blocks that are
    /// free again seldom have the length that is wanted next.
    fn fresh(&self, params: &Params) -> u32 {
        params.digits() as u32 + 2 + 2 * self.cost.peak
    }

    /// The files of its evaluation keys.
    pub fn wants(&self, params: &Params) -> Vec<KeySpec> {
        KeySpec::all(params, &self.demand, self.cost.bootstrap > 0)
    }

    /// Words in the memory of the server at most: keys, the temporaries of key switching, and what the trace counted.
    pub fn memory(&self, params: &Params) -> usize {
        memory::words(params, &self.wants(params), self.words)
    }

    /// The evaluation keys that it takes: files, and bytes of them.
    pub fn key_files(&self, params: &Params) -> (usize, u64) {
        let row = 4 * params.n() as u64;
        let wants = self.wants(params);
        let rows = |want: &KeySpec| match *want {
            KeySpec::Relin(level) | KeySpec::Galois(_, level) => {
                key_digits(params, level) * key_basis(params, level).len()
            }
            KeySpec::Raise => 2 * params.base().len() + dense_basis(params).len(),
            KeySpec::Public => 0, // the server needs none
        };
        (wants.len(), wants.iter().map(|want| rows(want) as u64 * row).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::ModelPlan;
    use crate::{model::Pretrained, spec::SpecBuf};

    #[test]
    fn the_model_in_the_program_takes_three_bootstraps() {
        let (m, params) = (Pretrained::embedded().unwrap(), SpecBuf::preset("B16").unwrap().params().unwrap());
        for tokens in [1, 9, 64] {
            let plan = ModelPlan::new(&params, &m.model, &[tokens]).unwrap();
            let keys = plan.demand.rotations.len();
            eprintln!("{tokens} tokens: {keys} rotations, {:?}, level {}", plan.cost, plan.level);
            assert_eq!(plan.cost.bootstrap, 3);
        }
    }
}
