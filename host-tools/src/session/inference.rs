//! The server's side of one question, from the folder of the client's keys to the answer, on any backend.

use super::{
    Executed, RingBridge, Server,
    cipher::Encrypted,
    progress::{Progress, Timings},
};
use crate::{
    Result,
    files::{Header, View},
    machine::{ComputeTarget, Host, Job},
    plan::model::ModelPlan,
};
use polyformer_kernel::{backend::Backend, nn::Model};
use std::path::Path;

/// The inputs of a server, without any secret.
#[derive(Clone, Copy)]
pub struct Inference<'a> {
    /// The ring.
    pub host: &'a Host,
    /// The model.
    pub model: &'a Model<'a>,
    /// The plan, which client and server derive from the number of tokens.
    pub plan: &'a ModelPlan,
    /// The folder of the evaluation keys.
    pub eval: &'a Path,
    /// The header of any file of the client that the keys belong to.
    pub client: &'a Header,
    /// The question.
    pub question: &'a Encrypted,
    /// The key between the rings, if a small client asks in a ring of its own.
    pub embedded: Option<&'a View<'a>>,
}

/// The server's answer, and the figures of the run.
pub struct Response {
    /// The answer.
    pub answer: Encrypted,
    /// Operations.
    pub executed: Executed,
    /// Seconds by stage: load_keys, server_preprocess, then the parts of the model.
    pub timings: Timings,
    /// Seconds on ciphertexts, the encoding of weights included.
    pub seconds: f64,
}

impl Inference<'_> {
    /// Loads the keys and runs the model on the question.
    ///
    /// # Errors
    ///
    /// [`crate::Error::File`] for a key or a question that is missing, damaged or of another client.
    /// [`crate::Error::Kernel`] if a key does not serve the plan, or the target has too little memory.
    pub fn run(self, target: ComputeTarget, on_progress: &mut dyn FnMut(Progress)) -> Result<Response> {
        self.host.run(target, Run { inference: self, on_progress })
    }
}

struct Run<'a, 'f> {
    inference: Inference<'a>,
    on_progress: &'f mut dyn FnMut(Progress),
}

impl Job for Run<'_, '_> {
    type Output = Response;

    fn words(&self) -> usize {
        self.inference.plan.memory(self.inference.host.params())
    }

    fn run<B: Backend>(self, mut be: B) -> Result<Response> {
        let Inference { host, model, plan, eval, client, question, embedded } = self.inference;
        let (on_progress, mut timings) = (self.on_progress, Timings::default());
        let (total, mut done) = (plan.wants(host.params()).len(), 0);
        let loaded = || {
            done += 1;
            on_progress(Progress::LoadingKeys { done, total });
        };
        let bridge = embedded.map(|view| RingBridge::load(&mut be, view)).transpose()?;
        let mut server = Server::open(be, host.params(), model, (eval, client), plan, &mut timings, loaded)?;
        let mut sum = 0.0;
        let mut part = |name, seconds| {
            timings.add(name, seconds);
            sum += seconds;
            on_progress(Progress::Part { name, seconds });
        };
        let (answer, executed) = match &bridge {
            Some(bridge) => server.infer_between(plan, bridge, question, &mut part)?,
            None => server.infer(plan, question, &mut part)?,
        };
        Ok(Response { answer, executed, timings, seconds: sum })
    }
}
