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
use zeroize::Zeroizing;

/// The largest error of a value in an answer that is shown to the owner of the key. The errors of the presets are
/// below 2^-16, and below 2^-8 for an answer in the ring of a small client.
pub const ERROR: f64 = 1.0 / 64.0;

/// The `count` ciphertexts of an answer under the key and the parameters of `secret`, to `question` if that is known.
///
/// # Errors
/// `Kind`, `OtherParams`, `OtherKey`, `Field`, and those of [`Asked::expect_answer_to`].
pub fn answered(
    answer: &Header,
    secret: &Header,
    question: Option<&Asked>,
    count: u16,
) -> files::Result<CiphertextMeta> {
    let Body::Answer(sealed, asked) = &answer.body else {
        return Err(FileError::Kind { expected: Kind::Answer, actual: answer.kind() });
    };
    answer.expect_same(secret)?;
    question.map_or(Ok(()), |question| asked.expect_answer_to(question))?;
    if sealed.count != count {
        let expected = format!("{count}, the ciphertexts of an answer");
        return Err(FileError::field("count", Some(&sealed.count.to_string()), expected));
    }
    match sealed.level {
        0 => Ok(*sealed),
        level => Err(FileError::field("level", Some(&level.to_string()), "0, the level of answers")),
    }
}

/// The form of an honest answer.
pub struct Honest {
    layout: Layout,
    outputs: usize,
    each: bool, // token answers for itself
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
        let (outputs, each) = (text.outputs(), text.answers_each_token());
        Ok(Self { layout, outputs, each, largest: text.largest_logit(), slots: params.slots() })
    }

    /// The logits of each question. `error` bounds the error of a value: imaginary parts and masked slots are below
    /// `error`, and copies of a logit differ by at most twice as much.
    ///
    /// # Errors
    /// [`Error::Unreliable`] with the first bound that is passed.
    pub fn rows(&self, slots: &Private, error: f64) -> Result<Vec<Private>> {
        let (values, layout) = (slots.values(), &self.layout);
        let expected = self.slots * self.outputs.div_ceil(layout.features).max(1);
        if values.len() != expected {
            let what = format!("{} values where an answer has {expected}", values.len());
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
        for (block, values) in values.chunks_exact(self.slots).enumerate() {
            for (slot, x) in values.iter().enumerate() {
                let (token, question, feature) = layout.place(slot);
                let length = layout.lengths[question];
                let answers = if self.each { token < length } else { length > 0 };
                let token = if self.each { token } else { 0 };
                match answers && block * layout.features + feature < self.outputs {
                    true => {
                        copies = copies
                            .max((x - values[token * layout.stride() + question * layout.features + feature]).abs())
                    }
                    false => masked = masked.max(x.abs()),
                }
            }
        }
        below("a masked slot of", masked, error)?;
        below("a difference of copies of", copies, 2.0 * error)?;
        let asked = (0..layout.lengths.len()).filter(|q| layout.lengths[*q] > 0);
        let blocks: Vec<&[f64]> = values.chunks_exact(self.slots).collect();
        let row = |q: usize| {
            let tokens = if self.each { layout.lengths[q] } else { 1 };
            // of the full capacity at once: a vector that grows leaves copies
            let mut row = Zeroizing::new(Vec::with_capacity(tokens * self.outputs));
            for token in 0..tokens {
                for (block, values) in blocks.iter().enumerate() {
                    let count = (self.outputs - block * layout.features).min(layout.features);
                    row.extend_from_slice(layout.unpack_token((q, token), values, count)?);
                }
            }
            let place = [q, layout.features, layout.stride(), layout.tokens, tokens, self.outputs];
            let row = slots.part(&place, std::mem::take(&mut *row), masked.max(copies / 2.0));
            below("a logit of", row.values().iter().map(|x| x.abs()).fold(0.0, f64::max), self.largest)?;
            Ok(row)
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
        (Honest { layout, outputs: 3, each: false, largest: 20.0, slots }, values)
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
            rows.iter().map(|row| row.values().to_vec()).collect::<Vec<_>>(),
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
