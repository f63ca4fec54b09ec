//! The homomorphic evaluator: circuits over ciphertexts.
//!
//! Each operation's error is that of [`super::noise`], for values of size about 1: sums add errors, a product of
//! values of size v multiplies them by v, each rescale adds `rounding` and each key switch `key_switch`, over the
//! scale of the result's level.

use super::{
    Ciphertext,
    encode::{self, Complex},
    hoist::Hoisted,
    keys::Keys,
};
use crate::{
    arith::{Arithmetic, Transform},
    backend::{Backend, Op, Shape, Workspace},
    error::{Error, Result},
    params::Params,
    poly::{Coeff, Eval, Poly},
    ring::{Basis, Constants},
};
use alloc::{vec, vec::Vec};

/// A product: scale squared; quadratic in the secret when `c2` is present; times P, over P and Q, when extended.
pub struct Wide<B: Backend> {
    pub(super) c: [Poly<Eval, B>; 2],
    pub(super) c2: Option<Poly<Eval, B>>,
    pub(super) level: u8,
    pub(super) extended: bool,
}

/// A public vector encoded at the scale of its level; block-constant if it is periodic.
pub struct Plaintext<B: Backend> {
    /// The polynomial.
    pub m: Poly<Eval, B>,
    /// The level.
    pub level: u8,
}

/// The evaluator. It owns its backend and the client's evaluation keys, and works on batches of `batch` ciphertexts.
pub struct Ckks<'p, B: Backend> {
    /// The backend, for uploads and downloads beside the evaluation.
    pub be: B,
    pub(super) params: &'p Params,
    pub(super) keys: Keys<B>,
    pub(super) ws: Workspace<B::Buf>,
    batch: u16,
    roots: Vec<Complex>,
    slots: Vec<Complex>,
    coeffs: Vec<i64>,
}

fn same(left: u8, right: u8) -> Result<()> {
    if left == right { Ok(()) } else { Err(Error::LevelMismatch { left, right }) }
}

impl<'p, B: Backend> Ckks<'p, B> {
    /// Allocates the temporaries of key switching and encoding, once.
    pub fn new(mut be: B, params: &'p Params, keys: Keys<B>, batch: u16) -> Result<Self> {
        let ws = be.workspace(batch, params.digits())?;
        let mut roots = vec![Complex::default(); params.slots()];
        encode::fill_roots(&mut roots);
        let (slots, coeffs) = (roots.clone(), vec![0; params.n()]);
        Ok(Self { be, params, keys, ws, batch, roots, slots, coeffs })
    }

    /// The parameters.
    pub fn params(&self) -> &'p Params {
        self.params
    }

    /// The keys, to load more or to drop some.
    pub fn keys_mut(&mut self) -> (&mut Keys<B>, &mut B) {
        (&mut self.keys, &mut self.be)
    }

    /// Encodes complex slots for `level` at any scale over any basis. Depth and error: those of [`encode::encode`].
    pub fn encode_complex(&mut self, values: &[Complex], scale: f64, basis: Basis, level: u8) -> Result<Plaintext<B>> {
        let (s, slots) = (values.len(), self.params.slots());
        if !s.is_power_of_two() || s > slots {
            return Err(Error::Slots { given: s, slots });
        }
        self.slots[..s].copy_from_slice(values);
        self.encode_staged(s, scale, basis, level)
    }

    fn encode_staged(&mut self, s: usize, scale: f64, basis: Basis, level: u8) -> Result<Plaintext<B>> {
        let limit = self.params.log_product(self.params.base()) - 1.0;
        encode::encode(&self.roots, &mut self.slots[..s], scale, limit, &mut self.coeffs[..2 * s])?;
        let shape = Shape { count: 1, basis, cols: 2 * s as u32 };
        let m = Poly::<Coeff, B>::from_signed(&mut self.be, shape, &self.coeffs[..2 * s])?;
        Ok(Plaintext { m: m.ntt(&mut self.be), level })
    }

    fn encode_real(&mut self, values: &[f64], basis: Basis, level: u8) -> Result<Plaintext<B>> {
        let (s, slots) = (values.len(), self.params.slots());
        if !s.is_power_of_two() || s > slots {
            return Err(Error::Slots { given: s, slots });
        }
        for (z, x) in self.slots.iter_mut().zip(values) {
            *z = Complex::from(*x);
        }
        self.encode_staged(s, self.params.scale(level), basis, level)
    }

    /// Memory for one polynomial of the batch.
    pub(super) fn poly(&mut self, basis: Basis) -> Result<Poly<Eval, B>> {
        Poly::alloc(&mut self.be, Shape { count: self.batch, basis, cols: self.params.n() as u32 })
    }

    pub(super) fn pair(&mut self, basis: Basis) -> Result<[Poly<Eval, B>; 2]> {
        Ok([self.poly(basis)?, self.poly(basis)?])
    }

    /// The constants of P modulo each prime of `over`.
    pub(super) fn p_mod(&self, over: Basis) -> Constants {
        let (ring, p) = (self.be.ring(), Basis::span(0, 0).with(self.params.specials()));
        ring.constants(over, |q| ring.product(p, q))
    }

    /// round(x) modulo each prime of `over`.
    fn integer(&self, x: f64, over: Basis) -> Result<Constants> {
        let bits = libm::log2(x.abs());
        if x.is_nan() || bits > encode::MAX_BITS {
            return Err(Error::TooLarge { bits, limit: encode::MAX_BITS });
        }
        Ok(self.be.ring().constants(over, |q| q.reduce_i64(encode::round(x))))
    }

    /// (c0, c1) times an integer, over `over`.
    fn times(&mut self, c: &[Poly<Eval, B>; 2], k: &Constants, over: Basis) -> Result<[Poly<Eval, B>; 2]> {
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
        let mut out = self.pair(to)?;
        for (o, c) in out.iter_mut().zip(c) {
            self.be.mod_switch(from, to, o.limbs_mut(), c.limbs(), &mut self.ws);
        }
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
            self.be.scalar_assign(Op::Mul, specials, o.limbs_mut(), &zeros);
        }
        Ok(out)
    }

    /// Slots times i: the monomial X^(n/2). Exact, no level. On real values it makes them imaginary.
    pub fn mul_i(&mut self, x: &mut Ciphertext<B>) -> Result<()> {
        self.mul_monomial(x, self.params.n() / 2)
    }

    /// The polynomial times X^power. Exact, no level.
    pub fn mul_monomial(&mut self, x: &mut Ciphertext<B>, power: usize) -> Result<()> {
        let (n, over) = (self.params.n(), self.params.q(x.level));
        let power = power % (2 * n);
        let cols = n >> power.trailing_zeros().min(n.trailing_zeros()); // X^power is a monomial in X^(n / cols)
        self.coeffs[..cols].fill(0);
        let at = power % n / (n / cols);
        self.coeffs[at] = if power < n { 1 } else { -1 };
        let shape = Shape { count: 1, basis: over, cols: cols as u32 };
        let m = Poly::<Coeff, B>::from_signed(&mut self.be, shape, &self.coeffs[..cols])?.ntt(&mut self.be);
        for c in &mut x.c {
            self.be.zip_assign(Op::Mul, over, c.limbs_mut(), m.limbs());
        }
        Ok(())
    }

    /// The smallest part of Q_from whose switch to Q_to leaves at least 29 bits for the constant that brings
    /// scale(from) to scale(to), and that constant.
    fn alignment(&self, from: u8, to: u8) -> Result<(Basis, f64)> {
        let (p, a, b) = (self.params, self.params.q(from), self.params.q(to));
        let starts = a.start..=a.start.max(b.start);
        let slices = starts.flat_map(|start| (b.end..=a.end).map(move |end| Basis { specials: 0, start, end }));
        slices
            .filter(|s| s.start >= b.start || s.end == b.end) // what is dropped lies at one end
            .map(|s| (s, p.scale(to) / p.scale(from) * p.ratio(s, b)))
            .filter(|(_, one)| *one >= (1u64 << 29) as f64)
            .min_by_key(|(s, _)| s.len())
            .ok_or(Error::LevelExhausted { need: to, have: from })
    }
}

impl<B: Backend> Arithmetic for Ckks<'_, B> {
    type Slots = Ciphertext<B>;
    type Wide = Wide<B>;
    type Plain = Plaintext<B>;
    type Hoisted = Hoisted<B>;

    fn slots(&self) -> usize {
        self.params.slots()
    }

    fn level(&self, x: &Ciphertext<B>) -> u8 {
        x.level
    }

    fn encode(&mut self, values: &[f64], level: u8) -> Result<Plaintext<B>> {
        self.encode_real(values, self.params.q(level), level)
    }

    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<Plaintext<B>> {
        self.encode_real(values, self.params.pq(level), level)
    }

    fn copy(&mut self, x: &Ciphertext<B>) -> Result<Ciphertext<B>> {
        let over = self.params.q(x.level);
        let mut c = self.pair(over)?;
        for (o, c) in c.iter_mut().zip(&x.c) {
            self.be.copy(over, o.limbs_mut(), c.limbs());
        }
        Ok(Ciphertext { c, level: x.level })
    }

    fn add(&mut self, x: &mut Ciphertext<B>, y: &Ciphertext<B>) -> Result<()> {
        same(x.level, y.level)?;
        for (x, y) in x.c.iter_mut().zip(&y.c) {
            self.be.zip_assign(Op::Add, y.basis(), x.limbs_mut(), y.limbs());
        }
        Ok(())
    }

    fn sub(&mut self, x: &mut Ciphertext<B>, y: &Ciphertext<B>) -> Result<()> {
        same(x.level, y.level)?;
        for (x, y) in x.c.iter_mut().zip(&y.c) {
            self.be.zip_assign(Op::Sub, y.basis(), x.limbs_mut(), y.limbs());
        }
        Ok(())
    }

    fn add_plain(&mut self, x: &mut Ciphertext<B>, p: &Plaintext<B>) -> Result<()> {
        same(x.level, p.level)?;
        self.be.zip_assign(Op::Add, self.params.q(x.level), x.c[0].limbs_mut(), p.m.limbs());
        Ok(())
    }

    fn neg(&mut self, x: &mut Ciphertext<B>) -> Result<()> {
        self.mul_int(x, -1)
    }

    fn add_const(&mut self, x: &mut Ciphertext<B>, c: f64) -> Result<()> {
        let over = self.params.q(x.level);
        let k = self.integer(c * self.params.scale(x.level), over)?;
        self.be.scalar_assign(Op::Add, over, x.c[0].limbs_mut(), &k);
        Ok(())
    }

    fn mul_int(&mut self, x: &mut Ciphertext<B>, k: i32) -> Result<()> {
        let over = self.params.q(x.level);
        let k = self.integer(k as f64, over)?;
        for c in &mut x.c {
            self.be.scalar_assign(Op::Mul, over, c.limbs_mut(), &k);
        }
        Ok(())
    }

    fn mul(&mut self, x: &Ciphertext<B>, y: &Ciphertext<B>) -> Result<Wide<B>> {
        same(x.level, y.level)?;
        let over = self.params.q(x.level);
        let ([mut d0, mut d1], mut d2) = (self.pair(over)?, self.poly(over)?);
        let out = [d0.limbs_mut(), d1.limbs_mut(), d2.limbs_mut()];
        self.be.tensor(over, out, [x.c[0].limbs(), x.c[1].limbs()], [y.c[0].limbs(), y.c[1].limbs()]);
        Ok(Wide { c: [d0, d1], c2: Some(d2), level: x.level, extended: false })
    }

    fn mul_plain(&mut self, x: &Ciphertext<B>, p: &Plaintext<B>) -> Result<Wide<B>> {
        same(x.level, p.level)?;
        let over = self.params.q(x.level);
        let mut out = self.pair(over)?;
        for (o, c) in out.iter_mut().zip(&x.c) {
            self.be.zip(Op::Mul, over, o.limbs_mut(), c.limbs(), p.m.limbs());
        }
        Ok(Wide { c: out, c2: None, level: x.level, extended: false })
    }

    fn mul_const(&mut self, x: &Ciphertext<B>, c: f64) -> Result<Wide<B>> {
        let over = self.params.q(x.level);
        let k = self.integer(c * self.params.scale(x.level), over)?;
        Ok(Wide { c: self.times(&x.c, &k, over)?, c2: None, level: x.level, extended: false })
    }

    fn accumulate(&mut self, w: &mut Wide<B>, mut v: Wide<B>) -> Result<()> {
        same(w.level, v.level)?;
        let extended = w.extended || v.extended;
        for one in [&mut *w, &mut v] {
            if extended && !one.extended {
                one.c = self.extend(one.level, &one.c)?;
                one.extended = true;
            }
        }
        for (w, v) in w.c.iter_mut().zip(&v.c) {
            self.be.zip_assign(Op::Add, v.basis(), w.limbs_mut(), v.limbs());
        }
        match (&mut w.c2, v.c2) {
            (Some(w), Some(v)) => self.be.zip_assign(Op::Add, v.basis(), w.limbs_mut(), v.limbs()),
            (w @ None, v) => *w = v,
            (Some(_), None) => {}
        }
        Ok(())
    }

    /// Relinearisation, division by P and rescale are one mod_switch, whose rounding is the only one.
    fn rescale(&mut self, w: Wide<B>) -> Result<Ciphertext<B>> {
        let level = w.level.checked_sub(1).ok_or(Error::LevelExhausted { need: 1, have: 0 })?;
        let (q, pq, to) = (self.params.q(w.level), self.params.pq(w.level), self.params.q(level));
        let c = match &w.c2 {
            Some(c2) => {
                let over = if w.extended { pq } else { q };
                let mut acc = self.relinearize(w.level, c2)?;
                for (acc, mut c) in acc.iter_mut().zip(w.c) {
                    if !w.extended {
                        let p = self.p_mod(q);
                        self.be.scalar_assign(Op::Mul, q, c.limbs_mut(), &p);
                    }
                    self.be.zip_assign(Op::Add, over, acc.limbs_mut(), c.limbs());
                }
                self.switch_basis(pq, to, &acc)?
            }
            None if w.extended => self.switch_basis(pq, to, &w.c)?,
            None => self.switch_basis(q, to, &w.c)?,
        };
        Ok(Ciphertext { c, level })
    }

    fn rotate(&mut self, x: &Ciphertext<B>, k: i32) -> Result<Ciphertext<B>> {
        self.automorphism(x, self.params.galois(k))
    }

    fn hoist(&mut self, x: &Ciphertext<B>, steps: &[i32]) -> Result<Hoisted<B>> {
        self.hoist_rotations(x, steps)
    }

    fn hoisted(&mut self, h: &Hoisted<B>, k: i32) -> Result<Ciphertext<B>> {
        self.hoisted_rotation(h, k)
    }

    fn transform(&mut self, h: &Hoisted<B>, map: &Transform<'_, Plaintext<B>>) -> Result<Wide<B>> {
        self.hoisted_transform(h, map)
    }

    /// Forgets limbs, then one exact constant brings the scale to that of the new level: relative error 2^-30
    /// beside one `rounding`, at any distance.
    fn level_down(&mut self, x: Ciphertext<B>, level: u8) -> Result<Ciphertext<B>> {
        if level == x.level {
            return Ok(x);
        }
        if level > x.level {
            return Err(Error::LevelExhausted { need: level, have: x.level });
        }
        let (over, one) = self.alignment(x.level, level)?;
        let k = self.integer(one, over)?;
        let c = self.times(&x.c, &k, over)?;
        Ok(Ciphertext { c: self.switch_basis(over, self.params.q(level), &c)?, level })
    }

    fn refresh(&mut self, x: Ciphertext<B>, depth: u8) -> Result<Ciphertext<B>> {
        if x.level >= depth { Ok(x) } else { Err(Error::NoBootstrap) }
    }
}
