//! What the programs hold of the demo model: its first golden text as numbers.

use half::f16;
use safetensors::SafeTensors;
use serde_json::Value;
use std::{fmt::Write, fs, path::Path};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../host-tools/models/banking77");

fn file(name: &str) -> Vec<u8> {
    let path = format!("{FOLDER}/{name}");
    println!("cargo::rerun-if-changed={path}");
    fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// An f16 tensor.
fn tensor(tensors: &SafeTensors<'_>, name: &str) -> Vec<f64> {
    let found = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    found.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f64()).collect()
}

/// Writes the constants, and the tensors as files in `out`.
pub fn write(text: &mut String, _out: &Path) {
    let (config, golden, bytes) = (json("config.json"), json("golden.json"), file("model.safetensors"));
    let tensors = SafeTensors::deserialize(&bytes).expect("the demo model is a safetensors file");
    let width = config["shape"]["width"].as_u64().expect("a width") as usize;
    let classes = config["shape"]["classes"].as_u64().expect("classes");
    let case = &golden["cases"][0];
    let ids: Vec<u64> = case["ids"].as_array().expect("ids").iter().filter_map(Value::as_u64).collect();
    let epsilon = config["embedding_epsilon"].as_f64().expect("an epsilon");
    let question = embed(&tensors, &ids, width, epsilon);
    write!(
        text,
        "/// The number of classes.\n\
         pub const CLASSES: usize = {classes};\n\
         /// {}: its tokens.\n\
         pub static TOKENS: [u16; {}] = {ids:?};\n\
         /// Its normalised embeddings, row by row: what is encrypted.\n\
         pub static QUESTION: [f32; {}] = {question:?};\n",
        case["text"],
        ids.len(),
        question.len()
    )
    .expect("a string takes anything");
}

/// Step 1 of FORM.md.
fn embed(tensors: &SafeTensors<'_>, ids: &[u64], width: usize, epsilon: f64) -> Vec<f32> {
    let (token, position) = (tensor(tensors, "embeddings.token"), tensor(tensors, "embeddings.position"));
    let rows = ids.iter().enumerate().flat_map(|(t, id)| {
        let token = &token[*id as usize * width..][..width];
        let row: Vec<f64> = token.iter().zip(&position[t * width..]).map(|(a, b)| a + b).collect();
        let mean = row.iter().sum::<f64>() / width as f64;
        let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width as f64;
        let scale = 1.0 / (variance + epsilon).sqrt();
        row.into_iter().map(move |x| ((x - mean) * scale) as f32)
    });
    rows.collect()
}
