//! Lanes without vector instructions: arrays of eight words, which the compiler may vectorise. Lazy residues are in [0,
//! 4q), and factors carry floor(w 2^32 / q) (Shoup).

use crate::lanes::{Form, Kernel, LANES, Lanes, Twiddle};
use polyformer_kernel::math::modular::Modulus;

/// Needs no proof.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

type V = [u32; LANES];

#[inline(always)]
fn map(f: impl Fn(usize) -> u32) -> V {
    core::array::from_fn(f)
}

#[inline(always)]
fn below(x: u32, bound: u32) -> u32 {
    x.min(x.wrapping_sub(bound)) // x < 2 bound
}

#[inline(always)]
fn high(a: u32, b: u32) -> u32 {
    ((a as u64 * b as u64) >> 32) as u32
}

/// The factor whose Montgomery residue is `m`: m = w 2^32 - w' q, so w' = -m/q mod 2^32 and w = ceil(w' q / 2^32).
#[inline(always)]
fn shoup(q: Modulus, m: u32) -> (u32, u32) {
    let quotient = m.wrapping_mul(q.neg_q_inv());
    (high(quotient, q.q()) + 1, quotient)
}

#[inline(always)]
fn redc(q: Modulus, acc: u64) -> u32 {
    let hi = (acc >> 32) as u32;
    let hi = hi - high(hi, u32::MAX / q.q()) * q.q(); // [0, 2q)
    let m = (acc as u32).wrapping_mul(q.neg_q_inv());
    hi + high(m, q.q()) + (acc as u32 != 0) as u32 // [0, 3q]
}

impl Portable {
    #[inline(always)]
    fn formed(self, q: &Modulus, x: V, form: Form) -> V {
        if form == Form::Canonical { self.canonical(q, x) } else { x }
    }
}

impl Lanes for Portable {
    type V = V;
    type A = [u64; LANES];
    type Q = Modulus;
    type W = (V, V);
    const SETTLED: usize = 4;
    const FEW: bool = true;

    fn call<K: Kernel<Self>>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn modulus(self, q: Modulus) -> Modulus {
        q
    }
    #[inline(always)]
    fn load(self, x: &[u32], at: usize) -> V {
        let x = &x[at..at + LANES];
        map(|i| x[i])
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
        x[at..at + LANES].copy_from_slice(&v);
    }
    #[inline(always)]
    fn store_two(self, q: &Modulus, x: &mut [u32], at: usize, [a, b]: [V; 2], form: Form) {
        self.store(x, at, self.formed(q, a, form));
        self.store(x, at + LANES, self.formed(q, b, form));
    }
    #[inline(always)]
    fn prefetch(self, _: &[u32], _: usize) {}
    #[inline(always)]
    fn prefetch_write(self, _: &mut [u32], _: usize) {}
    #[inline(always)]
    fn splat(self, x: u32) -> V {
        [x; LANES]
    }
    #[inline(always)]
    fn add(self, q: &Modulus, a: V, b: V) -> V {
        map(|i| q.add(a[i], b[i]))
    }
    #[inline(always)]
    fn sub(self, q: &Modulus, a: V, b: V) -> V {
        map(|i| q.sub(a[i], b[i]))
    }
    #[inline(always)]
    fn mul(self, q: &Modulus, a: V, b: V) -> V {
        map(|i| q.mul(a[i], b[i]))
    }
    #[inline(always)]
    fn settle(self, _: &Modulus, x: V) -> V {
        x
    }
    #[inline(always)]
    fn canonical(self, q: &Modulus, x: V) -> V {
        map(|i| below(below(x[i], 2 * q.q()), q.q()))
    }
    fn twiddle(q: Modulus, w: u32) -> Twiddle {
        [w as u64, ((w as u64) << 32) / q.q() as u64]
    }
    #[inline(always)]
    fn factor(self, w: &Twiddle) -> (V, V) {
        ([w[0] as u32; LANES], [w[1] as u32; LANES])
    }
    #[inline(always)]
    fn add_settled(self, q: &Modulus, x: V, y: V) -> V {
        map(|i| below(x[i], 2 * q.q()) + y[i])
    }
    #[inline(always)]
    fn scale(self, q: &Modulus, x: V, w: (V, V)) -> V {
        map(|i| x[i].wrapping_mul(w.0[i]).wrapping_sub(high(x[i], w.1[i]).wrapping_mul(q.q())))
    }
    #[inline(always)]
    fn lift(self, _: &Modulus, u: V) -> V {
        u
    }
    #[inline(always)]
    fn forward(self, q: &Modulus, u: V, x: V, w: (V, V)) -> [V; 2] {
        let (r, two_q) = (self.scale(q, x, w), 2 * q.q());
        let u = map(|i| below(u[i], two_q));
        [map(|i| u[i] + r[i]), map(|i| u[i] + two_q - r[i])]
    }
    #[inline(always)]
    fn inverse(self, q: &Modulus, u: V, v: V, w: (V, V), _: u32) -> [V; 2] {
        let two_q = 2 * q.q();
        let difference = map(|i| u[i] + two_q - v[i]);
        [map(|i| below(u[i] + v[i], two_q)), self.scale(q, difference, w)]
    }
    #[inline(always)]
    fn raised(self, _: &Modulus, _: Option<usize>) -> V {
        self.splat(0)
    }
    #[inline(always)]
    fn raise(self, u: V, _: V) -> V {
        u
    }
    #[inline(always)]
    fn inverse_raised(self, q: &Modulus, u: V, v: V, w: (V, V), _: V) -> [V; 2] {
        self.inverse(q, u, v, w, 0)
    }
    fn word(_: Modulus, w: u32) -> u32 {
        w
    }
    #[inline(always)]
    fn spread2(self, q: &Modulus, w: &[u32; 2]) -> (V, V) {
        (map(|i| shoup(*q, w[i / 4]).0), map(|i| shoup(*q, w[i / 4]).1))
    }
    #[inline(always)]
    fn spread4(self, q: &Modulus, w: &[u32; 4]) -> (V, V) {
        (map(|i| shoup(*q, w[i / 2]).0), map(|i| shoup(*q, w[i / 2]).1))
    }
    #[inline(always)]
    fn spread8(self, q: &Modulus, w: &[u32; 8]) -> (V, V) {
        (map(|i| shoup(*q, w[i]).0), map(|i| shoup(*q, w[i]).1))
    }
    #[inline(always)]
    fn split4(self, [a, b]: [V; 2]) -> [V; 2] {
        [map(|i| if i < 4 { a[i] } else { b[i - 4] }), map(|i| if i < 4 { a[i + 4] } else { b[i] })]
    }
    #[inline(always)]
    fn split2(self, [a, b]: [V; 2]) -> [V; 2] {
        [map(|i| if i & 2 == 0 { a[i] } else { b[i - 2] }), map(|i| if i & 2 == 0 { a[i + 2] } else { b[i] })]
    }
    #[inline(always)]
    fn split1(self, [a, b]: [V; 2]) -> [V; 2] {
        [map(|i| if i & 1 == 0 { a[i] } else { b[i - 1] }), map(|i| if i & 1 == 0 { a[i + 1] } else { b[i] })]
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
        [map(|i| x[2 * i]), map(|i| x[2 * i + 1])]
    }
    #[inline(always)]
    fn store_pair(self, q: &Modulus, x: &mut [u32], at: usize, [a, b]: [V; 2], form: Form) {
        let (a, b) = (self.formed(q, a, form), self.formed(q, b, form));
        for (i, x) in x[at..at + 2 * LANES].chunks_exact_mut(2).enumerate() {
            (x[0], x[1]) = (a[i], b[i]);
        }
    }
    #[inline(always)]
    fn zero(self) -> [u64; LANES] {
        [0; LANES]
    }
    #[inline(always)]
    fn mul_add(self, acc: [u64; LANES], a: V, b: V) -> [u64; LANES] {
        core::array::from_fn(|i| acc[i] + a[i] as u64 * b[i] as u64)
    }
    #[inline(always)]
    fn reduce(self, q: &Modulus, acc: [u64; LANES]) -> V {
        map(|i| redc(*q, acc[i]))
    }
    fn constant(q: Modulus, c: u32) -> u32 {
        q.to_mont(c)
    }
    #[inline(always)]
    fn reduce_constant(self, q: &Modulus, acc: [u64; LANES]) -> V {
        self.reduce(q, acc)
    }
    #[inline(always)]
    fn quotient_add(self, acc: [u64; LANES], y: V, (shift, inverse): (u32, u64)) -> [u64; LANES] {
        core::array::from_fn(|i| acc[i] + ((((y[i] as u64) << shift) * inverse) >> 32))
    }
    #[inline(always)]
    fn quotient_round(self, acc: [u64; LANES]) -> V {
        map(|i| ((acc[i] + (1 << 28)) >> 29) as u32)
    }
    #[inline(always)]
    fn permute(self, out: &mut [u32], x: &[u32], index: &[u32; 16]) {
        for (o, i) in out.iter_mut().zip(index) {
            *o = x[*i as usize & 15];
        }
    }
}
