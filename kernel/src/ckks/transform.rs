//! Linear maps by baby steps and giant steps, hoisted twice. The baby steps share one mod_up. The sum over the giant
//! steps is divided by P once. The product of a map consists of its inner sums. The giant steps are done at the
//! rescale, all at once, and once for all maps that were accumulated.

use super::{
    Ckks, Hoisted, Plaintext, Wide,
    wide::{Halves, InnerSums, Parts},
};
use crate::{
    arith::Transform,
    backend::{Backend, GiantStep, poly::Poly},
    error::{Error, Result},
};
use alloc::vec::Vec;

/// Giant steps whose inner sums are computed at once. Each group of giant steps reads all baby steps.
const GIANTS: usize = 12;

impl<B: Backend> Ckks<'_, B> {
    pub(super) fn hoisted_transform(&mut self, h: &Hoisted<B>, map: &Transform<'_, Plaintext<B>>) -> Result<Wide<B>> {
        if let Some(p) = map.plain.iter().flatten().find(|p| p.level != h.level) {
            return Err(Error::LevelMismatch { left: h.level, right: p.level });
        }
        let used: Vec<usize> = (0..map.giant_steps.len()).filter(|g| map.row(*g).next().is_some()).collect();
        let mut sums = Vec::with_capacity(used.len());
        for used in used.chunks(GIANTS) {
            let steps: Vec<i32> = used.iter().map(|g| self.giant_step(map.giant_steps[*g])).collect();
            sums.extend(steps.into_iter().zip(self.inner_sums(h, map, used)?));
        }
        Ok(Wide { level: h.level, parts: Parts::Maps { sums: InnerSums::new(sums)?, c2: None } })
    }

    /// The sum of rotated vectors times diagonals for each of `giant_steps`.
    fn inner_sums(
        &mut self,
        h: &Hoisted<B>,
        map: &Transform<'_, Plaintext<B>>,
        giant_steps: &[usize],
    ) -> Result<Vec<Halves<B>>> {
        let (pq, width) = (self.params.pq(h.level), map.baby_steps.len());
        let diagonal = |g: usize, b: usize| map.plain[g * width + b];
        let used: Vec<usize> = (0..width).filter(|b| giant_steps.iter().any(|g| diagonal(*g, *b).is_some())).collect();
        let diagonals = giant_steps.iter().flat_map(|g| used.iter().map(|b| diagonal(*g, *b)));
        let diagonals: Vec<_> = diagonals.map(|p| p.map(|p| p.m.limbs())).collect();
        self.executed.mul_plain += diagonals.iter().flatten().count() as u32;
        let mut halves = [Vec::with_capacity(giant_steps.len()), Vec::with_capacity(giant_steps.len())];
        for (half, sums) in halves.iter_mut().enumerate() {
            for _ in giant_steps {
                sums.push(self.poly(pq)?.into_limbs());
            }
            let rotated = |b: &usize| Ok(h.get(map.baby_steps[*b])?[half].limbs());
            let rotated = used.iter().map(rotated).collect::<Result<Vec<_>>>()?;
            self.be.inner_products(pq, sums, &rotated, &diagonals);
        }
        let [first, second] = halves;
        Ok(first.into_iter().zip(second).map(|(c0, c1)| [c0, c1].map(Poly::assume)).collect())
    }

    /// The step in the form of the inner sums: 0 for the identity.
    fn giant_step(&self, step: i32) -> i32 {
        if self.params.galois(step) == 1 { 0 } else { step }
    }

    /// Executes the giant steps of `sums` and adds all results, times P, over P and Q. For each rotated inner sum:
    /// divide c1 by P, key-switch it, add c0, rotate.
    pub(super) fn giant_steps(&mut self, level: u8, sums: InnerSums<B>) -> Result<Halves<B>> {
        let (here, rotated) = sums.split();
        let fresh = here.is_none();
        let sum = match here {
            Some(sum) if rotated.is_empty() => return Ok(sum),
            Some(sum) => sum,
            None => self.pair(self.params.pq(level))?,
        };
        self.executed.key_switch += rotated.len() as u32;
        let mut sum = sum.map(Poly::into_limbs);
        let Self { be, ws, params, keys, .. } = self;
        let giant = |(step, c): (i32, Halves<B>)| {
            let galois = params.galois(step);
            Ok(GiantStep { c: c.map(Poly::into_limbs), galois, key: keys.galois(galois, level)? })
        };
        let mut giant_steps = rotated.into_iter().map(giant).collect::<Result<Vec<_>>>()?;
        be.giant_steps((params.q(level), params.alpha()), &mut giant_steps, &mut sum, fresh, ws)?;
        Ok(sum.map(Poly::assume))
    }
}
