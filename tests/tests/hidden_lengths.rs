//! A model that does not see the lengths of its questions gives the answers of a model that sees them, at the same depth.

use polyformer_kernel::{
    Error,
    arith::Arithmetic,
    bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe},
    ckks::Ckks,
    eval::{clear::ClearVec, trace::Trace},
    math::complex::Complex,
    nn::{
        Model, forward,
        slot_engine::{BootstrapLevels, HiddenLengths, Layout, SlotEngine, can_hide},
    },
    params::{Params, presets},
};
use polyformer_tests::{
    chain::Chain,
    client::Client,
    transformer::{decoder, dense, encoder, model, noise},
};

const WIDTH: usize = 16;
const ORDER: Order = Order::SlotsToCoeffsFirst;

/// The slots of questions of these lengths in a layout of longer places.
fn packed(layout: &Layout, lengths: &[usize]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let questions: Vec<Vec<f64>> = lengths.iter().enumerate().map(|(i, l)| noise(i, l * WIDTH)).collect();
    let mut slots = vec![0.0; layout.period()];
    for (q, rows) in questions.iter().enumerate() {
        let mut rows = rows.clone();
        rows.resize(layout.lengths[q] * WIDTH, 0.0);
        layout.pack(q, &rows, &mut slots).unwrap();
    }
    (questions, slots)
}

#[test]
fn hidden_lengths_give_the_answers_of_known_lengths() {
    for (places, lengths) in [
        (vec![4], vec![1]),
        (vec![4], vec![3]),
        (vec![8], vec![5]),
        (vec![8], vec![8]),
        (vec![8, 8], vec![2, 7]),
        (vec![8; 4], vec![1, 8, 3, 4]),
    ] {
        for model in [model(WIDTH, 32, 5), encoder(3, WIDTH, 48, 5)] {
            let layout = Layout::new(&places, WIDTH, model.heads, 1 << 14).unwrap();
            let (questions, slots) = packed(&layout, &lengths);
            let [tokens, scores, shares] = layout.hide(&lengths, &model).unwrap();
            let hidden = HiddenLengths { tokens, scores, shares };
            let mut ev = ClearVec::<f64>::with_slots(layout.period());
            let mut engine = SlotEngine::new(&mut ev, layout.clone()).hiding(Some(&hidden));
            let out = forward(&mut engine, &model, vec![slots]).unwrap();
            for (q, rows) in questions.iter().enumerate() {
                for (got, want) in layout.unpack(q, &out[0], 5).unwrap().iter().zip(dense(&model, rows)) {
                    assert!((got - want).abs() < 1e-9, "{lengths:?} in {places:?}, question {q}: {got} and {want}");
                }
            }
            let pads = (0..layout.period()).filter(|s| layout.place(*s).2 >= 5);
            assert!(pads.map(|s| out[0][s].abs()).fold(0.0, f64::max) < 1e-9, "only logits leave the server");
        }
    }
}

/// The dry run of questions in these places: the cost, and the level of the answer.
fn traced(params: &Params, model: &Model<'_>, layout: &Layout, hides: bool) -> (Bootstrapped<Trace>, u8) {
    let mut trace = Trace::new(params.slots(), None);
    let recipe = Recipe::new(layout.period(), ORDER, model.range);
    let bootstrapper = Bootstrapper::new(&mut trace, params, &recipe).unwrap();
    let mut trace = Bootstrapped::with(trace, bootstrapper).unwrap();
    let top = params.max_message_level();
    let x = trace.input(top);
    let [tokens, scores, shares] = [(); 3].map(|()| trace.input(top));
    let hidden = HiddenLengths { tokens, scores, shares };
    let levels = BootstrapLevels::new(params, ORDER).unwrap();
    let mut engine = SlotEngine::bootstrapping(&mut trace, layout.clone(), levels).hiding(hides.then_some(&hidden));
    let out = forward(&mut engine, model, vec![x]).unwrap();
    let level = trace.level(&out[0]);
    (trace, level)
}

#[test]
fn hidden_lengths_take_no_level_and_one_key_switch_for_each_attention_and_one_for_the_mean() {
    let params = Params::new(&presets::B16).unwrap();
    for layers in [1, 2, 3] {
        let model = encoder(layers, WIDTH, 32, 5);
        let layout = Layout::new(&[8], WIDTH, model.heads, params.slots()).unwrap();
        let [(known, level), (hidden, same)] = [false, true].map(|hides| traced(&params, &model, &layout, hides));
        assert_eq!((level, known.cost().bootstrap), (same, hidden.cost().bootstrap));
        assert_eq!(hidden.cost().key_switch, known.cost().key_switch + layers as u32 + 1);
        let rotations = |t: &Bootstrapped<Trace>| t.demand().rotations.clone();
        assert_eq!(rotations(&hidden), rotations(&known), "the same keys");
    }
}

#[test]
fn an_encrypted_question_of_hidden_length_gets_the_answer_of_the_clear_one() {
    let (params, mut be) = Chain::b16(10).into_scalar(2000);
    let model = model(WIDTH, 32, 5);
    let (layout, lengths) = (Layout::new(&[8], WIDTH, model.heads, params.slots()).unwrap(), [5]);
    let (trace, level) = traced(params, &model, &layout, true);
    let (questions, slots) = packed(&layout, &lengths);
    let mut client = Client::new(&mut be, params, 5);
    let keys = client.keys(&mut be, trace.demand());
    let [tokens, scores, shares] = layout.hide(&lengths, &model).unwrap();
    let [x, tokens, scores, shares] = [slots, tokens, scores, shares].map(|pattern| {
        let slots: Vec<Complex> = (0..params.slots()).map(|i| Complex::from(pattern[i % pattern.len()])).collect();
        client.encrypt(&mut be, &slots, params.max_message_level())
    });
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    ev.prepare(params, &Recipe::new(layout.period(), ORDER, model.range)).unwrap();
    let levels = BootstrapLevels::new(params, ORDER).unwrap();
    let hidden = HiddenLengths { tokens, scores, shares };
    let mut engine = SlotEngine::bootstrapping(&mut ev, layout.clone(), levels).hiding(Some(&hidden));
    let answer = forward(&mut engine, &model, vec![x]).unwrap();
    assert_eq!((answer[0].level, trace.cost().differs(&ev.executed())), (level, None));
    let logits: Vec<f64> = client.decrypt(&mut ev.be, &answer[0]).iter().map(|z| z.re).collect();
    for (got, want) in layout.unpack(0, &logits, 5).unwrap().iter().zip(dense(&model, &questions[0])) {
        assert!((got - want).abs() < 2f64.powi(-14), "{got} and {want}");
    }
}

#[test]
fn what_cannot_be_hidden_is_refused() {
    let model = model(WIDTH, 32, 5);
    let layout = Layout::new(&[8], WIDTH, model.heads, 1 << 14).unwrap();
    for length in [0, 9] {
        assert_eq!(layout.hide(&[length], &model), Err(Error::Length { expected: 8, actual: length }));
    }
    let decoder = decoder(2, WIDTH, 32, 5);
    assert!(can_hide(&model) && !can_hide(&decoder));
    assert!(matches!(layout.hide(&[3], &decoder), Err(Error::Unsupported { .. })));
}
