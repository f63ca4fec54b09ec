//! The noise simulator predicts the errors of bootstrapping, stage by stage, and of a transformer with three
//! bootstraps.

use polyformer_kernel::{
    arith::{Arithmetic, ComplexArithmetic},
    bootstrap::{Bootstrapped, Order, Recipe, RotationStrategy},
    ckks::{
        Ckks,
        noise::{to_dense, to_sparse},
    },
    eval::{
        clear::ClearVec,
        noise::{ErrorSource, NoiseSimulator},
        trace::Trace,
    },
    math::complex::Complex,
    nn::{
        forward,
        slot_engine::{BootstrapLevels, Layout, SlotEngine},
    },
    params::{Params, presets},
};
use polyformer_tests::{
    bootstrapping::{inputs, lockstep, predicted, with},
    chain::Chain,
    client::{Client, Errors, scattered},
    spread::{predicted_slots, ratio, within},
    transformer::{model, noise},
};

const LOG_N: u8 = 10;

fn noisy<'p>(
    params: &'p Params,
    recipe: &Recipe,
    seed: u8,
    without: &[ErrorSource],
) -> Bootstrapped<NoiseSimulator<'p>> {
    let ev = NoiseSimulator::new(params, [seed; 32]);
    let mut ev = Bootstrapped::new(without.iter().fold(ev, |ev, source| ev.without(*source)));
    ev.prepare(params, recipe).unwrap();
    ev
}

#[test]
fn every_stage_of_bootstrapping_is_predicted_and_would_not_be_without_its_main_source() {
    let recipe = Recipe::new(1 << (LOG_N - 1), Order::SlotsToCoeffsFirst, 1.0);
    with((&presets::B16, LOG_N), recipe, |p, client, ev| {
        for (name, x) in inputs(p.slots(), p.slots()) {
            let c = client.encrypt(&mut ev.be, &x, 3);
            let measured = lockstep(p, client, ev, (c, &x));
            let mean = |without: &[ErrorSource]| {
                let mut squares = [0.0; 3];
                for seed in 1..=4 {
                    let stages = predicted(&mut noisy(p, &recipe, seed, without), 3, &x);
                    squares.iter_mut().zip(stages).for_each(|(sum, (_, e))| *sum += e.rms * e.rms / 4.0);
                }
                squares.map(f64::sqrt)
            };
            let main = [ErrorSource::Fresh, ErrorSource::Rounding];
            let (all, less) = (mean(&[]), main.map(|source| mean(&[source])));
            for (i, (stage, e)) in measured.iter().enumerate() {
                let ratio = e.rms / all[i];
                println!("{name} {stage:?}: 2^{:.2}, {ratio:.2} of what is predicted", e.rms.log2());
                assert!(within(ratio, 1.3), "{name} {stage:?}: {ratio}");
                if let (Some(main), Some(less)) = (main.get(i), less.get(i)) {
                    let ratio = e.rms / less[i];
                    println!("    {ratio:.2} without {main:?}");
                    assert!(!within(ratio, 1.3), "{name} {stage:?} without {main:?}: {ratio}");
                }
            }
        }
    });
}

/// The noise of ModRaise without the multiples of the base. The noise is far below the noise of the input, so this test
/// measures the noise alone.
#[test]
fn mod_raise_has_the_noise_that_is_predicted() {
    let recipe = Recipe::new(1 << (LOG_N - 1), Order::SlotsToCoeffsFirst, 1.0);
    with((&presets::B16, LOG_N), recipe, |p, client, ev| {
        let c = client.encrypt(&mut ev.be, &scattered(p.slots(), 1), 0);
        let before = client.decrypt(&mut ev.be, &c);
        let raised = ev.mod_raise(c, p.max_level()).unwrap();
        let after = client.decrypt(&mut ev.be, &raised); // modulo the base
        let scaled = |z: Complex, level| z.scale(p.scale(level));
        let far = before.iter().zip(&after).map(|(a, b)| scaled(*b, p.max_level()) - scaled(*a, 0));
        let e = Errors::of(far.map(|z| z.re.hypot(z.im)));
        let ratio = e.rms / to_sparse(p).hypot(to_dense(p));
        println!("2^{:.2}, {ratio:.2} of what is predicted", e.rms.log2());
        assert!(within(ratio, 1.2), "{ratio}");
    });
}

#[test]
fn bootstrapping_of_every_kind_is_predicted() {
    use Order::{ModRaiseFirst, SlotsToCoeffsFirst, SlotsToCoeffsFirstComplex};
    let all = 1 << (LOG_N - 1);
    for (spec, order, period, steps) in [
        (presets::B16, SlotsToCoeffsFirst, 32, RotationStrategy::Hoisted),
        (presets::B16, SlotsToCoeffsFirst, all, RotationStrategy::MinKs),
        (presets::B16, SlotsToCoeffsFirstComplex, all, RotationStrategy::Hoisted),
        (presets::B16, ModRaiseFirst, all, RotationStrategy::Hoisted),
        (presets::F16, SlotsToCoeffsFirst, all, RotationStrategy::Hoisted),
        (presets::F16, SlotsToCoeffsFirstComplex, all, RotationStrategy::Hoisted),
        (presets::H16, SlotsToCoeffsFirst, all, RotationStrategy::Hoisted),
    ] {
        let recipe = Recipe::new(period, order, 1.0).with(steps);
        with((&spec, LOG_N), recipe, |p, client, ev| {
            let x: Vec<Complex> = scattered(period, 1).into_iter().cycle().take(p.slots()).collect();
            let run = |ev: &mut Bootstrapped<NoiseSimulator<'_>>| {
                let c = ev.encrypt(&x, 3).unwrap();
                let c = ev.refresh(c, 5).unwrap();
                ev.decrypt(&c).to_vec()
            };
            // what the sine loses, more in a small ring than all noise, is the same every time
            let want = run(&mut noisy(p, &recipe, 1, &ErrorSource::ALL));
            let mean = |without: &[ErrorSource]| {
                let far = |seed| {
                    let got = run(&mut noisy(p, &recipe, seed, without));
                    Errors::of(got.iter().zip(&want).map(|(z, want)| (z.re - want.re).hypot(z.im - want.im))).rms
                };
                ((1..=4).map(|seed| far(seed).powi(2)).sum::<f64>() / 4.0).sqrt()
            };
            let c = client.encrypt(&mut ev.be, &x, 3);
            let c = ev.refresh(c, 5).unwrap();
            let measured = client.errors(&mut ev.be, &c, |i| want[i]).rms;
            let (all, less) = (measured / mean(&[]), measured / mean(&[ErrorSource::Rounding]));
            let bits = measured.log2();
            println!("{order:?}, {period} slots, {steps:?}: 2^{bits:.2}, {all:.2}, without roundings {less:.2}");
            assert!(within(all, 1.3), "{order:?}, {period} slots, {steps:?}: {all}");
            assert!(!within(less, 1.3), "{order:?}, {period} slots, {steps:?} without roundings: {less}");
        });
    }
}

#[test]
fn a_transformer_is_predicted_and_would_not_be_without_roundings() {
    let model = model(16, 32, 5);
    let (params, mut be) = Chain::b16(LOG_N).into_scalar(700);
    let layout = Layout::new(&[3], 16, model.heads, params.slots()).unwrap();
    let levels = BootstrapLevels::new(params, Order::SlotsToCoeffsFirst).unwrap();
    let recipe = Recipe::new(layout.period(), Order::SlotsToCoeffsFirst, model.range);
    let mut trace = Bootstrapped::new(Trace::new(params.slots(), None));
    trace.prepare(params, &recipe).unwrap();
    let x = trace.input(params.max_message_level());
    forward(&mut SlotEngine::bootstrapping(&mut trace, layout.clone(), levels), &model, vec![x]).unwrap();

    let mut period = vec![0.0; layout.period()];
    layout.pack(0, &noise(5, 3 * 16), &mut period).unwrap();
    let values: Vec<f64> = period.iter().copied().cycle().take(params.slots()).collect();
    let complex: Vec<Complex> = values.iter().map(|x| Complex::from(*x)).collect();
    let mut clear = ClearVec::<f64>::with_slots(params.slots());
    let want = forward(&mut SlotEngine::new(&mut clear, layout.clone()), &model, vec![values]).unwrap().remove(0);
    let far = |got: &[Complex]| -> Vec<f64> {
        let logits = got.iter().zip(&want).filter(|(_, want)| **want != 0.0);
        logits.map(|(z, want)| (z.re - want).abs()).collect()
    };

    let mut client = Client::new(&mut be, params, 5);
    let keys = client.keys(&mut be, trace.demand());
    let question = client.encrypt(&mut be, &complex, params.max_message_level());
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    ev.prepare(params, &recipe).unwrap();
    let answer = forward(&mut SlotEngine::bootstrapping(&mut ev, layout.clone(), levels), &model, vec![question])
        .unwrap()
        .remove(0);
    let measured = far(&client.decrypt(&mut ev.be, &answer));
    let deviations = |without: &[ErrorSource]| {
        predicted_slots(|seed| {
            let mut ev = noisy(params, &recipe, seed[0], without);
            let x = ev.encrypt(&complex, params.max_message_level()).unwrap();
            let y = forward(&mut SlotEngine::bootstrapping(&mut ev, layout.clone(), levels), &model, vec![x])
                .unwrap()
                .remove(0);
            far(ev.decrypt(&y))
        })
    };
    let of = |without: &[ErrorSource]| ratio(measured.iter().copied(), &deviations(without));
    let (all, less) = (of(&[]), of(&[ErrorSource::Rounding]));
    println!("{all:.2} of what is predicted, {less:.2} without roundings");
    assert!(within(all, 1.5) && !within(less, 1.5), "{all}, {less} without roundings");
}
