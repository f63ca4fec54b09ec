//! Arithmetic modulo one prime q < 2^30 on 32-bit words, Montgomery radix R = 2^32.
//!
//! No function of this file branches on a value, because secrets pass through the functions.

/// An odd prime q < 2^30 with its Montgomery constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modulus {
    q: u32,
    neg_q_inv: u32, // -q^-1 mod R
    r: u32,         // R mod q
    r2: u32,        // R^2 mod q
}

impl Modulus {
    /// `q` odd and below 2^30; anything else gives a meaningless modulus, which [`crate::params`] rejects.
    pub const fn new(q: u32) -> Self {
        let mut inv = q; // Newton: correct to 3 bits, then 6, 12, 24, 48
        let mut i = 0;
        while i < 4 {
            inv = inv.wrapping_mul(2u32.wrapping_sub(q.wrapping_mul(inv)));
            i += 1;
        }
        let odd = q | 1; // q, and never 0
        let r = (u32::MAX % odd + 1) % odd; // no division of 64-bit words, which is long code on a small device
        let (mut r2, mut i) = (r as u64, 0);
        while i < 32 {
            r2 *= 2;
            if r2 >= odd as u64 {
                r2 -= odd as u64;
            }
            i += 1;
        }
        Self { q, neg_q_inv: inv.wrapping_neg(), r, r2: r2 as u32 }
    }

    /// The prime.
    pub const fn q(self) -> u32 {
        self.q
    }

    /// -q^-1 mod 2^32.
    pub const fn neg_q_inv(self) -> u32 {
        self.neg_q_inv
    }

    /// 1 in Montgomery form: 2^32 mod q.
    pub const fn one(self) -> u32 {
        self.r
    }

    /// x mod q for x in [0, 2q).
    pub const fn reduce_once(self, x: u32) -> u32 {
        let d = x.wrapping_sub(self.q);
        d.wrapping_add(self.q & (((d as i32) >> 31) as u32))
    }

    /// a + b mod q.
    pub const fn add(self, a: u32, b: u32) -> u32 {
        self.reduce_once(a + b)
    }

    /// a - b mod q.
    pub const fn sub(self, a: u32, b: u32) -> u32 {
        self.reduce_once(a + self.q - b)
    }

    /// -a mod q.
    pub const fn neg(self, a: u32) -> u32 {
        self.reduce_once(self.q - a)
    }

    /// Montgomery reduction: t/R mod q for t < q 2^32.
    pub const fn redc(self, t: u64) -> u32 {
        let m = (t as u32).wrapping_mul(self.neg_q_inv);
        self.reduce_once(((t + m as u64 * self.q as u64) >> 32) as u32) // [0, 2q)
    }

    /// Montgomery product ab/R mod q, for ab < q 2^32: `mul(xR, yR) = xyR` and `mul(x, yR) = xy`.
    pub const fn mul(self, a: u32, b: u32) -> u32 {
        self.redc(a as u64 * b as u64)
    }

    /// x -> xR, for any word x.
    pub const fn to_mont(self, x: u32) -> u32 {
        self.mul(x, self.r2)
    }

    /// xR -> x.
    pub const fn from_mont(self, x: u32) -> u32 {
        self.redc(x as u64)
    }

    /// x mod q for any word x.
    pub const fn reduce(self, x: u32) -> u32 {
        self.mul(x, self.r)
    }

    /// x mod q for any 64-bit integer, by two Montgomery products: x = hi 2^32 + lo.
    pub const fn reduce_u64(self, x: u64) -> u32 {
        self.add(self.mul((x >> 32) as u32, self.r2), self.mul(x as u32, self.r))
    }

    /// x mod q in [0, q) for any signed 64-bit integer.
    pub const fn reduce_i64(self, x: i64) -> u32 {
        // x = u - 2^64 [x < 0] with u the two's complement of x; 2^64 = R^2.
        let sign = (x >> 63) as u32; // all ones when negative
        self.sub(self.reduce_u64(x as u64), self.r2 & sign)
    }

    /// base^e, plain in, plain out. The time depends on e alone.
    pub const fn pow_vartime(self, base: u32, mut e: u64) -> u32 {
        let (mut b, mut acc) = (self.to_mont(base), self.r);
        while e > 0 {
            if e & 1 == 1 {
                acc = self.mul(acc, b);
            }
            b = self.mul(b, b);
            e >>= 1;
        }
        self.from_mont(acc)
    }

    /// x^-1, plain in, plain out; 0 for 0.
    pub const fn inv(self, x: u32) -> u32 {
        self.pow_vartime(x, self.q as u64 - 2)
    }

    /// Whether q is prime: deterministic Miller-Rabin, bases 2, 3, 5, 7 (exact below 3.2e9).
    pub const fn is_prime(self) -> bool {
        let q = self.q;
        if q < 11 {
            return q == 3 || q == 5 || q == 7;
        }
        if q.is_multiple_of(2) {
            return false;
        }
        let s = (q - 1).trailing_zeros();
        let bases = [2u32, 3, 5, 7];
        let mut i = 0;
        while i < bases.len() {
            let mut x = self.pow_vartime(bases[i], ((q - 1) >> s) as u64);
            let mut witness = x != 1 && x != q - 1;
            let mut k = 1;
            while k < s && witness {
                x = self.mul(self.to_mont(x), x);
                witness = x != q - 1;
                k += 1;
            }
            if witness {
                return false;
            }
            i += 1;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Modulus;

    const Q: [u32; 4] = [786433, 268042241, 1054212097, 1073479681];

    #[test]
    fn products_and_sums_match_wide_integers() {
        for q in Q {
            let m = Modulus::new(q);
            let mut x = 12345u64;
            for _ in 0..1000 {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let (a, b) = ((x >> 33) as u32 % q, (x as u32) % q);
                assert_eq!(m.mul(m.to_mont(a), b) as u64, a as u64 * b as u64 % q as u64);
                assert_eq!(m.add(a, b), (a + b) % q);
                assert_eq!(m.sub(a, b) as u64, (a as u64 + q as u64 - b as u64) % q as u64);
                assert_eq!(m.reduce_u64(x) as u64, x % q as u64);
                assert_eq!(m.reduce_i64(x as i64) as i64, (x as i64).rem_euclid(q as i64));
                assert_eq!(m.reduce(x as u32), x as u32 % q);
                assert_eq!(m.from_mont(m.to_mont(a)), a);
            }
            for (a, b) in [(0, 0), (0, q - 1), (q - 1, q - 1), (q - 1, 0)] {
                assert_eq!(m.add(a, b) as u64, (a as u64 + b as u64) % q as u64);
                assert_eq!(m.sub(a, b) as u64, (a as u64 + q as u64 - b as u64) % q as u64);
                assert_eq!(m.neg(a), (q - a) % q);
            }
            for x in [0, 1, -1, i64::MAX, i64::MIN] {
                assert_eq!(m.reduce_i64(x) as i64, x.rem_euclid(q as i64));
            }
            assert_eq!(m.mul(m.to_mont(m.inv(7)), 7), 1);
        }
    }

    #[test]
    fn primality_agrees_with_trial_division() {
        let slow = |q: u32| (3..).step_by(2).take_while(|d| d * d <= q).all(|d| !q.is_multiple_of(d));
        for q in (3..20001).step_by(2).chain(Q) {
            assert_eq!(Modulus::new(q).is_prime(), slow(q), "{q}");
        }
    }
}
