//! Small models with random weights, against the answers of an independent program (`tests/vectors/encoders.py`), and
//! every kind of folder that is refused.

use super::Task;
use crate::{
    accuracy,
    files::{Access, Form, Kind, Output, Weights},
    model::{Checkpoint, FolderConfig, Pretrained, largest_difference, pack},
    spec::SpecBuf,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// f32 weights are exact; the clear run is in f32, and folding rounds products of weights to f32 again.
const FOLDING: f64 = 1e-5;
/// The original is in f64; the sum of positions and token types is rounded to f32.
const POSITIONS: f64 = 1e-6;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/encoders").join(name)
}

fn config(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder(name).join("config.json")).unwrap()).unwrap()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The largest difference of the answers of `model` from the recorded ones, in polynomial form and exact.
fn differences(name: &str, model: &Pretrained) -> (f64, Option<f64>) {
    let golden = std::fs::read(folder(name).join("golden.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let (mut poly, mut exact) = (0f64, None);
    for case in golden["cases"].as_array().unwrap() {
        let ids: Vec<u32> = numbers(&case["ids"]).iter().map(|x| *x as u32).collect();
        assert_eq!(model.text.tokens(case["text"].as_str().unwrap()).unwrap(), ids);
        let run = accuracy::run(model, &ids).unwrap();
        assert_eq!(run.departures.total(), 0, "{name}: {}", case["text"]);
        poly = poly.max(largest_difference(&run.logits, &numbers(&case["poly"])));
        let of_twin = model.exact.as_ref().map(|twin| largest_difference(&twin.logits(&ids), &numbers(&case["exact"])));
        exact = of_twin.map(|x| exact.unwrap_or(0f64).max(x));
    }
    (poly, exact)
}

#[test]
fn answers_are_those_of_the_reference() {
    for (name, task, outputs) in [
        ("embed", Task::Embed, 12),
        ("classify", Task::Classify, 3),
        ("tokens", Task::Tokens, 3),
        ("before", Task::Embed, 10),
    ] {
        let model = Pretrained::read(&folder(name)).unwrap();
        assert_eq!((&model.name[..], model.task, model.text.outputs()), (name, task, outputs));
        let (poly, exact) = differences(name, &model);
        assert!(poly < FOLDING && exact.unwrap() < POSITIONS, "{name}: {poly}, {exact:?}");
    }
}

#[test]
fn a_packed_model_answers_as_its_folder_does() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("packed");
    let forms = [(Weights::F32, FOLDING), (Weights::F16, 0.02), (Weights::Int8, 0.3)];
    for (name, forms) in
        [("embed", &forms[..]), ("classify", &forms[..1]), ("tokens", &forms[..1]), ("before", &forms[1..2])]
    {
        for (weights, bound) in forms.iter().copied() {
            let output = Output::at(&path, Form::File(Kind::Model), Access::Shared, &[]).unwrap();
            let from = Checkpoint::read(&folder(name)).unwrap();
            let spec = SpecBuf::preset("B16").unwrap();
            let report = pack(&from, &spec, weights, None, (output, &path)).unwrap();
            assert!(report.weight_error < bound && report.departed <= report.sequences, "{name}: {report:?}");
            let packed = Pretrained::read(&path).unwrap();
            assert!(packed.exact.is_none() && packed.spec == Some(spec), "{name}");
            let (poly, _) = differences(name, &packed);
            assert!(poly < bound, "{name} {weights:?}: {poly}");
            let full = from.assemble().unwrap();
            assert_eq!((packed.task, packed.text.labels()), (full.task, full.text.labels()));
            assert_eq!(packed.model.range, full.model.range);
            assert!(weights == Weights::F32 || packed.text.id() == full.text.id(), "{name}");
        }
    }
}

/// What is wrong with a config.json.
fn refused(config: &Value) -> String {
    match FolderConfig::parse(config.to_string().as_bytes()).and_then(|config| config.measured().map(drop)) {
        Err(fault) => fault.to_string(),
        Ok(()) => String::new(),
    }
}

#[test]
fn what_the_engines_do_not_compute_is_refused_by_key_and_value() {
    let given = config("embed");
    assert_eq!(refused(&given), "");
    for (place, value, error) in [
        ("/position_embedding_type", json!("relative_key"), "position_embedding_type is \"relative_key\""),
        ("/is_decoder", json!(true), "is_decoder is true"),
        ("/add_cross_attention", json!(true), "add_cross_attention is true"),
        ("/pruned_heads", json!({"0": [1]}), "pruned_heads is {\"0\":[1]}"),
        ("/relative_attention_num_buckets", json!(32), "relative_attention_num_buckets is 32"),
        ("/attn_logit_softcapping", json!(50.0), "attn_logit_softcapping is 50.0"),
        ("/rope_theta", json!(1e4), "rope_theta is 10000.0"),
        ("/sliding_window", json!(128), "sliding_window is 128"),
        ("/hidden_act", json!("mish"), "hidden_act is \"mish\", known are gelu, "),
        ("/hidden_act", json!("relu"), "layer 0: activation \"gelu\" where hidden_act is \"relu\""),
        ("/model_type", json!("mpnet"), "model_type is \"mpnet\", supported are bert, "),
        ("/adapters", json!({"a": 1}), "adapters is {\"a\":1}: this key is not known"),
        ("/embedding_size", json!(4), "embedding_size is 4, 12 is supported"),
        ("/head_dim", json!(8), "head_dim is 8, 4 is supported"),
        ("/num_attention_heads", json!(5), "num_attention_heads 5 does not divide hidden_size 12"),
        ("/num_attention_heads", json!(0), "num_attention_heads is 0, a size is needed"),
        ("/num_hidden_layers", json!(3), "2 entries of polyformer.layers where num_hidden_layers is 3"),
        ("/layer_norm_eps", json!(-1.0), "layer_norm_eps is -1, a number between 0 and 1 is needed"),
        ("/layer_norm_eps", json!("x"), "layer_norm_eps is \"x\", a number is needed"),
        ("/polyformer/version", json!(2), "polyformer.version is 2, this program reads 1"),
        ("/polyformer/pooling", json!("max"), "unknown variant `max`"),
        ("/polyformer/pooling", json!("each"), "polyformer.pooling is each where the task is embed"),
        ("/polyformer/task", json!("classify"), "id2label is missing"),
        ("/polyformer/window", json!(1), "unknown field `window`"),
        ("/polyformer/max_tokens", json!(0), "polyformer.max_tokens is 0"),
        ("/polyformer/ranges", Value::Null, "polyformer.ranges is missing: the model's ranges were never measured"),
        ("/polyformer/ranges/layers.0.feed_forward.activation/texts", json!([3, 1]), "texts is [3, 1], two rising"),
        ("/polyformer/ranges/layers.1.feed_forward.activation/texts", json!([-99, 1]), "measured [-99.000, 1.000]"),
        ("/polyformer/ranges/layers.0.attention.denominator/margin", json!(0.5), "margin is 0.5, at least 1"),
        ("/polyformer/layers/0/norm_attention", Value::Null, "layer 0: norm_attention is missing"),
        ("/polyformer/layers/1/dropout", json!(0.1), "layer 1: dropout is no polynomial"),
        ("/polyformer/attention/kind", json!("hardmax"), "known are power_softmax"),
        ("/polyformer/final_norm", given["polyformer"]["layers"][0]["norm_attention"].clone(), "norm_place is post"),
        (
            "/polyformer/head",
            json!({"layers": ["classifier"]}),
            "polyformer.head.layers has 1 maps where the task is embed",
        ),
        ("/polyformer/head", json!({"layers": [], "activation": "tanh"}), "polyformer.head.activation is \"tanh\""),
    ] {
        let mut config = given.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/");
        config.pointer_mut(parent).unwrap()[&name[..]] = value;
        let text = refused(&config);
        assert!(text.contains(error) && !text.contains('\n'), "{place}: {text}");
    }
    let mut config = given;
    config["polyformer"]["ranges"].as_object_mut().unwrap().remove("layers.1.norm_attention.variance");
    assert!(refused(&config).contains("has no \"layers.1.norm_attention.variance\": this range was never measured"));
}

#[test]
fn the_folder_of_another_model_is_refused_with_the_command_that_converts_it() {
    let refused = |json: &str| FolderConfig::parse(json.as_bytes()).err().unwrap().to_string();
    let bert = refused(r#"{"architectures": ["BertForSequenceClassification"], "model_type": "bert"}"#);
    assert_eq!(
        bert,
        "a Hugging Face checkpoint (BertForSequenceClassification, model_type bert) without a section \"polyformer\": \
         convert it with `polyformer-convert --model FOLDER --texts FILE --task classify --attention power_softmax --out DIR`"
    );
    assert!(refused(r#"{"architectures": ["BertModel"], "model_type": "bert"}"#).contains("--task embed"));
    assert!(refused("{}").contains("no model of this program"));
    assert!(refused("[1]").starts_with("not a model's config.json"));
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("adapter_config.json"), "{}").unwrap();
    let error = Checkpoint::read(place.path()).err().unwrap().to_string();
    assert!(error.contains("merge the adapter into its model"), "{error}");
}

/// A copy of a folder with one file changed by `change`.
fn changed(name: &str, file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder(name)).unwrap() {
        let entry = entry.unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let bytes = if entry.file_name() == file { change(bytes) } else { bytes };
        std::fs::write(place.path().join(entry.file_name()), bytes).unwrap();
    }
    place
}

#[test]
fn weights_that_are_missing_or_no_numbers_are_named() {
    let error = |place: &tempfile::TempDir| {
        let read = Checkpoint::read(place.path()).and_then(|folder| folder.assemble());
        let text = read.err().unwrap().to_string();
        assert!(!text.contains('\n'), "{text}");
        text
    };
    let nan = changed("embed", "model.safetensors", |mut bytes| {
        let end = bytes.len();
        bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        bytes
    });
    assert!(error(&nan).contains("is NaN at 11, expected finite"), "{}", error(&nan));
    let edit = |place: &str, value: Value| {
        let (place, value) = (place.to_string(), value);
        move |bytes: Vec<u8>| {
            let mut config: Value = serde_json::from_slice(&bytes).unwrap();
            *config.pointer_mut(&place).unwrap() = value.clone();
            config.to_string().into_bytes()
        }
    };
    let head = changed("classify", "config.json", edit("/polyformer/head/layers", json!(["pooler.dense", "score"])));
    assert!(error(&head).contains("the head \"score\" has no tensor \"score.weight\""), "{}", error(&head));
    let labels = changed("classify", "config.json", edit("/id2label", json!({"0": "no", "1": "yes"})));
    assert!(error(&labels).contains("has 3 rows where id2label has 2 names"), "{}", error(&labels));
    let words = changed("embed", "config.json", edit("/vocab_size", json!(12)));
    assert!(error(&words).contains("embeddings.word_embeddings.weight"), "{}", error(&words));
    let longer = changed("embed", "config.json", edit("/polyformer/max_tokens", json!(11)));
    assert!(error(&longer).contains("has 10 rows where max_tokens is 11"), "{}", error(&longer));
    let tokens = changed("embed", "tokenizer.json", |bytes| {
        String::from_utf8(bytes).unwrap().replace("\"w13\": 15", "\"w13\": 16").into_bytes()
    });
    assert!(
        error(&tokens).contains("the token \"w13\" has id 16, the model has embeddings for 16"),
        "{}",
        error(&tokens)
    );
    let many: serde_json::Map<String, Value> = (0..300).map(|i| (i.to_string(), i.to_string().into())).collect();
    for (index, what) in [
        (json!({"weight_map": {}}), "0 shards, from 1 to 256 are read"),
        (json!({"weight_map": many}), "300 shards, from 1 to 256 are read"),
        (json!({"weight_map": {"a": "../secret"}}), "a name inside of the folder is needed"),
        (json!({}), "missing field `weight_map`"),
    ] {
        let bytes = index.to_string().into_bytes();
        let index = changed("classify", "model.safetensors.index.json", |_| bytes.clone());
        assert!(error(&index).contains(what), "{}", error(&index));
    }
}
