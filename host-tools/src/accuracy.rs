//! The accuracy of a model on a labelled file, in the clear: the polynomial form and its reference model.

pub mod cosines;
pub mod encrypted;
pub mod noise;
pub mod spread;

use crate::{
    Error, Result,
    error::WithPath,
    files::{self, FileError, input, text},
    model::{Pretrained, Text, top},
};
use polyformer_kernel::{
    eval::clear::Number,
    nn::{
        clear_engine::{ClearEngine, Departures, Rows},
        forward,
    },
};
use rayon::prelude::*;
use std::path::Path;

/// A question and its class.
pub struct Labelled {
    /// Its tokens, as many as the model reads.
    pub ids: Vec<u32>,
    /// Its class.
    pub class: usize,
}

/// The character between the columns: of comma, semicolon and tab the first that gives the header all columns.
fn delimiter(content: &str, names: &[&str]) -> u8 {
    let (_, header) = text::lines(content).next().unwrap_or_default();
    let all = |by: &u8| {
        let is = |name: &&str| header.split(*by as char).any(|column| column.trim().trim_matches('"') == *name);
        names.iter().all(is)
    };
    [b',', b';', b'\t'].into_iter().find(all).unwrap_or(b',')
}

/// Reads a file with the columns text and category; at most `limit` rows. The columns stand between commas, semicolons
/// or tabs. The path - is standard input.
///
/// # Errors
/// A file that cannot be read, with the line: no such column, a row of another length, a label that the model does not
/// have, a text without words.
pub fn read(path: &Path, text: &Text, limit: usize) -> Result<Vec<Labelled>> {
    let named = input::named(path);
    let content = input::read(path, input::MAX_TEXT).and_then(text::decode).with_path(named)?;
    rows(&content, text, limit).with_path(named)
}

/// Reads the column text of a file, as [`read`] does; at most `limit` rows.
///
/// # Errors
/// A file that cannot be read, with the line: no column text, a row of another length, a text without words.
pub fn read_texts(path: &Path, text: &Text, limit: usize) -> Result<Vec<Vec<u32>>> {
    let named = input::named(path);
    let content = input::read(path, input::MAX_TEXT).and_then(text::decode).with_path(named)?;
    let ids = |[given]: [&str; 1]| tokens(text, given);
    records(&content, ["text"], limit, ids).with_path(named)
}

fn rows(content: &str, text: &Text, limit: usize) -> files::Result<Vec<Labelled>> {
    records(content, ["text", "category"], limit, |[given, name]| {
        let class = (0..text.classes()).find(|c| text.label(*c) == name);
        let class = class.ok_or_else(|| format!("{name:?} is no label of the model"))?;
        Ok(Labelled { ids: tokens(text, given)?, class })
    })
}

/// The tokens of a text of a file, cut to the model's maximum.
fn tokens(text: &Text, given: &str) -> std::result::Result<Vec<u32>, String> {
    let ids = text.truncated(given).map_err(|e| e.to_string())?;
    if ids.is_empty() { Err("a text without words".into()) } else { Ok(ids) }
}

/// What `row` makes of the columns of each row, of at most `limit` rows. An error of `row` gets the line.
fn records<T, const N: usize>(
    content: &str,
    names: [&str; N],
    limit: usize,
    row: impl Fn([&str; N]) -> std::result::Result<T, String>,
) -> files::Result<Vec<T>> {
    let io = |e: csv::Error| {
        let line = e.position().map_or(1, |p| p.line() as usize);
        let what = match e.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("a row of {len} cells, expected {expected_len} as in the header")
            }
            _ => e.to_string(),
        };
        FileError::Text { line, what }
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter(content, &names))
        .trim(csv::Trim::Headers)
        .from_reader(content.as_bytes());
    let headers = reader.headers().map_err(io)?.clone();
    let mut columns = [0; N];
    for (column, name) in columns.iter_mut().zip(names) {
        let there = || headers.iter().map(|h| format!("{h:?}")).collect::<Vec<_>>().join(", ");
        let missing =
            || FileError::Text { line: 1, what: format!("no column {name:?}, the columns are [{}]", there()) };
        *column = headers.iter().position(|h| h == name).ok_or_else(missing)?;
    }
    let mut out = Vec::new();
    for record in reader.records().take(limit) {
        let record = record.map_err(io)?;
        let bad = |what: String| FileError::Text { line: record.position().map_or(1, |p| p.line() as usize), what };
        out.push(row(columns.map(|column| record.get(column).unwrap_or_default())).map_err(bad)?);
    }
    if out.is_empty() {
        return Err(FileError::Text { line: 2, what: "no questions in it".into() });
    }
    Ok(out)
}

/// Shares of right answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accuracy {
    /// Questions with a value outside the ranges of the polynomial form. The label of such a question is a guess.
    pub departed: usize,
    /// Of the polynomial form.
    pub poly: f64,
    /// Of the reference model, or `None` without one.
    pub exact: Option<f64>,
    /// Questions for which one of the forms has a logit that is not finite. Such an answer counts as wrong.
    pub not_finite: usize,
}

/// Logits in the clear, and the values that left the ranges of the model on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct ClearRun {
    /// The logits; they need not be finite.
    pub logits: Vec<f64>,
    /// The values that left their ranges.
    pub departures: Departures,
}

/// The polynomial form in the clear, f32. An overflow inside gives logits that are not finite.
///
/// # Errors
/// [`Error::Kernel`] for tokens that the model does not take.
pub fn run(model: &Pretrained, ids: &[u32]) -> Result<ClearRun> {
    run_as::<f32>(model, ids)
}

/// The same in f64, with which encrypted runs are compared.
///
/// # Errors
/// Those of [`run`].
pub fn run_double(model: &Pretrained, ids: &[u32]) -> Result<ClearRun> {
    run_as::<f64>(model, ids)
}

fn run_as<F: Number + Into<f64>>(model: &Pretrained, ids: &[u32]) -> Result<ClearRun> {
    let x = Rows::new(model.model.width, model.text.embed(ids).into_iter().map(F::of).collect::<Vec<F>>())?;
    let mut engine = ClearEngine::<F>::new(model.model.heads).with_range(model.model.range);
    let logits = match forward(&mut engine, &model.model, x) {
        Ok(out) => out.values().iter().map(|x| (*x).into()).collect(),
        Err(polyformer_kernel::Error::NotFinite { .. }) => vec![f64::NAN; model.text.outputs()],
        Err(e) => return Err(e.into()),
    };
    Ok(ClearRun { logits, departures: engine.departures() })
}

/// Logits of the polynomial form in the clear, f32.
///
/// # Errors
/// [`Error::Unreliable`] for logits that are not finite, and the errors of [`run`].
pub fn logits(model: &Pretrained, ids: &[u32]) -> Result<Vec<f64>> {
    finite(run(model, ids)?.logits)
}

/// The logits, if all are finite.
///
/// # Errors
/// [`Error::Unreliable`] with the number of logits that are not.
pub fn finite(logits: Vec<f64>) -> Result<Vec<f64>> {
    match logits.iter().filter(|x| !x.is_finite()).count() {
        0 => Ok(logits),
        bad => Err(Error::unreliable("logits", format!("{bad} of {} are not finite, there is no label", logits.len()))),
    }
}

/// Runs both forms on every question, on all threads; `step` is called after each.
///
/// # Errors
/// The errors of [`run`].
pub fn accuracy(model: &Pretrained, questions: &[Labelled], step: impl Fn() + Sync) -> Result<Accuracy> {
    let count = |q: &Labelled| -> Result<[usize; 4]> {
        let hit = |logits: &[f64]| (top(logits).first() == Some(&q.class)) as usize;
        let ClearRun { logits, departures } = run(model, &q.ids)?;
        let exact = model.exact.as_ref().map_or_else(Vec::new, |twin| twin.logits(&q.ids));
        step();
        let not_finite = logits.iter().chain(&exact).any(|x| !x.is_finite());
        Ok([hit(&logits), hit(&exact), (departures.total() > 0) as usize, not_finite as usize])
    };
    let sum = |a: [usize; 4], b: [usize; 4]| Ok(std::array::from_fn(|i| a[i] + b[i]));
    let [poly, exact, departed, not_finite] = questions.par_iter().map(count).try_reduce(|| [0; 4], sum)?;
    let share = |hits: usize| hits as f64 / questions.len() as f64;
    Ok(Accuracy { poly: share(poly), exact: model.exact.as_ref().map(|_| share(exact)), departed, not_finite })
}
