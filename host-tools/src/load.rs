//! The server's use of files: evaluation keys and ciphertexts into a backend's memory, and results from this memory.

use crate::{
    Result,
    error::WithPath,
    files::{Body, CiphertextMeta, Header, View},
};
use polyformer_kernel::{
    backend::{Backend, Limbs, Pair, Shape, poly::Poly},
    ckks::{
        Ciphertext,
        keys::{EvaluationKey, Keys, key_basis},
        raise::{RaiseKeys, dense_basis, sparse_basis},
    },
    ring::{Basis, sample::Seed},
};
use std::path::Path;

/// The uniform rows of `basis` that a seed stands for: item i of `count` is stream `stream` + i.
pub fn expand<B: Backend>(be: &mut B, count: u16, basis: Basis, seed: &Seed, stream: u64) -> Result<Limbs<B::Buf>> {
    let cols = be.ring().n() as u32;
    let mut a = be.alloc(Shape { count, basis, cols })?;
    be.upload_uniform(&mut a, seed, stream)?;
    Ok(a)
}

/// Loads a relinearisation, Galois or ModRaise key into `keys`. A view of another kind changes nothing. `of` is the
/// header of any file of the same client.
///
/// # Errors
///
/// The key belongs to another client or to an older secret.
pub fn load_key<B: Backend>(be: &mut B, view: &View<'_>, of: &Header, keys: &mut Keys<B>) -> Result<()> {
    view.expect_same(of).with_path(Path::new("evaluation key"))?;
    match view.header.body {
        Body::RelinKey { level, seed } => keys.relin = Some(digits(be, view, level, &seed)?),
        Body::GaloisKey { galois, level, seed } => {
            keys.galois.insert(galois, digits(be, view, level, &seed)?);
        }
        Body::RaiseKey { seed } => {
            let (small, large) = (sparse_basis(&view.params)?, dense_basis(&view.params));
            let to_sparse = pair(be, view.words(0), small, &seed, 0)?;
            keys.raise = Some(RaiseKeys { to_sparse, to_dense: pair(be, view.words(1), large, &seed, 1)? });
        }
        _ => {}
    }
    Ok(())
}

fn digits<B: Backend>(be: &mut B, view: &View<'_>, level: u8, seed: &Seed) -> Result<EvaluationKey<B>> {
    Ok(EvaluationKey { level, digits: pairs(be, view.words(0), key_basis(&view.params, level), seed)? })
}

/// Stored halves of digits with the halves that their seed stands for: digit j is stream j.
pub fn pairs<B: Backend>(be: &mut B, words: &[u32], basis: Basis, seed: &Seed) -> Result<Vec<Pair<B::Buf>>> {
    let size = basis.len() * be.ring().n();
    words.chunks_exact(size).enumerate().map(|(j, words)| pair(be, words, basis, seed, j as u64)).collect()
}

/// One stored half with the half that its seed stands for.
pub fn pair<B: Backend>(be: &mut B, words: &[u32], basis: Basis, seed: &Seed, stream: u64) -> Result<Pair<B::Buf>> {
    let cols = be.ring().n() as u32;
    let mut b = be.alloc(Shape { count: 1, basis, cols })?;
    be.upload(&mut b, words)?;
    Ok([b, expand(be, 1, basis, seed, stream)?])
}

/// The second half of stored ciphertexts.
#[derive(Clone, Copy)]
pub enum SecondHalf<'a> {
    /// The words of c1.
    Stored(&'a [u32]),
    /// The seed that c1 is expanded from, and the stream of the first ciphertext; the streams of the others follow.
    Seed(&'a Seed, u64),
}

impl<'a> SecondHalf<'a> {
    /// As a file says: the seed of `meta`, or the words `c1`.
    pub fn of(meta: &'a CiphertextMeta, c1: &'a [u32]) -> Self {
        meta.seed.as_ref().map_or(Self::Stored(c1), |seed| Self::Seed(seed, 0))
    }
}

/// Ciphertexts at `level` from words: `shape` says how many and which rows. The words of each half are as many as
/// `shape` has.
///
/// # Errors
/// [`polyformer_kernel::Error::Length`] for another number of words; errors of the backend's memory.
pub fn ciphertext<B: Backend>(
    be: &mut B,
    shape: Shape,
    level: u8,
    c0: &[u32],
    c1: SecondHalf<'_>,
) -> Result<Ciphertext<B>> {
    let c0 = Poly::from_words(be, shape, c0)?;
    let c1 = match c1 {
        SecondHalf::Seed(seed, stream) => Poly::assume(expand(be, shape.count, shape.basis, seed, stream)?),
        SecondHalf::Stored(words) => Poly::from_words(be, shape, words)?,
    };
    Ok(Ciphertext { c: [c0, c1], level })
}

/// The header and tensors of a computed ciphertext that holds `values` values; `from` is that of its inputs.
pub fn save_ciphertext<B: Backend>(
    be: &mut B,
    ct: &Ciphertext<B>,
    values: u64,
    from: &Header,
) -> Result<(Header, [Vec<u32>; 2])> {
    let shape = ct.c[0].shape();
    let mut tensors = [vec![0; shape.words()], vec![0; shape.words()]];
    for (tensor, c) in tensors.iter_mut().zip(&ct.c) {
        be.download(c.limbs(), tensor)?;
    }
    let sealed = CiphertextMeta { level: ct.level, count: shape.count, values, seed: None };
    Ok((Header { body: Body::Ciphertext(sealed), ..from.clone() }, tensors))
}
