//! The attention of a model: its kind and parameters from config.json or a model file, and the polynomials of the
//! training. The kernel defines the kinds.

use super::polynomials::Polynomials;
use crate::files::{FileError, Result};
use polyformer_kernel::{
    circuits::{
        attention::{FieldError, Fields, Variant},
        poly,
    },
    nn,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{cell::RefCell, collections::BTreeSet};

/// Kind and parameters by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attention(pub Map<String, Value>);

/// The parameters of one layer, and the names of those that the kind of attention asked for.
struct LayerFields<'a> {
    attention: &'a Attention,
    polynomials: &'a Polynomials,
    asked: RefCell<BTreeSet<String>>,
}

/// Fields next to the parameters of a kind: the kind itself, and two that are the same in every encoder.
const COMMON: [&str; 4] = ["type", "kind", "causal", "rope_theta"];

impl LayerFields<'_> {
    fn ask(&self, name: &str) {
        self.asked.borrow_mut().insert(name.into());
    }

    /// Insists that the kind of attention used every field.
    fn check(&self) -> Result<()> {
        let given = |name: &str| self.attention.0.get(name);
        let decoder = [("causal", json!(false)), ("rope_theta", Value::Null)];
        if let Some((name, held)) = decoder.iter().find(|(name, held)| given(name).is_some_and(|v| v != held)) {
            return Err(FileError::Model(format!("attention: {name} is {}, encoders have {held}", json!(given(name)))));
        }
        if let (Some(a), Some(b)) = (given("type"), given("kind"))
            && a != b
        {
            return Err(FileError::Model(format!("attention: type {a} and kind {b}")));
        }
        let asked = self.asked.borrow();
        let fields = self.attention.0.keys().filter(|name| !COMMON.contains(&name.as_str()));
        match fields.chain(self.polynomials.keys()).find(|name| !asked.contains(*name)) {
            Some(name) => {
                let what = format!("attention {}: the field {name:?} is not used", self.attention.kind());
                Err(FileError::Model(what))
            }
            None => Ok(()),
        }
    }
}

impl Attention {
    /// The attention of files without a kind: length-agnostic PowerSoftmax of power 4.
    pub fn of_epsilon(epsilon: f64) -> Self {
        let fields = [("kind", json!("power_softmax")), ("form", json!("length_agnostic")), ("power", json!(4))];
        let fields = fields.into_iter().chain([("epsilon", json!(epsilon))]);
        Self(fields.map(|(name, value)| (name.to_string(), value)).collect())
    }

    /// The parameter ε if nothing else is said than [`Attention::of_epsilon`] says.
    pub fn epsilon(&self) -> Option<f64> {
        let epsilon = self.0.get("epsilon")?.as_f64()?;
        let same = |(name, value): (&String, &Value)| match name.as_str() {
            "causal" => *value == json!(false),
            "rope_theta" => value.is_null(),
            name => Self::of_epsilon(epsilon).0.get(name).is_some_and(|known| known == value),
        };
        let needed = Self::of_epsilon(epsilon).0.keys().all(|name| self.0.contains_key(name));
        (needed && self.0.iter().all(same)).then_some(epsilon)
    }

    /// The kind of the attention.
    pub fn kind(&self) -> &str {
        let kind = self.0.get("type").or_else(|| self.0.get("kind"));
        kind.and_then(Value::as_str).unwrap_or_default()
    }

    /// The weights of a layer with these polynomials.
    pub fn weights(&self, polynomials: &Polynomials) -> Result<Variant> {
        for polynomial in polynomials.values() {
            polynomial.to_polynomial()?; // what is wrong with one is said, not that it is missing
        }
        let fields = LayerFields { attention: self, polynomials, asked: RefCell::default() };
        let made = Variant::from_fields(self.kind(), &fields).map_err(|e| {
            let known = match e {
                FieldError::Unknown => format!(", known are {}", Variant::NAMES.join(", ")),
                _ => String::new(),
            };
            FileError::Model(format!("attention {}: {e}{known}", self.kind()))
        })?;
        fields.check()?;
        Ok(made)
    }

    /// A layer's attention with these weights and maps.
    pub fn layer(&self, polynomials: &Polynomials, maps: [nn::Matrix<'static>; 4]) -> Result<nn::Attention<'static>> {
        let [query, key, value, output] = maps;
        let (weights, qkv) = (self.weights(polynomials)?, [query, key, value]);
        Ok(nn::Attention { causal: false, rotary: None, weights, qkv, output })
    }
}

impl Fields for LayerFields<'_> {
    fn number(&self, name: &str) -> Option<f64> {
        self.ask(name);
        self.attention.0.get(name)?.as_f64()
    }
    fn text(&self, name: &str) -> Option<&str> {
        self.ask(name);
        self.attention.0.get(name)?.as_str()
    }
    fn polynomial(&self, name: &str) -> Option<poly::Polynomial> {
        self.ask(name);
        self.polynomials.get(name)?.to_polynomial().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Attention;
    use polyformer_kernel::circuits::attention::AttentionWeights;
    use std::collections::BTreeMap;

    fn attention(json: &str) -> Attention {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_kind_is_read_from_its_parameters() {
        for json in [
            r#"{"type": "power_softmax", "form": "plain", "power": 6, "least": 0.1, "most": 4, "error": 1e-3}"#,
            r#"{"type": "power_softmax", "form": "lipschitz", "power": 16, "epsilon": 0.01, "most": 4, "error": 1e-3}"#,
            r#"{"type": "power_softmax", "form": "stable", "power": 2, "bound": 8, "epsilon": 0.01, "most": 64, "error": 1e-3}"#,
            r#"{"type": "scaled_sigma", "sigma": "gelu", "low": -4, "high": 4, "degree": 15}"#,
            r#"{"type": "scaled_sigma", "sigma": "relu", "low": -4, "high": 4, "degree": 15}"#,
            r#"{"type": "gaussian_kernel", "range": 8, "error": 1e-2}"#,
            r#"{"type": "bpmax", "c": 5, "log_power": 2, "divisor": 3125}"#,
            r#"{"type": "cgf", "low": -2, "high": 1, "error": 1e-2}"#,
            r#"{"type": "softmax", "low": -2, "high": 2, "error": 1e-2}"#,
        ] {
            let weights = attention(json).weights(&BTreeMap::new()).unwrap();
            assert!(json.contains(weights.name()));
            assert!(weights.error() < 0.3, "{json}: {}", weights.error());
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let error = |json: &str| attention(json).weights(&BTreeMap::new()).unwrap_err().to_string();
        assert!(error(r#"{"kind": "hardmax"}"#).contains("known are power_softmax, scaled_sigma, gaussian_kernel"));
        let dropout = r#"{"kind": "bpmax", "c": 5, "log_power": 2, "divisor": 3125, "dropout": 0.1}"#;
        assert_eq!(error(dropout), "attention bpmax: the field \"dropout\" is not used");
        assert!(error(r#"{"kind": "bpmax", "c": 5}"#).contains("\"log_power\" is missing"));
        let odd =
            r#"{"kind": "power_softmax", "form": "lipschitz", "power": 3, "epsilon": 1, "most": 4, "error": 0.1}"#;
        assert!(error(odd).contains("power 3, even powers"));
    }

    #[test]
    fn the_form_of_old_files_is_known_again() {
        let old = Attention::of_epsilon(0.03);
        assert_eq!(old.epsilon(), Some(0.03));
        let json =
            r#"{"kind": "power_softmax", "form": "length_agnostic", "power": 4, "epsilon": 0.03, "causal": false}"#;
        assert_eq!(attention(json).epsilon(), Some(0.03));
        assert_eq!(attention(&json.replace('4', "2")).epsilon(), None);
    }
}
