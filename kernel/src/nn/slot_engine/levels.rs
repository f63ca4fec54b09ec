//! The levels of each part of a model, from the circuits of the part, and the rule for bootstraps between the parts.

use crate::{
    arith::Arithmetic,
    bootstrap::Order,
    circuits::{
        PRODUCT_DEPTH,
        attention::{AttentionWeights, Variant},
        linear,
        matmul::grouped::{MIX_DEPTH, SCORES_DEPTH, SHIFT_DEPTH, TURN_DEPTH},
        norm::Norm,
        reduce,
    },
    error::{Error, Result},
    nn::{Head, Layer, Model, Next, Part, Pooling},
    params::Params,
};
use alloc::vec::Vec;

/// Levels of a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootstrapLevels {
    /// The least level of a value that is bootstrapped.
    pub input: u8,
    /// The level of the result.
    pub output: u8,
}

impl BootstrapLevels {
    /// The levels of a chain and an order.
    ///
    /// # Errors
    ///
    /// [`Error::NoBootstrap`] if the chain has no levels for bootstrapping.
    pub fn new(params: &Params, order: Order) -> Result<Self> {
        let bootstrap = params.bootstrap().ok_or(Error::NoBootstrap)?;
        Ok(match order {
            Order::ModRaiseFirst => Self { input: 0, output: params.max_message_level() - bootstrap.slots_to_coeffs() },
            _ => Self { input: bootstrap.slots_to_coeffs(), output: params.max_message_level() },
        })
    }

    /// Each block with `full` levels if a bootstrap gives as many, otherwise with `least`. Leaves only the needed levels,
    /// because work at a low level is cheaper. Two blocks share a bootstrap.
    fn eager<A: Arithmetic>(self, ev: &mut A, xs: Vec<A::Slots>, least: u8, full: u8) -> Result<Vec<A::Slots>> {
        let depth = if full <= self.output { full } else { least };
        let (mut out, mut xs) = (Vec::with_capacity(xs.len()), xs.into_iter());
        while let Some(x) = xs.next() {
            match xs.next() {
                Some(y) => out.extend(ev.refresh_pair([x, y], depth)?),
                None => out.push(ev.refresh(x, depth)?),
            }
        }
        let lowered = out.into_iter().map(|x| {
            let level = ev.level(&x).min(full).min(self.output.max(least));
            ev.drop_to_level(x, level)
        });
        lowered.collect()
    }

    /// The blocks unchanged if they have `least` levels, otherwise bootstrapped. Leaves at most `full` levels.
    fn late<A: Arithmetic>(self, ev: &mut A, xs: Vec<A::Slots>, least: u8, full: u8) -> Result<Vec<A::Slots>> {
        if xs.iter().all(|x| ev.level(x) >= least) {
            return Ok(xs);
        }
        self.eager(ev, xs, least, full)
    }

    /// The blocks of x, with the levels for what comes next.
    pub(super) fn before<A: Arithmetic>(self, ev: &mut A, x: Vec<A::Slots>, next: Next<'_>) -> Result<Vec<A::Slots>> {
        let input = self.input;
        match next {
            Next::Norm(norm) => self.late(ev, x, norm.depth() + input, norm.depth() + input),
            Next::Attention { weights, normalised } => {
                let levels = AttentionLevels::of(weights);
                let least = linear::DEPTH + levels.scores + input;
                let full = linear::DEPTH + levels.total() + linear::DEPTH + input;
                if normalised { self.eager(ev, x, least, full) } else { self.late(ev, x, least, full) }
            }
            Next::FeedForward { layer, following } => {
                let part = feed_forward(layer);
                let least = part + if layer.down.is_some() { linear::DEPTH + input } else { CLASSIFY_DEPTH };
                let norm = following.and_then(|l| l.norm_attention.as_ref());
                self.eager(ev, x, least, least + norm.map_or(0, Norm::depth))
            }
            Next::Part { model, layer, part } => self.before_part(ev, x, model, (layer, part)),
        }
    }
}

impl BootstrapLevels {
    /// x unchanged if its levels last for the part. Otherwise x is bootstrapped, and has the levels of as many parts as a
    /// bootstrap gives. All vectors between two parts are x alone, so a bootstrap as late as possible is never worse.
    fn before_part<A: Arithmetic>(
        self,
        ev: &mut A,
        x: Vec<A::Slots>,
        model: &Model<'_>,
        at: (usize, Part),
    ) -> Result<Vec<A::Slots>> {
        let mut parts = parts(model, at);
        let Some((first, last)) = parts.next() else { return Ok(x) };
        let reserve = |last: bool| if last { 0 } else { self.input };
        let (mut least, mut sum) = (first + reserve(last), first);
        let mut full = least;
        for (depth, last) in parts {
            sum += depth;
            if sum + reserve(last) > self.output {
                break;
            }
            full = sum + reserve(last);
        }
        if let (true, Some(layer)) = (least > self.output, model.layers.get(at.0)) {
            // attention is bootstrapped inside
            least = linear::DEPTH + AttentionLevels::of(&layer.attention.weights).scores + self.input;
            full = self.output;
        }
        self.late(ev, x, least, full)
    }
}

/// The depths of the parts from a part to the head, and whether the part is the head.
fn parts<'m>(model: &'m Model<'_>, (layer, part): (usize, Part)) -> impl Iterator<Item = (u8, bool)> + 'm {
    let all = [Part::Attention, Part::Output, Part::NormAttention, Part::FeedForward, Part::NormFeedForward];
    let skipped = all.iter().position(|p| *p == part).unwrap_or(0);
    let of_layer = move |layer: &'m Layer<'_>| {
        all.map(|part| match part {
            Part::Attention => linear::DEPTH + AttentionLevels::of(&layer.attention.weights).total(),
            Part::Output => linear::DEPTH,
            Part::NormAttention => layer.norm_attention.as_ref().map_or(0, Norm::depth),
            Part::FeedForward => 2 * linear::DEPTH + layer.activation.depth(),
            Part::NormFeedForward => layer.norm_feed_forward.depth(),
        })
    };
    let layers = model.layers.iter().skip(layer).flat_map(of_layer).skip(skipped);
    layers.map(|depth| (depth, false)).chain([(head(&model.head, model.pooling), true)])
}

/// Levels of a head.
fn head(head: &Head<'_>, pooling: Pooling) -> u8 {
    match head {
        Head::Folded(_) | Head::Linear(_) => CLASSIFY_DEPTH,
        Head::Hidden { activation, .. } => {
            let pooled = if pooling == Pooling::Mean { reduce::MASK_DEPTH } else { 0 };
            pooled + linear::DEPTH + activation.depth() + CLASSIFY_DEPTH
        }
        Head::Features { .. } => reduce::MASK_DEPTH,
    }
}

/// Levels of the classifier: a linear map and a mask.
pub const CLASSIFY_DEPTH: u8 = linear::DEPTH + reduce::MASK_DEPTH;

/// Levels of a norm, a map, and the activation.
fn feed_forward(layer: &Layer<'_>) -> u8 {
    layer.norm_feed_forward.depth() + linear::DEPTH + layer.activation.depth()
}

/// Levels of the parts of attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionLevels {
    /// From query and key to scores.
    scores: u8,
    numerators: u8,
    /// Of the reciprocal of a sum, if there is one.
    reciprocal: Option<u8>,
}

impl AttentionLevels {
    /// With these weights.
    pub fn of(weights: &Variant) -> Self {
        let reciprocal = weights.normaliser().map(|n| n.depth());
        Self { scores: TURN_DEPTH + SCORES_DEPTH, numerators: weights.numerator_depth(), reciprocal }
    }

    /// From numerators to the results of the heads.
    fn mixing(self) -> u8 {
        match self.reciprocal {
            None => MIX_DEPTH,
            Some(reciprocal) => MIX_DEPTH.max(SHIFT_DEPTH + reciprocal) + PRODUCT_DEPTH,
        }
    }

    /// From query, key and value to the results of the heads.
    pub fn total(self) -> u8 {
        self.scores + self.numerators + self.mixing()
    }

    /// The blocks of attention's next vector, with the levels that the step needs. A bootstrap comes after attention, and
    /// before the bootstrap the map that joins the heads, unless `alone`.
    pub(super) fn before<A: Arithmetic>(
        self,
        ev: &mut A,
        (bootstraps, alone): (Option<BootstrapLevels>, bool),
        next: AttentionStep,
        x: Vec<A::Slots>,
    ) -> Result<Vec<A::Slots>> {
        let Some(b) = bootstraps else { return Ok(x) };
        let after = if alone { 0 } else { linear::DEPTH } + b.input;
        let product = if self.reciprocal.is_some() { PRODUCT_DEPTH } else { 0 };
        let reciprocal = self.reciprocal.unwrap_or(0) + b.input;
        let (least, full) = match next {
            AttentionStep::Numerators => (self.numerators + b.input, self.numerators + self.mixing() + after),
            AttentionStep::Mixing => (MIX_DEPTH + product + after, self.mixing() + after),
            AttentionStep::Reciprocal => (reciprocal, reciprocal + PRODUCT_DEPTH + linear::DEPTH),
            AttentionStep::Product => (PRODUCT_DEPTH + after, PRODUCT_DEPTH + after),
        };
        b.late(ev, x, least, full)
    }
}

/// The steps of attention before which a vector may be bootstrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttentionStep {
    /// From scores to numerators.
    Numerators,
    /// The numerators are mixed and divided. The sum of a row lasts until the sum can be bootstrapped.
    Mixing,
    /// From the sum of a row to its reciprocal.
    Reciprocal,
    /// The product of the mixed values with the reciprocal.
    Product,
}
