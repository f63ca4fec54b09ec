//! The server's part of `demo` and `infer`: keys, then the model, with a bar and seconds for each stage.

use super::common::progress;
use crate::{
    Result,
    cipher::Encrypted,
    files::Header,
    host::{Host, Job},
    keygen::Want,
    session::{Plan, Server, load_keys},
};
use kernel::{backend::Backend, nn::Model};
use std::{path::Path, time::Instant};

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
    pub model: &'a Model,
    pub plan: &'a Plan,
    pub eval: &'a Path,
    pub wants: &'a [Want],
    pub of: &'a Header,
    pub question: &'a Encrypted,
    pub steps: usize,
    pub stages: &'a mut Stages,
}

impl Job for Serve<'_> {
    type Output = Encrypted;

    fn run<B: Backend>(self, mut be: B) -> Result<Encrypted> {
        let Serve { host, model, plan, eval, wants, of, question, steps, stages } = self;
        let bar = progress(wants.len(), "loading keys");
        let keys = stages.time("load_keys", || load_keys(&mut be, eval, wants, of, || bar.inc(1)))?;
        bar.finish_and_clear();
        let server = || Server::new(be, host.params(), keys, model, plan, of);
        let mut server = stages.time("server_preprocess", server)?;
        let bar = progress(steps, "computing on ciphertexts");
        let answer = server.infer(question, &mut |part, seconds| {
            stages.add(part, seconds);
            bar.inc(1);
        })?;
        bar.finish_and_clear();
        Ok(answer)
    }
}
