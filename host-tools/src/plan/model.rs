//! The plan of a model: its needs on questions of known lengths, from a dry run.

use crate::{
    Result,
    keys::KeySpec,
    machine::{ComputeTarget, Host},
    plan::{
        dry_run::{DryRun, Requirements},
        memory,
    },
};
use polyformer_kernel::{
    arith::{
        Arithmetic,
        cost::{Cost, Demand, Tally, Work},
    },
    bootstrap::{Order, Recipe, RotationStrategy},
    ckks::{
        keys::{key_basis, key_digits},
        raise::dense_basis,
    },
    nn::{
        Model, forward,
        slot_engine::{BootstrapLevels, HiddenLengths, Layout, SlotEngine, can_hide},
    },
    params::Params,
};

/// The bootstrapping of a model's values, which are real.
pub const ORDER: Order = Order::SlotsToCoeffsFirst;

/// Ciphertexts of a question beside the rows if its lengths are hidden: the vectors of [`Layout::hide`].
pub const HIDING: u16 = 3;

/// The first bootstrap of a small client's question, from level 0.
pub const ENTRY: Order = Order::ModRaiseFirst;

/// What the server knows of the lengths of questions.
#[derive(Clone, Copy, Debug)]
pub enum Lengths<'l> {
    /// The number of tokens of each question.
    Known(&'l [usize]),
    /// The rows of each question. The client hides how many of the rows have a token.
    AtMost(&'l [usize]),
}

impl<'l> Lengths<'l> {
    /// The lengths, or the rows of hidden lengths.
    pub fn of(lengths: &'l [usize], hidden: bool) -> Self {
        if hidden { Self::AtMost(lengths) } else { Self::Known(lengths) }
    }
}

/// The rows of a question of this many tokens: the least power of two, at least 4. A server that knows the rows alone
/// learns one of a few numbers.
pub fn bucket(tokens: usize) -> usize {
    tokens.next_power_of_two().max(4)
}

/// A model on questions of known lengths, before anything is encrypted.
#[derive(Clone, Debug)]
pub struct ModelPlan {
    /// The slots of tokens and features.
    pub layout: Layout,
    /// The keys of the run.
    pub demand: Demand,
    /// The cost of the run.
    pub cost: Cost,
    /// The backend's work, from question to answer, of the first question of a process.
    pub work: Tally,
    /// The backend's work once, before the first question.
    pub preparation: Tally,
    /// The level of the answer.
    pub level: u8,
    /// The rotation strategy of bootstrapping.
    pub steps: RotationStrategy,
    /// Whether the lengths are hidden: a question then has more ciphertexts ([`ModelPlan::ciphertexts`]).
    pub hidden: bool,
    /// Words of bootstrapping's matrices, and of vectors and encoded weights at most.
    words: usize,
}

impl ModelPlan {
    /// For questions of these numbers of tokens.
    ///
    /// # Errors
    /// The errors of [`ModelPlan::of`].
    pub fn new(params: &Params, model: &Model, lengths: &[usize]) -> Result<Self> {
        Self::of(params, None, model, lengths, RotationStrategy::Hoisted)
    }

    /// The plan for questions of a client, or of the ring `small` of a small client at level 0. `steps` is the rotation
    /// strategy of bootstrapping: [`RotationStrategy::MinKs`] on a server with little memory.
    ///
    /// # Errors
    /// Parameters without bootstrapping, questions that do not fit in a ciphertext, or a model that needs more levels
    /// than a bootstrap gives.
    pub fn of(
        params: &Params,
        small: Option<&Params>,
        model: &Model,
        lengths: &[usize],
        steps: RotationStrategy,
    ) -> Result<Self> {
        Self::asked(params, small, model, Lengths::Known(lengths), steps)
    }

    /// The plan for lengths that the server knows or does not know. `small` and `steps` are those of [`ModelPlan::of`].
    ///
    /// # Errors
    ///
    /// Those of [`ModelPlan::of`]; [`polyformer_kernel::Error::Unsupported`] for hidden lengths if the model is not one that
    /// [`can_hide`], or for the question of a small client.
    pub fn asked(
        params: &Params,
        small: Option<&Params>,
        model: &Model,
        lengths: Lengths<'_>,
        steps: RotationStrategy,
    ) -> Result<Self> {
        let (lengths, hidden) = match lengths {
            Lengths::Known(lengths) => (lengths, false),
            Lengths::AtMost(rows) => (rows, true),
        };
        if hidden && (small.is_some() || !can_hide(model)) {
            let what = "a hidden number of tokens with this attention or for a small client";
            return Err(polyformer_kernel::Error::Unsupported { what }.into());
        }
        let levels = BootstrapLevels::new(params, ORDER)?;
        let layout = Layout::new(lengths, model.width, model.heads, small.unwrap_or(params).slots())?;
        let mut dry = DryRun::new(params);
        let recipe = |order| Recipe::new(layout.period(), order, model.range).with(steps);
        let mut trace = dry.bootstrapped(Some(&recipe(ORDER)))?;
        let x = match small {
            None => (0..layout.blocks()).map(|_| trace.input(params.max_message_level())).collect(),
            Some(_) if layout.blocks() > 1 => {
                let what = "a question of several ciphertexts from a small client";
                return Err(polyformer_kernel::Error::Unsupported { what }.into());
            }
            Some(_) => {
                let entry = dry.bootstrapper(&recipe(ENTRY))?;
                let x = trace.input(0);
                let x = entry.refresh(&mut *trace, x)?;
                vec![trace.refresh(x, params.max_message_level())?]
            }
        };
        let vectors = hidden.then(|| {
            let [tokens, scores, shares] = [(); 3].map(|()| trace.input(params.max_message_level()));
            HiddenLengths { tokens, scores, shares }
        });
        let engine = SlotEngine::bootstrapping(&mut trace, layout.clone(), levels);
        let out = forward(&mut engine.hiding(vectors.as_ref()), model, x)?;
        drop(vectors);
        let level = out.iter().map(|x| trace.level(x)).min().unwrap_or(0);
        let Requirements { demand, cost, work, preparation, traced: words } = dry.finish(&trace);
        let mut plan = Self { layout, demand, cost, work, preparation, level, steps, hidden, words };
        plan.work.insert((Work::Fresh, params.max_level()), plan.fresh(params));
        Ok(plan)
    }

    /// [`ModelPlan::asked`] on a target: with these rotations, or with few keys (min-KS) if the GPU has less memory.
    ///
    /// # Errors
    ///
    /// The errors of [`ModelPlan::asked`]; [`polyformer_kernel::Error::DeviceMemory`] if few keys do not fit either.
    pub fn for_target(
        host: &Host,
        target: ComputeTarget,
        small: Option<&Params>,
        model: &Model<'_>,
        lengths: Lengths<'_>,
        rotations: RotationStrategy,
    ) -> Result<Self> {
        let params = host.params();
        let plan = |steps| Self::asked(params, small, model, lengths, steps);
        memory::fit_to_memory(host, target, rotations, plan, |plan| plan.memory(params))
    }

    /// The memory that the first question of a process touches for the first time, in polynomials over P and the whole
    /// modulus chain. The figure is the temporary buffers of a key switch, and every vector that is alive at once. All
    /// vectors count with the largest size, because a free block seldom has the next needed length.
    fn fresh(&self, params: &Params) -> u32 {
        params.digits() as u32 + 2 + 2 * self.cost.peak
    }

    /// The ciphertexts of a question: one for each block of features, and the vectors of hidden lengths.
    pub fn ciphertexts(&self) -> u16 {
        self.layout.blocks() as u16 + if self.hidden { HIDING } else { 0 }
    }

    /// The files of its evaluation keys.
    pub fn wants(&self, params: &Params) -> Vec<KeySpec> {
        KeySpec::all(params, &self.demand)
    }

    /// Words in the server's memory: keys, the temporary buffers of key switching, and the words of the trace.
    pub fn memory(&self, params: &Params) -> usize {
        memory::words(params, &self.wants(params), self.words)
    }

    /// The number of the evaluation keys' files, and their bytes.
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
    use super::{Lengths, ModelPlan, bucket};
    use crate::{model::Pretrained, spec::SpecBuf};
    use polyformer_kernel::{
        bootstrap::RotationStrategy,
        nn::{NormPlace, Pooling},
    };
    use polyformer_tests::encoder::{Shape, unfolded};

    /// Six layers of 384 features in 3 blocks, 12 heads, 1,536 hidden features, on 16 sentences of 16 tokens.
    #[test]
    fn an_encoder_of_the_shape_of_minilm_l6_fits_twelve_gigabytes() {
        let shape = Shape { width: 384, heads: 12, hidden: 1536, layers: 6, degree: 15, reciprocal: 15 };
        let model = unfolded(&shape, NormPlace::Post, "features", Pooling::Mean).folded().unwrap();
        let params = SpecBuf::preset("B16").unwrap().params().unwrap();
        let plan = ModelPlan::new(&params, &model, &[16; 16]).unwrap();
        eprintln!("{:?}, {} keys", plan.cost, plan.wants(&params).len());
        assert_eq!((plan.layout.blocks(), plan.layout.period()), (3, params.slots()));
        // two bootstraps for 3 blocks before attention, before the map that joins the heads and before the second norm of each
        // layer; the question of the first layer is at the top
        assert_eq!(plan.cost.bootstrap, 2 * (3 * 6 - 1));
        assert!(4 * plan.memory(&params) < 12_000_000_000, "{} words", plan.memory(&params));
    }

    #[test]
    fn the_model_in_the_program_takes_three_bootstraps() {
        let (m, params) = (Pretrained::embedded().unwrap(), SpecBuf::preset("B16").unwrap().params().unwrap());
        for tokens in [1, 9, 64] {
            let plan = ModelPlan::new(&params, &m.model, &[tokens]).unwrap();
            let keys = plan.demand.rotations.len();
            eprintln!("{tokens} tokens: {keys} rotations, {:?}, level {}", plan.cost, plan.level);
            assert_eq!(plan.cost.bootstrap, 3);
            let rows = [bucket(tokens)];
            let steps = RotationStrategy::Hoisted;
            let hidden = ModelPlan::asked(&params, None, &m.model, Lengths::AtMost(&rows), steps).unwrap();
            eprintln!("at most {} tokens: {:?}", rows[0], hidden.cost);
            assert_eq!((hidden.cost.bootstrap, hidden.level), (3, plan.level));
            assert_eq!(hidden.cost.key_switch, plan.cost.key_switch + 3); // two attentions and the mean
            assert_eq!(hidden.demand.rotations.keys().count(), keys);
        }
    }
}

#[cfg(all(test, feature = "wgpu"))]
mod gpu_tests {
    use super::{Lengths, ModelPlan};
    use crate::{
        Error,
        machine::{BackendKind, ComputeTarget, Host, gpu},
        model::Pretrained,
        spec::SpecBuf,
    };
    use polyformer_kernel::{Error::DeviceMemory, bootstrap::RotationStrategy};

    #[test]
    fn a_gpu_with_little_memory_gets_fewer_keys_and_one_with_less_an_error() {
        if gpu::list().unwrap().is_empty() {
            assert!(std::env::var_os("POLYFORMER_REQUIRE_GPU").is_none_or(|v| v != "1"), "no adapter");
            return println!("skipped: no adapter");
        }
        let model = Pretrained::embedded().unwrap();
        let host = |memory: usize| {
            let pick = gpu::AdapterChoice { memory: Some(4 * memory as u64), ..gpu::pick(None, None).unwrap() };
            let host = Host::new(SpecBuf::preset("B16").unwrap().params().unwrap());
            (host, ComputeTarget { backend: BackendKind::Wgpu, gpu: pick, ..ComputeTarget::cpu(1) })
        };
        let (any, _) = host(0);
        let need = |steps| ModelPlan::of(any.params(), None, &model.model, &[6], steps).unwrap().memory(any.params());
        let (most, least) = (need(RotationStrategy::Hoisted), need(RotationStrategy::MinKs));
        assert!(least < most, "{least} {most}");
        let plan = |memory: usize, asked: RotationStrategy| {
            let (host, on) = host(memory);
            ModelPlan::for_target(&host, on, None, &model.model, Lengths::Known(&[6]), asked).map(|plan| plan.steps)
        };
        let whole = |words: usize| words.next_multiple_of(64); // as ranges are
        assert_eq!(plan(whole(most), RotationStrategy::Hoisted).unwrap(), RotationStrategy::Hoisted);
        assert_eq!(plan(most - 64, RotationStrategy::Hoisted).unwrap(), RotationStrategy::MinKs);
        assert_eq!(plan(whole(least), RotationStrategy::Hoisted).unwrap(), RotationStrategy::MinKs);
        for asked in [RotationStrategy::Hoisted, RotationStrategy::MinKs] {
            let error = plan(least - 64, asked).unwrap_err();
            let both = matches!(error, Error::Kernel(DeviceMemory { words, room }) if words == least && room < least);
            assert!(both, "{error}");
        }
    }
}
