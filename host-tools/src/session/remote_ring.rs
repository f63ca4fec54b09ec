//! The bridge between the ring of a small client and the ring of the server. The bridge has the keys between the rings,
//! and the bytes of the client. The bytes are the client's words alone.

use crate::{
    Error, Result,
    error::WithPath,
    files::{Asked, Body, CiphertextMeta, EmbeddedMeta, FileError, Header, Kind, ModelId, Nonce, View},
    load,
    session::cipher::Encrypted,
};
use polyformer_kernel::{
    backend::Backend,
    ckks::{
        Ciphertext, Ckks,
        keys::UniformHalf,
        ring_switch::{LiftKey, LowerKey, lift_basis, lower_basis, receive},
    },
    params::Params,
};
use std::path::Path;

/// A small client, as its server knows it.
pub struct RingBridge<B: Backend> {
    client: Header, // of its ciphertexts
    small: Params,
    lift: LiftKey<B>,
    lower: LowerKey<B>,
}

impl<B: Backend> RingBridge<B> {
    /// Of a small client whose ciphertexts have this header.
    pub fn new(client: Header, small: Params, (lift, lower): (LiftKey<B>, LowerKey<B>)) -> Self {
        Self { client, small, lift, lower }
    }

    /// Loads the key between the rings.
    pub fn load(be: &mut B, view: &View<'_>) -> Result<Self> {
        let (of, client) = (embedded_meta(view)?, header(view)?);
        let (small, params) = (of.spec.params()?, &view.params);
        let [to, back] = of.seeds;
        let (lift, lower) = (UniformHalf::Lift, UniformHalf::Lower);
        let pair = load::pair(be, params, view.words(0), lift_basis(params), (lift, 0, &to))?;
        let digits = load::pairs(be, params, view.words(1), lower_basis(params, &small)?, (lower, &back))?;
        let (lift, lower) = (LiftKey { seed: to, pair }, LowerKey { seed: back, digits });
        Ok(Self { client, small, lift, lower })
    }

    /// A question in the server's ring, at level 0.
    pub fn lift(&self, ev: &mut Ckks<'_, B>, question: &Encrypted) -> Result<Ciphertext<B>> {
        question.header.expect_same(&self.client).with_path(Path::new("question"))?;
        let Body::Question(CiphertextMeta { seed: Some(seed), count: 1, .. }, _) = &question.header.body else {
            return Err(Error::usage("question", "one ciphertext that was encrypted with the secret key is needed"));
        };
        let (params, c0) = (ev.params(), question.tensors.first().map_or(&[][..], |t| t));
        let question = receive(&mut ev.be, params, &self.small, c0, seed)?;
        Ok(ev.lift(&self.lift, &question)?)
    }

    /// An answer to `asked` in the small ring.
    pub fn lower(&self, ev: &mut Ckks<'_, B>, y: &Ciphertext<B>, asked: &Asked) -> Result<Encrypted> {
        let tensors = ev.lower(&self.lower, &self.small, y)?.into();
        let sealed = CiphertextMeta { level: 0, count: 1, values: self.small.slots() as u64, seed: None };
        Ok(Encrypted { header: Header { body: Body::Answer(sealed, asked.clone()), ..self.client.clone() }, tensors })
    }
}

/// The small client's data in the key between the rings.
pub fn embedded_meta<'v>(view: &'v View<'_>) -> Result<&'v EmbeddedMeta> {
    match &view.header.body {
        Body::DeviceKey(of) => Ok(of),
        _ => Err(FileError::Kind { expected: Kind::DeviceKey, actual: view.header.kind() })
            .with_path(Path::new("device key")),
    }
}

/// The header of the files of the small client of a key.
pub fn header(view: &View<'_>) -> Result<Header> {
    let of = embedded_meta(view)?;
    Ok(Header { spec: of.spec.clone(), key: Some(of.key), body: Body::Params })
}

/// A question as a small client sends it: 32 bytes of a public seed, then the words of c0, limb by limb. `client` is the
/// header of its files, `tokens` the number of tokens, `model` the model that is asked. The nonce is half of the seed.
pub fn parse_question(
    bytes: &[u8],
    client: &Header,
    small: &Params,
    (tokens, model): (usize, ModelId),
) -> Result<Encrypted> {
    let (n, limbs) = (small.n(), small.base().len());
    let expected = 32 + 4 * n * limbs;
    let (Some((seed, words)), true) = (bytes.split_first_chunk::<32>(), bytes.len() == expected) else {
        return Err(Error::usage("--raw", format!("a question of {} bytes where {expected} are needed", bytes.len())));
    };
    let words: Vec<u32> = words.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    let rows = words.chunks_exact(n).zip(small.base().iter()).enumerate();
    for (row, (limb, q)) in rows.map(|(row, (limb, m))| (row, (limb, small.moduli()[m].q()))) {
        if let Some((index, word)) = limb.iter().copied().enumerate().find(|(_, w)| *w >= q) {
            return Err(FileError::Word { tensor: "c0".into(), row, index, word, q }).with_path(Path::new("question"));
        }
    }
    let sealed = CiphertextMeta { level: 0, count: 1, values: small.slots() as u64, seed: Some(*seed) };
    let mut nonce = Nonce::default();
    nonce.copy_from_slice(&seed[..16]);
    let body = Body::Question(sealed, Asked { tokens: vec![tokens], model, nonce });
    Ok(Encrypted { header: Header { body, ..client.clone() }, tensors: vec![words] })
}

/// Whether bytes have the form of [`encode_answer`] for this ring: the length, and every word a residue.
pub fn is_answer(bytes: &[u8], small: &Params) -> bool {
    let (n, base) = (small.n(), small.base());
    let (pairs, rest) = bytes.as_chunks::<8>();
    let moduli = base.iter().map(|m| small.moduli()[m].q());
    let below = |(limb, q): (&[[u8; 8]], u32)| {
        limb.iter().flat_map(|pair| pair.as_chunks::<4>().0).all(|word| u32::from_le_bytes(*word) < q)
    };
    rest.is_empty() && pairs.len() == base.len() * n && pairs.chunks(n).zip(moduli).all(below)
}

/// An answer as a small client reads it: pairs of words of c0 and c1, limb by limb.
pub fn encode_answer(answer: &Encrypted) -> Vec<u8> {
    let [c0, c1] = [0, 1].map(|i| answer.tensors.get(i).map_or(&[][..], |t| t));
    c0.iter().zip(c1).flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()]).flatten().collect()
}
