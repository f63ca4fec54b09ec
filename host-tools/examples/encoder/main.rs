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
    machine::{ComputeTarget, Host},
    plan::{model::ModelPlan, speed::Speed},
    spec::SpecBuf,
};
use polyformer_kernel::{
    nn::{NormPlace, Pooling},
    params::{Params, Security, Spec, presets},
};
use polyformer_tests::{encoder::Shape, encoder::unfolded};
use run::Run;
use std::collections::BTreeMap;

mod run;

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
