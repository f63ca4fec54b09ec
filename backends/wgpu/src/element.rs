//! Element-wise calls that wait for their like: what is done to both halves of a ciphertext, or to several of them, is one
//! dispatch.

use crate::{
    call::{Call, Operand},
    shader::Kernel,
};

/// Calls that wait at most.
const MOST: usize = 64;

/// A call on one item, whose first operand alone is written.
#[derive(Clone, Debug)]
pub struct Element {
    /// The kernel.
    pub kernel: Kernel,
    /// Its arguments but for the operands.
    pub call: Call,
    /// The operands, and the words of each.
    pub operands: Vec<(Operand, usize)>,
    /// Workgroups an item.
    pub grid: [u32; 2],
}

/// Whether two ranges have a word in common.
fn meet((a, m): (Operand, usize), (b, n): (Operand, usize)) -> bool {
    let (x, y) = (a.words[0] as usize, b.words[0] as usize);
    a.slab == b.slab && x < y + n && y < x + m
}

impl Element {
    /// Whether it can be done at the same time as those that wait: the same to other operands at equal distances, none of which
    /// is written by another call.
    pub fn joins(&self, waiting: &[Element]) -> bool {
        let Some(first) = waiting.first() else { return true };
        let even = |i: usize, o: Operand| {
            let last = waiting.iter().rev().map(|e| e.operands[i].0).take(2).collect::<Vec<_>>();
            last.len() < 2 || Operand::evenly(&[last[1], last[0], o]).is_some()
        };
        let arguments = |e: &Element| (e.kernel, e.call.over, e.call.flags, e.call.constants, e.call.extra, e.grid);
        waiting.len() < MOST
            && arguments(self) == arguments(first)
            && self.operands.len() == first.operands.len()
            && self.operands.iter().zip(&first.operands).all(|(x, y)| x.0.joins(&y.0))
            && self.operands.iter().enumerate().all(|(i, o)| even(i, o.0))
            && waiting.iter().all(|other| {
                !other.operands.iter().any(|o| meet(self.operands[0], *o))
                    && !self.operands.iter().any(|o| meet(other.operands[0], *o))
            })
    }
}
