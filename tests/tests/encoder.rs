//! General encoders: the folded model equals the definition, norm by norm and map by map, computed here in f64.

use polyformer_kernel::{
    Error,
    arith::Arithmetic,
    bootstrap::{Bootstrapped, Order, Recipe},
    ckks::Ckks,
    eval::{clear::ClearVec, trace::Trace},
    math::complex::Complex,
    nn::{
        Head, Model, NormPlace, Pooling, Unfolded, UnfoldedHead,
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::{BootstrapLevels, Layout, SlotEngine},
    },
    params::{Params, presets},
};
use polyformer_tests::{
    chain::Chain,
    client::Client,
    encoder::{Shape, defined, unfolded},
    transformer::noise,
};

const SHAPE: Shape = Shape { width: 24, heads: 6, hidden: 40, layers: 2, degree: 7, reciprocal: 7 };

/// The largest difference between the model of a definition and the definition on rows of `tokens` tokens.
fn difference(shape: &Shape, place: NormPlace, head: &str, pooling: Pooling, tokens: usize) -> f64 {
    let parts = unfolded(shape, place, head, pooling);
    let x: Vec<f64> = noise(3, tokens * shape.width);
    let want = defined(&parts, &x);
    let model = parts.folded().unwrap();
    let rows = Rows::new(shape.width, x).unwrap();
    let mut engine = ClearEngine::<f64>::new(shape.heads).with_range(model.range);
    let out = forward(&mut engine, &model, rows).unwrap();
    assert_eq!(engine.departures().total(), 0, "the example stays in its ranges");
    assert_eq!(out.values().len(), want.len());
    out.values().iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn a_folded_model_is_its_definition() {
    for place in [NormPlace::Post, NormPlace::Pre] {
        for head in ["linear", "hidden", "features"] {
            for pooling in [Pooling::Mean, Pooling::First, Pooling::Last, Pooling::Each] {
                for degree in [2, 7, 15] {
                    let shape = Shape { degree, ..SHAPE };
                    let far = difference(&shape, place, head, pooling, 3);
                    assert!(far < 1e-5, "{place:?} {head} {pooling:?} degree {degree}: {far:e}"); // folded weights are f32
                }
            }
        }
    }
}

#[test]
fn a_linear_head_without_a_norm_before_takes_the_last_map() {
    let with = |norm: bool| {
        let mut parts = unfolded(&SHAPE, NormPlace::Pre, "linear", Pooling::Mean);
        if !norm {
            parts.final_norm = None;
        }
        parts
    };
    assert!(matches!(with(true).folded().unwrap().head, Head::Linear(_)));
    let parts = with(false);
    let x = noise(3, 3 * SHAPE.width);
    let want = defined(&parts, &x);
    let model = parts.folded().unwrap();
    assert!(matches!(model.head, Head::Folded(_)) && model.layers[1].down.is_none());
    let out = forward(&mut ClearEngine::<f64>::new(6), &model, Rows::new(SHAPE.width, x).unwrap()).unwrap();
    assert!(out.values().iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn parts_that_do_not_fit_are_refused_with_both_numbers() {
    let parts = || unfolded(&SHAPE, NormPlace::Post, "linear", Pooling::Mean);
    let heads = Unfolded { heads: 5, ..parts() }.folded();
    assert_eq!(heads.err(), Some(Error::BadShape { what: "heads must divide the width", left: 5, right: 24 }));
    let mut gain = parts();
    gain.layers[0].norm_feed_forward.gain = vec![1.0; 23].into();
    assert_eq!(gain.folded().err(), Some(Error::Length { expected: 24, actual: 23 }));
    let mut none = parts();
    none.layers[1].norm_attention = None;
    assert_eq!(none.folded().err(), Some(Error::Empty { what: "the norm after attention" }));
    let mut head = parts();
    head.head = UnfoldedHead::Linear(head.layers[0].down.clone());
    assert!(matches!(head.folded().err(), Some(Error::Length { .. })));
}

/// Rows of questions of these lengths.
fn questions(lengths: &[usize], width: usize) -> Vec<Vec<f64>> {
    lengths.iter().enumerate().map(|(i, length)| noise(3 + i, length * width)).collect()
}

/// The answers in slots to questions, each the numbers of a token of a question, with the definition's answers.
fn answers(layout: &Layout, parts: &Unfolded<'_>, rows: &[Vec<f64>], slots: &[Vec<f64>]) -> Vec<(f64, f64)> {
    let blocks: Vec<&[f64]> = slots.iter().map(|x| &x[..]).collect();
    let mut pairs = Vec::new();
    for (q, rows) in rows.iter().enumerate() {
        let want = defined(parts, rows);
        let count = want.len() / if parts.pooling == Pooling::Each { rows.len() / parts.width } else { 1 };
        for (token, want) in want.chunks(count).enumerate() {
            let got = layout.unpack_blocks((q, token), &blocks, count).unwrap();
            pairs.extend(got.into_iter().zip(want.iter().copied()));
        }
    }
    pairs
}

#[test]
fn features_over_several_blocks_get_the_answer_of_the_definition() {
    // width, heads, hidden, features of a block: full blocks; a padded block; padded heads; more tokens than a head has
    // features; one block
    let shapes = [
        (24, 6, 40, 8, vec![3, 4]),
        (20, 5, 16, 8, vec![4]),
        (24, 4, 30, 8, vec![2, 3, 1]),
        (24, 6, 40, 16, vec![7]),
        (12, 3, 16, 16, vec![3]),
    ];
    for (width, heads, hidden, features, lengths) in shapes {
        let shape = Shape { width, heads, hidden, layers: 2, degree: 7, reciprocal: 7 };
        for (place, head, pooling) in [
            (NormPlace::Post, "features", Pooling::Mean),
            (NormPlace::Post, "linear", Pooling::First),
            (NormPlace::Pre, "hidden", Pooling::Mean),
            (NormPlace::Pre, "linear", Pooling::Each),
            (NormPlace::Post, "features", Pooling::Each),
        ] {
            let (parts, rows) = (unfolded(&shape, place, head, pooling), questions(&lengths, width));
            let model = parts.clone().folded().unwrap();
            for rows in &rows {
                let mut clear = ClearEngine::<f64>::new(heads).with_range(model.range);
                forward(&mut clear, &model, Rows::new(width, rows.clone()).unwrap()).unwrap();
                assert_eq!(clear.departures().total(), 0, "{shape:?} {lengths:?}: the example stays in its ranges");
            }
            let layout = Layout::with_blocks(&lengths, (width, features), heads, 1 << 12).unwrap();
            let x = layout.pack_blocks(&rows.iter().map(|x| &x[..]).collect::<Vec<_>>()).unwrap();
            let mut ev = ClearVec::<f64>::with_slots(layout.period());
            let y = forward(&mut SlotEngine::new(&mut ev, layout.clone()), &model, x).unwrap();
            let pairs = answers(&layout, &parts, &rows, &y);
            let far = pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-5, "{shape:?} {lengths:?} {place:?} {head} {pooling:?}: {far:e}");
        }
    }
}

#[test]
fn rows_without_a_token_have_the_values_of_a_token() {
    let layout = Layout::with_blocks(&[3, 2, 1], (12, 8), 3, 512).unwrap();
    let rows = questions(&[3, 2, 1], 12);
    let x = layout.pack_blocks(&rows.iter().map(|x| &x[..]).collect::<Vec<_>>()).unwrap();
    let row = |question, token| {
        layout.unpack_blocks((question, token), &x.iter().map(|x| &x[..]).collect::<Vec<_>>(), 12).unwrap()
    };
    assert_eq!(row(1, 3), rows[1][12..], "the last token again");
    assert_eq!(row(3, 2), rows[0][..12], "the first row in the empty place");
    assert_eq!(x[1][4..8], [0.0; 4], "padding");
}

#[test]
fn a_head_that_does_not_fit_a_block_is_refused_with_both_numbers() {
    let shape = Shape { width: 24, heads: 2, ..SHAPE };
    let model = unfolded(&shape, NormPlace::Post, "linear", Pooling::Mean).folded().unwrap();
    let layout = Layout::with_blocks(&[3], (24, 8), 2, 512).unwrap();
    let x = layout.pack_blocks(&[&noise(3, 72)]).unwrap();
    let mut ev = ClearVec::<f64>::with_slots(layout.period());
    let error = forward(&mut SlotEngine::new(&mut ev, layout), &model, x).unwrap_err();
    let what = "the padded features and tokens of a head must fit a block";
    assert_eq!(error, Error::BadShape { what, left: 16, right: 8 });
}

/// The plan of a model on a chain: the trace, and the level of the answer.
fn planned(params: &Params, layout: &Layout, model: &Model<'_>) -> (Bootstrapped<Trace>, u8) {
    let mut trace = Bootstrapped::new(Trace::new(params.slots(), None));
    trace.prepare(params, &Recipe::new(layout.period(), ORDER, model.range)).unwrap();
    let x = (0..layout.blocks()).map(|_| trace.input(params.max_message_level())).collect();
    let levels = BootstrapLevels::new(params, ORDER).unwrap();
    let y = forward(&mut SlotEngine::bootstrapping(&mut trace, layout.clone(), levels), model, x).unwrap();
    let level = trace.level(&y[0]);
    (trace, level)
}

const ORDER: Order = Order::SlotsToCoeffsFirst;

fn encrypted(layers: usize, head: &str) {
    let shape = Shape { layers, ..SHAPE };
    let (params, mut be) = Chain::b16(10).into_scalar(900);
    let (parts, rows) = (unfolded(&shape, NormPlace::Post, head, Pooling::Mean), questions(&[3, 4], shape.width));
    let model = parts.clone().folded().unwrap();
    let layout = Layout::with_blocks(&[3, 4], (shape.width, 8), shape.heads, params.slots()).unwrap();
    let (trace, level) = planned(params, &layout, &model);
    println!("{:?}, level {level}", trace.cost());

    let x = layout.pack_blocks(&rows.iter().map(|x| &x[..]).collect::<Vec<_>>()).unwrap();
    let mut client = Client::new(&mut be, params, 5);
    let keys = client.keys(&mut be, trace.demand());
    let repeated = |x: &Vec<f64>| (0..params.slots()).map(|i| Complex::from(x[i % x.len()])).collect::<Vec<_>>();
    let x = x.iter().map(|x| client.encrypt(&mut be, &repeated(x), params.max_message_level())).collect();
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    ev.prepare(params, &Recipe::new(layout.period(), ORDER, model.range)).unwrap();
    let levels = BootstrapLevels::new(params, ORDER).unwrap();
    let y = forward(&mut SlotEngine::bootstrapping(&mut ev, layout.clone(), levels), &model, x).unwrap();
    assert!(y.iter().all(|y| y.level == level));
    assert_eq!(trace.cost().differs(&ev.executed()), None, "the run is the plan's");
    let decrypted = |y| client.decrypt(&mut ev.be, y).iter().map(|z| z.re).collect::<Vec<f64>>();
    let slots: Vec<Vec<f64>> = y.iter().map(decrypted).collect();
    let pairs = answers(&layout, &parts, &rows, &slots);
    let far = pairs.iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("largest error 2^{:.1}", far.log2());
    assert!(far < 2f64.powi(-12), "{far:e}");
}

#[test]
fn an_encrypted_embedding_over_three_blocks_is_the_clear_one() {
    encrypted(2, "features");
}

#[test]
fn an_encrypted_classification_over_three_blocks_is_the_clear_one() {
    encrypted(1, "linear");
}

/// Six layers of 384 features in 3 blocks, 12 heads, 1,536 hidden features, on 16 sentences of 16 tokens.
#[test]
fn an_encoder_of_the_shape_of_minilm_l6_takes_six_bootstraps_a_layer() {
    let params = Params::new(&presets::B16).unwrap();
    let shape = |layers| Shape { width: 384, heads: 12, hidden: 1536, layers, degree: 15, reciprocal: 15 };
    let cost = |layers| {
        let model = unfolded(&shape(layers), NormPlace::Post, "features", Pooling::Mean).folded().unwrap();
        let layout = Layout::new(&[16; 16], 384, 12, params.slots()).unwrap();
        assert_eq!((layout.blocks(), layout.period()), (3, params.slots()));
        let (trace, level) = planned(&params, &layout, &model);
        println!("{layers} layers: {:?}, level {level}, {} rotations", trace.cost(), trace.rotations().len());
        trace.cost()
    };
    let (one, six) = (cost(1), cost(6));
    // three blocks before attention, before the map that joins the heads and before the second norm; a question is at the top
    // two of the three blocks share a bootstrap
    assert_eq!((one.bootstrap, six.bootstrap), (2 * 2, 2 * (3 * 6 - 1)));
}
