//! Numbers in text files: a JSON array, or text with numbers between commas, semicolons, tabs, blanks and line ends. A
//! text with two readings is refused: with a decimal comma, with thousands separators, or with an empty cell.

use super::{
    fault::{FileError, Result},
    text::lines,
};
use zeroize::Zeroizing;

/// Reads finite numbers. Text that is no JSON leaves no copy of its numbers. The caller wipes the numbers.
///
/// # Errors
///
/// `Text` with the line, what was found and what was expected.
pub fn parse(text: &str) -> Result<Vec<f64>> {
    let rows = Zeroizing::new(rows(text)?);
    let mut out = Vec::with_capacity(rows.iter().map(|(_, row)| row.len()).sum());
    rows.iter().for_each(|(_, row)| out.extend_from_slice(row));
    Ok(out)
}

/// Reads finite numbers row by row, each row with the number of its line. A line is a row. An array of JSON is one row,
/// and an array of arrays has the rows of its arrays. Lines without numbers are left out.
///
/// # Errors
///
/// Those of [`parse`].
pub fn rows(text: &str) -> Result<Vec<(usize, Vec<f64>)>> {
    if text.trim_start().starts_with(['[', '{']) { json(text) } else { plain(text) }
}

fn bad(line: usize, found: &str, what: &str) -> FileError {
    let short: String = found.chars().take(40).collect();
    FileError::Text { line, what: format!("{short:?} {what}") }
}

fn plain(text: &str) -> Result<Vec<(usize, Vec<f64>)>> {
    let mut out = Vec::new();
    let (mut doubt, mut separates, mut cells) = (None, false, false);
    for (line, all) in lines(text) {
        let content = without_comment(line, all)?;
        cells |= content.contains([';', '\t']);
        for field in content.split([';', '\t', ' ']).filter(|field| field.contains(',') && !field.contains('"')) {
            if one_number(field) {
                doubt = doubt.or(Some((line, field)));
            } else {
                separates = true;
            }
        }
        let row = row(line, content)?;
        if !row.is_empty() {
            out.push((line, row));
        }
    }
    match doubt {
        Some((line, field)) if cells || !separates => {
            let what = "is one number with a decimal comma, or several numbers: expected a decimal point, and blanks \
                        between numbers";
            Err(bad(line, field, what))
        }
        _ => Ok(out),
    }
}

/// The line up to its comment.
fn without_comment(line: usize, all: &str) -> Result<&str> {
    let Some(at) = all.find('#') else { return Ok(all) };
    let (content, comment) = all.split_at(at);
    let word: &str = comment.split([',', ';', ' ', '\t', '"']).next().unwrap_or_default();
    if ["#N/A", "#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"].contains(&word) {
        return Err(bad(line, word, "is an error of a spreadsheet, expected a number"));
    }
    Ok(content)
}

/// The numbers of a line. Commas, semicolons and tabs separate cells; blanks separate the numbers of a cell.
fn row(line: usize, content: &str) -> Result<Vec<f64>> {
    let mut rest = content.trim_matches(' ');
    if rest.trim().is_empty() {
        return Ok(Vec::new());
    }
    let ends = rest.bytes().filter(|byte| matches!(byte, b',' | b';' | b'\t' | b' ' | b'"')).count();
    let mut out = Vec::with_capacity(ends + 1); // a vector that grows leaves copies
    loop {
        let before = out.len();
        let strict = loop {
            rest = rest.trim_start_matches(' ');
            if let Some(quoted) = rest.strip_prefix('"') {
                let (cell, after) = quoted.split_once('"').ok_or_else(|| bad(line, rest, "has no closing quote"))?;
                out.push(number(line, cell.trim(), out.is_empty())?);
                rest = after.trim_start_matches(' ');
            } else {
                let end = rest.find([',', ';', '\t', ' ', '"']).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                if !word.is_empty() {
                    out.push(number(line, word, out.is_empty())?);
                }
                rest = after.trim_start_matches(' ');
            }
            match rest.chars().next() {
                None => break false,
                Some(',' | ';' | '\t') => break true,
                _ => {}
            }
        };
        if out.len() == before {
            return Err(bad(line, content.trim_matches(' '), "has an empty cell, expected a number in every cell"));
        }
        if !strict {
            return Ok(out);
        }
        rest = &rest[1..];
    }
}

fn number(line: usize, word: &str, first: bool) -> Result<f64> {
    match word.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        Ok(_) => Err(bad(line, word, "is not finite")),
        Err(_) if one_number(word) => Err(bad(line, word, "is not a number: expected a decimal point, as in 0.5")),
        Err(_) if line == 1 && first && word.starts_with(char::is_alphabetic) => {
            Err(bad(line, word, "is not a number: remove a header line, or start the line with #"))
        }
        Err(_) => Err(bad(line, word, "is not a number")),
    }
}

/// Whether a field with a comma is one number in some country: 0,5 or 1.234,5 or 1,234 or 1,234.5.
fn one_number(field: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let grouped = |text: &str, by: char| {
        let mut groups = text.split(by);
        let first = groups.next().unwrap_or_default();
        digits(first) && first.len() <= 3 && !first.starts_with('0') && groups.all(|g| digits(g) && g.len() == 3)
    };
    let field = field.strip_prefix(['+', '-']).unwrap_or(field);
    let Some((whole, fraction)) = field.rsplit_once(',') else { return false };
    if digits(fraction) && (digits(whole) || whole.contains('.') && grouped(whole, '.')) {
        return true;
    }
    let (whole, fraction) = field.split_once('.').unwrap_or((field, "0"));
    digits(fraction) && grouped(whole, ',')
}

/// An array of numbers, an array of such arrays, or an object with the array "values", as `decrypt --json` prints it.
fn json(text: &str) -> Result<Vec<(usize, Vec<f64>)>> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Numbers {
        List(Vec<f64>),
        Rows(Vec<Vec<f64>>),
        Named { values: Vec<f64> },
    }
    let bad = |e: serde_json::Error| {
        let what = match e.is_data() {
            true => "expected an array of numbers, an array of such arrays, or {\"values\": [...]}".into(),
            false => format!("expected JSON: {e}"),
        };
        FileError::Text { line: e.line().max(1), what }
    };
    let rows = match serde_json::from_str(text).map_err(bad)? {
        Numbers::List(values) | Numbers::Named { values } => vec![values],
        Numbers::Rows(rows) => rows,
    };
    Ok(rows.into_iter().enumerate().map(|(i, row)| (i + 1, row)).filter(|(_, row)| !row.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::{parse, rows};

    #[test]
    fn lists_are_read_in_every_form() {
        for text in [
            "1 -2.5 3e-2",
            "1,-2.5,3e-2",
            "1\n-2.5\n3e-2\n",
            "1\r-2.5\r3e-2",
            "1\t-2.5\t3e-2\r\n",
            "\"1\",\"-2.5\", \" 3e-2 \"",
            " 1 ,  -2.5 ; 3E-2 ",
            "[1, -2.5, 0.03]",
            "[[1, -2.5], [0.03]]",
            "1;-2.5 # no\n3e-2",
            "{\"values\":[1,-2.5,0.03]}",
        ] {
            assert_eq!(parse(text).unwrap(), [1.0, -2.5, 0.03], "{text}");
        }
        assert!(
            parse("").unwrap().is_empty() && parse("[]").unwrap().is_empty() && parse("# 1\n\n").unwrap().is_empty()
        );
        assert_eq!(rows("1 2\n\n3 4\n").unwrap(), [(1, vec![1.0, 2.0]), (3, vec![3.0, 4.0])]);
    }

    #[test]
    fn what_is_no_finite_number_is_named_with_its_line() {
        for (text, error) in [
            ("1\n2 x", "line 2: \"x\" is not a number"),
            ("1\n\nNaN", "line 3: \"NaN\" is not finite"),
            ("-inf", "line 1: \"-inf\" is not finite"),
            ("1e999", "line 1: \"1e999\" is not finite"),
            ("1\n\"2", "line 2: \"\\\"2\" has no closing quote"),
            ("1\n#N/A\n2", "line 2: \"#N/A\" is an error of a spreadsheet, expected a number"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error);
        }
        for text in ["[1, \"x\"]", "[1, null]", "[1e999]", "[1", "{\"a\":1}"] {
            assert!(parse(text).unwrap_err().to_string().starts_with("line 1: "), "{text}");
        }
    }

    #[test]
    fn a_comma_with_two_meanings_is_refused() {
        for text in
            ["0,5;1,25\n-0,75;2,5\n", "0,5", "1\n0,5 1,25", "1.234,5", "1,234", "1,234.5\n2,345.5", "\"0,5\",\"1\""]
        {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("decimal"), "{text}: {error}");
        }
        for (text, count) in [("1,2,3", 3), ("1, 2", 2), ("1,2\n3,-4", 4), ("0.5 -0.25,3", 3), ("1.5,2.5;3.5,4.5", 4)] {
            assert_eq!(parse(text).unwrap().len(), count, "{text}");
        }
    }

    #[test]
    fn an_empty_cell_is_no_number_and_not_left_out() {
        for text in ["1,,2", "1,2,", ",1", "1\t\t2", ";;;", "1; ;2"] {
            assert!(parse(text).unwrap_err().to_string().contains("an empty cell"), "{text}");
        }
    }
}
