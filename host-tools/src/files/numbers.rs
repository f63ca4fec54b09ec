//! Numbers in text files: a JSON array, or text with numbers between commas, semicolons and white space.

use crate::files::{FileError, Result};

/// Reads finite numbers.
///
/// # Errors
///
/// The error names the line.
pub fn parse(text: &str) -> Result<Vec<f64>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with(['[', '{']) { json(text) } else { plain(text) }
}

fn plain(text: &str) -> Result<Vec<f64>> {
    let mut out = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("");
        for word in line.split([',', ';', ' ', '\t', '\r']).filter(|w| !w.is_empty()) {
            let short: String = word.chars().take(40).collect();
            let bad = |what: &str| FileError::Numbers { line: i + 1, what: format!("{short:?} is not {what}") };
            let x: f64 = word.parse().map_err(|_| bad("a number"))?;
            out.push(if x.is_finite() { x } else { return Err(bad("finite")) });
        }
    }
    Ok(out)
}

/// An array of numbers, or an object with the array "values", as `decrypt --json` prints it.
fn json(text: &str) -> Result<Vec<f64>> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Numbers {
        List(Vec<f64>),
        Named { values: Vec<f64> },
    }
    let bad = |e: serde_json::Error| FileError::Numbers {
        line: e.line().max(1),
        what: format!("not an array of numbers: {e}"),
    };
    match serde_json::from_str(text).map_err(bad)? {
        Numbers::List(values) | Numbers::Named { values } => Ok(values),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lists_are_read_in_every_form() {
        for text in [
            "1 -2.5 3e-2",
            "1,-2.5,3e-2",
            "1\n-2.5\n3e-2\n",
            "[1, -2.5, 0.03]",
            "\u{feff}1;-2.5 # no\n3e-2",
            "{\"values\":[1,-2.5,0.03]}",
        ] {
            assert_eq!(parse(text).unwrap(), [1.0, -2.5, 0.03], "{text}");
        }
        assert!(parse("").unwrap().is_empty() && parse("[]").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_finite_number_is_named_with_its_line() {
        for (text, error) in [
            ("1\n2 x", "line 2: \"x\" is not a number"),
            ("1\n\nNaN", "line 3: \"NaN\" is not finite"),
            ("-inf", "line 1: \"-inf\" is not finite"),
            ("1e999", "line 1: \"1e999\" is not finite"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error);
        }
        for text in ["[1, \"x\"]", "[1, null]", "[1e999]", "[1", "{\"a\":1}"] {
            assert!(parse(text).unwrap_err().to_string().starts_with("line 1: "), "{text}");
        }
    }
}
