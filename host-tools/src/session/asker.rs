//! A private question in three lines: client and server in one process.

use super::{
    Client, Executed, Inference, Padding,
    cipher::Encrypted,
    private::Private,
    progress::{Progress, Timings},
};
use crate::{
    Result,
    keys::{KeyFolder, store::KeyEvent},
    machine::{ComputeTarget, Host},
    model::Pretrained,
    plan::model::{Lengths, ModelPlan},
    spec::SpecBuf,
};
use polyformer_kernel::bootstrap::RotationStrategy;
use std::path::Path;
use zeroize::Zeroizing;

/// A model, the folder of a client's keys, and a machine. The part that plays the server gets the ciphertext, the number of
/// tokens and the evaluation keys, nothing else. A first question makes the keys, some gigabytes of files; each question
/// loads the keys into memory.
///
/// ```no_run
/// use polyformer::{model::Pretrained, session::Asker};
///
/// let mut asker = Asker::open(Pretrained::open(None)?, "keys".as_ref())?; // the model in the program
/// let answer = asker.ask("I think someone used my card in another country")?;
/// println!("{}", asker.model().text.label(answer.best()[0].0));
/// # Ok::<(), polyformer::Error>(())
/// ```
pub struct Asker<'f> {
    pub(super) model: Pretrained,
    pub(super) spec: SpecBuf,
    pub(super) host: Host,
    pub(super) target: ComputeTarget,
    pub(super) rotations: RotationStrategy,
    pub(super) padding: Padding,
    pub(super) folder: KeyFolder,
    pub(super) on_progress: Box<dyn FnMut(Progress) + 'f>,
}

/// An answer, and the figures of the run.
pub struct Answer {
    /// The logits, for the owner of the key alone.
    pub logits: Private,
    /// The classes, the likeliest first.
    pub classes: Vec<usize>,
    /// The plan that client and server followed.
    pub plan: ModelPlan,
    /// Operations of the server.
    pub executed: Executed,
    /// Seconds by stage.
    pub timings: Timings,
    /// Seconds on ciphertexts, the encoding of weights included.
    pub seconds: f64,
    /// Bytes of the question on its way.
    pub bytes_up: usize,
    /// Bytes of the answer on its way.
    pub bytes_down: usize,
}

impl Answer {
    /// Classes and their probabilities, the likeliest first. A probability is rounded to 1e-4.
    pub fn best(&self) -> Vec<(usize, f64)> {
        self.logits.best()
    }
}

impl<'f> Asker<'f> {
    /// An asker for `model` on the parameter set of its model file, with the keys of a folder, on every core of the
    /// processor.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Kernel`] for a bad parameter set.
    pub fn open(model: Pretrained, keys: &Path) -> Result<Self> {
        let spec = model.parameter_set()?;
        let host = Host::new(spec.params()?);
        let target = ComputeTarget::cpu(rayon::current_num_threads());
        let (rotations, folder) = (RotationStrategy::Hoisted, KeyFolder::new(keys));
        let padding = Padding::default();
        Ok(Self { model, spec, host, target, rotations, padding, folder, on_progress: Box::new(|_| ()) })
    }

    /// Computes on this target instead. The client's part stays on the processor.
    pub fn on(self, target: ComputeTarget) -> Self {
        Self { target, ..self }
    }

    /// Bootstraps with these rotations instead of hoisted ones.
    pub fn with_rotations(self, rotations: RotationStrategy) -> Self {
        Self { rotations, ..self }
    }

    /// Pads questions in this way. The default is [`Padding::Bucket`].
    pub fn with_padding(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// Calls `f` at each event.
    pub fn on_progress(self, f: impl FnMut(Progress) + 'f) -> Self {
        Self { on_progress: Box::new(f), ..self }
    }

    /// The model.
    pub fn model(&self) -> &Pretrained {
        &self.model
    }

    /// The model, for its owner.
    pub fn into_model(self) -> Pretrained {
        self.model
    }

    /// The ring.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Encrypts a question, runs the model on the ciphertext, and decrypts the answer. The first call makes missing
    /// keys.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Usage`] for a text that the model cannot read. [`crate::Error::File`] for keys that cannot be
    /// read or written. [`crate::Error::Kernel`] if the target has too little memory.
    pub fn ask(&mut self, text: &str) -> Result<Answer> {
        let Self { model, spec, host, target, rotations, padding, folder, on_progress } = self;
        let (target, mut timings) = (*target, Timings::default());
        let ids = Zeroizing::new(timings.time("preprocess", || model.text.tokens(text))?);
        let unknown = model.text.unknown(&ids);
        if unknown > 0 {
            on_progress(Progress::UnknownTokens { unknown, tokens: ids.len() });
        }
        let shown = padding.shown(ids.len(), &model.model)?;
        let lengths = [shown.length()];
        let lengths = Lengths::of(&lengths, shown.is_hidden());
        let plan = ModelPlan::for_target(host, target, None, &model.model, lengths, *rotations)?;
        let wants = plan.wants(host.params());
        let complete = || folder.complete(host, target.client(), spec, &wants, &mut |event| on_progress(event.into()));
        let secret = timings.time("key_generation", complete)?;

        on_progress(Progress::ServerLearns(shown));
        let client = Client::new(host, target.client(), &secret, &model.text);
        let encrypt = || client.ask(&plan.layout, &ids, shown, &model.model);
        let question = timings.time("encode_encrypt", encrypt)?;
        let inference = Inference {
            host,
            model: &model.model,
            plan: &plan,
            eval: &folder.eval,
            client: &secret.header,
            question: &question,
            embedded: None,
        };
        let mut tries = 0..wants.len();
        let response = loop {
            let fault = match inference.run(target, on_progress) {
                Err(fault) if tries.next().is_some() => fault,
                done => break done?,
            };
            let mut event = |event: KeyEvent<'_>| on_progress(event.into());
            folder.repair(host, target.client(), (&secret, &wants), fault, &mut event)?;
        };
        timings.join(&response.timings);
        let mut rows = timings.time("decrypt_decode", || client.decrypt(&question.header, &response.answer))?;
        let (bytes_up, bytes_down) = (sent(&question), sent(&response.answer));
        let logits = rows.drain(..).next().unwrap_or_else(|| Private::new(Vec::new())); // one question has one row
        let classes =
            timings.time("postprocess", || Ok(logits.best().into_iter().map(|(class, _)| class).collect()))?;
        let (executed, seconds) = (response.executed, response.seconds);
        Ok(Answer { logits, classes, plan, executed, timings, seconds, bytes_up, bytes_down })
    }
}

/// Bytes that travel, the seed of a half that is not stored included.
pub(super) fn sent(x: &Encrypted) -> usize {
    let words: usize = x.tensors.iter().map(|t| t.len()).sum();
    4 * words + if x.tensors.len() == 1 { 32 } else { 0 }
}
