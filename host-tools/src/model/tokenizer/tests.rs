//! Tests of tokenizer.json.

use super::Words;
use serde_json::{Value, json};

const ROWS: usize = 3000;

fn demo() -> Value {
    serde_json::from_slice(crate::model::banking77::TOKENIZER).unwrap()
}

/// The demo's tokenizer with one section replaced.
fn with(section: &str, value: Value) -> Result<Words, String> {
    let mut file = demo();
    file[section] = value;
    Words::parse(file.to_string().as_bytes(), ROWS).map_err(|e| e.to_string())
}

fn ids(words: &Words) -> Vec<u32> {
    words.ids("Where is my new card?").unwrap()
}

#[test]
fn padding_changes_nothing() {
    let plain = ids(&Words::parse(demo().to_string().as_bytes(), ROWS).unwrap());
    for strategy in [json!({"Fixed": 32}), json!({"Fixed": 128}), json!("BatchLongest")] {
        let padding = json!({"strategy": strategy, "direction": "Left", "pad_to_multiple_of": 8, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "[PAD]"});
        assert_eq!(ids(&with("padding", padding).unwrap()), plain);
    }
}

#[test]
fn truncation_lowers_the_number_of_tokens() {
    let cut = |direction: &str, most: usize| {
        with("truncation", json!({"direction": direction, "max_length": most, "strategy": "LongestFirst", "stride": 0}))
    };
    let plain = ids(&with("truncation", Value::Null).unwrap());
    for (direction, kept) in [("Right", &plain[..4]), ("Left", &plain[plain.len() - 4..])] {
        let words = cut(direction, 4).unwrap();
        assert_eq!((words.most(64), words.most(3)), (4, 3));
        assert_eq!(words.truncated(ids(&words), words.most(64)), kept);
    }
    assert_eq!(cut("Right", 128).unwrap().most(64), 64);
    assert!(cut("Right", 0).err().unwrap().contains("truncation: at least one token"));
    assert!(cut("Up", 4).err().unwrap().contains("truncation: unknown variant"));
}

#[test]
fn parts_that_are_not_known_are_refused_by_name() {
    for (section, value, error) in [
        (
            "normalizer",
            json!({"type": "FancyNormalizer", "strength": 3}),
            "normalizer \"FancyNormalizer\" is not known",
        ),
        ("normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}), "\"Precompiled\" is not known"),
        ("normalizer", json!({"type": "Lowercase", "strength": 3}), "normalizer.strength is not known"),
        (
            "normalizer",
            json!({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Upper"}]}),
            "normalizer \"Upper\" is not known",
        ),
        ("pre_tokenizer", json!({"type": "FixedLength", "length": 0}), "pre_tokenizer \"FixedLength\" is not known"),
        ("pre_tokenizer", json!({"type": "Whitespace", "tabs": 1}), "pre_tokenizer.tabs is not known"),
        ("spelling", json!(true), "unknown field `spelling`"),
        ("a\r\nb", json!(true), "unknown field `a\\u000d\\u000ab`"),
        (
            "post_processor",
            json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[UNK]", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
                "special_tokens": {"[UNK]": {"id": "[UNK]", "ids": [1], "tokens": ["[UNK]"]}}}),
            "post_processor \"TemplateProcessing\" adds special tokens",
        ),
        ("post_processor", json!({"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}), "adds special tokens"),
    ] {
        let given = with(section, value.clone()).err().unwrap_or_default();
        assert!(given.starts_with("tokenizer.json: ") && given.contains(error), "{value}: {given}");
    }
}

#[test]
fn what_a_known_part_says_is_done() {
    let lower =
        json!({"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}, {"type": "StripAccents"}]});
    let words = with("normalizer", lower).unwrap();
    assert_eq!(ids(&words), ids(&with("padding", Value::Null).unwrap()));
    let whole = json!({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {}});
    assert_eq!(ids(&with("post_processor", whole).unwrap()), ids(&words));
}

#[test]
fn every_token_has_an_embedding() {
    let mut far = demo();
    far["model"]["vocab"]["card"] = json!(999_999);
    let mut beyond = demo();
    let token = json!({"id": 3000, "content": "<|card|>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true});
    beyond["added_tokens"].as_array_mut().unwrap().push(token);
    let mut empty = demo();
    empty["added_tokens"] = json!([]);
    empty["model"]["vocab"] = json!({});
    for (file, rows, error) in [
        (far, ROWS, "the token \"card\" has id 999999, the model has embeddings for 3000"),
        (beyond, ROWS, "the token \"<|card|>\" has id 3000, the model has embeddings for 3000"),
        (demo(), 1, "has id 2999, the model has embeddings for 1"),
        (empty, ROWS, "a vocabulary without words"),
    ] {
        let given = Words::parse(file.to_string().as_bytes(), rows).err().unwrap().to_string();
        assert!(given.contains(error), "{given}");
    }
}

#[test]
fn the_unknown_token_is_the_one_that_the_file_names() {
    let mut moved = demo();
    let vocabulary = moved["model"]["vocab"].as_object_mut().unwrap();
    let word = vocabulary.iter().find(|(_, id)| **id == json!(100)).unwrap().0.clone();
    vocabulary.insert("[UNK]".into(), json!(100));
    vocabulary.insert(word, json!(1));
    moved["added_tokens"][1]["id"] = json!(100);
    let words = Words::parse(moved.to_string().as_bytes(), ROWS).unwrap();
    assert_eq!((words.unknown(), words.ids("☃").unwrap()), (Some(100), vec![100]));
    let mut none = demo();
    none["model"]["unk_token"] = json!("[NONE]");
    let error = Words::parse(none.to_string().as_bytes(), ROWS).err().unwrap().to_string();
    assert!(error.contains("model.unk_token \"[NONE]\" is no word"), "{error}");
}

#[test]
fn an_added_token_with_another_id_than_its_word_is_refused() {
    let mut file = demo();
    file["added_tokens"][1]["id"] = json!(7);
    let error = Words::parse(file.to_string().as_bytes(), ROWS).err().unwrap().to_string();
    assert!(error.contains("added_tokens \"[UNK]\".id is 7, this program would do 1"), "{error}");
}
