//! The contents of config.json, and the values that follow from the contents.

use super::{
    measured::MeasuredPolynomial,
    polynomials::{Layer, Polynomial},
};
use crate::files::{FileError, Result};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The fields of config.json. A field that is not here is refused. Fields that change no answer are read and dropped.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    format: String,
    version: u32,
    /// Its name.
    pub name: String,
    /// File names in the same folder.
    pub files: Files,
    /// Sizes.
    pub shape: Shape,
    /// One name a class.
    pub labels: Vec<String>,
    /// Of the norm of the embeddings.
    pub embedding_epsilon: f64,
    /// Of the polynomial norms.
    pub norm_epsilon: f64,
    /// Epsilon of the reference model's norms.
    pub exact_norm_epsilon: f64,
    /// Its attention: kind and parameters.
    pub attention: serde_json::Map<String, serde_json::Value>,
    /// One a layer.
    pub polynomials: Vec<Layer>,
    ranges: Option<BTreeMap<String, serde_json::Value>>,
    // how the model was made and measured
    #[serde(default, rename = "recipe")]
    _recipe: IgnoredAny,
    #[serde(default, rename = "processor_seconds")]
    _processor_seconds: IgnoredAny,
    #[serde(default, rename = "versions")]
    _versions: IgnoredAny,
    #[serde(default, rename = "held_out")]
    _held_out: IgnoredAny,
}

/// File names.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Weights of the polynomial form.
    pub poly: String,
    /// Weights of the reference model.
    pub exact: Option<String>,
}

/// Sizes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Number of tokens of the vocabulary.
    pub vocabulary: usize,
    /// Labels.
    pub classes: usize,
    /// Layers.
    pub layers: usize,
    /// Features of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Features inside the feed-forward part.
    pub feed_forward: usize,
    /// The longest text.
    pub max_tokens: usize,
    /// Features of a head: width over heads, if the file says so.
    #[serde(default)]
    pub(super) head_width: Option<usize>,
    /// The place of the norms, if the file says so.
    #[serde(default, rename = "norm")]
    pub(super) _norm: Option<NormPlace>,
    /// The rows that the answer is made of, if the file says so.
    #[serde(default, rename = "pooling")]
    pub(super) _pooling: Option<Pooled>,
}

/// The places of norms that the engines know.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormPlace {
    /// Before each part of a layer.
    Pre,
}

/// The rows that an answer is made of.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooled {
    /// The mean of all rows.
    Mean,
    /// The last row, as decoders have it.
    Last,
}

/// The activation of the reference model, which the polynomial replaces.
const ACTIVATION: &str = "gelu";

/// The least and greatest measured values, per head for values of heads.
#[derive(Deserialize)]
struct Seen {
    lo: Vec<f64>,
    hi: Vec<f64>,
}

const NEVER: &str = "its ranges were never measured";

fn fault(what: impl Into<String>) -> FileError {
    FileError::model(what)
}

/// Insists on labels that can be told apart.
pub(super) fn check_names(name: &str, labels: &[String]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match labels.iter().enumerate().find(|(_, label)| label.trim().is_empty() || !seen.insert(label.as_str())) {
        Some((i, label)) if label.trim().is_empty() => Err(fault(format!("label {i} is empty"))),
        Some((i, label)) => Err(fault(format!("label {i} is {label:?}, as a label before it"))),
        None if name.trim().is_empty() => Err(fault("the model has no name")),
        None => Ok(()),
    }
}

/// Insists on a number that keeps roots and quotients finite.
pub(super) fn check_epsilon(name: &str, x: f64) -> Result<()> {
    if x > 0.0 && x < 1.0 { Ok(()) } else { Err(fault(format!("{name} is {x}, a number between 0 and 1 is needed"))) }
}

impl Config {
    /// Parses the file.
    ///
    /// # Errors
    ///
    /// Settings that the engines do not compute.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json); // a byte order mark
        let c: Self = serde_json::from_slice(json).map_err(|e| fault(format!("not a model's config.json: {e}")))?;
        if (&c.format[..], c.version) != ("polyformer-model", 1) {
            return Err(fault(format!(
                "format {:?} version {}, this program reads polyformer-model 1",
                c.format, c.version
            )));
        }
        let all: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
        // the engines compute decoders, too, but packed files do not hold them
        for (place, held) in [
            ("/attention/causal", json!(false)),
            ("/attention/rope_theta", json!(null)),
            ("/shape/pooling", json!("mean")),
        ] {
            if let Some(given) = all.pointer(place).filter(|given| **given != held) {
                return Err(fault(format!("{place} is {given}, packed models are encoders, where it is {held}")));
            }
        }
        let s = &c.shape;
        if let Some(given) = s.head_width.filter(|given| Some(*given) != s.width.checked_div(s.heads)) {
            return Err(fault(format!("head_width {given} where {} heads share {} features", s.heads, s.width)));
        }
        c.check_layers()?;
        check_names(&c.name, &c.labels)?;
        let epsilons = [c.embedding_epsilon, c.norm_epsilon, c.exact_norm_epsilon];
        for (name, x) in ["embedding_epsilon", "norm_epsilon", "exact_norm_epsilon"].into_iter().zip(epsilons) {
            check_epsilon(name, x)?;
        }
        for (what, given, expected) in
            [("labels", c.labels.len(), s.classes), ("layers with polynomials", c.polynomials.len(), s.layers)]
        {
            if given != expected || expected == 0 {
                return Err(fault(format!("{given} {what} where the shape says {expected}")));
            }
        }
        if s.classes > s.width {
            return Err(fault(format!("{} labels, at most as many as features fit, {}", s.classes, s.width)));
        }
        for (i, layer) in c.polynomials.iter().enumerate() {
            if layer.norm_attention.is_some() != (i > 0) {
                return Err(fault(format!("layer {i}: every layer but the first has a norm before its attention")));
            }
        }
        if s.heads == 0 || !s.width.is_multiple_of(s.heads) || s.width == 0 || s.max_tokens == 0 {
            return Err(fault(format!("width {} and {} heads", s.width, s.heads)));
        }
        c.range()?;
        Ok(c)
    }

    /// Every field of a layer is a polynomial, and the activation is the one that the reference model computes.
    fn check_layers(&self) -> Result<()> {
        for (i, layer) in self.polynomials.iter().enumerate() {
            layer.check(i)?;
            let function = &layer.activation.function;
            if function != ACTIVATION {
                return Err(fault(format!("layer {i}: activation {function:?}, the engines know {ACTIVATION:?}")));
            }
        }
        Ok(())
    }

    /// The polynomials with the measured ranges of their arguments.
    ///
    /// # Errors
    /// `Model` for a polynomial whose range does not contain what was measured.
    pub fn measured_polynomials(&self) -> Result<Vec<MeasuredPolynomial>> {
        let sites = self.polynomials.iter().enumerate().flat_map(|(i, layer)| layer.sites(i));
        let measured = |(place, p): (String, Polynomial)| {
            let texts = self.measured(&place, |set| set == "training" || set == "held_out")?;
            let random = self.measured(&place, |set| set == "random_tokens").ok();
            MeasuredPolynomial::new(place, &p, texts, random)
        };
        sites.map(measured).collect()
    }

    /// The least and the largest value that was measured at a place, on the sets of texts whose names are `wanted`.
    pub fn measured(&self, place: &str, wanted: impl Fn(&str) -> bool) -> Result<(f64, f64)> {
        let mut all = (f64::INFINITY, f64::NEG_INFINITY);
        let sets = self.ranges.iter().flatten().filter(|(name, _)| wanted(name));
        for set in sets.filter_map(|(_, set)| set.get(place)) {
            let seen = Seen::deserialize(set).map_err(|e| fault(format!("range of {place}: {e}")))?;
            all.0 = seen.lo.iter().fold(all.0, |a, b| a.min(*b));
            all.1 = seen.hi.iter().fold(all.1, |a, b| a.max(*b));
        }
        if all.0 <= all.1 { Ok(all) } else { Err(fault(NEVER)) }
    }

    /// A power of two above every value that may be bootstrapped. The values are x between layers, with the measured
    /// range widened by the margin of the polynomials, and the normalised x before attention. The norm's bound uses the
    /// largest x and the least variance.
    pub fn range(&self) -> Result<f64> {
        let margin = self.ranges.as_ref().and_then(|r| r.get("margin")?.as_f64()).unwrap_or(1.0).max(1.0);
        let seen = |place: &str| self.measured(place, |_| true);
        let (mut most, mut before) = (0.0f64, 0.0f64); // of everything, and of x before this layer
        for i in 0..self.shape.layers {
            if i > 0 {
                let least = seen(&format!("layers.{i}.norm_attention.variance"))?.0;
                most = most.max(before / least.max(self.norm_epsilon).sqrt());
            }
            for part in ["attention", "feed_forward"] {
                let (lo, hi) = seen(&format!("layers.{i}.{part}.residual"))?;
                before = hi.max(-lo);
                most = most.max(before * margin);
            }
        }
        if most > 0.0 && most.is_finite() { Ok(libm::exp2(libm::ceil(libm::log2(most)))) } else { Err(fault(NEVER)) }
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn a_model_without_ranges_or_with_other_attention_is_refused() {
        let json = include_str!("../../models/banking77/config.json");
        let mut value: serde_json::Value = serde_json::from_str(json).unwrap();
        let error = |v: &serde_json::Value| Config::parse(v.to_string().as_bytes()).unwrap_err().to_string();
        for (part, field, given) in [
            ("attention", "causal", serde_json::Value::from(true)),
            ("attention", "rope_theta", 1e4.into()),
            ("shape", "pooling", "last".into()),
        ] {
            let (mut decoder, shown) = (value.clone(), given.to_string());
            decoder[part][field] = given;
            assert!(error(&decoder).starts_with(&format!("/{part}/{field} is {shown}, packed models are encoders")));
        }
        value.as_object_mut().unwrap().remove("ranges");
        assert_eq!(error(&value), "its ranges were never measured");
    }

    #[test]
    fn every_field_is_honoured_or_refused_by_name() {
        let json = include_str!("../../models/banking77/config.json");
        let given: serde_json::Value = serde_json::from_str(json).unwrap();
        assert!(Config::parse(format!("\u{feff}{json}").as_bytes()).is_ok(), "a byte order mark is no field");
        for (place, value, error) in [
            ("/hidden_act", serde_json::json!("swish"), "unknown field `hidden_act`"),
            ("/files/bias", "b".into(), "unknown field `bias`"),
            ("/shape/window", 512.into(), "unknown field `window`"),
            ("/shape/norm", "post".into(), "unknown variant `post`"),
            ("/shape/head_width", 32.into(), "head_width 32 where 2 heads share 128 features"),
            ("/labels/3", given["labels"][2].clone(), "as a label before it"),
            ("/labels/3", " ".into(), "label 3 is empty"),
            ("/embedding_epsilon", (-5.0).into(), "embedding_epsilon is -5, a number between 0 and 1 is needed"),
            ("/polynomials/0/activation/function", "swish".into(), "layer 0: activation \"swish\", the engines know"),
            ("/polynomials/0/activation/clip", 3.into(), "unknown field `clip`"),
            ("/polynomials/1/dropout", 0.1.into(), "layer 1: dropout is no polynomial"),
        ] {
            let mut config = given.clone();
            let (parent, name) = place.rsplit_once('/').unwrap();
            match config.pointer_mut(parent).unwrap() {
                serde_json::Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
                object => object[name] = value,
            }
            let text = Config::parse(config.to_string().as_bytes()).err().map_or_else(String::new, |e| e.to_string());
            assert!(text.contains(error), "{place}: {text}");
        }
        let mut config = given;
        config["polynomials"][0]["activation"]["degree"] = 4.into();
        let config = Config::parse(config.to_string().as_bytes()).unwrap();
        let error = config.polynomials[0].activation.quadratic().unwrap_err().to_string();
        assert_eq!(error, "polynomial of gelu: 3 coefficients, its degree is 4");
    }
}
