//! The common part of the commands that run the model on ciphertexts: the key folder, and the server with its progress
//! bar and stage times.

use super::common::{name_of, progress};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Header, View},
    keys::{KeyFolder, KeySpec, generate, secret::Secret},
    machine::{ComputeTarget, Host, Job},
    model::Pretrained,
    plan::{memory::fit_to_memory, model::ModelPlan},
    session::{Executed, RingBridge, Server, cipher::Encrypted, load_keys},
    spec::SpecBuf,
};
use polyformer_kernel::{backend::Backend, bootstrap::RotationStrategy, nn::Model, params::Params};
use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};

/// The preset that a model that is not packed runs on.
const PRESET: &str = "B16";

/// The parameter set of a model: that which it was packed for.
pub fn spec_of(model: &Pretrained) -> Result<SpecBuf> {
    let spec = model.spec.clone().or_else(|| SpecBuf::preset(PRESET));
    spec.ok_or_else(|| Error::usage(PRESET, "no such parameter set"))
}

/// The plan for questions of these numbers of tokens, from the ring `small` of a device or from a client: with the
/// rotations asked for, or with few keys if the GPU has no room for more.
pub fn planned(
    host: &Host,
    on: ComputeTarget,
    small: Option<&Params>,
    model: &Model<'_>,
    lengths: &[usize],
    asked: RotationStrategy,
) -> Result<ModelPlan> {
    let params = host.params();
    let plan = |steps| ModelPlan::of(params, small, model, lengths, steps);
    fit_to_memory(host, on, asked, plan, |plan| plan.memory(params))
}

/// Seconds by stage, in order.
#[derive(Default)]
pub struct Stages(pub Vec<(&'static str, f64)>);

impl Stages {
    /// Adds to a stage.
    pub fn add(&mut self, stage: &'static str, seconds: f64) {
        match self.0.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, sum)) => *sum += seconds,
            None => self.0.push((stage, seconds)),
        }
    }

    /// As JSON.
    pub fn json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.0.iter().map(|(name, s)| (name.to_string(), (*s).into())).collect()
    }

    /// Times some work as part of a stage.
    pub fn time<T>(&mut self, stage: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let out = work();
        self.add(stage, start.elapsed().as_secs_f64());
        out
    }
}

/// The server's part.
pub struct Serve<'a> {
    pub host: &'a Host,
    pub model: &'a Model<'a>,
    pub plan: &'a ModelPlan,
    pub eval: &'a Path,
    pub wants: &'a [KeySpec],
    pub of: &'a Header,
    pub question: &'a Encrypted,
    /// The key of the small device that asks, if one does.
    pub device: Option<&'a View<'a>>,
    pub steps: usize,
    pub stages: &'a mut Stages,
}

/// What the server's part came to.
pub struct Served {
    pub answer: Encrypted,
    pub executed: Executed,
    /// Seconds on ciphertexts, the encoding of weights included.
    pub seconds: f64,
}

impl Served {
    /// A line for each figure in which the run was not the one that was planned.
    pub fn warn(&self, plan: &ModelPlan) {
        if let Some((what, planned, executed)) = self.executed.departs(plan) {
            // nobody to tell if standard error is closed
            let _ = writeln!(std::io::stderr(), "warning: {planned} {what} planned, {executed} executed");
        }
    }
}

impl Job for Serve<'_> {
    type Output = Served;

    fn words(&self) -> usize {
        self.plan.memory(self.host.params())
    }

    fn run<B: Backend>(self, mut be: B) -> Result<Served> {
        let Serve { host, model, plan, eval, wants, of, question, device, steps, stages } = self;
        let bar = progress(wants.len(), "loading keys");
        let keys = stages.time("load_keys", || load_keys(&mut be, eval, wants, of, || bar.inc(1)))?;
        bar.finish_and_clear();
        let between = device.map(|view| RingBridge::load(&mut be, view)).transpose()?;
        let mut server = Server::new(be, host.params(), keys, model, of)?;
        stages.time("server_preprocess", || server.prepare(plan))?;
        let bar = progress(steps, "computing on ciphertexts");
        let mut sum = 0.0;
        let mut step = |part, seconds| {
            stages.add(part, seconds);
            sum += seconds;
            bar.inc(1);
        };
        let (answer, executed) = match &between {
            Some(between) => server.infer_between(plan, between, question, &mut step)?,
            None => server.infer(plan, question, &mut step)?,
        };
        bar.finish_and_clear();
        Ok(Served { answer, executed, seconds: sum })
    }
}

/// The folder of the keys.
pub fn folder(given: Option<&Path>, spec: &SpecBuf) -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = || set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let folder = given.map(PathBuf::from).or_else(|| cache().map(|c| c.join("polyformer").join(name_of(spec))));
    folder.ok_or_else(|| Error::usage("--keys", "no folder, and neither XDG_CACHE_HOME nor HOME is set"))
}

/// The secret key of the folder and, for the server, what is not there yet of `wants`.
pub fn keys(host: &Host, on: ComputeTarget, folder: &KeyFolder, spec: SpecBuf, wants: &[KeySpec]) -> Result<Secret> {
    std::fs::create_dir_all(&folder.eval).with_path(&folder.eval)?;
    let secret = if folder.secret.exists() {
        let secret = Secret::read(&folder.secret)?;
        if secret.header.spec != spec {
            let what = format!("not a key of {}; another folder can be given with --keys", name_of(&spec));
            return Err(Error::usage(folder.secret.display().to_string(), what));
        }
        secret
    } else {
        let secret = Secret::generate(spec)?;
        secret.write(&folder.secret)?;
        secret
    };
    let there = |want: &KeySpec| want.is_claimed_by(&folder.eval.join(want.file_name()), &secret.header);
    let missing: Vec<KeySpec> = wants.iter().copied().filter(|want| !there(want)).collect();
    let bar = progress(missing.len(), "making keys");
    generate(host, on, &secret, &missing, &folder.eval, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(secret)
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use super::planned;
    use crate::{
        Error,
        machine::{BackendKind, ComputeTarget, Host, gpu},
        model::Pretrained,
        plan::model::ModelPlan,
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
            planned(&host, on, None, &model.model, &[6], asked).map(|plan| plan.steps)
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
