//! Predicted errors of encrypted logits, without a key. The server's circuit runs on numbers with the errors of
//! ciphertexts ([`polyformer_kernel::eval::noise`]) and in the clear, and the two results are compared.

use super::{Labelled, spread::Spread};
use crate::{Result, model::Pretrained, plan::model::ORDER};
use polyformer_kernel::{
    bootstrap::{Bootstrapped, Recipe},
    eval::noise::NoiseSimulator,
    math::complex::Complex,
    nn::{
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::{BootstrapLevels, Layout, SlotEngine},
    },
    params::Params,
};
use rayon::prelude::*;

/// Predicts the errors of groups of questions that share a ciphertext, on all threads. Each group has its own secret.
/// `step` is called after each group. The same questions always give the same numbers.
///
/// # Errors
/// The errors of [`predict_one`], and of a bootstrap with the period of a group.
pub fn predict(
    params: &Params,
    model: &Pretrained,
    questions: &[Labelled],
    groups: &[Vec<usize>],
    step: impl Fn() + Sync,
) -> Result<Spread> {
    let numbered: Vec<(u64, &Vec<usize>)> = (1..).zip(groups).collect();
    let share = groups.len().div_ceil(rayon::current_num_threads()).max(1);
    let some = |groups: &[(u64, &Vec<usize>)]| {
        let (mut sum, mut ev, mut period) =
            (Spread::default(), Bootstrapped::new(NoiseSimulator::new(params, [0; 32])), 0);
        for (number, group) in groups {
            let lengths: Vec<usize> = group.iter().map(|i| questions[*i].ids.len()).collect();
            let layout = Layout::new(&lengths, model.model.width, model.model.heads, params.slots())?;
            if layout.period() != period {
                period = layout.period(); // its matrices serve every group that is as long
                ev.prepare(params, &Recipe::new(period, ORDER, model.model.range))?;
            }
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&number.to_le_bytes());
            ev.reseed(seed);
            let ids = group.iter().map(|i| &questions[*i].ids[..]);
            sum = sum.and(&predict_one(&mut ev, model, &layout, &ids.collect::<Vec<_>>())?);
            step();
        }
        Ok(sum)
    };
    numbered.par_chunks(share).map(some).try_reduce(Spread::default, |a, b| Ok(a.and(&b)))
}

/// The errors of one ciphertext's questions.
///
/// # Errors
/// The errors of the layout, of the noise simulator and of the clear engine.
pub fn predict_one(
    ev: &mut Bootstrapped<NoiseSimulator<'_>>,
    model: &Pretrained,
    layout: &Layout,
    questions: &[&[u32]],
) -> Result<Spread> {
    let blocks = model.text.blocks(layout, questions)?;
    let top = ev.params().max_message_level();
    let mut x = Vec::with_capacity(blocks.len());
    for block in blocks {
        let slots: Vec<Complex> = block.iter().copied().map(Complex::from).collect();
        x.push(ev.encrypt(&slots, top)?);
    }
    let levels = BootstrapLevels::new(ev.params(), ORDER)?;
    let answer = forward(&mut SlotEngine::bootstrapping(ev, layout.clone(), levels), &model.model, x)?;
    let answer: Vec<Vec<f64>> = answer.iter().map(|y| ev.decrypt(y).iter().map(|z| z.re).collect()).collect();
    let answer: Vec<&[f64]> = answer.iter().map(|block| &block[..]).collect();
    let mut sum = Spread::default();
    for (q, ids) in questions.iter().enumerate() {
        let x = Rows::new(model.model.width, model.text.embed(ids))?;
        let want = forward(&mut ClearEngine::<f64>::new(model.model.heads), &model.model, x)?;
        for (token, want) in want.values().chunks(model.text.outputs()).enumerate() {
            sum.add(&layout.unpack_blocks((q, token), &answer, model.text.outputs())?, want);
        }
    }
    Ok(sum)
}
