//! Bad files of every kind. Each bad file gives an error that names the disagreement, no panic, and no partial file.

#![allow(clippy::unwrap_used, clippy::panic)] // a test that cannot go on has failed

use polyformer::{
    files::{
        self, Asked, Body, Budget, CiphertextMeta, ElementType, EmbeddedMeta, FileError, Found, Header, KeyId, Kind,
        Mapped, Record, Sizes, Sought, View, Weights,
    },
    spec::SpecBuf,
};

fn header(preset: &str, body: Body) -> Header {
    let key = (!matches!(body, Body::Params | Body::Model { .. })).then_some(KeyId([7; 16]));
    Header { spec: SpecBuf::preset(preset).unwrap(), key, body }
}

fn every_kind() -> Vec<Header> {
    let seed = [3; 32];
    let sealed = CiphertextMeta { level: 0, count: 2, values: 5, seed: Some(seed) };
    let budget = Some(Budget { results: 5, bits: 30, published: 5 });
    let used = Record { budget, results: vec![[6; 32]], small_clients: vec![KeyId([4; 16])] };
    let asked = Asked { tokens: vec![9, 3, 0, 0], model: [1; 16], nonce: [2; 16] };
    let sought = Sought { space: "space".into(), width: 384, nonce: [2; 16] };
    let found = Found { sought: sought.clone(), queries: 2, index: [4; 16], vectors: 4000, scale: 0.1 };
    vec![
        header("B16", Body::Params),
        header("C12", Body::SecretKey(Record::default())),
        header("L13", Body::PublicKey { seed }),
        header("L13", Body::RelinKey { level: 2, seed }),
        header("L13", Body::GaloisKey { galois: 5, level: 1, seed }),
        header("C12", Body::Ciphertext(sealed)),
        header("C12", Body::Ciphertext(CiphertextMeta { seed: None, ..sealed })),
        header("C12", Body::Question(sealed, asked.clone())),
        header("C12", Body::Answer(CiphertextMeta { count: 1, seed: None, ..sealed }, asked)),
        header("C12", Body::SecretKey(used)),
        header("C12", Body::Model { sizes: sizes(Weights::F16), about: "{}".into() }),
        header("C12", Body::Model { sizes: sizes(Weights::Int8), about: "{}".into() }),
        header("S12", Body::Query(CiphertextMeta { level: 1, values: 0, ..sealed }, sought.clone())),
        header("S12", Body::Scores(CiphertextMeta { values: 0, seed: None, ..sealed }, found)),
    ]
}

/// A small model.
fn sizes(weights: Weights) -> Sizes {
    Sizes {
        tokenizer: 12,
        vocabulary: 3,
        max_tokens: 2,
        width: 4,
        hidden: 6,
        layers: 2,
        classes: 3,
        weights,
        twin: 0,
        parts: None,
    }
}

/// The bytes of a valid file, every word `word`.
fn file(header: &Header, word: u32) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (path, params) = (folder.path().join("file"), header.spec.params().unwrap());
    let tensors: Vec<Vec<u8>> = header
        .tensors(&params)
        .iter()
        .map(|t| match t.of {
            ElementType::Residues(_) => word.to_le_bytes().repeat(t.shape.iter().product()),
            _ => vec![9; t.shape.iter().product::<usize>() * t.of.dtype().bitsize() / 8],
        })
        .collect();
    let tensors: Vec<&[u8]> = tensors.iter().map(|t| &t[..]).collect();
    files::write(&path, header, &params, &tensors).unwrap();
    std::fs::read(path).unwrap()
}

/// Views need aligned bytes, which a map gives and a vector may not.
fn parse(bytes: &[u8]) -> Result<(), FileError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    let mapped = Mapped::open(&path)?;
    View::parse(mapped.bytes()).map(|_| ())
}

/// The same file with one piece of its header replaced by another of the same length.
fn with(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap_or_else(|| panic!("no {from}"));
    [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
}

#[test]
fn every_kind_is_read_back_as_it_was_written() {
    let raise = header("B16", Body::RaiseKey { seed: [3; 32] }); // large: the smallest set that bootstraps
    let of = EmbeddedMeta { spec: SpecBuf::preset("C12").unwrap(), key: KeyId([9; 16]), seeds: [[3; 32], [4; 32]] };
    let device = header("B16", Body::DeviceKey(Box::new(of)));
    for header in every_kind().into_iter().chain([raise, device]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, file(&header, 5)).unwrap();
        let mapped = Mapped::open(&path).unwrap();
        let view = View::parse(mapped.bytes()).unwrap();
        assert_eq!(view.header, header);
        assert!(view.expect_kind(header.kind()).is_ok() && view.expect_same(&header).is_ok());
        let words = !matches!(header.kind(), Kind::SecretKey | Kind::Model);
        assert!(!words || view.words(0).iter().all(|w| *w == 5));
    }
}

#[test]
fn the_same_contents_are_the_same_bytes() {
    assert_eq!(file(&every_kind()[2], 1), file(&every_kind()[2], 1));
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    for header in every_kind() {
        let bytes = file(&header, 5);
        let head = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let lengths = [0, 1, 7, 8, 9, head / 2, head - 1, head, head + 1, head + 4, bytes.len() - 4, bytes.len() - 1];
        for length in lengths.into_iter().filter(|l| *l < bytes.len()) {
            let fault = parse(&bytes[..length]).unwrap_err();
            assert!(matches!(fault, FileError::Size { actual, .. } if actual == length as u64), "{length}: {fault}");
        }
        assert!(matches!(parse(&[&bytes[..], &[0]].concat()), Err(FileError::Size { .. })));
    }
}

#[test]
fn a_flipped_bit_anywhere_is_an_error() {
    for header in every_kind() {
        let bytes = file(&header, 5);
        let head = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let tail = (head..bytes.len()).step_by((bytes.len() - head) / 20 + 1);
        let (mut bad, mut survived) = (bytes.clone(), 0);
        for at in (0..head).chain(tail) {
            let bit = 1 << (at % 8);
            bad[at] ^= bit;
            survived += parse(&bad).is_ok() as usize;
            bad[at] ^= bit;
        }
        assert_eq!(survived, 0, "{}", header.kind());
    }
}

#[test]
fn a_header_may_claim_anything() {
    let bytes = file(&every_kind()[5], 5);
    for claim in [u64::MAX, 1 << 63, 1 << 40, files::MAX_HEADER + 1] {
        let bad = [&claim.to_le_bytes(), &bytes[8..]].concat();
        assert!(matches!(parse(&bad), Err(FileError::HeaderSize { claimed, .. }) if claimed == claim));
    }
    let huge = r#"{"c0":{"dtype":"U32","shape":[4294967296,4294967296],"data_offsets":[0,18446744073709551615]}}"#;
    let bad = [&(huge.len() as u64).to_le_bytes(), huge.as_bytes()].concat();
    assert!(parse(&bad).is_err());
    assert!(matches!(parse(&[&2u64.to_le_bytes()[..], b"{}"].concat()), Err(FileError::Foreign)));
}

#[test]
fn a_newer_version_is_named_with_the_newest_that_is_read() {
    let bytes = with(&file(&every_kind()[0], 0), r#""polyformer":"1""#, r#""polyformer":"2""#);
    assert_eq!(parse(&bytes).unwrap_err().to_string(), "format version 2, this program reads up to 1");
}

#[test]
fn an_older_version_is_refused_with_the_command_that_makes_the_file_again() {
    for header in every_kind().into_iter().filter(|header| header.kind() != Kind::Params) {
        let bytes = with(&file(&header, 0), r#""polyformer":"2""#, r#""polyformer":"1""#);
        let command = match header.kind() {
            Kind::Model => "pack",
            Kind::Ciphertext => "encrypt",
            Kind::Question => "encrypt --text",
            Kind::Answer => "infer",
            Kind::Query => "query",
            Kind::Scores => "scores",
            Kind::PublicKey => "keygen --secret SECRET --public --out KEYS",
            _ => "keygen",
        };
        let (kind, newest) = (header.kind(), header.kind().version());
        let said = format!("a {kind} of format version 1, this program reads {newest}: make it again with ");
        assert_eq!(parse(&bytes).unwrap_err().to_string(), format!("{said}`polyformer {command}`"));
    }
}

#[test]
fn a_word_that_is_no_residue_is_found_and_named() {
    let q = 1054212097; // the first row of C12; the second prime is smaller
    let fault = parse(&file(&every_kind()[5], q)).unwrap_err();
    let line = "tensor \"c0\" row 0 word 0 is 1054212097, not below its modulus 1054212097";
    assert_eq!(fault.to_string(), line);
    assert!(matches!(parse(&file(&every_kind()[5], q - 1)), Err(FileError::Word { row: 1 | 3, q: 1053818881, .. })));
    assert!(parse(&file(&every_kind()[5], 1053818880)).is_ok());
}

#[test]
fn the_wrong_kind_parameters_or_key_are_named_in_pairs() {
    let bytes = file(&every_kind()[1], 0);
    let view = View::parse(&bytes).unwrap();
    let fault = view.expect_kind(Kind::Ciphertext).unwrap_err();
    assert_eq!(fault.to_string(), "a secret-key file where a ciphertext file is needed");
    let fault = view.expect_same(&every_kind()[2]).unwrap_err();
    assert_eq!(fault.to_string(), "parameter set C12 where L13 is needed");
    let fault = view.expect_same(&Header { key: Some(KeyId([8; 16])), ..every_kind()[1].clone() }).unwrap_err();
    assert!(fault.to_string().starts_with("belongs to key 0707") && fault.to_string().contains("key 0808"), "{fault}");
}

#[test]
fn a_key_for_bootstrapping_belongs_to_parameters_that_bootstrap() {
    let bytes = file(&header("L13", Body::PublicKey { seed: [3; 32] }), 0);
    assert!(parse(&with(&bytes, r#""kind":"public-key""#, r#""kind":"raise-key" "#)).is_err());
}

#[test]
fn other_json_in_the_header_is_an_error() {
    let bytes = file(&every_kind()[5], 5);
    for (from, to) in [
        (r#""level":"0""#, r#""level":"1""#),
        (r#""count":"2""#, r#""count":"0""#),
        (r#""count":"2""#, r#""count":"3""#),
        (r#""values":"5""#, r#""values":"x""#),
        (r#""kind":"ciphertext""#, r#""kind":"ciphertexs""#),
        (r#""dtype":"U32""#, r#""dtype":"I32""#),
        (r#""c0""#, r#""c1""#),
        (r#"\"log_n\":12"#, r#"\"log_n\":11"#),
        (r#"\"scale_bits\":39.5"#, r#"\"scale_bits\":39.6"#),
        (r#""seed":"03"#, r#""seed":"0A"#),
    ] {
        let fault = parse(&with(&bytes, from, to)).unwrap_err();
        assert!(!fault.to_string().contains('\n'), "{fault}");
    }
}

#[test]
fn what_a_question_and_a_budget_say_is_checked() {
    let find = |kind: &str| every_kind().into_iter().rfind(|h| h.kind().to_string() == kind).unwrap();
    let (question, secret) = (file(&find("question"), 5), file(&find("secret-key"), 5));
    for (bytes, from, to) in [
        (&question, r#""tokens":"9,3,0,0""#, r#""tokens":"0,0,0,0""#),
        (&question, r#""tokens":"9,3,0,0""#, r#""tokens":"9,3,0,x""#),
        (&question, r#""tokens":"9,3,0,0""#, r#""takens":"9,3,0,0""#),
        (&question, r#""nonce":"02"#, r#""nonce":"0x"#),
        (&question, r#""model":"01"#, r#""madel":"01"#),
        (&secret, r#""published":"5""#, r#""published":"6""#),
        (&secret, r#""publish_bits":"30""#, r#""publish_bits":"29""#),
        (&secret, r#""publish_results":"5""#, r#""publish_results":"0""#),
        (&secret, r#""publish_results":"5""#, r#""publish_resalts":"5""#),
    ] {
        let fault = parse(&with(bytes, from, to)).unwrap_err();
        assert!(matches!(fault, FileError::Field { .. }), "{to}: {fault}");
    }
}

#[cfg(unix)]
#[test]
fn a_secret_key_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (path, header) = (folder.path().join("secret"), &every_kind()[1]);
    files::write(&path, header, &header.spec.params().unwrap(), &[&[1; 32]]).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
