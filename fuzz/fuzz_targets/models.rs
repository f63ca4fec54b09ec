//! Any bytes give a model's config, rows of scores or a question, or an error of one line, and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer::{
    compare::Scores,
    model::{Config, Pretrained},
};
use std::sync::LazyLock;

/// The longest text that becomes a question, in bytes: the work grows with the length, and not the branches.
const LONGEST: usize = 128;

static MODEL: LazyLock<Pretrained> = LazyLock::new(|| Pretrained::embedded().unwrap());

fn one_line<T>(result: Result<T, impl std::fmt::Display>) -> Option<T> {
    result.map_err(|e| assert!(!e.to_string().trim_end().contains('\n'), "{e}")).ok()
}

// The first byte selects the parser, the other bytes are its input.
fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    if which % 3 == 0 {
        if let Some(config) = one_line(Config::parse(data)) {
            one_line(config.range());
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if which % 3 == 1 {
        one_line(Scores::parse(text, 1024));
        return;
    }
    if text.len() > LONGEST {
        return;
    }
    let most = MODEL.text.max_tokens();
    if let Some(ids) = one_line(MODEL.text.tokens(text)) {
        assert!((1..=most).contains(&ids.len()));
        assert_eq!(MODEL.text.embed(&ids).len(), ids.len() * MODEL.model.width);
    }
    if let Some(ids) = one_line(MODEL.text.truncated(text)) {
        assert!(ids.len() <= most);
    }
});
