//! The operations of the contract, as dispatches.

use crate::{
    call::Operand,
    conversion::{Conversion, Kept},
    memory::Words,
    shader::Kernel,
    state::Wgpu,
    transform::End,
};
use polyformer_kernel::{
    Error, Result,
    backend::{self, Backend, GiantStep, Limbs, MAX_DIGITS, Op, Pair, Shape, Source, Term, Workspace},
    ring::{Basis, Ring, convert::MAX_SOURCES, sample::Seed},
};

type Buf = Limbs<Words>;

/// The fourth operation of `zip`: out = out + a b.
const MUL_ADD: u32 = 3;

/// The number of an operation in `zip` and `scalar`.
fn code(op: Op) -> u32 {
    match op {
        Op::Add => 0,
        Op::Sub => 1,
        Op::Mul => 2,
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

    fn wipe(&mut self) -> Result<()> {
        self.recorder.wipe()
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
        self.each(Kernel::Zip, over, &[acc, a, b], |call| call.flags = MUL_ADD);
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
        let constants = self.recorder.conversions(&ring, &[from], 0, to);
        self.items(out.shape.count, &[out, a], |gpu, first, items| {
            let (out, a) = (Operand::new(out, first), Operand::new(a, first));
            gpu.conversion(&Conversion::one(&from, to, (constants, false), Kept::None), out, a, items);
        });
    }

    fn dot(&mut self, over: Basis, out: &mut Buf, terms: &[Term<'_, Words>]) {
        self.sums(over, &[(&*out, terms.to_vec())]);
    }

    fn inner_products(&mut self, over: Basis, outs: &mut [Buf], a: &[&Buf], b: &[Option<&Buf>]) {
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
            // The provided body.
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
        self.fused_mod_switches(from, to, core::slice::from_ref(out), &[a], ws);
    }

    fn mod_switches(&mut self, from: Basis, to: Basis, outs: &mut [Buf], a: &[&Buf], ws: &mut Workspace<Words>) {
        if from.minus(to).is_empty() {
            return outs.iter_mut().zip(a).for_each(|(out, a)| backend::mod_switch(self, from, to, out, a, ws));
        }
        self.fused_mod_switches(from, to, outs, a, ws);
    }

    fn workspace(&mut self, count: u16, digits: usize) -> Result<Workspace<Words>> {
        let mut ws = Workspace::new(self, count, 0)?;
        if digits > 0 {
            let too_many = |_| Error::TooMany { asked: digits, limit: MAX_DIGITS };
            let ext = self.extended_digits(ws.coeff.shape, digits)?;
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
        let source = Source { q, alpha, d, add: [None; 2] };
        self.fused_key_switch(&source, keys, &[], accs, ws);
    }

    fn key_switch_add(
        &mut self,
        source: &Source<'_, Words>,
        keys: &[&[Pair<Words>]],
        galois: &[u32],
        outs: &mut [Pair<Words>],
        ws: &mut Workspace<Words>,
    ) -> Result<()> {
        self.fused_key_switch(source, keys, galois, outs, ws);
        Ok(())
    }

    fn giant_steps(
        &mut self,
        (q, alpha): (Basis, u16),
        giant_steps: &mut [GiantStep<'_, Words>],
        sum: &mut Pair<Words>,
        fresh: bool,
        ws: &mut Workspace<Words>,
    ) -> Result<()> {
        self.fused_giant_steps((q, alpha), giant_steps, sum, fresh, ws);
        Ok(())
    }
}
