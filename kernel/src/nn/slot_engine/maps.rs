//! Linear maps between tensors of several blocks. Each pair of an input block and an output block is a product by
//! diagonals. The rotations of an input block serve all output blocks, and an output block takes each giant step once,
//! after the inner sums of all its inputs are added.

use super::{HeadSlots, HiddenLengths, SlotEngine};
use crate::{
    arith::Arithmetic,
    circuits::{
        linear::{self, BsgsSplit},
        reduce::masked,
    },
    error::{Error, Result},
    nn::Matrix,
};
use alloc::vec::Vec;

/// The features of one side of a map, block by block.
#[derive(Clone, Copy)]
pub(super) enum Side {
    /// One after the other, of so many.
    Plain(usize),
    /// Heads, each in slots of its own.
    Heads {
        /// Features of a head.
        width: usize,
        /// Slots of a head.
        slots: usize,
        /// Heads of a block.
        each: usize,
        /// Heads.
        count: usize,
    },
}

impl Side {
    /// The feature of a slot of a block, or `None` for padding.
    fn feature(self, features: usize, block: usize, slot: usize) -> Option<usize> {
        match self {
            Self::Plain(count) => Some(block * features + slot).filter(|i| *i < count),
            Self::Heads { width, slots, each, count } => {
                let (head, i) = (block * each + slot / slots, slot % slots);
                (head < count && i < width).then_some(head * width + i)
            }
        }
    }

    fn blocks(self, features: usize) -> usize {
        match self {
            Self::Plain(count) => count.div_ceil(features),
            Self::Heads { each, count, .. } => count.div_ceil(each),
        }
    }
}

impl<A: Arithmetic> SlotEngine<'_, A> {
    /// The side of a map with `count` features.
    fn side(&self, count: usize, heads: bool) -> Result<Side> {
        if !heads {
            return Ok(Side::Plain(count));
        }
        let layout = &self.layout;
        if count != layout.width {
            let what = "the features of attention must be those of a token";
            return Err(Error::BadShape { what, left: count, right: layout.width });
        }
        let (width, slots, each) = (layout.head_width(), layout.head_slots(), layout.heads_of_block()?);
        Ok(Side::Heads { width, slots, each, count: layout.heads })
    }

    /// Each of `maps` of every row. Depth 1.
    pub(super) fn mapped<const K: usize>(
        &mut self,
        x: &[A::Slots],
        maps: [&Matrix<'_>; K],
        heads: HeadSlots,
    ) -> Result<[Vec<A::Slots>; K]> {
        let f = self.layout.features;
        let mut rows = Vec::new(); // output blocks: the map, its block
        let mut sides = Vec::with_capacity(K);
        for (m, map) in maps.iter().enumerate() {
            let out = self.side(map.rows, heads == HeadSlots::Outputs)?;
            let inputs = self.side(map.cols, heads == HeadSlots::Inputs)?;
            if inputs.blocks(f) != x.len() {
                return Err(Error::Length { expected: inputs.blocks(f), actual: x.len() });
            }
            sides.push((out, inputs));
            rows.extend((0..out.blocks(f)).map(|block| (m, block)));
        }
        let weight = |row: usize, b: usize, i: usize, j: usize| {
            let (m, c) = rows[row];
            let (out, inputs) = sides[m];
            match (out.feature(f, c, i), inputs.feature(f, b, j)) {
                (Some(i), Some(j)) => maps[m].at(i, j),
                _ => 0.0,
            }
        };
        let ys = self.blocks(&x.iter().collect::<Vec<_>>(), rows.len(), weight)?;
        let mut out = [const { Vec::new() }; K];
        for ((m, c), mut y) in rows.iter().copied().zip(ys) {
            let bias = |i: usize| sides[m].0.feature(f, c, i).map_or(0.0, |i| maps[m].bias(i));
            self.add_on_tokens(&mut y, bias)?;
            out[m].push(y);
        }
        Ok(out)
    }

    /// Σ_b of block (c, b) times chunk b of x, for each output c. `weight(c, b, i, j)` is the weight of input j in
    /// output i. One chunk is hoisted at a time, and each giant step of an output is done once. Depth 1.
    pub(super) fn blocks(
        &mut self,
        xs: &[&A::Slots],
        outputs: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f64,
    ) -> Result<Vec<A::Slots>> {
        let steps = BsgsSplit::new(self.layout.features)?;
        let mut sums: Vec<Option<A::Wide>> = (0..outputs).map(|_| None).collect();
        let mut out = Vec::with_capacity(outputs);
        for (b, x) in xs.iter().enumerate() {
            let (hoisted, level) = (linear::hoist(self.ev, &steps, x)?, self.ev.level(x));
            for (c, sum) in sums.iter_mut().enumerate() {
                let block = linear::encode(self.ev, &steps, |i, j| weight(c, b, i, j), level)?;
                let mut w = linear::times(self.ev, &block, &hoisted)?;
                if let Some(sum) = sum.take() {
                    self.ev.accumulate(&mut w, sum)?;
                }
                if b + 1 < xs.len() {
                    *sum = Some(w);
                } else {
                    out.push(self.ev.rescale(w)?); // at once: its inner sums make room
                }
            }
        }
        Ok(out)
    }

    /// Brings every chunk to the least level of all chunks.
    pub(super) fn align(&mut self, xs: &[&A::Slots]) -> Result<Vec<A::Slots>> {
        let level = xs.iter().map(|x| self.ev.level(x)).min().unwrap_or(0);
        xs.iter().map(|x| self.ev.copy_at_level(x, level)).collect()
    }

    /// x plus a number for each feature of a block, on every token. Rows without a token stay the same if the lengths are
    /// hidden.
    pub(super) fn add_on_tokens(&mut self, x: &mut A::Slots, at: impl Fn(usize) -> f64) -> Result<()> {
        let bias: Vec<f64> = (0..self.layout.features).map(at).collect();
        let Some(hidden) = self.hidden else { return linear::add_bias(self.ev, x, &bias) };
        let level = self.ev.level(x);
        let bias = self.in_tokens(hidden, &bias, level)?;
        self.ev.add(x, &bias)
    }

    /// A pattern of features in every row that has a token, at `level`.
    pub(super) fn in_tokens(
        &mut self,
        hidden: &HiddenLengths<A::Slots>,
        pattern: &[f64],
        level: u8,
    ) -> Result<A::Slots> {
        self.in_rows(&hidden.tokens, pattern, level)
    }

    /// A pattern of features times a vector of rows, at `level`.
    pub(super) fn in_rows(&mut self, rows: &A::Slots, pattern: &[f64], level: u8) -> Result<A::Slots> {
        let above = self.ev.copy_at_level(rows, level + 1)?; // a level has fewer than 2^8 - 1 above it
        masked(self.ev, &above, pattern)
    }
}
