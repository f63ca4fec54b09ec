//! Encoded products of sparse linear maps. Each map uses baby steps and giant steps, either with a key for each step or
//! with two keys per map.

use super::dft::{Diagonals, rotated_period};
use crate::{
    arith::{Arithmetic, ComplexArithmetic, Sum, Transform},
    error::{Error, Result},
    math::complex::Complex,
};
use alloc::vec::Vec;

/// The method and the keys of the rotations of a linear map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RotationStrategy {
    /// A key for each baby step and each giant step. Baby steps share one mod_up, and giant steps share one division by
    /// P.
    #[default]
    Hoisted,
    /// min-KS: each rotation is made from the previous one. One key serves the baby steps of a map, one key its giant
    /// steps, and one more key each product of maps. The number of key switches is the same, and no key switch is
    /// hoisted. [ARK, MICRO 2022]
    MinKs,
}

/// A product of linear maps, each encoded for the level below the last.
#[derive(Debug)]
pub struct FactoredTransform<P> {
    maps: Vec<Encoded<P>>,
    turn: i32, // the rotation that is left to do after the last map
}

impl<P> FactoredTransform<P> {
    /// Encodes `maps`, the first applied at level `from`.
    ///
    /// # Errors
    /// [`Error::Slots`] if a diagonal does not divide the slots; [`Error::LevelExhausted`] if `from` is below
    /// the number of maps; the errors of [`ComplexArithmetic::encode_complex`].
    pub fn new<A: ComplexArithmetic<Plaintext = P>>(
        ev: &mut A,
        maps: &[Diagonals],
        from: u8,
        steps: RotationStrategy,
    ) -> Result<Self> {
        let (mut turn, mut encoded) = (0, Vec::with_capacity(maps.len()));
        for (map, level) in maps.iter().zip((0..=from).rev()) {
            encoded.push(Encoded::new(ev, map, level, steps, &mut turn)?);
        }
        Ok(Self { maps: encoded, turn })
    }

    /// The same maps with each diagonal replaced, its level being known.
    pub fn map<Q>(&self, f: impl Fn(u8) -> Q) -> FactoredTransform<Q> {
        FactoredTransform { maps: self.maps.iter().map(|m| m.map(|_| f(m.level))).collect(), turn: self.turn }
    }

    /// The product of a vector. Depth: the number of maps.
    ///
    /// # Errors
    /// [`Error::LevelExhausted`] if x is below the level of the first map; the first key that is missing.
    pub fn apply<A: Arithmetic<Plaintext = P>>(&self, ev: &mut A, x: A::Slots) -> Result<A::Slots> {
        let x = self.maps.iter().try_fold(x, |x, map| map.apply(ev, x))?;
        if self.turn == 0 { Ok(x) } else { ev.rotate(&x, self.turn) }
    }
}

/// A linear map, split into baby steps and giant steps and encoded for one level.
#[derive(Debug)]
struct Encoded<P> {
    steps: RotationStrategy,
    baby_steps: Vec<i32>,
    giant_steps: Vec<i32>,
    plain: Vec<Option<P>>,
    level: u8,
}

impl<P> Encoded<P> {
    /// Encodes the diagonals of `map`. A map of period p takes 2p words a limb.
    ///
    /// With [`RotationStrategy::MinKs`] the offsets must be nonnegative. The encoded map is the map of the input
    /// rotated by `turn`. `turn` grows by the least offset of the map, and a later step corrects the rotation. With
    /// [`RotationStrategy::Hoisted`] `turn` stays 0.
    fn new<A: ComplexArithmetic<Plaintext = P>>(
        ev: &mut A,
        map: &Diagonals,
        level: u8,
        steps: RotationStrategy,
        turn: &mut i32,
    ) -> Result<Self> {
        let least = match steps {
            RotationStrategy::Hoisted => 0,
            RotationStrategy::MinKs => map.offsets().min().unwrap_or(0),
        };
        *turn = map.offset(*turn + least);
        let (baby_steps, giant_steps) = split(map, least);
        let mut plain = Vec::with_capacity(baby_steps.len() * giant_steps.len());
        for g in &giant_steps {
            for b in &baby_steps {
                plain.push(match map.diagonal(g + b + least) {
                    Some(diagonal) if !reached_before(map, &baby_steps, &giant_steps, *g, *b) => {
                        let rotated: Vec<Complex> = rotated_period(diagonal, -g - *turn);
                        Some(ev.encode_complex(&rotated, level)?)
                    }
                    _ => None,
                });
            }
        }
        Ok(Self { steps, baby_steps, giant_steps, plain, level })
    }

    fn map<Q>(&self, f: impl Fn(&P) -> Q) -> Encoded<Q> {
        let plain = self.plain.iter().map(|p| p.as_ref().map(&f)).collect();
        let (baby_steps, giant_steps) = (self.baby_steps.clone(), self.giant_steps.clone());
        Encoded { steps: self.steps, baby_steps, giant_steps, plain, level: self.level }
    }

    /// The map of a vector, at least at the level of the encoding. Depth 1.
    fn apply<A: Arithmetic<Plaintext = P>>(&self, ev: &mut A, x: A::Slots) -> Result<A::Slots> {
        let x = ev.drop_to_level(x, self.level)?;
        let plain: Vec<Option<&P>> = self.plain.iter().map(Option::as_ref).collect();
        let map = Transform { baby_steps: &self.baby_steps, giant_steps: &self.giant_steps, plain: &plain };
        match self.steps {
            RotationStrategy::Hoisted => {
                let hoisted = ev.hoist(&x, &self.baby_steps)?;
                let sum = ev.transform(&hoisted, &map)?;
                drop(hoisted); // giant steps take room, too
                ev.rescale(sum)
            }
            RotationStrategy::MinKs => one_by_one(ev, x, &map),
        }
    }
}

/// The map with each baby step rotated from the previous one, and the giant steps by Horner's rule. The last inner sum
/// comes first. The sum is rotated by one giant step before each addition.
fn one_by_one<A: Arithmetic>(ev: &mut A, x: A::Slots, map: &Transform<'_, A::Plaintext>) -> Result<A::Slots> {
    let mut rotated = Vec::with_capacity(map.baby_steps.len());
    rotated.push(x);
    for pair in map.baby_steps.windows(2) {
        let next = ev.rotate(&rotated[rotated.len() - 1], pair[1] - pair[0])?;
        rotated.push(next);
    }
    let step = map.giant_steps.get(1).map_or(0, |second| second - map.giant_steps[0]);
    let mut sum: Option<A::Slots> = None;
    for g in (0..map.giant_steps.len()).rev() {
        sum = match sum {
            Some(sum) => Some(ev.rotate(&sum, step)?),
            None => None,
        };
        let mut inner = Sum::default();
        for (b, p) in map.row(g) {
            let term = ev.mul_plain(&rotated[b], p)?;
            inner.add(ev, term)?;
        }
        if let Some(inner) = inner.into_wide() {
            let inner = ev.rescale(inner)?;
            match &mut sum {
                Some(sum) => ev.add(sum, &inner)?,
                None => sum = Some(inner),
            }
        }
    }
    sum.ok_or(Error::Empty { what: "diagonals of a linear map" })
}

/// Baby steps and giant steps that reach every diagonal, counted from `least`. The baby steps are the first multiples
/// of the stride. A baby step costs a gadget product and a giant step a whole key switch, so the split has more baby
/// steps.
fn split(map: &Diagonals, least: i32) -> (Vec<i32>, Vec<i32>) {
    let smallest = map.offsets().filter(|d| *d != 0).map(i32::abs).min().unwrap_or(1);
    let reach = |f: fn(i32, i32) -> i32| map.offsets().map(|d| d - least).fold(0, f) / smallest;
    let (lo, hi) = (reach(i32::min), reach(i32::max));
    let count = (hi - lo + 1) as u32;
    let baby_steps = 1 << (count.ilog2() + 1).div_ceil(2).min(4); // 31 and 63 diagonals: 8 baby steps; 8 diagonals: 4
    let giant_steps = (lo.div_euclid(baby_steps)..=hi.div_euclid(baby_steps)).map(|g| g * baby_steps * smallest);
    ((0..baby_steps).map(|b| b * smallest).collect(), giant_steps.collect())
}

/// Whether an earlier (giant step, baby step) reaches the same diagonal modulo the number of slots.
fn reached_before(map: &Diagonals, baby_steps: &[i32], giant_steps: &[i32], g: i32, b: i32) -> bool {
    let d = map.offset(g + b);
    giant_steps
        .iter()
        .flat_map(|g| baby_steps.iter().map(move |b| (*g, *b)))
        .take_while(|p| *p != (g, b))
        .any(|(g, b)| map.offset(g + b) == d)
}

#[cfg(test)]
mod tests {
    use super::{FactoredTransform, RotationStrategy};
    use crate::{
        bootstrap::dft::{Direction, factor},
        eval::trace::Trace,
        math::{complex::Complex, embedding::fill_roots},
    };
    use alloc::{vec, vec::Vec};

    #[test]
    fn min_ks_takes_two_keys_a_map_and_one_for_all() {
        let s = 1 << 12;
        let mut roots = vec![Complex::default(); s];
        fill_roots(&mut roots);
        let maps = factor(&roots, s, 3, Direction::CoeffsToSlots, 1.0);
        let cost = |steps| {
            let mut trace = Trace::new(1 << 15, None);
            let product = FactoredTransform::new(&mut trace, &maps, 9, steps).unwrap();
            let x = trace.input(9);
            product.apply(&mut trace, x).unwrap();
            (trace.rotations().len(), trace.cost().key_switch)
        };
        let (keys, switches): (Vec<usize>, Vec<u32>) =
            [RotationStrategy::Hoisted, RotationStrategy::MinKs].map(cost).into_iter().unzip();
        assert_eq!((keys[1], switches[1]), (7, switches[0] + 1), "{keys:?} {switches:?}");
    }
}
