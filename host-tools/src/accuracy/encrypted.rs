//! Labelled questions through the encrypted model, with as many questions per ciphertext as fit, and the difference
//! from the clear run.

use super::{Labelled, spread::Spread};
use crate::{
    Result,
    files::Header,
    keys::{KeySpec, secret::Secret},
    machine::{ComputeTarget, Host, Job},
    model::{Pretrained, top},
    plan::model::{Lengths, ModelPlan, bucket},
    session::{Client, Server},
};
use polyformer_kernel::{
    arith::cost::Demand,
    backend::Backend,
    bootstrap::RotationStrategy,
    ckks::keys::Keys,
    nn::{
        clear_engine::{ClearEngine, Rows},
        forward,
    },
    params::Params,
};
use std::path::Path;

/// Questions that share a ciphertext, by their place in the file.
pub struct Batch {
    /// Which questions.
    pub questions: Vec<usize>,
    /// Their plan.
    pub plan: ModelPlan,
}

/// Groups questions into ciphertexts, longest questions first, so that the questions of a ciphertext have similar
/// lengths.
pub fn groups(params: &Params, model: &Pretrained, questions: &[Labelled]) -> Vec<Vec<usize>> {
    let lengths: Vec<usize> = questions.iter().map(|q| q.ids.len()).collect();
    model.groups(&lengths, params.slots())
}

/// The groups with their plans. `steps` is the rotation strategy of bootstrapping. With `hidden` the server sees the rows
/// of the longest question of a group, and no other length.
///
/// # Errors
/// The errors of [`ModelPlan::asked`].
pub fn batches(
    params: &Params,
    model: &Pretrained,
    questions: &[Labelled],
    (steps, hidden): (RotationStrategy, bool),
) -> Result<Vec<Batch>> {
    let planned = |group: Vec<usize>| {
        let mut lengths: Vec<usize> = group.iter().map(|i| questions[*i].ids.len()).collect();
        if hidden {
            let rows = bucket(lengths.iter().copied().max().unwrap_or(0));
            lengths.fill(rows);
        }
        let lengths = Lengths::of(&lengths, hidden);
        Ok(Batch { plan: ModelPlan::asked(params, None, &model.model, lengths, steps)?, questions: group })
    };
    groups(params, model, questions).into_iter().map(planned).collect()
}

/// The keys of every batch.
pub fn wants(params: &Params, batches: &[Batch]) -> Vec<KeySpec> {
    let mut all = Demand::default();
    batches.iter().for_each(|batch| all.join(&batch.plan.demand));
    KeySpec::all(params, &all)
}

/// Words in the server's memory: the words of the largest batch.
pub fn words(params: &Params, batches: &[Batch]) -> usize {
    batches.iter().map(|batch| batch.plan.memory(params)).max().unwrap_or(0)
}

/// The difference between the encrypted run and the clear run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Questions.
    pub n: usize,
    /// Questions with the same label.
    pub agree: usize,
    /// Differences of logits.
    pub errors: Spread,
    /// Seconds of the server, loading of keys left out.
    pub seconds: f64,
    /// Seconds of these for encoding weights.
    pub encoding: f64,
    /// Ciphertexts.
    pub ciphertexts: usize,
    /// Ciphertexts whose run was not the one that was planned.
    pub departed: usize,
}

/// Encrypts, infers and decrypts every batch.
pub struct Encrypted<'a> {
    /// The machine.
    pub host: &'a Host,
    /// The client's compute target.
    pub on: ComputeTarget,
    /// The client's secret.
    pub secret: &'a Secret,
    /// The folder of evaluation keys.
    pub eval: &'a Path,
    /// The model.
    pub model: &'a Pretrained,
    /// The questions.
    pub questions: &'a [Labelled],
    /// The batches, one per ciphertext.
    pub batches: &'a [Batch],
    /// Called after each batch.
    pub step: &'a dyn Fn(),
}

impl Job for Encrypted<'_> {
    type Output = Agreement;

    fn words(&self) -> usize {
        words(self.host.params(), self.batches)
    }

    fn run<B: Backend>(self, be: B) -> Result<Agreement> {
        let Self { host, on, secret, eval, model, questions, batches, step } = self;
        let of = Header { body: crate::files::Body::Params, ..secret.header.clone() };
        let mut server = Server::new(be, host.params(), Keys::default(), &model.model, &of)?;
        let client = Client::new(host, on, secret, &model.text);
        let mut sum = Agreement::default();
        for batch in batches {
            server.hold(eval, &batch.plan.wants(host.params()))?;
            sum.add(&mut server, &client, model, questions, batch)?;
            step();
        }
        Ok(sum)
    }
}

impl Agreement {
    /// Runs the questions of a batch, and compares the answers with the answers in the clear.
    pub fn add<B: Backend>(
        &mut self,
        server: &mut Server<'_, B>,
        client: &Client<'_>,
        model: &Pretrained,
        questions: &[Labelled],
        Batch { questions: which, plan }: &Batch,
    ) -> Result<()> {
        let ids: Vec<Vec<u32>> = which.iter().map(|i| questions[*i].ids.clone()).collect();
        let question = match plan.hidden {
            true => {
                let vectors = client.hidden_slots(&plan.layout, &ids, &model.model)?;
                client.encrypt_all(&plan.layout, &vectors.each_ref().map(|vector| vector.as_slice()))?
            }
            false => client.encrypt(&plan.layout, &client.slots(&plan.layout, &ids)?)?,
        };
        server.prepare(plan)?;
        let start = std::time::Instant::now();
        let (answer, executed) = server.infer(plan, &question, &mut |_, _| ())?;
        self.seconds += start.elapsed().as_secs_f64();
        self.ciphertexts += 1;
        self.encoding += executed.encoding;
        self.departed += executed.departs(plan).is_some() as usize;
        for (ids, got) in ids.iter().zip(client.decrypt(&question.header, &answer)?) {
            let (x, got) = (Rows::new(model.model.width, model.text.embed(ids))?, got.values());
            let want = forward(&mut ClearEngine::<f64>::new(model.model.heads), &model.model, x)?;
            self.n += 1;
            let label = top(want.values()).first().copied();
            self.agree += label.is_some_and(|label| top(got).first() == Some(&label)) as usize;
            self.errors.add(got, want.values());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Labelled, batches};
    use crate::{model::Pretrained, spec::SpecBuf};
    use polyformer_kernel::bootstrap::RotationStrategy;

    #[test]
    fn ciphertexts_are_filled_and_no_question_is_lost() {
        let (m, params) = (Pretrained::embedded().unwrap(), SpecBuf::preset("B16").unwrap().params().unwrap());
        let questions: Vec<Labelled> = (0..40).map(|i| Labelled { ids: vec![1; 1 + i % 20], class: 0 }).collect();
        let batches = batches(&params, &m, &questions, (RotationStrategy::Hoisted, false)).unwrap();
        let mut seen: Vec<usize> = batches.iter().flat_map(|b| b.questions.clone()).collect();
        seen.sort();
        assert!(seen.iter().copied().eq(0..40));
        assert!(batches.iter().all(|b| b.plan.layout.period() <= params.slots()));
        assert_eq!(batches[0].questions.len(), 8); // 20 tokens take 32 rows
    }
}
