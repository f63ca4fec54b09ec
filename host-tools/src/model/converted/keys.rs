//! The keys of Hugging Face in config.json: those that the engines compute with, those that change no answer, and those
//! that change an answer in a way that the engines do not compute. An unknown key is refused, because nobody here knows
//! what the key changes.

use super::{SECTION, fault};
use crate::files::Result;
use serde_json::{Map, Value, json};

/// What the keys say.
pub struct Keys {
    pub name: Option<String>,
    pub width: usize,
    pub heads: usize,
    pub hidden: usize,
    pub layers: usize,
    pub vocabulary: usize,
    pub epsilon: f64,
    pub activation: String,
    pub labels: Vec<String>,
}

/// Architectures whose attention is the plain product of query and key, and whose layers are those of BERT.
const MODEL_TYPES: &[&str] = &[
    "bert",
    "camembert",
    "distilbert",
    "electra",
    "megatron-bert",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
];

/// Activations that a polynomial replaces, in groups of one function.
const ACTIVATIONS: &[&[&str]] = &[
    &["gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh", "quick_gelu"],
    &["relu"],
    &["silu", "swish"],
    &["tanh"],
];

/// Keys with the one value that the engines compute.
fn fixed() -> [(&'static str, Value); 20] {
    [
        ("position_embedding_type", json!("absolute")),
        ("is_decoder", json!(false)),
        ("is_encoder_decoder", json!(false)),
        ("add_cross_attention", json!(false)),
        ("cross_attention_hidden_size", Value::Null),
        ("pruned_heads", json!({})),
        ("attention_type", json!("original_full")),
        ("attention_bias", json!(true)),
        ("attn_logit_softcapping", Value::Null),
        ("final_logit_softcapping", Value::Null),
        ("query_pre_attn_scalar", Value::Null),
        ("sliding_window", Value::Null),
        ("use_sliding_window", json!(false)),
        ("rope_theta", Value::Null),
        ("rope_scaling", Value::Null),
        ("rope_parameters", Value::Null),
        ("relative_attention", json!(false)),
        ("relative_attention_num_buckets", Value::Null),
        ("max_relative_positions", Value::Null),
        ("quantization_config", Value::Null),
    ]
}

/// Keys that change no answer of an encoder: what a training, a generation or a tokenizer does, and notes.
const HARMLESS: &[&str] = &[
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "_num_labels",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_implementation",
    "bos_token_id",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "classifier_dropout_prob",
    "cls_token_id",
    "directionality",
    "dropout",
    "dtype",
    "eos_token_id",
    "finetuning_task",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "initializer_range",
    "label2id",
    "language",
    "mask_token_id",
    "max_position_embeddings",
    "model_type",
    "name",
    "num_labels",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "pad_token_id",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "problem_type",
    "qa_dropout",
    "return_dict",
    "sep_token_id",
    "seq_classif_dropout",
    "sinusoidal_pos_embds",
    "summary_activation",
    "summary_last_dropout",
    "summary_type",
    "summary_use_proj",
    "task_specific_params",
    "tie_weights_",
    "tie_word_embeddings",
    "tokenizer_class",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "type_vocab_size",
    "use_cache",
    "use_return_dict",
];

/// Keys that [`Keys`] reads: each value with its names.
const WIDTH: &[&str] = &["hidden_size", "dim"];
const HEADS: &[&str] = &["num_attention_heads", "n_heads"];
const HIDDEN: &[&str] = &["intermediate_size", "hidden_dim"];
const LAYERS: &[&str] = &["num_hidden_layers", "n_layers"];
const VOCABULARY: &[&str] = &["vocab_size"];
const EPSILON: &[&str] = &["layer_norm_eps", "rms_norm_eps", "layer_norm_epsilon"];
const ACTIVATION: &[&str] = &["hidden_act", "activation"];
const OTHERS: &[&str] = &["embedding_size", "head_dim", "num_key_value_heads"];

/// Epsilon of a DistilBERT, whose config.json has no key for epsilon.
const DISTILBERT_EPSILON: f64 = 1e-12;

fn find<'v>(all: &'v Map<String, Value>, names: &[&str]) -> Option<(String, &'v Value)> {
    names.iter().find_map(|name| Some((name.to_string(), all.get(*name)?)))
}

fn size(all: &Map<String, Value>, names: &[&str]) -> Result<usize> {
    let missing = || fault(format!("{} is missing", names[0]));
    let (name, value) = find(all, names).ok_or_else(missing)?;
    let number = value.as_u64().filter(|x| (1..1 << 24).contains(x));
    number.map(|x| x as usize).ok_or_else(|| fault(format!("{name} is {value}, a size is needed")))
}

/// A name for all activations that are one function; the name itself if it is not known.
pub fn family(activation: &str) -> &str {
    let group = ACTIVATIONS.iter().find(|group| group.contains(&activation));
    group.and_then(|group| group.first()).copied().unwrap_or(activation)
}

impl Keys {
    pub fn parse(all: &Map<String, Value>) -> Result<Self> {
        check_known(all)?;
        let width = size(all, WIDTH)?;
        let heads = size(all, HEADS)?;
        for (name, held) in [("embedding_size", width), ("head_dim", width / heads), ("num_key_value_heads", heads)] {
            if let Some(given) = all.get(name).filter(|given| !given.is_null() && **given != json!(held)) {
                return Err(fault(format!(
                    "{name} is {given}, {held} is supported with hidden_size {width} and {heads} heads"
                )));
            }
        }
        let kind = all.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let epsilon = match find(all, EPSILON) {
            Some((name, value)) => {
                value.as_f64().ok_or_else(|| fault(format!("{name} is {value}, a number is needed")))?
            }
            None if kind == "distilbert" => DISTILBERT_EPSILON,
            None => return Err(fault("layer_norm_eps is missing")),
        };
        let (name, value) = find(all, ACTIVATION).ok_or_else(|| fault("hidden_act is missing"))?;
        let known = |activation: &&str| ACTIVATIONS.iter().any(|group| group.contains(activation));
        let activation = value.as_str().filter(known).ok_or_else(|| {
            let names: Vec<&str> = ACTIVATIONS.iter().flat_map(|group| group.iter().copied()).collect();
            fault(format!("{name} is {value}, known are {}", names.join(", ")))
        })?;
        let text = |key: &str| all.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let source = text("_name_or_path").and_then(|path| path.trim_end_matches('/').rsplit('/').next());
        Ok(Self {
            name: text("name").or(source).map(String::from),
            width,
            heads,
            hidden: size(all, HIDDEN)?,
            layers: size(all, LAYERS)?,
            vocabulary: size(all, VOCABULARY)?,
            epsilon,
            activation: activation.into(),
            labels: labels(all)?,
        })
    }
}

/// The names of the classes in the order of their numbers.
fn labels(all: &Map<String, Value>) -> Result<Vec<String>> {
    let Some(given) = all.get("id2label").filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let bad = || fault("id2label is no object of names for the numbers 0, 1, 2, …");
    let names = given.as_object().ok_or_else(bad)?;
    let name = |i: usize| names.get(&i.to_string())?.as_str().map(String::from);
    (0..names.len()).map(|i| name(i).ok_or_else(bad)).collect()
}

/// Insists that every key is one that this program computes with, or one that changes no answer.
fn check_known(all: &Map<String, Value>) -> Result<()> {
    if let Some(kind) = all.get("model_type").filter(|kind| !kind.as_str().is_some_and(|k| MODEL_TYPES.contains(&k))) {
        return Err(fault(format!("model_type is {kind}, supported are {}", MODEL_TYPES.join(", "))));
    }
    for (key, held) in fixed() {
        let nothing = |value: &Value| value.is_null() || *value == json!({}) || *value == json!([]);
        if let Some(given) = all.get(key).filter(|given| **given != held && !nothing(given)) {
            return Err(fault(format!("{key} is {given}, the engines compute {held} alone")));
        }
    }
    let read = [WIDTH, HEADS, HIDDEN, LAYERS, VOCABULARY, EPSILON, ACTIVATION, OTHERS].concat();
    let known = |key: &str| key == SECTION || read.contains(&key) || HARMLESS.contains(&key);
    let fixed = fixed().map(|(key, _)| key);
    match all.iter().find(|(key, _)| !known(key) && !fixed.contains(&key.as_str())) {
        Some((key, value)) => {
            let value: String = value.to_string().chars().take(40).collect();
            Err(fault(format!(
                "{key} is {value}: this key is not known, and may change the answers; without a meaning for the model, remove it"
            )))
        }
        None => Ok(()),
    }
}

/// What the folder of a checkpoint holds that is no model of this program, and the command that converts it.
pub fn describe(all: &Map<String, Value>) -> String {
    let kind = all.get("model_type").and_then(Value::as_str);
    let architecture = all.get("architectures").and_then(|list| list.get(0)?.as_str());
    let what = match (architecture, kind) {
        (Some(architecture), Some(kind)) => format!("a Hugging Face checkpoint ({architecture}, model_type {kind})"),
        (Some(name), None) | (None, Some(name)) => format!("a Hugging Face checkpoint ({name})"),
        (None, None) => return "neither \"format\": \"polyformer-model\" nor a section \"polyformer\": no model of this program, and no checkpoint of Hugging Face either".into(),
    };
    let task = match architecture {
        Some(name) if name.contains("Classification") => "classify",
        _ => "embed",
    };
    format!(
        "{what} without a section {SECTION:?}: convert it with `polyformer-convert --model FOLDER --texts FILE --task {task} --attention power_softmax --out DIR`"
    )
}
