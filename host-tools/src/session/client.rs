//! The client: words to ciphertext, ciphertext to logits. Only the client has the secret.

use crate::plan::model::ModelPlan;
use crate::{
    Result,
    error::WithPath,
    files::{Body, FileError, Kind},
    keys::secret::Secret,
    machine::{ComputeTarget, Host},
    model::Text,
    session::{
        cipher::{self, Encrypted, EncryptionKey},
        private::Private,
    },
};
use polyformer_kernel::nn::slot_engine::Layout;
use std::path::Path;

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
    pub fn slots(&self, layout: &Layout, questions: &[Vec<u32>]) -> Result<Vec<f64>> {
        let mut slots = vec![0.0; layout.period()];
        for (i, ids) in questions.iter().enumerate() {
            layout.pack(i, &self.text.embed(ids), &mut slots)?;
        }
        Ok(slots)
    }

    /// One ciphertext of the slots, repeated to the full length.
    pub fn encrypt(&self, slots: &[f64]) -> Result<Encrypted> {
        let params = self.host.params();
        let values: Vec<f64> = slots.iter().copied().cycle().take(params.slots()).collect();
        cipher::encrypt(
            self.host,
            self.on,
            &EncryptionKey::Secret(self.secret),
            &values,
            params.max_message_level(),
            &|| (),
        )
    }

    /// The logits in an answer, of each of `questions` questions.
    pub fn decrypt(&self, plan: &ModelPlan, answer: &Encrypted, questions: usize) -> Result<Vec<Private>> {
        let place = Path::new("answer");
        let Body::Ciphertext(sealed) = answer.header.body else {
            let (expected, actual) = (Kind::Ciphertext, answer.header.kind());
            return Err(FileError::Kind { expected, actual }).with_path(place);
        };
        let tensors: Vec<&[u32]> = answer.tensors.iter().map(|t| &t[..]).collect();
        let slots = cipher::decrypt_words(self.host, self.on, self.secret, &tensors, sealed, &|| ())?;
        let classes = self.text.classes();
        let row = |q| Ok(Private::new(plan.layout.unpack(q, slots.expose(), classes)?.to_vec()));
        (0..questions).map(row).collect()
    }
}
