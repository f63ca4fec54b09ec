//! One attention head on ciphertexts: scores of queries and keys, PowerSoftmax, the mix of values.
//!
//!     cargo run --release --example attention_head
//!
//! The ring of degree 2^12 keeps no secret and is fast. `presets::L15` as it is has 128 bits of security.

use polyformer::{keys::random, machine::Host};
use polyformer_cpu::Cpu;
use polyformer_kernel::{
    Result,
    arith::Arithmetic,
    circuits::{
        attention::power::{PowerSoftmax, power_softmax},
        matmul::{Heads, mix, scores},
        reduce::RowLayout,
    },
    ckks::{Ckks, Client},
    eval::{clear::ClearVec, trace::Trace},
    math::complex::Complex,
    params::{Params, Security, Spec, presets},
};

const HEAD: Heads = Heads { tokens: 8, heads: 1, width: 8 }; // eight features a token: a matrix fills 64 slots

/// The same circuit for every evaluator: tracer, floats, ciphertexts.
fn head<A: Arithmetic>(ev: &mut A, [q, k, v]: [&A::Slots; 3]) -> Result<A::Slots> {
    let softmax = PowerSoftmax::length_agnostic(2, HEAD.tokens, 0.1, 2.0, 1e-3)?;
    let mut weights = scores(ev, &HEAD, q, k)?;
    power_softmax(ev, &softmax, &mut weights, &RowLayout::new(HEAD.width, 1)?)?;
    mix(ev, &HEAD, &weights, v)
}

fn main() -> polyformer::Result<()> {
    let host = Host::new(Params::new(&Spec { log_n: 12, security: Security::Toy, ..presets::L15 })?);
    let (params, top) = (host.params(), host.params().max_message_level());
    let value = |seed: usize, i: usize| ((i * 37 + seed * 11) % 23) as f64 / 23.0 - 0.5;
    let [q, k, v] = [1, 2, 3].map(|seed| (0..64).map(|i| value(seed, i)).collect::<Vec<f64>>());

    let mut trace = Trace::new(params.slots(), None); // a dry run names the keys
    let inputs = [0; 3].map(|_| trace.input(top));
    let out = head(&mut trace, inputs.each_ref())?;
    println!("{} levels, {} rotation keys", top - trace.level(&out), trace.demand().rotations.len());

    let mut be = Cpu::new(host.ring()?);
    let mut client = Client::new(&mut be, params, random::generator()?)?;
    let keys = client.keys(&mut be, trace.demand())?;
    let slots = |x: &[f64]| x.iter().map(|x| Complex::from(*x)).collect::<Vec<_>>();
    let mut encrypt = |x: &[f64]| client.encrypt(&mut be, &slots(x), top);
    let encrypted = [encrypt(&q)?, encrypt(&k)?, encrypt(&v)?];
    let mut server = Ckks::new(be, params, keys)?;
    let out = head(&mut server, encrypted.each_ref())?;

    let got = client.decrypt(&mut server.be, &out)?;
    let want = head(&mut ClearVec::<f64>::with_slots(64), [&q, &k, &v])?;
    let worst = got.iter().zip(&want).map(|(z, y)| (z.re - y).abs()).fold(0.0, f64::max);
    println!("largest difference from floats: {worst:.1e}");
    assert!(worst < 1e-4);
    Ok(())
}
