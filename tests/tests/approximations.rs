//! The properties of the fuzz targets on bytes of a fixed generator, in every test run.

use polyformer_tests::approximations::{point, row};

/// `count` inputs of `size` bytes.
fn inputs(count: usize, size: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0x1234_5678_9abc_def1u64;
    (0..count).map(move |_| {
        let byte = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..size).map(byte).collect()
    })
}

#[test]
fn no_point_breaks_a_certified_error() {
    inputs(60_000, 17).for_each(|data| point(&data));
}

#[test]
fn no_row_breaks_a_certified_error() {
    inputs(400, 600).for_each(|data| row(&data));
    row(&[]);
}
