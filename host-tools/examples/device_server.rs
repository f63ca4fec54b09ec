//! The server of a small device: infers what the device encrypted in its own ring, and answers in that ring.
//!
//!     cargo run --release -p polyformer --example device_server LOG_N QUESTION ANSWER
//!
//! QUESTION holds the public seed and the words of c0 at C12, ANSWER receives pairs of words of c0 and c1. LOG_N is the log2
//! of the degree in which the server computes: 16 for B16, which takes about 13 GB (an estimate), 13 or more to see it
//! work in a ring without security. For want of a wire this program makes the keys, too, with the secret of the test
//! device; what a server has is what `respond` takes.

use polyformer::{
    model::Pretrained,
    plan::model::{ModelPlan, ORDER},
};
use polyformer_cpu::Cpu;
use polyformer_kernel::{
    Result,
    arith::Arithmetic,
    bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe},
    ckks::{
        Ckks,
        keys::{SecretKey, SecretSeed},
        ring_switch::{LiftKey, LowerKey, receive},
    },
    eval::trace::Trace,
    nn::{forward, slot_engine::SlotEngine},
    params::{Params, presets},
    ring::sample::Seed,
};
use polyformer_tests::{chain::Chain, client::Client};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{error::Error, time::Instant};

/// The tokens of the question: public, as with any question.
const TOKENS: usize = 9;

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [log_n, question, answer] = &args[..] else {
        return Err("usage: device_server LOG_N QUESTION ANSWER".into());
    };
    let log_n: u8 = log_n.parse().ok().filter(|n| (13..=16).contains(n)).ok_or("LOG_N: 13 to 16")?;
    let (bytes, m) = (std::fs::read(question)?, Pretrained::embedded()?);
    let small = Params::new(&presets::C12)?;
    let expected = 32 + 4 * small.n() * small.base().len();
    if bytes.len() != expected {
        return Err(format!("{question}: {} bytes, a question at C12 has {expected}", bytes.len()).into());
    }
    let (seed, words) = bytes.split_at(32);
    let words: Vec<u32> = words.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();

    let chain = Chain::b16(log_n);
    let (params, mut be, start) = (&chain.params, Cpu::new(chain.ring()), Instant::now());
    let plan = ModelPlan::new(params, &m.model, &[TOKENS])?;
    let (period, range) = (plan.layout.period(), m.model.range);
    let mut trace = Trace::new(params.slots(), None);
    let entry = Bootstrapper::new(&mut trace, params, &Recipe::new(period, Order::ModRaiseFirst, range))?;
    let later = Bootstrapper::new(&mut trace, params, &Recipe::new(period, ORDER, range))?;
    let mut trace = Bootstrapped::with(trace, later)?;
    let x = trace.input(0);
    let x = entry.refresh(&mut *trace, x)?;
    let x = trace.refresh(x, params.max_message_level())?;
    forward(&mut SlotEngine::new(&mut trace, plan.layout.clone()), &m.model, vec![x])?;
    let mut client = Client::new(&mut be, params, 3);
    let rings = rings(&mut be, params, &small, &client.secret())?;
    let keys = client.keys(&mut be, trace.demand());
    println!("{} rotation keys and the others: {:.1} s", keys.galois.len(), start.elapsed().as_secs_f64());

    let (mut ev, start) = (Bootstrapped::new(Ckks::new(be, params, keys, 1)?), Instant::now());
    ev.prepare(params, &Recipe::new(period, ORDER, range))?;
    let [c0, c1] = respond(&mut ev, &plan, &m, (&rings, &small), &words, &seed.try_into()?)?;
    println!("inferred in {:.1} s", start.elapsed().as_secs_f64());
    let pairs = c0.iter().zip(&c1).flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat());
    let partial = format!("{answer}.part");
    std::fs::write(&partial, pairs.collect::<Vec<u8>>())?;
    Ok(std::fs::rename(&partial, answer)?)
}

/// The keys between the rings.
type Rings<'r> = (LiftKey<Cpu<'r>>, LowerKey<Cpu<'r>>);

/// From the secrets of both sides.
fn rings<'r>(be: &mut Cpu<'r>, params: &Params, small: &Params, large: &SecretSeed) -> Result<Rings<'r>> {
    let (scratch, rng) = (&mut vec![0; params.n()], &mut ChaCha20Rng::from_seed([8; 32]));
    let basis = params.base().with(params.specials());
    let sk = SecretKey::expand(be, large, basis, scratch)?;
    let device = SecretKey::expand_small(be, &SecretSeed::take(&mut [9; 32]), small.n(), basis, scratch)?;
    let lift = LiftKey::generate(be, params, small, [&device, &sk], &[1; 32], rng, scratch)?;
    let lower = LowerKey::generate(be, params, small, [&sk, &device], &[2; 32], rng, scratch)?;
    Ok((lift, lower))
}

/// What the server does: no secret comes here.
fn respond<'r>(
    ev: &mut Bootstrapped<Ckks<'_, Cpu<'r>>>,
    plan: &ModelPlan,
    m: &Pretrained,
    ((lift, lower), small): (&Rings<'r>, &Params),
    words: &[u32],
    seed: &Seed,
) -> Result<[Vec<u32>; 2]> {
    let params = ev.params();
    let entry =
        Bootstrapper::new(&mut **ev, params, &Recipe::new(plan.layout.period(), Order::ModRaiseFirst, m.model.range))?;
    let question = receive(&mut ev.be, params, small, words, seed)?;
    let x = ev.lift(lift, &question)?;
    let x = entry.refresh(&mut **ev, x)?;
    let x = ev.refresh(x, params.max_message_level())?;
    let mut out = forward(&mut SlotEngine::new(ev, plan.layout.clone()), &m.model, vec![x])?;
    let y = out.pop().ok_or(polyformer_kernel::Error::Length { expected: 1, actual: 0 })?;
    let y = ev.drop_to_level(y, 0)?;
    ev.lower(lower, small, &y)
}
