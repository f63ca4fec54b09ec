//! The client: words to ciphertext, ciphertext to logits. Only the client has the secret.

use crate::{
    Result,
    error::WithPath,
    files::{Asked, Body, FileError, Header, Kind},
    keys::{random, secret::Secret},
    machine::{ComputeTarget, Host},
    model::Text,
    session::{
        answer::{ERROR, Honest, answered},
        cipher::{self, Encrypted, EncryptionKey},
        padding::Shown,
        private::Private,
    },
};
use polyformer_kernel::nn::{Model, slot_engine::Layout};
use std::path::Path;
use zeroize::Zeroizing;

/// Who asks.
pub struct Client<'a> {
    host: &'a Host,
    on: ComputeTarget,
    secret: &'a Secret,
    text: &'a Text,
}

impl<'a> Client<'a> {
    /// A question of one text for a server that learns `shown` about its length.
    ///
    /// # Errors
    /// Those of [`Client::encrypt_all`] and [`Client::hidden_slots`].
    pub fn ask(&self, layout: &Layout, ids: &[u32], shown: Shown, model: &Model<'_>) -> Result<Encrypted> {
        self.ask_all(layout, &Zeroizing::new(vec![ids.to_vec()]), shown, model)
    }

    /// Questions of several texts for a server that learns `shown` about the length of each, or each length.
    ///
    /// # Errors
    /// Those of [`Client::encrypt_all`] and [`Client::hidden_slots`].
    pub fn ask_all(
        &self,
        layout: &Layout,
        questions: &[Vec<u32>],
        shown: Shown,
        model: &Model<'_>,
    ) -> Result<Encrypted> {
        if !shown.is_hidden() {
            return self.encrypt(layout, &self.slots(layout, questions)?);
        }
        let vectors = self.hidden_slots(layout, questions, model)?;
        self.encrypt_all(layout, &vectors.each_ref().map(|vector| vector.as_slice()))
    }

    /// A client with this secret, which was made for the parameters of `host`.
    pub fn new(host: &'a Host, on: ComputeTarget, secret: &'a Secret, text: &'a Text) -> Self {
        Self { host, on, secret, text }
    }

    /// The slots of some questions, the plaintext: one period for each block of features.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] for questions of other lengths than the layout has.
    pub fn slots(&self, layout: &Layout, questions: &[Vec<u32>]) -> Result<Zeroizing<Vec<f64>>> {
        let questions: Vec<&[u32]> = questions.iter().map(|ids| &ids[..]).collect();
        let blocks = self.text.blocks(layout, &questions)?;
        let mut slots = Zeroizing::new(vec![0.0; blocks.len() * layout.period()]);
        slots.chunks_exact_mut(layout.period()).zip(&blocks).for_each(|(slots, block)| slots.copy_from_slice(block));
        Ok(slots)
    }

    /// The vectors of questions whose lengths the server does not see, each one period long: the slots, with zeros in
    /// rows without a token, and the vectors of [`Layout::hide`].
    ///
    /// # Errors
    /// Those of [`Layout::hide`].
    pub fn hidden_slots(
        &self,
        layout: &Layout,
        questions: &[Vec<u32>],
        model: &Model<'_>,
    ) -> Result<[Zeroizing<Vec<f64>>; 4]> {
        let lengths: Vec<usize> = questions.iter().map(Vec::len).collect();
        let [tokens, scores, shares] = layout.hide(&lengths, model)?.map(Zeroizing::new);
        let mut slots = Zeroizing::new(vec![0.0; layout.period()]);
        for (i, ids) in questions.iter().enumerate() {
            let embedded = Zeroizing::new(self.text.embed(ids));
            let places = layout.lengths.get(i).map_or(0, |length| length * layout.features);
            let mut rows = Zeroizing::new(vec![0.0; places]);
            rows.iter_mut().zip(embedded.iter()).for_each(|(row, x)| *row = *x);
            layout.pack(i, &rows, &mut slots)?;
        }
        Ok([slots, tokens, scores, shares])
    }

    /// One ciphertext for each block of the slots, repeated to the full length. The header has the lengths, the model and
    /// a fresh nonce.
    ///
    /// # Errors
    /// Those of [`Client::encrypt_all`].
    pub fn encrypt(&self, layout: &Layout, slots: &[f64]) -> Result<Encrypted> {
        self.encrypt_all(layout, &slots.chunks(layout.period()).collect::<Vec<_>>())
    }

    /// A ciphertext for each of these vectors, each repeated to the full length, with the header of [`Client::encrypt`].
    ///
    /// # Errors
    /// A value that is not finite or too large; errors of the backend.
    pub fn encrypt_all(&self, layout: &Layout, vectors: &[&[f64]]) -> Result<Encrypted> {
        let params = self.host.params();
        let mut values = Zeroizing::new(vec![0.0; vectors.len() * params.slots()]);
        for (values, slots) in values.chunks_exact_mut(params.slots()).zip(vectors) {
            values.iter_mut().zip(slots.iter().cycle()).for_each(|(value, slot)| *value = *slot);
        }
        let (key, level) = (EncryptionKey::Secret(self.secret), params.max_message_level());
        let mut question = cipher::encrypt(self.host, self.on, &key, &values, level, &|| ())?;
        if let Body::Ciphertext(sealed) = question.header.body {
            let asked = Asked { tokens: layout.lengths.clone(), model: self.text.id(), nonce: random::bytes()? };
            question.header.body = Body::Question(sealed, asked);
        }
        Ok(question)
    }

    /// The logits or the features in an answer, of each question of `question`, the header of what was asked. If each
    /// token answers for itself, the answers of the tokens of a question are one after the other.
    ///
    /// # Errors
    ///
    /// [`crate::Error::File`] for an answer of another key, of other parameters, or to another question.
    /// [`crate::Error::Unreliable`] for an answer that no honest server gives ([`Honest`]).
    pub fn decrypt(&self, question: &Header, answer: &Encrypted) -> Result<Vec<Private>> {
        let place = Path::new("answer");
        let Body::Question(_, asked) = &question.body else {
            let (expected, actual) = (Kind::Question, question.kind());
            return Err(FileError::Kind { expected, actual }).with_path(Path::new("question"));
        };
        let count = self.text.answer_ciphertexts();
        let sealed = answered(&answer.header, &self.secret.header, Some(asked), count).with_path(place)?;
        let honest = Honest::new(self.text, asked, self.host.params())?;
        let tensors: Vec<&[u32]> = answer.tensors.iter().map(|t| &t[..]).collect();
        let slots = cipher::decrypt_words(self.host, self.on, self.secret, &tensors, sealed, &|| ())?;
        honest.rows(&slots, ERROR)
    }
}
