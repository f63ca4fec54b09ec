//! Circuits that are deeper than the chain. The planner offers a circuit unlimited levels and bootstraps values at the
//! points of a [`Placement`]. Circuits contain no bootstraps, and the placement considers the whole graph.
//!
//! A placement is a list of cuts in depth and a set of values. Operands of products at depth u are lowered to one
//! level, which follows from u and the last cut at or before u. All terms of a sum of products are therefore at one
//! level. A value of the set is bootstrapped when the value is made.
//!
//! [`BootstrapPlanner`] also records the graph for [`super::placement`]. Run the planner once over a tracer to record,
//! make the placement, and run the planner again over any evaluator.

use super::placement::{Node, Placement};
use crate::{
    arith::{Arithmetic, Transform},
    error::{Error, Result},
};
use alloc::{boxed::Box, vec, vec::Vec};

/// The level that a circuit sees before anything is multiplied.
pub const TOP: u8 = 250;

/// A value, its place in the graph, and its depth in the circuit.
#[derive(Debug)]
pub struct PlannedValue<S> {
    inner: S,
    origin: usize,
    depth: u8,
}

/// A product with its operands.
#[derive(Debug)]
pub struct PlannedWide<W> {
    inner: W,
    operands: Vec<usize>,
    depth: u8,
}

/// Rotations and their origin.
#[derive(Debug)]
pub struct PlannedHoisted<H> {
    inner: H,
    origin: usize,
    depth: u8,
}

/// A callback that receives every new value.
pub type Watch<'w, A> = Box<dyn FnMut(&A, &Node, &<A as Arithmetic>::Slots) + 'w>;

/// Runs circuits on `A` with the bootstraps of a placement; `refresh(evaluator, value)` does one.
pub struct BootstrapPlanner<'w, A: Arithmetic, R> {
    /// The inner evaluator.
    pub inner: A,
    refresh: R,
    placement: Placement,
    nodes: Vec<Node>,
    watch: Option<Watch<'w, A>>,
}

impl<'w, A, R> BootstrapPlanner<'w, A, R>
where
    A: Arithmetic,
    R: FnMut(&mut A, A::Slots) -> Result<A::Slots>,
{
    /// Over `inner`.
    pub fn new(inner: A, placement: Placement, refresh: R) -> Self {
        Self { inner, refresh, placement, nodes: Vec::new(), watch: None }
    }

    /// Calls `watch` with every later value, after the bootstrap of the value.
    pub fn watch(&mut self, watch: Watch<'w, A>) {
        self.watch = Some(watch);
    }

    /// An input of the circuit.
    ///
    /// # Errors
    /// The errors of the bootstrap, if the placement has one here.
    pub fn input(&mut self, x: A::Slots) -> Result<PlannedValue<A::Slots>> {
        self.made("input", x, 0, false, vec![])
    }

    /// A result of the circuit.
    pub fn output(&self, x: PlannedValue<A::Slots>) -> A::Slots {
        x.inner
    }

    /// The graph so far; a value's place is its index.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The evaluator underneath, and the graph.
    pub fn into_parts(self) -> (A, Vec<Node>) {
        (self.inner, self.nodes)
    }

    /// A new value, bootstrapped if the placement says so.
    fn made(
        &mut self,
        name: &'static str,
        x: A::Slots,
        depth: u8,
        product: bool,
        operands: Vec<usize>,
    ) -> Result<PlannedValue<A::Slots>> {
        let inner = if self.refreshes_next() { (self.refresh)(&mut self.inner, x)? } else { x };
        let origin = self.record(&inner, Node { depth, product, operands, name });
        Ok(PlannedValue { inner, origin, depth })
    }

    /// Registers x, changed in place, as a new value. A bootstrap takes a copy, so that x stays valid after an error.
    fn changed(&mut self, name: &'static str, x: &mut PlannedValue<A::Slots>, operands: Vec<usize>) -> Result<()> {
        if self.refreshes_next() {
            let copy = self.inner.copy(&x.inner)?;
            x.inner = (self.refresh)(&mut self.inner, copy)?;
        }
        x.origin = self.record(&x.inner, Node { depth: x.depth, product: false, operands, name });
        Ok(())
    }

    /// Whether the placement bootstraps the next value of the graph.
    fn refreshes_next(&self) -> bool {
        self.placement.refreshes(self.nodes.len())
    }

    /// Notes a value in the graph and returns its place.
    fn record(&mut self, x: &A::Slots, node: Node) -> usize {
        if let Some(watch) = &mut self.watch {
            watch(&self.inner, &node, x);
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A copy of x at the level of operands at its depth.
    fn operand(&mut self, x: &PlannedValue<A::Slots>) -> Result<A::Slots> {
        let copy = self.inner.copy(&x.inner)?;
        self.inner.drop_to_level(copy, self.placement.level(x.depth)?)
    }

    fn wide(&self, inner: A::Wide, operands: Vec<usize>, depth: u8) -> PlannedWide<A::Wide> {
        PlannedWide { inner, operands, depth }
    }

    /// x = x op y, the operands at the lower of their levels.
    fn combined(
        &mut self,
        name: &'static str,
        x: &mut PlannedValue<A::Slots>,
        y: &PlannedValue<A::Slots>,
        op: fn(&mut A, &mut A::Slots, &A::Slots) -> Result<()>,
    ) -> Result<()> {
        same(x.depth, y.depth)?;
        let (a, b) = (self.inner.level(&x.inner), self.inner.level(&y.inner));
        if a > b {
            x.inner = self.inner.copy_at_level(&x.inner, b)?;
        }
        if a < b {
            let y = self.inner.copy_at_level(&y.inner, a)?;
            op(&mut self.inner, &mut x.inner, &y)?;
        } else {
            op(&mut self.inner, &mut x.inner, &y.inner)?;
        }
        self.changed(name, x, vec![x.origin, y.origin])
    }
}

fn same(left: u8, right: u8) -> Result<()> {
    if left == right { Ok(()) } else { Err(Error::LevelMismatch { left: TOP - left, right: TOP - right }) }
}

fn depth_of(level: u8) -> Result<u8> {
    TOP.checked_sub(level).ok_or(Error::LevelExhausted { need: level, have: TOP })
}

impl<A, R> Arithmetic for BootstrapPlanner<'_, A, R>
where
    A: Arithmetic,
    R: FnMut(&mut A, A::Slots) -> Result<A::Slots>,
{
    type Slots = PlannedValue<A::Slots>;
    type Wide = PlannedWide<A::Wide>;
    type Plaintext = A::Plaintext;
    type Hoisted = PlannedHoisted<A::Hoisted>;

    fn slots(&self) -> usize {
        self.inner.slots()
    }
    fn level(&self, x: &Self::Slots) -> u8 {
        TOP - x.depth
    }
    fn encode(&mut self, values: &[f64], level: u8) -> Result<A::Plaintext> {
        let level = self.placement.level(depth_of(level)?)?;
        self.inner.encode(values, level)
    }
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<A::Plaintext> {
        let level = self.placement.level(depth_of(level)?)?;
        self.inner.encode_diagonal(values, level)
    }

    fn copy(&mut self, x: &Self::Slots) -> Result<Self::Slots> {
        Ok(PlannedValue { inner: self.inner.copy(&x.inner)?, origin: x.origin, depth: x.depth })
    }
    fn add(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()> {
        self.combined("add", x, y, A::add)
    }
    fn sub(&mut self, x: &mut Self::Slots, y: &Self::Slots) -> Result<()> {
        self.combined("sub", x, y, A::sub)
    }
    /// Made at the level of products, for which p was encoded.
    fn add_plain(&mut self, x: &mut Self::Slots, p: &A::Plaintext) -> Result<()> {
        let mut sum = self.operand(x)?;
        self.inner.add_plain(&mut sum, p)?;
        *x = self.made("add_plain", sum, x.depth, false, vec![x.origin])?;
        Ok(())
    }
    fn neg(&mut self, x: &mut Self::Slots) -> Result<()> {
        self.inner.neg(&mut x.inner)?;
        self.changed("neg", x, vec![x.origin])
    }
    fn add_const(&mut self, x: &mut Self::Slots, c: f64) -> Result<()> {
        self.inner.add_const(&mut x.inner, c)?;
        self.changed("add_const", x, vec![x.origin])
    }
    fn mul_int(&mut self, x: &mut Self::Slots, k: i32) -> Result<()> {
        self.inner.mul_int(&mut x.inner, k)?;
        self.changed("mul_int", x, vec![x.origin])
    }

    fn mul(&mut self, x: &Self::Slots, y: &Self::Slots) -> Result<Self::Wide> {
        same(x.depth, y.depth)?;
        let a = self.operand(x)?;
        let w = if core::ptr::eq(x, y) {
            self.inner.mul(&a, &a)?
        } else {
            let b = self.operand(y)?;
            self.inner.mul(&a, &b)?
        };
        Ok(self.wide(w, vec![x.origin, y.origin], x.depth))
    }
    fn mul_plain(&mut self, x: &Self::Slots, p: &A::Plaintext) -> Result<Self::Wide> {
        let a = self.operand(x)?;
        let w = self.inner.mul_plain(&a, p)?;
        Ok(self.wide(w, vec![x.origin], x.depth))
    }
    fn mul_const(&mut self, x: &Self::Slots, c: f64) -> Result<Self::Wide> {
        let a = self.operand(x)?;
        let w = self.inner.mul_const(&a, c)?;
        Ok(self.wide(w, vec![x.origin], x.depth))
    }
    fn accumulate(&mut self, w: &mut Self::Wide, v: Self::Wide) -> Result<()> {
        same(w.depth, v.depth)?;
        w.operands.extend(v.operands);
        self.inner.accumulate(&mut w.inner, v.inner)
    }
    fn rescale(&mut self, w: Self::Wide) -> Result<Self::Slots> {
        let x = self.inner.rescale(w.inner)?;
        self.made("rescale", x, w.depth + 1, true, w.operands)
    }

    fn rotate(&mut self, x: &Self::Slots, k: i32) -> Result<Self::Slots> {
        let turned = self.inner.rotate(&x.inner, k)?;
        self.made("rotate", turned, x.depth, false, vec![x.origin])
    }
    /// Made at the level of products: diagonals may follow.
    fn hoist(&mut self, x: &Self::Slots, steps: &[i32]) -> Result<Self::Hoisted> {
        let a = self.operand(x)?;
        let at = self.made("hoist", a, x.depth, false, vec![x.origin])?;
        Ok(PlannedHoisted { inner: self.inner.hoist(&at.inner, steps)?, origin: at.origin, depth: x.depth })
    }
    fn hoisted(&mut self, h: &Self::Hoisted, k: i32) -> Result<Self::Slots> {
        let x = self.inner.hoisted(&h.inner, k)?;
        self.made("hoisted", x, h.depth, false, vec![h.origin])
    }
    fn transform(&mut self, h: &Self::Hoisted, map: &Transform<'_, A::Plaintext>) -> Result<Self::Wide> {
        let w = self.inner.transform(&h.inner, map)?;
        Ok(self.wide(w, vec![h.origin], h.depth))
    }
    /// Changes the circuit's view only. The value itself is lowered before a product.
    fn drop_to_level(&mut self, x: Self::Slots, level: u8) -> Result<Self::Slots> {
        let depth = depth_of(level)?;
        if depth < x.depth {
            return Err(Error::LevelExhausted { need: level, have: TOP - x.depth });
        }
        Ok(PlannedValue { depth, ..x })
    }
    /// Does nothing, because the planner always has levels.
    fn refresh(&mut self, x: Self::Slots, _: u8) -> Result<Self::Slots> {
        Ok(x)
    }
}
