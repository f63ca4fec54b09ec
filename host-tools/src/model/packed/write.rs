//! Writing a packed model: the header from the description of the folder, the tensors from the folded model.

use super::{
    super::{attention::Attention, checkpoint::FolderConfig, polynomials::Layer, text::Text},
    About, Between, Chebyshev, Encoder, Fixed, QuestionsPerCiphertext, RECIPROCAL, maps,
};
use crate::{
    files::{self, Body, HeadForm, Header, Output, Parts, Sizes, Staged, Weights},
    spec::SpecBuf,
};
use half::f16;
use polyformer_kernel::nn::{Head, Matrix, Model, NormPlace, Numbers};

/// The contents of a model file.
pub struct Packing<'a> {
    /// Labels and polynomials.
    pub config: &'a FolderConfig,
    /// The name of the model.
    pub name: String,
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

/// The weights in file order: output, weight.
fn weights<'m>(m: &'m Matrix<'static>) -> impl Iterator<Item = (usize, f64)> + 'm {
    (0..m.rows).flat_map(move |i| (0..m.cols).map(move |j| (i, m.at(i, j))))
}

/// The largest weight of each output.
fn largest(m: &Matrix) -> Vec<f64> {
    (0..m.rows).map(|i| (0..m.cols).map(|j| m.at(i, j).abs()).fold(0.0, f64::max)).collect()
}

/// Numbers as single floats.
fn singles(x: &Numbers<'_>) -> Vec<u8> {
    (0..x.len()).flat_map(|i| x.at(i).to_le_bytes()).collect()
}

impl Packing<'_> {
    pub(super) fn sizes(&self) -> Sizes {
        let (model, [token, position]) = (self.model, self.text.embeddings());
        let rows = |table: &Numbers<'_>| table.len() / model.width.max(1);
        let first = model.layers.first();
        let parts = Parts {
            attention: first.map_or(0, |layer| layer.attention_width()),
            post: model.norm_place == NormPlace::Post,
            embedding_norm: self.text.affine().is_some(),
            head: match &model.head {
                Head::Folded(_) => HeadForm::Folded,
                Head::Linear(_) => HeadForm::Linear,
                Head::Hidden { up, .. } => HeadForm::Hidden(up.rows),
                Head::Features { .. } => HeadForm::Features,
            },
        };
        Sizes {
            tokenizer: self.tokenizer.len(),
            vocabulary: rows(token),
            max_tokens: rows(position),
            width: model.width,
            hidden: first.map_or(0, |layer| layer.up.rows),
            layers: model.layers.len(),
            classes: model.outputs(),
            weights: self.weights,
            twin: self.twin.map_or(0, <[u8]>::len),
            parts: matches!(self.config, FolderConfig::Converted(_)).then_some(parts),
        }
    }

    fn about(&self) -> files::Result<String> {
        let (polynomials, attention, epsilon): (&[Layer], Attention, f64) = match self.config {
            FolderConfig::Trained(c) => (&c.polynomials, Attention(c.attention.clone()), c.norm_epsilon),
            FolderConfig::Converted(c) => (&c.layers, c.attention.clone(), c.epsilon),
        };
        let fixed = |(p, layer): (&Layer, &polyformer_kernel::nn::Layer<'_>)| Fixed {
            reciprocal: p.attention().get(RECIPROCAL).map(Chebyshev::of),
            attention: {
                let others = p.attention().into_iter().filter(|(name, _)| name != RECIPROCAL);
                others.map(|(name, p)| (name, Chebyshev::of(&p))).collect()
            },
            norm_attention: p.norm_attention.as_ref().map(Chebyshev::of),
            norm_feed_forward: Chebyshev::of(&p.norm_feed_forward),
            activation: Between::of(&layer.activation),
        };
        let about = About {
            name: self.name.clone(),
            labels: self.text.labels().to_vec(),
            heads: self.model.heads,
            embedding_epsilon: self.text.epsilon().unwrap_or(epsilon),
            norm_epsilon: epsilon,
            attention_epsilon: attention.epsilon(),
            attention: if attention.epsilon().is_some() { None } else { Some(attention) },
            exact_norm_epsilon: match self.config {
                FolderConfig::Trained(c) => self.twin.map(|_| c.exact_norm_epsilon),
                FolderConfig::Converted(_) => None,
            },
            range: self.model.range,
            layers: polynomials.iter().zip(self.model.layers.iter()).map(fixed).collect(),
            layouts: self.layouts.to_vec(),
            encoder: match self.config {
                FolderConfig::Trained(_) => None,
                FolderConfig::Converted(c) => Some(Encoder {
                    task: c.task,
                    pooling: c.pooling,
                    centred: c.norm == super::super::converted::NormKind::Layer,
                    final_norm: c.final_norm.as_ref().map(Chebyshev::of),
                    head: match &self.model.head {
                        Head::Hidden { activation, .. } => Some(Between::of(activation)),
                        _ => None,
                    },
                }),
            },
        };
        Ok(serde_json::to_string(&about).map_err(std::io::Error::from)?)
    }

    /// The vectors in the order of [`Sizes::vectors`].
    pub(super) fn vectors(&self) -> Vec<Numbers<'static>> {
        let (model, ones) = (self.model, || vec![1.0; self.model.width].into());
        let mut out = Vec::new();
        if matches!(self.config, FolderConfig::Trained(_)) {
            return out;
        }
        for part in self.text.affine().into_iter().flatten() {
            out.push(part.clone().into());
        }
        for layer in model.layers.iter().filter(|_| model.norm_place == NormPlace::Post) {
            out.extend(layer.gains.iter().map(|gain| gain.clone().unwrap_or_else(ones)));
        }
        if let Head::Features { gain, bias } = &model.head {
            out.extend([gain.clone(), bias.clone()]);
        }
        out
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
        let table = |x: &Numbers<'_>| if self.weights == Weights::F32 { singles(x) } else { halves(x) };
        let [token, position] = self.text.embeddings();
        let mut tensors = vec![self.tokenizer.to_vec(), table(token), table(position)];
        for m in maps(self.model) {
            let rounded = |x: &mut dyn Iterator<Item = f64>| x.flat_map(|x| (x as f32).to_le_bytes()).collect();
            tensors.push(rounded(&mut (0..m.rows).map(|i| m.bias(i))));
            match self.weights {
                Weights::F32 => tensors.push(rounded(&mut weights(m).map(|(_, w)| w))),
                Weights::F16 => {
                    tensors.push(weights(m).flat_map(|(_, w)| f16::from_f64(w).to_le_bytes()).collect());
                }
                Weights::Int8 => {
                    let scale: Vec<f64> = largest(m).into_iter().map(|w| (w / 127.0) as f32 as f64).collect();
                    tensors.push(rounded(&mut scale.iter().copied()));
                    let byte = |(i, w): (usize, f64)| match scale.get(i) {
                        Some(scale) if *scale > 0.0 => (w / scale).round().clamp(-127.0, 127.0) as i8 as u8,
                        _ => 0,
                    };
                    tensors.push(weights(m).map(byte).collect());
                }
            }
        }
        tensors.extend(self.vectors().iter().map(singles));
        tensors.extend(self.twin.map(<[u8]>::to_vec));
        let body = Body::Model { sizes, about: self.about()? };
        let header = Header { spec: self.spec.clone(), key: None, body };
        let tensors: Vec<&[u8]> = tensors.iter().map(|t| &t[..]).collect();
        output.stage_file(&header, &self.spec.params()?, &tensors)
    }
}
