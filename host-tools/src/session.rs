//! A private question: the [`Client`] holds the secret and the words, the [`Server`] the model and the evaluation keys.
//! What passes between them is ciphertexts and the [`Plan`], which both derive from the number of tokens.

mod client;
mod server;
mod watch;

pub use client::{Answers, Client};
pub use server::{Server, load_keys};
pub use watch::Watched;

use crate::Result;
use kernel::{
    arith::Arithmetic,
    bootstrap::{Bootstrapper, Order},
    nn::{
        Model, forward,
        packed::{Layout, Packed},
    },
    params::Params,
    trace::{Cost, Demand, Trace},
};

/// How a model's values are bootstrapped: they are real.
pub const ORDER: Order = Order::SlotsToCoeffsFirst;

/// A model on questions of known lengths, before anything is encrypted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where tokens and features lie.
    pub layout: Layout,
    /// The keys that it takes.
    pub demand: Demand,
    /// What it costs.
    pub cost: Cost,
    /// The level of the answer.
    pub level: u8,
}

impl Plan {
    /// For questions of these numbers of tokens.
    pub fn new(params: &Params, model: &Model, lengths: &[usize]) -> Result<Self> {
        let layout = Layout::new(lengths, model.width, model.heads, params.slots())?;
        let mut trace = Trace::new(params.slots(), None);
        let bootstrapper = Bootstrapper::new(&mut trace, params, layout.period(), ORDER, model.range)?;
        trace.bootstrap_with(bootstrapper);
        let x = trace.input(params.top());
        let out = forward(&mut Packed::new(&mut trace, layout.clone()), model, vec![x])?;
        let level = out.iter().map(|x| trace.level(x)).min().unwrap_or(0);
        Ok(Self { layout, demand: trace.demand().clone(), cost: trace.cost(), level })
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::{model::Pretrained, spec::SpecBuf};

    #[test]
    fn the_model_in_the_program_takes_three_bootstraps() {
        let (m, params) = (Pretrained::embedded().unwrap(), SpecBuf::preset("B16").unwrap().params().unwrap());
        for tokens in [1, 9, 64] {
            let plan = Plan::new(&params, &m.model, &[tokens]).unwrap();
            let keys = plan.demand.rotations.len();
            eprintln!("{tokens} tokens: {keys} rotations, {:?}, level {}", plan.cost, plan.level);
            assert_eq!(plan.cost.bootstrap, 3);
        }
    }
}
