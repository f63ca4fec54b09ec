//! Every circuit of the catalogue on ciphertexts: the depth is the trace's, the values are those of f64 within the noise.
//! Circuits deeper than the chain get their bootstraps from the planner; here a bootstrap holds the secret key, so that
//! everything above bootstrapping is tested without it.

use kernel::{
    circuits::catalogue::{Entry, every},
    ckks::{Ciphertext, Ckks},
    complex::Complex,
    deep::{Deep, Placement, TOP, place::cheapest},
    params::presets,
    plain::PlainVec,
    trace::Trace,
};
use laws::{chain::Chain, client::Client};

type Be = scalar::Scalar<'static, 'static>;

const LOG_N: u8 = 10;
const SLOTS: usize = 512;

/// The placement on a chain with `top` levels, a fresh ciphertext having all of them, and the depth.
fn placement(entry: &Entry, top: u8) -> (Placement, u8) {
    let mut deep = Deep::new(Trace::new(SLOTS, None), Placement::none(TOP), |_, x| Ok(x));
    let inputs: Vec<_> = (0..entry.circuit.inputs()).map(|_| deep.inner.input(TOP)).collect();
    let mut xs = inputs.into_iter().map(|x| deep.input(x).unwrap()).collect();
    entry.circuit.run(&mut deep, &mut xs, &entry.rows).unwrap();
    let depth = deep.nodes().iter().map(|n| n.depth).max().unwrap();
    (cheapest(deep.nodes(), top, top).unwrap(), depth)
}

/// The largest difference from f64, over the largest value.
fn error(entry: &Entry) -> f64 {
    let (params, mut be) = Chain::new(&presets::L15, LOG_N).into_scalar(700);
    let top = params.top();
    let (place, depth) = placement(entry, top);

    let mut tracer = Deep::new(Trace::new(SLOTS, Some(top)), place.clone(), |tr: &mut Trace, _| Ok(tr.input(top)));
    let inputs: Vec<_> = (0..entry.circuit.inputs()).map(|_| tracer.inner.input(top)).collect();
    let mut xs = inputs.into_iter().map(|x| tracer.input(x).unwrap()).collect();
    entry.circuit.run(&mut tracer, &mut xs, &entry.rows).unwrap();
    let (tracer, _) = tracer.into_parts();

    let mut client = Client::new(&mut be, params, 3);
    let keys = client.keys(&mut be, tracer.demand());
    let mut ev = Ckks::new(be, params, keys, 1).unwrap();
    let mut plain = entry.sample(SLOTS, 1);
    let complex = |x: &[f64]| -> Vec<Complex> { x.iter().map(|x| Complex::from(*x)).collect() };
    let inputs: Vec<_> = plain.iter().map(|x| client.encrypt(&mut ev.be, &complex(x), top)).collect();
    let fake = |ev: &mut Ckks<'static, Be>, x: Ciphertext<Be>| {
        let values: Vec<Complex> = client.decrypt(&mut ev.be, &x).iter().map(|z| Complex::from(z.re)).collect();
        Ok(client.encrypt(&mut ev.be, &values, top))
    };
    let mut deep = Deep::new(ev, place, fake);
    let mut xs = inputs.into_iter().map(|x| deep.input(x).unwrap()).collect();
    entry.circuit.run(&mut deep, &mut xs, &entry.rows).unwrap();
    assert_eq!(deep.nodes().iter().map(|n| n.depth).max().unwrap(), depth, "{}", entry.name);
    let results: Vec<_> = xs.into_iter().map(|x| deep.output(x).unwrap()).collect();
    let (mut ev, _) = deep.into_parts();

    entry.circuit.run(&mut PlainVec::<f64>::with_slots(SLOTS), &mut plain, &entry.rows).unwrap();
    let mut client = Client::new(&mut ev.be, params, 3); // the same secret: the first went into the bootstrap
    let _ = client.encrypt(&mut ev.be, &complex(&[0.0; SLOTS]), 0);
    let (mut worst, mut largest) = (0.0f64, 0.0f64);
    for (ct, want) in results.iter().zip(&plain) {
        for (z, want) in client.decrypt(&mut ev.be, ct).iter().zip(want) {
            worst = worst.max((z.re - want).abs());
            largest = largest.max(want.abs());
        }
    }
    worst / largest
}

#[test]
fn every_circuit_on_ciphertexts_is_what_it_is_on_floats() {
    let mut bad = Vec::new();
    for entry in every(SLOTS).unwrap() {
        let e = error(&entry);
        println!("{:40} 2^{:.1}", entry.name, e.log2());
        if e.is_nan() || e > 2f64.powi(-16) {
            bad.push((entry.name, e));
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}
