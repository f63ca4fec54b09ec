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

#[cfg(test)]
mod tests {
    use super::{ERROR, Honest, Private};
    use crate::Error;
    use polyformer_kernel::nn::slot_engine::Layout;

    /// Two questions of 3 and 2 tokens, 8 features, 3 classes; the vector is there twice.
    fn honest() -> (Honest, Vec<f64>) {
        let layout = Layout::new(&[3, 2, 0, 0], 8, 2, 256).unwrap();
        let slots = 2 * layout.period();
        let value = |slot: usize| match layout.place(slot) {
            (_, question @ 0..2, feature @ 0..3) => (10 * question + feature) as f64,
            _ => 0.0,
        };
        let values = (0..slots).map(value).collect();
        (Honest { layout, classes: 3, largest: 20.0, slots }, values)
    }

    fn refused(values: &[f64], imaginary: f64) -> String {
        let slots = Private::new(values.to_vec()).with_signs(0.0, imaginary);
        let error = honest().0.rows(&slots, ERROR).err().unwrap();
        assert!(matches!(error, Error::Unreliable { .. }), "{error}");
        error.to_string()
    }

    #[test]
    fn an_honest_answer_gives_a_row_for_each_question_with_what_was_seen() {
        let (honest, mut values) = honest();
        let (masked, copy) = (3, values.len() / 2 + 1);
        values[masked] = 0.01;
        values[copy] += 0.012;
        let rows = honest.rows(&Private::new(values).with_signs(0.0, 0.001), ERROR).unwrap();
        assert_eq!(
            rows.iter().map(|row| row.expose().to_vec()).collect::<Vec<_>>(),
            [[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]
        );
        assert!(rows.iter().all(|row| row.stray() == 0.01), "the largest of what is 0 in an honest answer");
    }

    #[test]
    fn what_an_honest_circuit_leaves_at_0_is_checked_in_every_slot() {
        let (honest, values) = honest();
        assert!(refused(&values, 0.02).contains("an imaginary part of 2.0e-2 is over 1.6e-2"));
        assert!(refused(&values[1..], 0.0).contains("255 values where an answer has 256"));
        for slot in 0..values.len() {
            let (_, question, feature) = honest.layout.place(slot);
            let mut values = values.clone();
            values[slot] += 0.1;
            let masked = question > 1 || feature > 2;
            let what = if masked { "a masked slot of 1.0e-1" } else { "a difference of copies of 1.0e-1" };
            assert!(refused(&values, 0.0).contains(what), "slot {slot}");
        }
        let large: Vec<f64> = values.iter().map(|x| 2.0 * x).collect();
        assert!(refused(&large, 0.0).contains("a logit of 2.4e1 is over 2.0e1"));
    }
}
