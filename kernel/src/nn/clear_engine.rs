//! The transformer on rows of numbers, by simple loops, for checks and for inference in the clear.

use super::{Activation, Attention, Engine, HeadSlots, Matrix, Next, Numbers, Pooling, Rotary};
use crate::{
    circuits::{
        attention::{AttentionWeights, Similarity},
        norm::Norm,
    },
    error::{Error, Result},
    eval::clear::Number,
};
#[cfg(feature = "alloc")]
use alloc::{vec, vec::Vec};
use core::{
    cell::{RefCell, RefMut},
    marker::PhantomData,
    ops::DerefMut,
};

mod circuits;

/// Values that left the ranges of a model. Its label is then no label of what the model was trained for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Departures {
    /// Arguments outside the range on which their polynomial approximates a function.
    pub arguments: usize,
    /// Values above the range of bootstrapping, which a ciphertext would not carry. Counted from
    /// [`ClearEngine::with_range`] on.
    pub refreshed: usize,
}

impl Departures {
    /// All of them.
    pub fn total(&self) -> usize {
        self.arguments + self.refreshed
    }
}

/// The share of a range that a value may be outside it: ranges are printed with a few digits.
const SLACK: f64 = 1e-3;

/// The storage of an engine's rows: the heap, or blocks of the caller.
pub trait Memory<F> {
    /// Numbers in the memory. A drop returns the memory.
    type Buffer: DerefMut<Target = [F]>;
    /// `len` numbers, of any value.
    fn take(&self, len: usize) -> Result<Self::Buffer>;
}

/// The heap.
#[derive(Clone, Copy, Debug)]
pub struct Heap;

#[cfg(feature = "alloc")]
impl<F: Number> Memory<F> for Heap {
    type Buffer = Vec<F>;
    fn take(&self, len: usize) -> Result<Vec<F>> {
        Ok(vec![F::of(0.0); len])
    }
}

/// A block of the caller's memory.
pub type Block<'m, F> = RefCell<&'m mut [F]>;

/// Serves rows from the caller's blocks. Each row takes the smallest free block that is large enough. The blocks for L
/// tokens of width W, and layers of inner width k W, are:
/// - 2 + k blocks of L x W numbers, or five blocks if k < 3,
/// - two blocks of k W numbers,
/// - two blocks of one number per class.
impl<'p, F> Memory<F> for &'p [Block<'_, F>] {
    type Buffer = RefMut<'p, [F]>;
    fn take(&self, len: usize) -> Result<RefMut<'p, [F]>> {
        let free = self.iter().filter_map(|b| b.try_borrow_mut().ok()).filter(|b| b.len() >= len);
        let block = free.min_by_key(|b| b.len()).ok_or(Error::OutOfMemory { words: len })?;
        Ok(RefMut::map(block, |b| b.get_mut(..len).unwrap_or(&mut [])))
    }
}

/// An engine of `F` numbers.
#[derive(Clone, Copy, Debug)]
pub struct ClearEngine<F, M = Heap> {
    heads: usize,
    memory: M,
    number: PhantomData<F>,
    range: f64,
    departures: Departures,
}

/// L rows of `width` numbers, in one buffer. Without a buffer of that length, the rows are in a few buffers with equal
/// numbers of rows; the last may have fewer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<B> {
    width: usize,
    parts: heapless::Vec<B, PARTS>,
}

/// The most buffers that rows are spread over.
const PARTS: usize = 8;

impl<F: 'static, B: DerefMut<Target = [F]>> Rows<B> {
    /// `values` row by row.
    ///
    /// # Errors
    /// [`Error::Length`] if the number of values is 0, or no multiple of the width.
    pub fn new(width: usize, values: B) -> Result<Self> {
        if width == 0 || values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(Error::Length { expected: width, actual: values.len() });
        }
        let mut parts = heapless::Vec::new();
        let _ = parts.push(values); // the first of PARTS
        Ok(Self { width, parts })
    }

    /// `tokens` rows of any values, in as few buffers as will do.
    fn take(memory: &impl Memory<F, Buffer = B>, tokens: usize, width: usize) -> Result<Self> {
        let spread = |count: usize| {
            let (each, mut left, mut parts) = (tokens.div_ceil(count), tokens, heapless::Vec::new());
            while left > 0 {
                let rows = left.min(each);
                let full = |_| Error::TooMany { asked: PARTS + 1, limit: PARTS };
                parts.push(memory.take(rows * width)?).map_err(full)?;
                left -= rows;
            }
            Ok(Self { width, parts })
        };
        let whole = spread(1);
        if whole.is_ok() { whole } else { (2..=PARTS).find_map(|count| spread(count).ok()).map_or(whole, Ok) }
    }

    /// The numbers, row by row, if one buffer holds all numbers, as on the heap and for a single row.
    pub fn values(&self) -> &[F] {
        self.parts.first().map_or(&[], |part| part)
    }

    /// L.
    fn tokens(&self) -> usize {
        self.rows().count()
    }

    fn rows(&self) -> impl Iterator<Item = &[F]> + Clone {
        self.parts.iter().flat_map(|part| part.chunks_exact(self.width))
    }

    fn rows_mut(&mut self) -> impl Iterator<Item = &mut [F]> {
        self.parts.iter_mut().flat_map(|part| part.chunks_exact_mut(self.width))
    }
}

#[cfg(feature = "alloc")]
impl<F: Number> ClearEngine<F> {
    /// For `heads` attention heads, on the heap.
    pub fn new(heads: usize) -> Self {
        Self::within(heads, Heap)
    }
}

impl<F: Number, M: Memory<F>> ClearEngine<F, M> {
    /// For `heads` attention heads, in this memory.
    pub fn within(heads: usize, memory: M) -> Self {
        Self { heads, memory, number: PhantomData, range: f64::INFINITY, departures: Departures::default() }
    }

    /// Counts the values that [`Engine::refresh`] gets and that are above `range` in modulus: [`super::Model::range`].
    pub fn with_range(self, range: f64) -> Self {
        Self { range, ..self }
    }

    /// The values that left their ranges so far.
    pub fn departures(&self) -> Departures {
        self.departures
    }

    /// Counts an argument of a function that is approximated on a range.
    fn note(&mut self, x: F, (lo, hi): (f64, f64)) {
        let slack = SLACK * (hi - lo);
        self.departures.arguments += !x.is_within(lo - slack, hi + slack) as usize;
    }

    /// Rows of any values.
    fn take(&self, tokens: usize, width: usize) -> Result<Rows<M::Buffer>> {
        Rows::take(&self.memory, tokens, width)
    }

    /// The weighted sum of the rows, or the rows themselves for [`Pooling::Each`].
    fn pooled(&self, x: &Rows<M::Buffer>, pooling: Pooling) -> Result<Rows<M::Buffer>> {
        let tokens = x.tokens();
        if pooling == Pooling::Each {
            let mut all = self.take(tokens, x.width)?;
            all.rows_mut().flatten().zip(x.rows().flatten()).for_each(|(all, x)| *all = *x);
            return Ok(all);
        }
        let mut pooled = self.take(1, x.width)?;
        pooled.rows_mut().flatten().for_each(|p| *p = F::of(0.0));
        for (t, row) in x.rows().enumerate() {
            let share = F::of(pooling.share(t, tokens));
            pooled.rows_mut().flatten().zip(row).for_each(|(p, x)| *p = p.add(x.mul(share)));
        }
        Ok(pooled)
    }

    /// m of every row. Each row of weights is read once.
    fn map(&self, m: &Matrix<'_>, x: &Rows<M::Buffer>) -> Result<Rows<M::Buffer>> {
        if m.cols != x.width {
            return Err(Error::Length { expected: m.cols, actual: x.width });
        }
        let (mut out, mut weights) = (self.take(x.tokens(), m.rows)?, self.memory.take(m.cols)?);
        for i in 0..m.rows {
            let (bias, factor) = m.row(i, &mut weights);
            for (row, out) in x.rows().zip(out.rows_mut()) {
                out[i] = dot(row, &weights).add(bias).mul(factor);
            }
        }
        Ok(out)
    }
}

/// Multiplies each feature by its factor.
fn scale<F: Number + 'static, B: DerefMut<Target = [F]>>(x: &mut Rows<B>, gain: &Numbers<'_>) {
    for row in x.rows_mut() {
        row.iter_mut().enumerate().for_each(|(i, x)| *x = x.mul(F::single(gain.at(i))));
    }
}

fn dot<F: Number>(a: &[F], b: &[F]) -> F {
    a.iter().zip(b).fold(F::of(0.0), |sum, (a, b)| sum.add(a.mul(*b)))
}

/// Rotates the pairs of every head of d features.
fn rotate<F: Number, B: DerefMut<Target = [F]>>(x: &mut Rows<B>, d: usize, rotary: &Rotary) {
    for (t, row) in x.rows_mut().enumerate() {
        for i in 0..d / 2 {
            let (cos, sin) = rotary.turn(t, i, d);
            let (cos, sin) = (F::of(cos), F::of(sin));
            for head in row.chunks_exact_mut(d) {
                let (a, b) = (head[i], head[i + d / 2]);
                head[i] = a.mul(cos).sub(b.mul(sin));
                head[i + d / 2] = b.mul(cos).add(a.mul(sin));
            }
        }
    }
}

/// The score of a query and a key, without its factor.
fn score<F: Number>(similarity: Similarity, q: &[F], k: &[F]) -> F {
    match similarity {
        Similarity::Dot => dot(q, k),
        Similarity::Distance => {
            let squares = q.iter().zip(k).map(|(q, k)| q.sub(*k).square());
            squares.fold(F::of(0.0), |sum, x| sum.add(x)).mul(F::of(-0.5))
        }
    }
}

impl<F: Number, M: Memory<F>> Engine for ClearEngine<F, M> {
    type Tensor = Rows<M::Buffer>;

    fn linear<const K: usize>(
        &mut self,
        x: &Self::Tensor,
        maps: [&Matrix<'_>; K],
        _: HeadSlots,
    ) -> Result<[Self::Tensor; K]> {
        let mut out = heapless::Vec::<_, K>::new();
        for m in maps {
            let _ = out.push(self.map(m, x)?); // cannot overflow: K maps
        }
        out.into_array().map_err(|out| Error::Length { expected: K, actual: out.len() })
    }

    fn attention(&mut self, [mut q, mut k, v]: [Self::Tensor; 3], attention: &Attention<'_>) -> Result<Self::Tensor> {
        let (d, tokens, weights) = (q.width / self.heads, q.tokens(), &attention.weights);
        if let Some(rotary) = &attention.rotary {
            rotate(&mut q, d, rotary);
            rotate(&mut k, d, rotary);
        }
        let (similarity, normaliser, range) = (weights.similarity(), weights.normaliser(), weights.range());
        let mut out = self.take(tokens, q.width)?;
        for (t, (q, out)) in q.rows().zip(out.rows_mut()).enumerate() {
            let seen = attention.seen(t, tokens);
            for (h, (q, out)) in q.chunks_exact(d).zip(out.chunks_exact_mut(d)).enumerate() {
                let head = h * d..(h + 1) * d;
                let scores = k.rows().take(seen).map(|k| score(similarity, q, &k[head.clone()]));
                let moments = circuits::moments(weights, scores.clone(), seen);
                let mut sum = F::of(normaliser.map_or(0.0, |n| n.epsilon));
                out.fill(F::of(0.0));
                for (score, v) in scores.zip(v.rows()) {
                    range.into_iter().for_each(|range| self.note(score, range));
                    let z = circuits::numerator(weights, score, seen, moments)?;
                    sum = sum.add(z);
                    for (o, v) in out.iter_mut().zip(&v[head.clone()]) {
                        *o = o.add(z.mul(*v));
                    }
                }
                if let Some(normaliser) = normaliser {
                    self.note(sum, normaliser.division.range());
                    let r = circuits::quotient(normaliser, sum)?;
                    out.iter_mut().for_each(|o| *o = o.mul(r));
                }
            }
        }
        Ok(out)
    }

    fn norm(&mut self, x: &Self::Tensor, norm: &Norm) -> Result<Self::Tensor> {
        let share = F::of(1.0 / x.width as f64);
        let mut out = self.take(x.tokens(), x.width)?;
        for (row, out) in x.rows().zip(out.rows_mut()) {
            out.copy_from_slice(row);
            if norm.is_centred() {
                let mean = row.iter().fold(F::of(0.0), |sum, x| sum.add(*x)).mul(share);
                out.iter_mut().for_each(|o| *o = o.sub(mean));
            }
            let square = dot(out, out).mul(share).add(F::of(norm.epsilon()));
            self.note(square, norm.root().range());
            let r = circuits::root(norm.root(), square)?;
            out.iter_mut().for_each(|o| *o = o.mul(r));
        }
        Ok(out)
    }

    fn activate(&mut self, mut x: Self::Tensor, activation: &Activation) -> Result<Self::Tensor> {
        match activation {
            Activation::Quadratic([c0, c1, _]) => {
                let (c0, c1) = (F::of(*c0), F::of(*c1));
                x.rows_mut().flatten().for_each(|x| *x = x.square().add(x.mul(c1)).add(c0));
            }
            Activation::Doubled(p) => {
                let half = F::of(0.5);
                for x in x.rows_mut().flatten() {
                    self.note(*x, (-2.0, 2.0));
                    *x = p.unit_number(x.mul(half));
                }
            }
        }
        Ok(x)
    }

    fn add(&mut self, x: &mut Self::Tensor, gain: Option<&Numbers<'_>>, y: Self::Tensor) -> Result<()> {
        if let Some(gain) = gain {
            scale(x, gain);
        }
        x.rows_mut().flatten().zip(y.rows().flatten()).for_each(|(x, y)| *x = x.add(*y));
        Ok(())
    }

    fn classify<const N: usize>(
        &mut self,
        xs: [&Self::Tensor; N],
        maps: [&Matrix<'_>; N],
        pooling: Pooling,
    ) -> Result<Self::Tensor> {
        let mut sum: Option<Self::Tensor> = None;
        for (x, m) in xs.into_iter().zip(maps) {
            let out = match pooling {
                Pooling::Each => self.map(m, x)?,
                _ => {
                    let pooled = self.pooled(x, pooling)?;
                    self.map(m, &pooled)?
                }
            };
            match &mut sum {
                Some(sum) => self.add(sum, None, out)?,
                None => sum = Some(out),
            }
        }
        sum.ok_or(Error::Empty { what: "maps of a head" })
    }

    fn pool(&mut self, x: &Self::Tensor, affine: Option<[&Numbers<'_>; 2]>, pooling: Pooling) -> Result<Self::Tensor> {
        let mut out = self.pooled(x, pooling)?;
        let Some([gain, bias]) = affine else { return Ok(out) };
        scale(&mut out, gain);
        for row in out.rows_mut() {
            row.iter_mut().enumerate().for_each(|(i, x)| *x = x.add(F::single(bias.at(i))));
        }
        Ok(out)
    }

    fn refresh(&mut self, x: Self::Tensor, _: Next<'_>) -> Result<Self::Tensor> {
        let range = self.range;
        if range.is_finite() {
            let beyond = x.rows().flatten().filter(|x| !x.is_within(-range, range)).count();
            self.departures.refreshed += beyond;
        }
        Ok(x)
    }
}
