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
        private::Private,
    },
};
use polyformer_kernel::nn::slot_engine::Layout;
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
    /// A client with this secret, which was made for the parameters of `host`.
    pub fn new(host: &'a Host, on: ComputeTarget, secret: &'a Secret, text: &'a Text) -> Self {
        Self { host, on, secret, text }
    }

    /// The slots of some questions, the plaintext, one period long.
    pub fn slots(&self, layout: &Layout, questions: &[Vec<u32>]) -> Result<Zeroizing<Vec<f64>>> {
        let mut slots = Zeroizing::new(vec![0.0; layout.period()]);
        for (i, ids) in questions.iter().enumerate() {
            layout.pack(i, &Zeroizing::new(self.text.embed(ids)), &mut slots)?;
        }
        Ok(slots)
    }

    /// One ciphertext of the slots, repeated to the full length. The header has the lengths, the model and a fresh nonce.
    pub fn encrypt(&self, layout: &Layout, slots: &[f64]) -> Result<Encrypted> {
        let params = self.host.params();
        let mut values = Zeroizing::new(vec![0.0; params.slots()]);
        values.iter_mut().zip(slots.iter().cycle()).for_each(|(value, slot)| *value = *slot);
        let (key, level) = (EncryptionKey::Secret(self.secret), params.max_message_level());
        let mut question = cipher::encrypt(self.host, self.on, &key, &values, level, &|| ())?;
        if let Body::Ciphertext(sealed) = question.header.body {
            let asked = Asked { tokens: layout.lengths.clone(), model: self.text.id(), nonce: random::bytes()? };
            question.header.body = Body::Question(sealed, asked);
        }
        Ok(question)
    }

    /// The logits in an answer, of each question of `question`, the header of what was asked.
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
        let sealed = answered(&answer.header, &self.secret.header, Some(asked)).with_path(place)?;
        let honest = Honest::new(self.text, asked, self.host.params())?;
        let tensors: Vec<&[u32]> = answer.tensors.iter().map(|t| &t[..]).collect();
        let slots = cipher::decrypt_words(self.host, self.on, self.secret, &tensors, sealed, &|| ())?;
        honest.rows(&slots, ERROR)
    }
}
