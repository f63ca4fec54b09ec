//! Any bytes give a model's config, its weights, an index of shards, rows of scores or a question, or an error of one
//! line, and never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer::{
    accuracy::logits,
    compare::Scores,
    model::{Checkpoint, FolderConfig, FolderFiles, Pretrained, shard_names},
};
use std::sync::LazyLock;

/// The longest text that becomes a question, in bytes: the work grows with the length, and not the branches.
const LONGEST: usize = 128;

/// The files of a small converted model.
const CONFIG: &[u8] = include_bytes!("../../tests/vectors/encoders/embed/config.json");
const WEIGHTS: &[u8] = include_bytes!("../../tests/vectors/encoders/embed/model.safetensors");
const TOKENIZER: &[u8] = include_bytes!("../../tests/vectors/encoders/embed/tokenizer.json");

static MODEL: LazyLock<Pretrained> = LazyLock::new(|| Pretrained::embedded().unwrap());

fn one_line<T>(result: Result<T, impl std::fmt::Display>) -> Option<T> {
    result.map_err(|e| assert!(!e.to_string().trim_end().contains('\n'), "{e}")).ok()
}

/// A folder with one file replaced gives a model that answers in the clear, or an error of one line.
fn folder(config: &[u8], weights: &[u8]) {
    let files = FolderFiles { config, weights: &[weights], exact: Some(weights), tokenizer: TOKENIZER };
    let Some(model) = one_line(Checkpoint::of("folder".as_ref(), files).and_then(|folder| folder.assemble())) else {
        return;
    };
    let ids = model.text.truncated("w0 w1 w2").unwrap();
    if let Some(logits) = one_line(logits(&model, &ids)) {
        assert_eq!(logits.len() % model.text.outputs(), 0);
    }
}

// The first byte selects the parser, the other bytes are its input.
fuzz_target!(|data: &[u8]| {
    let Some((which, data)) = data.split_first() else { return };
    match which % 6 {
        0 => {
            if let Some(config) = one_line(FolderConfig::parse(data)) {
                one_line(config.range());
                one_line(config.measured());
                folder(data, WEIGHTS);
            }
            return;
        }
        3 => return folder(CONFIG, data),
        4 => {
            one_line(shard_names(data));
            return;
        }
        _ => {}
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if which % 6 == 1 {
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
