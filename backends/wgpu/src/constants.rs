//! The constants of transforms and conversions, in the blocks that the shaders read. Each block is computed once.

use crate::{
    recorder::Recorder,
    table::{Key, key3},
};
use polyformer_kernel::{
    math::modular::Modulus,
    ring::{Basis, Ring, convert::Conversion, limb::quotient_inverse},
};

/// The final factor of an inverse transform of rows of 2^log words, times `c`. The factor is in standard form, so that
/// the product also leaves Montgomery form.
fn inverse(q: Modulus, log_cols: u32, c: u32) -> u32 {
    q.mul(q.to_mont(q.inv(1 << log_cols)), c)
}

impl Recorder {
    /// The final factors of `intt` over `over`, for rows of 2^log words.
    pub fn inverse(&mut self, ring: &Ring<'_>, over: Basis, log_cols: u32) -> u32 {
        let make = || over.iter().map(|m| inverse(ring.modulus(m), log_cols, 1)).collect();
        self.block(Key::Inverse(key3(over), log_cols), make)
    }

    /// The constants of `convert` from each basis. All bases have the same number of primes and lie `alpha` primes apart.
    pub fn conversions(&mut self, ring: &Ring<'_>, from: &[Basis], alpha: u16, to: Basis) -> u32 {
        let first = from.first().map_or([0; 3], |from| key3(*from));
        self.block(Key::Convert(first, key3(to), from.len() as u16, alpha), || {
            let one = |from: &Basis| conversion(&Conversion::new(ring, *from, to), |_, q| q.to_mont(1));
            from.iter().flat_map(one).collect()
        })
    }

    /// The final factors of `intt` over P and `q`, for operands that are divided by P and then decomposed. The rows of
    /// P have the factors of a mod_switch. The other rows have 1/P.
    pub fn divided(&mut self, ring: &Ring<'_>, q: Basis, log_cols: u32) -> u32 {
        let p = Basis::specials(ring.specials());
        self.block(Key::Divided(key3(q), log_cols), || {
            let c = Conversion::new(ring, p, Basis::span(0, 0));
            let of_p = p.iter().map(|m| (m, ring.modulus(m).from_mont(c.hat_inv(m))));
            let rest = q.iter().map(|m| (m, ring.modulus(m).inv(ring.product(p, ring.modulus(m)))));
            of_p.chain(rest).map(|(m, factor)| inverse(ring.modulus(m), log_cols, factor)).collect()
        })
    }

    /// P modulo each prime of `over`, and 0 modulo the primes of P.
    pub fn raised(&mut self, ring: &Ring<'_>, over: Basis) -> u32 {
        self.block(Key::Raised(key3(over)), || {
            let p = Basis::specials(ring.specials());
            let factor = |m: usize| ring.modulus(m).to_mont(ring.product(p, ring.modulus(m)));
            over.iter().map(|m| if m < ring.specials() as usize { 0 } else { factor(m) }).collect()
        })
    }

    /// The final factors of `intt` over the dropped rows of a mod_switch: R and (D/d)^-1.
    pub fn dropped(&mut self, ring: &Ring<'_>, from: Basis, to: Basis, log_cols: u32) -> u32 {
        let (drop, restore) = (from.minus(to), to.minus(from));
        self.block(Key::Dropped(key3(from), key3(to), log_cols), || {
            let c = Conversion::new(ring, drop, Basis::span(0, 0));
            let end = |(i, m)| {
                let q: Modulus = ring.modulus(m);
                inverse(q, log_cols, q.mul(c.hat_inv(i), ring.product(restore, q)))
            };
            drop.iter().enumerate().map(end).collect()
        })
    }

    /// The conversion of a mod_switch, times -1/D.
    pub fn quotient(&mut self, ring: &Ring<'_>, from: Basis, to: Basis) -> u32 {
        let drop = from.minus(to);
        self.block(Key::Quotient(key3(from), key3(to)), || {
            let c = Conversion::new(ring, drop, to);
            conversion(&c, |t, q| q.to_mont(q.neg(q.inv(q.from_mont(c.modulus(t))))))
        })
    }

    /// R/D for the kept rows of `to`, 0 for restored ones.
    pub fn kept(&mut self, ring: &Ring<'_>, from: Basis, to: Basis) -> u32 {
        let (drop, restore, keep) = (from.minus(to), to.minus(from), from.and(to));
        self.block(Key::Kept(key3(from), key3(to)), || {
            let kept = |m: usize| {
                let q = ring.modulus(m);
                let one = Basis::span(m, m + 1);
                let is_kept = keep.covers(one) || m < keep.specials as usize;
                if is_kept {
                    q.mul(q.to_mont(ring.product(restore, q)), q.to_mont(q.inv(ring.product(drop, q))))
                } else {
                    0
                }
            };
            to.iter().map(kept).collect()
        })
    }

    /// The final factors of `intt` over `q`, each digit times its (F/f)^-1.
    pub fn digits(&mut self, ring: &Ring<'_>, q: Basis, alpha: u16, digits: &[Basis], log_cols: u32) -> u32 {
        self.block(Key::Digits(key3(q), alpha, log_cols), || {
            let none = Basis::span(0, 0);
            let conversions = digits.iter().map(|d| (Conversion::new(ring, *d, none), d));
            let ends = conversions.flat_map(|(c, digit)| {
                let end = |(i, m)| inverse(ring.modulus(m), log_cols, ring.modulus(m).from_mont(c.hat_inv(i)));
                digit.iter().enumerate().map(end).collect::<Vec<_>>()
            });
            ends.collect()
        })
    }
}

/// (shift, inverse, (F/f)^-1) of each source; for each target F/f of each source and -F, times `factor`, which is in
/// Montgomery form.
fn conversion(c: &Conversion, factor: impl Fn(usize, Modulus) -> u32) -> Vec<u32> {
    let mut words = Vec::new();
    for (i, f) in c.sources().iter().enumerate() {
        let (shift, inverse) = quotient_inverse(f.q());
        words.extend([shift, inverse as u32, c.hat_inv(i)]);
    }
    for (t, q) in c.targets().iter().enumerate() {
        let factor = factor(t, *q);
        let row = c.hats(t).iter().copied().chain([q.neg(c.modulus(t))]);
        words.extend(row.map(|w| q.mul(w, factor)));
    }
    words
}
