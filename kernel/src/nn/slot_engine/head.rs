//! The end of a model on slots: maps on every token, then a mask with the share of each token, then the sum over
//! tokens. All slots without a number of the answer are 0.

use super::SlotEngine;
use crate::{
    arith::Arithmetic,
    circuits::reduce::masked,
    error::{Error, Result},
    nn::{Matrix, Numbers, Pooling},
};
use alloc::vec::Vec;

impl<A: Arithmetic> SlotEngine<'_, A> {
    /// The pooled sum of maps\[i\] xs\[i\]. Depth [`super::CLASSIFY_DEPTH`].
    pub(super) fn logits(&mut self, xs: &[&Vec<A::Slots>], maps: &[&Matrix<'_>], pooling: Pooling) -> Result<A::Slots> {
        let f = self.layout.features;
        let outputs = maps.first().map_or(0, |map| map.rows);
        if outputs > f {
            return Err(Error::TooMany { asked: outputs, limit: f });
        }
        let all: Vec<&A::Slots> = xs.iter().copied().flatten().collect();
        let all = self.align(&all)?;
        let counts = xs.iter().enumerate().flat_map(|(m, x)| (0..x.len()).map(move |b| (m, b)));
        let columns: Vec<(usize, usize)> = counts.collect(); // input blocks: the map, its block
        let weight = |_: usize, block: usize, i: usize, j: usize| {
            let (m, b) = columns[block];
            maps[m].at(i, b * f + j)
        };
        let mut ys = self.blocks(&all.iter().collect::<Vec<_>>(), 1, weight)?;
        let mut y = ys.pop().ok_or(Error::Empty { what: "chunks of a vector" })?;
        self.add_on_tokens(&mut y, |i| maps.iter().map(|map| if i < map.rows { map.bias(i) } else { 0.0 }).sum())?;
        let y = match self.hidden {
            None => masked(self.ev, &y, &self.layout.shares(pooling, |i| (i < outputs) as u8 as f64))?,
            Some(hidden) => {
                let labels: Vec<f64> = (0..f).map(|i| (i < outputs) as u8 as f64).collect();
                let level = self.ev.level(&y);
                let shares = self.in_rows(&hidden.shares, &labels, level)?;
                self.ev.product(&y, &shares)?
            }
        };
        self.over_tokens(y, pooling)
    }

    /// The pooled rows of gain x + bias, or of x. Depth 1.
    pub(super) fn pooled(
        &mut self,
        x: &[A::Slots],
        affine: Option<[&Numbers<'_>; 2]>,
        pooling: Pooling,
    ) -> Result<Vec<A::Slots>> {
        if self.hidden.is_some() {
            return Err(Error::Unsupported { what: "a hidden number of tokens with this head" });
        }
        let f = self.layout.features;
        let gain = |b: usize| move |i: usize| affine.map_or(1.0, |[gain, _]| gain.at(b * f + i) as f64);
        let mut out = Vec::with_capacity(x.len());
        for (b, x) in x.iter().enumerate() {
            let y = masked(self.ev, x, &self.layout.shares(pooling, gain(b)))?;
            let mut y = self.over_tokens(y, pooling)?;
            let Some([_, bias]) = affine else {
                out.push(y);
                continue;
            };
            let once = |slot: usize| {
                let (t, question, i) = self.layout.place(slot);
                let tokens = self.layout.lengths[question];
                let has = if pooling == Pooling::Each { t < tokens } else { tokens > 0 };
                if has { bias.at(b * f + i) as f64 } else { 0.0 }
            };
            let bias: Vec<f64> = (0..self.layout.period()).map(once).collect();
            let level = self.ev.level(&y);
            let bias = self.ev.encode(&bias, level)?;
            self.ev.add_plain(&mut y, &bias)?;
            out.push(y);
        }
        Ok(out)
    }

    /// The sum over the tokens of each question, in every row, unless each token answers for itself.
    fn over_tokens(&mut self, mut y: A::Slots, pooling: Pooling) -> Result<A::Slots> {
        if pooling != Pooling::Each {
            for i in 0..self.layout.tokens.ilog2() {
                let turned = self.ev.rotate(&y, (self.layout.stride() << i) as i32)?;
                self.ev.add(&mut y, &turned)?;
            }
        }
        Ok(y)
    }
}
