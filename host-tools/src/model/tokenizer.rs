//! A tokenizer.json: everything that the file says is done, or refused by its name.
//!
//! The client cuts and pads by itself, and pads are no tokens of the model. A section `padding` therefore changes
//! nothing. A section `truncation` lowers the number of tokens that the model takes. The special tokens of a
//! post-processor stand around each text and count as tokens of the model.

use crate::files::{FileError, Result};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::fmt;
use tokenizers::{AddedToken, Tokenizer};

mod frame;

use frame::{Frame, Named};

/// The parts that the tokenizers of this program are made of. A normaliser `Precompiled` and a pre-tokenizer
/// `FixedLength` stop the program for some contents, so these names are not known.
const NORMALIZERS: &[&str] = &[
    "BertNormalizer",
    "ByteLevel",
    "Lowercase",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Nmt",
    "Prepend",
    "Replace",
    "Sequence",
    "Strip",
    "StripAccents",
];
const PRE_TOKENIZERS: &[&str] = &[
    "BertPreTokenizer",
    "ByteLevel",
    "CharDelimiterSplit",
    "Digits",
    "Metaspace",
    "Punctuation",
    "Sequence",
    "Split",
    "UnicodeScripts",
    "Whitespace",
    "WhitespaceSplit",
];
/// The types of models, each with its fields next to type, vocab and merges.
const MODELS: &[(&str, &[&str])] = &[
    (
        "BPE",
        &[
            "byte_fallback",
            "continuing_subword_prefix",
            "dropout",
            "end_of_word_suffix",
            "fuse_unk",
            "ignore_merges",
            "unk_token",
        ],
    ),
    ("Unigram", &["byte_fallback", "unk_id"]),
    ("WordLevel", &["unk_token"]),
    ("WordPiece", &["continuing_subword_prefix", "max_input_chars_per_word", "unk_token"]),
];

/// Words to token ids.
pub struct Words {
    tokenizer: Tokenizer,
    unknown: Option<u32>,
    cut: Option<Cut>,
    frame: Frame,
}

/// The truncation of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    tokens: usize,
    keeps_end: bool,
}

/// The sections of the file. Unknown sections are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "version")]
    _version: IgnoredAny, // the parser of the parts checks the version
    #[serde(default)]
    truncation: Value,
    #[serde(default, rename = "padding")]
    _padding: IgnoredAny, // see the head of this file
    #[serde(default)]
    added_tokens: Vec<Value>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default, rename = "decoder")]
    _decoder: IgnoredAny, // from ids to words: no way that this program goes
    model: Model,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    vocab: LargestId,
    #[serde(default, rename = "merges")]
    merges: Option<IgnoredAny>, // the parser of the parts reads all of them
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Model {
    /// The type. Files of 2020 lack it; the fields then tell the type, as for the Python package.
    fn kind(&self) -> &str {
        match &self.kind {
            Some(kind) => kind,
            None if self.merges.is_some() => "BPE",
            None if self.fields.contains_key("max_input_chars_per_word") => "WordPiece",
            None if self.fields.contains_key("unk_id") => "Unigram",
            None => "WordLevel",
        }
    }
}

/// The largest id of a vocabulary and its word, without a copy of the vocabulary.
struct LargestId(Option<(String, u64)>);

impl<'de> Deserialize<'de> for LargestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Ids;
        impl<'de> Visitor<'de> for Ids {
            type Value = LargestId;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vocabulary")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<LargestId, A::Error> {
                let mut most: Option<(String, u64)> = None;
                while let Some((word, id)) = map.next_entry::<String, u64>()? {
                    if most.as_ref().is_none_or(|(_, largest)| id > *largest) {
                        most = Some((word, id));
                    }
                }
                Ok(LargestId(most))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> std::result::Result<LargestId, A::Error> {
                let mut most = None;
                while let Some((word, _)) = words.next_element::<(String, f64)>()? {
                    most = Some((word, most.map_or(0, |(_, id)| id + 1)));
                }
                Ok(LargestId(most))
            }
        }
        deserializer.deserialize_any(Ids)
    }
}

fn fault(what: impl fmt::Display) -> FileError {
    FileError::model(format!("tokenizer.json: {what}"))
}

impl Words {
    /// Of the bytes of tokenizer.json, for a model with embeddings of `rows` tokens.
    ///
    /// # Errors
    /// `Model` with the section, the field or the word that this program does not honour.
    pub fn parse(json: &[u8], rows: usize) -> Result<Self> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json); // a byte order mark
        let file: File = serde_json::from_slice(json).map_err(fault)?;
        known("normalizer", &file.normalizer, NORMALIZERS)?;
        known("pre_tokenizer", &file.pre_tokenizer, PRE_TOKENIZERS)?;
        let special = Named::parse(&file.post_processor)?;
        model(&file.model)?;
        within(&file, rows)?;
        let cut = cut(&file.truncation)?;
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(fault)?;
        same("post_processor", &file.post_processor, &value(&tokenizer.get_post_processor()))?;
        let frame = special.frame(&tokenizer, rows)?;
        if let Some(cut) = cut.filter(|cut| cut.tokens <= frame.len()) {
            let special = frame.len();
            return Err(fault(format!(
                "truncation to {} tokens, {special} of them special: no text is left",
                cut.tokens
            )));
        }
        same("normalizer", &file.normalizer, &value(&tokenizer.get_normalizer()))?;
        same("pre_tokenizer", &file.pre_tokenizer, &value(&tokenizer.get_pre_tokenizer()))?;
        let decoder = tokenizer.get_added_tokens_decoder();
        for token in &file.added_tokens {
            let content = token.get("content").and_then(Value::as_str).unwrap_or_default();
            let kept = tokenizer.token_to_id(content).and_then(|id| Some((id, decoder.get(&id)?)));
            added(token, content, kept)?;
        }
        let unknown = unknown(&file.model, &tokenizer)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(fault)?;
        Ok(Self { tokenizer, unknown, cut, frame })
    }

    /// The ids of every token of a text, without special tokens.
    ///
    /// # Errors
    /// The error of the tokenizer, for example a word for which it has no token.
    pub fn ids(&self, text: &str) -> crate::Result<Vec<u32>> {
        let encoding = self.tokenizer.encode_fast(text, false);
        Ok(encoding.map_err(|e| crate::Error::usage("text", e.to_string()))?.get_ids().to_vec())
    }

    /// The special tokens around a text, in tokens.
    pub fn special(&self) -> usize {
        self.frame.len()
    }

    /// A text's ids with the special tokens around.
    pub fn whole(&self, ids: &[u32]) -> Vec<u32> {
        self.frame.around(ids)
    }

    /// The token of unknown words, or `None` without one.
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// The most tokens of a model that has positions for `positions`.
    pub fn most(&self, positions: usize) -> usize {
        self.cut.map_or(positions, |cut| cut.tokens.min(positions))
    }

    /// At most `most` tokens with the special tokens around: the first ids, or the last ids if the file says so.
    /// Nothing for a text without ids, or if the special tokens leave no place for the text.
    pub fn truncated(&self, ids: &[u32], most: usize) -> Vec<u32> {
        let room = ids.len().min(most.saturating_sub(self.special()));
        if room == 0 {
            return Vec::new();
        }
        let keeps_end = self.cut.is_some_and(|cut| cut.keeps_end);
        self.whole(if keeps_end { &ids[ids.len() - room..] } else { &ids[..room] })
    }
}

/// A part as JSON.
fn value(part: &impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or_default() // of names, numbers and texts
}

/// Insists on a part of a known type, and for a sequence on such parts.
fn known(section: &str, part: &Value, names: &[&str]) -> Result<()> {
    if part.is_null() {
        return Ok(());
    }
    let name = part.get("type").and_then(Value::as_str).unwrap_or_default();
    if !names.contains(&name) {
        return Err(fault(format!("{section} {name:?} is not known; known are {}", names.join(", "))));
    }
    let parts = ["normalizers", "pretokenizers"].iter().filter_map(|list| part.get(list)?.as_array());
    parts.flatten().try_for_each(|part| known(section, part, names))
}

/// Insists that the program keeps everything that `given` says.
fn same(place: &str, given: &Value, kept: &Value) -> Result<()> {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => given.iter().try_for_each(|(name, given)| {
            let place = format!("{place}.{name}");
            match kept.get(name) {
                Some(kept) => same(&place, given, kept),
                None if given.is_null() => Ok(()),
                None => Err(fault(format!("{place} is not known"))),
            }
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().try_for_each(|(i, (a, b))| same(&format!("{place}[{i}]"), a, b))
        }
        (given, kept) if given == kept || given.as_f64().is_some_and(|x| Some(x) == kept.as_f64()) => Ok(()),
        (given, kept) => Err(fault(format!("{place} is {given}, this program would do {kept}"))),
    }
}

fn model(model: &Model) -> Result<()> {
    let Some((_, fields)) = MODELS.iter().find(|(kind, _)| *kind == model.kind()) else {
        let names: Vec<&str> = MODELS.iter().map(|(kind, _)| *kind).collect();
        return Err(fault(format!("model {:?} is not known; known are {}", model.kind(), names.join(", "))));
    };
    match model.fields.keys().find(|name| !fields.contains(&name.as_str())) {
        Some(name) => Err(fault(format!("model.{name} is not known for {}", model.kind()))),
        None => Ok(()),
    }
}

/// Every token has a row of embeddings.
fn within(file: &File, rows: usize) -> Result<()> {
    let LargestId(largest) = &file.model.vocab;
    let added = file.added_tokens.iter().filter_map(|t| Some((t.get("content")?.as_str()?, t.get("id")?.as_u64()?)));
    let words = largest.iter().map(|(word, id)| (word.as_str(), *id)).chain(added);
    match words.max_by_key(|(_, id)| *id) {
        Some((word, id)) if id >= rows as u64 => {
            Err(fault(format!("the token {word:?} has id {id}, the model has embeddings for {rows}")))
        }
        Some(_) => Ok(()),
        None => Err(fault("a vocabulary without words")),
    }
}

/// An added token has the id and the options that the file says.
fn added(token: &Value, content: &str, kept: Option<(u32, &AddedToken)>) -> Result<()> {
    let Some((id, Value::Object(mut kept))) = kept.map(|(id, token)| (id, value(token))) else {
        return Err(fault(format!("the added token {content:?} cannot be found in a text")));
    };
    kept.insert("id".into(), id.into());
    same(&format!("added_tokens {content:?}"), token, &Value::Object(kept))
}

/// The token of unknown words.
fn unknown(model: &Model, tokenizer: &Tokenizer) -> Result<Option<u32>> {
    if let Some(id) = model.fields.get("unk_id").and_then(Value::as_u64) {
        return Ok(u32::try_from(id).ok());
    }
    let Some(token) = model.fields.get("unk_token").and_then(Value::as_str) else { return Ok(None) };
    let id = tokenizer.token_to_id(token);
    id.map(Some).ok_or_else(|| fault(format!("model.unk_token {token:?} is no word of the vocabulary")))
}

fn cut(section: &Value) -> Result<Option<Cut>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Truncation {
        #[serde(default)]
        direction: Direction,
        max_length: usize,
        #[serde(default, rename = "strategy")]
        strategy: Strategy,
        #[serde(default, rename = "stride")]
        _stride: usize, // of the parts that are cut off, which nothing reads
    }
    #[derive(Default, Deserialize, PartialEq)]
    enum Direction {
        Left,
        #[default]
        Right,
    }
    #[derive(Default, Deserialize, PartialEq)]
    enum Strategy {
        #[default]
        LongestFirst,
        OnlyFirst,
        OnlySecond,
    }
    let truncation: Option<Truncation> = Option::deserialize(section).map_err(|e| fault(format!("truncation: {e}")))?;
    let Some(t) = truncation else { return Ok(None) };
    if t.max_length == 0 || t.strategy == Strategy::OnlySecond {
        return Err(fault("truncation: at least one token, and a strategy for a single text, are needed"));
    }
    Ok(Some(Cut { tokens: t.max_length, keeps_end: t.direction == Direction::Left }))
}

#[cfg(test)]
mod tests;
