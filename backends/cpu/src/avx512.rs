//! AVX-512 lanes: eight 64-bit lanes of 512 bits, multiplied 52 bits at a time (IFMA).
//!
//! A lazy residue is the low 52 bits of a lane; whatever lies above is ignored by the multiplier and never enters
//! the low bits. Factors carry w' = floor(w 2^52 / q), so xw - floor(xw'/2^52) q is in [0, 2q) for every x below
//! 2^52, and both products accumulate for free: a forward butterfly is three multiply-adds, one addition and one
//! subtraction. Nothing is corrected before [`Lanes::settle`]: a pass of 16 stages grows a word to 37 bits forwards
//! and 48 bits backwards.

use crate::{
    isa::Kernel,
    lanes::{LANES, Lanes, Twiddle},
};
use core::arch::x86_64::*;
use kernel::modular::Modulus;

/// Proof that the processor has AVX-512 F, BW, DQ, VL and IFMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The proof, on a processor that has them.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512ifma");
        found.then_some(Self(()))
    }
}

/// The constants of q, each in every lane.
#[derive(Clone, Copy, Debug)]
pub struct Constants {
    q: __m512i,
    minus_q: __m512i,       // 2^52 - q
    quotient: __m512i,      // floor(2^52 / q)
    lift: __m512i,          // 32 q
    inverse: __m512i,       // q^-1 mod 2^52, and so modulo 2^32
    minus_inverse: __m512i, // -q^-1 mod 2^52
}

const RADIX: u64 = 1 << 52;

/// The even and the odd words of 16, in the order of lanes (word bit 2, word bit 3, word bit 1).
const EVEN: [i32; 16] = [0, 0, 2, 0, 8, 0, 10, 0, 4, 0, 6, 0, 12, 0, 14, 0];
const ODD: [i32; 16] = [1, 0, 3, 0, 9, 0, 11, 0, 5, 0, 7, 0, 13, 0, 15, 0];
/// Where each of 16 words lies in that order: dword of the first vector, or 16 + dword of the second.
const NATURAL: [i32; 16] = [0, 16, 2, 18, 8, 24, 10, 26, 4, 20, 6, 22, 12, 28, 14, 30];

/// q^-1 modulo 2^52.
fn inverse(q: Modulus) -> u64 {
    let q = q.q() as u64;
    let mut inverse = q; // correct to 3 bits, then 6, 12, 24, 48, 96
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(q.wrapping_mul(inverse)));
    }
    inverse % RADIX
}

impl Avx512 {
    #[inline(always)]
    fn all(self, x: u64) -> __m512i {
        // SAFETY: `self` proves AVX-512.
        unsafe { _mm512_set1_epi64(x as i64) }
    }

    /// The words of `x` at the even places of `index`, each in the low half of a lane.
    #[inline(always)]
    fn pick(self, x: __m512i, index: &[i32; 16]) -> __m512i {
        // SAFETY: `self` proves AVX-512; an array of 16 words is 64 bytes.
        unsafe { _mm512_maskz_permutexvar_epi32(0x5555, _mm512_loadu_si512(index.as_ptr().cast()), x) }
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
        let (p, inverse) = (q.q() as u64, inverse(q));
        Constants {
            q: self.all(p),
            minus_q: self.all(RADIX - p),
            quotient: self.all(RADIX / p),
            lift: self.all(32 * p),
            inverse: self.all(inverse),
            minus_inverse: self.all(RADIX - inverse),
        }
    }
    #[inline(always)]
    fn load(self, x: &[u32], at: usize) -> __m512i {
        let x = &x[at..at + LANES];
        // SAFETY: `self` proves AVX-512; `x` is as long as the access.
        unsafe { _mm512_cvtepu32_epi64(_mm256_loadu_si256(x.as_ptr().cast())) }
    }
    #[inline(always)]
    fn store(self, x: &mut [u32], at: usize, v: __m512i) {
        let x = &mut x[at..at + LANES];
        // SAFETY: `self` proves AVX-512; `x` is as long as the access.
        unsafe { _mm256_storeu_si256(x.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(v)) }
    }
    #[inline(always)]
    fn splat(self, x: u64) -> __m512i {
        self.all(x)
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
        [self.all(w[0]), self.all(w[1])]
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
            let bound = _mm512_sllv_epi64(q.q, self.all(stage as u64 + 1)); // of v
            let difference = _mm512_sub_epi64(_mm512_add_epi64(u, bound), v);
            [_mm512_add_epi64(u, v), self.scale(q, difference, w)]
        }
    }
    fn word(q: Modulus, w: u32) -> u32 {
        q.mul(w, q.to_mont(1 << 20)) // from radix 2^32 to 2^52
    }
    #[inline(always)]
    fn spread2(self, q: &Constants, words: &[u32], at: usize) -> [__m512i; 2] {
        let w = &words[at..at + 2];
        // SAFETY: `self` proves AVX-512.
        unsafe {
            let both = _mm512_set1_epi64((w[0] as u64 | (w[1] as u64) << 32) as i64);
            self.shoup(q, self.pick(both, &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0]))
        }
    }
    #[inline(always)]
    fn spread4(self, q: &Constants, words: &[u32], at: usize) -> [__m512i; 2] {
        let w = &words[at..at + 4];
        // SAFETY: `self` proves AVX-512; `w` is as long as the access.
        unsafe {
            let four = _mm512_castsi128_si512(_mm_loadu_si128(w.as_ptr().cast()));
            self.shoup(q, self.pick(four, &[0, 0, 0, 0, 2, 0, 2, 0, 1, 0, 1, 0, 3, 0, 3, 0]))
        }
    }
    #[inline(always)]
    fn spread8(self, q: &Constants, words: &[u32], at: usize) -> [__m512i; 2] {
        let w = &words[at..at + 8];
        // SAFETY: `self` proves AVX-512; `w` is as long as the access.
        unsafe {
            let eight = _mm512_castsi256_si512(_mm256_loadu_si256(w.as_ptr().cast()));
            self.shoup(q, self.pick(eight, &[0, 0, 1, 0, 4, 0, 5, 0, 2, 0, 3, 0, 6, 0, 7, 0]))
        }
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
            let x = _mm512_loadu_si512(x.as_ptr().cast());
            [self.pick(x, &EVEN), self.pick(x, &ODD)]
        }
    }
    #[inline(always)]
    fn store_pair(self, x: &mut [u32], at: usize, [a, b]: [__m512i; 2]) {
        let x = &mut x[at..at + 2 * LANES];
        // SAFETY: `self` proves AVX-512; `x` is as long as the access.
        unsafe {
            let natural = _mm512_loadu_si512(NATURAL.as_ptr().cast());
            _mm512_storeu_si512(x.as_mut_ptr().cast(), _mm512_permutex2var_epi32(a, natural, b))
        }
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
