//! Bootstrapping, stage by stage: each order, both ways to rotate, full and sparse vectors.

use super::{
    machine::Part,
    owner::Owner,
    record::Record,
    scheme::{complex, record_key},
};
use polyformer_kernel::{
    Result,
    arith::{Arithmetic, cost::Demand},
    backend::Backend,
    bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe, RotationStrategy},
    ckks::{Ckks, keys::Keys},
    eval::{noise::NoiseSimulator, trace::Trace},
    math::complex::Complex,
    params::Params,
};

/// One way to bootstrap.
#[derive(Clone, Copy)]
pub struct Bootstrap {
    /// The order of the steps.
    pub order: Order,
    /// The rotation strategy.
    pub steps: RotationStrategy,
    /// The period of the vectors in slots, or all slots of a smaller ring.
    pub period: usize,
    /// The range of values.
    pub range: f64,
}

impl Bootstrap {
    /// Every way at full slots, and with vectors that repeat.
    pub fn all() -> Vec<Self> {
        let orders = [Order::SlotsToCoeffsFirst, Order::SlotsToCoeffsFirstComplex, Order::ModRaiseFirst];
        let ways =
            orders.into_iter().flat_map(|order| [(order, RotationStrategy::Hoisted), (order, RotationStrategy::MinKs)]);
        let ways = ways.flat_map(|(order, steps)| [(order, steps, usize::MAX), (order, steps, 32)]);
        ways.map(|(order, steps, period)| Self { order, steps, period, range: 1.0 }).collect()
    }

    /// Its part of a name.
    pub fn name(&self) -> String {
        let order = match self.order {
            Order::SlotsToCoeffsFirst => "slots_to_coeffs_first",
            Order::SlotsToCoeffsFirstComplex => "slots_to_coeffs_first_complex",
            Order::ModRaiseFirst => "mod_raise_first",
        };
        let steps = match self.steps {
            RotationStrategy::Hoisted => "hoisted",
            RotationStrategy::MinKs => "min_ks",
        };
        let period = if self.period == usize::MAX { "full".into() } else { format!("period{}", self.period) };
        format!("{order}-{steps}-{period}")
    }

    fn values(&self, slots: usize) -> Vec<Complex> {
        let values = complex(self.period.min(slots));
        let values = values.into_iter().map(|z| z.scale(self.range));
        let values = values.map(|z| if self.order == Order::SlotsToCoeffsFirst { Complex::from(z.re) } else { z });
        values.collect::<Vec<_>>().into_iter().cycle().take(slots).collect()
    }
}

/// Relinearisation, automorphisms and ModRaise, as one line each.
pub fn record_keys<B: Backend>(be: &mut B, keys: &Keys<B>, out: &mut Record) -> Result<()> {
    if let Some(key) = &keys.relin {
        record_key("key/relin", be, key, out)?;
    }
    let galois: Vec<_> = keys.galois.values().flat_map(|key| key.digits.iter().flatten()).collect();
    out.limbs("key/galois", be, &galois)?;
    if let Some(key) = &keys.raise {
        let halves: Vec<_> = key.to_sparse.iter().chain(&key.to_dense).collect();
        out.limbs("key/raise", be, &halves)?;
    }
    Ok(())
}

/// The figures of a dry run: operations, then the keys with their levels.
pub fn record_plan(name: &str, trace: &Trace, out: &mut Record) {
    let c = trace.cost();
    let counts = [c.mul, c.mul_plain, c.mul_const, c.rescale, c.key_switch, c.hoist, c.bootstrap, c.peak];
    out.words(&format!("{name}/cost"), &counts);
    let Demand { relin, conjugate, rotations, .. } = trace.demand();
    let one = |key: Option<u8>| key.map_or(-1, i64::from);
    let rotations = rotations.iter().flat_map(|(k, level)| [*k as i64, *level as i64]);
    let keys: Vec<i64> = [one(*relin), one(*conjugate)].into_iter().chain(rotations).collect();
    out.integers(&format!("{name}/keys"), &keys);
}

impl Part for Bootstrap {
    fn run<B: Backend>(&self, params: &Params, mut be: B, out: &mut Record) -> Result<()> {
        let slots = params.slots();
        let recipe = Recipe::new(self.period.min(slots), self.order, self.range).with(self.steps);
        let mut trace = Trace::new(slots, None);
        let bootstrapper = Bootstrapper::new(&mut trace, params, &recipe)?;
        let input = bootstrapper.input();
        let mut trace = Bootstrapped::with(trace, bootstrapper)?;
        let x = trace.input(input);
        let x = trace.refresh(x, 5)?;
        trace.product(&x, &x)?;
        record_plan("plan", &trace, out);

        let mut owner = Owner::new(&mut be, params, 5)?;
        let keys = owner.keys(&mut be, trace.demand())?;
        record_keys(&mut be, &keys, out)?;
        let x = owner.encrypt(&mut be, &self.values(slots), input)?;
        let mut ev = Bootstrapped::new(Ckks::new(be, params, keys)?);
        ev.prepare(params, &recipe)?;
        let mut count = 0;
        let copy = ev.copy(&x)?;
        let y = ev.bootstrap(copy, &mut |ev, _, made| {
            count += 1;
            out.ciphertext(&format!("stage{count}"), &mut ev.be, made)
        })?;
        out.ciphertext("bootstrapped", &mut ev.be, &y)?;
        let y = ev.product(&y, &y)?;
        out.ciphertext("squared", &mut ev.be, &y)?;
        let y = ev.refresh(x, 5)?;
        out.ciphertext("refreshed", &mut ev.be, &y)?;
        out.integers("decrypted", &owner.decrypt(&mut ev.be, &y)?.0);
        self.simulate(params, &recipe, input, out)
    }
}

impl Bootstrap {
    /// The same on numbers with the errors of ciphertexts.
    fn simulate(&self, params: &Params, recipe: &Recipe, input: u8, out: &mut Record) -> Result<()> {
        let mut ev = Bootstrapped::new(NoiseSimulator::new(params, [6; 32]));
        ev.prepare(params, recipe)?;
        let x = ev.encrypt(&self.values(params.slots()), input)?;
        let x = ev.refresh(x, 5)?;
        let y = ev.product(&x, &x)?;
        out.complex("simulated", ev.decrypt(&y));
        Ok(())
    }
}
