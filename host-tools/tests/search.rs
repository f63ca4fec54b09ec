//! Private search on files: scores equal the clear inner products, and every fault is one line with both values.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer::{
    Error,
    error::WithPath,
    files::{Access, Body, CiphertextMeta, Output},
    keys::{KeyFolder, secret::Secret},
    machine::{ComputeTarget, Host},
    search::{self, About, Index, Scoring, Seeker, Texts, Vectors},
    session::cipher::Encrypted,
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};
use tempfile::TempDir;

const BLOCK: usize = 4096;

/// A folder with the keys of one client, which the tests share.
struct Place {
    folder: TempDir,
    host: Host,
    keys: KeyFolder,
    secret: Secret,
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(search::spec().params().unwrap());
        let (keys, secret) = client(&host, &folder.path().join("keys"));
        Place { folder, host, keys, secret }
    })
}

fn client(host: &Host, folder: &Path) -> (KeyFolder, Secret) {
    let keys = KeyFolder::new(folder);
    let wants = search::keys(host.params());
    let secret = keys.complete(host, target(), &search::spec(), &wants, &mut |_| ()).unwrap();
    (keys, secret)
}

fn target() -> ComputeTarget {
    ComputeTarget::cpu(2)
}

/// Vectors of length 1 that follow from `seed`.
fn unit_vectors(count: usize, width: usize, seed: u8) -> Vec<f32> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let mut out = Vec::new();
    for _ in 0..count {
        let row: Vec<f64> = (0..width).map(|_| rng.next_u32() as f64 / u32::MAX as f64 - 0.5).collect();
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        out.extend(row.iter().map(|x| (x / length) as f32));
    }
    out
}

fn write(name: &str, vectors: &Vectors, texts: Option<&Texts>) -> Result<(PathBuf, About), Error> {
    let path = place().folder.path().join(name);
    let output = Output::at(&path, search::FORM, Access::Shared, &[]).with_path(&path)?;
    let about = search::write_index(output, "space", vectors, texts, &|| ()).with_path(&path)?;
    Ok((path, about))
}

fn score(index: &Index, query: &Encrypted) -> Result<Encrypted, Error> {
    let Place { host, keys, .. } = place();
    Scoring { host, eval: &keys.eval, index, query }.run(target(), &|| ())
}

/// The inner products with every vector, and the order of the vectors by them.
fn clear(vectors: &[f32], query: &[f32]) -> (Vec<f64>, Vec<u64>) {
    let rows = vectors.chunks_exact(query.len());
    let scores: Vec<f64> = rows.map(|row| row.iter().zip(query).map(|(a, b)| *a as f64 * *b as f64).sum()).collect();
    let mut order: Vec<u64> = (0..scores.len() as u64).collect();
    order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
    (scores, order)
}

#[test]
fn every_score_is_the_clear_inner_product() {
    let Place { host, secret, .. } = place();
    let seeker = Seeker::new(host, target(), secret);
    for (count, width, queries) in [(1, 1, 1), (5, 3, 2), (BLOCK - 1, 7, 1), (BLOCK, 8, 1), (2 * BLOCK + 3, 17, 3)] {
        let (vectors, asked) = (unit_vectors(count, width, 1), unit_vectors(queries, width, 2));
        let (path, about) = write("scores", &Vectors::new(width, vectors.clone()).unwrap(), None).unwrap();
        let index = Index::open(&path).unwrap();
        assert_eq!((index.about.vectors, index.about.width, index.has_texts()), (count as u64, width, false));
        let query = seeker.ask("space", &Vectors::new(width, asked.clone()).unwrap()).unwrap();
        let scores = score(&index, &query).unwrap();
        let hits = seeker.best(&scores, count).unwrap();
        assert_eq!(hits.len(), queries);
        for (hits, asked) in hits.iter().zip(asked.chunks_exact(width)) {
            let (clear, _) = clear(&vectors, asked);
            assert_eq!(hits.len(), count);
            assert!(hits.is_sorted_by(|a, b| (a.score, b.vector) >= (b.score, a.vector)), "not in order");
            for hit in hits {
                let error = (hit.score - clear[hit.vector as usize]).abs();
                assert!(error <= search::rounding(&about), "{count} x {width}: error {error:.1e}");
            }
        }
    }
}

#[test]
fn the_best_are_the_best_in_the_clear_with_their_texts_and_equal_vectors_keep_their_order() {
    let Place { host, secret, folder, .. } = place();
    let seeker = Seeker::new(host, target(), secret);
    let (count, width) = (BLOCK + 900, 24);
    let mut vectors = unit_vectors(count, width, 3);
    let twin: Vec<f32> = vectors[..width].to_vec();
    vectors[(count - 1) * width..].copy_from_slice(&twin); // in another block
    let file = folder.path().join("texts");
    fs::write(&file, (0..count).map(|i| format!("Text {i} ü\n")).collect::<String>()).unwrap();
    let texts = Texts::read(&file).unwrap();
    let (path, _) = write("best", &Vectors::new(width, vectors.clone()).unwrap(), Some(&texts)).unwrap();
    let index = Index::open(&path).unwrap();
    let query = seeker.ask("space", &Vectors::new(width, twin.clone()).unwrap()).unwrap();
    let hits = seeker.best(&score(&index, &query).unwrap(), 10).unwrap().remove(0);
    let (_, order) = clear(&vectors, &twin);
    assert_eq!(hits.iter().map(|hit| hit.vector).collect::<Vec<_>>(), order[..10]);
    assert_eq!((hits[0].vector, hits[1].vector), (0, count as u64 - 1), "the twins, the first first");
    assert_eq!(hits[0].score, hits[1].score, "exact scores of equal vectors are equal");
    for vector in [0, 1, BLOCK as u64 - 1, BLOCK as u64, count as u64 - 1] {
        assert_eq!(index.text(vector).unwrap(), Some(format!("Text {vector} ü")));
    }
    assert_eq!(index.text(count as u64).unwrap_err().to_string(), format!("vector {count} of {count}"));
}

#[test]
fn vectors_of_numpy_and_of_text_are_read_and_bad_ones_are_refused_in_one_line() {
    let file = place().folder.path().join("vectors");
    let npy = |descr: &str, order: &str, shape: &str, data: &[u8]| {
        let about = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let length = (about.len() as u16).to_le_bytes();
        fs::write(&file, [&b"\x93NUMPY\x01\x00"[..], &length[..], about.as_bytes(), data].concat()).unwrap();
        Vectors::read(&file).and_then(|vectors| {
            let mut all = Vec::new();
            vectors.blocks(|rows| {
                all.extend_from_slice(rows);
                Ok(())
            })?;
            Ok((vectors.count(), vectors.width(), all))
        })
    };
    let numbers = [0.5, -1.0, 2.0, 0.0, 1.5, -0.25];
    let singles: Vec<u8> = numbers.iter().flat_map(|x: &f64| (*x as f32).to_le_bytes()).collect();
    let doubles: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let expected = (2, 3, numbers.map(|x| x as f32).to_vec());
    assert_eq!(npy("<f4", "False", "(2, 3)", &singles).unwrap(), expected);
    assert_eq!(npy("<f8", "False", "(2, 3)", &doubles).unwrap(), expected);
    let said = |result: polyformer::files::Result<(u64, usize, Vec<f32>)>| result.unwrap_err().to_string();
    assert_eq!(
        said(npy("<i4", "False", "(2, 3)", &singles)),
        "NumPy file: numbers of type <i4, expected <f2, <f4 or <f8"
    );
    assert_eq!(
        said(npy("<f4", "True", "(2, 3)", &singles)),
        "NumPy file: columns first (fortran_order), expected rows first"
    );
    assert_eq!(said(npy("<f4", "False", "(6,)", &singles)), "NumPy file: shape (6,), expected two dimensions");
    assert!(said(npy("<f4", "False", "(2, 3)", &singles[1..])).contains("bytes where the header says"));
    assert!(said(npy("<f4", "False", "(2, 99999999999999999999)", &singles)).starts_with("NumPy file: shape"));
    assert_eq!(said(npy("<f4", "False", "(0, 3)", &[])), "0 vectors, at least 1 is needed");
    let infinite: Vec<u8> = [1.0, 2.0, 3.0, f32::INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
    assert_eq!(said(npy("<f4", "False", "(2, 2)", &infinite)), "vector 2: number 2 is not finite");

    let text = |text: &str| {
        fs::write(&file, text).unwrap();
        Vectors::read(&file).map(|vectors| (vectors.count(), vectors.width())).map_err(|e| e.to_string())
    };
    assert_eq!(text("0.5 1 2\n3 4 5\n"), Ok((2, 3)));
    assert_eq!(text("1 2\n3\n"), Err("line 2: 1 numbers where the first vector has 2".into()));
    assert_eq!(text(""), Err("0 vectors, at least 1 is needed".into()));
    let wide = "1 ".repeat(4097);
    assert_eq!(text(&wide), Err("vectors of 4097 numbers, at most 4096 are possible".into()));

    let texts = |text: &str| {
        fs::write(&file, text).unwrap();
        Texts::read(&file).map(|texts| texts.all().len()).map_err(|e| e.to_string())
    };
    assert_eq!((texts("a\nb\n"), texts("a\r\nb")), (Ok(2), Ok(2)));
    assert_eq!(texts(""), Err("line 1: no texts: expected one text a line".into()));
    assert_eq!(texts("a\n\nb\n"), Err("line 2: an empty text: expected one text a line".into()));
    let three = Vectors::new(1, vec![1.0, 2.0, 3.0]).unwrap();
    fs::write(&file, "a\nb\n").unwrap();
    let error = write("unequal", &three, Some(&Texts::read(&file).unwrap())).unwrap_err();
    assert!(error.to_string().ends_with("unequal: 2 texts and 3 vectors"), "{error}");
    let error = write("zeros", &Vectors::new(2, vec![0.0; 6]).unwrap(), None).unwrap_err();
    assert!(error.to_string().ends_with("zeros: 3 vectors of zeros have no scores"), "{error}");
    assert!(!place().folder.path().join("zeros").exists());
}

#[test]
fn a_damaged_index_is_refused_where_it_is_damaged() {
    let Place { host, secret, folder, .. } = place();
    let seeker = Seeker::new(host, target(), secret);
    let width = 2;
    let file = folder.path().join("a text");
    fs::write(&file, "text\n".repeat(BLOCK + 1)).unwrap();
    let vectors = Vectors::new(width, unit_vectors(BLOCK + 1, width, 4)).unwrap();
    let (path, _) = write("damaged", &vectors, Some(&Texts::read(&file).unwrap())).unwrap();
    let good = fs::read(&path).unwrap();
    let head = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let query = seeker.ask("space", &Vectors::new(width, vec![1.0, 0.0]).unwrap()).unwrap();
    let opened = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Index::open(&path)
    };
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let fault = |bytes: &[u8]| opened(bytes).err().map(|e| e.to_string()).unwrap_or_default();
    for length in [0, 7, 8, head - 1, head, head + 100, good.len() - 1] {
        assert!(fault(&good[..length]).contains(&format!("{length} bytes where the header says")), "{length}");
    }
    assert!(fault(&changed(head)).starts_with("contents have digest"), "the table of digests");
    let tables = 2 * 2 * 32; // two blocks, digests of vectors and of texts
    let index = opened(&changed(head + tables + 2 * width * BLOCK)).unwrap(); // in the second block
    let error = score(&index, &query).err().unwrap().to_string();
    assert!(error.starts_with("index: contents have digest"), "{error}");
    assert!(index.text(0).is_ok());
    let index = opened(&changed(good.len() - 1)).unwrap(); // the last text
    assert!(score(&index, &query).is_ok() && index.text(0).is_ok());
    assert!(index.text(BLOCK as u64).unwrap_err().to_string().starts_with("contents have digest"));

    let replaced = |from: &str, to: &str| {
        let head = String::from_utf8(good[8..head].to_vec()).unwrap();
        assert!(head.contains(from), "{head}");
        let mut bytes = head.replacen(from, to, 1).trim_end().to_string().into_bytes();
        bytes.resize(bytes.len().next_multiple_of(8), b' ');
        fault(&[&(bytes.len() as u64).to_le_bytes()[..], &bytes, &good[head.len() + 8..]].concat())
    };
    assert!(replaced("\"space\":\"space\"", "\"space\":\"other\"").starts_with("contents have digest"));
    assert!(replaced("\"width\":\"2\"", "\"width\":\"0\"").contains("\"width\" is \"0\", expected at least 1"));
    assert!(replaced("\"width\":\"2\"", "\"width\":\"3\"").starts_with("tensor \"vectors\" is I16 [2, 2, 4096]"));
    assert!(replaced("\"vectors\":\"4097\"", "\"vectors\":\"1099511627776\"").starts_with("tensor \"digests\""));
    assert!(replaced("\"polyformer\":\"1\"", "\"polyformer\":\"2\"").contains("expected 1, the format of an index"));
    assert!(
        replaced("\"kind\":\"index\"", "\"kind\":\"model\"")
            .contains("expected index, as `polyformer index` writes it")
    );
    let not = folder.path().join("no index");
    fs::write(&not, "some text that is no index at all").unwrap();
    assert!(Index::open(&not).err().unwrap().to_string().starts_with("a header of"));
}

#[test]
fn what_does_not_belong_together_is_refused_with_both_values() {
    let Place { host, secret, folder, .. } = place();
    let seeker = Seeker::new(host, target(), secret);
    let (path, _) = write("pairs", &Vectors::new(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap(), None).unwrap();
    let index = Index::open(&path).unwrap();
    let ask = |space: &str, numbers: Vec<f32>, width: usize| {
        seeker.ask(space, &Vectors::new(width, numbers).unwrap()).map_err(|e| e.to_string())
    };
    let query = ask("space", vec![0.6, 0.8], 2).unwrap();
    let said = |query: &Encrypted| score(&index, query).err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(
        said(&ask("other", vec![1.0, 0.0], 2).unwrap()),
        "query: made for model other where model space is needed"
    );
    assert_eq!(said(&ask("space", vec![1.0; 3], 3).unwrap()), "query: vectors of 3 numbers where 2 are needed");
    assert_eq!(ask("space", vec![1.0, 0.0, 0.0, 0.0], 2).err().unwrap(), "queries: query 2: 2 zeros have no direction");
    assert!(ask("", vec![1.0, 0.0], 2).err().unwrap().starts_with("queries: metadata field \"space\" is \"\""));

    let (other_keys, other) = client(host, &folder.path().join("other"));
    let scoring = Scoring { host, eval: &other_keys.eval, index: &index, query: &query };
    let error = scoring.run(target(), &|| ()).err().unwrap().to_string();
    let names = [other.header.key.unwrap(), secret.header.key.unwrap()].map(|key| key.to_string());
    assert!(names.iter().all(|name| error.contains(name)), "{error}");
    let scores = score(&index, &query).unwrap();
    let error = Seeker::new(host, target(), &other).best(&scores, 1).err().unwrap().to_string();
    assert!(error.starts_with("scores: belongs to key") && names.iter().all(|name| error.contains(name)), "{error}");
    let error = seeker.best(&query, 1).err().unwrap().to_string();
    assert!(error.starts_with("scores: a query file where a scores file is needed"), "{error}");
    assert!(said(&scores).starts_with("query: a scores file where a query file is needed"));

    let Body::Scores(sealed, found) = &scores.header.body else { panic!("scores") };
    let altered = |tensors: Vec<Vec<u32>>, sealed: CiphertextMeta, vectors: u64| {
        let found = polyformer::files::Found { vectors, ..found.clone() };
        let header = polyformer::files::Header { body: Body::Scores(sealed, found), ..scores.header.clone() };
        seeker.best(&Encrypted { header, tensors }, 1).err().map(|e| e.to_string()).unwrap_or_default()
    };
    let words = &scores.tensors;
    assert_eq!(altered(words.clone(), *sealed, 2), "");
    let said = altered(words.clone(), *sealed, 1);
    assert!(said.starts_with("scores: query 1, vector 1: a score of"), "a score without a vector: {said}");
    let said = altered(words.clone(), *sealed, 5000);
    assert!(said.contains("\"count\" is \"1\", expected 2, the ciphertexts of 1 queries at level 0"), "{said}");
    let forged = vec![words[0].clone(), words[0].clone()];
    let said = altered(forged, *sealed, 2);
    assert!(said.contains("away from a whole score") || said.contains("in integers, at most"), "{said}");
    let found_other = polyformer::files::Found {
        sought: polyformer::files::Sought { nonce: [9; 16], ..found.sought.clone() },
        ..found.clone()
    };
    let Body::Query(_, sought) = &query.header.body else { panic!("a query") };
    assert!(found.expect_answer_to(sought).is_ok());
    assert!(found_other.expect_answer_to(sought).unwrap_err().to_string().starts_with("the answer to question 0909"));
}
