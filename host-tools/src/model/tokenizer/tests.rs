//! Tests of tokenizer.json.

use super::Words;
use serde_json::{Value, json};

const ROWS: usize = 3000;

fn demo() -> Value {
    serde_json::from_slice(crate::model::checkpoint::banking77::TOKENIZER).unwrap()
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
        assert_eq!(words.truncated(&ids(&words), words.most(64)), kept);
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
        ("post_processor", json!({"type": "Fancy"}), "post_processor \"Fancy\" is not known"),
        (
            "post_processor",
            json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true, "tabs": 1}),
            "post_processor.tabs is not known",
        ),
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
    let whole = with("post_processor", whole).unwrap();
    assert_eq!((whole.special(), whole.whole(&[7])), (0, vec![7]));
}

/// The demo's tokenizer with `[UNK]` before and the words `card ?` after each text.
fn template(single: Value) -> Value {
    let token = |name: &str, ids: Value, tokens: Value| json!({"id": name, "ids": ids, "tokens": tokens});
    let plain = Words::parse(demo().to_string().as_bytes(), ROWS).unwrap();
    let after = plain.ids("card ?").unwrap();
    json!({"type": "TemplateProcessing", "single": single, "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"[UNK]": token("[UNK]", json!([1]), json!(["[UNK]"])),
            "end": token("end", json!(after), json!(["card", "?"])),
            "far": token("far", json!([3000]), json!(["[FAR]"])),
            "moved": token("moved", json!([7]), json!(["[UNK]"])),
            "short": token("short", json!([7, 8]), json!(["a"]))}})
}

fn special(name: &str) -> Value {
    json!({"SpecialToken": {"id": name, "type_id": 0}})
}

fn text() -> Value {
    json!({"Sequence": {"id": "A", "type_id": 0}})
}

#[test]
fn a_template_puts_its_tokens_around_a_text() {
    let words = with("post_processor", template(json!([special("[UNK]"), text(), special("end")]))).unwrap();
    let plain = ids(&words);
    let end = words.ids("card ?").unwrap();
    assert_eq!((words.special(), words.whole(&plain)), (3, [&[1], &plain[..], &end].concat()));
    assert_eq!(words.truncated(&plain, 5), [&[1], &plain[..2], &end].concat());
    assert_eq!((words.truncated(&plain, 3), words.truncated(&[], 64)), (vec![], vec![]));
    let nested = json!({"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": true,
        "trim_offsets": false, "use_regex": true}, template(json!([text(), special("end")]))]});
    assert_eq!(with("post_processor", nested).unwrap().whole(&[7]), [&[7], &end[..]].concat());
}

#[test]
fn a_template_that_cannot_be_done_is_refused() {
    for (single, error) in [
        (json!([special("[UNK]")]), "post_processor.single has the text 0 times, once is needed"),
        (json!([text(), text()]), "post_processor.single has the text 2 times, once is needed"),
        (json!([{"Sequence": {"id": "B", "type_id": 0}}, text()]), "single[0]: Sequence \"B\" is no part of a single"),
        (json!([{"Sequence": {"id": "A", "type_id": 1}}]), "single[0]: a single text has token type 0, and no other"),
        (json!([text(), special("none")]), "\"none\" has no tokens with ids in special_tokens"),
        (json!([text(), special("short")]), "\"short\" has no tokens with ids in special_tokens"),
        (json!([text(), special("far")]), "\"[FAR]\" has id 3000, the model has embeddings for 3000"),
        (json!([text(), special("moved")]), "\"[UNK]\" has id 7, the vocabulary gives it 1"),
    ] {
        let given = with("post_processor", template(single.clone())).err().unwrap_or_default();
        assert!(given.starts_with("tokenizer.json: ") && given.contains(error), "{single}: {given}");
    }
    let one = template(json!([text(), special("end")]));
    let two = json!({"type": "Sequence", "processors": [one, one]});
    assert!(with("post_processor", two).err().unwrap().contains("two parts of a Sequence add tokens"));
    let mut file = demo();
    file["post_processor"] = one;
    file["truncation"] = json!({"max_length": 2, "strategy": "LongestFirst", "stride": 0});
    let error = Words::parse(file.to_string().as_bytes(), ROWS).err().unwrap().to_string();
    assert!(error.contains("truncation to 2 tokens, 2 of them special: no text is left"), "{error}");
}

/// `tests/vectors/tokens.py`: the files of all-MiniLM-L6-v2 and of older BERT and RoBERTa models, with the answers of the
/// Python package.
#[test]
fn tokens_are_those_of_the_python_package() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../../../tests/vectors/tokens.json")).unwrap();
    let numbers =
        |list: &Value| -> Vec<u32> { list.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect() };
    for (case, rows) in cases.iter().zip([30522, 30522, 600]) {
        let words = Words::parse(case["tokenizer"].to_string().as_bytes(), rows).unwrap();
        let most = case["most"].as_u64().unwrap() as usize;
        let texts = case["texts"].as_array().unwrap();
        assert!(texts.len() >= 52 && words.special() == 2, "{}", case["name"]);
        for (i, text) in texts.iter().enumerate() {
            let ids = words.ids(text.as_str().unwrap()).unwrap();
            assert_eq!(words.whole(&ids), numbers(&case["ids"][i]), "{}: {text}", case["name"]);
            assert_eq!(words.truncated(&ids, most), numbers(&case["cut"][i]), "{}: {text}", case["name"]);
        }
    }
    assert_eq!(cases.len(), 3);
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
