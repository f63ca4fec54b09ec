//! Bootstrapping on a small ring: with its keys, on difficult inputs, and as words, on which backends must agree.

use crate::{
    chain::Chain,
    client::{Client, Errors, scattered},
};
use polyformer_kernel::{
    arith::Arithmetic,
    backend::Backend,
    bootstrap::{Bootstrapped, Design, Order, Recipe, Stage, dft::Diagonals},
    ckks::{Ciphertext, Ckks},
    eval::{
        noise::{NoiseSimulator, NoisyVector},
        trace::Trace,
    },
    math::complex::Complex,
    params::{Params, Spec},
};

/// The backend of [`with`].
pub type Scalar = polyformer_scalar::Scalar<'static, 'static>;

/// Runs `f` with a client and an evaluator that bootstraps by `recipe`, at the primes of `spec` and ring degree
/// 2^`log_n`. Returns the trace of a refresh and a product, whose keys the client has.
pub fn with(
    (spec, log_n): (&Spec<'_>, u8),
    recipe: Recipe,
    f: impl FnOnce(&Params, &mut Client<'_, Scalar>, &mut Bootstrapped<Ckks<'_, Scalar>>),
) -> Trace {
    let (params, mut be) = Chain::new(spec, log_n).into_scalar(400);
    let mut trace = Bootstrapped::new(Trace::new(params.slots(), None));
    trace.prepare(params, &recipe).unwrap();
    let x = trace.input(3);
    let x = trace.refresh(x, 5).unwrap();
    let x = trace.product(&x, &x).unwrap();
    drop(x);
    let mut client = Client::new(&mut be, params, 3);
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    ev.prepare(params, &recipe).unwrap();
    f(params, &mut client, &mut ev);
    trace.into_inner()
}

/// Inputs whose structure bootstrapping could stumble over.
pub fn inputs(slots: usize, period: usize) -> [(&'static str, Vec<Complex>); 6] {
    let of = |f: &dyn Fn(usize) -> f64| (0..slots).map(|i| Complex::from(f(i % period))).collect();
    let random = scattered(period, 1);
    [
        ("random", of(&|i| random[i].re)),
        ("constant", of(&|_| 1.0)),
        ("one-hot", of(&|i| (i == 5) as u8 as f64)),
        ("smooth", of(&|i| (i as f64 / 40.0).sin())),
        ("two-valued", of(&|i| if i * i % 7 < 3 { 1.0 } else { -1.0 })),
        ("zero", of(&|_| 0.0)),
    ]
}

/// x encrypted at level 3 and refreshed, and its errors.
pub fn refreshed(
    client: &mut Client<'_, Scalar>,
    ev: &mut Bootstrapped<Ckks<'_, Scalar>>,
    x: &[Complex],
) -> (Ciphertext<Scalar>, Errors) {
    let c = client.encrypt(&mut ev.be, x, 3);
    let c = ev.refresh(c, 5).unwrap();
    let e = client.errors(&mut ev.be, &c, |i| x[i]);
    (c, e)
}

/// The stages of a bootstrapping of all real slots in the clear.
pub struct Stages<'v> {
    values: &'v [Complex],
    low: Vec<Complex>,
    turns: Vec<f64>, // before EvalMod, but for whole turns, which ModRaise adds
    factor: f64,
}

impl<'v> Stages<'v> {
    /// Of these values.
    pub fn new(params: &Params, values: &'v [Complex]) -> Self {
        let recipe = Recipe::new(params.slots(), Order::SlotsToCoeffsFirst, 1.0);
        let design = Design::new(params, &recipe).unwrap();
        let through = |maps: &[Diagonals], x: Vec<Complex>| maps.iter().fold(x, |x, map| map.apply(&x));
        let low = through(&design.slots_to_coeffs, values.to_vec());
        let size = (1u64 << design.shift) as f64 * params.scale(0) / params.scale(params.max_level());
        let high = through(&design.coeffs_to_slots, low.iter().map(|z| z.scale(size)).collect());
        let factor = design.sine.input_factor();
        Self { values, low, turns: high.iter().map(|z| 2.0 * z.re / factor).collect(), factor }
    }

    /// The errors of a stage's result, or `None` for a stage without a comparison. The unit after CoeffsToSlots is q0;
    /// the unit of other stages is a value.
    pub fn errors(&self, stage: Stage, made: &[Complex]) -> Option<Errors> {
        let far = |want: &[Complex]| {
            Errors::of(made.iter().zip(want).map(|(z, want)| (z.re - want.re).hypot(z.im - want.im)))
        };
        match stage {
            Stage::SlotsToCoeffs => Some(far(&self.low)),
            Stage::EvalMod => Some(far(self.values)),
            Stage::CoeffsToSlots => Some(Errors::of(made.iter().zip(&self.turns).map(|(z, want)| {
                let off = z.re / self.factor - want;
                (off - off.round()).abs()
            }))),
            Stage::ModRaise | Stage::Correction => None,
        }
    }
}

/// A bootstrap of all real slots with the same steps in the clear: errors after SlotsToCoeffs, CoeffsToSlots and
/// EvalMod. Before EvalMod an encrypted value is the clear value plus a multiple of one, which the secret determines.
pub fn lockstep<B: Backend>(
    params: &Params,
    client: &Client<'_, B>,
    ev: &mut Bootstrapped<Ckks<'_, B>>,
    (x, values): (Ciphertext<B>, &[Complex]),
) -> Vec<(Stage, Errors)> {
    let clear = Stages::new(params, values);
    let mut errors = Vec::new();
    ev.bootstrap(x, &mut |ev, stage, made| {
        let made = client.decrypt(&mut ev.be, made);
        errors.extend(clear.errors(stage, &made).map(|e| (stage, e)));
        Ok(())
    })
    .unwrap();
    errors
}

/// The same on numbers with the errors that ciphertexts would have.
pub fn predicted(ev: &mut Bootstrapped<NoiseSimulator<'_>>, level: u8, values: &[Complex]) -> Vec<(Stage, Errors)> {
    let clear = Stages::new(ev.params(), values);
    let x = ev.encrypt(values, level).unwrap();
    let mut errors = Vec::new();
    let seen = &mut |ev: &mut NoiseSimulator<'_>, stage, made: &NoisyVector| {
        errors.extend(clear.errors(stage, ev.decrypt(made)).map(|e| (stage, e)));
        Ok(())
    };
    ev.bootstrap(x, seen).unwrap();
    errors
}

/// A period that a small ring has.
pub const PERIOD: usize = 32;

/// The result of a run.
#[derive(Debug)]
pub struct BootstrapRun {
    /// Both halves of a bootstrapped and squared ciphertext.
    pub words: Vec<Vec<u32>>,
    /// The errors of the decrypted values, against the square.
    pub errors: Errors,
    /// The largest number of words by the trace, without the words before the run.
    pub planned: usize,
}

/// A vector of period `period`, bootstrapped and squared, `runs` times over; `before` and `after` see the backend around
/// the work of each.
pub fn bootstrapped<B: Backend>(
    params: &Params,
    mut be: B,
    (period, runs): (usize, usize),
    mut before: impl FnMut(&mut B),
    mut after: impl FnMut(&mut B),
) -> BootstrapRun {
    let order = Order::SlotsToCoeffsFirst;
    let mut trace = Bootstrapped::new(Trace::new(params.slots(), None).measured(params));
    let recipe = Recipe::new(period, order, 1.0);
    trace.prepare(params, &recipe).unwrap();
    let x = trace.input(3);
    let held = trace.words_alive();
    let x = trace.refresh(x, 5).unwrap();
    drop(trace.product(&x, &x).unwrap());
    let planned = trace.words() - held;
    let mut client = Client::new(&mut be, params, 3);
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    ev.prepare(params, &recipe).unwrap();
    let values = scattered(period, 1);
    let values: Vec<_> = (0..params.slots()).map(|i| values[i % period]).collect();
    let x = client.encrypt(&mut ev.be, &values, 3);
    let mut run = |ev: &mut Bootstrapped<Ckks<'_, B>>, x| {
        before(&mut ev.be);
        let x = ev.refresh(x, 5).unwrap();
        let y = ev.product(&x, &x).unwrap();
        ev.be.submit().unwrap();
        after(&mut ev.be);
        y
    };
    for _ in 1..runs {
        let copy = ev.copy(&x).unwrap();
        run(&mut ev, copy);
    }
    let y = run(&mut ev, x);
    let errors = client.errors(&mut ev.be, &y, |i| values[i] * values[i]);
    let halves = y.c.iter().map(|c| {
        let mut words = vec![0; c.shape().words()];
        ev.be.download(c.limbs(), &mut words).unwrap();
        words
    });
    BootstrapRun { words: halves.collect(), errors, planned }
}

/// The words at a small ring.
pub fn words<B: Backend>(
    params: &Params,
    be: B,
    before: impl FnMut(&mut B),
    after: impl FnMut(&mut B),
) -> Vec<Vec<u32>> {
    let out = bootstrapped(params, be, (PERIOD, 1), before, after);
    assert!(out.errors.worst < 2f64.powi(-21), "worst 2^{:.2}", out.errors.worst.log2());
    out.words
}
