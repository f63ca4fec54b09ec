//! The transformer on rows of numbers: plain loops, for checks and for inference in the clear.

use super::{Attention, Engine, Matrix, Next, Norm};
use crate::{
    error::{Error, Result},
    plain::Number,
};
use alloc::{vec, vec::Vec};

/// An engine of `F` numbers.
#[derive(Clone, Copy, Debug)]
pub struct Dense<F> {
    heads: usize,
    number: core::marker::PhantomData<F>,
}

/// L rows of `width` numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<F> {
    width: usize,
    values: Vec<F>,
}

impl<F: Number> Rows<F> {
    /// `values` row by row.
    pub fn new(width: usize, values: Vec<F>) -> Result<Self> {
        if width == 0 || values.is_empty() || !values.len().is_multiple_of(width) {
            return Err(Error::Length { expected: width, actual: values.len() });
        }
        Ok(Self { width, values })
    }

    /// The numbers, row by row.
    pub fn values(&self) -> &[F] {
        &self.values
    }

    fn rows(&self) -> core::slice::ChunksExact<'_, F> {
        self.values.chunks_exact(self.width)
    }
}

impl<F: Number> Dense<F> {
    /// For `heads` attention heads.
    pub fn new(heads: usize) -> Self {
        Self { heads, number: core::marker::PhantomData }
    }
}

fn dot<F: Number>(a: &[F], b: &[F]) -> F {
    a.iter().zip(b).fold(F::of(0.0), |sum, (a, b)| sum.add(a.mul(*b)))
}

fn map<F: Number>(m: &Matrix, row: &[F], out: &mut Vec<F>) {
    for i in 0..m.rows {
        let terms = row.iter().enumerate().map(|(j, x)| x.mul(F::of(m.at(i, j))));
        out.push(terms.fold(F::of(m.bias(i)), |sum, t| sum.add(t)));
    }
}

/// p(x) by Clenshaw's recurrence on numbers.
fn evaluate<F: Number>(p: &crate::circuits::poly::Polynomial, x: F) -> F {
    let (slope, offset) = p.to_unit();
    let t = x.mul(F::of(slope)).add(F::of(offset));
    let (mut a, mut b) = (F::of(0.0), F::of(0.0));
    for c in p.coeffs()[1..].iter().rev() {
        (a, b) = (t.mul(a).mul(F::of(2.0)).sub(b).add(F::of(*c)), a);
    }
    t.mul(a).sub(b).add(F::of(p.coeffs()[0]))
}

impl<F: Number> Engine for Dense<F> {
    type Tensor = Rows<F>;

    fn linear(&mut self, x: &Rows<F>, maps: &[&Matrix]) -> Result<Vec<Rows<F>>> {
        maps.iter()
            .map(|m| {
                if m.cols != x.width {
                    return Err(Error::Length { expected: m.cols, actual: x.width });
                }
                let mut values = Vec::with_capacity(x.values.len() / x.width * m.rows);
                x.rows().for_each(|row| map(m, row, &mut values));
                Ok(Rows { width: m.rows, values })
            })
            .collect()
    }

    fn attention(&mut self, [q, k, v]: [Rows<F>; 3], how: &Attention) -> Result<Rows<F>> {
        let (d, tokens) = (q.width / self.heads, q.values.len() / q.width);
        let share = F::of(1.0 / tokens as f64);
        let mut values = vec![F::of(0.0); q.values.len()];
        for (t, out) in values.chunks_exact_mut(q.width).enumerate() {
            for (h, out) in out.chunks_exact_mut(d).enumerate() {
                let part = |x: &Rows<F>, t: usize| t * x.width + h * d..t * x.width + (h + 1) * d;
                let mut sum = F::of(how.epsilon);
                for u in 0..tokens {
                    let s = dot(&q.values[part(&q, t)], &k.values[part(&k, u)]);
                    let z = s.square().square().mul(share);
                    sum = sum.add(z);
                    for (o, v) in out.iter_mut().zip(&v.values[part(&v, u)]) {
                        *o = o.add(z.mul(*v));
                    }
                }
                let r = evaluate(&how.reciprocal, sum);
                out.iter_mut().for_each(|o| *o = o.mul(r));
            }
        }
        Ok(Rows { width: q.width, values })
    }

    fn norm(&mut self, x: &Rows<F>, how: &Norm) -> Result<Rows<F>> {
        let share = F::of(1.0 / x.width as f64);
        let mut out = x.clone();
        for row in out.values.chunks_exact_mut(x.width) {
            let mean = dot(row, row).mul(share).add(F::of(how.epsilon));
            let r = evaluate(&how.root, mean);
            row.iter_mut().for_each(|x| *x = x.mul(r));
        }
        Ok(out)
    }

    fn activate(&mut self, x: &Rows<F>, [c0, c1, _]: [f64; 3]) -> Result<Rows<F>> {
        let values = x.values.iter().map(|x| x.square().add(x.mul(F::of(c1))).add(F::of(c0))).collect();
        Ok(Rows { width: x.width, values })
    }

    fn add(&mut self, x: &mut Rows<F>, y: Rows<F>) -> Result<()> {
        x.values.iter_mut().zip(y.values).for_each(|(x, y)| *x = x.add(y));
        Ok(())
    }

    fn classify(&mut self, xs: [&Rows<F>; 2], maps: &[Matrix; 2]) -> Result<Rows<F>> {
        let mut sum = vec![F::of(0.0); maps[0].rows];
        for (x, m) in xs.into_iter().zip(maps) {
            let tokens = x.values.len() / x.width;
            let mut mean = vec![F::of(0.0); x.width];
            for row in x.rows() {
                mean.iter_mut().zip(row).for_each(|(m, x)| *m = m.add(x.mul(F::of(1.0 / tokens as f64))));
            }
            let mut out = Vec::with_capacity(m.rows);
            map(m, &mean, &mut out);
            sum.iter_mut().zip(out).for_each(|(s, o)| *s = s.add(o));
        }
        Ok(Rows { width: sum.len(), values: sum })
    }

    fn refresh(&mut self, x: Rows<F>, _: Next) -> Result<Rows<F>> {
        Ok(x)
    }
}
