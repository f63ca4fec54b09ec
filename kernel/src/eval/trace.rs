//! The tracer: runs a circuit on levels alone. The tracer gives the cost of the circuit, its depth, the number of
//! values alive at once, and the exact set of rotation keys. No key is needed.

use crate::{
    arith::{
        Arithmetic, Transform,
        cost::{Cost, Demand, Tally, Work},
    },
    error::{Error, Result, same_level},
    params::Params,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

mod leveled;
mod meter;
mod raise;

pub use leveled::{HoistedLevel, Leveled, PlainLevel, WideLevel};
use meter::{Alive, Meter};

/// A tracer of circuits.
#[derive(Debug)]
pub struct Trace {
    slots: usize,
    refreshed: Option<u8>,
    cost: Cost,
    demand: Demand,
    work: Tally,
    meter: Rc<Meter>,
    lowest: u8,
}

impl Trace {
    /// A tracer of vectors of `slots` slots. `refreshed` is the level after a bootstrap, or `None` without
    /// bootstrapping.
    pub fn new(slots: usize, refreshed: Option<u8>) -> Self {
        let (cost, demand, meter) = (Cost::default(), Demand::default(), Rc::new(Meter::default()));
        Self { slots, refreshed, cost, demand, work: Tally::new(), meter, lowest: u8::MAX }
    }

    /// Counts words, too, as on ciphertexts of `params`. Before the first input.
    pub fn measured(mut self, params: &Params) -> Self {
        self.meter = Rc::new(Meter::of(params));
        self
    }

    /// Words alive now.
    pub fn words_alive(&self) -> usize {
        self.meter.words_alive()
    }

    /// The most words alive at one moment, keys and the temporaries of key switching left out; 0 unless
    /// [`Trace::measured`].
    pub fn words(&self) -> usize {
        self.meter.words()
    }

    /// A fresh input at `level`.
    pub fn input(&mut self, level: u8) -> Leveled {
        self.at(level)
    }

    /// The tally so far.
    pub fn cost(&self) -> Cost {
        Cost { peak: self.meter.peak(), ..self.cost }
    }

    /// Every rotation step so far, in [1, slots).
    pub fn rotations(&self) -> BTreeSet<i32> {
        self.demand.rotations.keys().copied().collect()
    }

    /// A public vector for [`Arithmetic::transform`] at `level`, whose memory and encoding are not counted.
    pub fn diagonal(&self, level: u8) -> PlainLevel {
        PlainLevel { level, diagonal: true, _alive: Alive::words(&self.meter, 0) }
    }

    /// Every key so far.
    pub fn demand(&self) -> &Demand {
        &self.demand
    }

    /// The backend's work so far.
    pub fn work(&self) -> &Tally {
        &self.work
    }

    /// The lowest level that any vector has reached; 255 before the first one.
    pub fn lowest_level(&self) -> u8 {
        self.lowest
    }

    fn at(&mut self, level: u8) -> Leveled {
        self.lowest = self.lowest.min(level);
        Leveled { level, alive: Alive::vector(&self.meter, 2 * self.meter.q(level)) }
    }

    fn wide(&self, level: u8, quadratic: bool, extended: bool) -> Result<WideLevel> {
        if level == 0 {
            return Err(Error::LevelExhausted { need: 1, have: 0 });
        }
        let alive = Alive::vector(&self.meter, self.size(level, quadratic, extended));
        Ok(WideLevel { level, quadratic, maps: extended.then(BTreeMap::new), alive })
    }

    /// Words of a product.
    fn size(&self, level: u8, quadratic: bool, extended: bool) -> usize {
        let (q, pq) = (self.meter.q(level), self.meter.pq(level));
        2 * if extended { pq } else { q } + if quadratic { q } else { 0 }
    }

    /// A public vector of `given` slots, and its integers.
    fn plain(&mut self, given: usize, level: u8, diagonal: bool) -> Result<PlainLevel> {
        let slots = self.slots;
        if given == 0 || !slots.is_multiple_of(given) {
            return Err(Error::Slots { given, slots });
        }
        self.record(level, &[(Work::Encode(given as u32), 1)]);
        let full = if diagonal { self.meter.pq(level) } else { self.meter.q(level) };
        self.meter.temporary(4 * given);
        Ok(PlainLevel { level, diagonal, _alive: Alive::words(&self.meter, full / slots * given) })
    }

    /// The work of a ciphertext's key switch: its gadget product, and the division by P.
    fn switched(&mut self, level: u8) -> Leveled {
        let y = self.at(level);
        self.meter.temporary(2 * (self.meter.pq(level) + self.meter.q(level)));
        y
    }

    /// Notes work.
    fn record(&mut self, level: u8, work: &[(Work, u32)]) {
        for (work, count) in work.iter().filter(|(_, count)| *count > 0) {
            *self.work.entry((*work, level)).or_default() += count;
        }
    }

    /// Records the step, in \[1, slots), unless the step is zero: a gadget product and the work `beside`.
    fn step(&mut self, k: i32, level: u8, beside: &[(Work, u32)]) {
        let k = k.rem_euclid(self.slots as i32);
        if k != 0 {
            let highest = self.demand.rotations.entry(k).or_insert(level);
            *highest = level.max(*highest);
            self.cost.key_switch += 1;
            self.record(level, &[(Work::Gadget, 1)]);
            self.record(level, beside);
        }
    }
}

impl Arithmetic for Trace {
    type Slots = Leveled;
    type Wide = WideLevel;
    type Plaintext = PlainLevel;
    type Hoisted = HoistedLevel;

    fn slots(&self) -> usize {
        self.slots
    }
    fn level(&self, x: &Leveled) -> u8 {
        x.level
    }
    fn encode(&mut self, values: &[f64], level: u8) -> Result<PlainLevel> {
        self.plain(values.len(), level, false)
    }
    fn encode_diagonal(&mut self, values: &[f64], level: u8) -> Result<PlainLevel> {
        self.plain(values.len(), level, true)
    }

    fn copy(&mut self, x: &Leveled) -> Result<Leveled> {
        self.record(x.level, &[(Work::Pass, 1)]);
        Ok(self.at(x.level))
    }
    fn add(&mut self, x: &mut Leveled, y: &Leveled) -> Result<()> {
        self.record(x.level, &[(Work::Pass, 1)]);
        same_level(x.level, y.level)
    }
    fn sub(&mut self, x: &mut Leveled, y: &Leveled) -> Result<()> {
        self.record(x.level, &[(Work::Pass, 1)]);
        same_level(x.level, y.level)
    }
    fn add_plain(&mut self, x: &mut Leveled, p: &PlainLevel) -> Result<()> {
        same_level(x.level, p.level)
    }
    fn neg(&mut self, _: &mut Leveled) -> Result<()> {
        Ok(())
    }
    fn add_const(&mut self, _: &mut Leveled, _: f64) -> Result<()> {
        Ok(())
    }
    fn mul_int(&mut self, x: &mut Leveled, _: i32) -> Result<()> {
        self.record(x.level, &[(Work::Pass, 1)]);
        Ok(())
    }

    fn mul(&mut self, x: &Leveled, y: &Leveled) -> Result<WideLevel> {
        same_level(x.level, y.level)?;
        self.cost.mul += 1;
        self.record(x.level, &[(Work::Tensor, 1)]);
        self.wide(x.level, true, false)
    }
    fn mul_plain(&mut self, x: &Leveled, p: &PlainLevel) -> Result<WideLevel> {
        same_level(x.level, p.level)?;
        self.cost.mul_plain += 1;
        self.record(x.level, &[(Work::Pass, 1)]);
        self.wide(x.level, false, false)
    }
    fn mul_const(&mut self, x: &Leveled, _: f64) -> Result<WideLevel> {
        self.cost.mul_const += 1;
        self.record(x.level, &[(Work::Pass, 1)]);
        self.wide(x.level, false, false)
    }
    fn weighted_sum(&mut self, terms: &[(&Leveled, f64)], level: u8) -> Result<WideLevel> {
        if let Some((x, _)) = terms.iter().find(|(x, _)| !self.fits(x, level)) {
            return Err(Error::LevelMismatch { left: level, right: x.level });
        }
        self.cost.mul_const += terms.len() as u32;
        self.record(level, &[(Work::Pass, terms.len() as u32)]);
        self.wide(level, false, false)
    }
    /// Knows the primes of levels only after [`Trace::measured`].
    fn fits(&self, x: &Leveled, level: u8) -> bool {
        level <= x.level && self.meter.covers(x.level, level)
    }
    fn accumulate(&mut self, w: &mut WideLevel, v: WideLevel) -> Result<()> {
        same_level(w.level, v.level)?;
        self.record(w.level, &[(Work::Pass, 1)]);
        if w.maps.is_some() != v.maps.is_some() {
            self.meter.temporary(2 * self.meter.pq(w.level));
        }
        w.quadratic |= v.quadratic;
        if let Some(maps) = v.maps {
            let sums = w.maps.get_or_insert_default();
            for (step, sum) in maps {
                if sums.insert(step, sum).is_some() {
                    self.record(w.level, &[(Work::Pass, 1)]);
                }
            }
        }
        drop(v.alive);
        w.alive.resize(self.size(w.level, w.quadratic, w.maps.is_some()));
        Ok(())
    }
    fn rescale(&mut self, w: WideLevel) -> Result<Leveled> {
        self.cost.rescale += 1;
        for step in w.maps.iter().flat_map(BTreeMap::keys) {
            self.step(*step, w.level, &[(Work::ModDown, 1), (Work::ModUp, 1)]);
        }
        self.record(w.level, &[(if w.quadratic || w.maps.is_some() { Work::ModDown } else { Work::Rescale }, 2)]);
        if w.quadratic {
            self.record(w.level, &[(Work::ModUp, 1), (Work::Gadget, 1), (Work::Pass, 1)]);
            self.cost.key_switch += 1;
            self.demand.relin = self.demand.relin.max(Some(w.level));
        }
        self.lowest = self.lowest.min(w.level - 1); // a product has at least one level
        let (q, pair) = (self.meter.q(w.level), 2 * self.meter.pq(w.level));
        let giant_steps = w.maps.as_ref().map_or(0, BTreeMap::len); // one at a time, or as many as a batch has room for
        let turned = if giant_steps == 0 { 0 } else { (pair + q).max(self.meter.giant_steps(w.level, giant_steps)) };
        let gadget = if w.quadratic { pair } else { turned };
        let alive = w.alive.becomes(2 * self.meter.q(w.level - 1), gadget);
        Ok(Leveled { level: w.level - 1, alive })
    }

    fn rotate(&mut self, x: &Leveled, k: i32) -> Result<Leveled> {
        self.step(k, x.level, &[(Work::ModUp, 1), (Work::ModDown, 2)]);
        Ok(self.switched(x.level))
    }
    fn hoist(&mut self, x: &Leveled, steps: &[i32]) -> Result<HoistedLevel> {
        let before = self.cost.key_switch;
        let steps: BTreeSet<i32> = steps.iter().map(|k| k.rem_euclid(self.slots as i32)).collect();
        for k in &steps {
            self.step(*k, x.level, &[]);
        }
        let keyed = (self.cost.key_switch > before) as u32;
        self.record(x.level, &[(Work::ModUp, keyed), (Work::Pass, 1)]);
        self.cost.hoist += keyed;
        let pair = 2 * self.meter.pq(x.level);
        let alive = steps.iter().map(|_| Alive::vector(&self.meter, pair)).collect();
        self.meter.temporary(pair); // of a permutation
        Ok(HoistedLevel { level: x.level, steps, _alive: alive })
    }
    fn hoisted(&mut self, h: &HoistedLevel, k: i32) -> Result<Leveled> {
        if !h.steps.contains(&k.rem_euclid(self.slots as i32)) {
            return Err(Error::NotHoisted { step: k });
        }
        self.record(h.level, &[(Work::ModDown, 2)]);
        Ok(self.at(h.level))
    }
    fn transform(&mut self, h: &HoistedLevel, map: &Transform<'_, PlainLevel>) -> Result<WideLevel> {
        let (mut w, mut sums) = (self.wide(h.level, false, true)?, BTreeMap::new());
        let pair = 2 * self.meter.pq(h.level);
        for (g, giant) in map.giant_steps.iter().enumerate() {
            let mut entries = 0;
            for (b, p) in map.row(g) {
                same_level(h.level, p.level)?;
                if !p.diagonal || !h.steps.contains(&map.baby_steps[b].rem_euclid(self.slots as i32)) {
                    return Err(Error::NotHoisted { step: map.baby_steps[b] });
                }
                entries += 1;
            }
            if entries > 0 {
                self.cost.mul_plain += entries;
                self.record(h.level, &[(Work::Term, entries)]);
                let step = giant.rem_euclid(self.slots as i32);
                if step != 0 {
                    sums.insert(step, Alive::vector(&self.meter, pair));
                }
            }
        }
        w.maps = Some(sums);
        Ok(w)
    }
    fn drop_to_level(&mut self, x: Leveled, level: u8) -> Result<Leveled> {
        if level > x.level {
            return Err(Error::LevelExhausted { need: level, have: x.level });
        }
        self.lowest = self.lowest.min(level);
        if level < x.level {
            self.record(x.level, &[(Work::Pass, 1), (Work::Rescale, 2)]);
        }
        if level == x.level {
            return Ok(x);
        }
        let (from, to) = (2 * self.meter.q(x.level), 2 * self.meter.q(level));
        Ok(Leveled { level, alive: x.alive.becomes(to, from) })
    }
    fn refresh(&mut self, x: Leveled, depth: u8) -> Result<Leveled> {
        if x.level >= depth {
            return Ok(x);
        }
        let top = self.refreshed.ok_or(Error::NoBootstrap)?;
        if top < depth {
            return Err(Error::LevelExhausted { need: depth, have: top });
        }
        self.cost.bootstrap += 1;
        Ok(Leveled { level: top, alive: x.alive.becomes(2 * self.meter.q(top), 0) })
    }
}

#[cfg(test)]
mod tests {
    use super::Trace;
    use crate::{Error, arith::Arithmetic};

    #[test]
    fn a_dot_product_relinearizes_once() {
        let mut tr = Trace::new(8, None);
        let (x, y) = (tr.input(2), tr.input(2));
        let mut w = tr.mul(&x, &y).unwrap();
        let v = tr.mul(&x, &x).unwrap();
        tr.accumulate(&mut w, v).unwrap();
        let z = tr.rescale(w).unwrap();
        assert_eq!((tr.level(&z), tr.cost().mul, tr.cost().key_switch, tr.lowest_level()), (1, 2, 1, 1));
        assert_eq!(tr.cost().peak, 4); // x, y and two products
    }

    #[test]
    fn levels_that_differ_or_run_out_are_errors() {
        let mut tr = Trace::new(8, None);
        let (x, mut y) = (tr.input(1), tr.input(0));
        assert_eq!(tr.add(&mut y, &x), Err(Error::LevelMismatch { left: 0, right: 1 }));
        assert_eq!(tr.mul_const(&y, 2.0).err(), Some(Error::LevelExhausted { need: 1, have: 0 }));
        assert_eq!(tr.refresh(y, 1).err(), Some(Error::NoBootstrap));
    }

    #[test]
    fn rotations_are_a_set_and_zero_is_none() {
        let mut tr = Trace::new(8, Some(5));
        let x = tr.input(1);
        let h = tr.hoist(&x, &[0, 1, 2, -6]).unwrap();
        tr.rotate(&x, 9).unwrap();
        assert!(tr.rotations().iter().eq(&[1, 2]));
        assert_eq!((tr.cost().key_switch, tr.cost().hoist), (3, 1));
        assert_eq!(tr.hoisted(&h, 3).err(), Some(Error::NotHoisted { step: 3 }));
        let x = tr.refresh(x, 2).unwrap();
        assert_eq!((tr.level(&x), tr.cost().bootstrap), (5, 1));
    }
}
