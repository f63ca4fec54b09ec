//! The server's operations: sums, products, rescales, key switches, rotations.

use super::{Harness, Part, finish, median};
use crate::{
    Result,
    keys::{KeySpec, demand_of_bootstrapping, random},
};
use polyformer_kernel::{
    arith::{Arithmetic, cost::Work},
    backend::{Backend, Shape, digit},
    bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe, Stage},
    ckks::{
        Ciphertext, Ckks,
        keys::{Keys, Switch},
    },
    eval::trace::Trace,
    params::Params,
};
use std::{collections::BTreeMap, time::Instant};

impl<B: Backend> Harness<'_, B> {
    pub(super) fn add(&mut self) -> Result<(f64, usize)> {
        let (mut x, y) = (self.ciphertext()?, self.ciphertext()?);
        let seconds = median(self.budget, || {
            let start = Instant::now();
            self.ckks.add(&mut x, &y)?;
            finish(&mut self.ckks.be)?;
            Ok(start.elapsed())
        })?;
        Ok((seconds, self.bytes(6)))
    }

    pub(super) fn mul_plain(&mut self) -> Result<(f64, usize)> {
        let (x, values) = (self.ciphertext()?, self.values());
        let p = self.ckks.encode(&values, self.level)?;
        let seconds = median(self.budget, || {
            let start = Instant::now();
            let w = self.ckks.mul_plain(&x, &p)?;
            finish(&mut self.ckks.be)?;
            let time = start.elapsed();
            drop(w);
            Ok(time)
        })?;
        Ok((seconds, self.bytes(5)))
    }

    pub(super) fn rescale(&mut self) -> Result<(f64, usize)> {
        let (x, values) = (self.ciphertext()?, self.values());
        let p = self.ckks.encode(&values, self.level)?;
        let seconds = median(self.budget, || {
            let w = self.ckks.mul_plain(&x, &p)?;
            finish(&mut self.ckks.be)?;
            let start = Instant::now();
            let y = self.ckks.rescale(w)?;
            finish(&mut self.ckks.be)?;
            let time = start.elapsed();
            drop(y);
            Ok(time)
        })?;
        Ok((seconds, self.bytes(4)))
    }

    pub(super) fn mul_relin_rescale(&mut self) -> Result<(f64, usize)> {
        let key = self.evaluation_key(Switch::Relinearize)?;
        self.ckks.keys_mut().0.relin = Some(key);
        let (x, y) = (self.ciphertext()?, self.ciphertext()?);
        let seconds = median(self.budget, || {
            let start = Instant::now();
            let z = self.ckks.product(&x, &y)?;
            finish(&mut self.ckks.be)?;
            let time = start.elapsed();
            drop(z);
            Ok(time)
        })?;
        self.ckks.keys_mut().0.relin = None;
        Ok((seconds, self.bytes(6) + self.key_bytes_at_level()))
    }

    pub(super) fn key_switch(&mut self) -> Result<(f64, usize)> {
        let key = self.evaluation_key(Switch::Relinearize)?;
        let (x, params, level) = (self.ciphertext()?, self.params, self.level);
        let (q, pq, cols) = (params.q(level), params.pq(level), params.n() as u32);
        let be = &mut self.ckks.be;
        let mut ws = be.workspace(1, params.digits())?;
        let (over_pq, over_q) = (Shape { count: 1, basis: pq, cols }, Shape { count: 1, basis: q, cols });
        let mut acc = [[be.alloc(over_pq)?, be.alloc(over_pq)?]];
        let (mut b, mut a) = (be.alloc(over_q)?, be.alloc(over_q)?);
        let seconds = median(self.budget, || {
            let start = Instant::now();
            be.key_switch(q, params.alpha(), x.c[1].limbs(), &[&key.digits], &mut acc, &mut ws);
            be.mod_switch(pq, q, &mut b, &acc[0][0], &mut ws);
            be.mod_switch(pq, q, &mut a, &acc[0][1], &mut ws);
            finish(be)?;
            Ok(start.elapsed())
        })?;
        Ok((seconds, self.bytes(3) + self.key_bytes_at_level()))
    }

    pub(super) fn rotate(&mut self) -> Result<(f64, usize)> {
        self.load_rotations(1)?;
        let x = self.ciphertext()?;
        let seconds = median(self.budget, || {
            let start = Instant::now();
            let y = self.ckks.rotate(&x, 1)?;
            finish(&mut self.ckks.be)?;
            let time = start.elapsed();
            drop(y);
            Ok(time)
        })?;
        self.ckks.keys_mut().0.galois.clear();
        Ok((seconds, self.bytes(4) + self.key_bytes_at_level()))
    }

    pub(super) fn rotate_hoisted_8(&mut self) -> Result<(f64, usize)> {
        const STEPS: [i32; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
        self.load_rotations(8)?;
        let x = self.ciphertext()?;
        let seconds = median(self.budget, || {
            let start = Instant::now();
            let hoisted = self.ckks.hoist(&x, &STEPS)?;
            for k in STEPS {
                self.ckks.hoisted(&hoisted, k)?;
            }
            finish(&mut self.ckks.be)?;
            Ok(start.elapsed())
        })?;
        self.ckks.keys_mut().0.galois.clear();
        Ok((seconds, self.bytes(2 + 2 * 8) + 8 * self.key_bytes_at_level()))
    }

    /// One vector, or two in one bootstrap. The bytes are the bytes of the keys, because each key is read at least once.
    pub(super) fn bootstrap(&mut self, pair: bool) -> Result<(f64, usize)> {
        let demand = demand_of_bootstrapping(self.params, Order::SlotsToCoeffsFirst, self.steps)?;
        let switching = KeySpec::all(self.params, &demand).into_iter().filter(|key| *key != KeySpec::Raise);
        let (level, bytes) = (self.level, switching.map(|key| 4 * key.words(self.params)).sum());
        let be = &mut self.ckks.be;
        let keys = Keys::generate(be, self.params, &self.sk, &demand, &mut random::generator()?)?;
        *self.ckks.keys_mut().0 = keys;
        let recipe = Recipe::new(self.params.slots(), Order::SlotsToCoeffsFirst, 1.0).with(self.steps);
        self.ckks.prepare(self.params, &recipe)?;
        let x = self.ciphertext()?;
        let seconds = median(self.budget, || {
            let second = if pair { Some(self.ckks.copy(&x)?) } else { None };
            let x = self.ckks.copy(&x)?;
            finish(&mut self.ckks.be)?;
            let start = Instant::now();
            let out = match second {
                Some(second) => Vec::from(self.ckks.refresh_pair([x, second], level + 1)?),
                None => vec![self.ckks.refresh(x, level + 1)?],
            };
            finish(&mut self.ckks.be)?;
            let time = start.elapsed();
            drop(out);
            Ok(time)
        })?;
        if pair {
            *self.ckks.keys_mut().0 = Keys::default();
            return Ok((seconds, bytes));
        }
        let mut runs = Vec::new();
        for _ in 0..WATCHED {
            let x = self.ckks.copy(&x)?;
            runs.push(watched(&mut self.ckks, x)?);
        }
        *self.ckks.keys_mut().0 = Keys::default();
        runs.sort_by(|a, b| a.values().sum::<f64>().total_cmp(&b.values().sum()));
        let middle = runs.swap_remove(WATCHED / 2);
        let parts = keys_read(self.params, &recipe)?.into_iter().map(|(stage, (key_switches, key_bytes))| {
            let seconds = middle.get(&stage).copied().unwrap_or_default();
            Part { stage: name(stage), seconds, key_switches, key_bytes }
        });
        self.stages = parts.collect();
        Ok((seconds, bytes))
    }

    fn load_rotations(&mut self, count: i32) -> Result<()> {
        for k in 1..=count {
            let key = self.galois_key(k)?;
            self.ckks.keys_mut().0.galois.insert(self.params.galois(k), key);
        }
        Ok(())
    }

    /// Bytes that a key switch at the level reads of its key.
    fn key_bytes_at_level(&self) -> usize {
        key_bytes_at(self.params, self.level)
    }
}

/// Bytes that a key switch at `level` reads of its key.
fn key_bytes_at(params: &Params, level: u8) -> usize {
    let used = |j: &usize| !digit(params.q(level), params.specials(), params.alpha(), *j).is_empty();
    2 * (0..params.digits()).filter(used).count() * params.pq(level).len() * params.n() * 4
}

/// Runs of bootstrapping that are stopped after each stage, which a GPU takes longer for.
const WATCHED: usize = 3;

/// Seconds of each stage of one bootstrapping.
fn watched<B: Backend>(ckks: &mut Bootstrapped<Ckks<'_, B>>, x: Ciphertext<B>) -> Result<BTreeMap<Stage, f64>> {
    finish(&mut ckks.be)?;
    let (mut seconds, mut last, mut done) = (BTreeMap::new(), Instant::now(), Ok(()));
    ckks.bootstrap(x, &mut |ckks, stage, _| {
        if done.is_ok() {
            done = finish(&mut ckks.be);
        }
        let now = Instant::now();
        *seconds.entry(stage).or_insert(0.0) += (now - last).as_secs_f64();
        last = now;
        Ok(())
    })?;
    done.map(|()| seconds)
}

/// Key switches of each stage of bootstrapping, and the bytes of keys that they read.
fn keys_read(params: &Params, recipe: &Recipe) -> Result<BTreeMap<Stage, (u32, u64)>> {
    let mut trace = Trace::new(params.slots(), None);
    let bootstrapper = Bootstrapper::new(&mut trace, params, recipe)?;
    let (mut read, mut before) = (BTreeMap::new(), (0, 0));
    let x = trace.input(bootstrapper.input());
    bootstrapper.refresh_seen(&mut trace, x, &mut |trace, stage, _| {
        let gadgets = trace.work().iter().filter(|((work, _), _)| *work == Work::Gadget);
        let bytes = gadgets.map(|((_, level), count)| *count as u64 * key_bytes_at(params, *level) as u64).sum();
        let now: (u32, u64) = (trace.cost().key_switch, bytes);
        let sum = read.entry(stage).or_insert((0, 0));
        *sum = (sum.0 + now.0 - before.0, sum.1 + now.1 - before.1);
        before = now;
        Ok(())
    })?;
    Ok(read)
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::SlotsToCoeffs => "slots_to_coeffs",
        Stage::ModRaise => "mod_raise",
        Stage::CoeffsToSlots => "coeffs_to_slots",
        Stage::EvalMod => "eval_mod",
        Stage::Correction => "correction",
    }
}
