//! The encrypted run of a planned encoder, beside the clear run.

use polyformer::{
    Result,
    machine::{Host, Job},
    plan::model::{ModelPlan, ORDER},
    session::Watched,
};
use polyformer_kernel::{
    backend::Backend,
    bootstrap::{Bootstrapped, Recipe},
    ckks::{Ckks, Client},
    math::complex::Complex,
    nn::{
        Model,
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::{BootstrapLevels, SlotEngine},
    },
};
use polyformer_tests::transformer::noise;
use std::{collections::BTreeMap, time::Instant};

/// A model, its plan and the machine.
pub struct Run<'a> {
    pub host: &'a Host,
    pub model: &'a Model<'a>,
    pub plan: &'a ModelPlan,
}

impl Job for Run<'_> {
    type Output = ();

    fn words(&self) -> usize {
        self.plan.memory(self.host.params())
    }

    fn run<B: Backend>(self, mut be: B) -> Result<()> {
        let Run { host, model, plan } = self;
        let (params, layout) = (host.params(), &plan.layout);
        let rows: Vec<Vec<f64>> = layout.lengths.iter().enumerate().map(|(i, l)| noise(i, l * model.width)).collect();
        let x = layout.pack_blocks(&rows.iter().map(|x| &x[..]).collect::<Vec<_>>())?;

        // the client: its keys, and one ciphertext a block
        let start = Instant::now();
        let mut client = Client::new(&mut be, params, polyformer::keys::random::generator()?)?;
        let keys = client.keys(&mut be, &plan.demand)?;
        let mut question = Vec::new();
        for block in &x {
            let slots: Vec<Complex> = block.iter().map(|x| Complex::from(*x)).collect();
            question.push(client.encrypt(&mut be, &slots, params.max_message_level())?);
        }
        println!("keys and question: {:.1} s", start.elapsed().as_secs_f64());

        // the server
        let mut ev = Bootstrapped::new(Ckks::new(be, params, keys)?);
        ev.prepare(params, &Recipe::new(layout.period(), ORDER, model.range))?;
        let (start, mut parts) = (Instant::now(), BTreeMap::<&str, f64>::new());
        let mut step = |part: &'static str, seconds: f64| *parts.entry(part).or_default() += seconds;
        let engine = SlotEngine::bootstrapping(&mut ev, layout.clone(), BootstrapLevels::new(params, ORDER)?);
        let answer = forward(&mut Watched::new(engine, &mut step), model, question)?;
        println!("server: {:.1} s", start.elapsed().as_secs_f64());
        parts.iter().for_each(|(part, seconds)| println!("  {part:10} {seconds:8.1} s"));
        let executed = ev.executed();
        assert_eq!(plan.cost.differs(&executed), None, "the run is the plan's");

        // the client again: the answer beside the clear one
        let mut slots = Vec::new();
        for y in &answer {
            slots.push(client.decrypt(&mut ev.be, y)?.iter().map(|z| z.re).collect::<Vec<f64>>());
        }
        let blocks: Vec<&[f64]> = slots.iter().map(|x| &x[..]).collect();
        let (mut far, mut least) = (0f64, 1f64);
        for (q, rows) in rows.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let x = Rows::new(model.width, rows.clone())?;
            let want = forward(&mut ClearEngine::<f64>::new(model.heads), model, x)?;
            let got = layout.unpack_blocks((q, 0), &blocks, model.outputs())?;
            let pairs = || got.iter().zip(want.values());
            let (dot, a, b) = pairs().fold((0.0, 0.0, 0.0), |(d, a, b), (x, y)| (d + x * y, a + x * x, b + y * y));
            least = least.min(dot / (a * b).sqrt());
            far = pairs().map(|(x, y)| (x - y).abs()).fold(far, f64::max);
        }
        println!("largest error 2^{:.1}, least cosine 1 - {:.1e}", far.log2(), 1.0 - least);
        assert!(far < 2f64.powi(-10));
        client.wipe(&mut ev.be)?;
        Ok(())
    }
}
