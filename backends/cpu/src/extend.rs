//! The common part of the two fused operations: from residues modulo a few source primes, in Coeff, to transforms
//! modulo many targets. No row in Coeff is written to memory.
//!
//! Source digits are stored *tile by tile*. Tile c is column c of the transform's matrix (see [`crate::ntt`]), with all
//! rows of the tile consecutive. A tile of all sources stays in the second-level cache during the conversion to all
//! targets. Each result passes directly through the first pass of the target's transform.

use crate::{
    convert::{self, TOGETHER, Target},
    intt,
    lanes::{Form, Kernel, Lanes},
    memory::Words,
    ntt::{COLUMN, Column, Cut, ForwardColumn},
    parallel::{Place, row},
    stages::Stages,
    state::Cpu,
    tables::{End, Table},
};
use polyformer_kernel::{backend::Limbs, math::modular::Modulus, ring::Basis};

/// Targets of a fused operation that share the reading of the sources.
pub const GROUP: usize = 4;

/// Words from one row of scratch to the next: n and 65 cache lines. Rows at a distance of a power of two would map to
/// the same sets of every cache.
pub fn pitch(n: usize) -> usize {
    n + 65 * COLUMN
}

/// Rows of n words in scratch.
pub fn rows(scratch: &[u32], n: usize) -> impl Iterator<Item = &[u32]> {
    scratch.chunks_exact(pitch(n)).map(move |row| &row[..n])
}

/// Rows of n words in scratch, to be written.
pub fn rows_mut(scratch: &mut [u32], n: usize) -> impl Iterator<Item = &mut [u32]> {
    scratch.chunks_exact_mut(pitch(n)).map(move |row| &mut row[..n])
}

/// Tiles a row, and words a tile.
pub fn tiles(n: usize) -> (usize, usize) {
    let cut = Cut::of(n);
    let tiles = if cut.rows == 1 { 1 } else { cut.columns() };
    (tiles, n / tiles)
}

/// One source row: Eval to Coeff times `scale`, tile by tile.
struct Digit<'a> {
    /// Of the source prime.
    table: &'a Table,
    /// Plain.
    scale: u32,
    /// Eval.
    src: &'a [u32],
    /// Digits.
    dst: &'a mut [u32],
    /// A row of scratch.
    row: &'a mut [u32],
}

impl<L: Lanes> Kernel<L> for Digit<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let Self { table, scale, src, dst, row } = self;
        let (cut, end) = (Cut::of(src.len()), End::new(l, table, src.len(), scale));
        let mut x = vec![l.splat(0); cut.scratch()];
        if cut.rows == 1 {
            return intt::inverse_blocks(l, table, &end, src, dst, &mut x);
        }
        intt::inverse_blocks(l, table, &end, src, row, &mut x);
        intt::inverse_columns(l, table, &end, row, (dst, true), &mut x);
    }
}

/// The first half of the transforms of `targets`, into `rows`, one a target, from `digits` tile by tile; `tile` is
/// [`TOGETHER`] tiles of scratch.
#[inline(always)]
pub fn extend<L: Lanes>(
    l: L,
    digits: &[&[u32]],
    targets: &[Target<'_>],
    rows: &mut [&mut [u32]],
    tile: &mut [u32],
    x: &mut [L::V],
) {
    let Some(n) = rows.first().map(|row| row.len()) else { return };
    let (cut, (tiles, words)) = (Cut::of(n), tiles(n));
    for c in 0..tiles {
        let digits: Vec<&[u32]> = digits.iter().map(|d| &d[c * words..][..words]).collect();
        for (targets, rows) in targets.chunks(TOGETHER).zip(rows.chunks_mut(TOGETHER)) {
            if cut.rows == 1 {
                convert::product(l, &digits, targets, rows, Form::Settled);
                continue;
            }
            let mut outs: Vec<&mut [u32]> = tile.chunks_exact_mut(words).take(targets.len()).collect();
            convert::product(l, &digits, targets, &mut outs, Form::Settled);
            for ((target, row), tile) in targets.iter().zip(rows).zip(&outs) {
                let (from, to) = (Column { at: 0, stride: COLUMN }, Column { at: c * COLUMN, stride: cut.cols });
                let stages = &Stages { l, q: l.modulus(target.table.q), tree: &target.table.forward };
                l.call(ForwardColumn { stages, scale: None, src: tile, from, dst: row, to, x });
            }
        }
    }
}

/// out = the quotient that makes a conversion from `sources` centred, any part of a row.
struct Overflow<'a> {
    digits: Vec<&'a [u32]>,
    sources: &'a [Modulus],
    out: &'a mut [u32],
}

impl<L: Lanes> Kernel<L> for Overflow<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        convert::quotient(l, &self.digits, self.sources, self.out);
    }
}

impl Cpu<'_> {
    /// Rows `over` of item `item` of `a`, to Coeff, times the standard-form `scale` of their prime index, and their
    /// quotient. The result is scratch rows, tile by tile, see [`rows`].
    pub(crate) fn digits(
        &self,
        over: Basis,
        a: &Limbs<Words>,
        item: usize,
        scale: impl Fn(usize, Modulus) -> u32 + Sync + Send,
    ) -> Words {
        let n = a.shape.cols as usize;
        let mut digits = self.pool.scratch((over.len() + 1) * pitch(n));
        let (dsts, overflow) = digits.split_at_mut(over.len() * pitch(n));
        self.threads.each(false, over.iter().zip(rows_mut(dsts, n)).collect(), |(m, dst)| {
            let (table, mut scratch) = (&self.tables[m], self.pool.scratch(n));
            let (src, scale) = (row(a, Place { item, m }), scale(m, table.q));
            self.isa.run(Digit { table, scale, src, dst, row: &mut scratch });
        });
        let sources: &Vec<_> = &over.iter().map(|m| self.ring.modulus(m)).collect();
        let (words, all) = (tiles(n).1, &*dsts);
        self.threads.each(false, overflow[..n].chunks_exact_mut(words).enumerate().collect(), |(c, out)| {
            let digits = rows(all, n).map(|row| &row[c * words..][..words]).collect();
            self.isa.run(Overflow { digits, sources, out });
        });
        digits
    }
}
