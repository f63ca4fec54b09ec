//! A ciphertext that has no level left is bootstrapped, and can be multiplied again.
//!
//!     cargo run --release --example bootstrap
//!
//! The ring of degree 2^12 keeps no secret and is fast. `presets::B16` as it is has 128 bits of security.

use polyformer::{Result, keys::random, machine::Host, plan::dry_run::DryRun};
use polyformer_cpu::Cpu;
use polyformer_kernel::{
    arith::Arithmetic,
    bootstrap::{Bootstrapped, Order, Recipe},
    ckks::{Ckks, Client},
    math::complex::Complex,
    params::{Params, Security, Spec, presets},
};

fn main() -> Result<()> {
    let host = Host::new(Params::new(&Spec { log_n: 12, security: Security::Toy, ..presets::B16 })?);
    let (params, top) = (host.params(), host.params().max_message_level());
    let low = params.bootstrap().map_or(0, |b| b.slots_to_coeffs()); // the lowest level that a bootstrap takes
    let recipe = Recipe::new(params.slots(), Order::SlotsToCoeffsFirst, 1.0); // real values in [-1, 1]

    let mut dry = DryRun::new(params); // names the keys
    let mut trace = dry.bootstrapped(Some(&recipe))?;
    let x = trace.input(low);
    let x = trace.refresh(x, top)?;
    trace.product(&x, &x)?;
    let needed = dry.finish(&trace);
    println!("{} rotation keys, {} key switches", needed.demand.rotations.len(), needed.cost.key_switch);

    let mut be = Cpu::new(host.ring()?);
    let mut client = Client::new(&mut be, params, random::generator()?)?;
    let keys = client.keys(&mut be, &needed.demand)?;
    let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64 / 100.0).sin()).collect();
    let slots: Vec<Complex> = values.iter().map(|x| Complex::from(*x)).collect();
    let x = client.encrypt(&mut be, &slots, low)?;

    let mut server = Bootstrapped::new(Ckks::new(be, params, keys)?);
    server.prepare(params, &recipe)?;
    let x = server.refresh(x, top)?;
    println!("level {low} -> {}", server.level(&x));
    let square = server.product(&x, &x)?;

    let got = client.decrypt(&mut server.be, &square)?;
    let worst = got.iter().zip(&values).map(|(z, x)| (z.re - x * x).abs()).fold(0.0, f64::max);
    println!("largest error of a square after the bootstrap: {worst:.1e}");
    assert!(worst < 1e-3);
    Ok(())
}
