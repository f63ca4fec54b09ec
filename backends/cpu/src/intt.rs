//! The inverse transform: blocks, then columns. See [`crate::ntt`].

use crate::{
    lanes::{Form, Kernel, LANES, Lanes, Twiddle},
    ntt::{COLUMN, Column, Cut, RADIX, settle},
    stages::{Position, Stages, Tail, Tails, first_inputs},
    tables::{End, Table},
};

/// The first four stages of a block of 16 words: three inside its two vectors, one between the vectors. The results are
/// raised if the pass is block `p` out of 16.
#[inline(always)]
fn head<L: Lanes>(s: &Stages<'_, L>, [u, v]: [L::V; 2], (w, w2, w4, w8): Tail<'_>, p: Option<usize>) -> [L::V; 2] {
    let (l, q) = (s.l, &s.q);
    let [u, v] = l.join1(l.inverse(q, u, v, l.spread8(q, w8), 0));
    let [u, v] = l.join2(l.inverse(q, u, v, l.spread4(q, w4), 1));
    let [u, v] = l.join4(l.inverse(q, u, v, l.spread2(q, w2), 2));
    let Some(p) = p else { return l.inverse(q, u, v, l.factor(w), 3) };
    let level = first_inputs(3, p);
    let raised = l.raised(q, (level > 3).then_some(level));
    l.inverse_raised(q, l.raise(u, l.raised(q, Some(level))), v, l.factor(w), raised)
}

/// First pass, one block: canonical words to words below 2q. If the pass is the only one: to canonical words times
/// `scale`.
pub struct InverseBlock<'a, L: Lanes> {
    /// Of the inverse tree.
    pub stages: &'a Stages<'a, L>,
    /// The factor of all words at the end of the only pass.
    pub scale: Option<&'a Twiddle>,
    /// Node of the block.
    pub root: usize,
    /// Canonical words.
    pub src: &'a [u32],
    /// The output.
    pub dst: &'a mut [u32],
    /// The block's vectors.
    pub x: &'a mut [L::V],
}

impl<L: Lanes> Kernel<L> for InverseBlock<'_, L> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let (s, pairs) = (self.stages, self.x.len() / 2);
        let tails = Tails::new(s.tree, self.root * pairs, pairs);
        for (p, x) in self.x.chunks_exact_mut(2).enumerate() {
            l.prefetch(self.src, self.src.len() + p * COLUMN); // of the next block
            let index = (pairs == RADIX).then_some(p);
            [x[0], x[1]] = head(s, l.load_pair(self.src, p * COLUMN), tails.of(p), index);
        }
        if let Ok(x) = <&mut [L::V; 32]>::try_from(&mut *self.x) {
            last_stages(s, x, self.root, &s.tree.factors[self.root]);
        } else {
            s.inverse(self.x, self.root, 4);
        }
        let form = if self.scale.is_some() { Form::Canonical } else { Form::Settled };
        for (p, x) in self.x.chunks_exact(2).enumerate() {
            l.store_two(&s.q, self.dst, p * COLUMN, settle(s, self.scale, [x[0], x[1]]), form);
        }
    }
}

/// Second pass, one column: from words below 2q to canonical words times `end`.
pub struct InverseColumn<'a, L: Lanes> {
    /// Of the inverse tree.
    pub stages: &'a Stages<'a, L>,
    /// The factor of all words.
    pub end: &'a End,
    /// Words below 2q.
    pub src: &'a [u32],
    /// The column in `src`.
    pub from: Column,
    /// Canonical words.
    pub dst: &'a mut [u32],
    /// The column in `dst`.
    pub to: Column,
    /// Two vectors a row.
    pub x: &'a mut [L::V],
}

impl<L: Lanes> Kernel<L> for InverseColumn<'_, L> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let (s, from) = (self.stages, self.from);
        if let Ok(x) = <&mut [L::V; 512]>::try_from(&mut *self.x) {
            for (b, x) in x.as_chunks_mut::<32>().0.iter_mut().enumerate() {
                let at = from.at + b * RADIX * from.stride;
                first_stages::<L, 0>(l, s, (self.src, at, from.stride), x, b);
                first_stages::<L, 1>(l, s, (self.src, at, from.stride), x, b);
                for k in 0..RADIX {
                    l.prefetch(self.src, at + k * from.stride + COLUMN); // of the next column
                    l.prefetch_write(self.dst, self.to.at + (b * RADIX + k) * self.to.stride);
                }
            }
            last_stages(s, x, 1, &self.end.root);
            let (lo, hi) = x.split_at(256);
            finish(l, s, Some(&self.end.all), lo, (self.dst, self.to));
            let to = Column { at: self.to.at + 128 * self.to.stride, ..self.to };
            finish(l, s, None, hi, (self.dst, to));
        } else {
            for (r, x) in self.x.chunks_exact_mut(2).enumerate() {
                [x[0], x[1]] = l.load_two(self.src, from.at + r * from.stride);
            }
            s.inverse(self.x, 1, 0);
            finish(l, s, Some(&self.end.all), self.x, (self.dst, self.to));
        }
    }
}

/// Stores rows of a column, multiplied by `scale` or below 2q already.
#[inline(always)]
fn finish<L: Lanes>(l: L, s: &Stages<'_, L>, scale: Option<&Twiddle>, x: &[L::V], (dst, to): (&mut [u32], Column)) {
    for (r, x) in x.chunks_exact(2).enumerate() {
        let words = if scale.is_some() { settle(s, scale, [x[0], x[1]]) } else { [x[0], x[1]] };
        l.store_two(&s.q, dst, to.at + r * to.stride, words, Form::Canonical);
    }
}

/// Loads the b-th 16 of 256 rows and takes half of the column through its first four stages.
#[inline(always)]
fn first_stages<L: Lanes, const HALF: usize>(
    l: L,
    s: &Stages<'_, L>,
    (src, at, stride): (&[u32], usize, usize),
    x: &mut [L::V; 32],
    b: usize,
) {
    let mut y = l.load_rows(src, at + HALF * LANES, stride);
    let far = l.raised(&s.q, Some(first_inputs(3, b)));
    y[0] = l.raise(y[0], far);
    for k in (2..RADIX).step_by(2) {
        y[k] = l.raise(y[k], l.raised(&s.q, Some(k.trailing_zeros() as usize - 1)));
    }
    let root = &s.tree.factors[RADIX + b];
    let y = s.inverse_16(y, RADIX + b, root, Position { done: 0, far, end: far });
    for (k, y) in y.into_iter().enumerate() {
        x[2 * k + HALF] = y;
    }
}

/// The last four of the eight stages of a pass, on 16 groups of vectors; `root` is the factor of the last.
#[inline(always)]
fn last_stages<L: Lanes, const N: usize>(s: &Stages<'_, L>, x: &mut [L::V; N], node: usize, root: &Twiddle) {
    let position = Position { done: 4, far: s.l.raised(&s.q, Some(7)), end: s.l.raised(&s.q, None) };
    for at in 0..N / RADIX {
        let mut y = [x[0]; RADIX];
        for (k, y) in y.iter_mut().enumerate() {
            *y = x[at + k * (N / RADIX)];
        }
        let y = s.inverse_16(y, node, root, position);
        for (k, y) in y.into_iter().enumerate() {
            x[at + k * (N / RADIX)] = y;
        }
    }
}

/// The first pass over a whole row, and with a single block the only one: then `row` is canonical times `end`, else
/// words below 2q. `x` is `Cut::scratch` long.
#[inline(always)]
pub fn inverse_blocks<L: Lanes>(l: L, table: &Table, end: &End, src: &[u32], row: &mut [u32], x: &mut [L::V]) {
    let s = &Stages { l, q: l.modulus(table.q), tree: &table.inverse };
    let cut = Cut::of(src.len());
    let scale = (cut.rows == 1).then_some(&end.all);
    for (b, (src, dst)) in src.chunks_exact(cut.cols).zip(row.chunks_exact_mut(cut.cols)).enumerate() {
        l.call(InverseBlock { stages: s, scale, root: cut.rows + b, src, dst, x: &mut x[..cut.cols / LANES] });
    }
}

/// The second pass over a whole row of more than one block, times `end`: into natural order, or column by column.
#[inline(always)]
pub fn inverse_columns<L: Lanes>(
    l: L,
    table: &Table,
    end: &End,
    row: &[u32],
    (dst, tiled): (&mut [u32], bool),
    x: &mut [L::V],
) {
    let s = &Stages { l, q: l.modulus(table.q), tree: &table.inverse };
    let cut = Cut::of(row.len());
    for c in 0..cut.columns() {
        let from = Column { at: c * COLUMN, stride: cut.cols };
        let to = if tiled { Column { at: c * COLUMN * cut.rows, stride: COLUMN } } else { from };
        l.call(InverseColumn { stages: s, end, src: row, from, dst, to, x: &mut x[..2 * cut.rows] });
    }
}
