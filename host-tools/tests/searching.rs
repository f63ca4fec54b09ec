//! The commands of private search as a user runs them: one command and the split form agree, and faults are one line.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer_tests::command::{Folder, Program};
use std::fs;

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));

const TEXTS: &str = "\
I lost my card
my card was stolen
what is the exchange rate for euros
how do I change my PIN
the transfer has not arrived
";

#[test]
fn one_command_and_three_find_the_same_texts() {
    let place = Folder(tempfile::tempdir().unwrap());
    let at = |name: &str| place.at(name);
    let good = |args: &[&str]| POLYFORMER.good(args, "");
    fs::write(place.path("texts"), TEXTS).unwrap();
    let made = good(&["index", &at("texts"), "--out", &at("index")]);
    assert!(made.contains("5 vectors of 128 numbers"), "{made}");
    good(&["index", &at("texts"), "--out", &at("index")]); // an index replaces an index

    let (index, keys) = (at("index"), at("keys"));
    let query = "somebody stole my card";
    let once = good(&["search", query, "--index", &index, "--keys", &keys, "--top", "3"]);
    let lines: Vec<&str> = once.lines().collect();
    assert_eq!(lines.len(), 3, "{once}");
    assert!(lines[0].ends_with("  my card was stolen") && lines[1].ends_with("  I lost my card"), "{once}");

    let (asked, scores) = (at("query"), at("scores"));
    good(&["query", query, "--keys", &keys, "--out", &asked]);
    good(&["scores", &asked, "--index", &index, "--eval", &at("keys/eval"), "--out", &scores]);
    let key = at("keys/secret.safetensors");
    let hits =
        |more: &[&str]| good(&[&["hits", &scores, "--key", &key, "--top", "3", "--query", &asked][..], more].concat());
    assert_eq!(hits(&["--index", &index]), once);
    assert_eq!(hits(&["--texts", &at("texts")]), once);
    let bare: Vec<String> = hits(&[]).lines().map(|line| line.trim_end().into()).collect();
    assert!(bare.iter().zip(&lines).all(|(bare, line)| line.starts_with(bare.as_str())), "{bare:?}");
    for (file, what) in [(&asked, "query"), (&scores, "scores")] {
        let said = good(&["inspect", file]);
        assert!(
            said.contains(&format!("{what}, format version")) && said.contains("of 128 numbers in space model "),
            "{said}"
        );
    }

    fs::write(place.path("many"), "exchange rate\nI forgot my PIN\n").unwrap();
    let many = good(&[
        "search",
        "--queries",
        &at("many"),
        "--index",
        &index,
        "--keys",
        &keys,
        "--top",
        "1",
        "--json",
        "--figures",
    ]);
    let lines: Vec<serde_json::Value> = many.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["query"], &lines[0]["vector"]), (&0.into(), &2.into()), "{many}");
    assert_eq!((&lines[1]["query"], &lines[1]["text"]), (&1.into(), &"how do I change my PIN".into()), "{many}");
    assert!(lines[2]["key_bytes"].as_u64().unwrap() < 60_000_000, "{many}");
    assert_eq!((&lines[2]["queries"], &lines[2]["vectors"]), (&2.into(), &5.into()));
}

#[test]
fn faults_of_the_commands_are_one_line_with_both_values() {
    let place = Folder(tempfile::tempdir().unwrap());
    let at = |name: &str| place.at(name);
    let bad = |args: &[&str]| POLYFORMER.bad(args, "");
    fs::write(place.path("vectors"), "1 0 0\n0 1 0\n").unwrap();
    fs::write(place.path("narrow"), "1 0\n").unwrap();
    fs::write(place.path("one"), "a text\n").unwrap();
    fs::write(place.path("precious"), "a text of value\n").unwrap();
    let (vectors, index, keys) = (at("vectors"), at("index"), at("keys"));
    let made = POLYFORMER.good(&["index", "--vectors", &vectors, "--space", "mine", "--out", &index], "");
    assert!(made.contains("2 vectors of 3 numbers"), "{made}");

    let error = bad(&["index", &at("one"), "--vectors", &vectors, "--out", &at("new")]);
    assert_eq!(error, format!("{vectors}: 1 texts and 2 vectors"));
    assert!(!place.path("new").exists());
    let error = bad(&["index", "--vectors", &vectors, "--out", &at("precious")]);
    assert!(
        error.contains("a file of another format is there, and a file of kind index does not replace it"),
        "{error}"
    );
    let error = bad(&["index", "--vectors", &vectors, "--out", &vectors]);
    assert!(error.contains("an input of this command has this name"), "{error}");
    let error = bad(&["index", &at("no such"), "--out", &at("new")]);
    assert!(error.starts_with(&at("no such")), "{error}");

    let search = |vectors: &str| bad(&["search", "--vectors", vectors, "--index", &index, "--keys", &keys]);
    assert_eq!(search(&at("narrow")), "query: vectors of 2 numbers where 3 are needed");
    let error = bad(&["search", "my card", "--index", &index, "--keys", &keys]);
    assert!(
        error.starts_with("query: made for model model ") && error.ends_with("where model mine is needed"),
        "{error}"
    );
    let error = bad(&["search", "--vectors", &vectors, "--index", &vectors, "--keys", &keys]);
    assert!(error.starts_with(&format!("{vectors}: ")), "{error}");

    let (query, scores, eval, key) = (at("query"), at("scores"), at("keys/eval"), at("keys/secret.safetensors"));
    POLYFORMER.good(&["query", "--vectors", &vectors, "--keys", &keys, "--out", &query], "");
    let error = bad(&["scores", &query, "--index", &index, "--eval", &eval, "--out", &scores]);
    assert_eq!(error, "query: made for model vectors where model mine is needed");
    assert!(!place.path("scores").exists());
    POLYFORMER.good(&["query", "--vectors", &vectors, "--space", "mine", "--keys", &keys, "--out", &query], "");
    let error = bad(&["scores", &query, "--index", &index, "--eval", &at("nowhere"), "--out", &scores]);
    assert!(error.contains("nowhere: 2 of 2 keys of a search are missing: `polyformer query` makes them"), "{error}");
    POLYFORMER.good(&["scores", &query, "--index", &index, "--eval", &eval, "--out", &scores], "");
    let error = bad(&["hits", &query, "--key", &key]);
    assert!(error.starts_with(&format!("{query}: a query file where a scores file is needed")), "{error}");
    let error = bad(&["hits", &scores, "--key", &key, "--texts", &at("one")]);
    assert_eq!(error, "--texts: 1 texts where the index of the scores has 2 vectors");
    let error = bad(&["decrypt", &scores, "--key", &key]);
    assert!(error.contains("a scores file where a ciphertext file is needed"), "{error}");
}
