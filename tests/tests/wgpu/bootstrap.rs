//! A bootstrapping on the GPU, end to end: the words of the scalar backend, and none of them brought back on the way.

use super::gpus;
use gpu::Wgpu;
use kernel::{
    arith::Arithmetic,
    backend::Backend,
    bootstrap::{Bootstrapper, Order},
    ckks::Ckks,
    params::Params,
    trace::Trace,
};
use laws::{
    chain::Chain,
    client::{Client, scattered},
};

const LOG_N: u8 = 10;
const PERIOD: usize = 32;

/// Both halves of a bootstrapped and squared ciphertext; `before` and `after` see the backend around the work.
fn words<B: Backend>(params: &Params, mut be: B, before: impl FnOnce(&B), after: impl FnOnce(&B)) -> Vec<Vec<u32>> {
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

#[test]
fn bootstrapping_gives_the_words_of_the_scalar_backend_and_reads_nothing_back() {
    if gpus().is_empty() {
        return println!("skipped: no adapter");
    }
    let (params, be) = Chain::b16(LOG_N).into_scalar(400);
    let expected = words(params, be, |_| (), |_| ());
    let chain = Chain::b16(LOG_N);
    for gpu in gpus() {
        let (mut first, mut dispatches) = (0, 0);
        let be = Wgpu::new(chain.ring(), gpu).unwrap();
        let before = |be: &Wgpu<'_>| (first, dispatches) = (be.downloads(), be.dispatches());
        let mut counts = (0, 0);
        let actual = words(&chain.params, be, before, |be| counts = (be.downloads(), be.dispatches()));
        assert!(actual == expected, "{}", gpu.arithmetic().name());
        assert_eq!(counts.0, first, "words came back on the way");
        println!("{}: {} dispatches", gpu.arithmetic().name(), counts.1 - dispatches);
        assert!(counts.1 > dispatches + 1000, "the work was not recorded: {counts:?}, {dispatches}");
    }
}
