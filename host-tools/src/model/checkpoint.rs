//! A model as the files of its folder: a model that the training package exported, or a converted model. The folder of
//! any other model is refused with what the folder is and the command that converts the model.

use super::{
    Digest, Exact, Pretrained,
    config::Config,
    converted::{Converted, SECTION, Task, describe},
    folder::{MAX_CONFIG, MAX_TOKENIZER, MAX_WEIGHTS, ModelFolder},
    logits,
    measured::MeasuredPolynomial,
    polynomial,
    text::Text,
    weights::Weights,
};
use crate::{
    error::{Result, WithPath},
    files::{self, FileError},
};
use polyformer_kernel::nn;
use serde::Deserialize;
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// The file of the reference model in a folder that the training package writes.
const REFERENCE: &str = "exact.safetensors";
/// The weights of a converted model.
const WEIGHTS: &str = "model.safetensors";
/// Which shard has which tensor, if the weights are several files.
const INDEX: &str = "model.safetensors.index.json";
/// The most shards of a model.
const MAX_SHARDS: usize = 256;

/// The contents of config.json.
pub enum FolderConfig {
    /// Of the training package.
    Trained(Box<Config>),
    /// Of the converter.
    Converted(Box<Converted>),
}

impl FolderConfig {
    /// Reads and checks the contents of config.json.
    ///
    /// # Errors
    /// `Model` with the setting that the engines do not compute, or with what the file describes instead of a model of
    /// this program.
    pub fn parse(json: &[u8]) -> files::Result<Self> {
        let text = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json); // a byte order mark
        match serde_json::from_slice(text) {
            Ok(Value::Object(all)) if !all.contains_key("format") => match all.contains_key(SECTION) {
                true => Ok(Self::Converted(Box::new(Converted::parse(&all)?))),
                false => Err(FileError::model(describe(&all))),
            },
            _ => Ok(Self::Trained(Box::new(Config::parse(json)?))),
        }
    }

    /// A bound of all values that may be bootstrapped.
    ///
    /// # Errors
    /// `Model` if ranges were never measured.
    pub fn range(&self) -> files::Result<f64> {
        match self {
            Self::Trained(config) => config.range(),
            Self::Converted(config) => config.range(),
        }
    }

    /// The polynomials with the measured ranges of their arguments.
    ///
    /// # Errors
    /// `Model` for a polynomial whose range does not contain what was measured.
    pub fn measured(&self) -> files::Result<Vec<MeasuredPolynomial>> {
        match self {
            Self::Trained(config) => config.measured_polynomials(),
            Self::Converted(config) => config.measured(),
        }
    }
}

/// A trained model as the files of its folder.
pub struct Checkpoint {
    pub(super) place: PathBuf,
    pub(super) config: FolderConfig,
    pub(super) digest: Digest,
    pub(super) poly: Vec<Cow<'static, [u8]>>,
    pub(super) exact: Option<Cow<'static, [u8]>>,
    pub(super) tokenizer: Cow<'static, [u8]>,
}

/// The model in the program: 77 intents of a bank's customers, see its card.
pub(super) mod banking77 {
    pub const CONFIG: &[u8] = include_bytes!("../../models/banking77/config.json");
    pub const POLY: &[u8] = include_bytes!("../../models/banking77/model.safetensors");
    pub const EXACT: &[u8] = include_bytes!("../../models/banking77/exact.safetensors");
    pub const TOKENIZER: &[u8] = include_bytes!("../../models/banking77/tokenizer.json");
}

/// The digest of a folder: config.json, the weights, the weights of the reference model if it is there, tokenizer.json.
/// The length of a file precedes the file, and a file that is not there has no length.
fn digest<'a>(files: impl IntoIterator<Item = Option<&'a [u8]>>) -> Digest {
    let mut h = blake3::Hasher::new();
    h.update(b"polyformer model 1\0");
    for file in files {
        let length = file.map_or(u64::MAX, |file| file.len() as u64);
        h.update(&length.to_le_bytes()).update_rayon(file.unwrap_or(&[]));
    }
    Digest(h.finalize().into())
}

/// The contents of a folder's files.
#[derive(Clone, Copy)]
pub struct FolderFiles<'a> {
    /// config.json.
    pub config: &'a [u8],
    /// The weights, one file or several shards.
    pub weights: &'a [&'a [u8]],
    /// The weights of the reference model, if it is there.
    pub exact: Option<&'a [u8]>,
    /// tokenizer.json.
    pub tokenizer: &'a [u8],
}

impl Checkpoint {
    /// The model of these files; `place` names the model in messages.
    ///
    /// # Errors
    /// A config.json of no model, or of a setting that the engines do not compute.
    pub fn of(place: &Path, files: FolderFiles<'_>) -> Result<Self> {
        let FolderFiles { config, weights, exact, tokenizer } = files;
        let parts = weights.iter().map(|file| Some(*file));
        let digest = digest([Some(config)].into_iter().chain(parts).chain([exact, Some(tokenizer)]));
        let owned = |file: &[u8]| Cow::from(file.to_vec());
        let poly = weights.iter().map(|file| owned(file)).collect();
        let (config, exact) = (FolderConfig::parse(config).with_path(place)?, exact.map(owned));
        Ok(Self { place: place.into(), config, digest, poly, exact, tokenizer: owned(tokenizer) })
    }

    /// The model in the program.
    pub fn embedded() -> Result<Self> {
        use banking77::{CONFIG, EXACT, POLY, TOKENIZER};
        let place = PathBuf::from("embedded model banking77");
        let config = FolderConfig::parse(CONFIG).with_path(&place)?;
        let digest = digest([Some(CONFIG), Some(POLY), Some(EXACT), Some(TOKENIZER)]);
        let (poly, exact, tokenizer) = (vec![POLY.into()], Some(EXACT.into()), TOKENIZER.into());
        Ok(Self { place, config, digest, poly, exact, tokenizer })
    }

    /// The model in a folder.
    ///
    /// # Errors
    /// A folder that is no model's, with what it is; a file that is missing, too large or outside of the folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let files = ModelFolder::open(folder)?;
        if !files.has("config.json") && files.has("adapter_config.json") {
            let what = "the folder of an adapter: merge the adapter into its model, then convert the model with `polyformer-convert`";
            return Err(FileError::Model(what.into())).with_path(folder);
        }
        let json = files.read("config.json", MAX_CONFIG)?;
        let config = FolderConfig::parse(&json).with_path(&files.path("config.json"))?;
        let (poly, exact) = match &config {
            FolderConfig::Trained(config) => {
                // an exported model may be without the reference model, whose usual name its config.json has all the same
                let exact = config.files.exact.as_deref().filter(|name| *name != REFERENCE || files.has(name));
                (vec![files.read(&config.files.poly, MAX_WEIGHTS)?], exact)
            }
            FolderConfig::Converted(_) => (shards(&files)?, Some(REFERENCE).filter(|name| files.has(name))),
        };
        let exact = exact.map(|name| files.read(name, MAX_WEIGHTS)).transpose()?;
        let tokenizer = files.read("tokenizer.json", MAX_TOKENIZER)?;
        let weights = poly.iter().map(|file| Some(&file[..]));
        let digest = digest([Some(&json[..])].into_iter().chain(weights).chain([exact.as_deref(), Some(&tokenizer)]));
        let (exact, tokenizer) = (exact.map(Cow::from), tokenizer.into());
        let poly = poly.into_iter().map(Cow::from).collect();
        Ok(Self { place: folder.into(), config, digest, poly, exact, tokenizer })
    }

    /// The tensors of the polynomial form.
    pub(super) fn weights(&self) -> files::Result<Weights<'_>> {
        Weights::sharded(self.poly.iter().map(|file| &file[..]))
    }

    /// The client's part and the server's part.
    pub(super) fn forms(&self) -> files::Result<(Text, nn::Model<'static>)> {
        let weights = self.weights()?;
        let (text, model) = match &self.config {
            FolderConfig::Trained(config) => {
                (Text::new(config, &weights, &self.tokenizer)?, polynomial(config, &weights)?)
            }
            FolderConfig::Converted(config) => (config.text(&weights, &self.tokenizer)?, config.model(&weights)?),
        };
        let largest = logits::bound(&model);
        Ok((text.with_largest_logit(largest), model))
    }

    /// The name of the model.
    pub(super) fn name(&self) -> String {
        let folder = || self.place.file_name().map_or("model".into(), |name| name.to_string_lossy().into_owned());
        match &self.config {
            FolderConfig::Trained(config) => config.name.clone(),
            FolderConfig::Converted(config) => config.name.clone().unwrap_or_else(folder),
        }
    }

    /// The model of the folder.
    ///
    /// # Errors
    /// Weights or a tokenizer that do not fit config.json, with the tensor or the token.
    pub fn assemble(&self) -> Result<Pretrained> {
        self.parts().with_path(&self.place)
    }

    fn parts(&self) -> files::Result<Pretrained> {
        let (text, model) = self.forms()?;
        let twin = |bytes: &Cow<'static, [u8]>| {
            let weights = Weights::parse(bytes)?;
            match &self.config {
                FolderConfig::Trained(config) => {
                    Exact::new(&config.shape, [config.embedding_epsilon, config.exact_norm_epsilon], &weights)
                }
                FolderConfig::Converted(config) => Exact::converted(config, &weights),
            }
        };
        let exact = self.exact.as_ref().map(twin).transpose()?;
        let task = match &self.config {
            FolderConfig::Trained(_) => Task::Classify,
            FolderConfig::Converted(config) => config.task,
        };
        let (name, digest) = (self.name(), self.digest);
        Ok(Pretrained { name, digest, task, text, model, exact, spec: None, layouts: Vec::new() })
    }
}

/// The files of the weights of a converted model, in the order of their names.
fn shards(files: &ModelFolder) -> Result<Vec<Vec<u8>>> {
    if files.has(WEIGHTS) || !files.has(INDEX) {
        return Ok(vec![files.read(WEIGHTS, MAX_WEIGHTS)?]);
    }
    let json = files.read(INDEX, MAX_CONFIG)?;
    let names = shard_names(&json).with_path(&files.path(INDEX))?;
    let (mut out, mut left) = (Vec::new(), MAX_WEIGHTS);
    for name in &names {
        let file = files.read(name, left)?;
        left -= file.len() as u64; // at most `left`
        out.push(file);
    }
    Ok(out)
}

/// The names of the shards in an index.
///
/// # Errors
/// `Model` for bytes that are no index, and for an index of no shard or of too many.
pub fn shard_names(json: &[u8]) -> files::Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Index =
        serde_json::from_slice(json).map_err(|e| FileError::model(format!("no index of tensors: {e}")))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    if (1..=MAX_SHARDS).contains(&names.len()) {
        return Ok(names);
    }
    Err(FileError::model(format!("{} shards, from 1 to {MAX_SHARDS} are read", names.len())))
}
