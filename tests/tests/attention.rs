//! Every attention variant, in both engines: the clear layer is the variant's definition, its row circuit and what the
//! training package computed; slots give what rows give, with and without a causal mask; and so do ciphertexts.

use polyformer_kernel::{
    arith::Arithmetic,
    bootstrap::{Bootstrapped, Order, Recipe},
    circuits::{
        approx::{Approximation, Function, Weight},
        attention::{
            AttentionWeights, Cgf, ExponentialSoftmax, GaussianKernel, PowerSoftmax, PublicBpMax, ScaledSigma,
            Similarity, Variant, pointwise::BpMax, power::Form,
        },
        exp::Exp,
        reciprocal::Division,
        reduce::RowLayout,
    },
    ckks::Ckks,
    eval::{clear::ClearVec, trace::Trace},
    nn::{
        Attention, Engine, Matrix, Model, Rotary,
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::{AttentionLevels, BootstrapLevels, Layout, SlotEngine},
    },
};
use polyformer_tests::{
    chain::Chain,
    client::Client,
    transformer::{decoder, dense, encoder, noise, packed_question, with_weights},
};
use serde_json::Value;

/// What a variant's own approximations may add.
const ERROR: f64 = 1e-3;

fn power(p: u32, form: Form, epsilon: f64, range: (f64, f64)) -> Variant {
    PowerSoftmax::with_form(p, form, epsilon, Division::choose(range, ERROR).unwrap()).unwrap().into()
}

/// Every variant and form, for scores in [-1.2, 1.2] of which one of a row is 1.2.
fn variants() -> Vec<(&'static str, Variant)> {
    let sigma = |f| Approximation::chebyshev(f, Weight::Absolute, (-4.0, 4.0), 15).unwrap();
    let sigma = |f| Variant::from(ScaledSigma::new(&sigma(f)).unwrap());
    vec![
        ("plain", power(6, Form::Plain, 0.0, (1.0, 100.0))),
        ("lipschitz", power(2, Form::Lipschitz, 0.05, (0.05, 20.0))),
        ("stable", power(4, Form::Stable { bound: 2.0 }, 0.01, (0.01, 4.0))),
        ("length_agnostic", power(4, Form::LengthAgnostic, 0.05, (0.05, 4.0))),
        ("length_agnostic_16", power(16, Form::LengthAgnostic, 0.5, (0.5, 24.0))),
        ("gelu", sigma(Function::Gelu)),
        ("relu", sigma(Function::Relu)),
        ("gaussian", GaussianKernel::new(Exp::choose(8.0, ERROR).unwrap()).into()),
        ("bpmax", PublicBpMax::new(BpMax::PUBLISHED, 3125.0).unwrap().into()),
        ("cgf", Cgf::new(1, (-4.0, 3.0), ERROR).unwrap().into()),
        ("softmax", ExponentialSoftmax::new((-2.0, 2.0), ERROR).unwrap().into()),
    ]
}

fn attention(weights: &Variant, causal: bool) -> Attention<'static> {
    let nothing = || Matrix::new(1, 1, vec![0.0], vec![0.0]).unwrap();
    let (qkv, weights) = ([nothing(), nothing(), nothing()], weights.clone());
    Attention { causal, rotary: None, weights, qkv, output: nothing() }
}

const TOKENS: usize = 8;
const WIDTH: usize = 16;

/// Query and key whose dot products are the scores: keys are unit vectors. Values are unit vectors, so that a row of the
/// output is a row of weights.
fn question() -> [Vec<f64>; 3] {
    let unit = |i: usize| (i / WIDTH == i % WIDTH) as u8 as f64;
    let keys: Vec<f64> = (0..TOKENS * WIDTH).map(unit).collect();
    let mut query: Vec<f64> = noise(7, TOKENS * WIDTH).iter().map(|x| 1.2 * x).collect();
    (0..TOKENS).for_each(|t| query[t * WIDTH + t] = 1.2);
    query.iter_mut().enumerate().filter(|(i, _)| i % WIDTH >= TOKENS).for_each(|(_, x)| *x = 0.0);
    [query, keys.clone(), keys]
}

/// The weights of query t for every key, of the clear engine.
fn clear_rows(weights: &Variant, causal: bool, qkv: [Vec<f64>; 3]) -> Vec<Vec<f64>> {
    let width = qkv[0].len() / TOKENS;
    let rows = qkv.map(|x| Rows::new(width, x).unwrap());
    let out = ClearEngine::<f64>::new(1).attention(rows, &attention(weights, causal)).unwrap();
    out.values().chunks(width).map(|row| row[..TOKENS].to_vec()).collect()
}

/// The scores of query t, without any factor.
fn scores(weights: &Variant, t: usize) -> Vec<f64> {
    let [q, k, _] = question();
    let row = |x: &[f64], t: usize| x[t * WIDTH..][..WIDTH].to_vec();
    let q = row(&q, t);
    let score = |k: Vec<f64>| match weights.similarity() {
        Similarity::Dot => q.iter().zip(&k).map(|(a, b)| a * b).sum::<f64>(),
        Similarity::Distance => -0.5 * q.iter().zip(&k).map(|(a, b)| (a - b) * (a - b)).sum::<f64>(),
    };
    (0..TOKENS).map(|u| score(row(&k, u))).collect()
}

#[test]
fn rows_in_the_clear_are_the_definition_of_every_variant() {
    for (name, weights) in variants() {
        for causal in [false, true] {
            for (t, got) in clear_rows(&weights, causal, question()).iter().enumerate() {
                let seen = if causal { t + 1 } else { TOKENS };
                let mut want = scores(&weights, t);
                want.truncate(seen);
                weights.define(&mut want);
                want.resize(TOKENS, 0.0);
                for (got, want) in got.iter().zip(want) {
                    let bound = weights.error() * want.abs().max(1.0) + 1e-9;
                    assert!((got - want).abs() <= bound, "{name}, token {t}: {got}, not {want}");
                }
            }
        }
    }
}

#[test]
fn rows_in_the_clear_are_the_row_circuit_of_every_variant() {
    for (name, weights) in variants() {
        for (t, want) in clear_rows(&weights, false, question()).iter().enumerate() {
            let mut ev = ClearVec::<f64>::with_slots(TOKENS);
            let factor = weights.score_factor(TOKENS);
            let mut xs = [scores(&weights, t).iter().map(|x| x * factor).collect::<Vec<_>>()];
            weights.weights(&mut ev, &mut xs, &RowLayout::new(TOKENS, 1).unwrap(), TOKENS).unwrap();
            for (got, want) in xs[0].iter().zip(want) {
                assert!((got - want).abs() < 1e-9, "{name}, token {t}: {got}, not {want}");
            }
        }
    }
}

#[test]
fn rows_in_the_clear_are_those_of_the_training_package() {
    let v: Value = serde_json::from_str(include_str!("../../host-tools/train/tests/vectors.json")).unwrap();
    let rows = |v: &Value| -> Vec<Vec<f64>> {
        let row = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        v.as_array().unwrap().iter().map(row).collect()
    };
    // three queries and four visible keys of four features, and a query of zeros: values are unit vectors
    let (query, key) = (rows(&v["query"]), rows(&v["key"]));
    let unit = |i: usize| (i / 4 == i % 4) as u8 as f64;
    let fine = 1e-7;
    let mut seen = 0;
    for case in v["attention"].as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap();
        let (kind, division) = (case["kind"].as_str().unwrap(), |epsilon: f64| Division::choose((epsilon, 40.0), fine));
        let scale = if kind == "gaussian_kernel" { [0.5f64.sqrt(); 2] } else { [0.5, 1.0] }; // 1/√d, in q or in both
        let form = |form| {
            let made =
                PowerSoftmax::with_form(number("power") as u32, form, number("epsilon"), division(number("epsilon"))?);
            Ok::<_, polyformer_kernel::Error>(made?.into())
        };
        let row_weights = |t: usize| -> Variant {
            let most = (0..4).map(|u| query[t].iter().zip(&key[u]).map(|(a, b)| a * b).sum::<f64>().abs() / 2.0);
            match kind {
                "power_softmax" => form(Form::Stable { bound: most.fold(0.0, f64::max) + 1e-6 }).unwrap(),
                "power_softmax_lipschitz" => form(Form::Lipschitz).unwrap(),
                "power_softmax_length_agnostic" => form(Form::LengthAgnostic).unwrap(),
                "scaled_sigma" => {
                    let range = (-3.0, 3.0);
                    let gelu = Approximation::within(Function::Gelu, Weight::Absolute, range, fine / 100.0).unwrap();
                    ScaledSigma::new(&gelu).unwrap().into()
                }
                "gaussian_kernel" => GaussianKernel::new(Exp::choose(16.0, fine / 100.0).unwrap()).into(),
                other => panic!("{other}"),
            }
        };
        for (t, want) in rows(&case["weights"]).iter().enumerate() {
            let zeros = [vec![0.0; 4]];
            let q = query.iter().chain(&zeros).flatten().map(|x| x * scale[0]).collect();
            let k = key[..4].iter().flatten().map(|x| x * scale[1]).collect();
            let qkv = [q, k, (0..16).map(unit).collect::<Vec<_>>()].map(|x| Rows::new(4, x).unwrap());
            let out = ClearEngine::<f64>::new(1).attention(qkv, &attention(&row_weights(t), false)).unwrap();
            for (got, want) in out.values()[4 * t..][..4].iter().zip(want) {
                assert!((got - want).abs() < 10.0 * fine, "{kind}, query {t}: {got}, not {want}");
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 14);
}

#[test]
fn slots_give_what_rows_give_for_every_variant_and_both_masks() {
    let even = (2..=16).step_by(2).map(|p| ("an even power", power(p, Form::Lipschitz, 0.05, (0.05, 20.0))));
    for (name, weights) in variants().into_iter().chain(even) {
        for causal in [false, true] {
            let attention = attention(&weights, causal);
            for (width, lengths) in [(16, vec![3]), (16, vec![5, 1, 7]), (32, vec![4, 16])] {
                let layout = Layout::new(&lengths, width, 2, 1 << 12).unwrap();
                let mut packed = [0; 3].map(|_| vec![0.0; layout.period()]);
                let small = |seed: usize, len: usize| noise(seed, len).iter().map(|x| 0.4 * x).collect::<Vec<_>>();
                let of = |i: usize| [10, 20, 30].map(|seed| small(seed + i, lengths[i] * width));
                for i in 0..lengths.len() {
                    packed.iter_mut().zip(of(i)).for_each(|(out, x)| layout.pack(i, &x, out).unwrap());
                }
                let mut ev = ClearVec::<f64>::with_slots(layout.period());
                let packed = packed.map(|x| vec![x]);
                let out = SlotEngine::new(&mut ev, layout.clone()).attention(packed, &attention).unwrap();
                for i in 0..lengths.len() {
                    let rows = of(i).map(|x| Rows::new(width, x).unwrap());
                    let want = ClearEngine::<f64>::new(2).attention(rows, &attention).unwrap();
                    for (at, want) in want.values().iter().enumerate() {
                        let got = out[0][at / width * layout.stride() + i * width + at % width];
                        assert!((got - want).abs() < 1e-9, "{name}, {lengths:?}, question {i}: {got}, not {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn attention_takes_the_levels_that_its_circuits_say() {
    for (name, weights) in variants() {
        for (features, rotary) in [(16, None), (64, None), (64, Some(Rotary { base: 100.0 }))] {
            let layout = Layout::new(&[8], features, 2, 1 << 10).unwrap();
            let mut trace = Trace::new(1 << 10, None);
            let x = [0; 3].map(|_| vec![trace.input(60)]);
            let attention = Attention { rotary, ..attention(&weights, false) };
            let out = SlotEngine::new(&mut trace, layout).attention(x, &attention).unwrap();
            let one_group = (features == 16) as u8; // and none to add to it
            let took = 60 - trace.level(&out[0]);
            assert_eq!(took + one_group, AttentionLevels::of(&weights).total(), "{name}");
        }
    }
}

/// Logits of an encrypted question and of a clear one.
fn encrypted(model: &Model<'_>) -> (Vec<f64>, Vec<f64>) {
    let (params, mut be) = Chain::b16(10).into_scalar(700);
    let (tokens, order) = (4, Order::SlotsToCoeffsFirst);
    let layout = Layout::new(&[tokens], model.width, model.heads, params.slots()).unwrap();
    let levels = BootstrapLevels::new(params, order).unwrap();
    let recipe = Recipe::new(layout.period(), order, model.range);
    let mut trace = Bootstrapped::new(Trace::new(params.slots(), None));
    trace.prepare(params, &recipe).unwrap();
    let x = trace.input(params.max_message_level());
    forward(&mut SlotEngine::bootstrapping(&mut trace, layout.clone(), levels), model, vec![x]).unwrap();
    let x = noise(5, tokens * model.width);
    let slots = packed_question(&layout, &x, params.slots());
    let mut client = Client::new(&mut be, params, 5);
    let keys = client.keys(&mut be, trace.demand());
    let question = client.encrypt(&mut be, &slots, params.max_message_level());
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    ev.prepare(params, &recipe).unwrap();
    let answer =
        forward(&mut SlotEngine::bootstrapping(&mut ev, layout.clone(), levels), model, vec![question]).unwrap();
    assert_eq!(trace.cost().differs(&ev.executed()), None);
    let logits: Vec<f64> = client.decrypt(&mut ev.be, &answer[0]).iter().map(|z| z.re).collect();
    (layout.unpack(0, &logits, model.outputs()).unwrap().to_vec(), dense(model, &x))
}

/// An encrypted layer of every variant whose index has this remainder modulo 4; a mask for every other one.
fn encrypted_quarter(quarter: usize) {
    for (i, (name, weights)) in variants().into_iter().enumerate().filter(|(i, _)| i % 4 == quarter) {
        let model = if i / 4 % 2 == 0 { encoder(1, 16, 16, 5) } else { decoder(1, 16, 16, 5) };
        let (got, want) = encrypted(&with_weights(model, &weights));
        let off = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        println!("{name}: 2^{:.1}", off.log2());
        assert!(off < NOISE, "{name}: {got:?}, not {want:?}");
    }
}

/// What noise may add to a logit.
const NOISE: f64 = 1.0 / (1 << 22) as f64;

#[test]
fn an_encrypted_layer_of_variants_0_4_8_is_the_clear_layer() {
    encrypted_quarter(0);
}

#[test]
fn an_encrypted_layer_of_variants_1_5_9_is_the_clear_layer() {
    encrypted_quarter(1);
}

#[test]
fn an_encrypted_layer_of_variants_2_6_10_is_the_clear_layer() {
    encrypted_quarter(2);
}

#[test]
fn an_encrypted_layer_of_variants_3_7_is_the_clear_layer() {
    encrypted_quarter(3);
}
