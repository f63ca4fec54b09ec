//! A dry run: a circuit on levels alone, with the memory of its vectors and of the matrices of bootstrapping.

use crate::{Result, keys::KeySpec, plan::memory};
use polyformer_kernel::{
    arith::cost::{Cost, Demand, Tally},
    bootstrap::{Bootstrapped, Bootstrapper, Recipe},
    eval::trace::{PlainLevel, Trace},
    params::Params,
};

/// The part of a dry run that comes before the circuit: the matrices of bootstrapping, which are encoded once.
///
/// ```
/// use polyformer::plan::dry_run::DryRun;
/// use polyformer_kernel::{arith::Arithmetic, params::{Params, presets}};
///
/// let params = Params::new(&presets::L14)?;
/// let dry = DryRun::new(&params);
/// let mut trace = dry.trace();
/// let x = trace.input(params.max_message_level());
/// trace.product(&x, &x)?;
/// let taken = dry.finish(&trace);
/// assert_eq!((taken.cost.mul, taken.demand.relin), (1, Some(params.max_message_level())));
/// # Ok::<(), polyformer::Error>(())
/// ```
pub struct DryRun<'p> {
    params: &'p Params,
    matrices: Trace,
}

/// The result of a dry run.
#[derive(Clone, Debug)]
pub struct Requirements {
    /// The evaluation keys.
    pub demand: Demand,
    /// Operations.
    pub cost: Cost,
    /// The backend's work by level, from the inputs to the outputs.
    pub work: Tally,
    /// The backend's work once, before the first run.
    pub preparation: Tally,
    /// Words of bootstrapping's matrices, and of vectors and encoded weights at most.
    pub traced: usize,
}

impl Requirements {
    /// Words in the server's memory: keys, the temporary buffers of key switching, and the words of the trace.
    pub fn words(&self, params: &Params) -> usize {
        memory::words(params, &KeySpec::all(params, &self.demand), self.traced)
    }
}

impl<'p> DryRun<'p> {
    /// On ciphertexts of `params`.
    pub fn new(params: &'p Params) -> Self {
        Self { params, matrices: Self::measured(params) }
    }

    fn measured(params: &Params) -> Trace {
        Trace::new(params.slots(), None).measured(params)
    }

    /// A tracer for the circuit, without a bootstrapper.
    pub fn trace(&self) -> Trace {
        Self::measured(self.params)
    }

    /// The matrices of one bootstrapping recipe.
    ///
    /// # Errors
    ///
    /// The errors of [`Bootstrapper::new`].
    pub fn bootstrapper(&mut self, recipe: &Recipe) -> Result<Bootstrapper<PlainLevel>> {
        Ok(Bootstrapper::new(&mut self.matrices, self.params, recipe)?)
    }

    /// A tracer for the circuit that bootstraps by `recipe`, or without bootstrapping for `None`.
    ///
    /// # Errors
    ///
    /// The errors of [`Bootstrapper::new`].
    pub fn bootstrapped(&mut self, recipe: Option<&Recipe>) -> Result<Bootstrapped<Trace>> {
        let trace = self.trace();
        match recipe {
            Some(recipe) => Ok(Bootstrapped::with(trace, self.bootstrapper(recipe)?)?),
            None => Ok(Bootstrapped::new(trace)),
        }
    }

    /// The requirements of the circuit that ran on `trace`.
    pub fn finish(self, trace: &Trace) -> Requirements {
        Requirements {
            demand: trace.demand().clone(),
            cost: trace.cost(),
            work: trace.work().clone(),
            preparation: self.matrices.work().clone(),
            traced: self.matrices.words() + trace.words(),
        }
    }
}
