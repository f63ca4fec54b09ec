//! Backends with one fault each. The suite must find every fault, because a test that cannot fail is no test.

use polyformer_kernel::{
    Result,
    backend::{Backend, GiantStep, Limbs, Op, Pair, Shape, Source, Term, Workspace},
    ring::{Basis, Ring, sample::Seed},
};

mod fault;

pub use fault::{Fault, Mutant};

/// The methods that write words: each can be the subject of [`Fault::LastWord`].
pub const METHODS: [&str; 23] = [
    "upload",
    "adopt",
    "upload_signed",
    "upload_uniform",
    "copy",
    "zip",
    "zip_assign",
    "mul_add",
    "scalar",
    "scalar_assign",
    "ntt",
    "intt",
    "permute",
    "convert",
    "dot",
    "inner_products",
    "permute_add",
    "tensor",
    "mod_switch",
    "mod_switches",
    "key_switch",
    "key_switch_add",
    "giant_steps",
];

impl<B: Backend> Backend for Mutant<'_, B> {
    type Buf = B::Buf;

    fn ring(&self) -> Ring<'_> {
        self.inner.ring()
    }

    fn alloc(&mut self, shape: Shape) -> Result<Limbs<B::Buf>> {
        self.inner.alloc(shape)
    }

    fn upload(&mut self, dst: &mut Limbs<B::Buf>, src: &[u32]) -> Result<()> {
        self.inner.upload(dst, src)?;
        self.spoil("upload", dst.shape.basis, dst);
        Ok(())
    }

    fn adopt<W>(&mut self, shape: Shape, src: W) -> Result<Limbs<B::Buf>>
    where
        W: AsRef<[u32]> + Send + Sync + 'static,
    {
        let mut out = self.inner.adopt(shape, src)?;
        self.spoil("adopt", shape.basis, &mut out);
        Ok(out)
    }

    fn upload_signed(&mut self, dst: &mut Limbs<B::Buf>, coeffs: &[i64]) -> Result<()> {
        self.inner.upload_signed(dst, coeffs)?;
        self.spoil("upload_signed", dst.shape.basis, dst);
        Ok(())
    }

    fn upload_uniform(&mut self, dst: &mut Limbs<B::Buf>, seed: &Seed, stream: u64) -> Result<()> {
        self.inner.upload_uniform(dst, seed, stream)?;
        self.spoil("upload_uniform", dst.shape.basis, dst);
        Ok(())
    }

    fn download(&mut self, src: &Limbs<B::Buf>, dst: &mut [u32]) -> Result<()> {
        self.inner.download(src, dst)
    }

    fn submit(&mut self) -> Result<()> {
        self.inner.submit()
    }

    fn wipe(&mut self) -> Result<()> {
        if self.fault == Fault::NothingWiped { Ok(()) } else { self.inner.wipe() }
    }

    fn copy(&mut self, over: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>) {
        self.inner.copy(over, out, a);
        self.spoil("copy", over, out);
    }

    fn zip(&mut self, op: Op, over: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>, b: &Limbs<B::Buf>) {
        self.inner.zip(op, over, out, a, b);
        self.narrow(over, out, b);
        self.loosen(over, out);
        self.spoil("zip", over, out);
    }

    fn zip_assign(&mut self, op: Op, over: Basis, acc: &mut Limbs<B::Buf>, b: &Limbs<B::Buf>) {
        self.inner.zip_assign(op, over, acc, b);
        self.spoil("zip_assign", over, acc);
    }

    fn mul_add(&mut self, over: Basis, acc: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>, b: &Limbs<B::Buf>) {
        self.inner.mul_add(over, acc, a, b);
        self.spoil("mul_add", over, acc);
    }

    fn scalar(&mut self, op: Op, over: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>, c: &[u32]) {
        self.inner.scalar(op, over, out, a, c);
        self.spoil("scalar", over, out);
    }

    fn scalar_assign(&mut self, op: Op, over: Basis, acc: &mut Limbs<B::Buf>, c: &[u32]) {
        let reach = self.reach(over, acc);
        let mut c = c.to_vec();
        c.resize(reach.len(), 7);
        self.inner.scalar_assign(op, reach, acc, &c);
        self.spoil("scalar_assign", over, acc);
    }

    fn ntt(&mut self, over: Basis, a: &mut Limbs<B::Buf>) {
        self.inner.ntt(over, a);
        self.spoil("ntt", over, a);
    }

    fn intt(&mut self, over: Basis, a: &mut Limbs<B::Buf>) {
        self.inner.intt(over, a);
        self.spoil("intt", over, a);
    }

    fn permute(&mut self, over: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>, galois: u32) {
        let two_n = 2 * out.shape.cols as u64;
        let inverse = || (1..two_n).step_by(2).find(|g| g * galois as u64 % two_n == 1).unwrap() as u32;
        let galois = if self.fault == Fault::GaloisInverted { inverse() } else { galois };
        self.inner.permute(over, out, a, galois);
        self.spoil("permute", over, out);
    }

    fn convert(&mut self, from: Basis, to: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>) {
        self.inner.convert(from, to, out, a);
        if self.fault == Fault::NotCentered {
            let ring = self.inner.ring();
            let modulus: Vec<u32> = to.iter().map(|m| ring.product(from, ring.modulus(m))).collect();
            self.inner.scalar_assign(Op::Add, to, out, &modulus);
        }
        self.spoil("convert", to, out);
    }

    fn dot(&mut self, over: Basis, out: &mut Limbs<B::Buf>, terms: &[Term<'_, B::Buf>]) {
        self.inner.dot(over, out, terms);
        self.spoil("dot", over, out);
    }

    fn inner_products(
        &mut self,
        over: Basis,
        outs: &mut [Limbs<B::Buf>],
        a: &[&Limbs<B::Buf>],
        b: &[Option<&Limbs<B::Buf>>],
    ) {
        self.inner.inner_products(over, outs, a, b);
        if let Some(last) = outs.last_mut() {
            self.spoil("inner_products", over, last);
        }
    }

    fn permute_add(
        &mut self,
        over: Basis,
        acc: &mut Limbs<B::Buf>,
        a: &Limbs<B::Buf>,
        galois: u32,
        ws: &mut Workspace<B::Buf>,
    ) {
        self.inner.permute_add(over, acc, a, galois, ws);
        self.spoil("permute_add", over, acc);
    }

    fn tensor(
        &mut self,
        over: Basis,
        [d0, d1, d2]: [&mut Limbs<B::Buf>; 3],
        a: [&Limbs<B::Buf>; 2],
        b: [&Limbs<B::Buf>; 2],
    ) {
        self.inner.tensor(over, [d0, d1, d2], a, b);
        self.spoil("tensor", over, d2);
    }

    fn mod_switch(
        &mut self,
        from: Basis,
        to: Basis,
        out: &mut Limbs<B::Buf>,
        a: &Limbs<B::Buf>,
        ws: &mut Workspace<B::Buf>,
    ) {
        self.inner.mod_switch(from, to, out, a, ws);
        self.spoil("mod_switch", to, out);
    }

    fn key_switch(
        &mut self,
        q: Basis,
        alpha: u16,
        d: &Limbs<B::Buf>,
        keys: &[&[Pair<B::Buf>]],
        accs: &mut [Pair<B::Buf>],
        ws: &mut Workspace<B::Buf>,
    ) {
        if self.fault == Fault::DigitForgotten && ws.ext.len() > 1 {
            ws.ext.pop();
        }
        self.inner.key_switch(q, alpha, d, keys, accs, ws);
        if let Some([_, last]) = accs.last_mut() {
            self.spoil("key_switch", q.with(self.ring().specials()), last);
        }
    }

    fn mod_switches(
        &mut self,
        from: Basis,
        to: Basis,
        outs: &mut [Limbs<B::Buf>],
        a: &[&Limbs<B::Buf>],
        ws: &mut Workspace<B::Buf>,
    ) {
        self.inner.mod_switches(from, to, outs, a, ws);
        if let Some(last) = outs.last_mut() {
            self.spoil("mod_switches", to, last);
        }
    }

    fn key_switch_add(
        &mut self,
        source: &Source<'_, B::Buf>,
        keys: &[&[Pair<B::Buf>]],
        galois: &[u32],
        outs: &mut [Pair<B::Buf>],
        ws: &mut Workspace<B::Buf>,
    ) -> Result<()> {
        let none = Source { add: [None; 2], ..*source };
        let source = if self.fault == Fault::NothingAdded { &none } else { source };
        self.inner.key_switch_add(source, keys, galois, outs, ws)?;
        if let Some([_, last]) = outs.last_mut() {
            self.spoil("key_switch_add", source.q.with(self.ring().specials()), last);
        }
        Ok(())
    }

    fn giant_steps(
        &mut self,
        (q, alpha): (Basis, u16),
        giant_steps: &mut [GiantStep<'_, B::Buf>],
        sum: &mut Pair<B::Buf>,
        fresh: bool,
        ws: &mut Workspace<B::Buf>,
    ) -> Result<()> {
        if let (Fault::OneKeyForAll, Some(key)) = (self.fault, giant_steps.first().map(|giant| giant.key)) {
            giant_steps.iter_mut().for_each(|giant| giant.key = key);
        }
        self.inner.giant_steps((q, alpha), giant_steps, sum, fresh, ws)?;
        self.spoil("giant_steps", q.with(self.ring().specials()), &mut sum[1]);
        Ok(())
    }
}
