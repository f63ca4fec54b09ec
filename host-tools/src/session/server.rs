//! The server: evaluation keys, a model, and ciphertexts. No code in this module can decrypt.

use super::{Clocked, RingBridge, Watched};
use crate::plan::model::{ENTRY, ModelPlan, ORDER};
use crate::{
    Result,
    error::WithPath,
    files::{Body, CiphertextMeta, FileError, Header, Kind, Mapped, View},
    keys::{KeySpec, advice::check_files},
    load::{self, SecondHalf},
    session::{cipher::Encrypted, progress::Timings},
};
use polyformer_kernel::{
    arith::{Arithmetic, cost::Cost},
    backend::{Backend, Shape},
    bootstrap::{Bootstrapped, Bootstrapper, Recipe, RotationStrategy},
    ckks::{Ciphertext, Ckks, keys::Keys},
    nn::{
        Model, forward,
        slot_engine::{BootstrapLevels, HiddenLengths, SlotEngine},
    },
    params::Params,
};
use std::{path::Path, sync::Arc, time::Instant};

/// Loads the keys of a folder; `of` is the header of any file of the same client. `on_key` is called after each.
pub fn load_keys<B: Backend>(
    be: &mut B,
    folder: &Path,
    wants: &[KeySpec],
    of: &Header,
    on_key: impl FnMut(),
) -> Result<Keys<B>> {
    let mut keys = Keys::default();
    load_more(be, &mut keys, folder, wants, of, on_key)?;
    Ok(keys)
}

fn load_more<B: Backend>(
    be: &mut B,
    keys: &mut Keys<B>,
    folder: &Path,
    wants: &[KeySpec],
    of: &Header,
    mut on_key: impl FnMut(),
) -> Result<()> {
    let params = of.spec.params()?;
    check_files(wants, folder, of, &params)?; // before any key is loaded
    for want in wants {
        let path = folder.join(want.file_name());
        let file = Arc::new(Mapped::open(&path).with_path(&path)?);
        let view = want.readable(View::parse(file.bytes()), &params).with_path(&path)?;
        if !want.is_named_by(&view.header, of) {
            want.check(folder, of, &params)?;
        }
        load::load_key(be, (&file, &view), of, keys)?;
        on_key();
    }
    Ok(())
}

/// The measured figures of a run.
#[derive(Clone, Copy, Debug)]
pub struct Executed {
    /// Operations, bootstraps included.
    pub cost: Cost,
    /// The level of the logits, before the answer drops to the level of decryption.
    pub level: u8,
    /// Seconds of the encoding of weights, masks and biases.
    pub encoding: f64,
}

impl Executed {
    /// The first figure that differs from the plan: name, planned, executed.
    pub fn departs(&self, plan: &ModelPlan) -> Option<(&'static str, u32, u32)> {
        let level = ("level of the answer", plan.level as u32, self.level as u32);
        plan.cost.differs(&self.cost).or((level.1 != level.2).then_some(level))
    }
}

/// Who answers.
pub struct Server<'a, B: Backend> {
    ckks: Bootstrapped<Ckks<'a, B>>,
    model: &'a Model<'a>,
    keys_of: Header,
    prepared: Option<(usize, RotationStrategy)>, // how bootstrapping is: the period of its vectors, its rotations
}

impl<'a, B: Backend> Server<'a, B> {
    /// A server with a client's keys. `of` is the header of their files.
    pub fn new(be: B, params: &'a Params, keys: Keys<B>, model: &'a Model<'a>, of: &Header) -> Result<Self> {
        let ckks = Bootstrapped::new(Ckks::new(be, params, keys)?);
        Ok(Self { ckks, model, keys_of: of.clone(), prepared: None })
    }

    /// A server for questions of a plan, with the client's keys from a folder. `client` is the header of any file of that
    /// client. `on_key` is called after each key. `timings` receives the stages load_keys and server_preprocess.
    ///
    /// # Errors
    /// [`crate::Error::File`] for a key that is missing, damaged or of another client; [`crate::Error::Kernel`] if a key
    /// does not serve the plan.
    pub fn open(
        mut be: B,
        params: &'a Params,
        model: &'a Model<'a>,
        (folder, client): (&Path, &Header),
        plan: &ModelPlan,
        timings: &mut Timings,
        on_key: impl FnMut(),
    ) -> Result<Self> {
        let load = || load_keys(&mut be, folder, &plan.wants(params), client, on_key);
        let keys = timings.time("load_keys", load)?;
        let mut server = Self::new(be, params, keys, model, client)?;
        timings.time("server_preprocess", || server.prepare(plan))?;
        Ok(server)
    }

    /// Loads the keys of `wants` from the files of a folder, and drops all other keys.
    pub fn hold(&mut self, folder: &Path, wants: &[KeySpec]) -> Result<()> {
        let of = self.keys_of.clone();
        let (keys, be) = self.ckks.keys_mut();
        keys.galois
            .retain(|g, key| wants.iter().any(|w| matches!(w, KeySpec::Galois(h, l) if h == g && *l <= key.level)));
        keys.relin.take_if(|key| wants.iter().any(|w| matches!(w, KeySpec::Relin(level) if *level > key.level)));
        let held = |want: &KeySpec| match want {
            KeySpec::Relin(_) => keys.relin.is_some(),
            KeySpec::Galois(g, _) => keys.galois.contains_key(g),
            KeySpec::Raise => keys.raise.is_some(),
            KeySpec::Public => true, // of no use here
        };
        let missing: Vec<KeySpec> = wants.iter().copied().filter(|want| !held(want)).collect();
        load_more(be, keys, folder, &missing, &of, || ())
    }

    /// Prepares for questions of this plan: an error if a key is missing.
    pub fn prepare(&mut self, plan: &ModelPlan) -> Result<()> {
        let params = self.ckks.params();
        self.ckks.keys_mut().0.check_demand(params, &plan.demand)?;
        let how = (plan.layout.period(), plan.steps);
        if self.prepared != Some(how) {
            self.ckks.prepare(params, &Recipe::new(how.0, ORDER, self.model.range).with(how.1))?;
            self.prepared = Some(how);
        }
        Ok(())
    }

    /// Logits or features of the questions in a ciphertext, at the slots of [`polyformer_kernel::nn::slot_engine::Layout::unpack`]
    /// and at copies of these slots. A mask zeroes all other slots. `step` is called after each part of the model with
    /// its name and seconds.
    pub fn infer(
        &mut self,
        plan: &ModelPlan,
        question: &Encrypted,
        step: &mut dyn FnMut(&'static str, f64),
    ) -> Result<(Encrypted, Executed)> {
        self.prepare(plan)?;
        self.ckks.executed(); // starts at nothing
        let place = Path::new("question");
        let (params, header) = (self.ckks.params(), &question.header);
        let Body::Question(sealed, asked) = &header.body else {
            return Err(FileError::Kind { expected: Kind::Question, actual: header.kind() }).with_path(place);
        };
        asked.expect_tokens(&plan.layout.lengths).with_path(place)?;
        if header.key != self.keys_of.key || header.spec != self.keys_of.spec {
            let name = |h: &Header| h.key.map_or("none".into(), |k| k.to_string());
            return Err(FileError::OtherKey { expected: name(&self.keys_of), actual: name(header) }).with_path(place);
        }
        let ciphertexts = plan.ciphertexts();
        if sealed.count != ciphertexts {
            let expected = format!("{ciphertexts}, the ciphertexts of such a question");
            return Err(FileError::field("count", Some(&sealed.count.to_string()), expected)).with_path(place);
        }
        let blocks = plan.layout.blocks() as u16;
        let x = (0..blocks).map(|block| self.receive(question, sealed, block)).collect::<Result<Vec<_>>>()?;
        let hidden = match plan.hidden {
            false => None,
            true => Some(HiddenLengths {
                tokens: self.receive(question, sealed, blocks)?,
                scores: self.receive(question, sealed, blocks + 1)?,
                shares: self.receive(question, sealed, blocks + 2)?,
            }),
        };
        let (ys, executed) = self.logits(plan, x, hidden, step)?;
        let start = Instant::now();
        // level 0 is what decryption needs, and no more to send
        let ys =
            ys.into_iter().map(|y| self.ckks.drop_to_level(y, 0)).collect::<polyformer_kernel::Result<Vec<_>>>()?;
        let values = (ys.len() * params.slots()) as u64;
        let (header, tensors) = load::save_ciphertexts(&mut self.ckks.be, &ys, values, header)?;
        step("answer", start.elapsed().as_secs_f64()); // on a device that records, the time of everything
        Ok((Encrypted { header, tensors: tensors.into() }, executed))
    }

    /// [`Server::infer`] for a small client: the question comes from its ring, the answer goes back there. `plan` is that of
    /// [`ModelPlan::of`] its ring.
    pub fn infer_between(
        &mut self,
        plan: &ModelPlan,
        between: &RingBridge<B>,
        question: &Encrypted,
        step: &mut dyn FnMut(&'static str, f64),
    ) -> Result<(Encrypted, Executed)> {
        self.prepare(plan)?;
        let Body::Question(_, asked) = question.header.body.clone() else {
            return Err(FileError::Kind { expected: Kind::Question, actual: question.header.kind() })
                .with_path(Path::new("question"));
        };
        asked.expect_tokens(&plan.layout.lengths).with_path(Path::new("question"))?;
        let (params, start) = (self.ckks.params(), Instant::now());
        let recipe = Recipe::new(plan.layout.period(), ENTRY, self.model.range).with(plan.steps);
        let entry = Bootstrapper::new(&mut *self.ckks, params, &recipe)?;
        self.ckks.executed(); // starts at nothing
        let x = between.lift(&mut self.ckks, question)?;
        let x = entry.refresh(&mut *self.ckks, x)?;
        drop(entry);
        let x = self.ckks.refresh(x, params.max_message_level())?;
        step("lift", start.elapsed().as_secs_f64());
        let (mut ys, executed) = self.logits(plan, vec![x], None, step)?;
        let start = Instant::now();
        let (Some(y), true) = (ys.pop(), ys.is_empty()) else {
            return Err(polyformer_kernel::Error::Unsupported { what: "several ciphertexts for a small client" }.into());
        };
        let y = self.ckks.drop_to_level(y, 0)?;
        let answer = between.lower(&mut self.ckks, &y, &asked)?;
        step("answer", start.elapsed().as_secs_f64());
        Ok((answer, executed))
    }

    /// One of the ciphertexts of a question.
    fn receive(&mut self, question: &Encrypted, sealed: &CiphertextMeta, item: u16) -> Result<Ciphertext<B>> {
        let params = self.ckks.params();
        let shape = Shape { count: 1, basis: params.q(sealed.level), cols: params.n() as u32 };
        let (words, item) = (shape.words(), item as usize);
        let part = |tensor: &Vec<u32>| Some(tensor.get(item * words..(item + 1) * words)?.to_vec());
        let half = |i: usize| question.tensors.get(i).and_then(part).unwrap_or_default();
        let (c0, c1) = (half(0), half(1));
        let c1 = sealed.seed.as_ref().map_or(SecondHalf::Stored(&c1), |seed| SecondHalf::Seed(seed, item as u64));
        load::ciphertext(&mut self.ckks.be, params, shape, sealed.level, &c0, c1)
    }

    fn logits(
        &mut self,
        plan: &ModelPlan,
        x: Vec<Ciphertext<B>>,
        hidden: Option<HiddenLengths<Ciphertext<B>>>,
        step: &mut dyn FnMut(&'static str, f64),
    ) -> Result<(Vec<Ciphertext<B>>, Executed)> {
        let levels = BootstrapLevels::new(self.ckks.params(), ORDER)?;
        let mut clocked = Clocked::new(&mut self.ckks);
        let packed = SlotEngine::bootstrapping(&mut clocked, plan.layout.clone(), levels).hiding(hidden.as_ref());
        let out = forward(&mut Watched::new(packed, step), self.model, x)?;
        let level = out.iter().map(|y| y.level).min();
        let level = level.ok_or(polyformer_kernel::Error::Empty { what: "ciphertexts of logits" })?;
        let encoding = clocked.encoding();
        let executed = Executed { cost: self.ckks.executed(), level, encoding };
        Ok((out, executed))
    }
}
