//! Any bytes as tokenizer.json are refused in one line, or the tokenizer gives every text tokens that the model has, or an
//! error. The input is a text, a zero byte, and the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer::model::Words;

const ROWS: usize = 64;

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(0);
    let (text, json) = data.split_at(at);
    let words = match Words::parse(json.strip_prefix(&[0]).unwrap_or(json), ROWS) {
        Ok(words) => words,
        Err(fault) => return assert!(!fault.to_string().trim_end().contains('\n'), "{fault}"),
    };
    assert!(words.unknown().is_none_or(|id| (id as usize) < ROWS) && words.most(8) <= 8);
    for text in [String::from_utf8_lossy(text).as_ref(), "ab cd, é\u{301} 12\n", ""] {
        let Ok(ids) = words.ids(text) else { continue };
        assert!(ids.iter().all(|id| (*id as usize) < ROWS), "{ids:?}");
        let (most, special) = (words.most(8), words.special());
        let whole = words.truncated(&ids, most);
        let room = ids.len().min(most.saturating_sub(special));
        assert_eq!(whole.len(), if room == 0 { 0 } else { room + special });
        assert!(whole.iter().all(|id| (*id as usize) < ROWS), "{whole:?}");
    }
});
