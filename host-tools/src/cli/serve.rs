//! What commands that run the model on ciphertexts share: the folder of the keys, and the server's part with a bar and
//! seconds for each stage.

use super::common::{name_of, progress};
use crate::{
    Error, Result,
    cipher::Encrypted,
    error::In,
    files::{Header, View},
    host::{Device, Host, Job},
    keygen::{Layout, Want, generate},
    model::Pretrained,
    secret::Secret,
    session::{Between, Executed, Plan, Server, load_keys},
    spec::SpecBuf,
};
use kernel::{backend::Backend, nn::Model};
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
    pub plan: &'a Plan,
    pub eval: &'a Path,
    pub wants: &'a [Want],
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
    pub fn warn(&self, plan: &Plan) {
        if let Some((what, planned, executed)) = self.executed.departs(plan) {
            // nobody to tell if standard error is closed
            let _ = writeln!(std::io::stderr(), "warning: {planned} {what} planned, {executed} executed");
        }
    }
}

impl Job for Serve<'_> {
    type Output = Served;

    /// The keys, the temporaries of a key switch, and every vector that the plan holds at once.
    fn words(&self) -> usize {
        let params = self.host.params();
        let keys: usize = self.wants.iter().map(|want| want.words(params)).sum();
        let poly = params.moduli().len() * params.n();
        keys + (params.digits() + 2 + 2 * self.plan.cost.peak as usize) * poly
    }

    fn run<B: Backend>(self, mut be: B) -> Result<Served> {
        let Serve { host, model, plan, eval, wants, of, question, device, steps, stages } = self;
        let bar = progress(wants.len(), "loading keys");
        let keys = stages.time("load_keys", || load_keys(&mut be, eval, wants, of, || bar.inc(1)))?;
        bar.finish_and_clear();
        let between = device.map(|view| Between::load(&mut be, view)).transpose()?;
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
pub fn keys(host: &Host, on: Device, folder: &Layout, spec: SpecBuf, wants: &[Want]) -> Result<Secret> {
    std::fs::create_dir_all(&folder.eval).in_file(&folder.eval)?;
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
    let there = |want: &Want| want.is_claimed_by(&folder.eval.join(want.file_name()), &secret.header);
    let missing: Vec<Want> = wants.iter().copied().filter(|want| !there(want)).collect();
    let bar = progress(missing.len(), "making keys");
    generate(host, on, &secret, &missing, &folder.eval, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(secret)
}
