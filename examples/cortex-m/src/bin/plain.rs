//! The demo model in the clear, on the question of the other programs and on the longest question.
#![no_std]
#![no_main]

use device::{
    board::{self, Counter},
    constants::{self, CLASSES, LABELS, TOKENS},
    figures::{figure, memory},
    plain::{self, Buffers},
};
use polyformer_kernel::{Error, Result, nn::Layer};

type Layers = heapless::Vec<Layer<'static>, { constants::LAYERS }>;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BUFFERS: Buffers = Buffers::new();
    static mut LAYERS: Layers = Layers::new();
    let result = all(BUFFERS, LAYERS).inspect_err(|error| defmt::error!("{}", error));
    board::exit(result.is_ok())
}

fn all(buffers: &mut Buffers, layers: &'static mut Layers) -> Result<()> {
    board::paint_stack();
    let mut counter = Counter::start().ok_or(Error::DeviceLost)?;
    let (made, loading) = counter.count(|| plain::assemble(layers));
    made?;
    let model = plain::model(layers)?;
    let blocks = buffers.blocks();
    let mut logits = [0.0; CLASSES];

    let (result, inference) = counter.count(|| plain::classify(&model, &TOKENS, &blocks, &mut logits));
    result?;
    for (class, logit) in logits.iter().enumerate() {
        defmt::println!("logit {=usize}: {=f32}", class, *logit);
    }
    let best = |best: (f32, &'static str), next: (&f32, &&'static str)| {
        if *next.0 > best.0 { (*next.0, *next.1) } else { best }
    };
    defmt::println!("label: {=str}", logits.iter().zip(&LABELS).fold((f32::MIN, ""), best).1);

    let longest: [u16; plain::TOKENS] = core::array::from_fn(|i| i as u16 * 61 + 2);
    let (result, longest) = counter.count(|| plain::classify(&model, &longest, &blocks, &mut logits));
    result?;
    figure("load", loading);
    figure("infer", inference);
    figure("infer longest", longest);
    memory("infer");

    let too_long = plain::classify(&model, &[2; plain::TOKENS + 1], &blocks, &mut logits);
    let empty = plain::classify(&model, &[], &blocks, &mut logits);
    let refused = matches!((too_long, empty), (Err(Error::OutOfMemory { .. }), Err(Error::Length { actual: 0, .. })));
    defmt::println!("refused what does not fit: {=bool}", refused);
    if refused { Ok(()) } else { Err(Error::DeviceLost) }
}
