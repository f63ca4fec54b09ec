//! The hardware contract. A backend owns memory and computes on words. A backend takes no decision of the scheme.
//!
//! [`Backend`] has 17 required methods: memory, element-wise operations, transforms, conversion. The provided methods
//! compose the required ones. A new backend starts with the required methods and passes the conformance suite of
//! `polyformer-tests`.
//!
//! ```
//! use core::cell::RefCell;
//! use polyformer_kernel::{
//!     backend::{Backend, Op, Shape},
//!     math::modular::Modulus,
//!     ring::{Ring, tables},
//! };
//! use polyformer_scalar::Scalar;
//!
//! // X^8 + 1 modulo one prime that is 1 modulo 16; no special primes.
//! let moduli = [Modulus::new(998_244_353)];
//! let mut twiddles = [0; tables::words(8, 1)];
//! tables::fill(8, &moduli, &mut twiddles);
//! let ring = Ring::new(8, 0, &moduli, &twiddles)?;
//!
//! // The scalar backend computes in blocks that the caller owns.
//! let (mut x, mut y, mut product) = ([0; 8], [0; 8], [0; 8]);
//! let pool = [&mut x, &mut y, &mut product].map(|block| RefCell::new(&mut block[..]));
//! let mut be = Scalar::new(ring, &pool);
//!
//! let over = ring.modulus_chain();
//! let shape = Shape { count: 1, basis: over, cols: 8 };
//! let (mut x, mut y, mut product) = (be.alloc(shape)?, be.alloc(shape)?, be.alloc(shape)?);
//! be.upload_signed(&mut x, &[1, 1, 0, 0, 0, 0, 0, 0])?; // 1 + X
//! be.upload_signed(&mut y, &[1, -1, 0, 0, 0, 0, 0, 0])?; // 1 - X
//! be.ntt(over, &mut x);
//! be.ntt(over, &mut y);
//! be.zip(Op::Mul, over, &mut product, &x, &y);
//! be.intt(over, &mut product);
//! let mut words = [0; 8];
//! be.download(&product, &mut words)?;
//! assert_eq!(words, [1, 0, 998_244_352, 0, 0, 0, 0, 0]); // 1 - X^2
//! # Ok::<(), polyformer_kernel::Error>(())
//! ```

use crate::{
    error::Result,
    ring::{Basis, Ring, sample::Seed},
};

mod operands;
pub mod poly;
mod provided;
mod wiping;

pub use crate::ring::Op;
pub use operands::{BATCH_WORDS, GiantStep, Limbs, MAX_DIGITS, Pair, Shape, Source, Term, Workspace};
pub use provided::{key_switch, mod_switch, mod_up};
pub use wiping::Wiping;

/// The hardware contract. The required methods are the vocabulary. The provided methods are compositions that a backend
/// may override with fused code.
///
/// # Contract
///
/// 1. Every word in a buffer is canonical, in [0, q), between calls.
/// 2. Results are bit-identical on every backend. The provided bodies define their overrides.
/// 3. A method that returns `()` *records* work in order and cannot fail. A lost device is reported by the next `upload`,
///    `submit` or `download`.
/// 4. Only `download` waits for recorded work.
/// 5. The caller has checked the operands. Every operand has the rows `over`; `out` and the first operand have the same
///    `count` and `cols`; buffers belong to this backend.
///
/// `over` selects the rows of an operation: the rows of those moduli in every operand. Other rows of `out` keep their
/// words, or hold unspecified words where a method says so. [`crate::ring::limb`] specifies the operation on each row.
///
/// # Domains
///
/// Coeff rows hold coefficients: plain residues, natural order. Eval rows hold values at the odd powers of psi:
/// Montgomery residues, bit-reversed order. A method without a remark works in both domains.
///
/// # Panics
///
/// A backend may panic if the caller breaks point 5, and then only.
pub trait Backend {
    /// Backend memory that holds words: a borrowed block, a vector, a range of a GPU buffer.
    type Buf;

    /// The constants that this backend was built from.
    fn ring(&self) -> Ring<'_>;

    // -- memory

    /// Allocates storage. The contents are unspecified. A drop returns the storage.
    ///
    /// # Errors
    ///
    /// [`crate::Error::OutOfMemory`] if the host has no room, [`crate::Error::DeviceMemory`] if a device has no room.
    fn alloc(&mut self, shape: Shape) -> Result<Limbs<Self::Buf>>;
    /// Copies words from the host: `src` holds the `shape.words()` words of `dst`, in [0, q).
    ///
    /// # Errors
    ///
    /// [`crate::Error::Length`] if the lengths differ, [`crate::Error::DeviceLost`] if the device is gone.
    fn upload(&mut self, dst: &mut Limbs<Self::Buf>, src: &[u32]) -> Result<()>;
    /// A buffer with the words of `src`: `shape.words()` words in [0, q). A backend in the memory of the host may use the
    /// words where they lie, and holds `src` as long. A write to the buffer leaves `src` as it is.
    ///
    /// # Errors
    ///
    /// As [`Backend::alloc`] and [`Backend::upload`].
    fn adopt<W>(&mut self, shape: Shape, src: W) -> Result<Limbs<Self::Buf>>
    where
        W: AsRef<[u32]> + Send + Sync + 'static,
    {
        let mut out = self.alloc(shape)?;
        self.upload(&mut out, src.as_ref())?;
        Ok(out)
    }
    /// Reduces signed integers modulo every modulus of `dst` (Coeff). `coeffs` holds `count` x `cols` integers, any `i64`;
    /// all rows of an item get the same integers.
    ///
    /// # Errors
    ///
    /// As [`Backend::upload`]; an error of memory.
    fn upload_signed(&mut self, dst: &mut Limbs<Self::Buf>, coeffs: &[i64]) -> Result<()>;
    /// Uniform words, read as Eval. The row of prime index m in item i is [`crate::ring::sample::uniform`] under
    /// `seed`, stream ([`crate::ring::MAX_MODULI`] (`stream` + i) + m).
    ///
    /// # Errors
    ///
    /// As [`Backend::upload`].
    fn upload_uniform(&mut self, dst: &mut Limbs<Self::Buf>, seed: &Seed, stream: u64) -> Result<()>;
    /// Copies words to the host: `dst` receives the `shape.words()` words of `src`. Submits recorded work and waits.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Length`] if the lengths differ, [`crate::Error::DeviceLost`] if the device is gone, an error of memory.
    fn download(&mut self, src: &Limbs<Self::Buf>, dst: &mut [u32]) -> Result<()>;
    /// Starts all recorded work. A synchronous backend has nothing to start.
    ///
    /// # Errors
    ///
    /// [`crate::Error::DeviceLost`] if the device is gone.
    fn submit(&mut self) -> Result<()>;
    /// Overwrites the memory that no buffer holds: what dropped buffers and earlier operations left. Submits recorded work.
    /// [`Wiping`] calls the method at the end of a client's job.
    ///
    /// # Errors
    ///
    /// [`crate::Error::DeviceLost`] if the device is gone.
    fn wipe(&mut self) -> Result<()>;

    // -- element-wise

    // A second operand `b` broadcasts as [`Shape`] says. The product of words is the Montgomery product a b / 2^32.

    /// out = a
    fn copy(&mut self, over: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>);
    /// out = a op b
    fn zip(&mut self, op: Op, over: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>, b: &Limbs<Self::Buf>);
    /// acc = acc op b
    fn zip_assign(&mut self, op: Op, over: Basis, acc: &mut Limbs<Self::Buf>, b: &Limbs<Self::Buf>);
    /// acc = acc + a b
    fn mul_add(&mut self, over: Basis, acc: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>, b: &Limbs<Self::Buf>);
    /// out = a op c. `c` holds one word in [0, q) for each modulus of `over`, in row order, and is recorded by value.
    fn scalar(&mut self, op: Op, over: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>, c: &[u32]);
    /// acc = acc op c, with `c` as in [`Backend::scalar`].
    fn scalar_assign(&mut self, op: Op, over: Basis, acc: &mut Limbs<Self::Buf>, c: &[u32]);

    // -- transforms

    /// Number-theoretic transform, Coeff to Eval, in place. The length is `shape.cols`, a power of two up to n.
    fn ntt(&mut self, over: Basis, a: &mut Limbs<Self::Buf>);
    /// Inverse transform, Eval to Coeff, in place. The length is `shape.cols`, a power of two up to n.
    fn intt(&mut self, over: Basis, a: &mut Limbs<Self::Buf>);
    /// out = a(X^galois), Eval. `galois` is odd and below 2n; `shape.cols` = n.
    fn permute(&mut self, over: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>, galois: u32);
    /// Fast basis conversion, Coeff: rows `to` of out = the integer nearest to 0 with residues `from` of `a`. `from`
    /// has at most [`crate::ring::convert::MAX_SOURCES`] moduli, `to` has none of these moduli.
    /// [`crate::ring::limb::convert`] rounds.
    fn convert(&mut self, from: Basis, to: Basis, out: &mut Limbs<Self::Buf>, a: &Limbs<Self::Buf>);

    // -- provided: override to fuse

    /// out = sum of a b over `terms`, at least one term.
    fn dot(&mut self, over: Basis, out: &mut Limbs<Self::Buf>, terms: &[Term<'_, Self::Buf>]) {
        for (i, (a, b)) in terms.iter().enumerate() {
            if i == 0 { self.zip(Op::Mul, over, out, a, b) } else { self.mul_add(over, out, a, b) }
        }
    }

    /// For each g: `outs[g] = sum_i a[i] b[g a.len() + i]` over the factors that are present, at least one for each g.
    /// The outputs are the inner sums of a matrix by its diagonals. One call computes all sums, so that each `a[i]` is
    /// read once.
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

    /// acc = acc + a(X^galois), Eval. `galois` is odd and below 2n; `shape.cols` = n. Uses `ws.coeff`.
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

    /// The product of two ciphertexts, Eval: (d0, d1, d2) = (a0 b0, a0 b1 + a1 b0, a1 b1).
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

    /// out = round(a R/D) with D = prod(from \ to) and R = prod(to \ from). No other operation changes moduli. The two
    /// bases select a division by P after a key switch, a rescale, a rational rescale, or all three at once
    /// (docs/math.md §3.4). All Eval. Uses `ws.coeff` and `ws.tmp`.
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

    /// The temporary buffers of this backend: see [`Workspace::new`]. A backend with fused methods may allocate fewer.
    ///
    /// # Errors
    ///
    /// As [`Workspace::new`].
    fn workspace(&mut self, count: u16, digits: usize) -> Result<Workspace<Self::Buf>> {
        Workspace::new(self, count, digits)
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

    /// For each key k: `outs[k] = (the gadget product with keys[k] + P add)(X^galois[k])` over P and q. The outputs are
    /// rotations that share one mod_up, or a relinearization with a galois of 1. The bases of `outs` are exactly P and
    /// q.
    ///
    /// # Errors
    ///
    /// An error of memory.
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

    /// For each giant step: `sum = sum + (b + c0, a)(X^galois)`. (b, a) is the gadget product of round(c1 / P) with the
    /// key of the step. All operands are over P and `q`. If `fresh`, the old contents of `sum` are ignored. The call has
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
