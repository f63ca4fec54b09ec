//! Every replacement of softmax on one engine, with the same parameters and the same rows of scores. Each variant has
//! its cost, its bootstraps, its error against softmax, and its error against its own definition.
//!
//! Each variant gets scores as in its paper. PowerSoftmax gets x/r, so that no score is over 1. The exponentials get x
//! minus the row's maximum (in a model, a public bound of the maximum). BPMax gets 5x/r. σ-attention and CGF get x
//! itself.

use crate::{
    Result,
    files::{self, FileError, numbers},
    machine::{ComputeTarget, Host},
    plan::circuit,
};
use polyformer_catalogue::{Candidate, Circuit, Entry, Form, SampleNumbers, candidates};
use polyformer_kernel::{
    arith::Arithmetic,
    circuits::{attention::softmax, reduce::RowLayout},
    eval::{clear::ClearVec, planner::TOP, trace::Trace},
    params::Params,
};
use serde::Serialize;

mod encrypted;

/// One variant. The fields of its JSON are stable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub variant: &'static str,
    /// Levels from scores to weights.
    pub depth: u8,
    /// Products of two ciphertexts, bootstraps apart.
    pub mults: u32,
    /// Relinearisations and rotations, bootstraps apart.
    pub key_switches: u32,
    /// Bootstraps as planned.
    pub bootstraps: usize,
    /// The largest difference of a weight from softmax of the scores.
    pub error_vs_softmax: f64,
    /// The largest difference of a weight from the variant's own definition.
    pub error_vs_definition: f64,
    /// A certified bound of that difference, without rounding; `null` without a certificate.
    pub certified_error: Option<f64>,
    /// Seconds on ciphertexts; `null` without a run.
    pub seconds: Option<f64>,
}

/// Scores, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Scores of a row, a power of two.
    pub length: usize,
    /// Rows of `length` scores.
    pub rows: Vec<Vec<f64>>,
}

/// The distribution of synthetic scores over [-range, range].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Distribution {
    /// Evenly.
    Uniform,
    /// Normally, with a standard deviation of a quarter of the range, clipped.
    Normal,
}

impl Scores {
    /// As many synthetic rows as a vector of `slots` slots holds; the same on every machine.
    pub fn synthetic(slots: usize, length: usize, range: f64, distribution: Distribution) -> Self {
        let mut numbers = SampleNumbers::new(1);
        let mut score = || match distribution {
            Distribution::Uniform => range * numbers.signed_unit(),
            // twelve uniform numbers have a variance of one
            Distribution::Normal => {
                (range / 4.0 * ((0..12).map(|_| numbers.unit()).sum::<f64>() - 6.0)).clamp(-range, range)
            }
        };
        let rows = (0..slots / length).map(|_| (0..length).map(|_| score()).collect()).collect();
        Self { length, rows }
    }

    /// Parses one row per line, in the forms of [`numbers::rows`]. Every row has the length of the first, a power of two.
    ///
    /// # Errors
    /// `Text` with the line: a text that [`numbers::rows`] refuses, a row of another length, a score beyond
    /// [`Scores::MOST`], more scores than `slots`.
    pub fn parse(text: &str, slots: usize) -> files::Result<Self> {
        let rows = numbers::rows(text)?;
        let bad = |line: usize, what: String| FileError::Text { line, what };
        let length = rows.first().map_or(0, |(_, row)| row.len());
        let most = slots.checked_div(length).unwrap_or(0);
        if !length.is_power_of_two() || length < 2 || most == 0 {
            let line = rows.first().map_or(1, |(line, _)| *line);
            return Err(bad(line, format!("rows of {length} scores, expected a power of two from 2 to {slots}")));
        }
        for (i, (line, row)) in rows.iter().enumerate() {
            if row.len() != length {
                return Err(bad(
                    *line,
                    format!("a row of {} scores, expected {length} as in the first row", row.len()),
                ));
            }
            if i >= most {
                return Err(bad(*line, format!("row {}, expected at most {most} rows of {length} scores", i + 1)));
            }
            if let Some(x) = row.iter().find(|x| x.abs() > Self::MOST) {
                let what = format!("a score of {x:e}, expected at most {} in modulus", Self::MOST);
                return Err(bad(*line, what + ": subtract a bound from the scores of a row, or divide them"));
            }
        }
        Ok(Self { length, rows: rows.into_iter().map(|(_, row)| row).collect() })
    }

    /// The largest score in modulus that is compared.
    pub const MOST: f64 = 1000.0;

    /// The largest score in modulus.
    pub fn range(&self) -> f64 {
        self.rows.iter().flatten().fold(0.0, |m, x| x.abs().max(m))
    }

    /// Least and largest x - μ - σ²/2: the exponents of CGF.
    fn exponents(&self) -> (f64, f64) {
        let mut range = (-1e-3f64, 1e-3f64);
        for row in &self.rows {
            let n = row.len() as f64;
            let mean = row.iter().sum::<f64>() / n;
            let half = 0.5 * (row.iter().map(|x| x * x).sum::<f64>() / n - mean * mean);
            for x in row {
                range = (range.0.min(x - mean - half), range.1.max(x - mean - half));
            }
        }
        range
    }
}

/// A variant, its input, and its expected weights.
pub struct Case {
    /// The circuit.
    pub entry: Entry,
    /// Scores in the layout of the circuit, entry j of row r in slot j · (slots / length) + r.
    pub input: Vec<f64>,
    defined: Vec<f64>,
    exact: Vec<f64>,
}

/// Every variant on these scores by name, for vectors of `slots` slots; divisions are within `error`. A variant that cannot be
/// made for scores of this range has its own error.
///
/// # Errors
/// Rows whose length does not divide `slots`.
pub fn cases(scores: &Scores, slots: usize, error: f64) -> Result<Vec<(&'static str, Result<Case>)>> {
    let range = scores.range().max(1e-6);
    let rows = RowLayout::new(scores.length, slots / scores.length)?;
    let made = candidates(slots, scores.length, range, error, scores.exponents()).into_iter();
    let case = |(name, made): Candidate| {
        let made = made.map(|(circuit, inputs)| Entry { name, circuit, rows, range: inputs });
        (name, made.map(|entry| case(entry, scores, slots, range)).map_err(crate::Error::from))
    };
    Ok(made.map(case).collect())
}

fn case(entry: Entry, scores: &Scores, slots: usize, range: f64) -> Case {
    let stride = slots / scores.length;
    let mut case = Case { input: vec![0.0; slots], defined: vec![0.0; slots], exact: vec![0.0; slots], entry };
    for r in 0..stride {
        let scores = &scores.rows[r % scores.rows.len()]; // rows are repeated to fill the vector
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let seen = |x: &f64| match &case.entry.circuit {
            Circuit::Power(_, Form::Stable(_)) => *x,
            Circuit::Power(..) => x / range,
            Circuit::Exp(_) | Circuit::Nexus(..) | Circuit::NormaliseAndSquare(_) => x - most,
            Circuit::BpMax(..) => 5.0 * x / range,
            _ => *x,
        };
        let row: Vec<f64> = scores.iter().map(seen).collect();
        let (mut defined, mut exact) = (row.clone(), scores.clone());
        let _ = case.entry.define(&mut defined); // every attention circuit has a definition
        softmax::define(&mut exact);
        for j in 0..row.len() {
            let slot = j * stride + r;
            case.input[slot] = row[j] * case.entry.input_scale();
            case.defined[slot] = defined[j];
            case.exact[slot] = exact[j];
        }
    }
    case
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    crate::model::largest_difference(a, b)
}

impl Case {
    /// The variant in f64, and its cost on these parameters.
    ///
    /// # Errors
    /// The errors of the tracer and of the evaluation in the clear; a depth that these parameters do not
    /// reach.
    pub fn row(&self, params: &Params) -> Result<Row> {
        let slots = params.slots();
        let (nodes, depth) = circuit::graph(&self.entry, slots)?;
        let (placement, _, _) = circuit::place_bootstraps(&nodes, depth, params)?;
        let mut trace = Trace::new(slots, None);
        let mut xs = vec![trace.input(TOP)];
        self.entry.circuit.run(&mut trace, &mut xs, &self.entry.rows)?;
        let mut ev = ClearVec::<f64>::with_slots(slots);
        let mut values = vec![ev.copy(&self.input)?];
        self.entry.circuit.run(&mut ev, &mut values, &self.entry.rows)?;
        Ok(Row {
            variant: self.entry.name,
            depth,
            mults: trace.cost().mul,
            key_switches: trace.cost().key_switch,
            bootstraps: placement.bootstraps(),
            error_vs_softmax: worst(&values[0], &self.exact),
            error_vs_definition: worst(&values[0], &self.defined),
            certified_error: self.entry.certified_error(),
            seconds: None,
        })
    }

    /// `row` with the seconds and errors of a run on ciphertexts.
    ///
    /// # Errors
    /// The errors of the backend, and the errors of planning: no bootstrap where one is needed, or no memory.
    pub fn run(&self, row: Row, host: &Host, on: ComputeTarget) -> Result<Row> {
        let (seconds, values) = encrypted::run(host, on, self)?;
        Ok(Row {
            seconds: Some(seconds),
            error_vs_softmax: worst(&values, &self.exact),
            error_vs_definition: worst(&values, &self.defined),
            ..row
        })
    }
}

/// The start of every picture.
pub const PICTURE: &str =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 440\" font-family=\"sans-serif\" font-size=\"12\">\n";

/// A picture of depth against error, as SVG.
pub fn picture(rows: &[Row]) -> String {
    let deepest = rows.iter().map(|row| row.depth).max().unwrap_or(1).max(1) as f64;
    let x = |depth: u8| 60.0 + 620.0 * depth as f64 / deepest;
    let y = |error: f64| 40.0 + 340.0 * (-error.max(1e-16).log10() / 16.0).clamp(0.0, 1.0);
    let mut svg = String::from(PICTURE);
    svg.push_str(
        "<rect width=\"900\" height=\"440\" fill=\"white\"/>\n\
         <path d=\"M60 40V380H680\" fill=\"none\" stroke=\"black\"/>\n\
         <text x=\"370\" y=\"425\" text-anchor=\"middle\">depth (levels)</text>\n\
         <text x=\"16\" y=\"210\" transform=\"rotate(-90 16 210)\" text-anchor=\"middle\">error against the definition</text>\n",
    );
    for depth in (0..=deepest as u8).step_by(5) {
        svg += &format!("<text x=\"{:.0}\" y=\"398\" text-anchor=\"middle\">{depth}</text>\n", x(depth));
    }
    for power in (0..=16).step_by(4) {
        let at = y(10f64.powi(-power)) + 4.0;
        svg += &format!("<text x=\"54\" y=\"{at:.0}\" text-anchor=\"end\">1e-{power}</text>\n");
    }
    for (i, row) in rows.iter().enumerate() {
        let (cx, cy) = (x(row.depth), y(row.error_vs_definition));
        let at = 60 + 22 * i;
        svg += &format!("<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"5\" fill=\"steelblue\"/>\n");
        svg += &format!("<text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n", cx + 7.0, cy - 4.0, i + 1);
        svg += &format!("<text x=\"700\" y=\"{at}\" font-size=\"11\">{} {}</text>\n", i + 1, row.variant);
    }
    svg + "</svg>\n"
}
