//! A packed model: one file for one parameter set. Linear maps are folded and lie in the order in which slots need
//! them: block (c, b) of F x F weights, diagonal d, feature i is the weight of input bF + (i + d) mod F in output
//! cF + i, so that a row is the period of a block-constant plaintext. Polynomials are fixed.

use super::{
    Exact, Pretrained,
    config::{Config, Shape},
    text::{Embedding, Text},
    weights::Weights as Tensors,
};
use crate::{
    error::{Result, WithPath},
    files::{self, Body, FileError, Header, Kind, Sizes, View, Weights},
    spec::SpecBuf,
};
use half::f16;
use polyformer_kernel::{
    circuits::poly::Polynomial,
    nn::{Attention, Layer, Matrix, Model, Norm, Stored},
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the header says beside sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    name: String,
    labels: Vec<String>,
    heads: usize,
    embedding_epsilon: f64,
    norm_epsilon: f64,
    attention_epsilon: f64,
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
    reciprocal: Chebyshev,
    norm_attention: Option<Chebyshev>,
    norm_feed_forward: Chebyshev,
    activation: [f64; 2], // c0 + c1 x + x^2
}

/// Coefficients on [lo, hi].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chebyshev {
    lo: f64,
    hi: f64,
    coeffs: Vec<f64>,
}

/// How many questions of up to `rows` tokens share a ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionsPerCiphertext {
    /// Rows that are kept for a question, a power of two.
    pub rows: usize,
    /// Questions.
    pub questions: usize,
}

impl Chebyshev {
    fn of(p: &super::config::Polynomial) -> Self {
        Self { lo: p.lo, hi: p.hi, coeffs: p.coeffs.clone() }
    }

    fn to_polynomial(&self) -> files::Result<Polynomial> {
        Polynomial::new(&self.coeffs, (self.lo, self.hi)).map_err(|e| FileError::Model(format!("polynomial: {e}")))
    }
}

/// What is packed.
pub struct Packing<'a> {
    /// Shapes, labels, polynomials.
    pub config: &'a Config,
    /// Embeddings.
    pub text: &'a Text,
    /// Folded weights.
    pub model: &'a Model<'static>,
    /// The tokenizer's JSON.
    pub tokenizer: &'a [u8],
    /// The twin's tensors, as safetensors.
    pub twin: Option<&'a [u8]>,
    /// Whom it is packed for.
    pub spec: &'a SpecBuf,
    /// How weights are stored.
    pub weights: Weights,
    /// How questions share ciphertexts.
    pub layouts: &'a [QuestionsPerCiphertext],
}

/// The linear maps in the order of [`Sizes::maps`].
fn maps<'m>(model: &'m Model<'static>) -> Vec<&'m Matrix<'static>> {
    let layers = model.layers.iter().flat_map(|l| {
        let attention = l.attention.qkv.iter().chain([&l.attention.output, &l.up]);
        attention.chain(l.down.iter())
    });
    layers.chain(&model.classify).collect()
}

/// The weights of a block-constant form, in file order: output, weight.
fn diagonals<'m>(m: &'m Matrix<'static>, f: usize) -> impl Iterator<Item = (usize, f64)> + 'm {
    let blocks = (0..m.rows.div_ceil(f)).flat_map(move |c| (0..m.cols.div_ceil(f)).map(move |b| (c, b)));
    blocks.flat_map(move |(c, b)| {
        (0..f * f).map(move |k| {
            let (d, i) = (k / f, k % f);
            (c * f + i, m.at(c * f + i, b * f + (i + d) % f))
        })
    })
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
        let layers = self.config.polynomials.iter().zip(self.model.layers.iter()).map(|(p, layer)| Fixed {
            reciprocal: Chebyshev::of(&p.reciprocal),
            norm_attention: p.norm_attention.as_ref().map(Chebyshev::of),
            norm_feed_forward: Chebyshev::of(&p.norm_feed_forward),
            activation: [layer.activation[0], layer.activation[1]],
        });
        let about = About {
            name: self.config.name.clone(),
            labels: self.config.labels.clone(),
            heads: self.model.heads,
            embedding_epsilon: self.config.embedding_epsilon,
            norm_epsilon: self.config.norm_epsilon,
            attention_epsilon: self.config.attention.epsilon,
            exact_norm_epsilon: self.twin.map(|_| self.config.exact_norm_epsilon),
            range: self.model.range,
            layers: layers.collect(),
            layouts: self.layouts.to_vec(),
        };
        Ok(serde_json::to_string(&about).map_err(std::io::Error::from)?)
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.write_to(path).with_path(path)
    }

    fn write_to(&self, path: &Path) -> files::Result<()> {
        let sizes = self.sizes();
        sizes.check()?;
        let halves = |x: &[f32]| x.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect::<Vec<u8>>();
        let [token, position] = self.text.embeddings();
        let mut tensors = vec![self.tokenizer.to_vec(), halves(token), halves(position)];
        for m in maps(self.model) {
            let singles = |x: &mut dyn Iterator<Item = f64>| x.flat_map(|x| (x as f32).to_le_bytes()).collect();
            tensors.push(singles(&mut (0..m.rows).map(|i| m.bias(i))));
            let f = sizes.width;
            match self.weights {
                Weights::F16 => {
                    tensors.push(diagonals(m, f).flat_map(|(_, w)| f16::from_f64(w).to_le_bytes()).collect());
                }
                Weights::Int8 => {
                    let scale: Vec<f64> = largest(m).into_iter().map(|w| (w / 127.0) as f32 as f64).collect();
                    tensors.push(singles(&mut scale.iter().copied()));
                    let byte = |(i, w): (usize, f64)| match scale.get(i) {
                        Some(scale) if *scale > 0.0 => (w / scale).round().clamp(-127.0, 127.0) as i8 as u8,
                        _ => 0,
                    };
                    tensors.push(diagonals(m, f).map(byte).collect());
                }
            }
        }
        tensors.extend(self.twin.map(<[u8]>::to_vec));
        let body = Body::Model { sizes, about: self.about()? };
        let header = Header { spec: self.spec.clone(), key: None, body };
        let tensors: Vec<&[u8]> = tensors.iter().map(|t| &t[..]).collect();
        files::write(path, &header, &self.spec.params()?, &tensors)
    }
}

/// The tensors of a file, one after the other.
struct Reader<'a> {
    view: &'a View<'a>,
    next: usize,
}

impl Reader<'_> {
    fn bytes(&mut self) -> &[u8] {
        self.next += 1;
        self.view.bytes(self.next - 1)
    }

    /// Finite numbers: of embeddings, which no [`Matrix`] checks.
    fn embeddings(&mut self, name: &str) -> files::Result<Vec<f32>> {
        let numbers = self.halves();
        match numbers.iter().position(|x| !x.is_finite()) {
            Some(i) => Err(FileError::Model(format!("{name}: {} at {i} is not finite", numbers[i]))),
            None => Ok(numbers),
        }
    }

    fn halves(&mut self) -> Vec<f32> {
        self.bytes().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
    }

    fn singles(&mut self) -> Vec<f32> {
        self.bytes().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    fn matrix(&mut self, map: &files::Map, f: usize, weights: Weights) -> files::Result<Matrix<'static>> {
        let files::Map { name, rows, cols } = map;
        let bias = self.singles();
        let stored: Vec<f32> = match weights {
            Weights::F16 => self.halves(),
            Weights::Int8 => {
                let scale = self.singles();
                let bytes = self.bytes().iter().enumerate();
                let output = |k: usize| k / (cols.div_ceil(f) * f * f) * f + k % f;
                bytes.map(|(k, b)| *b as i8 as f32 * scale.get(output(k)).copied().unwrap_or(0.0)).collect()
            }
        };
        let mut weight = vec![0.0; rows * cols];
        for (i, row) in weight.chunks_exact_mut(*cols).enumerate() {
            for (j, w) in row.iter_mut().enumerate() {
                let (block, d) = ((i / f) * cols.div_ceil(f) + j / f, (j % f + f - i % f) % f);
                *w = stored[(block * f + d) * f + i % f];
            }
        }
        Matrix::new(*rows, *cols, weight, bias).map_err(|e| FileError::Model(format!("{name}: {e}")))
    }
}

/// The model in a file that was checked.
pub fn read(view: &View<'_>) -> files::Result<Pretrained> {
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
    let mut reader = Reader { view, next: 0 };
    let tokenizer = reader.bytes().to_vec();
    let (token, position) = (reader.embeddings("embeddings.token")?, reader.embeddings("embeddings.position")?);
    let embedding = Embedding::of(sizes.width, token, position, about.embedding_epsilon);
    let text = Text::of(&tokenizer, embedding, about.labels)?;
    let matrices = sizes.maps().into_iter().map(|map| reader.matrix(&map, sizes.width, sizes.weights));
    let mut matrices = matrices.collect::<files::Result<Vec<_>>>()?.into_iter();
    let mut next = || matrices.next().ok_or_else(|| FileError::Model("a linear map is missing".into()));
    let mut layers = Vec::new();
    for (i, p) in about.layers.iter().enumerate() {
        let norm = |p: &Chebyshev| -> files::Result<Norm> {
            Ok(Norm { epsilon: about.norm_epsilon, root: p.to_polynomial()? })
        };
        layers.push(Layer {
            norm_attention: p.norm_attention.as_ref().map(norm).transpose()?,
            attention: Attention {
                causal: false,
                rotary: None,
                epsilon: about.attention_epsilon,
                reciprocal: p.reciprocal.to_polynomial()?,
                qkv: [next()?, next()?, next()?],
                output: next()?,
            },
            norm_feed_forward: norm(&p.norm_feed_forward)?,
            up: next()?,
            activation: [p.activation[0], p.activation[1], 1.0],
            down: if i + 1 < sizes.layers { Some(next()?) } else { None },
        });
    }
    let classify = [next()?, next()?];
    let layers = Stored::Owned(layers);
    let model = Model::of_folded(sizes.width, about.heads, layers, classify, about.range)
        .map_err(|e| FileError::Model(e.to_string()))?;
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
            };
            let weights = Tensors::parse(reader.bytes())?;
            Some(Exact::new(&shape, [about.embedding_epsilon, epsilon], &weights)?)
        }
        _ => None,
    };
    let spec = Some(view.header.spec.clone());
    Ok(Pretrained { name: about.name, text, model, exact, spec, layouts: about.layouts })
}
