//! A bootstrapping, as words: what backends must agree on.

use crate::client::{Client, Errors, scattered};
use kernel::{
    arith::Arithmetic,
    backend::Backend,
    bootstrap::{Bootstrapper, Order},
    ckks::Ckks,
    params::Params,
    trace::Trace,
};

/// A period that a small ring has.
pub const PERIOD: usize = 32;

/// What came of it.
#[derive(Debug)]
pub struct Bootstrapped {
    /// Both halves of a bootstrapped and squared ciphertext.
    pub words: Vec<Vec<u32>>,
    /// What it decrypts to, against the square.
    pub errors: Errors,
    /// Words that the trace says it takes at most, beside what is there before it.
    pub planned: usize,
}

/// A vector of period `period`, bootstrapped and squared; `before` and `after` see the backend around the work.
pub fn bootstrapped<B: Backend>(
    params: &Params,
    mut be: B,
    period: usize,
    before: impl FnOnce(&mut B),
    after: impl FnOnce(&mut B),
) -> Bootstrapped {
    let order = Order::SlotsToCoeffsFirst;
    let mut trace = Trace::new(params.slots(), None).measured(params);
    let bootstrapper = Bootstrapper::new(&mut trace, params, period, order, 1.0).unwrap();
    trace.bootstrap_with(bootstrapper);
    let x = trace.input(3);
    let held = trace.held();
    let x = trace.refresh(x, 5).unwrap();
    drop(trace.product(&x, &x).unwrap());
    let planned = trace.words() - held;
    let mut client = Client::new(&mut be, params, 3);
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Ckks::new(be, params, keys, 1).unwrap();
    ev.bootstrap_with(period, order, 1.0).unwrap();
    let values = scattered(period, 1);
    let values: Vec<_> = (0..params.slots()).map(|i| values[i % period]).collect();
    let x = client.encrypt(&mut ev.be, &values, 3);
    before(&mut ev.be);
    let x = ev.refresh(x, 5).unwrap();
    let y = ev.product(&x, &x).unwrap();
    ev.be.submit().unwrap();
    after(&mut ev.be);
    let errors = client.errors(&mut ev.be, &y, |i| values[i] * values[i]);
    let halves = y.c.iter().map(|c| {
        let mut words = vec![0; c.shape().words()];
        ev.be.download(c.limbs(), &mut words).unwrap();
        words
    });
    Bootstrapped { words: halves.collect(), errors, planned }
}

/// The words at a small ring.
pub fn words<B: Backend>(
    params: &Params,
    be: B,
    before: impl FnOnce(&mut B),
    after: impl FnOnce(&mut B),
) -> Vec<Vec<u32>> {
    let out = bootstrapped(params, be, PERIOD, before, after);
    assert!(out.errors.worst < 2f64.powi(-21), "worst 2^{:.2}", out.errors.worst.log2());
    out.words
}
