//! A trained model as `host-tools/train/FORM.md` states it, from a folder or from the program itself: [`Text`] is the
//! client's part of it, [`nn::Model`] the server's, [`Exact`] the twin that it is compared with.

mod config;
mod exact;
mod text;
mod weights;

pub use config::Config;
pub use exact::Exact;
pub use text::{Text, probabilities, top};

use crate::{
    error::{In, Result},
    files::{self, Fault},
};
use kernel::nn;
use std::path::Path;
use weights::Weights;

/// Everything that a model folder holds.
pub struct Pretrained {
    /// Shape, labels, polynomials, ranges.
    pub config: Config,
    /// What turns text into numbers and numbers into labels.
    pub text: Text,
    /// The polynomial form.
    pub model: nn::Model<'static>,
    /// The embeddings and layers of the twin, if it is there.
    pub exact: Option<Exact>,
}

/// The model in the program: 77 intents of a bank's customers, see its card.
mod banking77 {
    pub const CONFIG: &[u8] = include_bytes!("../models/banking77/config.json");
    pub const POLY: &[u8] = include_bytes!("../models/banking77/model.safetensors");
    pub const EXACT: &[u8] = include_bytes!("../models/banking77/exact.safetensors");
    pub const TOKENIZER: &[u8] = include_bytes!("../models/banking77/tokenizer.json");
}

impl Pretrained {
    /// The model in the program.
    pub fn embedded() -> Result<Self> {
        use banking77::{CONFIG, EXACT, POLY, TOKENIZER};
        let place = Path::new("embedded model banking77");
        let config = Config::parse(CONFIG).in_file(place)?;
        Self::assemble(config, POLY, Some(EXACT), TOKENIZER).in_file(place)
    }

    /// The model in a folder, as `polyformer_train` exports it.
    pub fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).in_file(&path)
        };
        let config = Config::parse(&read("config.json")?).in_file(&folder.join("config.json"))?;
        let poly = read(&config.files.poly)?;
        let exact = config.files.exact.as_deref().filter(|name| folder.join(name).exists()).map(read).transpose()?;
        Self::assemble(config, &poly, exact.as_deref(), &read("tokenizer.json")?).in_file(folder)
    }

    fn assemble(config: Config, poly: &[u8], exact: Option<&[u8]>, tokenizer: &[u8]) -> files::Result<Self> {
        let weights = Weights::parse(poly)?;
        let text = Text::new(&config, &weights, tokenizer)?;
        let model = polynomial(&config, &weights)?;
        let exact = exact.map(|bytes| Exact::new(&config, &Weights::parse(bytes)?)).transpose()?;
        Ok(Self { config, text, model, exact })
    }
}

/// The server's part.
fn polynomial(config: &Config, weights: &Weights<'_>) -> files::Result<nn::Model<'static>> {
    let (width, hidden) = (config.shape.width, config.shape.feed_forward);
    let norm = |p: &config::Polynomial| -> files::Result<nn::Norm> {
        Ok(nn::Norm { epsilon: config.norm_epsilon, root: p.kernel()? })
    };
    let mut layers = Vec::new();
    for (i, p) in config.polynomials.iter().enumerate() {
        let map = |name: &str, rows, cols| weights.map(&format!("layers.{i}.{name}"), rows, cols);
        let square = |name: &str| map(&format!("attention.{name}"), width, width);
        layers.push(nn::Layer {
            norm_attention: p.norm_attention.as_ref().map(norm).transpose()?,
            attention: nn::Attention {
                epsilon: config.attention.epsilon,
                reciprocal: p.reciprocal.kernel()?,
                qkv: [square("query")?, square("key")?, square("value")?],
                output: square("output")?,
            },
            norm_feed_forward: norm(&p.norm_feed_forward)?,
            up: map("feed_forward.up", hidden, width)?,
            activation: p.activation.quadratic()?,
            down: map("feed_forward.down", width, hidden)?,
        });
    }
    let classifier = weights.map("classifier", config.shape.classes, width)?;
    let (heads, range) = (config.shape.heads, config.range()?);
    nn::Model::new(width, heads, layers, classifier, range).map_err(|e| Fault::Model(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::Pretrained;
    use kernel::nn::{
        dense::{Dense, Rows},
        forward,
    };

    /// f16 weights are exact in f32; folding rounds products of them to f32 again, 2^-24 of each.
    const FOLDING: f64 = 1e-5;

    #[test]
    fn logits_are_those_of_the_reference() {
        let m = Pretrained::embedded().unwrap();
        assert_eq!(m.model.range, 8.0);
        let golden = include_str!("../models/banking77/golden.json");
        let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
        let numbers = |v: &serde_json::Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        for case in golden["cases"].as_array().unwrap() {
            let (poly, exact): (Vec<f64>, Vec<f64>) = (numbers(&case["poly"]), numbers(&case["exact"]));
            let text = case["text"].as_str().unwrap();
            let ids: Vec<u32> = numbers(&case["ids"]).iter().map(|x: &f64| *x as u32).collect();
            assert_eq!(m.text.tokens(text).unwrap(), ids);
            let rows = Rows::new(m.model.width, m.text.embed(&ids)).unwrap();
            let got = forward(&mut Dense::<f64>::new(m.model.heads), &m.model, rows).unwrap();
            let worst = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst(got.values(), &poly) < FOLDING, "{text}: {}", worst(got.values(), &poly));
            let twin = m.exact.as_ref().unwrap().logits(&ids);
            assert!(worst(&twin, &exact) < 1e-9, "{text}: {}", worst(&twin, &exact));
            let label = case["label"].as_str().unwrap();
            assert_eq!(m.text.label(super::top(got.values())[0]), label);
        }
    }

    #[test]
    fn text_that_no_model_understands_is_refused_in_one_line() {
        let m = Pretrained::embedded().unwrap();
        let error = |text: &str| m.text.tokens(text).unwrap_err().to_string();
        assert_eq!(error("  "), "text: no words in it");
        assert_eq!(error(&"card ".repeat(65)), "text: 65 tokens, the model takes 64");
        assert!(m.text.tokens("☃ 卡").is_ok());
    }
}
