//! The properties of a decoder: no token depends on a later token, scores depend on distances only, and neither
//! property costs a level.

use polyformer_kernel::{
    Error,
    circuits::{
        attention::{PowerSoftmax, power::Form},
        poly::Polynomial,
        reciprocal::Division,
    },
    eval::{clear::ClearVec, trace::Trace},
    nn::{
        Attention, Engine, Model, Pooling, Rotary, Stored,
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::{BootstrapLevels, Layout, SlotEngine},
    },
};
use polyformer_tests::transformer::{decoder, dense, model, noise};

const WIDTH: usize = 16;
const TOKENS: usize = 6;
/// Levels of a bootstrap as the parameter set B16 has them.
const B16: BootstrapLevels = BootstrapLevels { input: 3, output: 16 };

/// Attention of a decoder's first layer.
fn attention() -> Attention<'static> {
    decoder(1, WIDTH, WIDTH, 2).layers[0].attention.clone()
}

/// The results of two heads from rows of query, key and value, by `how`.
fn on_rows(qkv: &[Vec<f64>; 3], how: &Attention<'_>) -> Vec<f64> {
    let rows = qkv.each_ref().map(|x| Rows::new(WIDTH, x.clone()).unwrap());
    ClearEngine::<f64>::new(2).attention(rows, how).unwrap().values().to_vec()
}

/// The same in slots.
fn in_slots(qkv: &[Vec<f64>; 3], how: &Attention<'_>) -> Vec<f64> {
    let layout = Layout::new(&[qkv[0].len() / WIDTH], WIDTH, 2, 1 << 12).unwrap();
    let packed = qkv.each_ref().map(|x| {
        let mut packed = vec![0.0; layout.period()];
        layout.pack(0, x, &mut packed).unwrap();
        vec![packed]
    });
    let mut ev = ClearVec::<f64>::with_slots(layout.period());
    let out = SlotEngine::new(&mut ev, layout).attention(packed, how).unwrap();
    out[0][..qkv[0].len()].to_vec()
}

/// Rows of query, key and value, with scores within the range of the reciprocal.
fn questions() -> [Vec<f64>; 3] {
    [(1, 0.3), (2, 1.0), (3, 1.0)].map(|(seed, most)| noise(seed, TOKENS * WIDTH).iter().map(|x| most * x).collect())
}

fn near(a: &[f64], b: &[f64], error: f64) -> bool {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= error)
}

#[test]
fn a_later_token_changes_no_earlier_row() {
    let (before, mut after) = (questions(), questions());
    for x in &mut after {
        x[4 * WIDTH..].iter_mut().for_each(|x| *x = 0.3 - *x);
    }
    let earlier = |x: &[f64]| x[..4 * WIDTH].to_vec();
    let how = attention();
    assert_eq!(earlier(&on_rows(&before, &how)), earlier(&on_rows(&after, &how)));
    assert!(near(&earlier(&in_slots(&before, &how)), &earlier(&in_slots(&after, &how)), 1e-15));
    let open = Attention { causal: false, ..how };
    for run in [on_rows, in_slots] {
        assert!(!near(&earlier(&run(&before, &open)), &earlier(&run(&after, &open)), 1e-3), "the law can be broken");
    }
}

#[test]
fn a_row_is_that_of_a_question_that_ends_with_it() {
    let (whole, how) = (questions(), attention());
    let (rows, slots) = (on_rows(&whole, &how), in_slots(&whole, &how));
    for tokens in 1..=TOKENS {
        let part = whole.each_ref().map(|x| x[..tokens * WIDTH].to_vec());
        assert_eq!(rows[..tokens * WIDTH], on_rows(&part, &how));
        assert!(near(&slots[..tokens * WIDTH], &in_slots(&part, &how), 1e-14));
    }
}

#[test]
fn the_mean_of_all_rows_answers_the_mean_of_what_the_last_token_of_every_beginning_does() {
    let x = noise(3, TOKENS * WIDTH);
    let differs = |last: &Model<'_>| {
        let mean = Model { pooling: Pooling::Mean, ..last.clone() };
        let answers: Vec<_> = (1..=TOKENS).map(|t| dense(last, &x[..t * WIDTH])).collect();
        let all = dense(&mean, &x).into_iter().enumerate();
        all.map(|(i, m)| (m - answers.iter().map(|a| a[i]).sum::<f64>() / TOKENS as f64).abs()).fold(0.0, f64::max)
    };
    assert!(differs(&decoder(2, WIDTH, 32, 5)) < 1e-12);
    let encoder = Model { pooling: Pooling::Last, ..model(WIDTH, 32, 5) };
    assert!(differs(&encoder) > 1e-3, "the law can be broken");
}

#[test]
fn moving_all_tokens_on_changes_no_score() {
    let [q, k, v] = questions();
    let one = Polynomial::new(&[1.0], (0.0, 1.0)).unwrap(); // then a key of zeros adds to the mean's count and nothing else
    for causal in [false, true] {
        let weights = PowerSoftmax::with_form(4, Form::LengthAgnostic, 0.02, Division::trained(one.clone())).unwrap();
        let how = Attention { causal, weights: weights.into(), ..attention() };
        let here = on_rows(&[q.clone(), k.clone(), v.clone()], &how);
        let [moved_q, moved_v] = [&q, &v].map(|x| [noise(9, 2 * WIDTH), x.clone()].concat());
        let moved = on_rows(&[moved_q, [vec![0.0; 2 * WIDTH], k.clone()].concat(), moved_v], &how);
        for (t, (here, moved)) in here.chunks(WIDTH).zip(moved[2 * WIDTH..].chunks(WIDTH)).enumerate() {
            let seen = how.seen(t, TOKENS) as f64;
            let same: Vec<f64> = moved.iter().map(|x| x * (seen + 2.0) / seen).collect();
            assert!(near(here, &same, 1e-13), "token {t}");
        }
    }
}

#[test]
fn a_causal_mask_costs_nothing_and_positions_two_key_switches_and_two_more_a_baby_step() {
    for (tokens, baby_steps) in [(4, 2), (16, 4), (64, 8)] {
        let (width, mut costs) = (128, Vec::new());
        let plain = Attention { causal: false, rotary: None, ..decoder(1, width, 4, 2).layers[0].attention.clone() };
        let causal = Attention { causal: true, ..plain.clone() };
        let rotary = Attention { rotary: Some(Rotary { base: 1e4 }), ..causal.clone() };
        for how in [plain, causal, rotary] {
            let mut trace = Trace::new(1 << 14, None);
            let x = [0; 3].map(|_| vec![trace.input(11)]);
            let layout = Layout::new(&[tokens], width, 2, 1 << 14).unwrap();
            SlotEngine::new(&mut trace, layout).attention(x, &how).unwrap();
            let one_group = (tokens == width / 2) as u8; // and none to add to it
            assert_eq!(trace.lowest_level(), one_group, "of 11 levels");
            costs.push(trace.cost());
        }
        assert_eq!(costs[0].differs(&costs[1]), None);
        assert_eq!(costs[2].key_switch - costs[1].key_switch, 2 + 2 * baby_steps, "{tokens} tokens: {costs:?}");
    }
}

#[test]
fn a_decoder_of_a_full_ciphertext_needs_the_keys_and_bootstraps_of_an_encoder() {
    let run = |model: &Model<'_>, questions: usize| {
        let mut trace = Trace::new(1 << 15, Some(16));
        let x = trace.input(16);
        let layout = Layout::new(&vec![64; questions], 128, 2, 1 << 15).unwrap();
        forward(&mut SlotEngine::bootstrapping(&mut trace, layout, B16), model, vec![x]).unwrap();
        (trace.cost(), trace.demand().rotations.keys().copied().collect::<Vec<_>>())
    };
    for questions in [1, 4] {
        let (encoder, keys) = run(&model(128, 128, 5), questions);
        let (decoder, more) = run(&decoder(2, 128, 128, 5), questions);
        assert_eq!(keys, more, "half a head is a giant step of the linear maps");
        assert_eq!((decoder.bootstrap, decoder.key_switch), (encoder.bootstrap, encoder.key_switch + 2 * 18));
    }
}

#[test]
fn features_that_make_no_pairs_and_bases_that_are_none_are_refused() {
    let with = |heads: usize, base: f64| {
        let mut made = decoder(1, WIDTH, 32, 5);
        let mut layers = made.layers.to_vec();
        layers[0].attention.rotary = Some(Rotary { base });
        (made.heads, made.layers) = (heads, Stored::Owned(layers));
        made.checked().map(|_| ())
    };
    assert_eq!(with(8, 1e4), Ok(()));
    let odd = with(16, 1e4).unwrap_err().to_string();
    assert_eq!(odd, "a head with rotary embedding must have pairs of features, heads and width: 16 and 16 given");
    let three = with(3, 1e4).unwrap_err().to_string();
    assert_eq!(three, "heads must divide the width: 3 and 16 given");
    assert_eq!(with(2, 0.0), Err(Error::BadRange { lo: 0.0, hi: 0.0 }));
    assert!(with(2, f64::INFINITY).is_err());
}

#[test]
fn a_decoder_in_single_floats_is_one_in_double_floats() {
    let (made, x) = (decoder(2, WIDTH, 32, 5), noise(3, TOKENS * WIDTH));
    let rows = Rows::new(WIDTH, x.iter().map(|x| *x as f32).collect()).unwrap();
    let single = forward(&mut ClearEngine::<f32>::new(2), &made, rows).unwrap();
    for (a, b) in single.values().iter().zip(dense(&made, &x)) {
        assert!((*a as f64 - b).abs() < 1e-4, "{a} and {b}");
    }
}
