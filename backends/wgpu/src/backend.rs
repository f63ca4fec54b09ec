//! The contract's operations, one dispatch each.

use crate::{
    Wgpu, Words,
    call::{Call, Operand, basis_word},
    shader::Kernel,
    transform::End,
};
use kernel::{
    Error, Result,
    backend::{self, Backend, Limbs, MAX_DIGITS, Op, Pair, Shape, Term, Workspace},
    ring::{Basis, Ring, convert::MAX_SOURCES, sample::Seed},
};

type Buf = Limbs<Words>;

/// Words that a workgroup of an element-wise kernel works on.
const TILE: u32 = 4 * 256;
/// Columns that a workgroup of `convert` works on, and targets that one of its threads serves.
const CONVERT: (u32, u32) = (256, 8);

fn code(op: Op) -> u32 {
    match op {
        Op::Add => 0,
        Op::Sub => 1,
        Op::Mul => 2,
    }
}

impl Wgpu<'_> {
    /// Workgroups for the columns of an element-wise kernel.
    pub(crate) fn columns(&self, cols: u32) -> u32 {
        cols.div_ceil(TILE)
    }

    /// A dispatch over the rows `over` of every item of `operands`, the first of which is written.
    fn each(&mut self, kernel: Kernel, over: Basis, operands: &[&Buf], set: impl Fn(&mut Call)) {
        let Some(out) = operands.first() else { return };
        let shape = out.shape;
        self.items(shape.count, operands, |gpu, first, items| {
            let operands: Vec<_> = operands.iter().map(|o| Operand::new(o, first)).collect();
            let slabs: Vec<_> = operands.iter().map(|o| o.slab).collect();
            let mut call = Call::new(over, &operands);
            set(&mut call);
            let grid = [gpu.columns(shape.cols), over.len() as u32, items as u32];
            gpu.recorder.dispatch(kernel, &slabs, &call, grid);
        });
    }

    /// Rows `to` of `out` from the rows `from` of `a`, with the constants in the table; if `skip`,
    /// targets that are sources are left alone.
    pub(crate) fn conversion(
        &mut self,
        (from, to): (Basis, Basis),
        out: Operand,
        a: Operand,
        items: usize,
        (constants, prepared, skip): (u32, bool, bool),
    ) {
        let (sources, targets) = (from.len() as u32, to.len() as u32);
        let call = Call {
            flags: targets | u32::from(skip) << 16,
            constants,
            extra: basis_word(from),
            ..Call::new(to, &[out, a])
        };
        let columns = (1u32 << out.words[3]).div_ceil(CONVERT.0);
        let grid = [columns, targets.div_ceil(CONVERT.1), items as u32];
        self.recorder.dispatch(Kernel::Convert { sources, prepared }, &[out.slab, a.slab], &call, grid);
    }
}

impl Backend for Wgpu<'_> {
    type Buf = Words;

    fn ring(&self) -> Ring<'_> {
        self.ring
    }

    fn alloc(&mut self, shape: Shape) -> Result<Buf> {
        Ok(Limbs { buf: self.recorder.memory().take(shape)?, shape })
    }

    fn upload(&mut self, dst: &mut Buf, src: &[u32]) -> Result<()> {
        self.write(dst, src)
    }

    fn upload_signed(&mut self, dst: &mut Buf, coeffs: &[i64]) -> Result<()> {
        self.write_signed(dst, coeffs)
    }

    fn upload_uniform(&mut self, dst: &mut Buf, seed: &Seed, stream: u64) -> Result<()> {
        self.write_uniform(dst, seed, stream)
    }

    fn download(&mut self, src: &Buf, dst: &mut [u32]) -> Result<()> {
        self.read(src, dst)
    }

    fn submit(&mut self) -> Result<()> {
        self.recorder.submit()
    }

    fn copy(&mut self, over: Basis, out: &mut Buf, a: &Buf) {
        self.each(Kernel::Copy, over, &[out, a], |_| ());
    }

    fn zip(&mut self, op: Op, over: Basis, out: &mut Buf, a: &Buf, b: &Buf) {
        self.each(Kernel::Zip, over, &[out, a, b], |call| call.flags = code(op));
    }

    fn zip_assign(&mut self, op: Op, over: Basis, acc: &mut Buf, b: &Buf) {
        self.each(Kernel::Zip, over, &[acc, acc, b], |call| call.flags = code(op));
    }

    fn mul_add(&mut self, over: Basis, acc: &mut Buf, a: &Buf, b: &Buf) {
        self.each(Kernel::MulAdd, over, &[acc, a, b], |_| ());
    }

    fn scalar(&mut self, op: Op, over: Basis, out: &mut Buf, a: &Buf, c: &[u32]) {
        let constants = self.recorder.words(&c[..over.len()]);
        self.each(Kernel::Scalar, over, &[out, a], |call| (call.flags, call.constants) = (code(op), constants));
    }

    fn scalar_assign(&mut self, op: Op, over: Basis, acc: &mut Buf, c: &[u32]) {
        let constants = self.recorder.words(&c[..over.len()]);
        self.each(Kernel::Scalar, over, &[acc, acc], |call| (call.flags, call.constants) = (code(op), constants));
    }

    fn ntt(&mut self, over: Basis, a: &mut Buf) {
        self.items(a.shape.count, &[a], |gpu, first, items| {
            let a = Operand::new(a, first);
            gpu.forward(over, a, a, items, End::Plain);
        });
    }

    fn intt(&mut self, over: Basis, a: &mut Buf) {
        let ring = self.ring;
        let constants = self.recorder.inverse(&ring, over, a.shape.cols.trailing_zeros());
        self.items(a.shape.count, &[a], |gpu, first, items| {
            let a = Operand::new(a, first);
            gpu.backward(over, a, a, items, constants);
        });
    }

    fn permute(&mut self, over: Basis, out: &mut Buf, a: &Buf, galois: u32) {
        self.each(Kernel::Permute, over, &[out, a], |call| call.extra = galois);
    }

    fn convert(&mut self, from: Basis, to: Basis, out: &mut Buf, a: &Buf) {
        debug_assert!(from.len() <= MAX_SOURCES);
        let ring = self.ring;
        let constants = self.recorder.conversion(&ring, from, to);
        self.items(out.shape.count, &[out, a], |gpu, first, items| {
            let (out, a) = (Operand::new(out, first), Operand::new(a, first));
            gpu.conversion((from, to), out, a, items, (constants, false, false));
        });
    }

    fn dot(&mut self, over: Basis, out: &mut Buf, terms: &[Term<'_, Words>]) {
        self.sums(over, &[(&*out, terms.to_vec())]);
    }

    fn dots(&mut self, over: Basis, outs: &mut [Buf], a: &[&Buf], b: &[Option<&Buf>]) {
        let sums = outs.iter().zip(b.chunks_exact(a.len().max(1)));
        let sums = sums.map(|(out, b)| {
            let terms = a.iter().zip(b).filter_map(|(a, b)| b.map(|b| (*a, b)));
            (out, terms.collect())
        });
        self.sums(over, &sums.collect::<Vec<_>>());
    }

    fn permute_add(&mut self, over: Basis, acc: &mut Buf, a: &Buf, galois: u32, _: &mut Workspace<Words>) {
        self.each(Kernel::Permute, over, &[acc, a], |call| (call.flags, call.extra) = (1, galois));
    }

    fn tensor(&mut self, over: Basis, [d0, d1, d2]: [&mut Buf; 3], a: [&Buf; 2], b: [&Buf; 2]) {
        let one = |item: usize| b[0].buf.place(item, 0).0 == b[1].buf.place(item, 0).0;
        if !(b[0].buf.is_whole() && b[1].buf.is_whole() && one(0)) {
            // As the provided body.
            self.zip(Op::Mul, over, d0, a[0], b[0]);
            self.dot(over, d1, &[(a[0], b[1]), (a[1], b[0])]);
            return self.zip(Op::Mul, over, d2, a[1], b[1]);
        }
        self.each(Kernel::Tensor, over, &[d0, d1, d2, a[0], a[1], b[0], b[1]], |_| ());
    }

    fn mod_switch(&mut self, from: Basis, to: Basis, out: &mut Buf, a: &Buf, ws: &mut Workspace<Words>) {
        if from.minus(to).is_empty() {
            return backend::mod_switch(self, from, to, out, a, ws);
        }
        self.fused_mod_switch(from, to, out, a, ws);
    }

    fn workspace(&mut self, count: u16, digits: usize) -> Result<Workspace<Words>> {
        let ring = self.ring;
        let line = Shape { count, basis: ring.line(), cols: ring.n() as u32 };
        let full = Shape { basis: line.basis.with(ring.specials()), ..line };
        let mut ws = Workspace { ext: Default::default(), coeff: self.alloc(full)?, tmp: self.alloc(line)? };
        if digits > 0 {
            let too_many = |_| Error::TooMany { asked: digits, limit: MAX_DIGITS };
            let ext = self.extended_digits(full, digits)?;
            ws.ext.push(ext).map_err(too_many)?;
        }
        Ok(ws)
    }

    fn key_switch(
        &mut self,
        q: Basis,
        alpha: u16,
        d: &Buf,
        keys: &[&[Pair<Words>]],
        accs: &mut [Pair<Words>],
        ws: &mut Workspace<Words>,
    ) {
        self.fused_key_switch(q, alpha, d, keys, accs, ws);
    }
}
