//! A bootstrapping at a small ring, as words: what backends must agree on.

use crate::client::{Client, scattered};
use kernel::{
    arith::Arithmetic,
    backend::Backend,
    bootstrap::{Bootstrapper, Order},
    ckks::Ckks,
    params::Params,
    trace::Trace,
};

const PERIOD: usize = 32;

/// Both halves of a bootstrapped and squared ciphertext; `before` and `after` see the backend around the work.
pub fn words<B: Backend>(params: &Params, mut be: B, before: impl FnOnce(&B), after: impl FnOnce(&B)) -> Vec<Vec<u32>> {
    let order = Order::SlotsToCoeffsFirst;
    let mut trace = Trace::new(params.slots(), None);
    let bootstrapper = Bootstrapper::new(&mut trace, params, PERIOD, order, 1.0).unwrap();
    trace.bootstrap_with(bootstrapper);
    let x = trace.input(3);
    let x = trace.refresh(x, 5).unwrap();
    drop(trace.product(&x, &x).unwrap());
    let mut client = Client::new(&mut be, params, 3);
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Ckks::new(be, params, keys, 1).unwrap();
    ev.bootstrap_with(PERIOD, order, 1.0).unwrap();
    let values = scattered(PERIOD, 1);
    let values: Vec<_> = (0..params.slots()).map(|i| values[i % PERIOD]).collect();
    let x = client.encrypt(&mut ev.be, &values, 3);
    before(&ev.be);
    let x = ev.refresh(x, 5).unwrap();
    let y = ev.product(&x, &x).unwrap();
    ev.be.submit().unwrap();
    after(&ev.be);
    let errors = client.errors(&mut ev.be, &y, |i| values[i] * values[i]);
    assert!(errors.worst < 2f64.powi(-21), "worst 2^{:.2}", errors.worst.log2());
    let halves = y.c.iter().map(|c| {
        let mut words = vec![0; c.shape().words()];
        ev.be.download(c.limbs(), &mut words).unwrap();
        words
    });
    halves.collect()
}
