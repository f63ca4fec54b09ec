//! The homomorphic evaluator: its backend, keys and temporary buffers, and the building blocks of its operations.

use super::{Ciphertext, Encoder, encode, evaluation_keys::Keys};
use crate::{
    arith::cost::Cost,
    backend::{
        Backend, Limbs, Op, Shape, Workspace,
        poly::{Coeff, Eval, Poly},
    },
    error::{Error, Result},
    math::complex::Complex,
    params::Params,
    ring::{Basis, Constants},
};

/// A public vector encoded at the scale of its level. The plaintext of a periodic vector is block-constant.
pub struct Plaintext<B: Backend> {
    /// The polynomial.
    pub m: Poly<Eval, B>,
    /// The level.
    pub level: u8,
}

/// The evaluator. It owns its backend and the client's evaluation keys, and works on batches of `batch` ciphertexts.
pub struct Ckks<'p, B: Backend> {
    /// The backend, for uploads and downloads outside the evaluation.
    pub be: B,
    pub(super) params: &'p Params,
    pub(super) keys: Keys<B>,
    pub(super) ws: Workspace<B::Buf>,
    pub(super) executed: Cost,
    batch: u16,
    encoder: Encoder,
}

impl<'p, B: Backend> Ckks<'p, B> {
    /// Allocates the temporaries of key switching and encoding, once.
    ///
    /// # Errors
    /// Errors of the backend's memory.
    pub fn new(mut be: B, params: &'p Params, keys: Keys<B>) -> Result<Self> {
        let (batch, ws) = (1, be.workspace(1, params.digits())?);
        let (executed, encoder) = (Cost::default(), Encoder::new(params));
        Ok(Self { be, params, keys, ws, executed, batch, encoder })
    }

    /// The same evaluator for batches of `batch` ciphertexts in place of single ones. Allocates the temporaries again.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] or [`Error::DeviceMemory`] if the temporaries do not fit.
    pub fn with_batch(mut self, batch: u16) -> Result<Self> {
        self.ws = self.be.workspace(batch, self.params.digits())?;
        self.batch = batch;
        Ok(self)
    }

    /// The parameters.
    pub fn params(&self) -> &'p Params {
        self.params
    }

    /// The operations since the last call, in the units of a plan, without the peak.
    pub fn executed(&mut self) -> Cost {
        core::mem::take(&mut self.executed)
    }

    /// The keys, to load more or to drop some.
    pub fn keys_mut(&mut self) -> (&mut Keys<B>, &mut B) {
        (&mut self.keys, &mut self.be)
    }

    pub(super) fn plaintext_scale(&self, level: u8) -> Result<f64> {
        if level == 0 {
            Err(Error::LevelExhausted { need: 1, have: 0 })
        } else {
            Ok(self.params.plaintext_scale(level))
        }
    }

    /// Encodes complex slots for `level` at any scale over any basis. Error: that of [`encode::encode`].
    ///
    /// # Errors
    /// [`Error::Slots`] if the number of values is no power of two up to the slots; those of [`encode::encode`].
    pub fn encode_at(&mut self, values: &[Complex], scale: f64, basis: Basis, level: u8) -> Result<Plaintext<B>> {
        self.encode_each(values.iter().copied(), scale, basis, level)
    }

    pub(super) fn encode_real(&mut self, values: &[f64], scale: f64, basis: Basis, level: u8) -> Result<Plaintext<B>> {
        self.encode_each(values.iter().map(|x| Complex::from(*x)), scale, basis, level)
    }

    fn encode_each(
        &mut self,
        values: impl ExactSizeIterator<Item = Complex>,
        scale: f64,
        basis: Basis,
        level: u8,
    ) -> Result<Plaintext<B>> {
        let coeffs = self.encoder.encode(values, scale)?;
        let shape = Shape { count: 1, basis, cols: coeffs.len() as u32 };
        let m = Poly::<Coeff, B>::from_signed(&mut self.be, shape, coeffs)?;
        Ok(Plaintext { m: m.ntt(&mut self.be), level })
    }

    /// Memory for one polynomial of the batch.
    pub(super) fn poly(&mut self, basis: Basis) -> Result<Poly<Eval, B>> {
        Poly::alloc(&mut self.be, Shape { count: self.batch, basis, cols: self.params.n() as u32 })
    }

    pub(super) fn pair(&mut self, basis: Basis) -> Result<[Poly<Eval, B>; 2]> {
        Ok([self.poly(basis)?, self.poly(basis)?])
    }

    /// sum += c
    pub(super) fn add_pair(&mut self, sum: &mut [Poly<Eval, B>; 2], c: &[Poly<Eval, B>; 2]) {
        for (sum, c) in sum.iter_mut().zip(c) {
            self.be.zip_assign(Op::Add, c.basis(), sum.limbs_mut(), c.limbs());
        }
    }

    /// The constants of P modulo each prime of `over`.
    pub(super) fn p_mod(&self, over: Basis) -> Constants {
        let (ring, p) = (self.be.ring(), Basis::specials(self.params.specials()));
        ring.constants(over, |q| ring.product(p, q))
    }

    /// round(x) modulo each prime of `over`.
    pub(super) fn integer(&self, x: f64, over: Basis) -> Result<Constants> {
        let word = encode::integer(x)?;
        Ok(self.be.ring().constants(over, |q| q.reduce_i64(word)))
    }

    /// (c0, c1) times an integer, over `over`.
    pub(super) fn times(&mut self, c: &[Poly<Eval, B>; 2], k: &Constants, over: Basis) -> Result<[Poly<Eval, B>; 2]> {
        let mut out = self.pair(over)?;
        for (o, c) in out.iter_mut().zip(c) {
            self.be.scalar(Op::Mul, over, o.limbs_mut(), c.limbs(), k);
        }
        Ok(out)
    }

    /// mod_switch of a pair.
    pub(super) fn switch_basis(
        &mut self,
        from: Basis,
        to: Basis,
        c: &[Poly<Eval, B>; 2],
    ) -> Result<[Poly<Eval, B>; 2]> {
        let mut out = self.pair(to)?.map(Poly::into_limbs);
        self.be.mod_switches(from, to, &mut out, &c.each_ref().map(Poly::limbs), &mut self.ws);
        Ok(out.map(Poly::assume))
    }

    /// One constant a row, as a second operand.
    pub(super) fn constants(&mut self, over: Basis, words: &Constants) -> Result<Limbs<B::Buf>> {
        let mut out = self.be.alloc(Shape { count: 1, basis: over, cols: 1 })?;
        self.be.upload(&mut out, words)?;
        Ok(out)
    }

    /// P times a pair over Q, over P and Q.
    pub(super) fn extend(&mut self, level: u8, c: &[Poly<Eval, B>; 2]) -> Result<[Poly<Eval, B>; 2]> {
        let (q, pq) = (self.params.q(level), self.params.pq(level));
        let (p, specials) = (self.p_mod(q), pq.minus(q));
        let zeros = self.be.ring().constants(specials, |_| 0);
        let mut out = self.pair(pq)?;
        for (o, c) in out.iter_mut().zip(c) {
            self.be.scalar(Op::Mul, q, o.limbs_mut(), c.limbs(), &p);
        }
        for o in &mut out {
            self.be.scalar_assign(Op::Mul, specials, o.limbs_mut(), &zeros);
        }
        Ok(out)
    }

    /// The polynomial times X^power. Exact, no level.
    ///
    /// # Errors
    /// Errors of the backend's memory.
    pub fn mul_monomial(&mut self, x: &mut Ciphertext<B>, power: usize) -> Result<()> {
        let (n, over) = (self.params.n(), self.params.q(x.level));
        let power = power % (2 * n);
        let cols = n >> power.trailing_zeros().min(n.trailing_zeros()); // X^power is a monomial in X^(n / cols)
        self.encoder.coeffs[..cols].fill(0);
        let at = power % n / (n / cols);
        self.encoder.coeffs[at] = if power < n { 1 } else { -1 };
        let shape = Shape { count: 1, basis: over, cols: cols as u32 };
        let m = Poly::<Coeff, B>::from_signed(&mut self.be, shape, &self.encoder.coeffs[..cols])?.ntt(&mut self.be);
        for c in &mut x.c {
            self.be.zip_assign(Op::Mul, over, c.limbs_mut(), m.limbs());
        }
        Ok(())
    }
}

/// The smallest part of Q_from whose switch to Q_to leaves room for the constant from scale(from) to scale(to), and
/// that constant. The constant is at most 10.5 bits shorter than the scale.
pub(crate) fn alignment(p: &Params, from: u8, to: u8) -> Result<(Basis, f64)> {
    let (a, b) = (p.q(from), p.q(to));
    let starts = a.start..=a.start.max(b.start);
    let slices = starts.flat_map(|start| (b.end..=a.end).map(move |end| Basis { specials: 0, start, end }));
    slices
        .filter(|s| s.start >= b.start || s.end == b.end) // what is dropped lies at one end
        .map(|s| (s, p.scale(to) / p.scale(from) * p.ratio(s, b)))
        .filter(|(_, one)| *one * 1448.0 >= p.scale(to))
        .min_by_key(|(s, _)| s.len())
        .ok_or(Error::LevelExhausted { need: to, have: from })
}
