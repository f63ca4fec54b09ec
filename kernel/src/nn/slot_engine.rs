//! The transformer on slots. [`Layout`] says where tokens and features are. A tensor wider than a block is several
//! vectors. Weights are encoded at each use, because their plaintexts are short.

use super::{Activation, Attention, Engine, HeadSlots, Matrix, Next, Numbers, Pooling};
use crate::{
    arith::Arithmetic,
    circuits::{
        activation::quadratic,
        mul_aligned,
        norm::{Norm, inverse_rms, layer_norm},
        poly::evaluate_doubled,
        reduce::{RowLayout, masked},
    },
    error::{Error, Result},
};
use alloc::{vec, vec::Vec};

mod attention;
mod head;
mod hidden;
mod layout;
mod levels;
mod maps;
mod rotary;

pub use hidden::{HiddenLengths, can_hide};
pub use layout::Layout;
pub use levels::{AttentionLevels, BootstrapLevels, CLASSIFY_DEPTH};

/// An engine over an arithmetic.
pub struct SlotEngine<'a, A: Arithmetic> {
    ev: &'a mut A,
    layout: Layout,
    bootstraps: Option<BootstrapLevels>,
    hidden: Option<&'a HiddenLengths<A::Slots>>,
    alone: bool, // whether the result of attention may be bootstrapped before the map that joins the heads
}

impl<'a, A: Arithmetic> SlotEngine<'a, A> {
    /// Works on vectors of this layout. No value is bootstrapped: for values whose levels last, and for an arithmetic that
    /// places the bootstraps itself.
    pub fn new(ev: &'a mut A, layout: Layout) -> Self {
        Self { ev, layout, bootstraps: None, hidden: None, alone: false }
    }

    /// Works on vectors of this layout, and bootstraps a vector whose levels do not last to the next place.
    pub fn bootstrapping(ev: &'a mut A, layout: Layout, levels: BootstrapLevels) -> Self {
        Self { ev, layout, bootstraps: Some(levels), hidden: None, alone: false }
    }

    /// The same for questions whose lengths are in vectors of the client, if there are such vectors. The lengths of the
    /// layout are then the rows of each question.
    pub fn hiding(self, hidden: Option<&'a HiddenLengths<A::Slots>>) -> Self {
        Self { hidden, ..self }
    }
}

impl<A: Arithmetic> Engine for SlotEngine<'_, A> {
    type Tensor = Vec<A::Slots>;

    /// Depth 1.
    fn linear<const K: usize>(
        &mut self,
        x: &Vec<A::Slots>,
        maps: [&Matrix<'_>; K],
        heads: HeadSlots,
    ) -> Result<[Vec<A::Slots>; K]> {
        self.mapped(x, maps, heads)
    }

    /// Depth [`AttentionLevels::total`].
    fn attention(&mut self, [q, k, v]: [Vec<A::Slots>; 3], attention: &Attention<'_>) -> Result<Vec<A::Slots>> {
        if q.is_empty() || q.len() != k.len() || k.len() != v.len() {
            return Err(Error::Empty { what: "chunks of a vector" });
        }
        let bootstraps = (self.bootstraps, self.alone);
        attention::attention(self.ev, (&self.layout, self.hidden), bootstraps, [q, k, v], attention)
    }

    /// Depth [`Norm::depth`].
    fn norm(&mut self, x: &Vec<A::Slots>, norm: &Norm) -> Result<Vec<A::Slots>> {
        let rows = RowLayout::new(self.layout.features, 1)?;
        if norm.is_centred() {
            let mut out = x.iter().map(|x| self.ev.copy(x)).collect::<Result<Vec<_>>>()?;
            layer_norm(self.ev, norm, &mut out, &rows)?;
            return Ok(out);
        }
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

    /// Depth [`Activation::depth`].
    fn activate(&mut self, x: Vec<A::Slots>, activation: &Activation) -> Result<Vec<A::Slots>> {
        let [c0, c1] = match (activation, self.hidden) {
            (Activation::Quadratic([c0, c1, _]), _) => [*c0, *c1],
            (Activation::Doubled(p), None) => {
                return x.into_iter().map(|x| evaluate_doubled(self.ev, p, x)).collect();
            }
            (Activation::Doubled(_), Some(_)) => {
                return Err(Error::Unsupported { what: "a hidden number of tokens with this activation" });
            }
        };
        let Some(hidden) = self.hidden else {
            return x.iter().map(|x| quadratic(self.ev, x, c1, c0)).collect();
        };
        let mut out = Vec::with_capacity(x.len());
        for x in &x {
            let mut y = quadratic(self.ev, x, c1, 0.0)?;
            let level = self.ev.level(&y);
            let constant = self.in_tokens(hidden, &[c0], level)?;
            self.ev.add(&mut y, &constant)?;
            out.push(y);
        }
        Ok(out)
    }

    /// Depth 0, or 1 of x with factors.
    fn add(&mut self, x: &mut Vec<A::Slots>, gain: Option<&Numbers<'_>>, y: Vec<A::Slots>) -> Result<()> {
        let f = self.layout.features;
        for (b, (x, mut y)) in x.iter_mut().zip(y).enumerate() {
            if let Some(gain) = gain {
                let level = self.ev.level(x).min(self.ev.level(&y) + 1);
                let above = self.ev.copy_at_level(x, level)?;
                let factors: Vec<f64> = (0..f).map(|i| gain.at(b * f + i) as f64).collect();
                *x = masked(self.ev, &above, &factors)?;
            }
            let level = self.ev.level(x).min(self.ev.level(&y));
            *x = self.ev.copy_at_level(x, level)?;
            y = self.ev.drop_to_level(y, level)?;
            self.ev.add(x, &y)?;
        }
        Ok(())
    }

    /// Depth [`CLASSIFY_DEPTH`]. The weights are applied to every token. A mask then takes the rows of `pooling`, and
    /// zeroes all slots without a logit. The number of labels is at most the number of features of a block.
    fn classify<const N: usize>(
        &mut self,
        xs: [&Vec<A::Slots>; N],
        maps: [&Matrix<'_>; N],
        pooling: Pooling,
    ) -> Result<Vec<A::Slots>> {
        Ok(vec![self.logits(&xs, &maps, pooling)?])
    }

    /// Depth 1.
    fn pool(
        &mut self,
        x: &Vec<A::Slots>,
        affine: Option<[&Numbers<'_>; 2]>,
        pooling: Pooling,
    ) -> Result<Vec<A::Slots>> {
        self.pooled(x, affine, pooling)
    }

    /// Leaves only the levels of the next part, because work at a low level is cheaper.
    fn refresh(&mut self, x: Vec<A::Slots>, next: Next<'_>) -> Result<Vec<A::Slots>> {
        let Some(bootstraps) = self.bootstraps else { return Ok(x) };
        self.alone = matches!(next, Next::Part { .. });
        bootstraps.before(self.ev, x, next)
    }
}
