//! Many texts through a model, encrypted or in the clear: the options and the run that `embed` and `classify` share.

use super::{
    common::{PaddingOptions, RunOptions, note, note_why_shown, progress, show_progress, warn},
    interrupt,
};
use crate::{
    Error, Result,
    accuracy::{self, finite},
    error::WithPath,
    files::{input, text},
    keys::store::default_folder,
    machine::peak,
    model::{Pretrained, Task, largest},
    session::{Answers, Asker},
};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Texts, model and keys.
#[derive(clap::Args)]
pub struct TextOptions {
    /// The texts; - reads one text a line from standard input. Other users of this machine can see the arguments of a command.
    #[arg(value_name = "TEXT", required_unless_present = "file")]
    texts: Vec<String>,
    /// A file with one text a line.
    #[arg(long, value_name = "FILE", conflicts_with = "texts")]
    file: Option<PathBuf>,
    /// A model folder or a model file. The default is the model in the program, which classifies.
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// Folder of the keys, as of `demo`. The default is a folder in the user's cache folder.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Run the polynomial form in the clear, without keys and ciphertexts.
    #[arg(long, conflicts_with = "keys")]
    clear: bool,
    #[command(flatten)]
    padding: PaddingOptions,
    /// Output, rotations and backend.
    #[command(flatten)]
    pub run: RunOptions,
}

/// The answers to the texts, and the figures of the run.
pub struct Answered {
    /// The model's name.
    pub name: String,
    /// The answers in the clear, in polynomial form.
    pub clear: Vec<Zeroizing<Vec<f64>>>,
    /// The encrypted run, if there was one.
    pub encrypted: Option<Answers>,
    /// Texts with values that left the ranges of the model.
    departed: usize,
    /// The model.
    pub model: Pretrained,
    preset: String,
}

impl TextOptions {
    /// The files that are read.
    pub fn inputs(&self) -> Vec<&Path> {
        [self.file.as_deref(), self.model.as_deref()].into_iter().flatten().collect()
    }

    /// The texts, without the ends of their lines and without empty lines.
    fn texts(&self) -> Result<Zeroizing<Vec<String>>> {
        let path = match (&self.file, &self.texts[..]) {
            (Some(path), _) => path.as_path(),
            (None, [only]) if only == "-" => Path::new("-"),
            (None, texts) => return Ok(Zeroizing::new(texts.to_vec())),
        };
        let named = input::named(path);
        let content = input::read(path, input::MAX_TEXT).and_then(text::decode).map(Zeroizing::new).with_path(named)?;
        let lines = text::lines(&content).map(|(_, line)| line.trim()).filter(|line| !line.is_empty());
        let texts = Zeroizing::new(lines.map(String::from).collect::<Vec<_>>());
        if texts.is_empty() {
            return Err(Error::usage(named.display().to_string(), "no text in it"));
        }
        Ok(texts)
    }

    /// Runs the model on the texts: in the clear, and encrypted unless `--clear` is given.
    ///
    /// # Errors
    /// A model of another task, a text without words, and the errors of [`Asker::answers`].
    pub fn answer(&self, tasks: &[Task]) -> Result<Answered> {
        let target = self.run.compute.target()?;
        peak::reset();
        let model = Pretrained::open(self.model.as_deref())?;
        model.expect_task(tasks)?;
        let texts = self.texts()?;
        let ids = Zeroizing::new(model.questions(&texts)?);
        let cut = ids.iter().zip(texts.iter()).filter(|(ids, text)| model.text.is_cut(text, ids)).count();
        if cut > 0 {
            let most = model.text.max_tokens();
            note(&format!("{cut} of {} texts are cut to {most} tokens, the model's maximum", ids.len()));
        }
        let bar = progress(ids.len(), "texts in the clear");
        let run = |ids: &Vec<u32>| {
            let run = accuracy::run_double(&model, ids)?;
            bar.inc(1);
            Ok((Zeroizing::new(finite(run.logits)?), run.departures.total() > 0))
        };
        let runs = ids.par_iter().map(run).collect::<Result<Vec<_>>>()?;
        bar.finish_and_clear();
        let departed = runs.iter().filter(|(_, departed)| *departed).count();
        if departed > 0 {
            let all = runs.len();
            warn(format_args!(
                "values of {departed} of {all} texts leave the ranges of the model: these answers are guesses"
            ));
        }
        let clear = runs.into_iter().map(|(row, _)| row).collect();
        let (spec, name) = (model.parameter_set()?, model.name.clone());
        let preset = spec.label();
        if self.clear {
            return Ok(Answered { name, clear, encrypted: None, departed, model, preset });
        }
        let keys = self.keys.clone().map_or_else(|| default_folder(&spec), Ok)?;
        interrupt::leaves_keys(&keys);
        note_why_shown(self.padding.padding(), &model);
        let asker = Asker::open(model, &keys)?.on(target).with_rotations(self.run.rotate.steps());
        let mut asker = asker.with_padding(self.padding.padding()).on_progress(show_progress(0));
        let encrypted = asker.answers(&texts)?;
        if encrypted.departed > 0 {
            warn(format_args!("{} of {} groups did not run as planned", encrypted.departed, encrypted.groups));
        }
        let model = asker.into_model();
        Ok(Answered { name, clear, encrypted: Some(encrypted), departed, model, preset })
    }
}

impl Answered {
    /// The numbers of each text: decrypted, or those of the clear run.
    pub fn rows(&self) -> Vec<&[f64]> {
        match &self.encrypted {
            Some(answers) => answers.rows.iter().map(|row| row.values()).collect(),
            None => self.clear.iter().map(|row| &row[..]).collect(),
        }
    }

    /// The largest difference between the encrypted and the clear run, and the least cosine.
    pub fn agreement(&self) -> Option<(f64, f64)> {
        let answers = self.encrypted.as_ref()?;
        let pairs = || answers.rows.iter().zip(&self.clear);
        let error = largest(pairs().map(|(row, clear)| row.difference(clear)), 0.0);
        let cosine = -largest(pairs().map(|(row, clear)| -row.cosine(clear)), -1.0);
        Some((error, cosine))
    }

    /// The figures of the run as fields of a JSON object.
    pub fn fields(&self) -> Map<String, Value> {
        let mut all = json!({
            "model": self.name, "digest": self.model.digest.to_string(), "task": self.model.task.to_string(),
            "texts": self.clear.len(), "departed": self.departed, "encrypted": self.encrypted.is_some(),
            "peak_bytes": peak::bytes(),
        });
        if let (Some(a), Some((error, cosine))) = (&self.encrypted, self.agreement()) {
            all["preset"] = json!(self.preset);
            all["error"] = json!(error);
            all["cosine"] = json!(cosine);
            all["groups"] = json!(a.groups);
            all["ciphertexts"] = json!(a.ciphertexts);
            all["bootstraps"] = json!(a.bootstraps);
            all["key_switches"] = json!(a.key_switches);
            all["compute_seconds"] = json!(a.seconds);
            all["encoding_seconds"] = json!(a.encoding);
            all["bytes_up"] = json!(a.bytes_up);
            all["bytes_down"] = json!(a.bytes_down);
            all["plan_agrees"] = json!(a.departed == 0);
        }
        match all {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }

    /// The figures of the encrypted run in one line; nothing for a clear run.
    pub fn summary(&self) -> Option<String> {
        let (a, (error, cosine)) = (self.encrypted.as_ref()?, self.agreement()?);
        let (n, each) = (self.clear.len(), a.seconds / self.clear.len() as f64);
        let (up, down) = (a.bytes_up as f64 / 1e6, a.bytes_down as f64 / 1e6);
        Some(format!(
            "{n} texts in {} groups on {}: {:.1} s on ciphertexts, {each:.2} s a text; {} bootstraps, {} key switches; {up:.1} \
             MB up, {down:.1} MB down; {:.1} GB at most; numbers within {error:.1e} of the clear run, least cosine 1 - {:.1e}",
            a.groups,
            self.preset,
            a.seconds,
            a.bootstraps,
            a.key_switches,
            peak::bytes() as f64 / 1e9,
            1.0 - cosine,
        ))
    }
}
