//! AVX2 lanes: eight 32-bit lanes of 256 bits. Lazy residues are in [0, 4q), and factors carry floor(w 2^32 / q)
//! (Shoup). A product of eight words is two products of four words: the even lanes and the odd lanes.

use crate::lanes::{Form, Kernel, LANES, Lanes, Twiddle};
use core::arch::x86_64::*;
use polyformer_kernel::math::modular::Modulus;

/// Proof that the processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The proof value, if this processor has the instruction set.
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// The constants of q, each in every lane.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    q: __m256i,
    two_q: __m256i,
    quotient: __m256i,      // floor(2^32 / q)
    inverse: __m256i,       // q^-1 mod 2^32
    minus_inverse: __m256i, // -q^-1 mod 2^32
}

type Pair = [__m256i; 2];

impl Avx2 {
    #[inline(always)]
    fn all(self, x: u32) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_set1_epi32(x as i32) }
    }

    /// x - bound if x >= bound, else x. Requires x < 2 bound.
    #[inline(always)]
    fn below(self, x: __m256i, bound: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_min_epu32(x, _mm256_sub_epi32(x, bound)) }
    }

    #[inline(always)]
    fn formed(self, q: &Constants, x: __m256i, form: Form) -> __m256i {
        if form == Form::Canonical { self.canonical(q, x) } else { x }
    }

    /// The high halves of the 64-bit lanes: even words of the result from `even`, odd words from `odd`.
    #[inline(always)]
    fn highs(self, [even, odd]: Pair) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_blend_epi32::<0xAA>(_mm256_srli_epi64::<32>(even), odd) }
    }

    /// The products of the even and of the odd lanes.
    #[inline(always)]
    fn products(self, a: __m256i, b: __m256i) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(a), _mm256_srli_epi64::<32>(b));
            [_mm256_mul_epu32(a, b), odd]
        }
    }

    /// floor(ab/2^32).
    #[inline(always)]
    fn high(self, a: __m256i, b: __m256i) -> __m256i {
        self.highs(self.products(a, b))
    }

    /// The high words of t, and of mq where m = t/q mod 2^32: their difference is t/2^32 mod q.
    #[inline(always)]
    fn montgomery(self, q: &Constants, t: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        let m = unsafe {
            let even = _mm256_mul_epu32(_mm256_mul_epu32(t[0], q.inverse), q.q);
            [even, _mm256_mul_epu32(_mm256_mul_epu32(t[1], q.inverse), q.q)]
        };
        [self.highs(t), self.highs(m)]
    }

    /// Factors from their word form: d = w 2^32 - w' q, so w' = -d/q mod 2^32 and w = ceil(w' q / 2^32).
    #[inline(always)]
    fn shoup(self, q: &Constants, d: __m256i) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let quotient = _mm256_mullo_epi32(d, q.minus_inverse);
            [_mm256_add_epi32(self.high(quotient, q.q), _mm256_set1_epi32(1)), quotient]
        }
    }
}

impl Lanes for Avx2 {
    type V = __m256i;
    type A = Pair;
    type Q = Constants;
    type W = Pair;
    const SETTLED: usize = 4;
    const FEW: bool = true;

    fn call<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2")]
        fn compiled<K: Kernel<Avx2>>(lanes: Avx2, kernel: K) -> K::Output {
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
    fn load(self, x: &[u32], at: usize) -> __m256i {
        let x = &x[at..at + LANES];
        // SAFETY: `self` proves AVX2; `x` is as long as the access.
        unsafe { _mm256_loadu_si256(x.as_ptr().cast()) }
    }
    #[inline(always)]
    fn load_rows(self, x: &[u32], at: usize, stride: usize) -> [__m256i; 16] {
        let mut rows = [self.splat(0); 16];
        for (k, row) in rows.iter_mut().enumerate() {
            *row = self.load(x, at + k * stride);
        }
        rows
    }
    #[inline(always)]
    fn store(self, x: &mut [u32], at: usize, v: __m256i) {
        let x = &mut x[at..at + LANES];
        // SAFETY: `self` proves AVX2; `x` is as long as the access.
        unsafe { _mm256_storeu_si256(x.as_mut_ptr().cast(), v) }
    }
    #[inline(always)]
    fn store_two(self, q: &Constants, x: &mut [u32], at: usize, [a, b]: Pair, form: Form) {
        self.store(x, at, self.formed(q, a, form));
        self.store(x, at + LANES, self.formed(q, b, form));
    }
    #[inline(always)]
    fn prefetch(self, x: &[u32], at: usize) {
        // SAFETY: a prefetch is a hint, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().wrapping_add(at).cast()) }
    }
    #[inline(always)]
    fn prefetch_write(self, x: &mut [u32], at: usize) {
        // SAFETY: a prefetch is a hint, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(x.as_ptr().wrapping_add(at).cast()) }
    }
    #[inline(always)]
    fn splat(self, x: u32) -> __m256i {
        self.all(x)
    }
    #[inline(always)]
    fn add(self, q: &Constants, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        self.below(unsafe { _mm256_add_epi32(a, b) }, q.q)
    }
    #[inline(always)]
    fn sub(self, q: &Constants, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let d = _mm256_sub_epi32(a, b);
            _mm256_min_epu32(d, _mm256_add_epi32(d, q.q))
        }
    }
    #[inline(always)]
    fn mul(self, q: &Constants, a: __m256i, b: __m256i) -> __m256i {
        let [t, m] = self.montgomery(q, self.products(a, b)); // both in [0, q)
        self.sub(q, t, m)
    }
    #[inline(always)]
    fn settle(self, _: &Constants, x: __m256i) -> __m256i {
        x
    }
    #[inline(always)]
    fn canonical(self, q: &Constants, x: __m256i) -> __m256i {
        self.below(self.below(x, q.two_q), q.q)
    }
    fn twiddle(q: Modulus, w: u32) -> Twiddle {
        let quotient = ((w as u64) << 32) / q.q() as u64;
        [w as u64, quotient]
    }
    #[inline(always)]
    fn factor(self, w: &Twiddle) -> Pair {
        [self.all(w[0] as u32), self.all(w[1] as u32)]
    }
    #[inline(always)]
    fn add_settled(self, q: &Constants, x: __m256i, y: __m256i) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_add_epi32(self.below(x, q.two_q), y) }
    }
    #[inline(always)]
    fn scale(self, q: &Constants, x: __m256i, w: Pair) -> __m256i {
        let h = self.high(x, w[1]);
        // SAFETY: `self` proves AVX2.
        unsafe { _mm256_sub_epi32(_mm256_mullo_epi32(x, w[0]), _mm256_mullo_epi32(h, q.q)) }
    }
    #[inline(always)]
    fn lift(self, _: &Constants, u: __m256i) -> __m256i {
        u
    }
    #[inline(always)]
    fn forward(self, q: &Constants, u: __m256i, x: __m256i, w: Pair) -> Pair {
        let (u, r) = (self.below(u, q.two_q), self.scale(q, x, w)); // [0, 2q)
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_add_epi32(u, r), _mm256_sub_epi32(_mm256_add_epi32(u, q.two_q), r)] }
    }
    #[inline(always)]
    fn inverse(self, q: &Constants, u: __m256i, v: __m256i, w: Pair, _: u32) -> Pair {
        // SAFETY: `self` proves AVX2.
        let (sum, difference) = unsafe { (_mm256_add_epi32(u, v), _mm256_sub_epi32(_mm256_add_epi32(u, q.two_q), v)) }; // [0, 4q)
        [self.below(sum, q.two_q), self.scale(q, difference, w)]
    }
    #[inline(always)]
    fn raised(self, _: &Constants, _: Option<usize>) -> __m256i {
        self.splat(0)
    }
    #[inline(always)]
    fn raise(self, u: __m256i, _: __m256i) -> __m256i {
        u
    }
    #[inline(always)]
    fn inverse_raised(self, q: &Constants, u: __m256i, v: __m256i, w: Pair, _: __m256i) -> [__m256i; 2] {
        self.inverse(q, u, v, w, 0)
    }
    fn word(_: Modulus, w: u32) -> u32 {
        w
    }
    #[inline(always)]
    fn spread2(self, q: &Constants, w: &[u32; 2]) -> Pair {
        // SAFETY: `self` proves AVX2.
        let d = unsafe { _mm256_set_m128i(_mm_set1_epi32(w[1] as i32), _mm_set1_epi32(w[0] as i32)) };
        self.shoup(q, d)
    }
    #[inline(always)]
    fn spread4(self, q: &Constants, w: &[u32; 4]) -> Pair {
        // SAFETY: `self` proves AVX2; `w` is as long as the access.
        let d = unsafe {
            let four = _mm256_castsi128_si256(_mm_loadu_si128(w.as_ptr().cast()));
            _mm256_permutevar8x32_epi32(four, _mm256_set_epi32(3, 3, 2, 2, 1, 1, 0, 0))
        };
        self.shoup(q, d)
    }
    #[inline(always)]
    fn spread8(self, q: &Constants, w: &[u32; 8]) -> Pair {
        self.shoup(q, self.load(w, 0))
    }
    #[inline(always)]
    fn split4(self, [a, b]: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b)] }
    }
    #[inline(always)]
    fn split2(self, [a, b]: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)] }
    }
    #[inline(always)]
    fn split1(self, [a, b]: Pair) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let (up, down) = (_mm256_slli_epi64::<32>(b), _mm256_srli_epi64::<32>(a));
            [_mm256_blend_epi32::<0xAA>(a, up), _mm256_blend_epi32::<0xAA>(down, b)]
        }
    }
    #[inline(always)]
    fn join4(self, x: Pair) -> Pair {
        self.split4(x)
    }
    #[inline(always)]
    fn join2(self, x: Pair) -> Pair {
        self.split2(x)
    }
    #[inline(always)]
    fn join1(self, x: Pair) -> Pair {
        self.split1(x)
    }
    #[inline(always)]
    fn load_pair(self, x: &[u32], at: usize) -> Pair {
        let (a, b) = (self.load(x, at), self.load(x, at + LANES));
        // SAFETY: `self` proves AVX2.
        let evens_first = unsafe {
            let order = _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0);
            [_mm256_permutevar8x32_epi32(a, order), _mm256_permutevar8x32_epi32(b, order)]
        };
        self.split4(evens_first)
    }
    #[inline(always)]
    fn store_pair(self, q: &Constants, x: &mut [u32], at: usize, [a, b]: Pair, form: Form) {
        // SAFETY: `self` proves AVX2.
        let halves = unsafe { [_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b)] };
        self.store_two(q, x, at, self.split4(halves), form);
    }
    #[inline(always)]
    fn zero(self) -> Pair {
        [self.all(0); 2]
    }
    #[inline(always)]
    fn mul_add(self, acc: Pair, a: __m256i, b: __m256i) -> Pair {
        let p = self.products(a, b);
        // SAFETY: `self` proves AVX2.
        unsafe { [_mm256_add_epi64(acc[0], p[0]), _mm256_add_epi64(acc[1], p[1])] }
    }
    #[inline(always)]
    fn reduce(self, q: &Constants, acc: Pair) -> __m256i {
        let [t, m] = self.montgomery(q, acc);
        let h = self.high(t, q.quotient);
        // SAFETY: `self` proves AVX2.
        unsafe {
            let t = _mm256_sub_epi32(t, _mm256_mullo_epi32(h, q.q)); // [0, 2q)
            _mm256_sub_epi32(_mm256_add_epi32(t, q.q), m) // (0, 3q)
        }
    }
    fn constant(q: Modulus, c: u32) -> u32 {
        q.to_mont(c)
    }
    #[inline(always)]
    fn reduce_constant(self, q: &Constants, acc: Pair) -> __m256i {
        self.reduce(q, acc)
    }
    #[inline(always)]
    fn quotient_add(self, acc: Pair, y: __m256i, (shift, inverse): (u32, u64)) -> Pair {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let y = _mm256_sll_epi32(y, _mm_cvtsi32_si128(shift as i32));
            let p = self.products(y, _mm256_set1_epi32(inverse as i32));
            let (even, odd) = (_mm256_srli_epi64::<32>(p[0]), _mm256_srli_epi64::<32>(p[1]));
            [_mm256_add_epi64(acc[0], even), _mm256_add_epi64(acc[1], odd)]
        }
    }
    #[inline(always)]
    fn quotient_round(self, acc: Pair) -> __m256i {
        // SAFETY: `self` proves AVX2.
        unsafe {
            let half = _mm256_set1_epi64x(1 << 28);
            let even = _mm256_srli_epi64::<29>(_mm256_add_epi64(acc[0], half));
            let odd = _mm256_srli_epi64::<29>(_mm256_add_epi64(acc[1], half));
            _mm256_blend_epi32::<0xAA>(even, _mm256_slli_epi64::<32>(odd))
        }
    }
    #[inline(always)]
    fn permute(self, out: &mut [u32], x: &[u32], index: &[u32; 16]) {
        for (o, i) in out.iter_mut().zip(index) {
            *o = x[*i as usize & 15];
        }
    }
}
