//! Options that several commands share.

use super::{inputs, terminal};
use crate::{
    Error, Result,
    error::WithPath,
    files::{FileError, Kind, Output},
    machine::{BackendKind, ComputeTarget, gpu},
    model::Pretrained,
    plan::model::ModelPlan,
    session::{Executed, Padding, Shown, progress::Progress, why_shown},
    spec::SpecBuf,
};
use polyformer_kernel::{bootstrap::RotationStrategy, nn::slot_engine::can_hide, params::presets};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Which parameter set.
#[derive(clap::Args)]
pub struct Source {
    /// A parameter set by name.
    #[arg(long, value_name = "NAME", value_parser = names())]
    pub preset: Option<String>,
    /// A parameter file of `polyformer params --out FILE`.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    pub params: Option<PathBuf>,
}

fn names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(presets::ALL.map(|(name, _)| name))
}

impl Source {
    /// The parameter set, if one was named.
    pub fn spec(&self) -> Result<Option<SpecBuf>> {
        if let Some(name) = &self.preset {
            return Ok(SpecBuf::preset(name));
        }
        let Some(path) = &self.params else { return Ok(None) };
        let mapped = inputs::mapped(path, &[Kind::Params])?;
        Ok(Some(inputs::view(path, &mapped, &[Kind::Params])?.header.spec))
    }
}

/// What the server learns about the number of tokens.
#[derive(clap::Args)]
pub struct PaddingOptions {
    /// Pad the question to N rows, so that the server learns no more than N: 4, 8, 16, … The default is the next such number
    /// for the tokens of the text.
    #[arg(long, value_name = "N")]
    pub bucket: Option<usize>,
    /// Let the server see the number of tokens. The question is a quarter as large.
    #[arg(long, conflicts_with = "bucket")]
    pub show_length: bool,
}

impl PaddingOptions {
    /// The padding of the options.
    pub fn padding(&self) -> Padding {
        match self.bucket {
            Some(rows) => Padding::Rows(rows),
            None if self.show_length => Padding::None,
            None => Padding::Bucket,
        }
    }
}

/// Which rotation keys bootstrapping uses.
#[derive(clap::Args)]
pub struct Rotations {
    /// Bootstrap with few rotation keys (min-KS). The keys take less than a third of the memory for full slots, and the
    /// run takes longer. Client and server must use the same choice.
    #[arg(long)]
    pub min_ks: bool,
}

impl Rotations {
    /// The kernel's value of the option.
    pub fn steps(&self) -> RotationStrategy {
        if self.min_ks { RotationStrategy::MinKs } else { RotationStrategy::Hoisted }
    }
}

/// The options of each command that bootstraps, or makes the keys for it.
#[derive(clap::Args)]
pub struct RunOptions {
    /// Print JSON: one object, or one object a line for several results.
    #[arg(long)]
    pub json: bool,
    /// Rotation keys.
    #[command(flatten)]
    pub rotate: Rotations,
    /// Backend and threads.
    #[command(flatten)]
    pub compute: Compute,
}

/// The compute target.
#[derive(clap::Args)]
pub struct Compute {
    /// The backend.
    #[arg(long, value_enum, default_value_t = BackendKind::Cpu)]
    pub backend: BackendKind,
    /// Threads; all cores by default.
    #[arg(long, value_name = "T")]
    pub threads: Option<usize>,
    /// Part of the name of the GPU, as `polyformer devices` lists them; the first by default.
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// The GPU's method of multiplication. The default is the faster method.
    #[arg(long, value_enum, value_name = "HOW")]
    pub arithmetic: Option<gpu::WideMul>,
    /// The most memory of the GPU to use, in MiB; as much as is needed by default.
    #[arg(long, value_name = "MIB")]
    pub gpu_memory: Option<u64>,
}

impl Compute {
    /// Sets the number of threads, and returns the compute target.
    pub fn target(&self) -> Result<ComputeTarget> {
        if let Some(threads) = self.threads {
            if !(1..=1024).contains(&threads) {
                return Err(Error::usage(format!("--threads {threads}"), "from 1 to 1024"));
            }
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global(); // set once, by whoever is first
        }
        let cpu = ComputeTarget::cpu(rayon::current_num_threads());
        let on = |gpu| ComputeTarget { backend: BackendKind::Wgpu, gpu, ..cpu };
        match self.backend {
            BackendKind::Wgpu => {
                let pick = gpu::pick(self.adapter.as_deref(), self.arithmetic)?;
                Ok(on(gpu::AdapterChoice { memory: self.gpu_memory.map(|mib| mib << 20), ..pick }))
            }
            _ if self.adapter.is_some() || self.arithmetic.is_some() || self.gpu_memory.is_some() => {
                let what = "--adapter, --arithmetic, --gpu-memory";
                Err(Error::usage(what, format!("need --backend wgpu, not {}", self.backend)))
            }
            BackendKind::Auto => {
                let (target, why) = match gpu::auto() {
                    Ok((pick, name)) => (on(pick), name),
                    Err(why) => (cpu, why),
                };
                let _ = writeln!(std::io::stderr(), "--backend auto: {}, because of {why}", target.backend);
                Ok(target)
            }
            backend => Ok(ComputeTarget { backend, ..cpu }),
        }
    }
}

/// The model at `path`, or the model in the program, for files of this parameter set.
///
/// # Errors
///
/// A model file for another parameter set.
pub fn pretrained_for(path: Option<&Path>, spec: &SpecBuf) -> Result<Pretrained> {
    model_for(Pretrained::open(path)?, path, spec)
}

/// The model that was read from `path`, for files of this parameter set.
///
/// # Errors
///
/// A model file for another parameter set.
pub fn model_for(model: Pretrained, path: Option<&Path>, spec: &SpecBuf) -> Result<Pretrained> {
    if let (Some(path), Some(packed)) = (path, model.spec.as_ref().filter(|packed| *packed != spec)) {
        return Err(FileError::OtherParams { expected: spec.label(), actual: packed.label() }).with_path(path);
    }
    Ok(model)
}

/// Says on standard error which model is used. The owner of the words compares the digest with the digest that the owner
/// of the model published.
pub fn note_model(model: &Pretrained) {
    // nobody to tell if standard error is closed
    let _ = writeln!(std::io::stderr(), "model: {}, digest {}", terminal::line(&model.name), model.digest);
}

/// The tokens of a text. A note on standard error counts the tokens that the model does not know.
pub fn tokens(model: &Pretrained, text: &str) -> Result<Vec<u32>> {
    let ids = model.text.tokens(text)?;
    let unknown = model.text.unknown(&ids);
    if unknown > 0 {
        note_unknown(unknown, ids.len());
    }
    Ok(ids)
}

/// Says on standard error what the server will learn, before anything is sent.
pub fn note_shown(shown: Shown) {
    // nobody to tell if standard error is closed
    let _ = writeln!(std::io::stderr(), "the server learns: {shown}");
}

/// Says why the server will see the number of tokens, if the user did not ask for that.
pub fn note_why_shown(padding: Padding, model: &Pretrained) {
    if padding == Padding::Bucket && !can_hide(&model.model) {
        note(&format!("this model shows the number of tokens: {}", why_shown(&model.model)));
    }
}

fn note_unknown(unknown: usize, tokens: usize) {
    note(&format!("the model does not know {unknown} of the {tokens} tokens"));
}

/// A note on standard error.
pub fn note(what: &str) {
    // nobody to tell if standard error is closed
    let _ = writeln!(std::io::stderr(), "note: {what}");
}

/// Prints a line on standard error if the run differs from the plan.
pub fn warn_departure(executed: &Executed, plan: &ModelPlan) {
    if let Some((what, planned, executed)) = executed.departs(plan) {
        warn(format_args!("{planned} {what} planned, {executed} executed"));
    }
}

/// Prints a value as one line of JSON.
pub fn print_json(out: &mut dyn Write, value: &impl serde::Serialize) -> Result<()> {
    let line = serde_json::to_string(value).map_err(std::io::Error::from).with_path(Path::new("standard output"))?;
    print(out, format_args!("{line}\n"))
}

/// Where the report of a command goes: to standard error if the output itself goes to standard output.
pub fn beside<'o>(output: Option<&Output>, out: &'o mut dyn Write, errors: &'o mut dyn Write) -> &'o mut dyn Write {
    if output.is_some_and(Output::to_standard) { errors } else { out }
}

/// The given ones of some inputs, for [`Output::reserve`].
pub fn given<'p>(inputs: &[Option<&'p Path>]) -> Vec<&'p Path> {
    inputs.iter().flatten().copied().collect()
}

/// Text on standard output. Characters that a terminal would act on are escaped.
pub fn print(out: &mut dyn Write, text: std::fmt::Arguments<'_>) -> Result<()> {
    out.write_all(terminal::lines(&text.to_string()).as_bytes()).with_path(Path::new("standard output"))
}

/// A line on standard error that says what is wrong, although the command goes on.
pub fn warn(what: std::fmt::Arguments<'_>) {
    // nobody to tell if standard error is closed
    let _ = writeln!(std::io::stderr(), "warning: {}", terminal::line(&what.to_string()));
}

/// A progress bar on standard error, only if that is a terminal.
pub fn progress(length: usize, what: &'static str) -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    let bar = indicatif::ProgressBar::new(length as u64).with_message(what);
    style.into_iter().for_each(|style| bar.set_style(style));
    bar
}

/// Shows the progress of a session as bars and notes on standard error. `parts` is the number of parts of the model, 0 if
/// unknown.
pub fn show_progress(parts: usize) -> impl FnMut(Progress) {
    let mut current: Option<(&'static str, indicatif::ProgressBar)> = None;
    let mut step = move |done: Option<usize>, total: usize, what: &'static str| {
        if current.as_ref().is_none_or(|(name, _)| *name != what) {
            current.take().into_iter().for_each(|(_, bar)| bar.finish_and_clear());
            current = Some((what, progress(total, what)));
        }
        let Some((_, bar)) = &current else { return };
        match done {
            Some(done) => bar.set_position(done as u64),
            None => bar.inc(1),
        }
        if bar.position() >= total as u64 && total > 0 {
            bar.finish_and_clear();
        }
    };
    move |event| match event {
        Progress::UnknownTokens { unknown, tokens } => note_unknown(unknown, tokens),
        Progress::WaitingForKeys => note("another process makes keys in this folder: this one waits"),
        Progress::DamagedKey { file } => note(&format!("{file} is damaged: the key is made again")),
        Progress::ServerLearns(shown) => note_shown(shown),
        Progress::ServerLearnsEach { texts } => {
            // nobody to tell if standard error is closed
            let _ = writeln!(std::io::stderr(), "the server learns: the number of tokens of each of {texts} texts");
        }
        Progress::MakingKeys { total: 0, .. } => {}
        Progress::MakingKeys { done, total } => step(Some(done), total, "making keys"),
        Progress::LoadingKeys { done, total } => step(Some(done), total, "loading keys"),
        Progress::Part { .. } => step(None, parts, "computing on ciphertexts"),
    }
}
