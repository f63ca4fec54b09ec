//! Dispatches over rows and items, the common part of the element-wise operations.

use crate::{
    call::{Call, Operand},
    element::{Element, OPERANDS},
    memory::Words,
    shader::Kernel,
    state::Wgpu,
};
use polyformer_kernel::{backend::Limbs, ring::Basis};

/// Words that a workgroup of an element-wise kernel works on.
const TILE: u32 = 4 * 256;

impl Wgpu<'_> {
    /// Workgroups for the columns of an element-wise kernel.
    pub(crate) fn columns(&self, cols: u32) -> u32 {
        cols.div_ceil(TILE)
    }

    /// A dispatch over the rows `over` of every item of `operands`, the first of which is written.
    pub(crate) fn each(&mut self, kernel: Kernel, over: Basis, operands: &[&Limbs<Words>], set: impl Fn(&mut Call)) {
        let Some(out) = operands.first() else { return };
        let shape = out.shape;
        let grid = [self.columns(shape.cols), over.len() as u32];
        let words = |o: &Limbs<Words>| o.shape.basis.len() * o.shape.cols as usize;
        self.items(shape.count, operands, |gpu, first, items| {
            let place = |o: &Limbs<Words>| (Operand::new(o, first), words(o));
            if items == 1 && operands.len() <= OPERANDS && grid[1] > 0 {
                let placed = core::array::from_fn(|i| place(operands.get(i).unwrap_or(out)));
                let mut call = Call::new(over, &[]);
                set(&mut call);
                return gpu.recorder.element(Element { kernel, call, operands: placed, grid });
            }
            let operands: Vec<_> = operands.iter().map(|o| place(o).0).collect();
            let slabs: Vec<_> = operands.iter().map(|o| o.slab).collect();
            let mut call = Call::new(over, &operands);
            set(&mut call);
            gpu.recorder.dispatch(kernel, &slabs, &call, [grid[0], grid[1], items as u32]);
        });
    }

    /// `f(first item, items)`: once if every operand lies in one range, otherwise item by item.
    pub(crate) fn items(&mut self, count: u16, operands: &[&Limbs<Words>], mut f: impl FnMut(&mut Self, usize, usize)) {
        let count = count as usize;
        if operands.iter().all(|o| o.buf.is_whole()) {
            return f(self, 0, count);
        }
        (0..count).for_each(|item| f(self, item, 1));
    }
}
