//! Private answers to many texts: several texts in one ciphertext, one library call. [`embed`] gives a vector for each text,
//! [`classify`] labels.

use super::{Asker, Client, Server, Shown, asker::sent, padding::Padding, private::Private, progress::Progress};
use crate::{
    Error, Result,
    files::{Body, Header},
    keys::{KeySpec, secret::Secret, store::KeyEvent},
    machine::{ComputeTarget, Host, Job},
    model::{Pretrained, Task},
    plan::{
        memory::fit_to_memory,
        model::{Lengths, ModelPlan},
    },
};
use polyformer_kernel::{arith::cost::Demand, backend::Backend, bootstrap::RotationStrategy, ckks::keys::Keys};
use std::{path::Path, time::Instant};
use zeroize::Zeroizing;

/// Answers, and the figures of their run.
#[derive(Default)]
pub struct Answers {
    /// The numbers of each text, in the order of the texts, for the owner of the key alone.
    pub rows: Vec<Private>,
    /// Groups of texts that shared their ciphertexts.
    pub groups: usize,
    /// Ciphertexts on the way to the server.
    pub ciphertexts: usize,
    /// Bootstraps of the server.
    pub bootstraps: u32,
    /// Key switches of the server.
    pub key_switches: u32,
    /// Groups whose run was not the one that was planned.
    pub departed: usize,
    /// Seconds on ciphertexts, the encoding of weights included.
    pub seconds: f64,
    /// Seconds of these for encoding weights.
    pub encoding: f64,
    /// Bytes of the questions on their way.
    pub bytes_up: usize,
    /// Bytes of the answers on their way.
    pub bytes_down: usize,
}

/// The embeddings of texts, encrypted. The texts are cut to the model's maximum. The length of an embedding is that of
/// the model; a unit length is left to the caller. The keys are in the folder `keys`, and missing keys are made.
///
/// ```no_run
/// use polyformer::{model::Pretrained, session};
///
/// let model = Pretrained::open(Some("minilm.packed".as_ref()))?;
/// let rows = session::embed(model, "keys".as_ref(), &["a private sentence", "another one"])?;
/// # Ok::<(), polyformer::Error>(())
/// ```
///
/// # Errors
/// [`Error::Usage`] for a model of another task; the errors of [`Asker::answers`].
pub fn embed(model: Pretrained, keys: &Path, texts: &[impl AsRef<str>]) -> Result<Vec<Private>> {
    model.expect_task(&[Task::Embed])?;
    Ok(Asker::open(model, keys)?.answers(texts)?.rows)
}

/// The classes of a row with rounded probabilities, the likeliest first.
pub type Ranking = Vec<(usize, f64)>;

/// The rankings of each text: one, or one for each token if each token has a label of its own.
///
/// # Errors
/// [`Error::Usage`] for a model of another task; the errors of [`Asker::answers`].
pub fn classify(model: Pretrained, keys: &Path, texts: &[impl AsRef<str>]) -> Result<Vec<Vec<Ranking>>> {
    model.expect_task(&[Task::Classify, Task::Tokens])?;
    let outputs = model.text.outputs();
    let answers = Asker::open(model, keys)?.answers(texts)?;
    Ok(answers.rows.iter().map(|row| row.best_of_each(outputs)).collect())
}

/// Texts that share ciphertexts: their places, their plan, and what the server learns of each.
struct Group {
    texts: Vec<usize>,
    plan: ModelPlan,
    shown: Shown,
}

impl Group {
    fn learned(&self) -> Progress {
        match self.texts.len() {
            texts if texts > 1 && !self.shown.is_hidden() => Progress::ServerLearnsEach { texts },
            _ => Progress::ServerLearns(self.shown),
        }
    }
}

impl Asker<'_> {
    /// Encrypts the texts, runs the model on the ciphertexts, and decrypts the answers. The first call makes missing keys.
    /// Longer texts are cut to the model's maximum.
    ///
    /// # Errors
    /// [`Error::Usage`] for a text without words; [`Error::File`] for keys that cannot be read or written;
    /// [`Error::Kernel`] if the target has too little memory.
    pub fn answers(&mut self, texts: &[impl AsRef<str>]) -> Result<Answers> {
        let ids = Zeroizing::new(self.model.questions(texts)?);
        let Self { model, spec, host, target, rotations, padding, folder, on_progress } = self;
        let (target, params) = (*target, host.params());
        let unknown = ids.iter().map(|ids| model.text.unknown(ids)).sum();
        if unknown > 0 {
            let tokens = ids.iter().map(Vec::len).sum();
            on_progress(Progress::UnknownTokens { unknown, tokens });
        }
        let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
        let plan = |steps| groups(host, model, &lengths, *padding, steps);
        let words = |groups: &Vec<Group>| groups.iter().map(|group| group.plan.memory(params)).max().unwrap_or(0);
        let groups = fit_to_memory(host, target, *rotations, plan, words)?;
        let mut demand = Demand::default();
        groups.iter().for_each(|group| demand.join(&group.plan.demand));
        let wants = KeySpec::all(params, &demand);
        let mut event = |event: KeyEvent<'_>| on_progress(event.into());
        let secret = folder.complete(host, target.client(), spec, &wants, &mut event)?;
        groups.iter().for_each(|group| on_progress(group.learned()));
        let mut tries = 0..wants.len();
        loop {
            let on_progress = &mut **on_progress;
            let (eval, ids, groups, secret) = (&folder.eval, &ids[..], &groups[..], &secret);
            let run = Run { host, on: target.client(), secret, eval, model, ids, groups, on_progress };
            let fault = match host.run(target, run) {
                Err(fault) if tries.next().is_some() => fault,
                done => return done,
            };
            let mut event = |event: KeyEvent<'_>| on_progress(event.into());
            folder.repair(host, target.client(), (secret, &wants), fault, &mut event)?;
        }
    }
}

/// The groups of texts of these lengths, with their plans.
fn groups(
    host: &Host,
    model: &Pretrained,
    lengths: &[usize],
    padding: Padding,
    steps: RotationStrategy,
) -> Result<Vec<Group>> {
    let params = host.params();
    let planned = |texts: Vec<usize>| {
        let of_group: Vec<usize> = texts.iter().map(|i| lengths[*i]).collect();
        let shown = padding.shown(of_group.iter().copied().max().unwrap_or(0), &model.model)?;
        let rows = if shown.is_hidden() { vec![shown.length(); of_group.len()] } else { of_group };
        let plan = ModelPlan::asked(params, None, &model.model, Lengths::of(&rows, shown.is_hidden()), steps)?;
        Ok(Group { texts, plan, shown })
    };
    model.groups(lengths, params.slots()).into_iter().map(planned).collect()
}

struct Run<'a> {
    host: &'a Host,
    on: ComputeTarget,
    secret: &'a Secret,
    eval: &'a Path,
    model: &'a Pretrained,
    ids: &'a [Vec<u32>],
    groups: &'a [Group],
    on_progress: &'a mut dyn FnMut(Progress),
}

impl Job for Run<'_> {
    type Output = Answers;

    fn words(&self) -> usize {
        self.groups.iter().map(|group| group.plan.memory(self.host.params())).max().unwrap_or(0)
    }

    fn run<B: Backend>(self, be: B) -> Result<Answers> {
        let Self { host, on, secret, eval, model, ids, groups, on_progress } = self;
        let of = Header { body: Body::Params, ..secret.header.clone() };
        let mut server = Server::new(be, host.params(), Keys::default(), &model.model, &of)?;
        let client = Client::new(host, on, secret, &model.text);
        let mut out = Answers { groups: groups.len(), ..Answers::default() };
        let mut rows: Vec<Option<Private>> = ids.iter().map(|_| None).collect();
        for Group { texts, plan, shown } in groups {
            server.hold(eval, &plan.wants(host.params()))?;
            let some = Zeroizing::new(texts.iter().map(|i| ids[*i].clone()).collect::<Vec<_>>());
            let question = client.ask_all(&plan.layout, &some, *shown, &model.model)?;
            server.prepare(plan)?;
            let start = Instant::now();
            let mut part = |name, seconds| on_progress(Progress::Part { name, seconds });
            let (answer, executed) = server.infer(plan, &question, &mut part)?;
            out.seconds += start.elapsed().as_secs_f64();
            out.encoding += executed.encoding;
            out.bootstraps += executed.cost.bootstrap;
            out.key_switches += executed.cost.key_switch;
            out.departed += executed.departs(plan).is_some() as usize;
            out.ciphertexts += question.header.count();
            out.bytes_up += sent(&question);
            out.bytes_down += sent(&answer);
            for (i, row) in texts.iter().zip(client.decrypt(&question.header, &answer)?) {
                rows[*i] = Some(row);
            }
        }
        out.rows = rows.into_iter().flatten().collect();
        match out.rows.len() == ids.len() {
            true => Ok(out),
            false => Err(Error::unreliable("answer", format!("{} answers to {} texts", out.rows.len(), ids.len()))),
        }
    }
}
