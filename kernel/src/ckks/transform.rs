//! Linear maps by baby steps and giant steps, hoisted twice: the babies share one mod_up, and the sum over the giants
//! is divided by P once.

use super::{
    Plaintext, Wide,
    eval::Ckks,
    hoist::{Hoisted, typed},
};
use crate::{
    arith::{GIANTS, Transform},
    backend::{Backend, Op},
    error::{Error, Result},
    poly::{Eval, Poly},
};
use alloc::vec::Vec;

impl<B: Backend> Ckks<'_, B> {
    pub(super) fn hoisted_transform(&mut self, h: &Hoisted<B>, map: &Transform<'_, Plaintext<B>>) -> Result<Wide<B>> {
        if let Some(p) = map.plain.iter().flatten().find(|p| p.level != h.level) {
            return Err(Error::LevelMismatch { left: h.level, right: p.level });
        }
        let giants: Vec<usize> = (0..map.giants.len()).filter(|g| map.row(*g).next().is_some()).collect();
        let mut sum = None;
        for giants in giants.chunks(GIANTS) {
            for (g, inner) in giants.iter().zip(self.inner_sums(h, map, giants)?) {
                self.outer_sum(h.level, map.giants[*g], inner, &mut sum)?;
            }
        }
        let c = sum.ok_or(Error::Length { expected: 1, actual: 0 })?;
        Ok(Wide { c, c2: None, level: h.level, extended: true })
    }

    /// The sum of rotated vectors times diagonals for each of `giants`.
    fn inner_sums(
        &mut self,
        h: &Hoisted<B>,
        map: &Transform<'_, Plaintext<B>>,
        giants: &[usize],
    ) -> Result<Vec<[Poly<Eval, B>; 2]>> {
        let (pq, width) = (self.params.pq(h.level), map.babies.len());
        let diagonal = |g: usize, b: usize| map.plain[g * width + b];
        let used: Vec<usize> = (0..width).filter(|b| giants.iter().any(|g| diagonal(*g, *b).is_some())).collect();
        let diagonals = giants.iter().flat_map(|g| used.iter().map(|b| diagonal(*g, *b)));
        let diagonals: Vec<_> = diagonals.map(|p| p.map(|p| p.m.limbs())).collect();
        self.executed.mul_plain += diagonals.iter().flatten().count() as u32;
        let mut halves = [Vec::with_capacity(giants.len()), Vec::with_capacity(giants.len())];
        for (half, sums) in halves.iter_mut().enumerate() {
            for _ in giants {
                sums.push(self.poly(pq)?.into_limbs());
            }
            let rotated = |b: &usize| Ok(h.get(map.babies[*b])?[half].limbs());
            let rotated = used.iter().map(rotated).collect::<Result<Vec<_>>>()?;
            self.be.dots(pq, sums, &rotated, &diagonals);
        }
        let [first, second] = halves;
        Ok(first.into_iter().zip(second).map(|(c0, c1)| typed([c0, c1])).collect())
    }

    /// sum += the rotation by `step` of a pair over P and Q (times P), staying there: c1 alone is divided by P,
    /// switched, and joined by c0.
    fn outer_sum(
        &mut self,
        level: u8,
        step: i32,
        [c0, c1]: [Poly<Eval, B>; 2],
        sum: &mut Option<[Poly<Eval, B>; 2]>,
    ) -> Result<()> {
        let (q, pq, galois) = (self.params.q(level), self.params.pq(level), self.params.galois(step));
        let pair = match galois {
            1 => [c0, c1],
            _ => {
                let mut d = self.poly(q)?;
                self.be.mod_switch(pq, q, d.limbs_mut(), c1.limbs(), &mut self.ws);
                let [mut b, a] = self.gadget_products(level, &d, &[galois])?.remove(0);
                self.be.zip_assign(Op::Add, pq, b.limbs_mut(), c0.limbs());
                [b, a]
            }
        };
        match sum {
            None if galois == 1 => *sum = Some(pair),
            None => *sum = Some(self.permute(&pair, galois)?),
            Some(sum) => {
                for (sum, c) in sum.iter_mut().zip(&pair) {
                    match galois {
                        1 => self.be.zip_assign(Op::Add, pq, sum.limbs_mut(), c.limbs()),
                        _ => self.be.permute_add(pq, sum.limbs_mut(), c.limbs(), galois, &mut self.ws),
                    }
                }
            }
        }
        Ok(())
    }
}
