//! The modules of the training package and the circuits agree. A file of the package has the results of PyTorch on
//! fixed numbers, and the circuits compute the same results.

use polyformer_kernel::{
    arith::Arithmetic,
    circuits::{
        approx::{Approximation, Function, Weight},
        attention::{
            pointwise::{gaussian, gaussian_exponent, scaled_sigma},
            power::{Form, PowerSoftmax, power_softmax, stable},
        },
        exp::Exp,
        inv_sqrt::{InverseRoot, inverse_root},
        norm::{Norm, layer_norm},
        poly::{Polynomial, evaluate},
        reciprocal::{Division, Iteration, reciprocal},
        reduce::{RowLayout, masked},
    },
    eval::clear::ClearVec,
    nn::{
        Attention, Engine, Matrix, Rotary,
        clear_engine::{self, ClearEngine},
        slot_engine::{Layout, SlotEngine},
    },
};
use serde_json::Value;

/// The allowed error of the circuits' own approximations.
const ERROR: f64 = 1e-7;
/// Slots of a row: keys, and zeros after them.
const SLOTS: usize = 8;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../host-tools/train/tests/vectors.json")).unwrap()
}

fn row(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn rows(v: &Value) -> Vec<Vec<f64>> {
    v.as_array().unwrap().iter().map(row).collect()
}

/// A row in slots.
fn slots(x: &[f64]) -> Vec<f64> {
    x.iter().copied().chain(std::iter::repeat(0.0)).take(SLOTS).collect()
}

fn near(got: &[f64], want: &[f64], error: f64, what: &str) {
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= error * want.abs().max(1e-3), "{what}: {got}, not {want}");
    }
}

#[test]
fn power_softmax_is_that_of_the_training_package() {
    let v = vectors();
    let (scores, mask) = (rows(&v["scores"]), row(&v["mask"]));
    let kept = mask.iter().sum::<f64>() as usize;
    let along = RowLayout::new(SLOTS, 1).unwrap();
    let mut seen = 0;
    for case in v["attention"].as_array().unwrap() {
        let kind = case["kind"].as_str().unwrap();
        let Some(power) = case["power"].as_u64() else { continue };
        let (power, epsilon) = (power as u32, case["epsilon"].as_f64().unwrap());
        let most = 20.0;
        let how = match kind {
            "power_softmax_length_agnostic" => PowerSoftmax::length_agnostic(power, kept, epsilon, most, ERROR),
            _ => PowerSoftmax::lipschitz(power, epsilon, most, ERROR),
        };
        let how = how.unwrap();
        for (x, want) in scores.iter().zip(rows(&case["weights"])) {
            let mut ev = ClearVec::<f64>::with_slots(SLOTS);
            let mut xs = [masked(&mut ev, &slots(x), &slots(&mask)).unwrap()];
            if kind == "power_softmax" {
                let c = xs[0].iter().fold(0.0f64, |m, x| m.max(x.abs())) + 1e-6;
                stable(&mut ev, &how, &mut xs, &along, &[1.0 / c; SLOTS]).unwrap();
            } else {
                power_softmax(&mut ev, &how, &mut xs, &along).unwrap();
            }
            near(&xs[0], &want, 10.0 * ERROR, kind);
        }
        seen += 1;
    }
    assert_eq!(seen, 12); // four powers and epsilons of three forms
}

#[test]
fn causal_power_softmax_is_that_of_the_training_package() {
    let v = &vectors()["decoder"];
    let (along, epsilon) = (RowLayout::new(SLOTS, 1).unwrap(), v["epsilon"].as_f64().unwrap());
    for (t, (x, want)) in rows(&v["scores"]).into_iter().zip(rows(&v["weights"])).enumerate() {
        let seen: Vec<f64> = (0..SLOTS).map(|key| (key <= t) as u8 as f64).collect();
        let how = PowerSoftmax::length_agnostic(4, t + 1, epsilon, 2.0, ERROR).unwrap();
        let mut ev = ClearVec::<f64>::with_slots(SLOTS);
        let mut xs = [masked(&mut ev, &slots(&x), &seen).unwrap()];
        power_softmax(&mut ev, &how, &mut xs, &along).unwrap();
        near(&xs[0], &want, 10.0 * ERROR, "causal");
    }
}

#[test]
fn a_decoders_attention_is_that_of_the_training_package_in_rows_and_in_slots() {
    let v = &vectors()["decoder"];
    let (heads, base) = (v["heads"].as_u64().unwrap() as usize, v["base"].as_f64().unwrap());
    let flat = |v: &Value| rows(v).concat();
    let (width, tokens) = (row(&v["query"][0]).len(), rows(&v["query"]).len());
    let nothing = || Matrix::new(1, 1, vec![0.0], vec![0.0]).unwrap();
    let p = &v["reciprocal"];
    let range = (p["lo"].as_f64().unwrap(), p["hi"].as_f64().unwrap());
    let division = Division::trained(Polynomial::new(&row(&p["coeffs"]), range).unwrap());
    let weights = PowerSoftmax::with_form(4, Form::LengthAgnostic, v["epsilon"].as_f64().unwrap(), division).unwrap();
    let how = Attention {
        causal: true,
        rotary: Some(Rotary { base }),
        weights: weights.into(),
        qkv: [nothing(), nothing(), nothing()],
        output: nothing(),
    };
    let qkv = ["query", "key", "value"].map(|name| flat(&v[name]));
    let exact = |got: &[f64], what: &str| {
        let off = got.iter().zip(flat(&v["mixed"])).map(|(got, want)| (got - want).abs());
        assert_eq!(got.len(), tokens * width);
        assert!(off.fold(0.0, f64::max) < 1e-12, "{what}");
    };
    let of_rows = qkv.each_ref().map(|x| clear_engine::Rows::new(width, x.clone()).unwrap());
    exact(ClearEngine::<f64>::new(heads).attention(of_rows, &how).unwrap().values(), "rows");

    // a head of slots is as wide as there are tokens, or wider: heads go apart, and zeros between the pairs of features
    let (d, wide) = (width / heads, 16);
    let base = base.powf(wide as f64 / d as f64); // the angles of the first pairs stay
    let place = |f: usize| f / d * wide + if f % d < d / 2 { f % d } else { f % d - d / 2 + wide / 2 };
    let layout = Layout::new(&[tokens], heads * wide, heads, 1 << 12).unwrap();
    let apart = qkv.map(|x| {
        let mut spread = vec![0.0; tokens * heads * wide];
        x.iter().enumerate().for_each(|(i, x)| spread[i / width * heads * wide + place(i % width)] = *x);
        let mut packed = vec![0.0; layout.period()];
        layout.pack(0, &spread, &mut packed).unwrap();
        vec![packed]
    });
    let mut ev = ClearVec::<f64>::with_slots(layout.period());
    let out = SlotEngine::new(&mut ev, layout).attention(apart, &Attention { rotary: Some(Rotary { base }), ..how });
    let out = &out.unwrap()[0];
    let back = (0..tokens * width).map(|i| out[i / width * heads * wide + place(i % width)]);
    exact(&back.collect::<Vec<_>>(), "slots");
}

#[test]
fn rotary_positions_are_those_of_the_training_package() {
    let v = &vectors()["decoder"];
    let (by, heads) = (Rotary { base: v["base"].as_f64().unwrap() }, v["heads"].as_u64().unwrap() as usize);
    for name in ["query", "key"] {
        for (t, (x, want)) in rows(&v[name]).into_iter().zip(rows(&v["rotated"][name])).enumerate() {
            let d = x.len() / heads;
            for (x, want) in x.chunks(d).zip(want.chunks(d)) {
                for i in 0..d / 2 {
                    let ((cos, sin), (a, b)) = (by.turn(t, i, d), (x[i], x[i + d / 2]));
                    let off = [a * cos - b * sin - want[i], b * cos + a * sin - want[i + d / 2]];
                    assert!(off.iter().all(|off| off.abs() < 1e-14), "{name} of token {t}, pair {i}");
                }
            }
        }
    }
}

#[test]
fn attention_without_a_sum_is_that_of_the_training_package() {
    let v = vectors();
    let (scores, mask) = (rows(&v["scores"]), slots(&row(&v["mask"])));
    let (q, k) = (rows(&v["query"]), rows(&v["key"]));
    let kept = mask.iter().sum::<f64>() as usize;
    let weights = |kind: &str| {
        let cases = v["attention"].as_array().unwrap();
        rows(&cases.iter().find(|c| c["kind"] == kind).unwrap()["weights"])
    };
    let mut ev = ClearVec::<f64>::with_slots(SLOTS);
    let gelu = Approximation::within(Function::Gelu, Weight::Absolute, (-3.0, 3.0), ERROR / 100.0).unwrap();
    for (x, want) in scores.iter().zip(weights("scaled_sigma")) {
        let mut xs = [slots(x)];
        scaled_sigma(&mut ev, &gelu, &mut xs, kept).unwrap();
        near(&masked(&mut ev, &xs[0], &mask).unwrap(), &want, ERROR, "scaled_sigma");
    }
    let exp = Exp::choose(16.0, ERROR / 100.0).unwrap();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / (a.len() as f64).sqrt();
    for (q, want) in q.iter().zip(weights("gaussian_kernel")) {
        let keys = |f: &dyn Fn(&[f64]) -> f64| slots(&k.iter().map(|k| f(k)).collect::<Vec<_>>());
        let (dots, norms) = (keys(&|k| dot(q, k)), keys(&|k| dot(k, k)));
        let mut xs = [gaussian_exponent(&mut ev, &dots, &vec![dot(q, q); SLOTS], &norms).unwrap()];
        gaussian(&mut ev, &exp, &mut xs).unwrap();
        near(&masked(&mut ev, &xs[0], &mask).unwrap(), &want, ERROR, "gaussian_kernel");
    }
}

#[test]
fn the_norm_and_the_iterations_are_those_of_the_training_package() {
    let v = vectors();
    let norm = &v["norm"];
    let how = Norm::new(SLOTS, (0.1, 4.0), norm["epsilon"].as_f64().unwrap(), ERROR).unwrap();
    let along = RowLayout::new(SLOTS, 1).unwrap();
    let mut ev = ClearVec::<f64>::with_slots(SLOTS);
    for (x, want) in rows(&norm["x"]).into_iter().zip(rows(&norm["y"])) {
        let mut xs = [x];
        layer_norm(&mut ev, &how, &mut xs, &along).unwrap();
        near(&xs[0], &want, 10.0 * ERROR, "norm");
    }
    let all = &v["iterations"];
    let x = slots(&row(&all["x"]));
    let x: Vec<f64> = x.iter().map(|x| if *x == 0.0 { 1.0 } else { *x }).collect();
    for name in ["relaxed_inverse_sqrt", "relaxed_reciprocal", "newton_inverse_sqrt"] {
        let (case, want) = (&all[name], row(&all[name]["y"]));
        let steps = case["steps"].as_u64().unwrap() as usize;
        let range = (case["lo"].as_f64().unwrap_or(0.02), case["hi"].as_f64().unwrap_or(1.0));
        // the circuits centre the last error of a relaxed iteration around 0: the two differ by it at most
        let (got, error, scale) = match name {
            "relaxed_reciprocal" => {
                let how = Division::new(range, Iteration::Goldschmidt, true, None, steps).unwrap();
                let scaled = ev.scaled(&x, how.scale()).unwrap();
                (reciprocal(&mut ev, &how, &scaled).unwrap(), how.error(), how.scale())
            }
            _ => {
                let (relaxed, way) = (name.starts_with("relaxed"), Iteration::Newton);
                let how = InverseRoot::new(range, way, relaxed, None, steps).unwrap();
                let scaled = ev.scaled(&x, how.scale()).unwrap();
                let error = if relaxed { how.error() } else { 0.0 };
                (inverse_root(&mut ev, &how, &scaled).unwrap(), error, how.scale().sqrt())
            }
        };
        let got: Vec<f64> = got.iter().map(|y| y * scale).collect();
        near(&got, &want, 1.1 * error + 1e-9, name);
    }
}

#[test]
fn polynomials_are_those_of_the_training_package() {
    for case in vectors()["polynomials"].as_array().unwrap() {
        let name = case["function"].as_str().unwrap();
        let function = match name {
            "gelu" => Function::Gelu,
            "tanh" => Function::Tanh,
            "sigmoid" => Function::Sigmoid,
            "reciprocal" => Function::Reciprocal,
            "inverse_sqrt" => Function::InvSqrt,
            other => panic!("{other}"),
        };
        let weight = if case["relative"] == true { Weight::Relative } else { Weight::Absolute };
        let range = (case["lo"].as_f64().unwrap(), case["hi"].as_f64().unwrap());
        let (coeffs, error) = (row(&case["coeffs"]), case["error"].as_f64().unwrap());
        let kept = Polynomial::new(&coeffs, range).unwrap();
        let certified = Approximation::certified(function, weight, kept.clone()).unwrap().error();
        // the package samples the error; what is certified is up to 1/cos(π/16) above, or what 1/(2 - residual) costs
        let above = if name == "inverse_sqrt" { 1.12 } else { 1.021 };
        assert!((1.0 - 1e-4..above).contains(&(certified / error)), "{name}: {certified} certified, {error} sampled");
        let own = Approximation::minimax(function, weight, range, coeffs.len() - 1).unwrap();
        assert!((own.error() / certified - 1.0).abs() < 2e-3, "{name}: {}, not {certified}", own.error());
        let mut ev = ClearVec::<f64>::with_slots(SLOTS);
        let x: Vec<f64> = (0..SLOTS).map(|i| range.0 + (range.1 - range.0) * i as f64 / (SLOTS - 1) as f64).collect();
        let got = evaluate(&mut ev, &kept, &x).unwrap();
        let off = got.iter().zip(&x).map(|(y, x)| (y - function.at(*x)).abs() / weight_at(weight, function, *x));
        assert!(off.fold(0.0, f64::max) <= error * (1.0 + 1e-3), "{name}");
    }
}

fn weight_at(weight: Weight, function: Function, x: f64) -> f64 {
    match weight {
        Weight::Absolute => 1.0,
        Weight::Relative => function.at(x).abs(),
    }
}
