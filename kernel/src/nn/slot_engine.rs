//! The transformer on slots. Slot = token · T + question · F + feature, T = questions · F. The vector repeats after
//! `tokens` · T slots, so a rotation by a multiple of T rotates the tokens of every question cyclically. A tensor wider
//! than F is several vectors. Weights are encoded at each use, because their plaintexts are short.

use super::{Attention, Engine, Matrix, Next, Pooling};
use crate::{
    arith::Arithmetic,
    circuits::{
        activation::quadratic,
        linear::{self, BsgsSplit},
        mul_aligned,
        norm::{Norm, inverse_rms},
        reduce::{RowLayout, masked},
    },
    error::{Error, Result},
};
use alloc::{vec, vec::Vec};

mod attention;
mod hidden;
mod levels;
mod rotary;

pub use hidden::{HiddenLengths, can_hide};
pub use levels::{AttentionLevels, BootstrapLevels, CLASSIFY_DEPTH};

/// The layout of the questions in a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// RowLayout kept for the tokens of a question, a power of two.
    pub tokens: usize,
    /// F: features of a token, a power of two.
    pub features: usize,
    /// Attention heads.
    pub heads: usize,
    /// L of each question. The number of questions is a power of two, and 0 is an empty place.
    pub lengths: Vec<usize>,
}

impl Layout {
    /// The least layout for questions of these lengths. `slots`: the most that a vector has.
    ///
    /// # Errors
    /// [`Error::Slots`] without a token, or if the layout needs more slots; also if the features or the heads are no
    /// power of two.
    pub fn new(lengths: &[usize], features: usize, heads: usize, slots: usize) -> Result<Self> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let (tokens, questions) = (longest.next_power_of_two().max(4), lengths.len().next_power_of_two());
        let given = tokens * questions * features;
        if longest == 0 || !features.is_power_of_two() || !heads.is_power_of_two() || heads > features || given > slots
        {
            return Err(Error::Slots { given, slots });
        }
        let mut lengths = lengths.to_vec();
        lengths.resize(questions, 0);
        Ok(Self { tokens, features, heads, lengths })
    }

    /// T: slots from a token to the next.
    pub fn stride(&self) -> usize {
        self.lengths.len() * self.features
    }

    /// Slots after which the vector repeats.
    pub fn period(&self) -> usize {
        self.tokens * self.stride()
    }

    /// Token, question and feature of a slot.
    pub fn place(&self, slot: usize) -> (usize, usize, usize) {
        let s = slot % self.period();
        (s / self.stride(), s % self.stride() / self.features, s % self.features)
    }

    /// Packs one question's rows of features into its slots of `out`, one period long.
    ///
    /// # Errors
    /// [`Error::Length`] if `rows` is not the question's length times the features, or `out` is not one period long.
    pub fn pack(&self, question: usize, rows: &[f64], out: &mut [f64]) -> Result<()> {
        let expected = self.lengths.get(question).copied().unwrap_or(0) * self.features;
        if rows.len() != expected || out.len() != self.period() {
            return Err(Error::Length { expected, actual: rows.len() });
        }
        for (t, row) in rows.chunks_exact(self.features).enumerate() {
            out[t * self.stride() + question * self.features..][..self.features].copy_from_slice(row);
        }
        Ok(())
    }

    /// A token's share in the first `count` features of each token of a question, 0 elsewhere.
    fn shares(&self, count: usize, pooling: Pooling) -> Vec<f64> {
        let value = |slot: usize| {
            let (t, question, f) = self.place(slot);
            let tokens = self.lengths[question];
            if t < tokens && f < count { pooling.share(t, tokens) } else { 0.0 }
        };
        (0..self.period()).map(value).collect()
    }

    /// The first `count` features of a question's first token, where [`Engine::classify`] writes the logits.
    ///
    /// # Errors
    /// [`Error::Length`] if there are fewer slots: an answer states its own length.
    pub fn unpack<'a>(&self, question: usize, slots: &'a [f64], count: usize) -> Result<&'a [f64]> {
        let (start, actual) = (question.saturating_mul(self.features), slots.len());
        let expected = start.saturating_add(count);
        slots.get(start..expected).ok_or(Error::Length { expected, actual })
    }
}

/// An engine over an arithmetic.
pub struct SlotEngine<'a, A: Arithmetic> {
    ev: &'a mut A,
    layout: Layout,
    bootstraps: Option<BootstrapLevels>,
    hidden: Option<&'a HiddenLengths<A::Slots>>,
}

impl<'a, A: Arithmetic> SlotEngine<'a, A> {
    /// Works on vectors of this layout. No value is bootstrapped: for values whose levels last, and for an arithmetic that
    /// places the bootstraps itself.
    pub fn new(ev: &'a mut A, layout: Layout) -> Self {
        Self { ev, layout, bootstraps: None, hidden: None }
    }

    /// Works on vectors of this layout, and bootstraps a vector whose levels do not last to the next place.
    pub fn bootstrapping(ev: &'a mut A, layout: Layout, levels: BootstrapLevels) -> Self {
        Self { ev, layout, bootstraps: Some(levels), hidden: None }
    }

    /// The same for questions whose lengths are in vectors of the client, if there are such vectors. The lengths of the
    /// layout are then the rows of each question.
    pub fn hiding(self, hidden: Option<&'a HiddenLengths<A::Slots>>) -> Self {
        Self { hidden, ..self }
    }

    /// A pattern of features in every row that has a token, at `level`.
    fn in_tokens(&mut self, tokens: &A::Slots, pattern: &[f64], level: u8) -> Result<A::Slots> {
        let above = self.ev.copy_at_level(tokens, level + 1)?; // a level has fewer than 2^8 - 1 above it
        masked(self.ev, &above, pattern)
    }

    /// The bias of one chunk, on every token. Rows without a token have none if the lengths are hidden.
    fn add_bias(&mut self, x: &mut A::Slots, m: &Matrix<'_>, chunk: usize) -> Result<()> {
        let f = self.layout.features;
        let bias: Vec<f64> = (0..f).map(|i| m.bias(chunk * f + i)).collect();
        let Some(hidden) = self.hidden else { return linear::add_bias(self.ev, x, &bias) };
        let level = self.ev.level(x);
        let bias = self.in_tokens(&hidden.tokens, &bias, level)?;
        self.ev.add(x, &bias)
    }

    /// Σ_b of block (c, b) times chunk b of x, for each output c. `weight(c, b, i, j)` is the weight of input j in
    /// output i. One chunk is hoisted at a time, and each giant step of an output is done once. Depth 1.
    fn blocks(
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
    fn align(&mut self, xs: &[&A::Slots]) -> Result<Vec<A::Slots>> {
        let level = xs.iter().map(|x| self.ev.level(x)).min().unwrap_or(0);
        xs.iter().map(|x| self.ev.copy_at_level(x, level)).collect()
    }
}

impl<A: Arithmetic> Engine for SlotEngine<'_, A> {
    type Tensor = Vec<A::Slots>;

    /// Depth 1.
    fn linear<const K: usize>(&mut self, x: &Vec<A::Slots>, maps: [&Matrix<'_>; K]) -> Result<[Vec<A::Slots>; K]> {
        let f = self.layout.features;
        let chunks = |(m, map): (usize, &&Matrix)| (0..map.rows.div_ceil(f)).map(move |c| (m, c));
        let rows: Vec<(usize, usize)> = maps.iter().enumerate().flat_map(chunks).collect();
        let weight = |row: usize, b: usize, i: usize, j: usize| {
            let (m, c) = rows[row];
            maps[m].at(c * f + i, b * f + j)
        };
        let ys = self.blocks(&x.iter().collect::<Vec<_>>(), rows.len(), weight)?;
        let mut out = [const { Vec::new() }; K];
        for ((m, c), mut y) in rows.into_iter().zip(ys) {
            self.add_bias(&mut y, maps[m], c)?;
            out[m].push(y);
        }
        Ok(out)
    }

    /// Depth [`AttentionLevels::total`].
    fn attention(&mut self, qkv: [Vec<A::Slots>; 3], attention: &Attention<'_>) -> Result<Vec<A::Slots>> {
        let [q, k, v] = qkv;
        let (Some(q), Some(k), Some(v)) = (q.first(), k.first(), v.first()) else {
            return Err(Error::Empty { what: "chunks of a vector" });
        };
        Ok(vec![attention::attention(self.ev, (&self.layout, self.hidden), self.bootstraps, [q, k, v], attention)?])
    }

    /// Depth [`Norm::depth`].
    fn norm(&mut self, x: &Vec<A::Slots>, norm: &Norm) -> Result<Vec<A::Slots>> {
        let rows = RowLayout::new(self.layout.features, 1)?;
        let inverse = inverse_rms(self.ev, norm, x, &rows)?;
        let factor = norm.root().numerator_scale();
        let mut out = Vec::with_capacity(x.len());
        for x in x {
            out.push(if factor == 1.0 {
                mul_aligned(self.ev, x, &inverse)?
            } else {
                let x = self.ev.scaled(x, factor)?;
                mul_aligned(self.ev, &x, &inverse)?
            });
        }
        Ok(out)
    }

    /// Depth 1.
    fn activate(&mut self, x: Vec<A::Slots>, [c0, c1, _]: [f64; 3]) -> Result<Vec<A::Slots>> {
        let Some(hidden) = self.hidden else {
            return x.iter().map(|x| quadratic(self.ev, x, c1, c0)).collect();
        };
        let mut out = Vec::with_capacity(x.len());
        for x in &x {
            let mut y = quadratic(self.ev, x, c1, 0.0)?;
            let level = self.ev.level(&y);
            let constant = self.in_tokens(&hidden.tokens, &[c0], level)?;
            self.ev.add(&mut y, &constant)?;
            out.push(y);
        }
        Ok(out)
    }

    fn add(&mut self, x: &mut Vec<A::Slots>, y: Vec<A::Slots>) -> Result<()> {
        for (x, mut y) in x.iter_mut().zip(y) {
            let level = self.ev.level(x).min(self.ev.level(&y));
            *x = self.ev.copy_at_level(x, level)?;
            y = self.ev.drop_to_level(y, level)?;
            self.ev.add(x, &y)?;
        }
        Ok(())
    }

    /// Depth [`CLASSIFY_DEPTH`]. The weights are applied to every token. A mask then takes the mean over tokens, or the
    /// last token, and zeroes all slots without a logit. The number of labels is at most the number of features.
    fn classify(&mut self, xs: [&Vec<A::Slots>; 2], maps: &[Matrix<'_>; 2], pooling: Pooling) -> Result<Vec<A::Slots>> {
        let all: Vec<&A::Slots> = xs.into_iter().flatten().collect();
        let all = self.align(&all)?;
        let (f, first) = (self.layout.features, xs[0].len());
        if maps[0].rows > f {
            return Err(Error::TooMany { asked: maps[0].rows, limit: f });
        }
        let weight = |_: usize, b: usize, i: usize, j: usize| match b.checked_sub(first) {
            None => maps[0].at(i, b * f + j),
            Some(b) => maps[1].at(i, b * f + j),
        };
        let mut ys = self.blocks(&all.iter().collect::<Vec<_>>(), 1, weight)?;
        let mut y = ys.pop().ok_or(Error::Empty { what: "chunks of a vector" })?;
        self.add_bias(&mut y, &maps[0], 0)?;
        let mut y = match self.hidden {
            None => masked(self.ev, &y, &self.layout.shares(maps[0].rows, pooling))?,
            Some(hidden) => {
                let labels: Vec<f64> = (0..f).map(|i| (i < maps[0].rows) as u8 as f64).collect();
                let level = self.ev.level(&y);
                let shares = self.in_tokens(&hidden.shares, &labels, level)?;
                self.ev.product(&y, &shares)?
            }
        };
        for i in 0..self.layout.tokens.ilog2() {
            let turned = self.ev.rotate(&y, (self.layout.stride() << i) as i32)?;
            self.ev.add(&mut y, &turned)?;
        }
        Ok(vec![y])
    }

    /// Leaves only the levels of the next part, because work at a low level is cheaper.
    fn refresh(&mut self, x: Vec<A::Slots>, next: Next<'_>) -> Result<Vec<A::Slots>> {
        let Some(bootstraps) = self.bootstraps else { return Ok(x) };
        x.into_iter().map(|x| bootstraps.before(self.ev, x, next)).collect()
    }
}
