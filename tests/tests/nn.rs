//! The transformer on slots equals the transformer on rows, for encoder and decoder, and its depth is the stated depth.

use polyformer_kernel::{
    Error,
    arith::Arithmetic,
    bootstrap::{Bootstrapped, Order, Recipe},
    circuits::poly::Polynomial,
    ckks::Ckks,
    eval::{clear::ClearVec, trace::Trace},
    nn::{
        Engine, Model, Next,
        clear_engine::{Block, ClearEngine, Memory, Rows},
        forward,
        slot_engine::{BootstrapLevels, Layout, SlotEngine},
    },
    params::{Bootstrap, Spec, presets},
};
use polyformer_tests::{
    chain::Chain,
    client::Client,
    transformer::{decoder, dense, model, noise, packed_question, with_root},
};

#[test]
fn packed_questions_get_the_answers_of_dense_ones() {
    for (width, hidden, lengths) in
        [(16, 32, vec![3]), (16, 16, vec![8]), (16, 48, vec![5, 1, 7]), (32, 64, vec![4, 16])]
    {
        for model in [model(width, hidden, 5), decoder(2, width, hidden, 5)] {
            let layout = Layout::new(&lengths, width, model.heads, 1 << 14).unwrap();
            let mut packed = vec![0.0; layout.period()];
            let questions: Vec<Vec<f64>> = lengths.iter().enumerate().map(|(i, l)| noise(i, l * width)).collect();
            for (q, rows) in questions.iter().enumerate() {
                layout.pack(q, rows, &mut packed).unwrap();
            }
            let mut ev = ClearVec::<f64>::with_slots(layout.period());
            let out = forward(&mut SlotEngine::new(&mut ev, layout.clone()), &model, vec![packed]).unwrap();
            for (q, rows) in questions.iter().enumerate() {
                for (got, want) in layout.unpack(q, &out[0], 5).unwrap().iter().zip(dense(&model, rows)) {
                    assert!((got - want).abs() < 1e-9, "{lengths:?}, question {q}: {got} and {want}");
                }
            }
        }
    }
}

#[test]
fn more_labels_than_features_are_refused_on_slots() {
    for (classes, expected) in [(16, None), (17, Some(Error::TooMany { asked: 17, limit: 16 }))] {
        let layout = Layout::new(&[3], 16, model(16, 32, 5).heads, 1 << 14).unwrap();
        let mut ev = ClearVec::<f64>::with_slots(layout.period());
        let x = vec![0.1; layout.period()];
        let out = forward(&mut SlotEngine::new(&mut ev, layout), &model(16, 32, classes), vec![x]);
        assert_eq!(out.err(), expected);
    }
}

#[test]
fn two_layers_take_three_bootstraps() {
    for model in [model(16, 32, 5), decoder(2, 16, 32, 5)] {
        let layout = Layout::new(&[3], 16, model.heads, 1 << 14).unwrap();
        let mut trace = Trace::new(1 << 14, Some(16));
        let x = trace.input(16);
        let levels = BootstrapLevels { input: 3, output: 16 };
        let out = forward(&mut SlotEngine::bootstrapping(&mut trace, layout, levels), &model, vec![x]).unwrap();
        // what follows the last bootstrap begins at the level that it takes, and ends with none
        assert_eq!((trace.cost().bootstrap, trace.level(&out[0])), (3, 0), "{:?}", trace.cost());
    }
}

#[test]
fn two_chunks_of_a_tensor_share_a_bootstrap() {
    let (model, params) = (model(16, 32, 5), Chain::b16(10).params);
    let layout = Layout::new(&[3], 16, model.heads, params.slots()).unwrap();
    let levels = BootstrapLevels::new(&params, Order::SlotsToCoeffsFirst).unwrap();
    let recipe = Recipe::new(layout.period(), Order::SlotsToCoeffsFirst, 1.0);
    let following = model.layers.get(1);
    let cost = |chunks: usize| {
        let mut trace = Bootstrapped::new(Trace::new(params.slots(), None));
        trace.prepare(&params, &recipe).unwrap();
        let x = (0..chunks).map(|_| trace.input(3)).collect();
        let mut engine = SlotEngine::bootstrapping(&mut trace, layout.clone(), levels);
        let x = engine.refresh(x, Next::FeedForward { layer: &model.layers[0], following }).unwrap();
        let level = trace.level(&x[0]);
        assert!(level > 3 && x.iter().all(|x| trace.level(x) == level));
        (trace.cost().bootstrap, trace.cost().key_switch)
    };
    let [one, two, three] = [1, 2, 3].map(cost);
    assert_eq!([one.0, two.0, three.0], [1, 1, 2]);
    assert_eq!((two.1, three.1), (one.1 + 12, two.1 + one.1), "the second EvalMod has 12 key switches");
}

#[test]
fn half_and_double_floats_agree() {
    let model = model(16, 32, 5);
    let x = noise(3, 4 * 16);
    let rows = Rows::new(16, x.iter().map(|x| *x as f32).collect()).unwrap();
    let single = forward(&mut ClearEngine::<f32>::new(2), &model, rows).unwrap();
    for (a, b) in single.values().iter().zip(dense(&model, &x)) {
        assert!((*a as f64 - b).abs() < 1e-4, "{a} and {b}");
    }
}

#[test]
fn an_encrypted_question_gets_the_answer_of_the_clear_one_with_the_keys_of_the_plan() {
    encrypted(Chain::b16(10), &model(16, 32, 5), 3);
}

#[test]
fn an_encrypted_question_to_a_decoder_gets_the_answer_of_the_clear_one_too() {
    encrypted(Chain::b16(10), &decoder(2, 16, 32, 5), 3);
}

/// The chain of B16 whose bootstraps take this many levels for SlotsToCoeffs.
fn chain(slots_to_coeffs: u8) -> Chain {
    let bootstrap = presets::B16.bootstrap.map(|b| Bootstrap { slots_to_coeffs, ..b });
    Chain::new(&Spec { bootstrap, ..presets::B16 }, 10)
}

/// The inverse root of the model with a little of T_degree.
fn root(degree: usize) -> Polynomial {
    let mut coeffs = vec![0.0; degree + 1];
    coeffs[..4].copy_from_slice(&[0.9, -0.4, 0.1, -0.05]);
    coeffs[degree] += 1e-6;
    Polynomial::new(&coeffs, (0.1, 4.0)).unwrap()
}

#[test]
fn norms_of_any_degree_and_bootstraps_of_any_depth_find_their_levels() {
    for (slots_to_coeffs, degree) in [(2, 3), (3, 3), (4, 3), (3, 7), (3, 15), (4, 7), (2, 31)] {
        let chain = chain(slots_to_coeffs);
        let (params, order) = (&chain.params, Order::SlotsToCoeffsFirst);
        let model = with_root(model(16, 32, 5), &root(degree));
        let layout = Layout::new(&[3], 16, model.heads, params.slots()).unwrap();
        let mut trace = Bootstrapped::new(Trace::new(params.slots(), None));
        let recipe = Recipe::new(layout.period(), order, model.range);
        trace.prepare(params, &recipe).unwrap();
        let x = trace.input(params.max_message_level());
        let levels = BootstrapLevels::new(params, order).unwrap();
        assert_eq!(levels, BootstrapLevels { input: slots_to_coeffs, output: params.max_message_level() });
        let out = forward(&mut SlotEngine::bootstrapping(&mut trace, layout, levels), &model, vec![x]).unwrap();
        let bootstraps = trace.cost().bootstrap;
        println!("{slots_to_coeffs} levels, degree {degree}: {bootstraps} bootstraps, {} left", trace.level(&out[0]));
        // the norm of the second layer is bootstrapped by itself where a feed-forward part and two norms take too many levels
        let lasts = 2 * (3 + degree.ilog2() as u8 + 1) + 3 + slots_to_coeffs <= levels.output;
        assert!(bootstraps >= 3 && (bootstraps == 3) == (lasts && slots_to_coeffs <= 3), "{bootstraps}");
    }
}

#[test]
fn an_encrypted_question_to_norms_of_degree_7_above_four_levels_gets_the_clear_answer() {
    let model = with_root(model(16, 32, 5), &root(7));
    let chain = chain(4);
    let bootstraps = {
        let layout = Layout::new(&[3], 16, model.heads, chain.params.slots()).unwrap();
        let levels = BootstrapLevels::new(&chain.params, Order::SlotsToCoeffsFirst).unwrap();
        let mut trace = Trace::new(chain.params.slots(), Some(levels.output));
        let x = trace.input(levels.output);
        forward(&mut SlotEngine::bootstrapping(&mut trace, layout, levels), &model, vec![x]).unwrap();
        trace.cost().bootstrap
    };
    encrypted(chain, &model, bootstraps);
}

fn encrypted(chain: Chain, model: &Model<'_>, bootstraps: u32) {
    let (params, mut be) = chain.into_scalar(700);
    let layout = Layout::new(&[3], 16, model.heads, params.slots()).unwrap();
    let order = Order::SlotsToCoeffsFirst;
    let mut trace = Bootstrapped::new(Trace::new(params.slots(), None));
    trace.prepare(params, &Recipe::new(layout.period(), order, model.range)).unwrap();
    let x = trace.input(params.max_message_level());
    let levels = BootstrapLevels::new(params, order).unwrap();
    let planned = forward(&mut SlotEngine::bootstrapping(&mut trace, layout.clone(), levels), model, vec![x]).unwrap();
    assert_eq!(trace.cost().bootstrap, bootstraps);

    let x = noise(5, 3 * 16);
    let slots = packed_question(&layout, &x, params.slots());
    let mut client = Client::new(&mut be, params, 5);
    let keys = client.keys(&mut be, trace.demand());
    let question = client.encrypt(&mut be, &slots, params.max_message_level());
    let mut ev = Bootstrapped::new(Ckks::new(be, params, keys).unwrap());
    ev.prepare(params, &Recipe::new(layout.period(), order, model.range)).unwrap();
    let answer =
        forward(&mut SlotEngine::bootstrapping(&mut ev, layout.clone(), levels), model, vec![question]).unwrap();
    assert_eq!(answer[0].level, trace.level(&planned[0]));
    assert_eq!(trace.cost().differs(&ev.executed()), None);
    assert_eq!(trace.cost().differs(&ev.executed()), Some(("bootstraps", bootstraps, 0))); // it starts again
    let logits: Vec<f64> = client.decrypt(&mut ev.be, &answer[0]).iter().map(|z| z.re).collect();
    for (got, want) in layout.unpack(0, &logits, 5).unwrap().iter().zip(dense(model, &x)) {
        assert!((got - want).abs() < 2f64.powi(-14), "{got} and {want}");
    }
}

#[test]
fn rows_in_the_callers_blocks_give_the_logits_of_rows_on_the_heap() {
    let model = model(16, 32, 5);
    let (tokens, x) = (4, noise(3, 4 * 16));
    let sizes = [64; 5].into_iter().chain([32, 32, 5, 5]); // 4 rows of 16; inside, 32 wide, they are spread over two
    let mut memory: Vec<Vec<f32>> = sizes.map(|len| vec![0.0; len]).collect();
    let blocks: Vec<Block<'_, f32>> = memory.iter_mut().map(|m| Block::new(&mut m[..])).collect();
    let run = |blocks: &[Block<'_, f32>]| {
        let mut rows = blocks.take(tokens * 16)?;
        rows.iter_mut().zip(&x).for_each(|(r, x)| *r = *x as f32);
        let out = forward(&mut ClearEngine::<f32, _>::within(2, blocks), &model, Rows::new(16, rows)?)?;
        Ok(out.values().to_vec())
    };
    let heap = Rows::new(16, x.iter().map(|x| *x as f32).collect::<Vec<_>>()).unwrap();
    let heap = forward(&mut ClearEngine::<f32>::new(2), &model, heap).unwrap();
    assert_eq!(run(&blocks).unwrap(), heap.values());
    assert_eq!(run(&blocks).unwrap(), heap.values(), "the memory came back");
    assert_eq!(run(&blocks[1..]), Err(Error::OutOfMemory { words: 16 }), "one block less");
}

#[test]
fn an_answer_that_states_too_few_values_is_an_error() {
    let layout = Layout::new(&[3, 2], 16, 2, 512).unwrap();
    assert_eq!(layout.unpack(1, &[0.0; 21], 5).map(<[f64]>::len), Ok(5));
    assert_eq!(layout.unpack(1, &[0.0; 20], 5), Err(Error::Length { expected: 21, actual: 20 }));
    assert_eq!(layout.unpack(usize::MAX, &[0.0], 5), Err(Error::Length { expected: usize::MAX, actual: 1 }));
}
