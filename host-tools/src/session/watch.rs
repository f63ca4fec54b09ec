//! An engine that reports each stage and its seconds.

use polyformer_kernel::{
    Result,
    circuits::norm::Norm,
    nn::{Activation, Attention, Engine, HeadSlots, Matrix, Next, Numbers, Pooling},
};
use std::time::Instant;

/// Wraps an engine; `step` is called after each operation with its name and seconds.
pub struct Watched<'a, E> {
    engine: E,
    step: &'a mut dyn FnMut(&'static str, f64),
}

impl<'a, E: Engine> Watched<'a, E> {
    /// Watches `engine`.
    pub fn new(engine: E, step: &'a mut dyn FnMut(&'static str, f64)) -> Self {
        Self { engine, step }
    }

    /// The engine.
    pub fn into_inner(self) -> E {
        self.engine
    }

    fn timed<T>(&mut self, name: &'static str, work: impl FnOnce(&mut E) -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let out = work(&mut self.engine);
        (self.step)(name, start.elapsed().as_secs_f64());
        out
    }
}

impl<E: Engine> Engine for Watched<'_, E> {
    type Tensor = E::Tensor;

    fn linear<const K: usize>(
        &mut self,
        x: &E::Tensor,
        maps: [&Matrix<'_>; K],
        heads: HeadSlots,
    ) -> Result<[E::Tensor; K]> {
        self.timed("linear", |e| e.linear(x, maps, heads))
    }
    fn attention(&mut self, qkv: [E::Tensor; 3], attention: &Attention<'_>) -> Result<E::Tensor> {
        self.timed("attention", |e| e.attention(qkv, attention))
    }
    fn norm(&mut self, x: &E::Tensor, norm: &Norm) -> Result<E::Tensor> {
        self.timed("norm", |e| e.norm(x, norm))
    }
    fn activate(&mut self, x: E::Tensor, activation: &Activation) -> Result<E::Tensor> {
        self.timed("activation", |e| e.activate(x, activation))
    }
    fn add(&mut self, x: &mut E::Tensor, gain: Option<&Numbers<'_>>, y: E::Tensor) -> Result<()> {
        self.timed("residual", |e| e.add(x, gain, y))
    }
    fn classify<const N: usize>(
        &mut self,
        xs: [&E::Tensor; N],
        maps: [&Matrix<'_>; N],
        pooling: Pooling,
    ) -> Result<E::Tensor> {
        self.timed("classifier", |e| e.classify(xs, maps, pooling))
    }
    fn pool(&mut self, x: &E::Tensor, affine: Option<[&Numbers<'_>; 2]>, pooling: Pooling) -> Result<E::Tensor> {
        self.timed("pooling", |e| e.pool(x, affine, pooling))
    }
    fn refresh(&mut self, x: E::Tensor, next: Next<'_>) -> Result<E::Tensor> {
        self.timed("bootstrap", |e| e.refresh(x, next))
    }
}
