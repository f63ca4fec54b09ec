//! Element-wise operations on one row, eight words at a time. The second operand of a product or sum may be
//! block-constant. The operations run at the speed of memory, so no loop is unrolled by hand. Sums of products are in
//! [`crate::dots`].

use crate::lanes::{Kernel, LANES, Lanes};
use polyformer_kernel::{backend::Op, math::modular::Modulus};

/// x[at..at + 8], or all of a shorter x and zeros.
#[inline(always)]
pub fn get<L: Lanes>(l: L, x: &[u32], at: usize) -> L::V {
    if x.len() >= LANES {
        return l.load(x, at);
    }
    let mut padded = [0; LANES];
    padded[..x.len()].copy_from_slice(x);
    l.load(&padded, 0)
}

/// Inverse of [`get`].
#[inline(always)]
pub fn put<L: Lanes>(l: L, x: &mut [u32], at: usize, v: L::V) {
    if x.len() >= LANES {
        return l.store(x, at, v);
    }
    let mut padded = [0; LANES];
    l.store(&mut padded, 0, v);
    let n = x.len();
    x.copy_from_slice(&padded[..n]);
}

/// Words [at, at + 8) of a row of n words in which each word of b stands for n / b.len() of them.
#[inline(always)]
pub fn spread<L: Lanes>(l: L, b: &[u32], n: usize, at: usize) -> L::V {
    let log = n.trailing_zeros() - b.len().trailing_zeros();
    match log {
        0 => get(l, b, at),
        1 | 2 => {
            let words: [u32; LANES] = core::array::from_fn(|i| b[((at + i) >> log) & (b.len() - 1)]);
            l.load(&words, 0)
        }
        _ => l.splat(b[at >> log]),
    }
}

/// out = a op b; without an a, out = out op b.
pub struct Zip<'a> {
    /// Modulus.
    pub q: Modulus,
    /// Operation.
    pub op: Op,
    /// Result. Also the first operand if `a` is `None`.
    pub out: &'a mut [u32],
    /// First operand.
    pub a: Option<&'a [u32]>,
    /// Second operand, perhaps block-constant.
    pub b: &'a [u32],
}

impl<L: Lanes> Kernel<L> for Zip<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let (q, n) = (&l.modulus(self.q), self.out.len());
        for at in (0..n).step_by(LANES) {
            let a = match self.a {
                Some(a) => get(l, a, at),
                None => get(l, self.out, at),
            };
            let b = spread(l, self.b, n, at);
            let word = match self.op {
                Op::Add => l.add(q, a, b),
                Op::Sub => l.sub(q, a, b),
                Op::Mul => l.mul(q, a, b),
            };
            put(l, self.out, at, word);
        }
    }
}

/// (d0, d1, d2) = (a0 b0, a0 b1 + a1 b0, a1 b1)
pub struct Tensor<'a> {
    /// Modulus.
    pub q: Modulus,
    /// Results.
    pub d: [&'a mut [u32]; 3],
    /// First pair.
    pub a: [&'a [u32]; 2],
    /// Second pair, perhaps block-constant.
    pub b: [&'a [u32]; 2],
}

impl<L: Lanes> Kernel<L> for Tensor<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let (q, n, [d0, d1, d2]) = (&l.modulus(self.q), self.d[0].len(), self.d);
        for at in (0..n).step_by(LANES) {
            let (a0, a1) = (get(l, self.a[0], at), get(l, self.a[1], at));
            let (b0, b1) = (spread(l, self.b[0], n, at), spread(l, self.b[1], n, at));
            let cross = l.mul_add(l.mul_add(l.zero(), a0, b1), a1, b0);
            put(l, d0, at, l.mul(q, a0, b0));
            put(l, d1, at, l.canonical(q, l.reduce(q, cross)));
            put(l, d2, at, l.mul(q, a1, b1));
        }
    }
}

/// The low words of signed integers x, and the high words of x + 2^63.
pub fn split(x: &[i64], low: &mut [u32], high: &mut [u32]) {
    for ((x, low), high) in x.iter().zip(low).zip(high) {
        (*low, *high) = (*x as u32, (x >> 32) as u32 ^ 1 << 31);
    }
}

/// Signed integers to residues.
pub struct Residues<'a> {
    /// Modulus.
    pub q: Modulus,
    /// Result.
    pub out: &'a mut [u32],
    /// See [`split`].
    pub low: &'a [u32],
    /// See [`split`].
    pub high: &'a [u32],
}

impl<L: Lanes> Kernel<L> for Residues<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let (p, q) = (self.q, &l.modulus(self.q));
        let r = p.one();
        let r2 = p.to_mont(r);
        let bias = p.neg(p.to_mont(p.reduce_u64(1 << 63)));
        let bias = l.mul_add(l.zero(), l.splat(bias), l.splat(1));
        for at in (0..self.out.len()).step_by(LANES) {
            let low = l.mul_add(bias, get(l, self.low, at), l.splat(r));
            let sum = l.mul_add(low, get(l, self.high, at), l.splat(r2)); // (x + 2^63 - 2^63) 2^32, below 2^63 + 2^30
            put(l, self.out, at, l.canonical(q, l.reduce(q, sum)));
        }
    }
}

/// out = a(X^galois), or out + a(X^galois), Eval. In bit-reversed order the exponents of 16 neighbours differ in their
/// top four bits. A block of 16 is therefore a permuted block of 16, in one of 16 orders.
pub struct Permute<'a> {
    /// Result.
    pub out: &'a mut [u32],
    /// Operand.
    pub a: &'a [u32],
    /// The source and the order of each block.
    pub plan: &'a Plan,
    /// The modulus of the addition, or `None` without an addition.
    pub add: Option<Modulus>,
}

/// The part of an automorphism that all rows share.
pub struct Plan {
    /// (first word of the source block, order) for each block.
    blocks: Vec<(u32, u8)>,
    orders: [[u32; Plan::BLOCK]; Plan::BLOCK],
}

impl Plan {
    /// Words a block: transforms shorter than this have no plan.
    pub const BLOCK: usize = 16;

    /// X -> X^galois on n words.
    pub fn new(galois: u32, n: usize) -> Self {
        use polyformer_kernel::math::bit_reverse;
        let bits = n.trailing_zeros();
        let mut orders = [[0; Self::BLOCK]; Self::BLOCK];
        for (carry, order) in orders.iter_mut().enumerate() {
            for (i, from) in order.iter_mut().enumerate() {
                *from = bit_reverse((bit_reverse(i, 4) * galois as usize + carry) % Self::BLOCK, 4) as u32;
            }
        }
        let blocks = (0..n / Self::BLOCK).map(|block| {
            // exponent of the block's first word, halved; its top four bits are brv of the place in the block
            let e = ((2 * bit_reverse(block * Self::BLOCK, bits) + 1) * galois as usize) % (2 * n) / 2;
            let (carry, rest) = (e / (n / Self::BLOCK), e % (n / Self::BLOCK));
            (bit_reverse(rest, bits) as u32, carry as u8)
        });
        Self { blocks: blocks.collect(), orders }
    }
}

impl<L: Lanes> Kernel<L> for Permute<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self, l: L) {
        let blocks = self.out.chunks_exact_mut(Plan::BLOCK).zip(&self.plan.blocks);
        let source = |from: u32| &self.a[from as usize..from as usize + Plan::BLOCK];
        let order = |order: u8| &self.plan.orders[order as usize & 15];
        let Some(q) = self.add.map(|q| l.modulus(q)) else {
            for (out, at) in blocks {
                l.permute(out, source(at.0), order(at.1));
            }
            return;
        };
        for (out, at) in blocks {
            let mut words = [0; Plan::BLOCK];
            l.permute(&mut words, source(at.0), order(at.1));
            for half in [0, LANES] {
                l.store(out, half, l.add(&q, l.load(out, half), l.load(&words, half)));
            }
        }
    }
}
