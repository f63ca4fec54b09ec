//! Linear maps by baby steps and giant steps, hoisted twice. The baby steps share one mod_up. The sum over the giant
//! steps is divided by P once. The product of a map consists of its inner sums. The giant steps are done at the
//! rescale, all at once, and once for all maps that were accumulated.

use super::{Ckks, Hoisted, Plaintext, Wide};
use crate::{
    arith::Transform,
    backend::{
        Backend, GiantStep,
        poly::{Eval, Poly},
    },
    error::{Error, Result},
};
use alloc::vec::Vec;

/// GiantStep steps whose inner sums are made at once: each group of them reads all babies.
const GIANTS: usize = 12;

impl<B: Backend> Ckks<'_, B> {
    pub(super) fn hoisted_transform(&mut self, h: &Hoisted<B>, map: &Transform<'_, Plaintext<B>>) -> Result<Wide<B>> {
        if let Some(p) = map.plain.iter().flatten().find(|p| p.level != h.level) {
            return Err(Error::LevelMismatch { left: h.level, right: p.level });
        }
        let used: Vec<usize> = (0..map.giant_steps.len()).filter(|g| map.row(*g).next().is_some()).collect();
        let mut sums = Vec::with_capacity(used.len());
        for used in used.chunks(GIANTS) {
            let steps = used.iter().map(|g| map.giant_steps[*g]);
            sums.extend(steps.zip(self.inner_sums(h, map, used)?));
        }
        let here = sums.iter().position(|(step, _)| self.params.galois(*step) == 1);
        let c = here.map(|i| sums.remove(i).1);
        if c.is_none() && sums.is_empty() {
            return Err(Error::Length { expected: 1, actual: 0 });
        }
        Ok(Wide { c, c2: None, giant_steps: sums, level: h.level, extended: true })
    }

    /// The sum of rotated vectors times diagonals for each of `giant_steps`.
    fn inner_sums(
        &mut self,
        h: &Hoisted<B>,
        map: &Transform<'_, Plaintext<B>>,
        giant_steps: &[usize],
    ) -> Result<Vec<[Poly<Eval, B>; 2]>> {
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

    /// sum += the rotation of each pair, over P and Q and times P, by its step, which is none of nothing: c1 is divided by
    /// P, switched, and joined by c0.
    pub(super) fn giant_steps(
        &mut self,
        level: u8,
        giant_steps: Vec<(i32, [Poly<Eval, B>; 2])>,
        sum: Option<[Poly<Eval, B>; 2]>,
    ) -> Result<Option<[Poly<Eval, B>; 2]>> {
        if giant_steps.is_empty() {
            return Ok(sum);
        }
        self.executed.key_switch += giant_steps.len() as u32;
        let fresh = sum.is_none();
        let mut sum = match sum {
            Some(sum) => sum,
            None => self.pair(self.params.pq(level))?,
        }
        .map(Poly::into_limbs);
        let Self { be, ws, params, keys, .. } = self;
        let giant = |(step, c): (i32, [Poly<Eval, B>; 2])| {
            let galois = params.galois(step);
            Ok(GiantStep { c: c.map(Poly::into_limbs), galois, key: keys.galois(galois, level)? })
        };
        let mut giant_steps = giant_steps.into_iter().map(giant).collect::<Result<Vec<_>>>()?;
        be.giant_steps((params.q(level), params.alpha()), &mut giant_steps, &mut sum, fresh, ws)?;
        Ok(Some(sum.map(Poly::assume)))
    }
}
