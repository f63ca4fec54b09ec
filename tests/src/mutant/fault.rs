//! The faults of a mutant, and the changes of words that make them.

use polyformer_kernel::{
    backend::{Backend, Limbs},
    ring::Basis,
};

/// The fault of a [`Mutant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The last word that the method of this name writes is off by one.
    LastWord(&'static str),
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
    /// Giant steps all take the key of the first.
    OneKeyForAll,
    /// Nothing is wiped.
    NothingWiped,
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
    pub(super) fn spoil(&mut self, method: &str, over: Basis, x: &mut Limbs<B::Buf>) {
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
    pub(super) fn reach(&self, over: Basis, x: &Limbs<B::Buf>) -> Basis {
        let longer = Basis { end: over.end + 1, ..over };
        if self.fault == Fault::OneRowTooMany && x.shape.basis.covers(longer) { longer } else { over }
    }

    /// 0 becomes q if that is the fault.
    pub(super) fn loosen(&mut self, over: Basis, x: &mut Limbs<B::Buf>) {
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
    pub(super) fn narrow(&mut self, over: Basis, out: &mut Limbs<B::Buf>, b: &Limbs<B::Buf>) {
        if self.fault == Fault::NoBroadcast && b.shape.count < out.shape.count {
            let range = over.iter().last().map_or(0..0, |m| out.shape.range(out.shape.count as usize - 1, m));
            self.edit(out, |words| words[range].fill(0));
        }
    }
}
