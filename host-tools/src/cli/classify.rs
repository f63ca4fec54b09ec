//! `polyformer classify`: labels of texts that the server cannot read.

use super::{
    common::{note, print, print_json},
    terminal,
    texts::{Answered, TextOptions},
};
use crate::{Result, model::Task, session::private::Private};
use serde_json::{Value, json};
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  polyformer classify \"Where is my card?\" \"How long does a transfer take?\"
  polyformer classify --file reviews.txt --model my-model.packed --json
  polyformer classify - --model my-model.packed --clear < reviews.txt

A line of the output has the probability and the label of a text, in the order of the texts. If the model labels each token, a line
starts with the number of the text and the number of the token, special tokens included.
--json prints one object: model, digest, task, texts, departed (texts with values outside the ranges of the model), encrypted,
peak_bytes, answers (for each text a list: for the text, or for each token, label and probability), and for an encrypted run
preset, error (the largest difference of a logit from the clear polynomial form), cosine, groups, ciphertexts, bootstraps,
key_switches, compute_seconds, encoding_seconds, bytes_up, bytes_down, plan_agrees and same_labels (texts with the labels of
the clear run). Probabilities are rounded to 0.0001.";

/// Classify texts, encrypted or in the clear.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    texts: TextOptions,
}

/// Classes and probabilities of a text, or of each token.
type Best = Vec<Vec<(usize, f64)>>;

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let answered = args.texts.answer(&[Task::Classify, Task::Tokens])?;
    let clear: Vec<Best> = clear(&answered);
    let encrypted = answered.encrypted.as_ref();
    let outputs = answered.model.text.outputs();
    let best = encrypted.map(|answers| answers.rows.iter().map(|row| row.best_of_each(outputs)).collect::<Vec<_>>());
    let same = best.as_ref().map(|best| best.iter().zip(&clear).filter(|(a, b)| labels(a) == labels(b)).count());
    let best = best.as_ref().unwrap_or(&clear);
    let label = |class: usize| answered.model.text.label(class);
    if args.texts.run.json {
        let mut fields = answered.fields();
        let one = |classes: &Vec<(usize, f64)>| match classes.first() {
            Some((class, p)) => json!({"label": label(*class), "probability": p}),
            None => Value::Null,
        };
        let answers: Vec<Vec<Value>> = best.iter().map(|text| text.iter().map(one).collect()).collect();
        fields.insert("answers".into(), json!(answers));
        same.into_iter().for_each(|same| drop(fields.insert("same_labels".into(), same.into())));
        return print_json(out, &fields);
    }
    let each = answered.model.task == Task::Tokens;
    for (i, text) in best.iter().enumerate() {
        for (token, classes) in text.iter().enumerate() {
            let Some((class, p)) = classes.first() else { continue };
            let place = if each { format!("{:>5} {:>4}  ", i + 1, token + 1) } else { String::new() };
            print(out, format_args!("{place}{:>6.2} %  {}\n", 100.0 * p, terminal::line(label(*class))))?;
        }
    }
    answered.summary().iter().for_each(|line| note(line));
    same.iter().for_each(|same| note(&format!("{same} of {} texts have the labels of the clear run", best.len())));
    Ok(())
}

fn clear(answered: &Answered) -> Vec<Best> {
    let outputs = answered.model.text.outputs();
    answered.clear.iter().map(|row| Private::new(row.to_vec()).best_of_each(outputs)).collect()
}

/// The likeliest class of a text, or of each token.
fn labels(best: &Best) -> Vec<Option<usize>> {
    best.iter().map(|classes| classes.first().map(|(class, _)| *class)).collect()
}
