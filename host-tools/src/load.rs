//! The server's use of files: evaluation keys and ciphertexts into a backend's memory, and results from this memory.

use crate::{
    Result,
    error::WithPath,
    files::{Body, CiphertextMeta, Header, Mapped, SharedWords, View},
};
use polyformer_kernel::{
    backend::{Backend, Limbs, Pair, Shape, poly::Poly},
    ckks::{
        Ciphertext,
        keys::{EvaluationKey, Keys, Switch, UniformHalf, key_basis, uniform},
        raise::{RaiseKeys, dense_basis, sparse_basis},
    },
    params::Params,
    ring::{Basis, sample::Seed},
};
use std::{path::Path, sync::Arc};

/// The stored half of a key.
#[derive(Clone, Copy)]
pub enum StoredHalf<'a> {
    /// Words that are copied.
    Copied(&'a [u32]),
    /// Words of a checked file. A backend in the same memory uses the words where they lie, and holds the file.
    Held(&'a [u32], &'a Arc<Mapped>),
}

impl<'a> StoredHalf<'a> {
    /// The parts of `length` words, as many as are whole.
    fn parts(self, length: usize) -> impl Iterator<Item = Self> {
        let (words, file) = match self {
            Self::Copied(words) => (words, None),
            Self::Held(words, file) => (words, Some(file)),
        };
        words.chunks_exact(length).map(move |part| file.map_or(Self::Copied(part), |file| Self::Held(part, file)))
    }

    /// A buffer with the words.
    fn limbs<B: Backend>(self, be: &mut B, shape: Shape) -> Result<Limbs<B::Buf>> {
        let words = match self {
            Self::Copied(words) => words,
            Self::Held(words, file) => match SharedWords::of(file, words) {
                Some(shared) => return Ok(be.adopt(shape, shared)?),
                None => words, // of another file: copied
            },
        };
        let mut limbs = be.alloc(shape)?;
        be.upload(&mut limbs, words)?;
        Ok(limbs)
    }
}

impl<'a> From<&'a [u32]> for StoredHalf<'a> {
    fn from(words: &'a [u32]) -> Self {
        Self::Copied(words)
    }
}

/// Loads a relinearisation, Galois or ModRaise key into `keys`. The view is of `file`, which a backend may hold as long
/// as the key. A view of another kind changes nothing. `of` is the header of any file of the same client.
///
/// # Errors
///
/// The key belongs to another client or to an older secret.
pub fn load_key<B: Backend>(
    be: &mut B,
    (file, view): (&Arc<Mapped>, &View<'_>),
    of: &Header,
    keys: &mut Keys<B>,
) -> Result<()> {
    view.expect_same(of).with_path(Path::new("evaluation key"))?;
    let (params, words) = (&view.params, StoredHalf::Held(view.words(0), file));
    let key = |be: &mut B, switch: Switch, level: u8, seed: &Seed| {
        let digits = pairs(be, params, words, key_basis(params, level), (switch.half(level), seed))?;
        Ok::<_, crate::Error>(EvaluationKey { level, seed: *seed, digits })
    };
    match view.header.body {
        Body::RelinKey { level, seed } => keys.relin = Some(key(be, Switch::Relinearize, level, &seed)?),
        Body::GaloisKey { galois, level, seed } => {
            keys.galois.insert(galois, key(be, Switch::Galois(galois), level, &seed)?);
        }
        Body::RaiseKey { seed } => {
            let (small, large, half) = (sparse_basis(params)?, dense_basis(params), UniformHalf::Raise);
            let to_sparse = pair(be, params, words, small, (half, 0, &seed))?;
            let to_dense = pair(be, params, StoredHalf::Held(view.words(1), file), large, (half, 1, &seed))?;
            keys.raise = Some(RaiseKeys { seed, to_sparse, to_dense });
        }
        _ => {}
    }
    Ok(())
}

/// Stored halves of digits over `basis`, each with the half that the seed stands for: digit j has index j.
///
/// # Errors
/// Errors of the backend's memory.
pub fn pairs<'a, B: Backend>(
    be: &mut B,
    params: &Params,
    words: impl Into<StoredHalf<'a>>,
    basis: Basis,
    (half, seed): (UniformHalf, &Seed),
) -> Result<Vec<Pair<B::Buf>>> {
    let digits = words.into().parts(basis.len() * params.n()).zip(0..);
    digits.map(|(words, j)| pair(be, params, words, basis, (half, j, seed))).collect()
}

/// One stored half over `basis`, with the half that the seed stands for at that index.
///
/// # Errors
/// [`polyformer_kernel::Error::Length`] for another number of words; errors of the backend's memory.
pub fn pair<'a, B: Backend>(
    be: &mut B,
    params: &Params,
    words: impl Into<StoredHalf<'a>>,
    basis: Basis,
    (half, index, seed): (UniformHalf, u64, &Seed),
) -> Result<Pair<B::Buf>> {
    let shape = Shape { count: 1, basis, cols: params.n() as u32 };
    let (b, mut a) = (words.into().limbs(be, shape)?, be.alloc(shape)?);
    be.upload_uniform(&mut a, &uniform(params, half, index, seed), 0)?;
    Ok([b, a])
}

/// The second half of stored ciphertexts.
#[derive(Clone, Copy)]
pub enum SecondHalf<'a> {
    /// The words of c1.
    Stored(&'a [u32]),
    /// The seed that c1 is expanded from, and the item of the first ciphertext; the items of the others follow.
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
    params: &Params,
    shape: Shape,
    level: u8,
    c0: &[u32],
    c1: SecondHalf<'_>,
) -> Result<Ciphertext<B>> {
    let c0 = Poly::from_words(be, shape, c0)?;
    let c1 = match c1 {
        SecondHalf::Seed(seed, item) => {
            let mut a = be.alloc(shape)?;
            be.upload_uniform(&mut a, &uniform(params, UniformHalf::Ciphertext, 0, seed), item)?;
            Poly::assume(a)
        }
        SecondHalf::Stored(words) => Poly::from_words(be, shape, words)?,
    };
    Ok(Ciphertext { c: [c0, c1], level })
}

/// The header and tensors of computed ciphertexts of one level that hold `values` values; `from` is the header of their
/// inputs. What is computed from a question is an answer.
///
/// # Errors
///
/// Errors of the backend; [`polyformer_kernel::Error::Empty`] without a ciphertext.
pub fn save_ciphertexts<B: Backend>(
    be: &mut B,
    cts: &[Ciphertext<B>],
    values: u64,
    from: &Header,
) -> Result<(Header, [Vec<u32>; 2])> {
    let first = cts.first().ok_or(polyformer_kernel::Error::Empty { what: "ciphertexts of an answer" })?;
    let shape = first.c[0].shape();
    let mut tensors = [vec![0; cts.len() * shape.words()], vec![0; cts.len() * shape.words()]];
    for (item, ct) in cts.iter().enumerate() {
        for (tensor, c) in tensors.iter_mut().zip(&ct.c) {
            be.download(c.limbs(), &mut tensor[item * shape.words()..][..shape.words()])?;
        }
    }
    let count = cts.len() as u16 * shape.count; // a few blocks of features
    let sealed = CiphertextMeta { level: first.level, count, values, seed: None };
    let body = match from.body.sealed() {
        Some((_, Some(asked))) => Body::Answer(sealed, asked.clone()),
        _ => Body::Ciphertext(sealed),
    };
    Ok((Header { body, spec: from.spec.clone(), key: from.key }, tensors))
}
