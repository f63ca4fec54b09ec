//! A bootstrap on the GPU, end to end. The words equal the words of the scalar backend, no word is downloaded during
//! the bootstrap, and the memory stays within the plan.

use super::gpus;
use polyformer_tests::{
    bootstrapping::{PERIOD, bootstrapped, words},
    chain::Chain,
};
use polyformer_wgpu::Wgpu;

const LOG_N: u8 = 10;

/// Words of a slab that holds all buffers, so that no dispatch is split because of its operands' buffers.
const ONE_SLAB: usize = 1 << 25;

#[test]
fn bootstrapping_gives_the_words_of_the_scalar_backend_and_reads_nothing_back() {
    if gpus().is_empty() {
        return println!("skipped: no adapter");
    }
    let (params, be) = Chain::b16(LOG_N).into_scalar(400);
    let expected = words(params, be, |_| (), |_| ());
    let chain = Chain::b16(LOG_N);
    for gpu in gpus() {
        let (mut first, mut dispatches, mut held) = (0, 0, (0, 0));
        let (mut kernels, mut all) = (Vec::new(), Vec::new());
        let mut be = Wgpu::new(chain.ring(), gpu).unwrap();
        be.reserve(ONE_SLAB).unwrap();
        let before = |be: &mut Wgpu<'_>| {
            (first, dispatches, held) = (be.downloads(), be.dispatches(), be.used());
            kernels = be.kernels();
        };
        let (mut counts, mut most) = ((0, 0), 0);
        let after = |be: &mut Wgpu<'_>| {
            (counts, most) = ((be.downloads(), be.dispatches()), be.used().1);
            all = be.kernels();
        };
        let out = bootstrapped(&chain.params, be, (PERIOD, 1), before, after);
        assert!(out.words == expected, "{}", gpu.arithmetic().name());
        assert_eq!(counts.0, first, "words came back on the way");
        let (taken, planned) = (most - held.0, out.planned);
        assert!(most > held.1, "memory was at its peak before: {most}, {held:?}");
        assert!(taken <= planned && planned < taken + taken / 3, "{taken} words taken, {planned} planned");
        let earlier = |name: &str| kernels.iter().find(|(other, _)| *other == name).map_or(0, |(_, count)| *count);
        let of_each: Vec<_> = all.iter().map(|(name, count)| (*name, count - earlier(name))).collect();
        println!("{}: {} dispatches, {of_each:?}", gpu.arithmetic().name(), counts.1 - dispatches);
        let count = counts.1 - dispatches;
        assert!((350..=400).contains(&count), "{count} dispatches");
    }
}
