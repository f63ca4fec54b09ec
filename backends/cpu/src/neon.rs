//! NEON lanes: eight 32-bit lanes in two vectors of 128 bits. Lazy residues are in [0, 4q), and factors carry
//! floor(w 2^32 / q) (Shoup). The order of lanes is the order of the words.

use crate::lanes::{Form, Kernel, LANES, Lanes, Twiddle};
use core::arch::aarch64::*;
use polyformer_kernel::math::modular::Modulus;

/// Proof that the processor has NEON.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// The proof value, if this processor has the instruction set.
    pub fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

/// The constants of q, each in every lane of one vector.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    q: uint32x4_t,
    two_q: uint32x4_t,
    quotient: uint32x4_t,      // floor(2^32 / q)
    inverse: uint32x4_t,       // q^-1 mod 2^32
    minus_inverse: uint32x4_t, // -q^-1 mod 2^32
}

type V = [uint32x4_t; 2];
/// Eight 64-bit sums, in the order of the words.
type Sums = [uint64x2_t; 4];

impl Neon {
    #[inline(always)]
    fn all(self, x: u32) -> uint32x4_t {
        // SAFETY: `self` proves NEON.
        unsafe { vdupq_n_u32(x) }
    }

    /// x - bound if x >= bound, else x. Requires x < 2 bound.
    #[inline(always)]
    fn below(self, x: V, bound: uint32x4_t) -> V {
        // SAFETY: `self` proves NEON.
        x.map(|x| unsafe { vminq_u32(x, vsubq_u32(x, bound)) })
    }

    #[inline(always)]
    fn plus(self, a: V, b: V) -> V {
        // SAFETY: `self` proves NEON.
        unsafe { [vaddq_u32(a[0], b[0]), vaddq_u32(a[1], b[1])] }
    }

    #[inline(always)]
    fn minus(self, a: V, b: V) -> V {
        // SAFETY: `self` proves NEON.
        unsafe { [vsubq_u32(a[0], b[0]), vsubq_u32(a[1], b[1])] }
    }

    #[inline(always)]
    fn low_product(self, a: V, b: V) -> V {
        // SAFETY: `self` proves NEON.
        unsafe { [vmulq_u32(a[0], b[0]), vmulq_u32(a[1], b[1])] }
    }

    #[inline(always)]
    fn products(self, a: V, b: V) -> Sums {
        // SAFETY: `self` proves NEON.
        unsafe {
            let low = |i: usize| vmull_u32(vget_low_u32(a[i]), vget_low_u32(b[i]));
            [low(0), vmull_high_u32(a[0], b[0]), low(1), vmull_high_u32(a[1], b[1])]
        }
    }

    /// The low words of the sums.
    #[inline(always)]
    fn lows(self, t: Sums) -> V {
        // SAFETY: `self` proves NEON.
        unsafe {
            let [a, b, c, d] = t.map(|t| vreinterpretq_u32_u64(t));
            [vuzp1q_u32(a, b), vuzp1q_u32(c, d)]
        }
    }

    /// The high words of the sums.
    #[inline(always)]
    fn highs(self, t: Sums) -> V {
        // SAFETY: `self` proves NEON.
        unsafe {
            let [a, b, c, d] = t.map(|t| vreinterpretq_u32_u64(t));
            [vuzp2q_u32(a, b), vuzp2q_u32(c, d)]
        }
    }

    /// floor(ab/2^32).
    #[inline(always)]
    fn high(self, a: V, b: V) -> V {
        self.highs(self.products(a, b))
    }

    /// The high words of t, and of mq where m = t/q mod 2^32: their difference is t/2^32 mod q.
    #[inline(always)]
    fn montgomery(self, q: &Constants, t: Sums) -> [V; 2] {
        let m = self.low_product(self.lows(t), [q.inverse; 2]);
        [self.highs(t), self.high(m, [q.q; 2])]
    }

    #[inline(always)]
    fn formed(self, q: &Constants, x: V, form: Form) -> V {
        if form == Form::Canonical { self.canonical(q, x) } else { x }
    }

    /// Factors from their word form: d = w 2^32 - w' q, so w' = -d/q mod 2^32 and w = ceil(w' q / 2^32).
    #[inline(always)]
    fn shoup(self, q: &Constants, d: V) -> [V; 2] {
        let quotient = self.low_product(d, [q.minus_inverse; 2]);
        [self.plus(self.high(quotient, [q.q; 2]), [self.all(1); 2]), quotient]
    }
}

impl Lanes for Neon {
    type V = V;
    type A = Sums;
    type Q = Constants;
    type W = [V; 2];
    const SETTLED: usize = 4;
    const FEW: bool = true;

    fn call<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "neon")]
        fn compiled<K: Kernel<Neon>>(lanes: Neon, kernel: K) -> K::Output {
            kernel.run(lanes)
        }
        // SAFETY: `self` proves that the processor has the enabled features.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn modulus(self, q: Modulus) -> Constants {
        Constants {
            q: self.all(q.q()),
            two_q: self.all(2 * q.q()),
            quotient: self.all(u32::MAX / q.q()),
            inverse: self.all(q.neg_q_inv().wrapping_neg()),
            minus_inverse: self.all(q.neg_q_inv()),
        }
    }
    #[inline(always)]
    fn load(self, x: &[u32], at: usize) -> V {
        let x = &x[at..at + LANES];
        // SAFETY: `self` proves NEON; `x` is as long as both accesses.
        unsafe { [vld1q_u32(x.as_ptr()), vld1q_u32(x.as_ptr().add(4))] }
    }
    #[inline(always)]
    fn load_rows(self, x: &[u32], at: usize, stride: usize) -> [V; 16] {
        let mut rows = [self.splat(0); 16];
        for (k, row) in rows.iter_mut().enumerate() {
            *row = self.load(x, at + k * stride);
        }
        rows
    }
    #[inline(always)]
    fn store(self, x: &mut [u32], at: usize, v: V) {
        let x = &mut x[at..at + LANES];
        // SAFETY: `self` proves NEON; `x` is as long as both accesses.
        unsafe {
            vst1q_u32(x.as_mut_ptr(), v[0]);
            vst1q_u32(x.as_mut_ptr().add(4), v[1]);
        }
    }
    #[inline(always)]
    fn store_two(self, q: &Constants, x: &mut [u32], at: usize, [a, b]: [V; 2], form: Form) {
        self.store(x, at, self.formed(q, a, form));
        self.store(x, at + LANES, self.formed(q, b, form));
    }
    #[inline(always)]
    fn prefetch(self, _: &[u32], _: usize) {}
    #[inline(always)]
    fn prefetch_write(self, _: &mut [u32], _: usize) {}
    #[inline(always)]
    fn splat(self, x: u32) -> V {
        [self.all(x); 2]
    }
    #[inline(always)]
    fn add(self, q: &Constants, a: V, b: V) -> V {
        self.below(self.plus(a, b), q.q)
    }
    #[inline(always)]
    fn sub(self, q: &Constants, a: V, b: V) -> V {
        let d = self.minus(a, b);
        // SAFETY: `self` proves NEON.
        d.map(|d| unsafe { vminq_u32(d, vaddq_u32(d, q.q)) })
    }
    #[inline(always)]
    fn mul(self, q: &Constants, a: V, b: V) -> V {
        let [t, m] = self.montgomery(q, self.products(a, b));
        self.sub(q, t, m) // (-q, q) before
    }
    #[inline(always)]
    fn settle(self, _: &Constants, x: V) -> V {
        x
    }
    #[inline(always)]
    fn canonical(self, q: &Constants, x: V) -> V {
        self.below(self.below(x, q.two_q), q.q)
    }
    fn twiddle(q: Modulus, w: u32) -> Twiddle {
        [w as u64, ((w as u64) << 32) / q.q() as u64]
    }
    #[inline(always)]
    fn factor(self, w: &Twiddle) -> [V; 2] {
        [self.splat(w[0] as u32), self.splat(w[1] as u32)]
    }
    #[inline(always)]
    fn add_settled(self, q: &Constants, x: V, y: V) -> V {
        self.plus(self.below(x, q.two_q), y)
    }
    #[inline(always)]
    fn scale(self, q: &Constants, x: V, w: [V; 2]) -> V {
        let (h, t) = (self.high(x, w[1]), self.low_product(x, w[0]));
        // SAFETY: `self` proves NEON.
        unsafe { [vmlsq_u32(t[0], h[0], q.q), vmlsq_u32(t[1], h[1], q.q)] }
    }
    #[inline(always)]
    fn lift(self, _: &Constants, u: V) -> V {
        u
    }
    #[inline(always)]
    fn forward(self, q: &Constants, u: V, x: V, w: [V; 2]) -> [V; 2] {
        let (u, r) = (self.below(u, q.two_q), self.scale(q, x, w)); // [0, 2q)
        [self.plus(u, r), self.minus(self.plus(u, [q.two_q; 2]), r)]
    }
    #[inline(always)]
    fn inverse(self, q: &Constants, u: V, v: V, w: [V; 2], _: u32) -> [V; 2] {
        let (sum, difference) = (self.plus(u, v), self.minus(self.plus(u, [q.two_q; 2]), v)); // [0, 4q)
        [self.below(sum, q.two_q), self.scale(q, difference, w)]
    }
    #[inline(always)]
    fn raised(self, _: &Constants, _: Option<usize>) -> V {
        self.splat(0)
    }
    #[inline(always)]
    fn raise(self, u: V, _: V) -> V {
        u
    }
    #[inline(always)]
    fn inverse_raised(self, q: &Constants, u: V, v: V, w: [V; 2], _: V) -> [V; 2] {
        self.inverse(q, u, v, w, 0)
    }
    fn word(_: Modulus, w: u32) -> u32 {
        w
    }
    #[inline(always)]
    fn spread2(self, q: &Constants, w: &[u32; 2]) -> [V; 2] {
        self.shoup(q, [self.all(w[0]), self.all(w[1])])
    }
    #[inline(always)]
    fn spread4(self, q: &Constants, w: &[u32; 4]) -> [V; 2] {
        // SAFETY: `self` proves NEON; `w` is as long as the access.
        let d = unsafe {
            let w = vld1q_u32(w.as_ptr());
            [vzip1q_u32(w, w), vzip2q_u32(w, w)]
        };
        self.shoup(q, d)
    }
    #[inline(always)]
    fn spread8(self, q: &Constants, w: &[u32; 8]) -> [V; 2] {
        self.shoup(q, self.load(w, 0))
    }
    #[inline(always)]
    fn split4(self, [a, b]: [V; 2]) -> [V; 2] {
        [[a[0], b[0]], [a[1], b[1]]]
    }
    #[inline(always)]
    fn split2(self, [a, b]: [V; 2]) -> [V; 2] {
        // SAFETY: `self` proves NEON.
        unsafe {
            let [a, b] = [a, b].map(|x| x.map(|x| vreinterpretq_u64_u32(x)));
            let first = |i: usize| vreinterpretq_u32_u64(vtrn1q_u64(a[i], b[i]));
            let second = |i: usize| vreinterpretq_u32_u64(vtrn2q_u64(a[i], b[i]));
            [[first(0), first(1)], [second(0), second(1)]]
        }
    }
    #[inline(always)]
    fn split1(self, [a, b]: [V; 2]) -> [V; 2] {
        // SAFETY: `self` proves NEON.
        unsafe {
            let even = [vtrn1q_u32(a[0], b[0]), vtrn1q_u32(a[1], b[1])];
            [even, [vtrn2q_u32(a[0], b[0]), vtrn2q_u32(a[1], b[1])]]
        }
    }
    #[inline(always)]
    fn join4(self, x: [V; 2]) -> [V; 2] {
        self.split4(x)
    }
    #[inline(always)]
    fn join2(self, x: [V; 2]) -> [V; 2] {
        self.split2(x)
    }
    #[inline(always)]
    fn join1(self, x: [V; 2]) -> [V; 2] {
        self.split1(x)
    }
    #[inline(always)]
    fn load_pair(self, x: &[u32], at: usize) -> [V; 2] {
        let x = &x[at..at + 2 * LANES];
        // SAFETY: `self` proves NEON; `x` is as long as both accesses.
        let (low, high) = unsafe { (vld2q_u32(x.as_ptr()), vld2q_u32(x.as_ptr().add(LANES))) };
        [[low.0, high.0], [low.1, high.1]]
    }
    #[inline(always)]
    fn store_pair(self, q: &Constants, x: &mut [u32], at: usize, [a, b]: [V; 2], form: Form) {
        let (x, a, b) = (&mut x[at..at + 2 * LANES], self.formed(q, a, form), self.formed(q, b, form));
        // SAFETY: `self` proves NEON; `x` is as long as both accesses.
        unsafe {
            vst2q_u32(x.as_mut_ptr(), uint32x4x2_t(a[0], b[0]));
            vst2q_u32(x.as_mut_ptr().add(LANES), uint32x4x2_t(a[1], b[1]));
        }
    }
    #[inline(always)]
    fn zero(self) -> Sums {
        // SAFETY: `self` proves NEON.
        unsafe { [vdupq_n_u64(0); 4] }
    }
    #[inline(always)]
    fn mul_add(self, acc: Sums, a: V, b: V) -> Sums {
        // SAFETY: `self` proves NEON.
        unsafe {
            let low = |i: usize| vmlal_u32(acc[2 * i], vget_low_u32(a[i]), vget_low_u32(b[i]));
            [low(0), vmlal_high_u32(acc[1], a[0], b[0]), low(1), vmlal_high_u32(acc[3], a[1], b[1])]
        }
    }
    #[inline(always)]
    fn reduce(self, q: &Constants, acc: Sums) -> V {
        let [t, m] = self.montgomery(q, acc);
        let h = self.high(t, [q.quotient; 2]);
        // SAFETY: `self` proves NEON.
        let t = unsafe { [vmlsq_u32(t[0], h[0], q.q), vmlsq_u32(t[1], h[1], q.q)] }; // [0, 2q)
        self.minus(self.plus(t, [q.q; 2]), m) // (0, 3q)
    }
    fn constant(q: Modulus, c: u32) -> u32 {
        q.to_mont(c)
    }
    #[inline(always)]
    fn reduce_constant(self, q: &Constants, acc: Sums) -> V {
        self.reduce(q, acc)
    }
    #[inline(always)]
    fn quotient_add(self, acc: Sums, y: V, (shift, inverse): (u32, u64)) -> Sums {
        // SAFETY: `self` proves NEON.
        unsafe {
            let y = y.map(|y| vshlq_u32(y, vdupq_n_s32(shift as i32)));
            let p = self.products(y, self.splat(inverse as u32));
            let sum = |i: usize| vsraq_n_u64::<32>(acc[i], p[i]);
            [sum(0), sum(1), sum(2), sum(3)]
        }
    }
    #[inline(always)]
    fn quotient_round(self, acc: Sums) -> V {
        // SAFETY: `self` proves NEON.
        unsafe {
            let [a, b, c, d] = acc.map(|acc| vrshrn_n_u64::<29>(acc)); // rounded to units of 2^29
            [vcombine_u32(a, b), vcombine_u32(c, d)]
        }
    }
    #[inline(always)]
    fn permute(self, out: &mut [u32], x: &[u32], index: &[u32; 16]) {
        for (o, i) in out.iter_mut().zip(index) {
            *o = x[*i as usize & 15];
        }
    }
}
