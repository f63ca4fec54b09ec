//! Any bytes give a checked file or an error, and never a panic. The same holds for any text as numbers and as a kind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyformer::files::{FileError, Kind, View, numbers};

/// Checks a file. If only the digest is wrong, returns the actual and the expected digest.
fn parse(bytes: &[u8]) -> Option<(String, String)> {
    match View::parse(bytes) {
        Err(FileError::Digest { expected, actual }) => return Some((expected, actual)),
        Err(fault) => assert!(!fault.to_string().contains('\n'), "an error is one line: {fault}"),
        Ok(view) => {
            view.expect_kind(view.header.kind()).unwrap();
            view.expect_same(&view.header).unwrap();
            for i in 0..view.header.count() + 3 {
                assert!(view.words(i).len() * 4 <= bytes.len() && view.bytes(i).len() <= bytes.len());
            }
        }
    }
    None
}

fuzz_target!(|data: &[u8]| {
    // Words are read in place: the bytes of a map are aligned, so are these.
    let mut words = vec![0u64; data.len().div_ceil(8)];
    let bytes: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut words)[..data.len()];
    bytes.copy_from_slice(data);
    if let Some((expected, actual)) = parse(bytes)
        && (expected.len(), actual.len()) == (64, 64)
        && let Some(at) = bytes.windows(64).position(|w| w == expected.as_bytes())
    {
        bytes[at..at + 64].copy_from_slice(actual.as_bytes()); // past the digest, to what it would have caught
        parse(bytes);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(values) = numbers::parse(text) {
            assert!(values.iter().all(|x| x.is_finite()));
        }
        if let Ok(kind) = text.parse::<Kind>() {
            assert_eq!(kind.to_string(), text);
        }
    }
});
