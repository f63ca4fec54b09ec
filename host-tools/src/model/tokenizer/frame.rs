//! The special tokens of a post-processor: what stands before and after the tokens of a single text, `[CLS] … [SEP]`.
//!
//! `TemplateProcessing` (its template `single`), `BertProcessing` and `RobertaProcessing` are done. `ByteLevel` adds
//! nothing. A `Sequence` may contain one part that adds tokens.

use super::fault;
use crate::files::Result;
use serde_json::Value;
use tokenizers::Tokenizer;

/// Ids before and after the ids of a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) before: Vec<u32>,
    pub(super) after: Vec<u32>,
}

impl Frame {
    /// The number of special tokens.
    pub(super) fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    /// A text's ids with the special tokens around.
    pub(super) fn around(&self, ids: &[u32]) -> Vec<u32> {
        [&self.before, ids, &self.after].concat()
    }
}

/// Tokens with their ids, as the section gives them.
#[derive(Default, PartialEq)]
pub(super) struct Named {
    before: Vec<(String, u32)>,
    after: Vec<(String, u32)>,
}

impl Named {
    /// Of the section `post_processor`.
    ///
    /// # Errors
    /// `Model` for an unknown part, for a template that has the text not exactly once, and for a token type other than 0.
    pub(super) fn parse(section: &Value) -> Result<Self> {
        match section.get("type").and_then(Value::as_str) {
            None if section.is_null() => Ok(Self::default()),
            Some("ByteLevel") => Ok(Self::default()),
            Some("TemplateProcessing") => template(section),
            Some("BertProcessing" | "RobertaProcessing") => {
                Ok(Self { before: vec![pair(section, "cls")?], after: vec![pair(section, "sep")?] })
            }
            Some("Sequence") => {
                let parts = section.get("processors").and_then(Value::as_array).into_iter().flatten();
                let all: Result<Vec<Self>> = parts.map(Self::parse).collect();
                let mut adding = all?.into_iter().filter(|named| *named != Self::default());
                match (adding.next(), adding.next()) {
                    (Some(_), Some(_)) => Err(fault("post_processor: two parts of a Sequence add tokens")),
                    (named, _) => Ok(named.unwrap_or_default()),
                }
            }
            kind => Err(fault(format!(
                "post_processor {:?} is not known; known are BertProcessing, ByteLevel, RobertaProcessing, Sequence, \
                 TemplateProcessing",
                kind.unwrap_or_default()
            ))),
        }
    }

    /// The ids alone.
    ///
    /// # Errors
    /// `Model` for ids from `rows`, and for a token that has another id in the vocabulary.
    pub(super) fn frame(self, tokenizer: &Tokenizer, rows: usize) -> Result<Frame> {
        for (token, id) in self.before.iter().chain(&self.after) {
            if let Some(known) = tokenizer.token_to_id(token).filter(|known| known != id) {
                return Err(fault(format!("post_processor: {token:?} has id {id}, the vocabulary gives it {known}")));
            }
            if *id as usize >= rows {
                let what = format!("post_processor: {token:?} has id {id}, the model has embeddings for {rows}");
                return Err(fault(what));
            }
        }
        let ids = |tokens: Vec<(String, u32)>| tokens.into_iter().map(|(_, id)| id).collect();
        Ok(Frame { before: ids(self.before), after: ids(self.after) })
    }
}

fn id(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// `"cls": ["[CLS]", 101]`.
fn pair(section: &Value, name: &str) -> Result<(String, u32)> {
    let token = || {
        let [token, number] = section.get(name)?.as_array()?.as_slice() else { return None };
        Some((token.as_str()?.to_owned(), id(number)?))
    };
    token().ok_or_else(|| fault(format!("post_processor.{name} is no pair of a token and its id")))
}

/// The template of a single text. The template of a pair of texts is never used.
fn template(section: &Value) -> Result<Named> {
    let pieces = section.get("single").and_then(Value::as_array);
    let (mut named, mut texts) = (Named::default(), 0);
    for (place, piece) in pieces.into_iter().flatten().enumerate() {
        let place = format!("post_processor.single[{place}]");
        let (kind, content) = match piece.as_object().and_then(|object| object.iter().next()) {
            Some((kind, content)) => (kind.as_str(), content),
            None => return Err(fault(format!("{place} is no piece of a template"))),
        };
        if content.get("type_id").and_then(Value::as_u64) != Some(0) {
            return Err(fault(format!("{place}: a single text has token type 0, and no other")));
        }
        let name = content.get("id").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "Sequence" if name == "A" => texts += 1,
            "SpecialToken" => {
                let tokens = special(section, name)?;
                if texts == 0 { named.before.extend(tokens) } else { named.after.extend(tokens) }
            }
            _ => return Err(fault(format!("{place}: {kind} {name:?} is no part of a single text"))),
        }
    }
    match texts {
        1 => Ok(named),
        _ => Err(fault(format!("post_processor.single has the text {texts} times, once is needed"))),
    }
}

/// The tokens of an entry of `special_tokens`.
fn special(section: &Value, name: &str) -> Result<Vec<(String, u32)>> {
    let tokens = || {
        let entry = section.get("special_tokens")?.get(name)?;
        let (ids, tokens) = (entry.get("ids")?.as_array()?, entry.get("tokens")?.as_array()?);
        let one = |(number, token): (&Value, &Value)| Some((token.as_str()?.to_owned(), id(number)?));
        (ids.len() == tokens.len()).then(|| ids.iter().zip(tokens).map(one).collect::<Option<Vec<_>>>()).flatten()
    };
    tokens().ok_or_else(|| fault(format!("post_processor: {name:?} has no tokens with ids in special_tokens")))
}
