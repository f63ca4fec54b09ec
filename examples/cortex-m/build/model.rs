//! The data of the demo model in the programs: the whole model, and its first golden text as numbers.

use half::f16;
use polyformer_kernel::{circuits::poly::Polynomial, nn::Matrix};
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

/// Writes the constants, and the f16 tensors as files in `out`.
pub fn write(text: &mut String, out: &Path) {
    let (config, golden, bytes) = (json("config.json"), json("golden.json"), file("model.safetensors"));
    let tensors = SafeTensors::deserialize(&bytes).expect("the demo model is a safetensors file");
    let number = |name: &str| config["shape"][name].as_u64().expect("a size") as usize;
    let (width, hidden, classes) = (number("width"), number("feed_forward"), number("classes"));
    let labels: Vec<&str> = config["labels"].as_array().expect("labels").iter().filter_map(Value::as_str).collect();
    let case = &golden["cases"][0];
    let ids: Vec<u64> = case["ids"].as_array().expect("ids").iter().filter_map(Value::as_u64).collect();
    let epsilon = config["embedding_epsilon"].as_f64().expect("an epsilon");
    let question = embed(&tensors, &ids, width, epsilon);
    let mut line = |s: String| writeln!(text, "{s}").expect("a string takes anything");
    for (name, value) in [
        ("CLASSES", classes),
        ("WIDTH", width),
        ("HIDDEN", hidden),
        ("HEADS", number("heads")),
        ("LAYERS", number("layers")),
    ] {
        line(format!("/// Of the demo model.\npub const {name}: usize = {value};"));
    }
    line(format!("/// Of the embeddings' norm.\npub const EPSILON: f32 = {epsilon:e};"));
    line(format!("/// The names of the classes.\npub static LABELS: [&str; {}] = {labels:?};", labels.len()));
    line(format!("/// {}: its tokens.\npub static TOKENS: [u16; {}] = {ids:?};", case["text"], ids.len()));
    line(format!(
        "/// Its normalised embeddings, row by row: what is encrypted.\npub static QUESTION: [f32; {}] = {question:?};",
        question.len()
    ));
    for name in ["embeddings.token", "embeddings.position"] {
        let constant = name.to_uppercase().replace('.', "_");
        let path = save(&tensors, name, out);
        line(format!("/// Half floats.\npub static {constant}: &[u8] = include_bytes!({path:?});"));
    }
    layers(&mut line, &config, &tensors, out);
    line(classifier(&tensors, &config, out));
}

/// Saves the half floats of a tensor; the path.
fn save(tensors: &SafeTensors<'_>, name: &str, out: &Path) -> String {
    let path = out.join(format!("{name}.f16"));
    let found = tensors.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(found.dtype(), safetensors::Dtype::F16, "{name}");
    fs::write(&path, found.data()).expect("OUT_DIR can be written");
    path.display().to_string()
}

/// The expression of a map of half floats in flash.
fn map(tensors: &SafeTensors<'_>, name: &str, out: &Path) -> String {
    let shape = tensors.tensor(&format!("{name}.weight")).unwrap_or_else(|e| panic!("{name}: {e}")).shape().to_vec();
    let part = |part: &str| save(tensors, &format!("{name}.{part}"), out);
    let (rows, cols) = (shape[0], shape[1]);
    format!(
        "crate::plain::half({rows}, {cols}, include_bytes!({:?}), include_bytes!({:?}))?",
        part("weight"),
        part("bias")
    )
}

/// The expression of a polynomial.
fn polynomial(p: &Value) -> String {
    format!("Polynomial::new(&{}, ({:e}, {:e}))?", p["coeffs"], p["lo"].as_f64().unwrap(), p["hi"].as_f64().unwrap())
}

/// c0, c1, c2 of the quadratic whose Chebyshev coefficients these are: T_2(t) = 2 t^2 - 1, t = slope x + offset.
fn quadratic(p: &Value) -> [f64; 3] {
    let number = |v: &Value| v.as_f64().expect("a number");
    let coeffs: Vec<f64> = p["coeffs"].as_array().expect("coefficients").iter().map(number).collect();
    let (slope, offset) = Polynomial::new(&coeffs, (number(&p["lo"]), number(&p["hi"]))).expect("a range").to_unit();
    let [a, b, c] = coeffs[..] else { panic!("an activation of degree 2") };
    [a - c + (b + 2.0 * c * offset) * offset, (b + 4.0 * c * offset) * slope, 2.0 * c * slope * slope]
}

/// One function per layer, which assembles the layer from flash.
fn layers(line: &mut impl FnMut(String), config: &Value, tensors: &SafeTensors<'_>, out: &Path) {
    line(
        "use polyformer_kernel::{circuits::{attention::{PowerSoftmax, power::Form}, norm::Norm, poly::Polynomial, \
         reciprocal::Division}, nn::{Attention, Layer}};"
            .into(),
    );
    let epsilon = config["norm_epsilon"].as_f64().expect("an epsilon");
    let width = config["shape"]["width"].as_u64().expect("a width");
    let norm = |p: &Value| format!("Norm::trained({width}, {epsilon:e}, {})?", polynomial(p));
    let polynomials = config["polynomials"].as_array().expect("layers");
    let count = polynomials.len(); // the last layer's `down` is in the classifier
    for (i, p) in polynomials.iter().enumerate() {
        let of = |name: &str| map(tensors, &format!("layers.{i}.{name}"), out);
        let first =
            if p["norm_attention"].is_null() { "None".into() } else { format!("Some({})", norm(&p["norm_attention"])) };
        line(format!(
            "/// Layer {i}.\n#[inline(never)]\npub fn layer_{i}() -> polyformer_kernel::Result<Layer<'static>> {{ Layer {{ norm_attention: {first}, \
             attention: Attention {{ causal: false, rotary: None, \
             weights: PowerSoftmax::with_form(4, Form::LengthAgnostic, {:e}, Division::trained({}))?.into(), qkv: [{}, {}, {}], output: {} }}, \
             norm_feed_forward: {}, up: {}, activation: {:?}.into(), down: {}, gains: [None, None] }}.folded() }}",
            config["attention"]["epsilon"].as_f64().expect("an epsilon"),
            polynomial(&p["reciprocal"]),
            of("attention.query"),
            of("attention.key"),
            of("attention.value"),
            of("attention.output"),
            norm(&p["norm_feed_forward"]),
            of("feed_forward.up"),
            quadratic(&p["activation"]),
            if i + 1 < count { format!("Some({})", of("feed_forward.down")) } else { "None".into() },
        ));
    }
}

/// The classifier of the last activations, the last `down` folded in, which f16 would not hold; and of x.
fn classifier(tensors: &SafeTensors<'_>, config: &Value, out: &Path) -> String {
    let last = config["shape"]["layers"].as_u64().expect("layers") - 1;
    let matrix = |name: &str| {
        let shape = tensors.tensor(&format!("{name}.weight")).expect("a tensor").shape().to_vec();
        let single =
            |part: &str| tensor(tensors, &format!("{name}.{part}")).iter().map(|x| *x as f32).collect::<Vec<_>>();
        Matrix::new(shape[0], shape[1], single("weight"), single("bias")).expect("shapes fit")
    };
    let folded = matrix("classifier").after(&matrix(&format!("layers.{last}.feed_forward.down"))).expect("shapes fit");
    let (rows, cols) = (folded.rows, folded.cols);
    let weights: Vec<f32> = (0..rows * cols).map(|i| folded.at(i / cols, i % cols) as f32).collect();
    let bias: Vec<f32> = (0..rows).map(|i| folded.bias(i) as f32).collect();
    let weight = save(tensors, "classifier.weight", out);
    format!(
        "/// Of the last activations: {rows} x {cols} weights, and their biases.\n\
         pub static FOLDED: ([f32; {}], [f32; {rows}]) = ({weights:?}, {bias:?});\n\
         /// Of x, half floats.\npub static CLASSIFIER: &[u8] = include_bytes!({weight:?});",
        rows * cols
    )
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
