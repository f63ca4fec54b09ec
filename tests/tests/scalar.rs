//! The scalar backend obeys the laws. At n = 2^16 the suite compares with the scalar backend itself, so
//! `full_degree.rs` uses the oracle at this degree.

use polyformer_kernel::{
    Error,
    backend::{Backend, Shape},
};
use polyformer_scalar::{Block, Scalar};
use polyformer_tests::chain::Chain;

fn scalar(chain: &Chain, mut law: impl FnMut(&mut Scalar<'_, '_>)) {
    chain.on_scalar(100, |be| law(be));
}

polyformer_tests::conformance!(n8, 3, scalar);
polyformer_tests::conformance!(n64, 6, scalar);
polyformer_tests::conformance!(n1024, 10, scalar);

#[test]
fn a_buffer_takes_the_smallest_free_block_and_gives_it_back() {
    let chain = Chain::b16(3);
    let shape = Shape { count: 1, basis: chain.params.q(0), cols: 8 };
    let words = shape.words();
    let mut memory = [vec![0; 2 * words], vec![0; words], vec![0; words - 1]];
    let pool: Vec<Block<'_>> = memory.iter_mut().map(|block| Block::new(block)).collect();
    let mut be = Scalar::new(chain.ring(), &pool);
    let exact = be.alloc(shape).unwrap();
    let roomy = be.alloc(shape).unwrap();
    assert_eq!((exact.buf.len(), roomy.buf.len()), (words, words));
    assert_eq!(be.alloc(shape).err(), Some(Error::OutOfMemory { words })); // the third block is one word short
    drop(exact);
    let double = Shape { count: 2, ..shape };
    assert_eq!(be.alloc(double).err(), Some(Error::OutOfMemory { words: 2 * words }), "roomy was taken for it");
    drop(roomy);
    assert!(be.alloc(shape).is_ok() && be.alloc(double).is_ok());
}
