//! Transformers: logits in the clear, on slots in the clear, on numbers with the errors of ciphertexts, and encrypted.

use super::{
    bootstraps::{record_keys, record_plan},
    machine::Part,
    owner::Owner,
    record::Record,
};
use polyformer_kernel::{
    Result,
    arith::Arithmetic,
    backend::Backend,
    bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe, RotationStrategy},
    ckks::Ckks,
    eval::{clear::ClearVec, noise::NoiseSimulator, trace::Trace},
    math::complex::Complex,
    nn::{
        Model,
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::{BootstrapLevels, Layout, SlotEngine},
    },
    params::Params,
};

/// A model and its questions: normalised embeddings, one row a token.
pub struct Inference<'m> {
    /// The model.
    pub model: &'m Model<'m>,
    /// The rows of each question.
    pub questions: Vec<Vec<f64>>,
    /// The rotation strategy of bootstrapping.
    pub steps: RotationStrategy,
}

impl Inference<'_> {
    fn layout(&self, slots: usize) -> Result<Layout> {
        let lengths: Vec<usize> = self.questions.iter().map(|x| x.len() / self.model.width).collect();
        Layout::new(&lengths, self.model.width, self.model.heads, slots)
    }

    /// One period of slots.
    fn packed(&self, layout: &Layout) -> Result<Vec<f64>> {
        let mut packed = vec![0.0; layout.period()];
        for (i, rows) in self.questions.iter().enumerate() {
            layout.pack(i, rows, &mut packed)?;
        }
        Ok(packed)
    }

    /// Logits in the clear: rows of f64 and of f32, and the circuit on slots.
    pub fn clear(&self, out: &mut Record) -> Result<()> {
        for (i, x) in self.questions.iter().enumerate() {
            out.floats(&format!("embedded{i}"), x);
            let rows = Rows::new(self.model.width, x.clone())?;
            let logits = forward(&mut ClearEngine::<f64>::new(self.model.heads), self.model, rows)?;
            out.floats(&format!("rows{i}/f64"), logits.values());
            let rows = Rows::new(self.model.width, x.iter().map(|x| *x as f32).collect::<Vec<_>>())?;
            let logits = forward(&mut ClearEngine::<f32>::new(self.model.heads), self.model, rows)?;
            out.floats(&format!("rows{i}/f32"), &logits.values().iter().map(|x| *x as f64).collect::<Vec<_>>());
        }
        let layout = self.layout(1 << 14)?;
        let mut ev = ClearVec::<f64>::with_slots(layout.period());
        let x = self.packed(&layout)?;
        let logits = forward(&mut SlotEngine::new(&mut ev, layout), self.model, vec![x])?;
        out.floats("slots/f64", &logits.concat());
        Ok(())
    }

    /// A dry run on `params`: operations, keys, words of memory, and the backend's work by level.
    pub fn plan(&self, params: &Params, out: &mut Record) -> Result<()> {
        let layout = self.layout(params.slots())?;
        let levels = BootstrapLevels::new(params, Order::SlotsToCoeffsFirst)?;
        let recipe = Recipe::new(layout.period(), Order::SlotsToCoeffsFirst, self.model.range).with(self.steps);
        let mut trace = Trace::new(params.slots(), None).measured(params);
        let bootstrapper = Bootstrapper::new(&mut trace, params, &recipe)?;
        let mut trace = Bootstrapped::with(trace, bootstrapper)?;
        let x = trace.input(params.max_message_level());
        forward(&mut SlotEngine::bootstrapping(&mut trace, layout, levels), self.model, vec![x])?;
        record_plan("trace", &trace, out);
        out.integers("words", &[trace.words_alive() as i64, trace.words() as i64]);
        let work = trace.work().iter().flat_map(|((_, level), count)| [*level as u32, *count]);
        out.words("work", &work.collect::<Vec<_>>());
        Ok(())
    }
}

impl Part for Inference<'_> {
    fn run<B: Backend>(&self, params: &Params, mut be: B, out: &mut Record) -> Result<()> {
        let layout = self.layout(params.slots())?;
        let levels = BootstrapLevels::new(params, Order::SlotsToCoeffsFirst)?;
        let recipe = Recipe::new(layout.period(), Order::SlotsToCoeffsFirst, self.model.range).with(self.steps);
        let mut trace = Trace::new(params.slots(), None);
        let bootstrapper = Bootstrapper::new(&mut trace, params, &recipe)?;
        let mut trace = Bootstrapped::with(trace, bootstrapper)?;
        let x = trace.input(params.max_message_level());
        forward(&mut SlotEngine::bootstrapping(&mut trace, layout.clone(), levels), self.model, vec![x])?;
        record_plan("plan", &trace, out);

        let values = self.packed(&layout)?;
        let values: Vec<Complex> = values
            .into_iter()
            .map(Complex::from)
            .collect::<Vec<_>>()
            .into_iter()
            .cycle()
            .take(params.slots())
            .collect();
        let mut owner = Owner::new(&mut be, params, 10)?;
        let keys = owner.keys(&mut be, trace.demand())?;
        record_keys(&mut be, &keys, out)?;
        let question = owner.encrypt(&mut be, &values, params.max_message_level())?;
        out.ciphertext("question", &mut be, &question)?;
        let mut ev = Bootstrapped::new(Ckks::new(be, params, keys)?);
        ev.prepare(params, &recipe)?;
        let answer =
            forward(&mut SlotEngine::bootstrapping(&mut ev, layout.clone(), levels), self.model, vec![question])?;
        for y in answer {
            out.ciphertext("logits", &mut ev.be, &y)?;
            let y = ev.drop_to_level(y, 0)?;
            out.ciphertext("answer", &mut ev.be, &y)?;
            let (_, slots) = owner.decrypt(&mut ev.be, &y)?;
            let logits: Vec<f64> = slots.iter().map(|z| z.re).collect();
            for i in 0..self.questions.len() {
                out.floats(&format!("decrypted{i}"), layout.unpack(i, &logits, self.model.outputs())?);
            }
        }
        let mut ev = Bootstrapped::new(NoiseSimulator::new(params, [11; 32]));
        ev.prepare(params, &recipe)?;
        let x = ev.encrypt(&values, params.max_message_level())?;
        for y in forward(&mut SlotEngine::bootstrapping(&mut ev, layout, levels), self.model, vec![x])? {
            out.complex("simulated", ev.decrypt(&y));
        }
        Ok(())
    }
}
