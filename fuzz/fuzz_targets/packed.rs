//! Any bytes as a packed model are refused in one line, or the model answers a question in the clear and has a plan. A
//! wrong digest is replaced by the right one, so that later checks see what the digest would have caught.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer::{accuracy::logits, error::Error, files::FileError, model::Pretrained, plan::model::ModelPlan};
use polyformer_kernel::{
    bootstrap::RotationStrategy,
    params::{Params, Security, Spec, presets},
};
use std::{path::PathBuf, sync::LazyLock};

static PARAMS: LazyLock<Params> =
    LazyLock::new(|| Params::new(&Spec { log_n: 6, security: Security::Toy, ..presets::B16 }).unwrap());
/// A file in memory, one for each process.
static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = if cfg!(target_os = "linux") { "/dev/shm".into() } else { std::env::temp_dir() };
    folder.join(format!("polyformer-fuzz-packed-{}", std::process::id()))
});

fn read(bytes: &[u8]) -> Result<Pretrained, Error> {
    std::fs::write(&*PATH, bytes).unwrap();
    Pretrained::read(&PATH)
}

fn ask(model: &Pretrained) {
    for text in ["ab cd", "a"] {
        match model.text.tokens(text) {
            Ok(ids) => {
                assert!((1..=model.text.max_tokens()).contains(&ids.len()));
                assert_eq!(model.text.embed(&ids).len(), ids.len() * model.model.width);
                if let Ok(logits) = logits(model, &ids) {
                    assert_eq!(logits.len() % model.text.outputs(), 0);
                }
                if let Some(exact) = &model.exact {
                    assert_eq!(exact.logits(&ids).len() % model.text.outputs(), 0);
                }
                let share = model.share(ids.len(), PARAMS.slots());
                assert!(share.questions >= 1);
                let _ = ModelPlan::of(&PARAMS, None, &model.model, &[ids.len()], RotationStrategy::Hoisted);
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = data.to_vec();
    let mut result = read(&bytes);
    if let Err(Error::File { fault: FileError::Digest { expected, actual }, .. }) = &result
        && (expected.len(), actual.len()) == (64, 64)
        && let Some(at) = bytes.windows(64).position(|w| w == expected.as_bytes())
    {
        bytes[at..at + 64].copy_from_slice(actual.as_bytes());
        result = read(&bytes);
    }
    match result {
        Ok(model) => ask(&model),
        Err(error) => assert!(!error.to_string().trim_end().contains('\n'), "{error}"),
    }
});
