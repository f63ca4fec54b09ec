//! The placement of bootstraps, by cost over the whole graph.
//!
//! Cuts divide the depth into stretches, each short enough for a refreshed value. The cuts determine the values to
//! bootstrap: the values that a product after a cut needs at a higher level. A shortest path over depths finds the
//! cuts. An edge p → c costs the number of values that cross c. Then cuts are moved while a move saves a bootstrap,
//! with an exact count each time. [`greedy`] cuts as late as possible, for comparison.

use crate::error::{Error, Result};
use alloc::{collections::BTreeSet, vec, vec::Vec};

/// A value of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Products before the value on its longest path.
    pub depth: u8,
    /// Whether the value was rescaled. Its operands were then lowered to the level of depth `depth` - 1.
    pub product: bool,
    /// The operands of the value.
    pub operands: Vec<usize>,
    /// The name of the operation.
    pub name: &'static str,
}

/// Which values are bootstrapped, and the levels in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    input: u8,
    refreshed: u8,
    cuts: Vec<u8>,
    values: BTreeSet<usize>,
    floor: u8,
}

impl Placement {
    /// No bootstraps; inputs come at level `input`.
    pub fn none(input: u8) -> Self {
        Self { input, refreshed: 0, cuts: Vec::new(), values: BTreeSet::new(), floor: 0 }
    }

    /// Whether the value with this index is bootstrapped.
    pub fn refreshes(&self, value: usize) -> bool {
        self.values.contains(&value)
    }

    /// The number of bootstraps.
    pub fn bootstraps(&self) -> usize {
        self.values.len()
    }

    /// The depths at which stretches begin.
    pub fn cuts(&self) -> &[u8] {
        &self.cuts
    }

    /// The level of operands of products at this depth.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] if the last cut before the depth is further up than there are levels.
    pub fn level(&self, depth: u8) -> Result<u8> {
        let cut = self.cuts.iter().rev().find(|c| **c <= depth);
        let (from, level) = cut.map_or((0, self.input), |c| (*c, self.refreshed));
        let level = level.checked_sub(depth - from).ok_or(Error::LevelExhausted { need: depth - from, have: level })?;
        Ok(level + self.floor)
    }

    /// The same with every level `floor` higher, for a bootstrap that starts at level `floor` and keeps the levels
    /// below.
    pub fn raised(self, floor: u8) -> Self {
        Self { floor, ..self }
    }

    /// The placement of these cuts: every value that must be, and no other, is bootstrapped.
    fn of(nodes: &[Node], input: u8, refreshed: u8, cuts: Vec<u8>) -> Result<Self> {
        let mut place = Self { input, refreshed, cuts, values: BTreeSet::new(), floor: 0 };
        loop {
            let missing = place.missing(nodes)?;
            if missing.is_empty() {
                break;
            }
            place.values.extend(missing);
        }
        // a value may have been put in before one that it is made of was: then it need not be
        for value in place.values.clone() {
            place.values.remove(&value);
            if !place.missing(nodes)?.is_empty() {
                place.values.insert(value);
            }
        }
        Ok(place)
    }

    /// The operands that lie below the level of their product.
    fn missing(&self, nodes: &[Node]) -> Result<Vec<usize>> {
        let (mut levels, mut missing): (Vec<u8>, Vec<usize>) = (Vec::with_capacity(nodes.len()), Vec::new());
        for (i, node) in nodes.iter().enumerate() {
            let at_products = node.product || node.name == "hoist" || node.name == "add_plain";
            let level = if node.operands.is_empty() {
                self.input
            } else if at_products {
                let need = self.level(node.depth - node.product as u8)?;
                missing.extend(node.operands.iter().filter(|o| levels[**o] < need));
                need.checked_sub(node.product as u8).ok_or(Error::LevelExhausted { need: 1, have: 0 })?
            } else {
                node.operands.iter().fold(u8::MAX, |m, o| m.min(levels[*o]))
            };
            levels.push(if self.refreshes(i) { self.refreshed } else { level });
        }
        Ok(missing)
    }
}

/// Cuts as late as the levels last.
///
/// # Errors
/// [`Error::LevelExhausted`] if the circuit is deeper than `input` and there is no bootstrapping (`refreshed` is 0).
pub fn greedy(nodes: &[Node], input: u8, refreshed: u8) -> Result<Placement> {
    let depth = nodes.iter().map(|n| n.depth).max().unwrap_or(0);
    check(depth, input, refreshed)?;
    let mut cuts = Vec::new();
    let mut reach = input as usize;
    while reach < depth as usize {
        cuts.push(reach as u8);
        reach += refreshed as usize;
    }
    Placement::of(nodes, input, refreshed, cuts)
}

/// The cheapest cuts that were found; never more bootstraps than [`greedy`].
///
/// # Errors
/// The errors of [`greedy`].
pub fn cheapest(nodes: &[Node], input: u8, refreshed: u8) -> Result<Placement> {
    let depth = nodes.iter().map(|n| n.depth).max().unwrap_or(0);
    let mut best = greedy(nodes, input, refreshed)?;
    if depth <= input {
        return Ok(best);
    }
    let path = Placement::of(nodes, input, refreshed, shortest_path(nodes, depth, input, refreshed))?;
    if path.bootstraps() < best.bootstraps() {
        best = path;
    }
    let mut improved = true;
    while improved {
        improved = false;
        for i in 0..best.cuts.len() {
            for step in [-4i16, -3, -2, -1, 1, 2, 3, 4] {
                let mut cuts = best.cuts.clone();
                cuts[i] = cuts[i].saturating_add_signed(step as i8);
                if !fits(&cuts, depth, input, refreshed) {
                    continue;
                }
                let moved = Placement::of(nodes, input, refreshed, cuts)?;
                if moved.bootstraps() < best.bootstraps() {
                    (best, improved) = (moved, true);
                }
            }
        }
    }
    Ok(best)
}

fn check(depth: u8, input: u8, refreshed: u8) -> Result<()> {
    if depth > input && refreshed == 0 {
        return Err(Error::LevelExhausted { need: depth, have: input });
    }
    Ok(())
}

fn fits(cuts: &[u8], depth: u8, input: u8, refreshed: u8) -> bool {
    let mut from = (0, input);
    for c in cuts {
        if *c <= from.0 || *c - from.0 > from.1 || *c >= depth {
            return false;
        }
        from = (*c, refreshed);
    }
    depth - from.0 <= from.1
}

/// Cuts by a shortest path from depth 0 to the end. An edge p → c costs the values made after p and no later than c
/// that a product at c or after needs.
fn shortest_path(nodes: &[Node], depth: u8, input: u8, refreshed: u8) -> Vec<u8> {
    let mut last_use = vec![0u8; nodes.len()]; // the deepest product that needs it
    for node in nodes.iter().rev() {
        for o in &node.operands {
            last_use[*o] = last_use[*o].max(if node.product { node.depth } else { 0 });
        }
    }
    let crossing = |p: u8, c: u8| -> u32 {
        let crosses = |(i, n): &(usize, &Node)| n.depth > p && n.depth <= c && last_use[*i] > c;
        nodes.iter().enumerate().filter(crosses).count() as u32
    };
    // cost and previous cut of the cheapest path to each depth
    let mut paths: Vec<Option<(u32, u8)>> = vec![None; depth as usize + 1];
    paths[0] = Some((0, 0));
    for c in 1..=depth {
        for p in 0..c {
            let reach = if p == 0 { input } else { refreshed };
            let Some((before, _)) = paths[p as usize].filter(|_| c - p <= reach) else { continue };
            let cost = before + if c == depth { 0 } else { crossing(p, c) };
            if paths[c as usize].is_none_or(|(known, _)| cost < known) {
                paths[c as usize] = Some((cost, p));
            }
        }
    }
    let (mut cuts, mut at) = (Vec::new(), depth);
    while let Some((_, p)) = paths[at as usize].filter(|_| at > 0) {
        if p > 0 {
            cuts.push(p);
        }
        at = p;
    }
    cuts.reverse();
    cuts
}

#[cfg(test)]
mod tests {
    use super::{Placement, cheapest, greedy};
    use crate::{
        Error,
        circuits::power,
        eval::{
            clear::ClearVec,
            planner::{BootstrapPlanner, TOP},
        },
    };
    use std::vec::Vec;

    #[test]
    fn placements_change_levels_and_nothing_else() {
        let x: Vec<f64> = (0..4).map(|i| 1.0 + i as f64 / 100.0).collect();
        let mut deep = BootstrapPlanner::new(ClearVec::<f64>::with_slots(4), Placement::none(TOP), |_, x| Ok(x));
        let input = deep.input(x.clone()).unwrap();
        let y = power(&mut deep, &input, 32).unwrap();
        let plain = power(&mut ClearVec::<f64>::with_slots(4), &x, 32).unwrap();
        assert_eq!(deep.output(y), plain);
        let place = cheapest(deep.nodes(), 3, 3).unwrap();
        assert_eq!((place.bootstraps(), place.cuts()), (1, &[3][..]));
        assert_eq!((place.level(2), place.level(3), place.level(6)), (Ok(1), Ok(3), Ok(0)));
        assert_eq!(greedy(deep.nodes(), 3, 0).err(), Some(Error::LevelExhausted { need: 5, have: 3 }));
    }
}
