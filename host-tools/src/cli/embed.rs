//! `polyformer embed`: embeddings of texts that the server cannot read.

use super::{
    common::{note, print, print_json},
    texts::{Answered, TextOptions},
};
use crate::{
    Result,
    error::WithPath,
    files::{Access, Form, Output, numbers},
    model::Task,
};
use std::{
    fs::Metadata,
    io::{self, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Examples:
  polyformer embed \"a private sentence\" \"another one\" --model minilm.packed
  polyformer embed --file sentences.txt --model minilm.packed --out embeddings.npy
  polyformer embed - --model minilm.packed --clear --json < sentences.txt

The client encrypts the texts, as many in one ciphertext as the model file says. The server computes on ciphertexts, and the
client decrypts one vector a text. The numbers are private to the owner of the key.
--json prints one object: model, digest, task, texts, width, departed (texts with values outside the ranges of the model), encrypted,
peak_bytes, embeddings (without --out), and for an encrypted run preset, error (the largest difference from the clear
polynomial form), cosine (the least with that form), groups, ciphertexts, bootstraps, key_switches, compute_seconds,
encoding_seconds, bytes_up, bytes_down and plan_agrees.";

/// Compute embeddings of texts, encrypted or in the clear.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    texts: TextOptions,
    /// Scale each embedding to unit length. The client does this after decryption.
    #[arg(long)]
    unit: bool,
    /// Write the embeddings to a file that only you can read, instead of printing them: a NumPy array of f32 if the name
    /// ends in .npy, otherwise one line of numbers for each text.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// The start of a NumPy file of format version 1.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Whether a file is an older output: numbers or an array, for their owner alone.
fn is_own(metadata: &Metadata, bytes: &[u8]) -> bool {
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::mode(metadata) & 0o077 != 0 {
        return false;
    }
    let _ = metadata;
    bytes.starts_with(MAGIC) || std::str::from_utf8(bytes).is_ok_and(|text| numbers::parse(text).is_ok())
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let npy = args.out.as_ref().is_some_and(|path| path.extension().is_some_and(|end| end == "npy"));
    let form = Form::Other { what: "a private file of embeddings", text: !npy, own: &is_own };
    let inputs = args.texts.inputs();
    let reserve = |path: &PathBuf| Output::reserve(path, form, Access::Private, &inputs).with_path(path);
    let output = args.out.as_ref().map(reserve).transpose()?;
    let answered = args.texts.answer(&[Task::Embed])?;
    let rows = rows(&answered, args.unit);
    if let (Some(path), Some(output)) = (&args.out, output) {
        let bytes = if npy { array(&rows) } else { lines(&rows) };
        output.write(|file| file.write_all(&bytes)).with_path(path)?;
    }
    if args.texts.run.json {
        let mut fields = answered.fields();
        fields.insert("width".into(), answered.model.text.outputs().into());
        if args.out.is_none() {
            let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
            fields.insert("embeddings".into(), serde_json::json!(rows));
        }
        return print_json(out, &fields);
    }
    match &args.out {
        Some(path) => {
            let (n, width) = (rows.len(), answered.model.text.outputs());
            print(out, format_args!("{}  {n} embeddings of {width} numbers\n", path.display()))?;
        }
        None => out.write_all(&lines(&rows)).with_path(Path::new("standard output"))?,
    }
    answered.summary().iter().for_each(|line| note(line));
    Ok(())
}

/// The embeddings as f32, which has more digits than an encrypted run is exact to.
fn rows(answered: &Answered, unit: bool) -> Vec<Zeroizing<Vec<f32>>> {
    let row = |row: &[f64]| {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        let scale = if unit && length > 0.0 { 1.0 / length } else { 1.0 };
        Zeroizing::new(row.iter().map(|x| (x * scale) as f32).collect())
    };
    answered.rows().into_iter().map(row).collect()
}

/// One line of numbers for each row.
fn lines(rows: &[Zeroizing<Vec<f32>>]) -> Zeroizing<Vec<u8>> {
    let numbers: usize = rows.iter().map(|row| row.len()).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(20 * numbers + rows.len())); // a text that grows leaves copies
    for row in rows {
        for (i, x) in row.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            let _: io::Result<()> = write!(text, "{space}{x}"); // a vector takes everything
        }
        text.push(b'\n');
    }
    text
}

/// A NumPy array, row by row: format version 1, f32 with the little end first.
fn array(rows: &[Zeroizing<Vec<f32>>]) -> Zeroizing<Vec<u8>> {
    let (n, width) = (rows.len(), rows.first().map_or(0, |row| row.len()));
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, {width}), }}");
    let padding = 63 - (MAGIC.len() + 2 + header.len()) % 64; // and the line end
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let mut bytes = Zeroizing::new(Vec::with_capacity(128 + 4 * n * width));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    rows.iter().flat_map(|row| row.iter()).for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::{array, lines};
    use zeroize::Zeroizing;

    #[test]
    fn rows_are_lines_of_numbers_or_an_array_of_numpy() {
        let rows = [Zeroizing::new(vec![0.5, -2.0, 1e-7]), Zeroizing::new(vec![3.0, 0.0, 1.5])];
        assert_eq!(lines(&rows).as_slice(), b"0.5 -2 0.0000001\n3 0 1.5\n");
        let bytes = array(&rows);
        let header = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
        assert_eq!((bytes.len(), (10 + header) % 64, bytes[9 + header]), (10 + header + 24, 0, b'\n'));
        assert!(std::str::from_utf8(&bytes[10..][..header]).unwrap().contains("'shape': (2, 3)"));
        assert_eq!(bytes[10 + header..][4..8], (-2f32).to_le_bytes());
    }
}
