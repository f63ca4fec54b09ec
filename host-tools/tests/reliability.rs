//! The tables of inputs in `docs/reliability.md` are true: each row is run, and the program says what the row says.
//! A failing test prints the rows as they would be true.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer::{
    accuracy,
    compare::Scores,
    error::WithPath,
    files::{numbers, text},
    model::Pretrained,
};
use std::path::Path;

/// The rows of a table as pairs of cells. The table follows the line `<!-- NAME -->`.
fn table(name: &str) -> Vec<(String, String)> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reliability.md")).unwrap();
    let (_, rest) = page.split_once(&format!("<!-- {name} -->")).unwrap();
    let rows = rest.lines().skip_while(|line| line.is_empty()).take_while(|line| line.starts_with('|')).skip(2);
    let cells = rows.map(|row| row.trim_matches(['|', ' ']).split_once(" | ").unwrap());
    cells.map(|(input, said)| (input.trim_matches('`').into(), said.trim().into())).collect()
}

/// The bytes that an input of a table stands for: `\n`, `\r`, `\t`, `\\` and `\xHH` are escapes, and `…` repeats the
/// character before it a thousand times.
fn bytes(input: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), input);
    while let Some(c) = rest.chars().next() {
        let (escape, length) = match rest {
            two if two.starts_with("\\n") => (b'\n', 2),
            two if two.starts_with("\\r") => (b'\r', 2),
            two if two.starts_with("\\t") => (b'\t', 2),
            two if two.starts_with("\\\\") => (b'\\', 2),
            four if four.starts_with("\\x") => (u8::from_str_radix(&four[2..4], 16).unwrap(), 4),
            _ => {
                match c {
                    '…' => out.extend(vec![*out.last().unwrap(); 1000]),
                    c => out.extend(c.to_string().bytes()),
                }
                rest = &rest[c.len_utf8()..];
                continue;
            }
        };
        out.push(escape);
        rest = &rest[length..];
    }
    out
}

fn check(name: &str, least: usize, say: impl Fn(Vec<u8>) -> String) {
    let rows = table(name);
    assert!(rows.len() >= least, "{name}: {} rows", rows.len());
    let said: Vec<String> = rows.iter().map(|(input, _)| say(bytes(input))).collect();
    let print = |((input, _), said): (&(String, String), &String)| format!("| `{input}` | {said} |\n");
    let fresh: String = rows.iter().zip(&said).map(print).collect();
    assert!(rows.iter().zip(&said).all(|((_, page), said)| page == said), "{name}:\n{fresh}");
}

fn list(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_list_of_numbers_is_read_or_refused_as_the_page_says() {
    check("numbers", 60, |bytes| match text::decode(bytes).and_then(|text| numbers::parse(&text)) {
        Ok(values) if values.is_empty() => "no numbers in it".into(),
        Ok(values) => format!("reads {}", list(&values)),
        Err(fault) => fault.to_string(),
    });
}

#[test]
fn every_file_of_scores_is_read_or_refused_as_the_page_says() {
    check("scores", 15, |bytes| match text::decode(bytes).and_then(|text| Scores::parse(&text, 8)) {
        Ok(scores) => format!("reads {} rows of {}", scores.rows.len(), scores.length),
        Err(fault) => fault.to_string(),
    });
}

#[test]
fn every_file_of_questions_is_read_or_refused_as_the_page_says() {
    let model = Pretrained::embedded().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("questions");
    check("questions", 15, |bytes| {
        std::fs::write(&path, bytes).with_path(&path).unwrap();
        match accuracy::read(&path, &model.text, usize::MAX) {
            Ok(questions) => format!("reads {} questions", questions.len()),
            Err(error) => error.to_string().replace(&format!("{}: ", path.display()), ""),
        }
    });
}
