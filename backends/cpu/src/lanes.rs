//! Eight residues at a time: the operations in which every compute kernel of this backend is written once.
//!
//! A *lazy* residue is any representative that is cheap on the instruction set. [`Lanes::settle`] converts a lazy
//! residue to a word. AVX-512 keeps a lazy residue in 52 bits of a 64-bit lane and never corrects within a pass. AVX2
//! and the portable lanes keep a lazy residue below 4q in 32 bits.
//!
//! The operations of the last three stages of a transform (`split4`, `join1`, ...) move elements between lanes. The
//! order of lanes between these operations is private to the instruction set. `load_pair` and `store_pair` convert
//! between this order and memory.

use polyformer_kernel::math::modular::Modulus;

/// Words a vector.
pub const LANES: usize = 8;

/// A constant factor w in memory: w, and its quotient by q (see [`Lanes::twiddle`]).
pub type Twiddle = [u64; 2];

/// The reduction of a word before its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As far as a transform or a product needs.
    Settled,
    /// To [0, q).
    Canonical,
}

/// A computation over the lanes `L`. Mark `run` with `#[inline(always)]`, so that the compiler emits the instructions
/// of `L`. A part of a kernel that needs a function of its own is a kernel, and is called by [`Lanes::call`].
pub trait Kernel<L: Lanes> {
    /// The result of `run`.
    type Output;
    /// Runs the computation.
    fn run(self, lanes: L) -> Self::Output;
}

/// One instruction set. A value of the type proves that the processor has the instruction set.
pub trait Lanes: Copy + Send + Sync {
    /// Eight residues, lazy or words.
    type V: Copy + Send + Sync;
    /// Eight 64-bit sums.
    type A: Copy;
    /// The constants of one modulus.
    type Q: Copy;
    /// Eight constant factors.
    type W: Copy;
    /// Settled words are below SETTLED q, so 16 / SETTLED products by canonical words fit in 64 bits.
    const SETTLED: usize;
    /// Whether the registers hold less than 16 vectors of sums.
    const FEW: bool;

    /// `kernel`, as a function compiled for these instructions.
    fn call<K: Kernel<Self>>(self, kernel: K) -> K::Output;

    /// The constants of q.
    fn modulus(self, q: Modulus) -> Self::Q;

    // -- memory

    /// x[at..at + 8].
    fn load(self, x: &[u32], at: usize) -> Self::V;
    /// x[at + k stride..][..8] for k < 16.
    fn load_rows(self, x: &[u32], at: usize, stride: usize) -> [Self::V; 16];
    /// x[at..at + 8] = v, settled words.
    fn store(self, x: &mut [u32], at: usize, v: Self::V);
    /// x[at..at + 16].
    #[inline(always)]
    fn load_two(self, x: &[u32], at: usize) -> [Self::V; 2] {
        [self.load(x, at), self.load(x, at + LANES)]
    }
    /// x[at..at + 16] = v, settled words.
    fn store_two(self, q: &Self::Q, x: &mut [u32], at: usize, v: [Self::V; 2], form: Form);
    /// Prefetches the cache line of x[at]. The index may be out of range.
    fn prefetch(self, x: &[u32], at: usize);
    /// Prefetches the cache line of x[at] for a write. The index may be out of range.
    fn prefetch_write(self, x: &mut [u32], at: usize);
    /// Eight times the word x, for arithmetic on words.
    fn splat(self, x: u32) -> Self::V;

    // -- canonical words in and out

    /// a + b mod q.
    fn add(self, q: &Self::Q, a: Self::V, b: Self::V) -> Self::V;
    /// a - b mod q.
    fn sub(self, q: &Self::Q, a: Self::V, b: Self::V) -> Self::V;
    /// ab/2^32 mod q.
    fn mul(self, q: &Self::Q, a: Self::V, b: Self::V) -> Self::V;

    // -- lazy residues

    /// A lazy residue as a word in [0, SETTLED q).
    fn settle(self, q: &Self::Q, x: Self::V) -> Self::V;
    /// A settled word as a word in [0, q).
    fn canonical(self, q: &Self::Q, x: Self::V) -> Self::V;
    /// The memory form of the factor w, plain.
    fn twiddle(q: Modulus, w: u32) -> Twiddle;
    /// Eight times the factor.
    fn factor(self, w: &Twiddle) -> Self::W;
    /// x + y settled, x settled and y in [0, 2q).
    fn add_settled(self, q: &Self::Q, x: Self::V, y: Self::V) -> Self::V;
    /// xw in [0, 2q), x lazy.
    fn scale(self, q: &Self::Q, x: Self::V, w: Self::W) -> Self::V;

    // -- transforms

    /// Prepares the first input of a first forward butterfly, so that up to 16 stages stay lazy.
    fn lift(self, q: &Self::Q, u: Self::V) -> Self::V;
    /// (u + xw, u - xw), lazy.
    fn forward(self, q: &Self::Q, u: Self::V, x: Self::V, w: Self::W) -> [Self::V; 2];
    /// (u + v, (u - v) w), lazy, in stage `stage` < 16 of a pass over words in [0, 2q).
    fn inverse(self, q: &Self::Q, u: Self::V, v: Self::V, w: Self::W, stage: u32) -> [Self::V; 2];
    /// The multiple of q that keeps the first input of [`Lanes::inverse_raised`] above the second, up to stage `level`
    /// < 8. The words of the pass are in [0, 2q). 0 where no multiple is needed.
    fn raised(self, q: &Self::Q, level: Option<usize>) -> Self::V;
    /// u + raised, lazy.
    fn raise(self, u: Self::V, raised: Self::V) -> Self::V;
    /// (u + v, (u - v) w + raised), lazy, u raised.
    fn inverse_raised(self, q: &Self::Q, u: Self::V, v: Self::V, w: Self::W, raised: Self::V) -> [Self::V; 2];

    // -- the last three stages, inside vectors

    /// The word form of the factor with Montgomery residue `w`: one word a factor, for factors that differ by lane.
    fn word(q: Modulus, w: u32) -> u32;
    /// Two words as factors for the halves that [`Lanes::split4`] makes, one for each block of 8.
    fn spread2(self, q: &Self::Q, words: &[u32; 2]) -> Self::W;
    /// Four words, for the halves that [`Lanes::split2`] makes.
    fn spread4(self, q: &Self::Q, words: &[u32; 4]) -> Self::W;
    /// Eight words, for the halves that [`Lanes::split1`] makes.
    fn spread8(self, q: &Self::Q, words: &[u32; 8]) -> Self::W;
    /// Two vectors of 8 words, natural order, to their first and second halves.
    fn split4(self, x: [Self::V; 2]) -> [Self::V; 2];
    /// Undoes split4: the first and second halves of its blocks of 4.
    fn split2(self, x: [Self::V; 2]) -> [Self::V; 2];
    /// Undoes split2: even and odd words.
    fn split1(self, x: [Self::V; 2]) -> [Self::V; 2];
    /// Inverse of split4.
    fn join4(self, x: [Self::V; 2]) -> [Self::V; 2];
    /// Inverse of split2.
    fn join2(self, x: [Self::V; 2]) -> [Self::V; 2];
    /// Inverse of split1.
    fn join1(self, x: [Self::V; 2]) -> [Self::V; 2];
    /// x[at..at + 16] in the order that split1 leaves.
    fn load_pair(self, x: &[u32], at: usize) -> [Self::V; 2];
    /// x[at..at + 16] from the order that split1 leaves, settled words.
    fn store_pair(self, q: &Self::Q, x: &mut [u32], at: usize, v: [Self::V; 2], form: Form);

    // -- sums of products

    /// Eight zeros.
    fn zero(self) -> Self::A;
    /// acc + ab, words.
    fn mul_add(self, acc: Self::A, a: Self::V, b: Self::V) -> Self::A;
    /// acc/2^32, settled, for any 64-bit sum.
    fn reduce(self, q: &Self::Q, acc: Self::A) -> Self::V;
    /// The word c' for which [`Lanes::reduce_constant`] of a sum of xc' is the sum of xc; c is plain.
    fn constant(q: Modulus, c: u32) -> u32;
    /// Settled, for any 64-bit sum of products by [`Lanes::constant`]s.
    fn reduce_constant(self, q: &Self::Q, acc: Self::A) -> Self::V;
    /// acc + floor(2^29 y/f), given [`polyformer_kernel::ring::limb::quotient_inverse`] of f.
    fn quotient_add(self, acc: Self::A, y: Self::V, inverse: (u32, u64)) -> Self::A;
    /// The sum rounded to units of 2^29.
    fn quotient_round(self, acc: Self::A) -> Self::V;

    // -- permutations

    /// out[i] = x[index[i]], i < 16.
    fn permute(self, out: &mut [u32], x: &[u32], index: &[u32; 16]);
}
