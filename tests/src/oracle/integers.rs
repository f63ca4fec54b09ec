//! Residues as big integers.

use super::inverse;
use num_bigint::{BigInt, BigUint};
use num_integer::Integer;

/// A set of primes, its product F, and for each prime f: F/f and (F/f)^-1 mod f.
#[derive(Debug)]
pub struct Residues {
    primes: Vec<u32>,
    modulus: BigUint,
    hats: Vec<(BigUint, u32)>,
}

impl Residues {
    /// The residues modulo `primes`.
    pub fn new(primes: &[u32]) -> Self {
        let modulus: BigUint = primes.iter().product();
        let hat = |f: &u32| {
            let hat = &modulus / f;
            let residue = rem(&hat.clone().into(), *f);
            (hat, inverse(*f, residue))
        };
        Self { primes: primes.to_vec(), hats: primes.iter().map(hat).collect(), modulus }
    }

    /// F.
    pub fn modulus(&self) -> &BigUint {
        &self.modulus
    }

    /// y_i = [x_i (F/f_i)^-1]_{f_i}.
    fn digits(&self, x: &[u32]) -> Vec<u32> {
        let digit = |((x, f), (_, inv)): ((&u32, &u32), &(BigUint, u32))| super::mul(*f, *x, *inv);
        x.iter().zip(&self.primes).zip(&self.hats).map(digit).collect()
    }

    /// sum_i y_i F/f_i, which is x + uF with 0 <= u < number of primes.
    fn sum(&self, y: &[u32]) -> BigUint {
        y.iter().zip(&self.hats).map(|(y, (hat, _))| hat * y).sum()
    }

    /// The integer in [0, F) with these residues.
    pub fn exact(&self, x: &[u32]) -> BigUint {
        self.sum(&self.digits(x)) % &self.modulus
    }

    /// The representative nearest to 0, by the rule of every backend: v = round(sum y_i
    /// f_i) in 29 fractional bits, each term rounded down (docs/math.md §3.3). The result is the true nearest unless
    /// x/F is within (number of primes) 2^-28 of a half-integer. Every call checks this.
    pub fn centered(&self, x: &[u32]) -> BigInt {
        let fraction = |(y, f): (&u32, &u32)| {
            let shift = (29 - f.ilog2()) as usize; // so that the shifted prime has 30 bits
            let inverse = (BigUint::from(1u32) << (61 - shift)) / f;
            ((BigUint::from(*y) << shift) * inverse) >> 32usize
        };
        let y = self.digits(x);
        let quotient: BigUint = y.iter().zip(&self.primes).map(fraction).sum();
        let v = (quotient + (1u32 << 28)) >> 29usize;
        let t = BigInt::from(self.sum(&y)) - BigInt::from(v * &self.modulus);
        let half = BigInt::from(self.modulus.clone()) << 27usize; // F/2 in units of 2^-28
        let slack = BigInt::from(&self.modulus * self.primes.len());
        assert!(BigInt::from(t.magnitude().clone()) << 28usize <= half + slack, "{t} is not centred");
        t
    }
}

/// round(aR/D) from residues over `from` to the primes `to`. D is the product of the dropped primes, and R the product
/// of the new primes.
#[derive(Debug)]
pub struct Switch {
    from: Residues,
    drop: Residues,
    restored: BigInt,
}

impl Switch {
    /// From the primes `from` to the primes `to`.
    pub fn new(from: &[u32], to: &[u32]) -> Self {
        let without = |a: &[u32], b: &[u32]| a.iter().copied().filter(|q| !b.contains(q)).collect::<Vec<u32>>();
        let restored = without(to, from).iter().product::<BigUint>().into();
        Self { from: Residues::new(from), drop: Residues::new(&without(from, to)), restored }
    }

    /// (aR - t)/D with t = aR modulo D, centred by the rule of [`Residues::centered`]. The result is the nearest
    /// integer, unless t is beyond D/2 within the tolerance of the rule. Every call checks this.
    pub fn rounded(&self, a: &[u32]) -> BigInt {
        let scaled = BigInt::from(self.from.exact(a)) * &self.restored;
        let t = self.drop.centered(&self.drop.primes.iter().map(|d| rem(&scaled, *d)).collect::<Vec<u32>>());
        let d = BigInt::from(self.drop.modulus.clone());
        let quotient = (&scaled - &t) / &d;
        let off = &quotient - nearest(&scaled, &d);
        assert!(off == BigInt::from(0) || (t.magnitude() << 1usize) > *d.magnitude(), "off by {off}");
        quotient
    }
}

/// x mod q in [0, q).
pub fn rem(x: &BigInt, q: u32) -> u32 {
    let r = x.mod_floor(&BigInt::from(q));
    r.iter_u32_digits().next().unwrap_or(0)
}

/// round(a / b), halves up, b > 0.
pub fn nearest(a: &BigInt, b: &BigInt) -> BigInt {
    let doubled: BigInt = a * 2 + b;
    doubled.div_floor(&(b * 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMES: [u32; 3] = [786433, 1054212097, 1073479681];

    #[test]
    fn residues_give_the_integer_back() {
        let r = Residues::new(&PRIMES);
        for x in [0u128, 1, 12345678901234567890, 786433 * 1054212097 * 1073479681 - 1] {
            let residues = PRIMES.map(|q| (x % q as u128) as u32);
            assert_eq!(r.exact(&residues), BigUint::from(x));
            let sum = r.sum(&r.digits(&residues));
            assert_eq!(&sum % r.modulus(), BigUint::from(x));
            assert!(sum < r.modulus() * 3u32);
        }
    }

    #[test]
    fn the_centred_lift_changes_sign_at_half() {
        let r = Residues::new(&PRIMES);
        let f = BigInt::from(r.modulus().clone());
        let (third, half): (BigInt, BigInt) = (&f / 3, &f / 2 - (&f >> 24));
        for x in [BigInt::from(-1), BigInt::from(5), third.clone(), -third, half.clone(), -half] {
            assert_eq!(r.centered(&PRIMES.map(|q| rem(&x, q))), x);
        }
    }

    #[test]
    fn nearest_rounds_halves_up() {
        let nearest = |a: i32, b: i32| nearest(&a.into(), &b.into());
        assert_eq!([nearest(7, 2), nearest(-7, 2), nearest(5, 3), nearest(-5, 3)], [4, -3, 2, -2].map(BigInt::from));
    }
}
