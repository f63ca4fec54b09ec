//! Laws of memory and of element-wise operations.

use super::{Build, bases, wider};
use crate::{
    chain::Chain,
    program::{Program, Step},
};
use polyformer_kernel::backend::Op;

const OPS: [Op; 3] = [Op::Add, Op::Sub, Op::Mul];

/// Uploads, of words, of signed integers and of a seed, and copies.
pub fn words_move_in_and_out(chain: &Chain) -> impl Iterator<Item = Program> {
    let (n, over) = (chain.params.n(), chain.params.q(0));
    let room = wider(chain, over);
    [(1, n), (2, n / 2), (3, 1)].into_iter().map(move |(count, cols)| {
        let mut b = Build::new(chain, format!("uploads of {count} x {cols}"));
        b.value(count, room, cols);
        let signed = b.garbage(count, room, cols);
        let coeffs = b.signed(count as usize * cols);
        b.step(Step::UploadSigned { out: signed, coeffs });
        let uniform = b.garbage(count, room, cols);
        b.step(Step::UploadUniform { out: uniform, seed: [count as u8; 32], stream: 7 });
        let copy = b.garbage(count, room, cols);
        b.step(Step::Copy { over, out: copy, a: signed });
        b.finish()
    })
}

/// Every element-wise operation over every basis of [`bases`], operands of different bases.
pub fn operations_touch_the_rows_they_name_and_no_other(chain: &Chain) -> impl Iterator<Item = Program> {
    let n = chain.params.n();
    bases(chain).into_iter().map(move |over| {
        let room = wider(chain, over);
        let mut b = Build::new(chain, format!("element-wise over {over:?}"));
        let (x, y) = (b.value(2, over, n), b.value(2, room, n));
        let out = b.garbage(2, room, n);
        b.step(Step::Copy { over, out, a: x });
        for op in OPS {
            let (zip, scalar, c) = (b.garbage(2, room, n), b.garbage(2, over, n), b.constants(over));
            b.step(Step::Zip { op, over, out: zip, a: x, b: y });
            b.step(Step::Scalar { op, over, out: scalar, a: y, c });
            let acc = b.value(2, room, n);
            b.step(Step::ZipAssign { op, over, acc, b: x });
            let c = b.constants(over);
            b.step(Step::ScalarAssign { op, over, acc, c });
        }
        let acc = b.value(2, room, n);
        b.step(Step::MulAdd { over, acc, a: x, b: y });
        b.finish()
    })
}

/// A second operand of one item serves a batch, and one of fewer columns is constant on blocks.
pub fn second_operands_broadcast_over_items_and_blocks(chain: &Chain) -> impl Iterator<Item = Program> {
    let (n, over) = (chain.params.n(), chain.params.pq(0));
    let room = wider(chain, over);
    let cases = [(3, 1, n, n), (3, 3, n, n / 4), (2, 1, n, 1), (2, 1, n / 2, n / 8), (1, 1, n, n / 2), (2, 2, 1, 1)];
    cases.into_iter().map(move |(count, b_count, cols, b_cols)| {
        let mut b = Build::new(chain, format!("{count} x {cols} by {b_count} x {b_cols}"));
        let (x, z) = (b.value(count, over, cols), b.value(count, room, cols));
        let y = b.value(b_count, room, b_cols);
        let acc = b.value(count, room, cols);
        for op in OPS {
            let out = b.garbage(count, room, cols);
            b.step(Step::Zip { op, over, out, a: x, b: y });
            b.step(Step::ZipAssign { op, over, acc, b: y });
        }
        b.step(Step::MulAdd { over, acc, a: x, b: y });
        let dot = b.garbage(count, room, cols);
        b.step(Step::Dot { over, out: dot, terms: vec![(x, y), (z, y), (x, x)] });
        let outs = vec![b.garbage(count, room, cols), b.garbage(count, room, cols)];
        b.step(Step::Dots { over, outs, a: vec![x, z], b: vec![Some(y), None, Some(x), Some(y)] });
        let d = [0; 3].map(|_| b.garbage(count, over, cols));
        b.step(Step::Tensor { over, out: d, a: [x, z], b: [y, y] });
        b.finish()
    })
}

/// Sums of one to forty products of the largest words, and tensor products, squares included.
pub fn sums_of_products_agree(chain: &Chain) -> impl Iterator<Item = Program> {
    let n = chain.params.n();
    bases(chain).into_iter().map(move |over| {
        let room = wider(chain, over);
        let mut b = Build::new(chain, format!("sums of products over {over:?}"));
        let (x, y, big) = (b.value(2, over, n), b.value(1, room, n), b.largest(2, room, n));
        for terms in [1, 2, 16, 17, 40] {
            let out = b.garbage(2, over, n);
            let term = |i: usize| if i + 1 == terms { (x, y) } else { (big, big) };
            b.step(Step::Dot { over, out, terms: (0..terms).map(term).collect() });
        }
        for (sums, width) in [(1, 1), (3, 4), (2, 20)] {
            let outs: Vec<_> = (0..sums).map(|_| b.garbage(2, over, n)).collect();
            let a = (0..width).map(|i| if i == 1 { x } else { big }).collect();
            let factor = |i: usize| [Some(big), None, Some(y)][i % 3];
            b.step(Step::Dots { over, outs, a, b: (0..sums * width).map(factor).collect() });
        }
        for (a, c) in [([x, big], [big, y]), ([x, x], [x, x])] {
            let d = [0; 3].map(|_| b.garbage(2, room, n));
            b.step(Step::Tensor { over, out: d, a, b: c });
        }
        b.finish()
    })
}
