//! An encoder over several blocks: its plan, and with `run` an encrypted run beside the plan and the clear run.
//!
//!     cargo run --release --example encoder                                # a small encoder, planned and run
//!     cargo run --release --example encoder -- minilm                      # MiniLM-L6's shape: the plan
//!     cargo run --release --example encoder -- minilm speed                # the same with predicted seconds
//!     cargo run --release --example encoder -- minilm layers=1 run         # one layer, encrypted: 12 GB of memory
//!
//! The weights are random. The small encoder runs in a ring of degree 2^10, which keeps no secret and is fast.

use polyformer::{
    Result,
    machine::{ComputeTarget, Host, Job},
    plan::{
        model::{ModelPlan, ORDER},
        speed::Speed,
    },
    session::Watched,
    spec::SpecBuf,
};
use polyformer_kernel::{
    backend::Backend,
    bootstrap::{Bootstrapped, Recipe},
    ckks::{Ckks, Client},
    math::complex::Complex,
    nn::{
        Model, NormPlace, Pooling,
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::{BootstrapLevels, SlotEngine},
    },
    params::{Params, Security, Spec, presets},
};
use polyformer_tests::{encoder::Shape, encoder::unfolded, transformer::noise};
use std::{collections::BTreeMap, time::Instant};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given = |word: &str| words.iter().any(|w| w == word);
    let number = |name: &str, default: usize| {
        let value = words.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('='));
        value.map_or(default, |v| v.parse().unwrap_or(default))
    };
    let minilm = given("minilm");
    let (width, heads, hidden) = if minilm { (384, 12, 1536) } else { (24, 6, 40) };
    let layers = number("layers", if minilm { 6 } else { 1 });
    let shape =
        Shape { width, heads, hidden, layers, degree: number("degree", 15), reciprocal: number("reciprocal", 15) };
    let lengths = vec![number("tokens", if minilm { 16 } else { 4 }); number("questions", if minilm { 16 } else { 4 })];
    let spec = if minilm { presets::B16 } else { Spec { log_n: 10, security: Security::Toy, ..presets::B16 } };
    let model = unfolded(&shape, NormPlace::Post, "features", Pooling::Mean).folded()?;
    let host = Host::new(Params::new(&spec)?);
    let plan = ModelPlan::new(host.params(), &model, &lengths)?;
    let gib = |words: usize| words as f64 / f64::from(1 << 28);
    println!("{shape:?}, {} questions of {} tokens in {} ciphertexts", lengths.len(), lengths[0], plan.layout.blocks());
    println!("{:?}, level of the answer {}", plan.cost, plan.level);
    println!("{} keys, {:.2} GiB of memory", plan.wants(host.params()).len(), gib(plan.memory(host.params())));
    let target = ComputeTarget::cpu(number("threads", 2));
    if given("speed") {
        let speed = Speed::measure(&host, target, &SpecBuf::from(&spec), &|| ())?;
        let (run, once) = (speed.seconds(&plan.work), speed.seconds(&plan.preparation));
        println!("{run:.1} s predicted, {once:.1} s once before, {} threads, {}", target.threads, target.isa());
        for (work, seconds) in by_kind(&speed, &plan) {
            println!("  {work:10} {seconds:8.1} s");
        }
    }
    if given("run") || !minilm {
        host.run(target, Run { host: &host, model: &model, plan: &plan })?;
    }
    Ok(())
}

/// Predicted seconds of each kind of work.
fn by_kind(speed: &Speed, plan: &ModelPlan) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (work, count) in &plan.work {
        let kind = format!("{:?}", work.0);
        let kind = kind.split('(').next().unwrap_or_default().to_string();
        *sums.entry(kind).or_default() += speed.seconds(&[(*work, *count)].into());
    }
    sums
}

struct Run<'a> {
    host: &'a Host,
    model: &'a Model<'a>,
    plan: &'a ModelPlan,
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
