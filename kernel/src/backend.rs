//! The hardware contract. A backend owns memory and computes on words. A backend takes no decision of the scheme.

use crate::{
    error::Result,
    ring::{Basis, Ring, sample::Seed},
};
use heapless::Vec;

pub mod poly;
mod provided;

pub use crate::ring::Op;
pub use provided::{key_switch, mod_switch, p_modulo};

/// `count` x `basis.len()` x `cols` words, row-major, rows in the order of `basis.iter()`.
///
/// The second operand of an element-wise operation broadcasts in two dimensions: a `count` of 1 serves every item
/// of a batch (keys, weights), and `cols` below n is constant on contiguous blocks of n / `cols` words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Shape {
    /// Polynomials in the batch.
    pub count: u16,
    /// The moduli of the rows.
    pub basis: Basis,
    /// Words a row: n, or a smaller power of two.
    pub cols: u32,
}

impl Shape {
    /// Total words.
    pub const fn words(self) -> usize {
        self.count as usize * self.basis.len() * self.cols as usize
    }

    /// Word offset of the row of prime index `m` in `item`. With a count of 1 every item is the first.
    pub const fn at(self, item: usize, m: usize) -> usize {
        let item = if self.count == 1 { 0 } else { item };
        (item * self.basis.len() + self.basis.row(m)) * self.cols as usize
    }

    /// The range of words of that row.
    pub const fn range(self, item: usize, m: usize) -> core::ops::Range<usize> {
        let at = self.at(item, m);
        at..at + self.cols as usize
    }
}

/// Residues of a batch of polynomials.
#[derive(Debug)]
pub struct Limbs<Buf> {
    /// The backend's handle of the words. Layers above the backend cannot read it.
    pub buf: Buf,
    /// The layout of the words.
    pub shape: Shape,
}

/// The most digits of a key switch.
pub const MAX_DIGITS: usize = 32;

/// A pair (b, a) of polynomials: a ciphertext, or one digit of a key.
pub type Pair<Buf> = [Limbs<Buf>; 2];

/// The two factors of one term of a sum of products.
pub type Term<'a, Buf> = (&'a Limbs<Buf>, &'a Limbs<Buf>);

/// The operand of several key switches: `d` (Eval, over `q`), in digits of `alpha` primes. P times `add`, over `q`, is
/// added to every product.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a, Buf> {
    /// The basis of the level.
    pub q: Basis,
    /// Primes a digit.
    pub alpha: u16,
    /// The polynomial that is decomposed into digits.
    pub d: &'a Limbs<Buf>,
    /// The addends of b and of a.
    pub add: [Option<&'a Limbs<Buf>>; 2],
}

/// A pending giant step of a linear map.
#[derive(Debug)]
pub struct GiantStep<'a, Buf> {
    /// (P and q) the inner sum, times P.
    pub c: Pair<Buf>,
    /// The rotation.
    pub galois: u32,
    /// Its key.
    pub key: &'a [Pair<Buf>],
}

/// The most words of temporary memory for the key switches of a batch. A larger batch is computed in parts.
pub const BATCH_WORDS: usize = 1 << 26;

/// Temporaries of [`Backend::key_switch`] and [`Backend::mod_switch`], allocated once.
#[derive(Debug)]
pub struct Workspace<Buf> {
    /// P modulo each prime of the modulus chain, one word a row.
    pub p: Limbs<Buf>,
    /// Each digit, extended to P and the whole modulus chain. Empty if the backend's `key_switch` needs no such memory.
    pub ext: Vec<Limbs<Buf>, MAX_DIGITS>,
    /// The operand, or its dropped part, in Coeff, over P and the whole modulus chain.
    pub coeff: Limbs<Buf>,
    /// The converted part of a mod_switch, over the modulus chain.
    pub tmp: Limbs<Buf>,
}

/// The hardware contract. The required methods are the vocabulary. The provided methods are compositions that a backend
/// may override with fused code.
///
/// Contract:
/// 1. Every word in a buffer is canonical, in [0, q), between calls.
/// 2. Results are bit-identical on every backend, and the provided bodies define their overrides.
/// 3. Methods that return `()` *record* work in order and cannot fail. A lost device shows at `submit` or `download`.
/// 4. Only `download` waits.
/// 5. The caller has checked the operands: shapes cover `over`, and buffers belong to this backend.
///
/// `over` selects the rows of an operation: the rows of those moduli in every operand. [`crate::ring::limb`] specifies
/// the operation on each row.
pub trait Backend {
    /// Backend memory that holds words: a borrowed block, a vector, a range of a GPU buffer.
    type Buf;

    /// The constants that this backend was built from.
    fn ring(&self) -> Ring<'_>;

    // -- memory

    /// Allocates storage. The contents are unspecified. A drop returns the storage.
    fn alloc(&mut self, shape: Shape) -> Result<Limbs<Self::Buf>>;
    /// Host to backend; `src` is `shape.words()` long.
    fn upload(&mut self, dst: &mut Limbs<Self::Buf>, src: &[u32]) -> Result<()>;
    /// Signed integers to residues (Coeff): `coeffs` is count x cols long, every modulus gets the same integers.
    fn upload_signed(&mut self, dst: &mut Limbs<Self::Buf>, coeffs: &[i64]) -> Result<()>;
    /// Uniform words, read as Eval. The row of prime index m in item i is [`crate::ring::sample::uniform`] under
    /// `seed`, stream ([`crate::ring::MAX_MODULI`] (`stream` + i) + m).
    fn upload_uniform(&mut self, dst: &mut Limbs<Self::Buf>, seed: &Seed, stream: u64) -> Result<()>;
    /// Backend to host; `dst` is `shape.words()` long. Submits and waits.
    fn download(&mut self, src: &Limbs<Self::Buf>, dst: &mut [u32]) -> Result<()>;
    /// Start everything recorded so far. Nothing to do on a synchronous backend.
    fn submit(&mut self) -> Result<()>;

    // -- element-wise

    /// out = a
    fn copy(&mut self, over: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>);
    /// out = a op b
    fn zip(&mut self, op: Op, over: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>, b: &Limbs<Self::Buf>);
    /// acc = acc op b
    fn zip_assign(&mut self, op: Op, over: Basis, acc: &mut Limbs<Self::Buf>, b: &Limbs<Self::Buf>);
    /// acc = acc + a b
    fn mul_add(&mut self, over: Basis, acc: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>, b: &Limbs<Self::Buf>);
    /// out = a op c, one constant a modulus of `over`, recorded by value
    fn scalar(&mut self, op: Op, over: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>, c: &[u32]);
    /// acc = acc op c
    fn scalar_assign(&mut self, op: Op, over: Basis, acc: &mut Limbs<Self::Buf>, c: &[u32]);

    // -- transforms

    /// Coeff to Eval in place; the length is `shape.cols`.
    fn ntt(&mut self, over: Basis, a: &mut Limbs<Self::Buf>);
    /// Eval to Coeff in place; the length is `shape.cols`.
    fn intt(&mut self, over: Basis, a: &mut Limbs<Self::Buf>);
    /// out = a(X^galois), Eval.
    fn permute(&mut self, over: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>, galois: u32);
    /// Rows `to` of out = the value nearest to 0 whose residues are rows `from` of `a` (Coeff).
    fn convert(&mut self, from: Basis, to: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>);

    // -- provided: override to fuse

    /// out = sum of a b over `terms`, at least one term.
    fn dot(&mut self, over: Basis, out: &mut Limbs<Self::Buf>, terms: &[Term<'_, Self::Buf>]) {
        for (i, (a, b)) in terms.iter().enumerate() {
            if i == 0 { self.zip(Op::Mul, over, out, a, b) } else { self.mul_add(over, out, a, b) }
        }
    }

    /// `outs[g] = sum_i a[i] b[g a.len() + i]` over the factors that are present, at least one for each g. These are
    /// the inner sums of a matrix by its diagonals. One call computes all sums, so that each `a[i]` is read once.
    fn inner_products(
        &mut self,
        over: Basis,
        outs: &mut [Limbs<Self::Buf>],
        a: &[&Limbs<Self::Buf>],
        b: &[Option<&Limbs<Self::Buf>>],
    ) {
        for (out, b) in outs.iter_mut().zip(b.chunks_exact(a.len())) {
            let terms = a.iter().zip(b).filter_map(|(a, b)| b.map(|b| (a, b)));
            for (i, (a, b)) in terms.enumerate() {
                if i == 0 { self.zip(Op::Mul, over, out, a, b) } else { self.mul_add(over, out, a, b) }
            }
        }
    }

    /// acc = acc + a(X^galois), Eval, `shape.cols` = n.
    fn permute_add(
        &mut self,
        over: Basis,
        acc: &mut Limbs<Self::Buf>,
        a: &Limbs<Self::Buf>,
        galois: u32,
        ws: &mut Workspace<Self::Buf>,
    ) {
        self.permute(over, &mut ws.coeff, a, galois);
        self.zip_assign(Op::Add, over, acc, &ws.coeff);
    }

    /// (d0, d1, d2) = (a0 b0, a0 b1 + a1 b0, a1 b1)
    fn tensor(
        &mut self,
        over: Basis,
        [d0, d1, d2]: [&mut Limbs<Self::Buf>; 3],
        a: [&Limbs<Self::Buf>; 2],
        b: [&Limbs<Self::Buf>; 2],
    ) {
        self.zip(Op::Mul, over, d0, a[0], b[0]);
        self.dot(over, d1, &[(a[0], b[1]), (a[1], b[0])]);
        self.zip(Op::Mul, over, d2, a[1], b[1]);
    }

    /// Extends the Eval rows `digit` of `a` to all rows `over` of `out`; `coeff` holds `a` in Coeff.
    fn mod_up(
        &mut self,
        digit: Basis,
        over: Basis,
        out: &mut Limbs<Self::Buf>,
        a: &Limbs<Self::Buf>,
        coeff: &Limbs<Self::Buf>,
    ) {
        let below = Basis { end: digit.start, ..over };
        let above = Basis { specials: 0, start: digit.end, end: over.end };
        for to in [below, above] {
            if !to.is_empty() {
                self.convert(digit, to, out, coeff);
                self.ntt(to, out);
            }
        }
        self.copy(digit, out, a);
    }

    /// out = round(a R/D) with D = prod(from \ to) and R = prod(to \ from). This is the only operation that changes
    /// moduli. The two bases select a division by P after a key switch, a rescale, a rational rescale, or all of them
    /// at once (docs/math.md §3.4). All Eval.
    fn mod_switch(
        &mut self,
        from: Basis,
        to: Basis,
        out: &mut Limbs<Self::Buf>,
        a: &Limbs<Self::Buf>,
        ws: &mut Workspace<Self::Buf>,
    ) {
        mod_switch(self, from, to, out, a, ws);
    }

    /// [`Backend::mod_switch`] of each `a` into the `out` of the same place.
    fn mod_switches(
        &mut self,
        from: Basis,
        to: Basis,
        outs: &mut [Limbs<Self::Buf>],
        a: &[&Limbs<Self::Buf>],
        ws: &mut Workspace<Self::Buf>,
    ) {
        for (out, a) in outs.iter_mut().zip(a) {
            self.mod_switch(from, to, out, a, ws);
        }
    }

    /// The temporary buffers for operands of `count` items over the whole modulus chain, with `digits` digits per key.
    fn workspace(&mut self, count: u16, digits: usize) -> Result<Workspace<Self::Buf>> {
        let ring = self.ring();
        let line = Shape { count, basis: ring.modulus_chain(), cols: ring.n() as u32 };
        let full = Shape { basis: line.basis.with(ring.specials()), ..line };
        let mut ext = Vec::new();
        for _ in 0..digits {
            let limbs = self.alloc(full)?;
            ext.push(limbs).map_err(|_| crate::Error::TooMany { asked: digits, limit: MAX_DIGITS })?;
        }
        Ok(Workspace { p: p_modulo(self)?, ext, coeff: self.alloc(full)?, tmp: self.alloc(line)? })
    }

    /// `accs[k] = sum_j digit_j(d) keys[k][j]` over P and `q`: the gadget products of hybrid key switching, before
    /// their mod_switch. Digit j of `d` (Eval, over `q`) is the part of `d` in the j-th run of `alpha` q primes of the
    /// modulus chain. Several keys share one mod_up, which is hoisting.
    fn key_switch(
        &mut self,
        q: Basis,
        alpha: u16,
        d: &Limbs<Self::Buf>,
        keys: &[&[Pair<Self::Buf>]],
        accs: &mut [Pair<Self::Buf>],
        ws: &mut Workspace<Self::Buf>,
    ) {
        key_switch(self, q, alpha, d, keys, accs, ws);
    }

    /// `outs[k] = (the gadget product with keys[k] + P add)(X^galois[k])` over P and q: rotations that share their mod_up,
    /// or with a galois of 1 a relinearisation. `outs` are over exactly P and q. An error is one of memory.
    fn key_switch_add(
        &mut self,
        source: &Source<'_, Self::Buf>,
        keys: &[&[Pair<Self::Buf>]],
        galois: &[u32],
        outs: &mut [Pair<Self::Buf>],
        ws: &mut Workspace<Self::Buf>,
    ) -> Result<()> {
        provided::key_switch_add(self, source, keys, galois, outs, ws)
    }

    /// `sum = sum + (b + c0, a)(X^galois)` for each giant step, with (b, a) the gadget product of round(c1
    /// P) with the key of the step. All over P and `q`. If `fresh`, the old contents of `sum` are ignored. The call has
    /// at least one giant step and leaves unspecified contents in each.
    ///
    /// # Errors
    ///
    /// An error of memory.
    fn giant_steps(
        &mut self,
        (q, alpha): (Basis, u16),
        giant_steps: &mut [GiantStep<'_, Self::Buf>],
        sum: &mut Pair<Self::Buf>,
        fresh: bool,
        ws: &mut Workspace<Self::Buf>,
    ) -> Result<()> {
        provided::giant_steps(self, (q, alpha), giant_steps, sum, fresh, ws)
    }
}

/// The part of `q` in the j-th run of `alpha` q primes of the modulus chain.
pub fn digit(q: Basis, specials: u16, alpha: u16, j: usize) -> Basis {
    let start = specials + j as u16 * alpha;
    q.and(Basis { specials: 0, start, end: start + alpha })
}
