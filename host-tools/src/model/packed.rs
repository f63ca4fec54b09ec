//! A packed model: one file for one parameter set. Linear maps are folded and lie row by row: the weights of an output are
//! a row. Polynomials are fixed. Weights are used where they lie in the map of the file; only biases, scales and the
//! tokenizer are copied.

mod limits;

use super::{
    Digest, Exact, Pretrained,
    attention::Attention,
    config::{self, Config, Polynomials, Shape},
    logits,
    text::{Embedding, Text},
    weights::Weights as Tensors,
};
use crate::{
    files::{self, Body, FileError, Header, Kind, Mapped, MappedNumbers, Output, Sizes, Staged, View, Weights},
    spec::SpecBuf,
};
use half::f16;
use polyformer_kernel::{
    circuits::{norm::Norm, poly::Polynomial},
    nn::{Activation, Head, Layer, Matrix, Model, Numbers, Stored},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// The fields of the header in addition to the sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    name: String,
    labels: Vec<String>,
    heads: usize,
    embedding_epsilon: f64,
    norm_epsilon: f64,
    /// ε of length-agnostic PowerSoftmax of power 4, if that is the attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attention_epsilon: Option<f64>,
    /// Any other attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attention: Option<Attention>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exact_norm_epsilon: Option<f64>, // of the twin, if it is there
    range: f64,
    layers: Vec<Fixed>,
    layouts: Vec<QuestionsPerCiphertext>,
}

/// The polynomials of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixed {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reciprocal: Option<Chebyshev>,
    /// The other polynomials of attention, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attention: BTreeMap<String, Chebyshev>,
    norm_attention: Option<Chebyshev>,
    norm_feed_forward: Chebyshev,
    activation: [f64; 2], // c0 + c1 x + x^2
}

/// The name of the polynomial that has a field of its own.
const RECIPROCAL: &str = "reciprocal";

impl Fixed {
    /// The polynomials of attention, by name.
    fn attention(&self) -> Polynomials {
        let reciprocal = self.reciprocal.iter().map(|p| (RECIPROCAL, p));
        let others = self.attention.iter().map(|(name, p)| (name.as_str(), p));
        let named = |(name, p): (&str, &Chebyshev)| (name.to_string(), p.named(name));
        reciprocal.chain(others).map(named).collect()
    }
}

/// Coefficients on [lo, hi].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chebyshev {
    lo: f64,
    hi: f64,
    coeffs: Vec<f64>,
}

/// The number of questions of at most `rows` tokens that share a ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionsPerCiphertext {
    /// Rows that are kept for a question, a power of two.
    pub rows: usize,
    /// Questions.
    pub questions: usize,
}

impl Chebyshev {
    fn of(p: &config::Polynomial) -> Self {
        Self { lo: p.lo, hi: p.hi, coeffs: p.coeffs.clone() }
    }

    fn named(&self, name: &str) -> config::Polynomial {
        config::Polynomial::new(name, (self.lo, self.hi), &self.coeffs)
    }

    fn to_polynomial(&self) -> files::Result<Polynomial> {
        Polynomial::new(&self.coeffs, (self.lo, self.hi)).map_err(|e| FileError::Model(format!("polynomial: {e}")))
    }
}

/// The contents of a model file.
pub struct Packing<'a> {
    /// Shapes, labels, polynomials.
    pub config: &'a Config,
    /// Embeddings.
    pub text: &'a Text,
    /// Folded weights.
    pub model: &'a Model<'static>,
    /// The tokenizer's JSON.
    pub tokenizer: &'a [u8],
    /// The reference model's tensors, as safetensors.
    pub twin: Option<&'a [u8]>,
    /// The parameter set.
    pub spec: &'a SpecBuf,
    /// The storage of the weights.
    pub weights: Weights,
    /// The numbers of questions per ciphertext.
    pub layouts: &'a [QuestionsPerCiphertext],
}

/// The linear maps in the order of [`Sizes::maps`].
fn maps<'m>(model: &'m Model<'static>) -> Vec<&'m Matrix<'static>> {
    let layers = model.layers.iter().flat_map(|l| {
        let attention = l.attention.qkv.iter().chain([&l.attention.output, &l.up]);
        attention.chain(l.down.iter())
    });
    let head = match &model.head {
        Head::Folded(maps) => &maps[..],
        _ => &[],
    };
    layers.chain(head).collect()
}

/// The weights in file order: output, weight.
fn weights<'m>(m: &'m Matrix<'static>) -> impl Iterator<Item = (usize, f64)> + 'm {
    (0..m.rows).flat_map(move |i| (0..m.cols).map(move |j| (i, m.at(i, j))))
}

/// The largest weight of each output.
fn largest(m: &Matrix) -> Vec<f64> {
    (0..m.rows).map(|i| (0..m.cols).map(|j| m.at(i, j).abs()).fold(0.0, f64::max)).collect()
}

impl Packing<'_> {
    fn sizes(&self) -> Sizes {
        let shape = &self.config.shape;
        Sizes {
            tokenizer: self.tokenizer.len(),
            vocabulary: shape.vocabulary,
            max_tokens: shape.max_tokens,
            width: shape.width,
            hidden: shape.feed_forward,
            layers: shape.layers,
            classes: shape.classes,
            weights: self.weights,
            twin: self.twin.map_or(0, <[u8]>::len),
        }
    }

    fn about(&self) -> files::Result<String> {
        let fixed = |(p, layer): (&config::Layer, &Layer<'_>)| {
            let Activation::Quadratic([c0, c1, _]) = layer.activation else {
                return Err(FileError::Model("an activation of a degree above 2, this file has degree 2".into()));
            };
            Ok(Fixed {
                reciprocal: p.attention().get(RECIPROCAL).map(Chebyshev::of),
                attention: {
                    let others = p.attention().into_iter().filter(|(name, _)| name != RECIPROCAL);
                    others.map(|(name, p)| (name, Chebyshev::of(&p))).collect()
                },
                norm_attention: p.norm_attention.as_ref().map(Chebyshev::of),
                norm_feed_forward: Chebyshev::of(&p.norm_feed_forward),
                activation: [c0, c1],
            })
        };
        let layers = self.config.polynomials.iter().zip(self.model.layers.iter()).map(fixed);
        let attention = Attention(self.config.attention.clone());
        let about = About {
            name: self.config.name.clone(),
            labels: self.config.labels.clone(),
            heads: self.model.heads,
            embedding_epsilon: self.config.embedding_epsilon,
            norm_epsilon: self.config.norm_epsilon,
            attention_epsilon: attention.epsilon(),
            attention: if attention.epsilon().is_some() { None } else { Some(attention) },
            exact_norm_epsilon: self.twin.map(|_| self.config.exact_norm_epsilon),
            range: self.model.range,
            layers: layers.collect::<files::Result<_>>()?,
            layouts: self.layouts.to_vec(),
        };
        Ok(serde_json::to_string(&about).map_err(std::io::Error::from)?)
    }

    /// Writes the file under a temporary name.
    ///
    /// # Errors
    ///
    /// A shape that cannot be packed, a number that the stored form cannot hold, or an error of the system.
    pub fn stage(&self, output: Output) -> files::Result<Staged> {
        let sizes = self.sizes();
        sizes.check()?;
        self.check_numbers()?; // before anything is written
        let halves =
            |x: &Numbers<'_>| (0..x.len()).flat_map(|i| f16::from_f32(x.at(i)).to_le_bytes()).collect::<Vec<u8>>();
        let [token, position] = self.text.embeddings();
        let mut tensors = vec![self.tokenizer.to_vec(), halves(token), halves(position)];
        for m in maps(self.model) {
            let singles = |x: &mut dyn Iterator<Item = f64>| x.flat_map(|x| (x as f32).to_le_bytes()).collect();
            tensors.push(singles(&mut (0..m.rows).map(|i| m.bias(i))));
            match self.weights {
                Weights::F16 => {
                    tensors.push(weights(m).flat_map(|(_, w)| f16::from_f64(w).to_le_bytes()).collect());
                }
                Weights::Int8 => {
                    let scale: Vec<f64> = largest(m).into_iter().map(|w| (w / 127.0) as f32 as f64).collect();
                    tensors.push(singles(&mut scale.iter().copied()));
                    let byte = |(i, w): (usize, f64)| match scale.get(i) {
                        Some(scale) if *scale > 0.0 => (w / scale).round().clamp(-127.0, 127.0) as i8 as u8,
                        _ => 0,
                    };
                    tensors.push(weights(m).map(byte).collect());
                }
            }
        }
        tensors.extend(self.twin.map(<[u8]>::to_vec));
        let body = Body::Model { sizes, about: self.about()? };
        let header = Header { spec: self.spec.clone(), key: None, body };
        let tensors: Vec<&[u8]> = tensors.iter().map(|t| &t[..]).collect();
        output.stage_file(&header, &self.spec.params()?, &tensors)
    }
}

/// The tensors of a file, one after the other. The file was checked: its floats are finite.
struct Reader<'a> {
    map: &'a Arc<Mapped>,
    view: &'a View<'a>,
    next: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self) -> &'a [u8] {
        self.next += 1;
        self.view.bytes(self.next - 1)
    }

    fn halves(&mut self) -> files::Result<Numbers<'static>> {
        MappedNumbers::halves(self.map, self.bytes()).ok_or_else(outside)
    }

    /// Copies of numbers, one per output.
    fn singles(&mut self) -> Vec<f32> {
        let (numbers, _) = self.bytes().as_chunks();
        numbers.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    fn matrix(&mut self, map: &files::Map, weights: Weights) -> files::Result<Matrix<'static>> {
        let files::Map { name, rows, cols } = map;
        let bias = self.singles();
        let weight = match weights {
            Weights::F16 => self.halves()?,
            Weights::Int8 => {
                let scale = self.singles();
                if let Some(i) = scale.iter().position(|s| !(s * 128.0).is_finite()) {
                    return Err(FileError::Model(format!("{name}: scale {} at {i} is too large", scale[i])));
                }
                MappedNumbers::int8(self.map, self.bytes(), scale, *cols).ok_or_else(outside)?
            }
        };
        Matrix::of_finite(*rows, *cols, weight, bias).map_err(|e| FileError::Model(format!("{name}: {e}")))
    }
}

fn outside() -> FileError {
    FileError::Model("a tensor is not in the map".into())
}

/// The model in a file. Its weights stay in the map, which the model keeps alive.
///
/// # Errors
/// Those of [`View::parse`]; `Kind` for another kind of file; `Model` for shapes or polynomials that do not fit
/// each other.
pub fn read(map: &Arc<Mapped>) -> files::Result<Pretrained> {
    let view = &View::parse(map.bytes())?;
    let Body::Model { sizes, about } = &view.header.body else {
        return Err(FileError::Kind { expected: Kind::Model, actual: view.header.kind() });
    };
    let bad = |e: serde_json::Error| FileError::field("about", Some(about), format!("a packed model's ({e})"));
    let about: About = serde_json::from_str(about).map_err(bad)?;
    for (what, given, expected) in
        [("labels", about.labels.len(), sizes.classes), ("layers", about.layers.len(), sizes.layers)]
    {
        if given != expected {
            return Err(FileError::Model(format!("{given} {what} where the sizes say {expected}")));
        }
    }
    config::check_names(&about.name, &about.labels)?;
    let epsilons = [Some(about.embedding_epsilon), Some(about.norm_epsilon), about.exact_norm_epsilon];
    for (name, x) in ["embedding_epsilon", "norm_epsilon", "exact_norm_epsilon"].into_iter().zip(epsilons) {
        x.map_or(Ok(()), |x| config::check_epsilon(name, x))?;
    }
    let mut reader = Reader { map, view, next: 0 };
    let tokenizer = reader.bytes();
    let (token, position) = (reader.halves()?, reader.halves()?);
    let embedding = Embedding::of(sizes.width, token, position, about.embedding_epsilon);
    let text = Text::of(tokenizer, embedding, about.labels)?;
    let matrices = sizes.maps().into_iter().map(|map| reader.matrix(&map, sizes.weights));
    let mut matrices = matrices.collect::<files::Result<Vec<_>>>()?.into_iter();
    let mut next = || matrices.next().ok_or_else(|| FileError::Model("a linear map is missing".into()));
    let attention = match (&about.attention, about.attention_epsilon) {
        (Some(attention), None) => attention.clone(),
        (None, Some(epsilon)) => Attention::of_epsilon(epsilon),
        _ => return Err(FileError::Model("one of attention and attention_epsilon is needed".into())),
    };
    let mut layers = Vec::new();
    for (i, p) in about.layers.iter().enumerate() {
        let norm = |p: &Chebyshev| -> files::Result<Norm> {
            let made = Norm::trained(sizes.width, about.norm_epsilon, p.to_polynomial()?);
            made.map_err(|e| FileError::Model(e.to_string()))
        };
        layers.push(Layer {
            norm_attention: p.norm_attention.as_ref().map(norm).transpose()?,
            attention: attention.layer(&p.attention(), [next()?, next()?, next()?, next()?])?,
            norm_feed_forward: norm(&p.norm_feed_forward)?,
            up: next()?,
            activation: [p.activation[0], p.activation[1], 1.0].into(),
            down: if i + 1 < sizes.layers { Some(next()?) } else { None },
            gains: [None, None],
        });
    }
    let classify = [next()?, next()?];
    let layers = Stored::Owned(layers);
    let model = Model::of_folded(sizes.width, about.heads, layers, classify, about.range)
        .map_err(|e| FileError::Model(e.to_string()))?;
    let text = text.with_largest_logit(logits::bound(&model));
    let exact = match about.exact_norm_epsilon {
        Some(epsilon) if sizes.twin > 0 => {
            let shape = Shape {
                vocabulary: sizes.vocabulary,
                classes: sizes.classes,
                layers: sizes.layers,
                width: sizes.width,
                heads: about.heads,
                feed_forward: sizes.hidden,
                max_tokens: sizes.max_tokens,
                head_width: None,
                _norm: None,
                _pooling: None,
            };
            let weights = Tensors::shared(map, reader.bytes())?;
            Some(Exact::new(&shape, [about.embedding_epsilon, epsilon], &weights)?)
        }
        _ => None,
    };
    let spec = Some(view.header.spec.clone());
    let digest = Digest(view.digest);
    Ok(Pretrained { name: about.name, digest, text, model, exact, spec, layouts: about.layouts })
}
