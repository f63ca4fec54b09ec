//! The noise simulator predicts the errors of ciphertexts: every operation within a factor of 1.2, and whole circuits
//! within 1.5. Each prediction without its largest source of error leaves the factor, so the tests notice a missing
//! source.

use polyformer_catalogue::{Entry, every};
use polyformer_kernel::{
    arith::{Arithmetic, ComplexArithmetic, Transform},
    circuits::poly::{Polynomial, evaluate_unit},
    ckks::{Ckks, noise},
    error::Result,
    eval::{
        clear::ClearVec,
        noise::{ErrorSource, NoiseSimulator, NoisyVector},
        placement::{Placement, cheapest},
        planner::{BootstrapPlanner, TOP},
        trace::Trace,
    },
    math::complex::Complex,
    params::{Params, Spec, presets},
};
use polyformer_tests::{
    chain::Chain,
    client::{Client, Errors, scattered},
    fake_bootstrap::decrypted,
    spread::{predicted_slots, ratio, within},
};

type Be = polyformer_scalar::Scalar<'static, 'static>;

/// An operation, or a few, on two vectors at the same level.
#[derive(Clone, Copy, Debug)]
enum Op {
    Fresh,
    Sum,
    Rotate,
    Hoisted,
    MulPlain,
    LevelDown,
    Product,
    WeightedSum,
    Map,
    Constant,
    Vector,
    Diagonal,
    Chebyshev,
}

impl Op {
    fn run<A: Arithmetic>(self, ev: &mut A, x: &A::Slots, y: &A::Slots) -> Result<A::Slots> {
        let top = ev.level(x);
        match self {
            Op::Fresh => ev.copy(x),
            Op::Sum => {
                let mut sum = ev.copy(x)?;
                ev.sub(&mut sum, y)?;
                ev.mul_int(&mut sum, -3)?;
                ev.add(&mut sum, x)?; // 3y - 2x: x meets itself
                Ok(sum)
            }
            Op::Rotate => ev.rotate(x, 5),
            Op::Hoisted => {
                let h = ev.hoist(x, &[1, 2])?;
                ev.hoisted(&h, 2)
            }
            Op::MulPlain => {
                let p = ev.encode(&[0.5, -0.25], top)?;
                let w = ev.mul_plain(x, &p)?;
                ev.rescale(w)
            }
            Op::LevelDown => ev.copy_at_level(x, 0),
            Op::Product => ev.product(x, y),
            Op::WeightedSum => {
                let w = ev.weighted_sum(&[(x, 0.5), (y, -0.75)], top)?;
                ev.rescale(w)
            }
            Op::Map => {
                let (baby_steps, giant_steps) = ([0, 1, 2], [-8, 0, 8]);
                let diagonal =
                    |k: usize| (0..16).map(|i| ((i * 5 + k * 3) % 11) as f64 / 5.5 - 1.0).collect::<Vec<_>>();
                let plain: Result<Vec<_>> = (0..9).map(|k| ev.encode_diagonal(&diagonal(k), top)).collect();
                let plain = plain?;
                let plain: Vec<_> = plain.iter().enumerate().map(|(k, p)| (k != 4).then_some(p)).collect();
                let h = ev.hoist(x, &baby_steps)?;
                let mut w =
                    ev.transform(&h, &Transform { baby_steps: &baby_steps, giant_steps: &giant_steps, plain: &plain })?;
                let square = ev.mul(x, x)?;
                ev.accumulate(&mut w, square)?;
                ev.rescale(w)
            }
            Op::Constant => {
                let mut z = large(ev, x)?;
                z = ev.scaled(&z, 0.3)?;
                Ok(z)
            }
            Op::Vector => {
                let z = large(ev, x)?;
                let p = ev.encode(&[0.3, -0.7, 0.1, 0.9], top)?;
                let w = ev.mul_plain(&z, &p)?;
                ev.rescale(w)
            }
            Op::Diagonal => {
                let z = large(ev, x)?;
                let h = ev.hoist(&z, &[0])?;
                let p = ev.encode_diagonal(&[0.3, -0.7, 0.1, 0.9], top)?;
                let w = ev.transform(&h, &Transform { baby_steps: &[0], giant_steps: &[0], plain: &[Some(&p)] })?;
                ev.rescale(w)
            }
            Op::Chebyshev => {
                let c: Vec<f64> = (0..16).map(|i| 1.0 / (i + 1) as f64).collect();
                evaluate_unit(ev, &Polynomial::new(&c, (-1.0, 1.0))?, x)
            }
        }
    }
}

/// x and 2^16. At this size the error of a constant is larger than the error of a rescale.
fn large<A: Arithmetic>(ev: &mut A, x: &A::Slots) -> Result<A::Slots> {
    let mut z = ev.copy(x)?;
    ev.add_const(&mut z, 65536.0)?;
    Ok(z)
}

/// The factor of an operation.
const OPERATION: f64 = 1.2;
/// The factor of a circuit.
const CIRCUIT: f64 = 1.5;

fn rms(z: &[Complex], want: &[f64]) -> f64 {
    Errors::of(z.iter().zip(want).map(|(z, x)| (z.re - x).hypot(z.im))).rms
}

/// The mean square over some secrets, its root.
fn predicted(
    p: &Params,
    want: &[f64],
    without: Option<ErrorSource>,
    run: impl Fn(&mut NoiseSimulator<'_>) -> Result<NoisyVector>,
) -> f64 {
    let draws = 6;
    let squares = (0..draws).map(|i| {
        let mut ev = NoiseSimulator::new(p, [i + 1; 32]);
        if let Some(source) = without {
            ev = ev.without(source);
        }
        let y = run(&mut ev).unwrap();
        rms(ev.decrypt(&y), want).powi(2)
    });
    (squares.sum::<f64>() / draws as f64).sqrt()
}

/// A client and an evaluator with the keys of every operation.
fn with_keys(
    spec: &Spec<'_>,
    log_n: u8,
    f: impl FnOnce(&'static Params, &mut Client<'static, Be>, &mut Ckks<'static, Be>),
) {
    let (params, mut be) = Chain::new(spec, log_n).into_scalar(200);
    let mut trace = Trace::new(params.slots(), None);
    let x = trace.input(params.max_message_level());
    trace.product(&x, &x).unwrap();
    trace.conjugate(&x).unwrap();
    trace.hoist(&x, &[1, 2, 5, 8, -8]).unwrap();
    let mut client = Client::new(&mut be, params, 3);
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Ckks::new(be, params, keys).unwrap();
    f(params, &mut client, &mut ev);
}

#[test]
fn every_operation_is_predicted_and_would_not_be_without_its_main_source() {
    use ErrorSource::{Encoding, Fresh, Gadget, Rounding};
    for (spec, log_n) in [(presets::L13, 11), (presets::L14, 11), (presets::B16, 10), (presets::H16, 10)] {
        with_keys(&spec, log_n, |p, client, ev| {
            let top = p.max_message_level();
            let (gadget, rounding) = (noise::gadget(p, top), noise::rounding(p));
            let switch = match gadget / rounding {
                ratio if ratio > 2.0 => Some(Gadget), // digits are as large as P
                ratio if ratio < 0.5 => Some(Rounding),
                _ => None,
            };
            let ops = [
                (Op::Fresh, Some(Fresh)),
                (Op::Sum, Some(Fresh)),
                (Op::Rotate, switch),
                (Op::Hoisted, switch),
                (Op::MulPlain, Some(Rounding)),
                (Op::LevelDown, Some(Rounding)),
                (Op::Product, Some(Rounding)),
                (Op::WeightedSum, Some(Rounding)),
                (Op::Map, switch.filter(|s| *s == Gadget)),
                (Op::Constant, Some(Encoding)),
                (Op::Vector, Some(Encoding)),
                (Op::Diagonal, None), // at the scale of factors: what is lost is as much less as that is more
                (Op::Chebyshev, None),
            ];
            let (x, y) = (scattered(p.slots(), 1), scattered(p.slots(), 2));
            let reals = |z: &[Complex]| z.iter().map(|z| z.re).collect::<Vec<_>>();
            let (cx, cy) = (client.encrypt(&mut ev.be, &x, top), client.encrypt(&mut ev.be, &y, top));
            for (op, main) in ops {
                if matches!(op, Op::Chebyshev) && top < 4 {
                    continue;
                }
                let mut clear = ClearVec::<f64>::with_slots(p.slots());
                let want = op.run(&mut clear, &reals(&x), &reals(&y)).unwrap();
                let got = op.run(ev, &cx, &cy).unwrap();
                let measured = rms(&client.decrypt(&mut ev.be, &got), &want);
                let run = |ev: &mut NoiseSimulator<'_>| {
                    let (x, y) = (ev.encrypt(&x, top)?, ev.encrypt(&y, top)?);
                    op.run(ev, &x, &y)
                };
                let ratio = measured / predicted(p, &want, None, run);
                let factor = if matches!(op, Op::Chebyshev) { CIRCUIT } else { OPERATION };
                println!("n = 2^{log_n}, {op:?}: 2^{:.2}, {ratio:.2} of what is predicted", measured.log2());
                assert!(within(ratio, factor), "{op:?}: {ratio}");
                if let Some(source) = main {
                    let ratio = measured / predicted(p, &want, Some(source), run);
                    println!("    {ratio:.2} without {source:?}");
                    assert!(!within(ratio, OPERATION), "{op:?} without {source:?}: {ratio}");
                }
            }
        });
    }
}

#[test]
fn public_keys_and_conjugation_are_predicted() {
    with_keys(&presets::L13, 11, |p, client, ev| {
        let (top, x) = (p.max_message_level(), scattered(p.slots(), 1));
        let want: Vec<f64> = x.iter().map(|z| z.re).collect();
        let c = client.encrypt_public(&mut ev.be, &x, top);
        let measured = rms(&client.decrypt(&mut ev.be, &c), &want);
        let ratio = measured / predicted(p, &want, None, |ev| ev.encrypt_public(&x, top));
        assert!(within(ratio, OPERATION), "public key: {ratio}");
        let c = client.encrypt(&mut ev.be, &x, top);
        let c = ev.conjugate(&c).unwrap();
        let measured = rms(&client.decrypt(&mut ev.be, &c), &want);
        let run = |ev: &mut NoiseSimulator<'_>| {
            let x = ev.encrypt(&x, top)?;
            ev.conjugate(&x)
        };
        let ratio = measured / predicted(p, &want, None, run);
        assert!(within(ratio, OPERATION), "conjugation: {ratio}");
        assert!(!within(measured / predicted(p, &want, Some(ErrorSource::Gadget), run), OPERATION));
    });
}

#[test]
fn public_vectors_are_what_the_scheme_makes_of_them() {
    with_keys(&presets::L14, 10, |p, client, ev| {
        let values: Vec<f64> = scattered(64, 1).iter().map(|z| z.re * 1000.0).collect();
        for level in [1, p.max_message_level()] {
            let mut zero = client.encrypt(&mut ev.be, &scattered(p.slots(), 1), level);
            let same = ev.copy(&zero).unwrap();
            ev.sub(&mut zero, &same).unwrap();
            let public = ev.encode(&values, level).unwrap();
            ev.add_plain(&mut zero, &public).unwrap();
            let got = client.decrypt(&mut ev.be, &zero);
            let mut quiet = NoiseSimulator::new(p, [1; 32]).without(ErrorSource::Fresh);
            let mut x = quiet.encrypt(&[Complex::default()], level).unwrap();
            let public = quiet.encode(&values, level).unwrap();
            quiet.add_plain(&mut x, &public).unwrap();
            let far = got.iter().zip(quiet.decrypt(&x)).map(|(a, b)| (a.re - b.re).hypot(a.im - b.im));
            let far = far.fold(0.0, f64::max);
            let rounded = noise::encoding(p) / p.scale(level);
            assert!(far < 1e-2 * rounded, "level {level}: {far:e} beside a rounding of {rounded:e}");
        }
    });
}

const LOG_N: u8 = 10;
const SLOTS: usize = 512;

/// Bootstraps of an entry on a chain with `top` levels.
fn placement(entry: &Entry, top: u8) -> Placement {
    let mut deep = BootstrapPlanner::new(Trace::new(SLOTS, None), Placement::none(TOP), |_, x| Ok(x));
    let inputs: Vec<_> = (0..entry.circuit.inputs()).map(|_| deep.inner.input(TOP)).collect();
    let mut xs = inputs.into_iter().map(|x| deep.input(x).unwrap()).collect();
    entry.circuit.run(&mut deep, &mut xs, &entry.rows).unwrap();
    cheapest(deep.nodes(), top, top).unwrap()
}

/// The errors of every output on ciphertexts, divided by the prediction.
fn errors(entry: &Entry, without: Option<ErrorSource>) -> f64 {
    let (params, be) = Chain::new(&presets::L15, LOG_N).into_scalar(700);
    let (top, inputs) = (params.max_message_level(), entry.sample(SLOTS, 1));
    let place = placement(entry, top);
    let mut want = inputs.clone();
    entry.circuit.run(&mut ClearVec::<f64>::with_slots(SLOTS), &mut want, &entry.rows).unwrap();

    let got = decrypted(entry, (params, be), &place, &inputs).outputs;
    let far = |got: &[Vec<f64>]| {
        got.iter().flatten().zip(want.iter().flatten()).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>()
    };
    let deviations = predicted_slots(|seed| {
        let mut ev = NoiseSimulator::new(params, seed);
        if let Some(source) = without {
            ev = ev.without(source);
        }
        let complex = |x: &[f64]| x.iter().map(|x| Complex::from(*x)).collect::<Vec<_>>();
        let real = |ev: &NoiseSimulator<'_>, x: &NoisyVector| ev.decrypt(x).iter().map(|z| z.re).collect::<Vec<_>>();
        let fresh: Vec<_> = inputs.iter().map(|x| ev.encrypt(&complex(x), top).unwrap()).collect();
        let mut deep = BootstrapPlanner::new(ev, place.clone(), |ev: &mut NoiseSimulator<'static>, x: NoisyVector| {
            let values = real(ev, &x);
            ev.encrypt(&complex(&values), top)
        });
        let mut xs = fresh.into_iter().map(|x| deep.input(x).unwrap()).collect();
        entry.circuit.run(&mut deep, &mut xs, &entry.rows).unwrap();
        let results: Vec<_> = xs.into_iter().map(|x| deep.output(x)).collect();
        let (ev, _) = deep.into_parts();
        far(&results.iter().map(|x| real(&ev, x)).collect::<Vec<_>>())
    });
    ratio(far(&got), &deviations)
}

#[test]
fn every_circuit_of_the_catalogue_is_predicted_in_every_slot() {
    let mut bad = Vec::new();
    for entry in every(SLOTS).unwrap() {
        let ratio = errors(&entry, None);
        println!("{:40} {ratio:.2} of what is predicted", entry.name);
        if !within(ratio, CIRCUIT) {
            bad.push((entry.name, ratio));
        }
    }
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn circuits_without_their_roundings_would_not_be_predicted() {
    let all = every(SLOTS).unwrap();
    for name in ["power_softmax_stable", "layer_norm_blocks", "gelu", "linear_qkv", "reciprocal", "inverse_root"] {
        let entry = all.iter().find(|e| e.name == name).unwrap();
        let ratio = errors(entry, Some(ErrorSource::Rounding));
        println!("{name:40} {ratio:.2} without roundings");
        assert!(!within(ratio, CIRCUIT), "{name}: {ratio}");
    }
}
