//! Backends with one fault each. The suite must find every fault, because a test that cannot fail is no test.

use polyformer_kernel::{
    Result,
    backend::{Backend, GiantStep, Limbs, Op, Pair, Shape, Source, Term, Workspace},
    ring::{Basis, Ring, sample::Seed},
};

/// The fault of a [`Mutant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The last word that this method writes is off by one.
    LastWord(Method),
    /// Words are in [0, q], not [0, q): a sum that is 0 comes out as q.
    NotCanonical,
    /// Element-wise operations write one row too many.
    OneRowTooMany,
    /// A second operand of count 1 serves the first item only.
    NoBroadcast,
    /// Conversions are off by the source modulus, as without the correction of the overflow.
    NotCentered,
    /// A key switch forgets its last digit.
    DigitForgotten,
    /// Automorphisms go the other way.
    GaloisInverted,
    /// A key switch drops the addend.
    NothingAdded,
    /// GiantStep steps all take the key of the first.
    OneKeyForAll,
}

/// The methods that write words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Upload,
    UploadSigned,
    UploadUniform,
    Copy,
    Zip,
    ZipAssign,
    MulAdd,
    Scalar,
    ScalarAssign,
    Ntt,
    Intt,
    Permute,
    Convert,
    Dot,
    Dots,
    PermuteAdd,
    Tensor,
    ModSwitch,
    ModSwitches,
    KeySwitch,
    KeySwitchAdd,
    GiantSteps,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 22] = [
        Method::Upload,
        Method::UploadSigned,
        Method::UploadUniform,
        Method::Copy,
        Method::Zip,
        Method::ZipAssign,
        Method::MulAdd,
        Method::Scalar,
        Method::ScalarAssign,
        Method::Ntt,
        Method::Intt,
        Method::Permute,
        Method::Convert,
        Method::Dot,
        Method::Dots,
        Method::PermuteAdd,
        Method::Tensor,
        Method::ModSwitch,
        Method::ModSwitches,
        Method::KeySwitch,
        Method::KeySwitchAdd,
        Method::GiantSteps,
    ];
}

/// `inner` with a fault.
#[derive(Debug)]
pub struct Mutant<'b, B> {
    /// A backend that is right.
    pub inner: &'b mut B,
    /// The fault of this mutant.
    pub fault: Fault,
}

impl<B: Backend> Mutant<'_, B> {
    /// Changes the last word of the rows `over` of `x` if `method` is at fault.
    fn spoil(&mut self, method: Method, over: Basis, x: &mut Limbs<B::Buf>) {
        if let (Fault::LastWord(at), Some(m)) = (self.fault, over.iter().last())
            && at == method
        {
            let q = self.inner.ring().modulus(m).q();
            let last = x.shape.range(x.shape.count as usize - 1, m).end - 1;
            self.edit(x, |words| words[last] = (words[last] + 1) % q);
        }
    }

    fn edit(&mut self, x: &mut Limbs<B::Buf>, f: impl FnOnce(&mut [u32])) {
        let mut words = vec![0; x.shape.words()];
        self.inner.download(x, &mut words).unwrap();
        f(&mut words);
        self.inner.upload(x, &words).unwrap();
    }

    /// `over`, plus one row if that is the fault and `x` has the row.
    fn reach(&self, over: Basis, x: &Limbs<B::Buf>) -> Basis {
        let longer = Basis { end: over.end + 1, ..over };
        if self.fault == Fault::OneRowTooMany && x.shape.basis.covers(longer) { longer } else { over }
    }

    /// 0 becomes q if that is the fault.
    fn loosen(&mut self, over: Basis, x: &mut Limbs<B::Buf>) {
        if self.fault == Fault::NotCanonical {
            let ranges: Vec<_> = over.iter().map(|m| (x.shape.range(0, m), self.inner.ring().modulus(m).q())).collect();
            self.edit(x, |words| {
                for (range, q) in ranges {
                    words[range].iter_mut().filter(|x| **x == 0).for_each(|x| *x = q);
                }
            });
        }
    }

    /// Zeroes the items of `out` that a broadcast should have served.
    fn narrow(&mut self, over: Basis, out: &mut Limbs<B::Buf>, b: &Limbs<B::Buf>) {
        if self.fault == Fault::NoBroadcast && b.shape.count < out.shape.count {
            let range = over.iter().last().map_or(0..0, |m| out.shape.range(out.shape.count as usize - 1, m));
            self.edit(out, |words| words[range].fill(0));
        }
    }
}

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
        self.spoil(Method::Upload, dst.shape.basis, dst);
        Ok(())
    }

    fn upload_signed(&mut self, dst: &mut Limbs<B::Buf>, coeffs: &[i64]) -> Result<()> {
        self.inner.upload_signed(dst, coeffs)?;
        self.spoil(Method::UploadSigned, dst.shape.basis, dst);
        Ok(())
    }

    fn upload_uniform(&mut self, dst: &mut Limbs<B::Buf>, seed: &Seed, stream: u64) -> Result<()> {
        self.inner.upload_uniform(dst, seed, stream)?;
        self.spoil(Method::UploadUniform, dst.shape.basis, dst);
        Ok(())
    }

    fn download(&mut self, src: &Limbs<B::Buf>, dst: &mut [u32]) -> Result<()> {
        self.inner.download(src, dst)
    }

    fn submit(&mut self) -> Result<()> {
        self.inner.submit()
    }

    fn copy(&mut self, over: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>) {
        self.inner.copy(over, out, a);
        self.spoil(Method::Copy, over, out);
    }

    fn zip(&mut self, op: Op, over: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>, b: &Limbs<B::Buf>) {
        self.inner.zip(op, over, out, a, b);
        self.narrow(over, out, b);
        self.loosen(over, out);
        self.spoil(Method::Zip, over, out);
    }

    fn zip_assign(&mut self, op: Op, over: Basis, acc: &mut Limbs<B::Buf>, b: &Limbs<B::Buf>) {
        self.inner.zip_assign(op, over, acc, b);
        self.spoil(Method::ZipAssign, over, acc);
    }

    fn mul_add(&mut self, over: Basis, acc: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>, b: &Limbs<B::Buf>) {
        self.inner.mul_add(over, acc, a, b);
        self.spoil(Method::MulAdd, over, acc);
    }

    fn scalar(&mut self, op: Op, over: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>, c: &[u32]) {
        self.inner.scalar(op, over, out, a, c);
        self.spoil(Method::Scalar, over, out);
    }

    fn scalar_assign(&mut self, op: Op, over: Basis, acc: &mut Limbs<B::Buf>, c: &[u32]) {
        let reach = self.reach(over, acc);
        let mut c = c.to_vec();
        c.resize(reach.len(), 7);
        self.inner.scalar_assign(op, reach, acc, &c);
        self.spoil(Method::ScalarAssign, over, acc);
    }

    fn ntt(&mut self, over: Basis, a: &mut Limbs<B::Buf>) {
        self.inner.ntt(over, a);
        self.spoil(Method::Ntt, over, a);
    }

    fn intt(&mut self, over: Basis, a: &mut Limbs<B::Buf>) {
        self.inner.intt(over, a);
        self.spoil(Method::Intt, over, a);
    }

    fn permute(&mut self, over: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>, galois: u32) {
        let two_n = 2 * out.shape.cols as u64;
        let inverse = || (1..two_n).step_by(2).find(|g| g * galois as u64 % two_n == 1).unwrap() as u32;
        let galois = if self.fault == Fault::GaloisInverted { inverse() } else { galois };
        self.inner.permute(over, out, a, galois);
        self.spoil(Method::Permute, over, out);
    }

    fn convert(&mut self, from: Basis, to: Basis, out: &mut Limbs<B::Buf>, a: &Limbs<B::Buf>) {
        self.inner.convert(from, to, out, a);
        if self.fault == Fault::NotCentered {
            let ring = self.inner.ring();
            let modulus: Vec<u32> = to.iter().map(|m| ring.product(from, ring.modulus(m))).collect();
            self.inner.scalar_assign(Op::Add, to, out, &modulus);
        }
        self.spoil(Method::Convert, to, out);
    }

    fn dot(&mut self, over: Basis, out: &mut Limbs<B::Buf>, terms: &[Term<'_, B::Buf>]) {
        self.inner.dot(over, out, terms);
        self.spoil(Method::Dot, over, out);
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
            self.spoil(Method::Dots, over, last);
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
        self.spoil(Method::PermuteAdd, over, acc);
    }

    fn tensor(
        &mut self,
        over: Basis,
        [d0, d1, d2]: [&mut Limbs<B::Buf>; 3],
        a: [&Limbs<B::Buf>; 2],
        b: [&Limbs<B::Buf>; 2],
    ) {
        self.inner.tensor(over, [d0, d1, d2], a, b);
        self.spoil(Method::Tensor, over, d2);
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
        self.spoil(Method::ModSwitch, to, out);
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
            self.spoil(Method::KeySwitch, q.with(self.ring().specials()), last);
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
            self.spoil(Method::ModSwitches, to, last);
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
            self.spoil(Method::KeySwitchAdd, source.q.with(self.ring().specials()), last);
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
        self.spoil(Method::GiantSteps, q.with(self.ring().specials()), &mut sum[1]);
        Ok(())
    }
}
