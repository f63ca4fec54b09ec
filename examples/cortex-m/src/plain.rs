//! The demo model in the clear, with half floats in flash: from a sentence, as tokens, to logits.

use crate::constants::{
    CLASSES, CLASSIFIER, EMBEDDINGS_POSITION, EMBEDDINGS_TOKEN, EPSILON, FOLDED, HEADS, HIDDEN, LAYERS, WIDTH, layer_0,
    layer_1,
};
use half::f16;
use polyformer_kernel::{
    Error, Result,
    nn::{
        Layer, Matrix, Model, Numbers, Stored,
        clear_engine::{Block, ClearEngine, Memory, Rows},
        forward,
    },
};

/// The longest sentence that the model reads, and that the buffers hold.
pub const TOKENS: usize = 64;

/// Blocks of rows: x, its norm, and the inside of the feed-forward part; or x, its norm, query, key and value.
const BLOCKS: usize = 2 + HIDDEN / WIDTH;

/// All memory of inference without the stack.
pub struct Buffers {
    /// Rows of all tokens.
    pub rows: [[f32; TOKENS * WIDTH]; BLOCKS],
    /// A row of weights, and a mean row.
    pub single: [[f32; HIDDEN]; 2],
    /// Logits and their addends.
    pub logits: [[f32; CLASSES]; 2],
}

impl Buffers {
    /// Zeros.
    pub const fn new() -> Self {
        Self { rows: [[0.0; TOKENS * WIDTH]; BLOCKS], single: [[0.0; HIDDEN]; 2], logits: [[0.0; CLASSES]; 2] }
    }

    /// As an engine takes them.
    pub fn blocks(&mut self) -> heapless::Vec<Block<'_, f32>, { BLOCKS + 4 }> {
        let rows = self.rows.iter_mut().map(|rows| Block::new(&mut rows[..]));
        let single = self.single.iter_mut().map(|row| Block::new(&mut row[..]));
        rows.chain(single).chain(self.logits.iter_mut().map(|row| Block::new(&mut row[..]))).collect()
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// A map of half floats in flash.
pub fn half(rows: usize, cols: usize, weight: &'static [u8], bias: &'static [u8]) -> Result<Matrix<'static>> {
    Matrix::new(rows, cols, numbers(weight), numbers(bias))
}

fn numbers(bytes: &'static [u8]) -> Numbers<'static> {
    Numbers::F16(Stored::Borrowed(bytes.as_chunks().0))
}

/// The folded layers, in a static because they hold polynomials. The layers are assembled one after the other, because
/// each needs much stack.
pub fn assemble(layers: &mut heapless::Vec<Layer<'static>, LAYERS>) -> Result<()> {
    layers.clear();
    for layer in [layer_0, layer_1] {
        push(layers, layer)?;
    }
    Ok(())
}

#[inline(never)]
fn push(layers: &mut heapless::Vec<Layer<'static>, LAYERS>, layer: fn() -> Result<Layer<'static>>) -> Result<()> {
    layers.push(layer()?).map_err(|_| Error::TooMany { asked: LAYERS + 1, limit: LAYERS })
}

/// The model of these layers.
pub fn model<'l>(layers: &'l [Layer<'l>]) -> Result<Model<'l>> {
    static NO_BIAS: [f32; CLASSES] = [0.0; CLASSES];
    let stored = |x| Numbers::F32(Stored::Borrowed(x));
    let folded = Matrix::new(CLASSES, HIDDEN, stored(&FOLDED.0[..]), stored(&FOLDED.1[..]))?;
    let of_x = Matrix::new(CLASSES, WIDTH, numbers(CLASSIFIER), stored(&NO_BIAS[..]))?;
    Model::of_folded(WIDTH, HEADS, Stored::Borrowed(layers), [folded, of_x], 1.0)
}

/// Step 1 of FORM.md: rows of mean 0 and variance 1. Tokens beyond the vocabulary are the unknown one.
fn embed(tokens: &[u16], out: &mut [f32]) -> Result<()> {
    let (token, position) = (EMBEDDINGS_TOKEN.as_chunks::<2>().0, EMBEDDINGS_POSITION.as_chunks::<2>().0);
    let known = token.len() / WIDTH;
    let positions = position.chunks_exact(WIDTH);
    if tokens.is_empty() || tokens.len() > positions.len() {
        return Err(Error::Length { expected: positions.len(), actual: tokens.len() });
    }
    for ((id, position), out) in tokens.iter().zip(positions).zip(out.chunks_exact_mut(WIDTH)) {
        let id = if (*id as usize) < known { *id as usize } else { 1 };
        let token = token.chunks_exact(WIDTH).nth(id).unwrap_or(&[]);
        let single = |b: &[u8; 2]| f16::from_le_bytes(*b).to_f32();
        out.iter_mut().zip(token.iter().zip(position)).for_each(|(o, (t, p))| *o = single(t) + single(p));
        let mean = out.iter().sum::<f32>() / WIDTH as f32;
        let variance = out.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / WIDTH as f32;
        let scale = 1.0 / libm::sqrtf(variance + EPSILON);
        out.iter_mut().for_each(|x| *x = (*x - mean) * scale);
    }
    Ok(())
}

/// The logits of a sentence.
pub fn classify(
    model: &Model<'_>,
    tokens: &[u16],
    blocks: &[Block<'_, f32>],
    logits: &mut [f32; CLASSES],
) -> Result<()> {
    let mut x = blocks.take(tokens.len() * WIDTH)?;
    embed(tokens, &mut x)?;
    let out = forward(&mut ClearEngine::<f32, _>::within(HEADS, blocks), model, Rows::new(WIDTH, x)?)?;
    logits.iter_mut().zip(out.values()).for_each(|(l, o)| *l = *o);
    Ok(())
}
