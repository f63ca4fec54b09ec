//! Transforms as two passes over memory. The forward one does its first stages down columns 16 words wide (one
//! cache line), its last eight on contiguous blocks of 256 words; the inverse goes the other way. Each pass reads
//! words, holds lazy residues in a scratch that fits the first-level cache, goes through them four stages at a time
//! in registers, and writes words.

use crate::{
    lanes::{LANES, Lanes},
    stages::Stages,
    tables::Table,
};

/// log2 of the longest block of the second pass.
const BLOCK_LOG: u32 = 8;
/// Words a cache line: the width of a column.
pub const COLUMN: usize = 2 * LANES;

/// How a transform of `n` words is cut: `rows` blocks of `cols` words; with one row there is one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Blocks, and length of a column.
    pub rows: usize,
    /// Words a block.
    pub cols: usize,
}

impl Cut {
    /// The cut of n words, n a power of two, at least [`crate::tables::SHORTEST`].
    pub fn of(n: usize) -> Self {
        let cols = n.min(1 << BLOCK_LOG);
        Self { rows: n / cols, cols }
    }

    /// Number of columns.
    pub fn columns(self) -> usize {
        self.cols / COLUMN
    }

    /// Vectors of scratch that a pass needs.
    pub fn scratch(self) -> usize {
        (2 * self.rows).max(self.cols / LANES)
    }
}

/// Where a column lies in memory: row r at `at + r * stride`.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// First word of the first row.
    pub at: usize,
    /// Words from row to row.
    pub stride: usize,
}

/// What the inputs of a forward transform are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Plain residues, which enter Montgomery form on the way.
    Plain,
    /// Residues that are in Montgomery form already.
    Montgomery,
}

/// The last four stages of a block of 16 words, node `node`: the first between its two vectors, three inside them.
#[inline(always)]
fn tail<L: Lanes>(s: &Stages<'_, L>, words: &[u32], x: [L::V; 2], node: usize) -> [L::V; 2] {
    let (l, q) = (s.l, &s.q);
    let [u, v] = l.split4(s.forward_2(x, node));
    let [u, v] = l.split2(l.forward(q, u, v, l.spread2(q, words, 2 * node)));
    let [u, v] = l.split1(l.forward(q, u, v, l.spread4(q, words, 4 * node)));
    l.forward(q, u, v, l.spread8(q, words, 8 * node))
}

/// First pass, one column: from words below 2^32 at `from` of `src` to settled words at `to` of `dst`.
#[inline(always)]
pub fn forward_column<L: Lanes>(
    l: L,
    table: &Table,
    input: Input,
    (src, from): (&[u32], Column),
    (dst, to): (&mut [u32], Column),
    x: &mut [L::V],
) {
    let s = Stages { l, q: l.modulus(table.q), tree: &table.forward.factors };
    let (q, rows) = (&s.q, x.len() / 2);
    if input == Input::Plain {
        let (enter, root) = (l.factor(&s.tree[0]), l.factor(&table.entering_root));
        for r in 0..rows / 2 {
            let (lo, hi) = (from.at + r * from.stride, from.at + (r + rows / 2) * from.stride);
            for c in 0..2 {
                let u = l.lift(q, l.scale(q, l.load(src, lo + c * LANES), enter));
                [x[2 * r + c], x[2 * r + c + rows]] = l.forward(q, u, l.load(src, hi + c * LANES), root);
            }
        }
        let (lo, hi) = x.split_at_mut(rows);
        s.forward(lo, 2);
        s.forward(hi, 3);
    } else {
        for (r, x) in x.chunks_exact_mut(2).enumerate() {
            let at = from.at + r * from.stride;
            (x[0], x[1]) = (l.load(src, at), l.load(src, at + LANES));
            if r < rows / 2 {
                (x[0], x[1]) = (l.lift(q, x[0]), l.lift(q, x[1]));
            }
        }
        s.forward(x, 1);
    }
    for (r, x) in x.chunks_exact(2).enumerate() {
        let at = to.at + r * to.stride;
        l.store(dst, at, l.settle(q, x[0]));
        l.store(dst, at + LANES, l.settle(q, x[1]));
    }
}

/// Second pass, one block: from words below 2^32 to settled words, in the order of [`Lanes::load_pair`].
#[inline(always)]
pub fn forward_block<L: Lanes>(s: &Stages<'_, L>, words: &[u32], root: usize, src: &[u32], x: &mut [L::V]) {
    let (l, q, half) = (s.l, &s.q, x.len() / 2);
    for (i, x) in x.iter_mut().enumerate() {
        *x = l.load(src, i * LANES);
        if i < half {
            *x = l.lift(q, *x);
        }
    }
    s.forward(x, root);
    for (p, x) in x.chunks_exact_mut(2).enumerate() {
        let [a, b] = tail(s, words, [x[0], x[1]], root * half + p);
        (x[0], x[1]) = (l.settle(q, a), l.settle(q, b));
    }
}

/// Coeff to Eval: words of `data` canonical on both sides; `row` is as long, `x` is `Cut::scratch` long.
#[inline(always)]
pub fn forward<L: Lanes>(l: L, table: &Table, data: &mut [u32], row: &mut [u32], x: &mut [L::V]) {
    let s = Stages { l, q: l.modulus(table.q), tree: &table.forward.factors };
    let (cut, q) = (Cut::of(data.len()), &s.q);
    if cut.rows == 1 {
        let enter = l.factor(&s.tree[0]);
        for (i, row) in row.chunks_exact_mut(LANES).enumerate() {
            l.store(row, 0, l.scale(q, l.load(data, i * LANES), enter));
        }
    } else {
        for c in 0..cut.columns() {
            let column = Column { at: c * COLUMN, stride: cut.cols };
            forward_column(l, table, Input::Plain, (data, column), (row, column), &mut x[..2 * cut.rows]);
        }
    }
    let x = &mut x[..cut.cols / LANES];
    for (b, (data, row)) in data.chunks_exact_mut(cut.cols).zip(row.chunks_exact(cut.cols)).enumerate() {
        forward_block(&s, &table.forward.words, cut.rows + b, row, x);
        for (p, x) in x.chunks_exact(2).enumerate() {
            l.store_pair(data, p * COLUMN, [l.canonical(q, x[0]), l.canonical(q, x[1])]);
        }
    }
}
