//! AVX-512 lanes: eight 64-bit lanes of 512 bits, multiplied 52 bits at a time (IFMA).
//!
//! A lazy residue is the low 52 bits of a lane. The multiplier ignores the bits above, and the bits above never enter
//! the low bits. Factors carry w' = floor(w 2^52 / q), so xw - floor(xw'/2^52) q is in [0, 2q) for every x below 2^52.
//! Both products accumulate without an addition: a forward butterfly is three multiply-adds, one addition and one
//! subtraction.
//!
//! No lane is corrected before [`Lanes::settle`]. A pass of 16 stages grows a word to 37 bits forwards and to 48 bits
//! backwards.

mod constants;

use crate::lanes::{Form, Kernel, LANES, Lanes, Twiddle};
use constants::Constants;
use core::arch::x86_64::*;
use polyformer_kernel::math::modular::Modulus;

/// Proof that the processor has AVX-512 F, BW, DQ, VL and IFMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The proof, on a processor that has the instructions.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512ifma");
        found.then_some(Self(()))
    }
}

/// Places in two vectors of 8 lanes of 16 words: a dword of the first, or 16 + a dword of the second. Natural order,
/// and the order that split1 leaves, in which lane (word bit 2, word bit 3, word bit 1) has the even words first.
const NATURAL: [i32; 16] = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];
const SPLIT: [i32; 16] = [0, 16, 2, 18, 8, 24, 10, 26, 4, 20, 6, 22, 12, 28, 14, 30];

impl Avx512 {
    #[inline(always)]
    fn all(self, x: u64) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_set1_epi64(x as i64) }
    }

    /// The words of `x`, whose highest is 0, at the places of `index` below 15.
    #[inline(always)]
    fn pick(self, x: __m256i, index: [i64; 8]) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let [a, b, c, d, e, f, g, h] = index;
            let zeros = 15 << 32; // the upper half of a lane takes word 15
            let index = _mm512_set_epi64(
                h | zeros,
                g | zeros,
                f | zeros,
                e | zeros,
                d | zeros,
                c | zeros,
                b | zeros,
                a | zeros,
            );
            _mm512_permutexvar_epi32(index, _mm512_zextsi256_si512(x))
        }
    }

    /// 16 settled words out of the places `index` of two vectors.
    #[inline(always)]
    fn pack(self, q: &Constants, [a, b]: [__m512i; 2], index: &[i32; 16], x: &mut [u32], form: Form) {
        let x = &mut x[..2 * LANES];
        // SAFETY: `self` proves AVX-512; both arrays hold 16 words.
        unsafe {
            let words = _mm512_permutex2var_epi32(a, _mm512_loadu_si512(index.as_ptr().cast()), b);
            let reduced = _mm512_min_epu32(words, _mm512_sub_epi32(words, q.words));
            _mm512_storeu_si512(x.as_mut_ptr().cast(), if form == Form::Canonical { reduced } else { words });
        }
    }

    /// Factors from their word form: d = w 2^52 - w' q, so w' = -d/q mod 2^52 and w = ceil(w' q / 2^52).
    #[inline(always)]
    fn shoup(self, q: &Constants, d: __m512i) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let quotient = _mm512_madd52lo_epu64(_mm512_setzero_si512(), d, q.minus_inverse);
            [_mm512_madd52hi_epu64(_mm512_set1_epi64(1), quotient, q.q), quotient]
        }
    }
}

impl Lanes for Avx512 {
    type V = __m512i;
    type A = __m512i;
    type Q = Constants;
    type W = [__m512i; 2];
    const SETTLED: usize = 2;
    const FEW: bool = false;

    fn call<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
        fn compiled<K: Kernel<Avx512>>(lanes: Avx512, kernel: K) -> K::Output {
            kernel.run(lanes)
        }
        // SAFETY: `self` proves that the processor has the enabled features.
        unsafe { compiled(self, kernel) }
    }

    #[inline(always)]
    fn modulus(self, q: Modulus) -> Constants {
        Constants::new(self, q)
    }
    #[inline(always)]
    fn load(self, x: &[u32], at: usize) -> __m512i {
        let x = &x[at..at + LANES];
        // SAFETY: `self` proves AVX-512; `x` is as long as the access.
        unsafe { _mm512_cvtepu32_epi64(_mm256_loadu_si256(x.as_ptr().cast())) }
    }
    #[inline(always)]
    fn load_rows(self, x: &[u32], at: usize, stride: usize) -> [__m512i; 16] {
        let x = &x[at..at + 15 * stride + LANES];
        let mut rows = [self.splat(0); 16];
        for (k, row) in rows.iter_mut().enumerate() {
            // SAFETY: `self` proves AVX-512; k is at most 15, and `x` is 8 words longer than 15 strides.
            *row = unsafe { _mm512_cvtepu32_epi64(_mm256_loadu_si256(x.as_ptr().add(k * stride).cast())) };
        }
        rows
    }
    #[inline(always)]
    fn store(self, x: &mut [u32], at: usize, v: __m512i) {
        let x = &mut x[at..at + LANES];
        // SAFETY: `self` proves AVX-512; `x` is as long as the access.
        unsafe { _mm256_storeu_si256(x.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(v)) }
    }
    #[inline(always)]
    fn store_two(self, q: &Constants, x: &mut [u32], at: usize, v: [__m512i; 2], form: Form) {
        self.pack(q, v, &NATURAL, &mut x[at..], form);
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
    fn splat(self, x: u32) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_set1_epi32(x as i32) } // the upper halves of the lanes are ignored
    }
    #[inline(always)]
    fn add(self, q: &Constants, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let s = _mm512_add_epi32(a, b);
            _mm512_min_epu32(s, _mm512_sub_epi32(s, q.q))
        }
    }
    #[inline(always)]
    fn sub(self, q: &Constants, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let d = _mm512_sub_epi32(a, b);
            _mm512_min_epu32(d, _mm512_add_epi32(d, q.q))
        }
    }
    #[inline(always)]
    fn mul(self, q: &Constants, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let t = _mm512_mul_epu32(a, b);
            let m = _mm512_mul_epu32(_mm512_mul_epu32(t, q.inverse), q.q);
            let r = _mm512_sub_epi64(_mm512_srli_epi64::<32>(t), _mm512_srli_epi64::<32>(m)); // (-q, q)
            _mm512_min_epu32(r, _mm512_add_epi32(r, q.q))
        }
    }
    #[inline(always)]
    fn settle(self, q: &Constants, x: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let h = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, q.quotient);
            _mm512_madd52lo_epu64(x, h, q.minus_q) // x - floor(x/q) q or q more
        }
    }
    #[inline(always)]
    fn canonical(self, q: &Constants, x: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_min_epu32(x, _mm512_sub_epi32(x, q.q)) }
    }
    fn twiddle(q: Modulus, w: u32) -> Twiddle {
        [w as u64, (((w as u128) << 52) / q.q() as u128) as u64]
    }
    #[inline(always)]
    fn factor(self, w: &Twiddle) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512; each word is as long as its access.
        unsafe {
            let at = |i: usize| (&raw const w[i]).cast();
            [_mm512_broadcastq_epi64(_mm_loadl_epi64(at(0))), _mm512_broadcastq_epi64(_mm_loadl_epi64(at(1)))]
        }
    }
    #[inline(always)]
    fn add_settled(self, q: &Constants, x: __m512i, y: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let sum = _mm512_add_epi32(x, y);
            _mm512_min_epu32(sum, _mm512_sub_epi32(sum, _mm512_add_epi32(q.q, q.q)))
        }
    }
    #[inline(always)]
    fn scale(self, q: &Constants, x: __m512i, w: [__m512i; 2]) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let zero = _mm512_setzero_si512();
            let h = _mm512_madd52hi_epu64(zero, x, w[1]);
            _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(zero, x, w[0]), h, q.minus_q)
        }
    }
    #[inline(always)]
    fn lift(self, q: &Constants, u: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_add_epi64(u, q.lift) }
    }
    #[inline(always)]
    fn forward(self, q: &Constants, u: __m512i, x: __m512i, w: [__m512i; 2]) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let h = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, w[1]);
            let sum = _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(u, x, w[0]), h, q.minus_q); // u + [0, 2q)
            [sum, _mm512_sub_epi64(_mm512_add_epi64(u, u), sum)]
        }
    }
    #[inline(always)]
    fn inverse(self, q: &Constants, u: __m512i, v: __m512i, w: [__m512i; 2], stage: u32) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let bound = match q.raised.get(stage as usize) {
                Some(raised) => *raised,
                None => _mm512_sllv_epi64(q.q, self.all(stage as u64 + 1)), // 2q 2^stage, of which 3^stage is more
            };
            let difference = _mm512_sub_epi64(_mm512_add_epi64(u, bound), v);
            [_mm512_add_epi64(u, v), self.scale(q, difference, w)]
        }
    }
    #[inline(always)]
    fn raised(self, q: &Constants, level: Option<usize>) -> __m512i {
        level.map_or(self.splat(0), |level| q.raised[level])
    }
    #[inline(always)]
    fn raise(self, u: __m512i, raised: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_add_epi64(u, raised) }
    }
    #[inline(always)]
    fn inverse_raised(self, q: &Constants, u: __m512i, v: __m512i, w: [__m512i; 2], raised: __m512i) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let difference = _mm512_sub_epi64(u, v);
            let h = _mm512_madd52hi_epu64(_mm512_setzero_si512(), difference, w[1]);
            let product = _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(raised, difference, w[0]), h, q.minus_q);
            [_mm512_add_epi64(u, v), product]
        }
    }
    fn word(q: Modulus, w: u32) -> u32 {
        q.mul(w, q.to_mont(1 << 20)) // from radix 2^32 to 2^52
    }
    #[inline(always)]
    fn spread2(self, q: &Constants, w: &[u32; 2]) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512; the type of `w` is as long as the access.
        let two = unsafe { _mm256_zextsi128_si256(_mm_loadl_epi64(w.as_ptr().cast())) };
        self.shoup(q, self.pick(two, [0, 0, 0, 0, 1, 1, 1, 1]))
    }
    #[inline(always)]
    fn spread4(self, q: &Constants, w: &[u32; 4]) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512; the type of `w` is as long as the access.
        let four = unsafe { _mm256_zextsi128_si256(_mm_loadu_si128(w.as_ptr().cast())) };
        self.shoup(q, self.pick(four, [0, 0, 2, 2, 1, 1, 3, 3]))
    }
    #[inline(always)]
    fn spread8(self, q: &Constants, w: &[u32; 8]) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512; the type of `w` is as long as the access.
        let eight = unsafe { _mm256_loadu_si256(w.as_ptr().cast()) };
        self.shoup(q, self.pick(eight, [0, 1, 4, 5, 2, 3, 6, 7]))
    }
    #[inline(always)]
    fn split4(self, [a, b]: [__m512i; 2]) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512.
        unsafe { [_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0xEE>(a, b)] }
    }
    #[inline(always)]
    fn split2(self, [a, b]: [__m512i; 2]) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512.
        unsafe { [_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0xDD>(a, b)] }
    }
    #[inline(always)]
    fn split1(self, [a, b]: [__m512i; 2]) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512.
        unsafe { [_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b)] }
    }
    #[inline(always)]
    fn join4(self, x: [__m512i; 2]) -> [__m512i; 2] {
        self.split4(x)
    }
    #[inline(always)]
    fn join2(self, [u, v]: [__m512i; 2]) -> [__m512i; 2] {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let lo = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
            let hi = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
            [_mm512_permutex2var_epi64(u, lo, v), _mm512_permutex2var_epi64(u, hi, v)]
        }
    }
    #[inline(always)]
    fn join1(self, x: [__m512i; 2]) -> [__m512i; 2] {
        self.split1(x)
    }
    #[inline(always)]
    fn load_pair(self, x: &[u32], at: usize) -> [__m512i; 2] {
        let x = &x[at..at + 2 * LANES];
        // SAFETY: `self` proves AVX-512; `x` is as long as the access.
        unsafe {
            let order = _mm512_set_epi64(7, 6, 3, 2, 5, 4, 1, 0);
            let x = _mm512_permutexvar_epi64(order, _mm512_loadu_si512(x.as_ptr().cast()));
            [_mm512_and_si512(x, self.all(u32::MAX as u64)), _mm512_srli_epi64::<32>(x)]
        }
    }
    #[inline(always)]
    fn store_pair(self, q: &Constants, x: &mut [u32], at: usize, v: [__m512i; 2], form: Form) {
        self.pack(q, v, &SPLIT, &mut x[at..], form);
    }
    #[inline(always)]
    fn zero(self) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    fn mul_add(self, acc: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_add_epi64(acc, _mm512_mul_epu32(a, b)) }
    }
    #[inline(always)]
    fn reduce(self, q: &Constants, acc: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let m = _mm512_mul_epu32(_mm512_mul_epu32(acc, q.inverse), q.q);
            let high = _mm512_add_epi64(_mm512_srli_epi64::<32>(acc), q.q);
            self.settle(q, _mm512_sub_epi64(high, _mm512_srli_epi64::<32>(m))) // (0, 2^32 + q)
        }
    }
    fn constant(q: Modulus, c: u32) -> u32 {
        q.mul(q.to_mont(c), q.to_mont(1 << 20)) // c 2^52
    }
    #[inline(always)]
    fn reduce_constant(self, q: &Constants, acc: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let zero = _mm512_setzero_si512();
            let m = _mm512_madd52hi_epu64(zero, _mm512_madd52lo_epu64(zero, acc, q.inverse), q.q);
            _mm512_sub_epi64(_mm512_add_epi64(_mm512_srli_epi64::<52>(acc), q.q), m) // (0, q + 2^12)
        }
    }
    #[inline(always)]
    fn quotient_add(self, acc: __m512i, y: __m512i, (shift, inverse): (u32, u64)) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let product = _mm512_mul_epu32(_mm512_sllv_epi64(y, self.all(shift as u64)), self.all(inverse));
            _mm512_add_epi64(acc, _mm512_srli_epi64::<32>(product))
        }
    }
    #[inline(always)]
    fn quotient_round(self, acc: __m512i) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_srli_epi64::<29>(_mm512_add_epi64(acc, _mm512_set1_epi64(1 << 28))) }
    }
    #[inline(always)]
    fn permute(self, out: &mut [u32], x: &[u32], index: &[u32; 16]) {
        let (out, x) = (&mut out[..16], &x[..16]);
        // SAFETY: `self` proves AVX-512; each array holds 16 words.
        unsafe {
            let index = _mm512_loadu_si512(index.as_ptr().cast());
            let x = _mm512_permutexvar_epi32(index, _mm512_loadu_si512(x.as_ptr().cast()));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), x)
        }
    }
}
