//! Transforms as two passes over memory. The forward transform does its first stages down columns of 16 words (one
//! cache line). Its last eight stages run on contiguous blocks of 256 words. The inverse transform does the blocks
//! first. Each pass reads words, keeps lazy residues in a buffer of the first-level cache, computes four stages at a
//! time in registers, and writes words.

use crate::{
    lanes::{Form, Kernel, LANES, Lanes, Twiddle},
    stages::{Stages, Tail, Tails},
    tables::Table,
};

/// log2 of the longest block of the second pass.
const BLOCK_LOG: u32 = 8;
/// Words per cache line: the width of a column.
pub const COLUMN: usize = 2 * LANES;

/// The division of a transform of `n` words: `rows` blocks of `cols` words. A transform of one row has one pass.
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

/// A column in memory: row r at `at + r * stride`.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// First word of the first row.
    pub at: usize,
    /// Words from row to row.
    pub stride: usize,
}

/// The rows or vectors of four stages at once.
pub const RADIX: usize = 16;

/// First pass, one column.
pub struct ForwardColumn<'a, L: Lanes> {
    /// Of the forward tree.
    pub stages: &'a Stages<'a, L>,
    /// The factor of all words in this pass.
    pub scale: Option<&'a Twiddle>,
    /// Settled words.
    pub src: &'a [u32],
    /// The column in `src`.
    pub from: Column,
    /// Settled words.
    pub dst: &'a mut [u32],
    /// The column in `dst`.
    pub to: Column,
    /// Two vectors a row.
    pub x: &'a mut [L::V],
}

impl<L: Lanes> Kernel<L> for ForwardColumn<'_, L> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let (s, rows, from) = (self.stages, self.x.len() / 2, self.from);
        if let Ok(x) = <&mut [L::V; 512]>::try_from(&mut *self.x) {
            for r in 0..RADIX {
                first_stages::<L, 0>(l, s, (self.src, from), x, r);
                first_stages::<L, 1>(l, s, (self.src, from), x, r);
                for k in 0..RADIX {
                    let r = r + k * RADIX;
                    l.prefetch(self.src, from.at + r * from.stride + COLUMN); // of the next column
                    l.prefetch_write(self.dst, self.to.at + r * self.to.stride);
                }
            }
            for (b, x) in x.as_chunks_mut().0.iter_mut().enumerate() {
                s.forward_pairs(x, RADIX + b);
                let to = Column { at: self.to.at + b * RADIX * self.to.stride, ..self.to };
                finish(l, s, self.scale, x, (self.dst, to));
            }
            return;
        }
        for (r, x) in self.x.chunks_exact_mut(2).enumerate() {
            [x[0], x[1]] = l.load_two(self.src, from.at + r * from.stride);
            if r < rows / 2 {
                [x[0], x[1]] = [l.lift(&s.q, x[0]), l.lift(&s.q, x[1])];
            }
        }
        s.forward(self.x, 1);
        finish(l, s, self.scale, self.x, (self.dst, self.to));
    }
}

/// Loads every 16th of 256 rows, from row r on, and takes half of the column through its first four stages.
#[inline(always)]
fn first_stages<L: Lanes, const HALF: usize>(
    l: L,
    s: &Stages<'_, L>,
    (src, from): (&[u32], Column),
    x: &mut [L::V; 512],
    r: usize,
) {
    let mut y = l.load_rows(src, from.at + r * from.stride + HALF * LANES, RADIX * from.stride);
    for y in &mut y[..RADIX / 2] {
        *y = l.lift(&s.q, *y); // no closure: it would not be compiled for these lanes
    }
    let y = s.forward_16(y, 1);
    for (k, y) in y.into_iter().enumerate() {
        x[2 * (r + k * RADIX) + HALF] = y;
    }
}

/// Settles the rows of a column.
#[inline(always)]
fn finish<L: Lanes>(l: L, s: &Stages<'_, L>, scale: Option<&Twiddle>, x: &[L::V], (dst, to): (&mut [u32], Column)) {
    for (r, x) in x.chunks_exact(2).enumerate() {
        l.store_two(&s.q, dst, to.at + r * to.stride, settle(s, scale, [x[0], x[1]]), Form::Settled);
    }
}

/// Settled, or settled and multiplied by `scale`.
#[inline(always)]
pub fn settle<L: Lanes>(s: &Stages<'_, L>, scale: Option<&Twiddle>, [a, b]: [L::V; 2]) -> [L::V; 2] {
    let (l, q) = (s.l, &s.q);
    match scale {
        Some(w) => [l.scale(q, a, l.factor(w)), l.scale(q, b, l.factor(w))],
        None => [l.settle(q, a), l.settle(q, b)],
    }
}

/// Second pass, one block: settled words, from natural order to the order of [`Lanes::load_pair`].
pub struct ForwardBlock<'a, L: Lanes> {
    /// Of the forward tree.
    pub stages: &'a Stages<'a, L>,
    /// Node of the block.
    pub root: usize,
    /// The input.
    pub src: &'a [u32],
    /// The output.
    pub x: &'a mut [L::V],
    /// The next input of the caller, prefetched a line at a time, because memory takes as long as the arithmetic.
    pub next: [&'a [u32]; 2],
}

impl<L: Lanes> Kernel<L> for ForwardBlock<'_, L> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Self { stages: s, root, src, x, next } = self;
        let pairs = x.len() / 2;
        if let Ok(x) = <&mut [L::V; 32]>::try_from(&mut *x) {
            for half in 0..2 {
                let mut y = l.load_rows(src, half * LANES, COLUMN);
                for y in &mut y[..RADIX / 2] {
                    *y = l.lift(&s.q, *y);
                }
                for (k, y) in s.forward_16(y, root).into_iter().enumerate() {
                    x[2 * k + half] = y;
                }
            }
        } else {
            for (p, x) in x.chunks_exact_mut(2).enumerate() {
                [x[0], x[1]] = l.load_two(src, p * COLUMN);
                if p < pairs.div_ceil(2) {
                    [x[0], x[1]] = [l.lift(&s.q, x[0]), l.lift(&s.q, x[1])];
                }
            }
            s.forward(x, root);
        }
        let tails = Tails::new(s.tree, root * pairs, pairs);
        for (p, x) in x.chunks_exact_mut(2).enumerate() {
            l.prefetch(src, src.len() + p * COLUMN); // of the next block
            l.prefetch(next[0], p * COLUMN);
            l.prefetch(next[1], p * COLUMN);
            let [a, b] = tail(s, [x[0], x[1]], tails.of(p));
            [x[0], x[1]] = [l.settle(&s.q, a), l.settle(&s.q, b)];
        }
    }
}

/// The last four stages of a block of 16 words: the first between its two vectors, three inside the vectors.
#[inline(always)]
fn tail<L: Lanes>(s: &Stages<'_, L>, [a, b]: [L::V; 2], (w, w2, w4, w8): Tail<'_>) -> [L::V; 2] {
    let (l, q) = (s.l, &s.q);
    let [u, v] = l.split4(l.forward(q, a, b, l.factor(w)));
    let [u, v] = l.split2(l.forward(q, u, v, l.spread2(q, w2)));
    let [u, v] = l.split1(l.forward(q, u, v, l.spread4(q, w4)));
    l.forward(q, u, v, l.spread8(q, w8))
}

/// Coeff to Eval: words of `data` canonical on both sides; `row` is as long, `x` is `Cut::scratch` long.
#[inline(always)]
pub fn forward<L: Lanes>(l: L, table: &Table, data: &mut [u32], row: &mut [u32], x: &mut [L::V]) {
    let s = &Stages { l, q: l.modulus(table.q), tree: &table.forward };
    let (cut, scale) = (Cut::of(data.len()), Some(&s.tree.factors[0]));
    for c in 0..cut.columns() {
        if cut.rows > 1 {
            let (column, x) = (Column { at: c * COLUMN, stride: cut.cols }, &mut x[..2 * cut.rows]);
            l.call(ForwardColumn { stages: s, scale, src: data, from: column, dst: row, to: column, x });
        } else {
            let settled = settle(s, scale, l.load_two(data, c * COLUMN));
            l.store_two(&s.q, row, c * COLUMN, settled, Form::Settled);
        }
    }
    let x = &mut x[..cut.cols / LANES];
    for (b, (data, row)) in data.chunks_exact_mut(cut.cols).zip(row.chunks_exact(cut.cols)).enumerate() {
        l.call(ForwardBlock { stages: s, root: cut.rows + b, src: row, x, next: [row; 2] });
        for (p, x) in x.chunks_exact(2).enumerate() {
            l.store_pair(&s.q, data, p * COLUMN, [x[0], x[1]], Form::Canonical);
        }
    }
}
