//! Where questions, tokens and features are in the slots. Slot = token · T + question · F + feature, T = questions · F.
//! A vector repeats after `tokens` · T slots, so a rotation by a multiple of T rotates the tokens of every question
//! cyclically. Features beyond F are in further vectors, the blocks. The last block is padded with zeros.
//!
//! Query, key and value have the heads in slots of their own: a head takes [`Layout::head_slots`] slots of a block, and
//! no head is in two blocks. The maps before and after attention move the features there and back, at no cost.

use crate::{
    error::{Error, Result},
    nn::Pooling,
};
use alloc::{vec, vec::Vec};

/// The layout of the questions in vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows kept for the tokens of a question, a power of two.
    pub tokens: usize,
    /// F: features of a token in one vector, a power of two.
    pub features: usize,
    /// Features of a token in all blocks.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// L of each question. The number of questions is a power of two, and 0 is an empty place.
    pub lengths: Vec<usize>,
}

/// The most features of a block, if the width is no power of two.
const BLOCK: usize = 128;

/// F of a layout for this width.
pub(super) fn features_of_block(width: usize) -> usize {
    if width.is_power_of_two() { width } else { width.next_power_of_two().min(BLOCK) }
}

impl Layout {
    /// The least layout for questions of these lengths. `slots`: the most that a vector has. A width that is a power of
    /// two is one block. Another width is several blocks of 128 features, or one block if it is less.
    ///
    /// # Errors
    /// [`Error::Slots`] without a token, or if the layout needs more slots; [`Error::BadShape`] if the heads do not
    /// divide the width.
    pub fn new(lengths: &[usize], width: usize, heads: usize, slots: usize) -> Result<Self> {
        Self::with_blocks(lengths, (width, features_of_block(width)), heads, slots)
    }

    /// The same for blocks of `features` features.
    ///
    /// # Errors
    /// The errors of [`Layout::new`]; [`Error::Slots`] if the features of a block are no power of two.
    pub fn with_blocks(
        lengths: &[usize],
        (width, features): (usize, usize),
        heads: usize,
        slots: usize,
    ) -> Result<Self> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let (tokens, questions) = (longest.next_power_of_two().max(4), lengths.len().next_power_of_two());
        let given = tokens * questions * features;
        if longest == 0 || width == 0 || !features.is_power_of_two() || given > slots {
            return Err(Error::Slots { given, slots });
        }
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(Error::BadShape { what: "heads must divide the width", left: heads, right: width });
        }
        let mut lengths = lengths.to_vec();
        lengths.resize(questions, 0);
        Ok(Self { tokens, features, width, heads, lengths })
    }

    /// Vectors of a tensor as wide as a token.
    pub fn blocks(&self) -> usize {
        self.width.div_ceil(self.features)
    }

    /// T: slots from a token to the next.
    pub fn stride(&self) -> usize {
        self.lengths.len() * self.features
    }

    /// Slots after which a vector repeats.
    pub fn period(&self) -> usize {
        self.tokens * self.stride()
    }

    /// Token, question and feature of a slot.
    pub fn place(&self, slot: usize) -> (usize, usize, usize) {
        let s = slot % self.period();
        (s / self.stride(), s % self.stride() / self.features, s % self.features)
    }

    /// Features of a head.
    pub fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// Slots of a head: a power of two, at least its features and the tokens.
    pub fn head_slots(&self) -> usize {
        self.head_width().next_power_of_two().max(self.tokens)
    }

    /// Heads of a block.
    ///
    /// # Errors
    /// [`Error::BadShape`] if the slots of a head are more than a block has.
    pub(super) fn heads_of_block(&self) -> Result<usize> {
        let (left, right) = (self.head_slots(), self.features);
        if left > right {
            let what = "the padded features and tokens of a head must fit a block";
            return Err(Error::BadShape { what, left, right });
        }
        Ok(right / left)
    }

    /// Packs one question's rows of features into its slots of `out`, one period long, if a token is one block. Rows
    /// without a token stay as they are.
    ///
    /// # Errors
    /// [`Error::Length`] if `rows` is not the question's length times the features, or `out` is not one period long.
    pub fn pack(&self, question: usize, rows: &[f64], out: &mut [f64]) -> Result<()> {
        let expected = self.lengths.get(question).copied().unwrap_or(0) * self.width;
        if rows.len() != expected || out.len() != self.period() || self.blocks() > 1 {
            return Err(Error::Length { expected, actual: rows.len() });
        }
        for (t, row) in rows.chunks_exact(self.width).enumerate() {
            out[t * self.stride() + question * self.features..][..self.width].copy_from_slice(row);
        }
        Ok(())
    }

    /// Packs every question into the blocks, each one period long. `questions` has the rows of all questions in order,
    /// and empty places may be left out. A row without a token gets the last token of its question, or the first row of
    /// the first question in an empty place. Every row then stays in the ranges that the rows of tokens keep.
    ///
    /// # Errors
    /// [`Error::Length`] for a question whose rows are not its length times the width.
    pub fn pack_blocks(&self, questions: &[&[f64]]) -> Result<Vec<Vec<f64>>> {
        let rows = |question: usize| questions.get(question).copied().unwrap_or(&[]);
        for (question, length) in self.lengths.iter().enumerate() {
            let (expected, actual) = (length * self.width, rows(question).len());
            if expected != actual {
                return Err(Error::Length { expected, actual });
            }
        }
        let first = questions.iter().find_map(|rows| rows.get(..self.width));
        let first = first.ok_or(Error::Empty { what: "questions" })?;
        let mut out = vec![vec![0.0; self.period()]; self.blocks()];
        for (b, block) in out.iter_mut().enumerate() {
            for (slot, x) in block.iter_mut().enumerate() {
                let (t, question, f) = self.place(slot);
                let at = b * self.features + f;
                let row = t.min(self.lengths[question].saturating_sub(1)) * self.width;
                let given = rows(question).get(row..row + self.width).unwrap_or(first);
                *x = if at < self.width { given[at] } else { 0.0 };
            }
        }
        Ok(out)
    }

    /// The share of each slot's token, times a factor of the feature; 0 in rows without a token.
    pub(super) fn shares(&self, pooling: Pooling, factor: impl Fn(usize) -> f64) -> Vec<f64> {
        let value = |slot: usize| {
            let (t, question, f) = self.place(slot);
            let tokens = self.lengths[question];
            if t < tokens { pooling.share(t, tokens) * factor(f) } else { 0.0 }
        };
        (0..self.period()).map(value).collect()
    }

    /// The first `count` features of a question's first token, where [`crate::nn::Engine::classify`] writes the logits.
    ///
    /// # Errors
    /// [`Error::Length`] if there are fewer slots: an answer states its own length.
    pub fn unpack<'a>(&self, question: usize, slots: &'a [f64], count: usize) -> Result<&'a [f64]> {
        self.unpack_token((question, 0), slots, count)
    }

    /// The first `count` features of a token of a question. Of an answer with [`Pooling::Each`], the answer of the token.
    ///
    /// # Errors
    /// [`Error::Length`] if there are fewer slots: an answer states its own length.
    pub fn unpack_token<'a>(
        &self,
        (question, token): (usize, usize),
        slots: &'a [f64],
        count: usize,
    ) -> Result<&'a [f64]> {
        let start = question.saturating_mul(self.features).saturating_add(token.saturating_mul(self.stride()));
        let (expected, actual) = (start.saturating_add(count), slots.len());
        slots.get(start..expected).ok_or(Error::Length { expected, actual })
    }

    /// The first `count` features of a token of a question, from all blocks of an answer.
    ///
    /// # Errors
    /// [`Error::Length`] if the blocks have fewer features, or fewer slots.
    pub fn unpack_blocks(&self, place: (usize, usize), blocks: &[&[f64]], count: usize) -> Result<Vec<f64>> {
        let mut out = Vec::with_capacity(count);
        for block in blocks {
            let here = (count - out.len()).min(self.features);
            out.extend_from_slice(self.unpack_token(place, block, here)?);
        }
        if out.len() < count { Err(Error::Length { expected: count, actual: out.len() }) } else { Ok(out) }
    }
}
