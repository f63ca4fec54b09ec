//! `polyformer eval`: measures the accuracy of a model on a labelled file.

use super::{
    common::{RunOptions, print, print_json, progress, show_progress, warn},
    interrupt,
};
use crate::{
    Error, Result,
    accuracy::{
        self, cosines,
        encrypted::{Agreement, Encrypted, batches, groups, wants, words},
        noise,
        spread::Spread,
    },
    error::two_digits,
    keys::{
        KeyFolder,
        store::{KeyEvent, default_folder},
    },
    machine::{ComputeTarget, Host, peak},
    model::{Pretrained, Task},
    plan::memory::fit_to_memory,
};
use polyformer_kernel::nn::slot_engine::can_hide;
use std::{io::Write, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  polyformer eval questions.csv
  polyformer eval questions.csv --model my-model --limit 100 --json
  polyformer eval questions.csv --noise 1000              the error of encrypted logits, predicted without a key

FILE has a header line with the columns text and category; for embeddings, the column text is enough. Longer texts are truncated to the model's maximum.
--json prints one object: n, departed (questions with values outside the ranges of the model), not_finite (questions without
finite logits), accuracy (polynomial form), accuracy_exact (the reference model with softmax, GELU and LayerNorm),
encrypted_n, encrypted_agree, encrypted_error (the largest of a logit), encrypted_deviation, encrypted_question (the largest
deviation of a question; these errors have two digits, because they depend on the key), encrypted_seconds (the server's), encoding_seconds (part of encrypted_seconds, for weights), ciphertexts,
plan_agrees, peak_bytes, and with --noise the predictions: noise_n, noise_error, noise_deviation, noise_question, noise_tail
(the largest error in deviations of its question), noise_not_finite, noise_bound (E for `decrypt --publish`: 16 times noise_question).";

/// Measure a model's accuracy on a labelled file, in the clear.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The labelled file, CSV, or - for standard input.
    file: PathBuf,
    /// A model folder or a model file. The default is the model in the program.
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Only the first N questions.
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    limit: usize,
    /// Also run the first N questions encrypted, and compare.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    encrypted: usize,
    /// Also predict the errors of the encrypted logits of the first N questions, and the bound E for `decrypt
    /// --publish`.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    noise: usize,
    /// Folder of the keys of --encrypted, as of `demo`.
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    run: RunOptions,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.run.compute.target()?;
    let model = Pretrained::open(args.model.as_deref())?;
    match model.task {
        Task::Embed => return embeddings(args, &model, out),
        Task::Tokens => model.expect_task(&[Task::Classify, Task::Embed])?,
        Task::Classify => {}
    }
    let questions = accuracy::read(&args.file, &model.text, args.limit)?;
    let bar = progress(questions.len(), "questions");
    let accuracy = accuracy::accuracy(&model, &questions, || bar.inc(1))?;
    bar.finish_and_clear();
    if accuracy.not_finite == questions.len() {
        let what = format!("logits are not finite for {0} of {0} questions: no label can be trusted", questions.len());
        return Err(Error::unreliable(model.name, what));
    }
    let chosen = &questions[..args.encrypted.min(questions.len())];
    let agreement = if chosen.is_empty() { Agreement::default() } else { encrypted(args, target, &model, chosen)? };
    let errors = predicted(&model, &questions[..args.noise.min(questions.len())])?;
    for (what, odd, n) in [
        ("in the clear", accuracy.not_finite, questions.len()),
        ("encrypted", agreement.errors.not_finite, agreement.n),
        ("predicted as encrypted", errors.not_finite, errors.questions),
    ] {
        if odd > 0 {
            warn(format_args!("logits are not finite for {odd} of {n} questions {what}: these answers count as wrong"));
        }
    }
    if accuracy.departed > 0 {
        let (n, all) = (accuracy.departed, questions.len());
        warn(format_args!("values of {n} of {all} questions leave the ranges of the model: these labels are guesses"));
    }
    if args.run.json {
        return print_json(
            out,
            &serde_json::json!({
                "n": questions.len(), "departed": accuracy.departed, "not_finite": accuracy.not_finite,
                "accuracy": accuracy.poly, "accuracy_exact": accuracy.exact,
                "encrypted_n": agreement.n, "encrypted_agree": agreement.agree,
                "encrypted_error": two_digits(agreement.errors.largest),
                "encrypted_deviation": two_digits(agreement.errors.deviation()),
                "encrypted_question": two_digits(agreement.errors.question), "encrypted_seconds": agreement.seconds, "encoding_seconds": agreement.encoding,
                "ciphertexts": agreement.ciphertexts, "plan_agrees": agreement.departed == 0,
                "peak_bytes": peak::bytes(), "noise_n": errors.questions, "noise_error": errors.largest,
                "noise_deviation": errors.deviation(), "noise_question": errors.question, "noise_tail": errors.tail,
                "noise_bound": errors.bound(), "noise_not_finite": errors.not_finite,
            }),
        );
    }
    let (n, poly) = (questions.len(), 100.0 * accuracy.poly);
    print(out, format_args!("{n} questions, {poly:.2} % right in polynomial form"))?;
    match accuracy.exact {
        Some(exact) => print(out, format_args!(", {:.2} % by the reference model\n", 100.0 * exact))?,
        None => print(out, format_args!("\n"))?,
    }
    if errors.questions > 0 {
        let (n, Spread { largest, question, .. }) = (errors.questions, errors);
        print(
            out,
            format_args!(
                "{n} predicted as encrypted: logits within {largest:.1e}, deviation {:.1e}, of the worst question \
                 {question:.1e}; to publish, E = {:.1e}\n",
                errors.deviation(),
                errors.bound()
            ),
        )?;
    }
    let Agreement { n, agree, errors, seconds, ciphertexts, departed, .. } = agreement;
    if n == 0 {
        return Ok(());
    }
    let each = seconds / n as f64;
    print(
        out,
        format_args!(
            "{n} encrypted in {ciphertexts} ciphertexts: {agree} with the same label, logits within {:.1e}, deviation \
             {:.1e}, {each:.1} s a question\n",
            errors.largest,
            errors.deviation()
        ),
    )?;
    match departed {
        0 => Ok(()),
        n => print(out, format_args!("warning: {n} ciphertexts did not run as planned\n")),
    }
}

/// Embeddings of the polynomial form beside those of the original.
fn embeddings(args: &Args, model: &Pretrained, out: &mut dyn Write) -> Result<()> {
    if args.encrypted > 0 || args.noise > 0 {
        let what = "for a classifier; `polyformer embed` compares an encrypted run with the clear run";
        return Err(Error::usage("--encrypted and --noise", what));
    }
    let texts = accuracy::read_texts(&args.file, &model.text, args.limit)?;
    let bar = progress(texts.len(), "texts");
    let fit = cosines::measure(model, &texts, || bar.inc(1))?;
    bar.finish_and_clear();
    let n = texts.len();
    if fit.departed > 0 {
        let departed = fit.departed;
        warn(format_args!(
            "values of {departed} of {n} texts leave the ranges of the model: these numbers are guesses"
        ));
    }
    if args.run.json {
        let (departed, not_finite) = (fit.departed, fit.not_finite);
        let all = serde_json::json!({
            "n": n, "departed": departed, "not_finite": not_finite, "cosine_mean": fit.mean(), "cosine_percentile": fit.percentile(),
            "cosine_least": fit.least(),
        });
        return print_json(out, &all);
    }
    match (fit.mean(), fit.percentile(), fit.least()) {
        (Some(mean), Some(percentile), Some(least)) => print(
            out,
            format_args!(
                "{n} texts, cosine with the original {mean:.5} in the mean, at least {percentile:.5} for 99 %, {least:.5} for \
                 the worst\n"
            ),
        ),
        _ => print(out, format_args!("{n} texts; the model has no original to compare with\n")),
    }
}

/// The encrypted run.
fn encrypted(
    args: &Args,
    on: ComputeTarget,
    model: &Pretrained,
    questions: &[accuracy::Labelled],
) -> Result<Agreement> {
    let spec = model.parameter_set()?;
    let host = Host::new(spec.params()?);
    let params = host.params();
    let hidden = can_hide(&model.model); // as a question is asked
    let plan = |steps| batches(params, model, questions, (steps, hidden));
    let batches = fit_to_memory(&host, on, args.run.rotate.steps(), plan, |batches| words(params, batches))?;
    let place = args.keys.clone().map_or_else(|| default_folder(&spec), Ok)?;
    interrupt::leaves_keys(&place);
    let folder = KeyFolder::new(&place);
    let mut show = show_progress(0);
    let mut event = |event: KeyEvent<'_>| show(event.into());
    let wants = wants(params, &batches);
    let secret = folder.complete(&host, on.client(), &spec, &wants, &mut event)?;
    let bar = progress(batches.len(), "ciphertexts");
    let (secret, batches, eval) = (&secret, &batches[..], &folder.eval);
    let step = &|| bar.inc(1);
    let mut tries = 0..wants.len();
    let agreement = loop {
        let run = Encrypted { host: &host, on: on.client(), secret, eval, model, questions, batches, step };
        let fault = match host.run(on, run) {
            Err(fault) if tries.next().is_some() => fault,
            done => break done?,
        };
        folder.repair(&host, on.client(), (secret, &wants), fault, &mut event)?;
        bar.set_position(0);
    };
    bar.finish_and_clear();
    Ok(agreement)
}

/// The errors that ciphertexts would have.
fn predicted(model: &Pretrained, questions: &[accuracy::Labelled]) -> Result<Spread> {
    if questions.is_empty() {
        return Ok(Spread::default());
    }
    let params = model.parameter_set()?.params()?;
    let groups = groups(&params, model, questions);
    let bar = progress(groups.len(), "ciphertexts");
    let errors = noise::predict(&params, model, questions, &groups, || bar.inc(1))?;
    bar.finish_and_clear();
    Ok(errors)
}
