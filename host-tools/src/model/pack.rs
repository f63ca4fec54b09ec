//! From a checkpoint to a model file. Polynomials are compared with the measured ranges, and weights with their stored
//! form. Layouts are selected by the cost of a question. The report has all comparisons.

use super::{
    Checkpoint, largest, largest_difference,
    measured::MeasuredPolynomial,
    packed::{self, Packing, QuestionsPerCiphertext},
    text::Text,
};
use crate::{
    Error, Result,
    error::WithPath,
    files::{Mapped, Output, Weights},
    plan::{model::ModelPlan, speed::Speed},
    spec::SpecBuf,
};
use polyformer_kernel::{
    nn::{
        Model,
        clear_engine::{ClearEngine, Rows},
        forward,
        slot_engine::Layout,
    },
    params::Params,
};
use rayon::prelude::*;
use serde::Serialize;
use std::{path::Path, sync::Arc};

/// A layout and its cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayoutCost {
    /// Questions have at most this many tokens.
    pub tokens: usize,
    /// Questions that share a ciphertext.
    pub questions: usize,
    /// Slots of the questions.
    pub slots: usize,
    /// The level of the answer; a question starts at the top.
    pub level: u8,
    /// Bootstraps.
    pub bootstraps: u32,
    /// Key switches.
    pub key_switches: u32,
    /// Evaluation keys, each a file.
    pub keys: usize,
    /// Bytes of these files; in memory, keys take twice as much.
    pub key_bytes: u64,
    /// Predicted seconds of the server, if its speed is known.
    pub seconds: Option<f64>,
    /// Whether the model file selects the layout for several questions.
    pub chosen: bool,
}

/// The contents of the model file, and the cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The model.
    pub model: String,
    /// The digest of the model file, short.
    pub digest: String,
    /// The parameter set: its name, or its hash.
    pub params: String,
    /// The storage of the weights.
    pub weights: Weights,
    /// Bytes of the file.
    pub model_bytes: u64,
    /// The largest difference of a logit that the stored form of the weights makes, over some sequences of tokens.
    /// Sequences without finite logits are left out.
    pub weight_error: f64,
    /// Sequences of tokens that were compared.
    pub sequences: usize,
    /// Sequences of tokens whose logits are not finite, in one of the forms.
    pub not_finite: usize,
    /// Sequences of tokens with values outside the ranges of the model, in one of the forms.
    pub departed: usize,
    /// A bound of all bootstrapped values.
    pub range: f64,
    /// The level of a question.
    pub top: u8,
    /// The polynomials, in order.
    pub polynomials: Vec<MeasuredPolynomial>,
    /// Layouts: one question alone, and the cheapest of several, for each length.
    pub layouts: Vec<LayoutCost>,
}

impl LayoutCost {
    fn new(params: &Params, model: &Model, share: QuestionsPerCiphertext, speed: Option<&Speed>) -> Result<Self> {
        let plan = ModelPlan::new(params, model, &vec![share.rows; share.questions])?;
        let (keys, key_bytes) = plan.key_files(params);
        Ok(Self {
            tokens: share.rows,
            questions: share.questions,
            slots: plan.layout.period(),
            level: plan.level,
            bootstraps: plan.cost.bootstrap,
            key_switches: plan.cost.key_switch,
            keys,
            key_bytes,
            seconds: speed.map(|s| s.seconds(&plan.work)),
            chosen: false,
        })
    }

    /// The cost of a question: seconds if known, otherwise key switches.
    fn each(&self) -> f64 {
        self.seconds.unwrap_or(self.key_switches as f64) / self.questions as f64
    }
}

/// For each number of rows, one question alone and the layout that costs a question least.
fn layouts(params: &Params, model: &Model, most: usize, speed: Option<&Speed>) -> Result<Vec<LayoutCost>> {
    let powers =
        |from: usize, to: usize| std::iter::successors(Some(from), |x| Some(2 * x)).take_while(move |x| *x <= to);
    let features = Layout::new(&[1], model.width, model.heads, params.slots())?.features;
    let columns = if features == model.width { model.width / model.heads } else { features }; // of a head's groups
    let mut out = Vec::new();
    for rows in powers(4, most.next_power_of_two().max(4).min(columns)) {
        let shares: Vec<usize> = powers(1, params.slots() / (rows * features)).collect();
        let choice = |questions: &usize| {
            LayoutCost::new(params, model, QuestionsPerCiphertext { rows, questions: *questions }, speed)
        };
        let mut all: Vec<LayoutCost> = shares.par_iter().map(choice).collect::<Result<_>>()?;
        let best = (0..all.len()).min_by(|a, b| all[*a].each().total_cmp(&all[*b].each()));
        let Some(best) = best else { continue }; // too long for these slots
        all[best].chosen = true;
        out.extend(all.into_iter().enumerate().filter(|(i, _)| *i == 0 || *i == best).map(|(_, c)| c));
    }
    if out.is_empty() {
        let (given, slots) = (4 * features, params.slots());
        return Err(polyformer_kernel::Error::Slots { given, slots }.into());
    }
    Ok(out)
}

/// The runs of a model on sequences of tokens of every length: logits, and whether values left the model's ranges.
fn runs(text: &Text, model: &Model) -> Result<Vec<(Vec<f64>, bool)>> {
    let words = text.embeddings()[0].len() / model.width;
    let run = |tokens: usize| {
        let ids: Vec<u32> = (0..tokens).map(|i| ((i * 7919 + tokens * 104_729) % words) as u32).collect();
        let x = Rows::new(model.width, text.embed(&ids))?;
        let mut engine = ClearEngine::<f64>::new(model.heads).with_range(model.range);
        let logits = match forward(&mut engine, model, x) {
            Ok(out) => out.values().to_vec(),
            Err(polyformer_kernel::Error::NotFinite { .. }) => vec![f64::NAN],
            Err(e) => return Err(e.into()),
        };
        Ok((logits, engine.departures().total() > 0))
    };
    (1..=text.max_tokens().min(16)).map(run).collect()
}

/// Packs a checkpoint into a reserved file, whose name is used in messages. The file is read back before it gets its
/// name.
///
/// # Errors
/// A model that cannot be packed, with the tensor or the polynomial; those of the output.
pub fn pack(
    from: &Checkpoint,
    spec: &SpecBuf,
    weights: Weights,
    speed: Option<&Speed>,
    (output, name): (Output, &Path),
) -> Result<Report> {
    let params = spec.params()?;
    let polynomials = from.config.measured().with_path(&from.place)?;
    let (text, model) = from.forms().with_path(&from.place)?;
    let layouts = layouts(&params, &model, text.max_tokens(), speed)?;
    let shares =
        layouts.iter().filter(|c| c.chosen).map(|c| QuestionsPerCiphertext { rows: c.tokens, questions: c.questions });
    let shares: Vec<QuestionsPerCiphertext> = shares.collect();
    let (tokenizer, twin, layouts_of) = (&from.tokenizer, from.exact.as_deref(), &shares);
    let packing = Packing {
        config: &from.config,
        name: from.name(),
        text: &text,
        model: &model,
        tokenizer,
        twin,
        spec,
        weights,
        layouts: layouts_of,
    };
    let staged = packing.stage(output).with_path(name)?;
    let before = runs(&text, &model)?;
    let usable = |logits: &[f64]| logits.iter().all(|x| x.is_finite());
    if !before.iter().any(|(logits, _)| usable(logits)) {
        let what =
            format!("logits are not finite on {0} of {0} sequences of tokens: no label can be trusted", before.len());
        return Err(Error::unreliable(from.place.display().to_string(), what));
    }
    let path = staged.path().unwrap_or(name);
    let mapped = Arc::new(Mapped::open(path).with_path(name)?);
    let back = packed::read(&mapped).with_path(name)?;
    let after = runs(&back.text, &back.model)?;
    let pairs = || before.iter().zip(&after).map(|((a, _), (b, _))| (a, b));
    let finite = || pairs().filter(|(a, b)| usable(a) && usable(b));
    let report = Report {
        model: from.name(),
        digest: back.digest.to_string(),
        params: spec.label(),
        weights,
        model_bytes: mapped.bytes().len() as u64,
        weight_error: largest(finite().map(|(a, b)| largest_difference(a, b)), 0.0),
        sequences: before.len(),
        not_finite: before.len() - finite().count(),
        departed: before.iter().zip(&after).filter(|((_, a), (_, b))| *a || *b).count(),
        range: model.range,
        top: params.max_message_level(),
        polynomials,
        layouts,
    };
    staged.commit().with_path(name)?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::{Checkpoint, Output, Weights, pack};
    use crate::{
        accuracy::logits,
        files::{Access, Form, Kind},
        model::{FolderConfig, Pretrained},
        spec::SpecBuf,
    };
    use safetensors::tensor::TensorView;

    fn reserved(path: &std::path::Path) -> Output {
        Output::at(path, Form::File(Kind::Model), Access::Shared, &[]).unwrap()
    }

    #[test]
    fn a_packed_model_answers_as_its_checkpoint_does() {
        let folder = tempfile::tempdir().unwrap();
        let (b16, full) = (SpecBuf::preset("B16").unwrap(), Pretrained::embedded().unwrap());
        for (weights, error, bytes) in [(Weights::F16, 0.02, 3_400_000), (Weights::Int8, 0.3, 2_900_000)] {
            let path = folder.path().join("packed");
            let report = pack(&Checkpoint::embedded().unwrap(), &b16, weights, None, (reserved(&path), &path)).unwrap();
            assert!(report.weight_error < error && report.model_bytes < bytes, "{report:?}");
            assert_eq!((report.polynomials.len(), report.layouts.len()), (7, 10));
            assert!(report.layouts.iter().all(|c| c.bootstraps == 3 && c.keys > 60 && c.key_bytes > 1 << 30));
            let packed = Pretrained::read(&path).unwrap();
            assert_eq!((packed.spec.as_ref(), packed.share(9, 1 << 15).questions), (Some(&b16), 16));
            let ids = full.text.tokens("I think someone used my card in another country").unwrap();
            assert_eq!(packed.text.tokens("I think someone used my card in another country").unwrap(), ids);
            let (a, b) = (logits(&full, &ids).unwrap(), logits(&packed, &ids).unwrap());
            let far = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let twin = |m: &Pretrained| m.exact.as_ref().unwrap().logits(&ids);
            assert_eq!(twin(&packed), twin(&full), "the twin travels as it is");
            assert!(far < error && crate::model::top(&a)[0] == crate::model::top(&b)[0], "{far}");
        }
    }

    #[test]
    fn polynomials_that_do_not_reach_the_measured_ranges_are_refused() {
        let mut checkpoint = Checkpoint::embedded().unwrap();
        let FolderConfig::Trained(config) = &mut checkpoint.config else { panic!("a trained model") };
        config.polynomials[1].activation.hi = 3.0;
        let folder = tempfile::tempdir().unwrap();
        let (b16, path) = (SpecBuf::preset("B16").unwrap(), folder.path().join("packed"));
        let error = pack(&checkpoint, &b16, Weights::F16, None, (reserved(&path), &path)).unwrap_err().to_string();
        assert!(error.contains("layers.1.feed_forward.activation: measured ["), "{error}");
        assert!(!path.exists());
    }

    /// The checkpoint of the program with one weight replaced; the tensor becomes F32.
    fn with_weight(tensor: &str, index: usize, value: f32) -> Checkpoint {
        let mut checkpoint = Checkpoint::embedded().unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&checkpoint.poly[0]).unwrap();
        let given = tensors.tensor(tensor).unwrap();
        let halves = given.data().as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32());
        let mut numbers: Vec<f32> = halves.collect();
        numbers[index] = value;
        let bytes: &[u8] = bytemuck::cast_slice(&numbers);
        let changed = TensorView::new(safetensors::Dtype::F32, given.shape().to_vec(), bytes).unwrap();
        let all = tensors.iter().map(|(name, view)| (name, if name == tensor { changed.clone() } else { view }));
        checkpoint.poly = vec![safetensors::serialize(all, None).unwrap().into()];
        checkpoint
    }

    #[test]
    fn a_number_that_the_file_cannot_hold_is_named_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (b16, path) = (SpecBuf::preset("B16").unwrap(), folder.path().join("packed"));
        for (tensor, index, value, weights, error) in [
            ("embeddings.token", 640, 1e5, Weights::F16, "embeddings.token: number 640 is 1e5, more than f16"),
            ("embeddings.token", 640, 1e5, Weights::Int8, "embeddings.token: number 640 is 1e5, more than f16"),
            (
                "layers.0.attention.query.weight",
                3,
                -1e5,
                Weights::F16,
                "layers.0.attention.query.weight: number 3 is -1e5, more than f16",
            ),
            ("layers.0.attention.query.weight", 3, f32::NAN, Weights::F16, "expected finite"),
        ] {
            let error_of = pack(&with_weight(tensor, index, value), &b16, weights, None, (reserved(&path), &path))
                .unwrap_err()
                .to_string();
            assert!(error_of.contains(error), "{error_of}");
            assert!(!path.exists());
        }
    }

    #[test]
    fn logits_that_are_not_finite_are_counted_and_no_small_difference() {
        let folder = tempfile::tempdir().unwrap();
        let (b16, path) = (SpecBuf::preset("B16").unwrap(), folder.path().join("packed"));
        let far = with_weight("layers.0.feed_forward.up.weight", 3, 300.0);
        let error = pack(&far, &b16, Weights::F16, None, (reserved(&path), &path)).unwrap_err();
        assert!(matches!(error, crate::Error::Unreliable { .. }) && error.to_string().contains("16 of 16"), "{error}");
        assert!(!path.exists());
        let model = far.assemble().unwrap();
        let ids = model.text.tokens("I still wait for my card").unwrap();
        let questions = [crate::accuracy::Labelled { ids, class: 0 }];
        let accuracy = crate::accuracy::accuracy(&model, &questions, || ()).unwrap();
        assert_eq!((accuracy.not_finite, accuracy.poly, accuracy.departed), (1, 0.0, 1));
        assert!(matches!(logits(&model, &questions[0].ids), Err(crate::Error::Unreliable { .. })));
        let good = crate::accuracy::run(&Pretrained::embedded().unwrap(), &questions[0].ids).unwrap();
        assert_eq!(good.departures.total(), 0);
    }
}
