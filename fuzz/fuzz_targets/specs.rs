//! Any parameter set is refused, or everything after the check works: the report, sizes of files and keys, conversions,
//! plans of a model, and ways to bootstrap, in dry runs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer::{
    files::{Body, CiphertextMeta, Header, KeyId},
    keys::KeySpec,
    plan::{memory, model::ModelPlan},
    primes::Report,
    spec::SpecBuf,
};
use polyformer_kernel::{
    bootstrap::{Bootstrapper, Order, Recipe, RotationStrategy},
    ckks::{
        noise,
        ring_switch::{lift_basis, lower_basis},
    },
    eval::trace::Trace,
    nn::Model,
    params::{Bootstrap, Params, Security, Spec, presets},
    ring::{convert::Conversion, tables},
};
use std::sync::LazyLock;

static MODEL: LazyLock<Model<'static>> = LazyLock::new(|| polyformer_tests::transformer::model(8, 8, 3));
/// A small client whose base is the base of the presets.
const SMALL: Spec<'static> = Spec { log_n: 3, security: Security::Toy, ..presets::C12 };

struct Input<'d>(std::slice::Iter<'d, u8>);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        *self.0.next().unwrap_or(&0)
    }
    /// A number below `most`, or with a small chance any byte.
    fn small(&mut self, most: u8) -> u8 {
        match self.byte() {
            255 => self.byte(),
            x => x % most.max(1),
        }
    }
    fn bits(&mut self) -> f64 {
        match self.byte() {
            253 => f64::NAN,
            254 => -1.0,
            255 => f64::from_bits(u64::from_le_bytes([(); 8].map(|()| self.byte()))),
            x => x as f64 / 2.5,
        }
    }
}

/// Everything that a program does with a set before it has a key.
fn uses(params: &Params, spec: &SpecBuf) {
    let report = Report::new(spec, params, &[]);
    assert!(report.to_string().contains("levels"));
    let top = params.max_message_level();
    assert!(top <= params.max_level() && params.base().len() <= 3);
    assert!(memory::polynomial(params) <= memory::temporaries(params));
    for deviation in [noise::fresh_symmetric, noise::fresh_public, noise::encoding, noise::rounding] {
        assert!(deviation(params) > 0.0);
    }
    let mut twiddles = vec![0; tables::words(params.n(), params.moduli().len())];
    tables::fill(params.n(), params.moduli(), &mut twiddles);
    let ring = params.ring(&twiddles).unwrap();
    let converts = |from, to| assert_eq!(Conversion::new(&ring, from, to).sources().len(), from.len());
    converts(params.base(), lift_basis(params));
    for level in 0..=params.max_level() {
        assert!(params.scale(level) >= 1.0 && params.scale(level).is_finite(), "level {level}");
        converts(params.pq(level).minus(params.q(level)), params.q(level));
        if level > 0 {
            assert!(params.plaintext_scale(level).is_finite() && params.eval_mod_exit_correction(level).is_finite());
            converts(params.pq(level).minus(params.q(level - 1)), params.q(level - 1));
        }
        let seed = [0; 32];
        let sealed = CiphertextMeta { level, count: 1, values: 1, seed: Some(seed) };
        let bodies =
            [Body::RelinKey { level, seed }, Body::GaloisKey { galois: 5, level, seed }, Body::Ciphertext(sealed)];
        for body in bodies {
            let header = Header { spec: spec.clone(), key: Some(KeyId([0; 16])), body };
            assert!(header.tensors(params).iter().all(|t| t.shape.iter().product::<usize>() < 1 << 40));
        }
        assert!(KeySpec::Relin(level).words(params) < 1 << 40);
    }
    let _ = Params::new(&SMALL).and_then(|small| lower_basis(params, &small));
    if params.sparse_basis().is_ok() {
        assert!(KeySpec::Raise.words(params) < 1 << 40);
    }
}

/// A way to bootstrap.
fn bootstraps(params: &Params, input: &mut Input<'_>) {
    let period = 4usize << (input.byte() % 4);
    let range = if input.byte() % 8 == 0 { input.bits() } else { 8.0 };
    let orders = [Order::SlotsToCoeffsFirst, Order::SlotsToCoeffsFirstComplex, Order::ModRaiseFirst];
    let recipe = Recipe::new(period, orders[input.byte() as usize % 3], range).with(steps(input));
    let mut trace = Trace::new(params.slots(), None).measured(params);
    let Ok(made) = Bootstrapper::new(&mut trace, params, &recipe) else { return };
    let x = trace.input(made.input());
    let y = made.refresh(&mut trace, x).expect("every part has its levels");
    let level = polyformer_kernel::arith::Arithmetic::level(&trace, &y);
    assert!(level <= params.max_message_level());
    made.demand(params.slots()).expect("a dry run");
}

/// A model on the levels.
fn plans(params: &Params, input: &mut Input<'_>) {
    let rows = 1 + input.byte() as usize % 4;
    if let Ok(plan) = ModelPlan::of(params, None, &MODEL, &[rows], steps(input)) {
        assert!(plan.memory(params) > 0 && !plan.wants(params).is_empty());
    }
}

fn steps(input: &mut Input<'_>) -> RotationStrategy {
    [RotationStrategy::Hoisted, RotationStrategy::MinKs][input.byte() as usize % 2]
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data.iter());
    let (specials, line) = (presets::B16.specials, presets::B16.line);
    let all: Vec<u32> = line.iter().chain(specials).copied().collect();
    let mut specials = specials[..12.min(input.small(13) as usize)].to_vec();
    let from = if input.byte() % 8 == 0 { input.small(20) as usize } else { 0 };
    let length = 2 + input.small(59) as usize;
    let mut line: Vec<u32> = all[from.min(all.len())..].iter().copied().take(length).collect();
    if input.byte() % 16 == 0 {
        let (at, to) = (input.byte() as usize, input.byte() as usize);
        let count = line.len().max(1);
        line.rotate_left(at % count);
        specials.extend(all.get(to));
    }
    let mut levels: Vec<(u8, u8)> = presets::B16.levels.iter().copied().take(1 + input.small(30) as usize).collect();
    for _ in 0..input.small(4) {
        let at = input.byte() as usize % levels.len();
        levels[at] = (input.small(4), input.small(60));
    }
    let bootstrap = (input.byte() % 4 > 0).then(|| Bootstrap {
        coeffs_to_slots: if input.byte() % 2 == 0 { 4 } else { input.small(20) },
        eval_mod: if input.byte() % 4 > 0 { 8 } else { input.small(20) },
        slots_to_coeffs: if input.byte() % 2 == 0 { 3 } else { input.small(20) },
        eval_mod_scale_bits: if input.byte() % 2 == 0 { 58.0 } else { input.bits() },
        iterations: 1u8.saturating_add(input.small(2)),
    });
    let spec = Spec {
        log_n: 4u8.saturating_add(input.small(3)),
        specials: &specials,
        line: &line,
        terminals: if input.byte() % 4 > 0 { 2 } else { input.small(10) },
        base: if input.byte() % 4 > 0 { 2 } else { input.small(5) },
        alpha: if input.byte() % 4 > 0 { specials.len() as u8 } else { input.small(20) },
        levels: &levels,
        scale_bits: if input.byte() % 4 > 0 { 39.5 } else { input.bits() },
        bootstrap,
        security: Security::Toy,
    };
    if spec.log_n > 6 {
        let _ = Params::new(&spec).map(|params| params.log_qp()); // large rings: the check alone
        return;
    }
    match Params::new(&spec) {
        Ok(params) => {
            // one part an execution, so that executions are many
            match input.byte() % 3 {
                0 => uses(&params, &SpecBuf::from(&spec)),
                1 => bootstraps(&params, &mut input),
                _ => plans(&params, &mut input),
            }
        }
        Err(error) => assert!(!error.to_string().contains('\n')),
    }
});
