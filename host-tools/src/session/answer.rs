//! What an honest answer satisfies. A client checks an answer before anything about the answer leaves: the header, parts
//! that the circuit leaves at 0, copies that the circuit makes, and the size of the logits. The checks find answers that
//! were not computed with the server's keys, answers to other questions, and values that overflowed. A server that
//! computes a false answer with the keys passes. `docs/threat-model.md` says what such a server gets.

use super::private::Private;
use crate::{
    Error, Result,
    files::{self, Asked, Body, CiphertextMeta, FileError, Header, Kind},
    model::Text,
};
use polyformer_kernel::{nn::slot_engine::Layout, params::Params};

/// The largest error of a value in an answer that is shown to the owner of the key. The errors of the presets are
/// below 2^-16, and below 2^-8 for an answer in the ring of a small client.
pub const ERROR: f64 = 1.0 / 64.0;

/// The ciphertext of an answer under the key and the parameters of `secret`, to `question` if that is known.
///
/// # Errors
/// `Kind`, `OtherParams`, `OtherKey`, and those of [`Asked::expect_answer_to`].
pub fn answered(answer: &Header, secret: &Header, question: Option<&Asked>) -> files::Result<CiphertextMeta> {
    let Body::Answer(sealed, asked) = &answer.body else {
        return Err(FileError::Kind { expected: Kind::Answer, actual: answer.kind() });
    };
    answer.expect_same(secret)?;
    question.map_or(Ok(()), |question| asked.expect_answer_to(question))?;
    match (sealed.count, sealed.level) {
        (1, 0) => Ok(*sealed),
        (1, level) => Err(FileError::field("level", Some(&level.to_string()), "0, the level of answers")),
        (count, _) => Err(FileError::field("count", Some(&count.to_string()), "1, the ciphertexts of an answer")),
    }
}

/// The form of an honest answer.
pub struct Honest {
    layout: Layout,
    classes: usize,
    largest: f64,
    slots: usize,
}

impl Honest {
    /// Of answers of the model of `text` to `asked`, in the ring of `params`.
    ///
    /// # Errors
    /// [`Error::File`] for a question to another model; [`Error::Kernel`] for lengths that do not fit the slots.
    pub fn new(text: &Text, asked: &Asked, params: &Params) -> Result<Self> {
        crate::error::WithPath::with_path(asked.expect_model(&text.id()), std::path::Path::new("answer"))?;
        let layout = Layout::new(&asked.tokens, text.width(), 1, params.slots())?; // heads do not move logits
        Ok(Self { layout, classes: text.classes(), largest: text.largest_logit(), slots: params.slots() })
    }

    /// The logits of each question. `error` bounds the error of a value: imaginary parts and masked slots are below
    /// `error`, and copies of a logit differ by at most twice as much.
    ///
    /// # Errors
    /// [`Error::Unreliable`] with the first bound that is passed.
    pub fn rows(&self, slots: &Private, error: f64) -> Result<Vec<Private>> {
        let values = slots.values();
        if values.len() != self.slots {
            let what = format!("{} values where an answer has {}", values.len(), self.slots);
            return Err(Error::unreliable("answer", what));
        }
        let below = |what: &str, x: f64, bound: f64| {
            if x <= bound {
                Ok(())
            } else {
                Err(Error::unreliable("answer", format!("{what} {x:.1e} is over {bound:.1e}")))
            }
        };
        below("an imaginary part of", slots.stray(), error)?;
        let (mut masked, mut copies) = (0f64, 0f64);
        for (slot, x) in values.iter().enumerate() {
            let (_, question, feature) = self.layout.place(slot);
            if feature < self.classes && self.layout.lengths[question] > 0 {
                copies = copies.max((x - self.layout.unpack(question, values, self.classes)?[feature]).abs());
            } else {
                masked = masked.max(x.abs());
            }
        }
        below("a masked slot of", masked, error)?;
        below("a difference of copies of", copies, 2.0 * error)?;
        let asked = (0..self.layout.lengths.len()).filter(|q| self.layout.lengths[*q] > 0);
        let row = |q| {
            let row = self.layout.unpack(q, values, self.classes)?;
            below("a logit of", row.iter().map(|x| x.abs()).fold(0.0, f64::max), self.largest)?;
            Ok(slots.part(row.to_vec(), masked.max(copies / 2.0)))
        };
        asked.map(row).collect()
    }
}
