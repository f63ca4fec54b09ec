//! The inverse transform: blocks, then columns. See [`crate::ntt`].

use crate::{
    lanes::{LANES, Lanes, Twiddle},
    ntt::{COLUMN, Column, Cut},
    stages::Stages,
    tables::Table,
};

/// The first four stages of a block of 16 words, node `node`: three inside its two vectors, one between them.
#[inline(always)]
fn head<L: Lanes>(s: &Stages<'_, L>, words: &[u32], [u, v]: [L::V; 2], node: usize) -> [L::V; 2] {
    let (l, q) = (s.l, &s.q);
    let [u, v] = l.join1(l.inverse(q, u, v, l.spread8(q, words, 8 * node), 0));
    let [u, v] = l.join2(l.inverse(q, u, v, l.spread4(q, words, 4 * node), 1));
    s.inverse_2(l.join4(l.inverse(q, u, v, l.spread2(q, words, 2 * node), 2)), node, 3)
}

/// First pass, one block: canonical words to lazy residues.
#[inline(always)]
pub fn inverse_block<L: Lanes>(s: &Stages<'_, L>, words: &[u32], root: usize, src: &[u32], x: &mut [L::V]) {
    let pairs = x.len() / 2;
    for (p, x) in x.chunks_exact_mut(2).enumerate() {
        [x[0], x[1]] = head(s, words, s.l.load_pair(src, p * COLUMN), root * pairs + p);
    }
    s.inverse(x, root, 4);
}

/// Second pass, one column: from words below 2q at `from` of `src` to canonical words times `scale` at `to` of
/// `dst`.
#[inline(always)]
pub fn inverse_column<L: Lanes>(
    s: &Stages<'_, L>,
    scale: &Twiddle,
    (src, from): (&[u32], Column),
    (dst, to): (&mut [u32], Column),
    x: &mut [L::V],
) {
    let (l, scale) = (s.l, s.l.factor(scale));
    for (r, x) in x.chunks_exact_mut(2).enumerate() {
        let at = from.at + r * from.stride;
        (x[0], x[1]) = (l.load(src, at), l.load(src, at + LANES));
    }
    s.inverse(x, 1, 0);
    for (r, x) in x.chunks_exact(2).enumerate() {
        let at = to.at + r * to.stride;
        l.store(dst, at, l.canonical(&s.q, l.scale(&s.q, x[0], scale)));
        l.store(dst, at + LANES, l.canonical(&s.q, l.scale(&s.q, x[1], scale)));
    }
}

/// The first pass over a whole row, and with a single block the only one: then `row` is canonical times `scale`,
/// else words below 2q.
#[inline(always)]
pub fn inverse_blocks<L: Lanes>(
    s: &Stages<'_, L>,
    words: &[u32],
    scale: &Twiddle,
    data: &[u32],
    row: &mut [u32],
    x: &mut [L::V],
) {
    let (cut, l, scale) = (Cut::of(data.len()), s.l, s.l.factor(scale));
    let x = &mut x[..cut.cols / LANES];
    for (b, (data, row)) in data.chunks_exact(cut.cols).zip(row.chunks_exact_mut(cut.cols)).enumerate() {
        inverse_block(s, words, cut.rows + b, data, x);
        for (i, x) in x.iter().enumerate() {
            let word = if cut.rows > 1 { l.settle(&s.q, *x) } else { l.canonical(&s.q, l.scale(&s.q, *x, scale)) };
            l.store(row, i * LANES, word);
        }
    }
}

/// Eval to Coeff times `scale`: words of `data` canonical on both sides; `row` is as long, `x` is `Cut::scratch`
/// long.
#[inline(always)]
pub fn inverse<L: Lanes>(l: L, table: &Table, scale: &Twiddle, data: &mut [u32], row: &mut [u32], x: &mut [L::V]) {
    let s = Stages { l, q: l.modulus(table.q), tree: &table.inverse.factors };
    let cut = Cut::of(data.len());
    inverse_blocks(&s, &table.inverse.words, scale, data, row, x);
    if cut.rows == 1 {
        return data.copy_from_slice(row);
    }
    for c in 0..cut.columns() {
        let column = Column { at: c * COLUMN, stride: cut.cols };
        inverse_column(&s, scale, (row, column), (data, column), &mut x[..2 * cut.rows]);
    }
}
