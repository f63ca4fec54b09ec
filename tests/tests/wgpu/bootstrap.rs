//! A bootstrapping on the GPU, end to end: the words of the scalar backend, and none of them brought back on the way.

use super::gpus;
use gpu::Wgpu;
use laws::{bootstrapping::words, chain::Chain};

const LOG_N: u8 = 10;

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
        assert!(counts.1 > dispatches + 850, "the work was not recorded: {counts:?}, {dispatches}");
    }
}
