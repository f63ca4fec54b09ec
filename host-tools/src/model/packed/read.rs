//! Reading a packed model: the header is checked against the tensors, and the weights stay in the map.

use super::{
    super::{
        Digest, Exact, Pretrained,
        attention::Attention,
        config::{Shape, check_epsilon, check_names},
        converted::{Rows, Task},
        logits,
        norms::RowNorm,
        text::{Embedding, Text},
        weights::Weights as Weighed,
    },
    About, Chebyshev,
};
use crate::files::{self, Body, FileError, HeadForm, Kind, Mapped, MappedNumbers, Sizes, View, Weights};
use polyformer_kernel::{
    circuits::norm::Norm,
    nn::{Head, Layer, Matrix, Model, NormPlace, Numbers, Pooling, Stored},
};
use std::sync::Arc;

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

    /// Single floats, where they lie if they are aligned there.
    fn floats(&mut self) -> Numbers<'static> {
        let bytes = self.bytes();
        let copy = || bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>().into();
        MappedNumbers::singles(self.map, bytes).unwrap_or_else(copy)
    }

    /// Numbers of the embeddings.
    fn table(&mut self, weights: Weights) -> files::Result<Numbers<'static>> {
        match weights {
            Weights::F32 => Ok(self.floats()),
            Weights::F16 | Weights::Int8 => self.halves(),
        }
    }

    fn matrix(&mut self, map: &files::Map, weights: Weights) -> files::Result<Matrix<'static>> {
        let files::Map { name, rows, cols } = map;
        let bias = self.singles();
        let weight = match weights {
            Weights::F16 => self.halves()?,
            Weights::F32 => self.floats(),
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
    let labelled = about.encoder.as_ref().is_none_or(|encoder| encoder.task != Task::Embed);
    let labels = if labelled { sizes.classes } else { 0 };
    for (what, given, expected) in
        [("labels", about.labels.len(), labels), ("layers", about.layers.len(), sizes.layers)]
    {
        if given != expected {
            return Err(FileError::Model(format!("{given} {what} where the sizes say {expected}")));
        }
    }
    if about.encoder.is_some() != sizes.parts.is_some() {
        return Err(FileError::Model("one of the fields encoder and parts is there without the other".into()));
    }
    check_names(&about.name, &about.labels)?;
    let epsilons = [Some(about.embedding_epsilon), Some(about.norm_epsilon), about.exact_norm_epsilon];
    for (name, x) in ["embedding_epsilon", "norm_epsilon", "exact_norm_epsilon"].into_iter().zip(epsilons) {
        x.map_or(Ok(()), |x| check_epsilon(name, x))?;
    }
    let mut reader = Reader { map, view, next: 0 };
    let tokenizer = reader.bytes();
    let tables = [reader.table(sizes.weights)?, reader.table(sizes.weights)?];
    let maps = sizes.maps().into_iter().map(|map| reader.matrix(&map, sizes.weights));
    let maps = maps.collect::<files::Result<Vec<_>>>()?.into_iter();
    let vectors = sizes.vectors().iter().map(|_| reader.singles()).collect::<Vec<_>>().into_iter();
    let mut tensors = Tensors { maps, vectors };
    let norm = embedding_norm(sizes, &about, &mut tensors)?;
    let embedding = Embedding::of(sizes.width, tables, norm);
    let text = Text::of(tokenizer, embedding, about.labels.clone(), sizes.classes)?;
    let text = match &about.encoder {
        Some(encoder) => text.of_encoder(encoder.pooling == Rows::Each),
        None => text,
    };
    let model = model(sizes, &about, &mut tensors)?;
    let text = text.with_largest_logit(logits::bound(&model));
    let exact = match about.exact_norm_epsilon {
        Some(epsilon) if sizes.twin > 0 => {
            let shape = shape(sizes, about.heads);
            let weights = Weighed::shared(map, reader.bytes())?;
            Some(Exact::new(&shape, [about.embedding_epsilon, epsilon], &weights)?)
        }
        _ => None,
    };
    let task = about.encoder.as_ref().map_or(Task::Classify, |encoder| encoder.task);
    let (spec, digest) = (Some(view.header.spec.clone()), Digest(view.digest));
    Ok(Pretrained { name: about.name, digest, task, text, model, exact, spec, layouts: about.layouts })
}

/// The linear maps and the vectors of a file that are not used yet.
struct Tensors {
    maps: std::vec::IntoIter<Matrix<'static>>,
    vectors: std::vec::IntoIter<Vec<f32>>,
}

impl Tensors {
    fn map(&mut self) -> files::Result<Matrix<'static>> {
        self.maps.next().ok_or_else(|| FileError::Model("a linear map is missing".into()))
    }

    fn vector(&mut self) -> files::Result<Vec<f32>> {
        self.vectors.next().ok_or_else(|| FileError::Model("a vector is missing".into()))
    }
}

/// The norm of the embeddings, which the client computes.
fn embedding_norm(sizes: &Sizes, about: &About, tensors: &mut Tensors) -> files::Result<Option<RowNorm>> {
    let Some((parts, encoder)) = sizes.parts.zip(about.encoder.as_ref()) else {
        return Ok(Some(RowNorm::plain(about.embedding_epsilon)));
    };
    if !parts.embedding_norm {
        return Ok(None);
    }
    let affine = [tensors.vector()?, tensors.vector()?];
    Ok(Some(RowNorm::new(encoder.centred, about.embedding_epsilon, affine)))
}

/// The server's part.
fn model(sizes: &Sizes, about: &About, tensors: &mut Tensors) -> files::Result<Model<'static>> {
    let attention = match (&about.attention, about.attention_epsilon) {
        (Some(attention), None) => attention.clone(),
        (None, Some(epsilon)) => Attention::of_epsilon(epsilon),
        _ => return Err(FileError::Model("one of attention and attention_epsilon is needed".into())),
    };
    let centred = about.encoder.as_ref().is_some_and(|encoder| encoder.centred);
    let norm = |p: &Chebyshev| -> files::Result<Norm> {
        let made = Norm::trained(sizes.width, about.norm_epsilon, p.to_polynomial()?);
        let norm = made.map_err(|e| FileError::Model(e.to_string()))?;
        Ok(if centred { norm.centred() } else { norm })
    };
    let post = sizes.parts.is_some_and(|parts| parts.post);
    let mut layers = Vec::new();
    for (i, p) in about.layers.iter().enumerate() {
        let maps = [tensors.map()?, tensors.map()?, tensors.map()?, tensors.map()?];
        layers.push(Layer {
            norm_attention: p.norm_attention.as_ref().map(norm).transpose()?,
            attention: attention.layer(&p.attention(), maps)?,
            norm_feed_forward: norm(&p.norm_feed_forward)?,
            up: tensors.map()?,
            activation: p.activation.activation()?,
            down: match i + 1 < sizes.layers || sizes.head() != HeadForm::Folded {
                true => Some(tensors.map()?),
                false => None,
            },
            gains: if post { [gain(tensors.vector()?), gain(tensors.vector()?)] } else { [None, None] },
        });
    }
    let between = about.encoder.as_ref().and_then(|encoder| encoder.head.as_ref());
    let head = match (sizes.head(), between) {
        (HeadForm::Folded, None) => Head::Folded([tensors.map()?, tensors.map()?]),
        (HeadForm::Linear, None) => Head::Linear(tensors.map()?),
        (HeadForm::Hidden(_), Some(between)) => {
            let (up, activation) = (tensors.map()?, between.activation()?);
            Head::Hidden { up, activation, down: tensors.map()? }
        }
        (HeadForm::Features, None) => Head::Features { gain: tensors.vector()?.into(), bias: tensors.vector()?.into() },
        _ => return Err(FileError::Model("the activation of the head does not fit the head".into())),
    };
    let (final_norm, pooled) = match &about.encoder {
        Some(encoder) => (encoder.final_norm.as_ref().map(norm).transpose()?, encoder.pooling.into()),
        None => (None, Pooling::Mean),
    };
    let model = Model {
        width: sizes.width,
        heads: about.heads,
        norm_place: if post { NormPlace::Post } else { NormPlace::Pre },
        layers: Stored::Owned(layers),
        final_norm,
        head,
        pooling: pooled,
        range: about.range,
    };
    model.checked().map_err(|e| FileError::Model(e.to_string()))
}

/// The factors of a sum; `None` for factors of 1.
fn gain(factors: Vec<f32>) -> Option<Numbers<'static>> {
    if factors.iter().all(|x| *x == 1.0) { None } else { Some(factors.into()) }
}

/// The sizes of a reference model.
fn shape(sizes: &Sizes, heads: usize) -> Shape {
    Shape {
        vocabulary: sizes.vocabulary,
        classes: sizes.classes,
        layers: sizes.layers,
        width: sizes.width,
        heads,
        feed_forward: sizes.hidden,
        max_tokens: sizes.max_tokens,
        head_width: None,
        _norm: None,
        _pooling: None,
    }
}
