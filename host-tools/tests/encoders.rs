//! Converted models on ciphertexts of a small ring: embeddings, labels of texts and of tokens, in one and in several
//! blocks of features, and the commands that run such models in the clear.

#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use polyformer::{
    Result,
    accuracy::{
        Labelled,
        encrypted::{Agreement, batches},
    },
    files::{Body, Header},
    keys::secret::Secret,
    machine::{ComputeTarget, Host, Job},
    model::{Checkpoint, FolderFiles, Pretrained},
    session::{Client, Server},
};
use polyformer_kernel::{
    arith::cost::Demand,
    backend::Backend,
    bootstrap::RotationStrategy,
    params::{Security, Spec, presets},
};
use polyformer_tests::command::{Folder, Program};
use serde_json::Value;
use std::path::{Path, PathBuf};

const POLYFORMER: Program = Program(env!("CARGO_BIN_EXE_polyformer"));

/// The chain of B16 at a degree that keeps no secret.
const TOY: Spec<'static> = Spec { log_n: 12, security: Security::Toy, ..presets::B16 };

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/encoders").join(name)
}

/// Runs texts through a model on ciphertexts, and compares with the clear run.
struct Run<'a> {
    host: &'a Host,
    secret: &'a Secret,
    model: &'a Pretrained,
    questions: &'a [Labelled],
}

impl Job for Run<'_> {
    type Output = (Agreement, usize);

    fn run<B: Backend>(self, mut be: B) -> Result<(Agreement, usize)> {
        let Self { host, secret, model, questions } = self;
        let batches = batches(host.params(), model, questions, (RotationStrategy::Hoisted, false))?;
        let mut demand = Demand::default();
        batches.iter().for_each(|batch| demand.join(&batch.plan.demand));
        let keys = secret.client(&mut be)?.keys(&mut be, &demand)?;
        let of = Header { body: Body::Params, ..secret.header.clone() };
        let mut server = Server::new(be, host.params(), keys, &model.model, &of)?;
        let client = Client::new(host, ComputeTarget::cpu(1), secret, &model.text);
        let mut sum = Agreement::default();
        for batch in &batches {
            sum.add(&mut server, &client, model, questions, batch)?;
        }
        Ok((sum, batches.iter().map(|batch| batch.plan.ciphertexts() as usize).sum()))
    }
}

#[test]
fn encrypted_answers_are_those_of_the_clear_run() {
    let secret = Secret::for_spec(&TOY).unwrap();
    let host = Host::new(secret.params.clone());
    for (name, ciphertexts) in [("embed", 1), ("classify", 1), ("tokens", 1), ("wide", 2), ("before", 1)] {
        let model = Pretrained::read(&folder(name)).unwrap();
        let ids = model.questions(&["w0 w1 w2", "w3 w4 w5 w6"]).unwrap();
        let questions: Vec<Labelled> = ids.into_iter().map(|ids| Labelled { ids, class: 0 }).collect();
        let run = Run { host: &host, secret: &secret, model: &model, questions: &questions };
        let (sum, sent) = host.run(ComputeTarget::cpu(2), run).unwrap();
        eprintln!("{name}: {sum:?}");
        assert_eq!((sum.n, sum.ciphertexts, sum.departed, sent), (2, 1, 0, ciphertexts), "{name}");
        assert!(sum.errors.largest < 2f64.powi(-8), "{name}: {sum:?}");
    }
}

/// The answers of the reference program, polynomial form.
fn golden(name: &str) -> Vec<(String, Vec<f64>)> {
    let golden: Value = serde_json::from_slice(&std::fs::read(folder(name).join("golden.json")).unwrap()).unwrap();
    let numbers = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    let cases = golden["cases"].as_array().unwrap().iter();
    cases.map(|case| (case["text"].as_str().unwrap().to_string(), numbers(&case["poly"]))).collect()
}

#[test]
fn embeddings_in_the_clear_are_lines_arrays_and_json() {
    let place = Folder(tempfile::tempdir().unwrap());
    let (model, golden) = (folder("embed").display().to_string(), golden("embed"));
    let lines: String = golden.iter().map(|(text, _)| format!("{text}\n")).collect();
    let texts = place.at("texts");
    std::fs::write(&texts, &lines).unwrap();
    let near = |row: &[f64], want: &[f64]| {
        assert_eq!(row.len(), want.len());
        assert!(row.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-4), "{row:?}, not {want:?}");
    };
    let printed = POLYFORMER.good(&["embed", "-", "--clear", "--model", &model], &lines);
    for (line, (_, want)) in printed.lines().zip(&golden) {
        near(&line.split(' ').map(|x| x.parse().unwrap()).collect::<Vec<f64>>(), want);
    }
    assert_eq!(printed.lines().count(), golden.len());
    let json = POLYFORMER.good(&["embed", "--file", &texts, "--clear", "--unit", "--json", "--model", &model], "");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["texts"], &json["width"], &json["encrypted"]), (&6.into(), &12.into(), &false.into()));
    for (row, (_, want)) in json["embeddings"].as_array().unwrap().iter().zip(&golden) {
        let length = want.iter().map(|x| x * x).sum::<f64>().sqrt();
        let want: Vec<f64> = want.iter().map(|x| x / length).collect();
        near(&row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<f64>>(), &want);
    }
    let array = place.at("rows.npy");
    for _ in 0..2 {
        POLYFORMER.good(&["embed", "--file", &texts, "--clear", "--out", &array, "--model", &model], ""); // and replaced
    }
    let bytes = std::fs::read(&array).unwrap();
    assert_eq!((&bytes[..6], bytes.len() % 64), (&b"\x93NUMPY"[..], 6 * 12 * 4 % 64));
    let last = f32::from_le_bytes(bytes[bytes.len() - 4..].try_into().unwrap()) as f64;
    near(&[last], &golden[5].1[11..]);
}

#[test]
fn a_converted_folder_is_described_measured_packed_and_classifies() {
    let place = Folder(tempfile::tempdir().unwrap());
    let good = |args: &[&str]| -> Value { serde_json::from_str(&POLYFORMER.good(args, "")).unwrap() };
    let (classify, embed) = (folder("classify").display().to_string(), folder("embed").display().to_string());
    let facts = good(&["inspect", &classify, "--json"]);
    assert_eq!(
        (&facts["task"], &facts["width"], &facts["norm_place"]),
        (&"classify".into(), &16.into(), &"post".into())
    );
    let packed = place.at("packed");
    let report = good(&["pack", &classify, "--out", &packed, "--json"]);
    let chosen = report["layouts"].as_array().unwrap().iter().find(|l| l["chosen"] == true).unwrap().clone();
    let facts = good(&["inspect", &packed, "--json"]);
    assert_eq!((&facts["version"], &facts["model"]["name"]), (&3.into(), &"classify".into()));
    let tokens = chosen["tokens"].to_string();
    let plan = good(&["plan", "--model", &packed, "--tokens", &tokens, "--json"]);
    for (a, b) in
        [("questions", "texts"), ("bootstraps", "bootstraps"), ("key_switches", "key_switches"), ("keys", "keys")]
    {
        assert_eq!(chosen[a], plan[b], "{a}: {plan}");
    }
    let labels = good(&["classify", "w0 w1 w2", "w3", "--model", &packed, "--clear", "--json"]);
    let same = good(&["classify", "w0 w1 w2", "w3", "--model", &classify, "--clear", "--json"]);
    let label = |v: &Value, i: usize| v["answers"][i][0]["label"].clone();
    for (i, (_, want)) in golden("classify").iter().take(2).enumerate() {
        let best = (0..3).max_by(|a, b| want[*a].total_cmp(&want[*b])).unwrap();
        assert_eq!(label(&labels, i), ["no", "yes", "maybe"][best]);
        assert_eq!(label(&labels, i), label(&same, i));
    }
    let tokens =
        good(&["classify", "w0 w1 w2", "--model", &folder("tokens").display().to_string(), "--clear", "--json"]);
    assert_eq!(tokens["answers"][0].as_array().unwrap().len(), 3, "a label for each token");
    let table = place.at("texts.csv");
    std::fs::write(&table, "text\nw0 w1 w2\nw3 w4\n").unwrap();
    let fit = good(&["eval", &table, "--model", &embed, "--json"]);
    let mean = fit["cosine_mean"].as_f64().unwrap();
    assert!(fit["n"] == 2 && mean > 0.2 && mean < 1.0 && fit["departed"] == 0, "{fit}");
}

/// A generator of places and bytes, the same in each run.
fn places(seed: u64) -> impl Iterator<Item = usize> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize
    })
}

#[test]
fn changed_files_of_a_folder_give_a_model_or_one_line() {
    let read = |file: &str| std::fs::read(folder("embed").join(file)).unwrap();
    let (config, weights, tokenizer) = (read("config.json"), read("model.safetensors"), read("tokenizer.json"));
    let (mut models, mut refused) = (0, 0);
    let mut one = |config: &[u8], weights: &[u8]| {
        let files = FolderFiles { config, weights: &[weights], exact: None, tokenizer: &tokenizer };
        match Checkpoint::of(Path::new("folder"), files).and_then(|folder| folder.assemble()) {
            Ok(model) => {
                models += 1;
                let ids = model.text.truncated("w0 w1 w2").unwrap();
                let _ = polyformer::accuracy::logits(&model, &ids);
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().trim_end().contains('\n'), "{error}");
            }
        }
    };
    let header = 8 + u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let mut random = places(1);
    let mut next = |below: usize| random.next().unwrap() % below;
    for _ in 0..600 {
        let mut changed = config.clone();
        let at = next(changed.len());
        changed[at] = b"0123456789-.e\"{}[],:ntf"[next(23)];
        one(&changed, &weights);
        let mut changed = weights.clone();
        let at = next(header);
        changed[at] = if at < 8 { next(256) as u8 } else { b"0123456789-.e\"{}[],:BF"[next(22)] };
        one(&config, &changed);
        one(&config, &weights[..next(weights.len())]);
    }
    // claims of sizes that no file has
    for (key, claim) in [("vocab_size", 16_000_000), ("hidden_size", 12_000_000), ("num_hidden_layers", 9_000_000)] {
        let mut changed: Value = serde_json::from_slice(&config).unwrap();
        changed[key] = claim.into();
        one(changed.to_string().as_bytes(), &weights);
    }
    let mut changed: Value = serde_json::from_slice(&config).unwrap();
    changed["polyformer"]["max_tokens"] = u64::MAX.into();
    one(changed.to_string().as_bytes(), &weights);
    assert!(models > 100 && refused > 1000, "{models} models, {refused} refused");
}

#[test]
fn bad_input_is_refused_in_one_line() {
    let bad = |args: &[&str]| POLYFORMER.bad(args, "");
    let place = Folder(tempfile::tempdir().unwrap());
    let (classify, embed) = (folder("classify").display().to_string(), folder("embed").display().to_string());
    assert_eq!(
        bad(&["embed", "w0", "--clear", "--model", &classify]),
        "classify: a model of the task classify, the task embed is needed"
    );
    assert_eq!(
        bad(&["classify", "w0", "--clear", "--model", &embed]),
        "embed: a model of the task embed, the task classify or tokens is needed"
    );
    assert!(bad(&["demo", "w0", "--model", &embed]).contains("`polyformer embed`"));
    assert_eq!(bad(&["embed", "w0", "", "--clear", "--model", &embed]), "text 2: no words in it");
    let missing = place.at("missing");
    assert!(bad(&["embed", "--file", &missing, "--clear", "--model", &embed]).starts_with(&missing));
    assert!(bad(&["embed", "w0", "--clear", "--keys", &missing, "--model", &embed]).contains("--keys"));
    assert!(bad(&["plan", "--model", &embed, "--tokens", "9"]).ends_with("from 1 to 8, the model's maximum"));
    let own = place.at("own.npy");
    std::fs::write(&own, "something of value").unwrap();
    assert!(bad(&["embed", "w0", "--clear", "--out", &own, "--model", &embed]).starts_with(&own));
    assert_eq!(std::fs::read(&own).unwrap(), b"something of value");
    // the folder of a checkpoint that was not converted
    std::fs::write(place.path("config.json"), r#"{"architectures": ["BertModel"], "model_type": "bert"}"#).unwrap();
    let line = bad(&["pack", &place.at("."), "--out", &place.at("packed")]);
    assert!(line.contains("a Hugging Face checkpoint (BertModel, model_type bert)"), "{line}");
    assert!(line.contains("`polyformer-convert --model FOLDER --texts FILE --task embed"), "{line}");
    assert!(!place.path("packed").exists());
}
