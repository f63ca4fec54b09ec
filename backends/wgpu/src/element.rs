//! Pending element-wise calls. Equal operations on several operands, for example on both halves of a ciphertext, become
//! one dispatch.

use crate::{
    call::{Call, Operand},
    shader::Kernel,
};

/// The most operands of an element-wise kernel.
pub const OPERANDS: usize = 3;

/// The most calls that wait.
const MOST: usize = 64;

/// A call on one item. The call writes the first operand and reads the others.
#[derive(Clone, Copy, Debug)]
pub struct Element {
    /// The kernel.
    pub kernel: Kernel,
    /// The arguments of the call, without the operands.
    pub call: Call,
    /// The operands, and the words of each. A call with fewer operands repeats the first.
    pub operands: [(Operand, usize); OPERANDS],
    /// Workgroups of one item.
    pub grid: [u32; 2],
}

/// Whether two ranges have a word in common.
fn meet((a, m): (Operand, usize), (b, n): (Operand, usize)) -> bool {
    let (x, y) = (a.offset as usize, b.offset as usize);
    a.slab == b.slab && x < y + n && y < x + m
}

impl Element {
    /// True if this call can be merged with the pending ones. The calls need the same shader and arguments, and
    /// operands at a constant stride. No call may read or write another's output.
    pub fn joins(&self, waiting: &[Element]) -> bool {
        let Some(first) = waiting.first() else { return true };
        let step = |i: usize, from: &Element, to: &Element| from.operands[i].0.distance(&to.operands[i].0);
        let even = |i: usize| match waiting {
            [first, second, .., last] => step(i, last, self) == step(i, first, second),
            [first, second] => step(i, second, self) == step(i, first, second),
            _ => true,
        };
        let arguments = |e: &Element| (e.kernel, e.call.over, e.call.flags, e.call.constants, e.call.extra, e.grid);
        waiting.len() < MOST
            && arguments(self) == arguments(first)
            && self.operands.iter().zip(&first.operands).all(|(x, y)| x.0.joins(&y.0))
            && (0..OPERANDS).all(even)
            && waiting.iter().all(|other| {
                !other.operands.iter().any(|o| meet(self.operands[0], *o))
                    && !self.operands.iter().any(|o| meet(other.operands[0], *o))
            })
    }

    /// The operands of one dispatch that does all pending calls.
    pub fn operands(waiting: &[Element]) -> [Operand; OPERANDS] {
        core::array::from_fn(|i| {
            let ends = [waiting.first(), waiting.get(1).or(waiting.first())];
            let [first, second] = ends.map(|e| e.map_or(Operand::NONE, |e| e.operands[i].0));
            let stride = if waiting.len() > 1 { first.distance(&second) } else { first.stride };
            Operand { stride, ..first }
        })
    }
}
