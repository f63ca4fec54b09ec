//! The transformer on rows of numbers: plain loops, for checks and for inference in the clear.

use super::{Attention, Engine, Matrix, Next, Norm};
use crate::{
    circuits::poly::Polynomial,
    error::{Error, Result},
    plain::Number,
};
#[cfg(feature = "alloc")]
use alloc::{vec, vec::Vec};
use core::{
    cell::{RefCell, RefMut},
    marker::PhantomData,
    ops::DerefMut,
};

/// Where the rows of an engine live: the heap, or blocks of the caller's.
pub trait Memory<F> {
    /// Numbers in it; dropping them gives the memory back.
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

/// Serves rows out of the caller's blocks: each takes the smallest free block that holds it. For L tokens of a width,
/// four blocks of L x width numbers, one of L x the widest row inside a layer, and one of a row of weights are enough.
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
pub struct Dense<F, M = Heap> {
    heads: usize,
    memory: M,
    number: PhantomData<F>,
}

/// L rows of `width` numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<B> {
    width: usize,
    values: B,
}

impl<F, B: DerefMut<Target = [F]>> Rows<B> {
    /// `values` row by row.
    pub fn new(width: usize, values: B) -> Result<Self> {
        if width == 0 || values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(Error::Length { expected: width, actual: values.len() });
        }
        Ok(Self { width, values })
    }

    /// The numbers, row by row.
    pub fn values(&self) -> &[F] {
        &self.values
    }

    /// L.
    fn tokens(&self) -> usize {
        self.values.len() / self.width
    }

    fn rows(&self) -> core::slice::ChunksExact<'_, F> {
        self.values.chunks_exact(self.width)
    }

    fn rows_mut(&mut self) -> core::slice::ChunksExactMut<'_, F> {
        self.values.chunks_exact_mut(self.width)
    }
}

#[cfg(feature = "alloc")]
impl<F: Number> Dense<F> {
    /// For `heads` attention heads, on the heap.
    pub fn new(heads: usize) -> Self {
        Self::within(heads, Heap)
    }
}

impl<F: Number, M: Memory<F>> Dense<F, M> {
    /// For `heads` attention heads, in this memory.
    pub fn within(heads: usize, memory: M) -> Self {
        Self { heads, memory, number: PhantomData }
    }

    /// m of every row. Each row of weights is read once.
    fn map<'a>(&self, m: &Matrix<'_>, rows: impl ExactSizeIterator<Item = &'a [F]> + Clone) -> Result<M::Buffer>
    where
        F: 'a,
    {
        let (mut out, mut weights) = (self.memory.take(rows.len() * m.rows)?, self.memory.take(m.cols)?);
        for i in 0..m.rows {
            let (bias, factor) = m.row(i, &mut weights);
            for (row, out) in rows.clone().zip(out.chunks_exact_mut(m.rows)) {
                out[i] = dot(row, &weights).add(bias).mul(factor);
            }
        }
        Ok(out)
    }
}

fn dot<F: Number>(a: &[F], b: &[F]) -> F {
    a.iter().zip(b).fold(F::of(0.0), |sum, (a, b)| sum.add(a.mul(*b)))
}

/// p(x) by Clenshaw's recurrence on numbers.
fn evaluate<F: Number>(p: &Polynomial, x: F) -> F {
    let (slope, offset) = p.to_unit();
    let t = x.mul(F::of(slope)).add(F::of(offset));
    let (mut a, mut b) = (F::of(0.0), F::of(0.0));
    for c in p.coeffs()[1..].iter().rev() {
        (a, b) = (t.mul(a).mul(F::of(2.0)).sub(b).add(F::of(*c)), a);
    }
    t.mul(a).sub(b).add(F::of(p.coeffs()[0]))
}

impl<F: Number, M: Memory<F>> Engine for Dense<F, M> {
    type Tensor = Rows<M::Buffer>;

    fn linear<const K: usize>(&mut self, x: &Self::Tensor, maps: [&Matrix<'_>; K]) -> Result<[Self::Tensor; K]> {
        let mut out = heapless::Vec::<_, K>::new();
        for m in maps {
            if m.cols != x.width {
                return Err(Error::Length { expected: m.cols, actual: x.width });
            }
            let _ = out.push(Rows { width: m.rows, values: self.map(m, x.rows())? }); // cannot overflow: K maps
        }
        out.into_array().map_err(|out| Error::Length { expected: K, actual: out.len() })
    }

    fn attention(&mut self, [q, k, v]: [Self::Tensor; 3], how: &Attention<'_>) -> Result<Self::Tensor> {
        let (d, tokens) = (q.width / self.heads, q.tokens());
        let share = F::of(1.0 / tokens as f64);
        let mut out = Rows { width: q.width, values: self.memory.take(q.values.len())? };
        for (q, out) in q.rows().zip(out.rows_mut()) {
            for (h, (q, out)) in q.chunks_exact(d).zip(out.chunks_exact_mut(d)).enumerate() {
                let head = h * d..(h + 1) * d;
                let mut sum = F::of(how.epsilon);
                out.fill(F::of(0.0));
                for (k, v) in k.rows().zip(v.rows()) {
                    let z = dot(q, &k[head.clone()]).square().square().mul(share);
                    sum = sum.add(z);
                    for (o, v) in out.iter_mut().zip(&v[head.clone()]) {
                        *o = o.add(z.mul(*v));
                    }
                }
                let r = evaluate(&how.reciprocal, sum);
                out.iter_mut().for_each(|o| *o = o.mul(r));
            }
        }
        Ok(out)
    }

    fn norm(&mut self, x: &Self::Tensor, how: &Norm) -> Result<Self::Tensor> {
        let share = F::of(1.0 / x.width as f64);
        let mut out = Rows { width: x.width, values: self.memory.take(x.values.len())? };
        for (row, out) in x.rows().zip(out.rows_mut()) {
            let mean = dot(row, row).mul(share).add(F::of(how.epsilon));
            let r = evaluate(&how.root, mean);
            out.iter_mut().zip(row).for_each(|(o, x)| *o = x.mul(r));
        }
        Ok(out)
    }

    fn activate(&mut self, mut x: Self::Tensor, [c0, c1, _]: [f64; 3]) -> Result<Self::Tensor> {
        let (c0, c1) = (F::of(c0), F::of(c1));
        x.values.iter_mut().for_each(|x| *x = x.square().add(x.mul(c1)).add(c0));
        Ok(x)
    }

    fn add(&mut self, x: &mut Self::Tensor, y: Self::Tensor) -> Result<()> {
        x.values.iter_mut().zip(y.values.iter()).for_each(|(x, y)| *x = x.add(*y));
        Ok(())
    }

    fn classify(&mut self, xs: [&Self::Tensor; 2], maps: &[Matrix<'_>; 2]) -> Result<Self::Tensor> {
        let mut sum = self.memory.take(maps[0].rows)?;
        sum.fill(F::of(0.0));
        for (x, m) in xs.into_iter().zip(maps) {
            let share = F::of(1.0 / x.tokens() as f64);
            let mut mean = self.memory.take(x.width)?;
            mean.fill(F::of(0.0));
            for row in x.rows() {
                mean.iter_mut().zip(row).for_each(|(m, x)| *m = m.add(x.mul(share)));
            }
            let out = self.map(m, mean.chunks_exact(x.width))?;
            sum.iter_mut().zip(out.iter()).for_each(|(s, o)| *s = s.add(*o));
        }
        Ok(Rows { width: sum.len(), values: sum })
    }

    fn refresh(&mut self, x: Self::Tensor, _: Next) -> Result<Self::Tensor> {
        Ok(x)
    }
}
