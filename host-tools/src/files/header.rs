//! The typed header: the kind of a file, its parameter set and key, and the shapes of its tensors.

use super::{
    Asked, Found, KeyId, Kind, Record, Sizes, Sought,
    fault::{FileError, Result},
    fields::{Fields, bytes, hex, number, text},
    tensor::{ElementType, Expected},
};
use crate::spec::SpecBuf;
use polyformer_kernel::{
    ckks::{
        keys::{key_basis, key_digits},
        raise::dense_basis,
        ring_switch::lift_basis,
    },
    params::Params,
    ring::{Basis, sample::Seed},
};

/// The contents of a file in addition to its tensors, by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A parameter set alone.
    Params,
    /// The seed of a secret key.
    SecretKey(Record),
    /// b of a public key; a is expanded from the seed.
    PublicKey {
        /// Seed of a.
        seed: Seed,
    },
    /// b of every digit of the relinearisation key.
    RelinKey {
        /// The highest level of the key.
        level: u8,
        /// Seed of a.
        seed: Seed,
    },
    /// b of every digit of the key of X -> X^g; conjugation is g = 2n - 1.
    GaloisKey {
        /// g.
        galois: u32,
        /// The highest level of the key.
        level: u8,
        /// Seed of a.
        seed: Seed,
    },
    /// b of the two keys of ModRaise.
    RaiseKey {
        /// Seed of both halves a.
        seed: Seed,
    },
    /// b of the keys from a device's ring to this one, and back.
    DeviceKey(Box<EmbeddedMeta>),
    /// Ciphertexts of one vector of numbers.
    Ciphertext(CiphertextMeta),
    /// The ciphertext of questions to a model.
    Question(CiphertextMeta, Asked),
    /// The ciphertext of a model's logits.
    Answer(CiphertextMeta, Asked),
    /// Ciphertexts of vectors, one a query.
    Query(CiphertextMeta, Sought),
    /// Ciphertexts of scores: all blocks of the index for the first query, then for the next.
    Scores(CiphertextMeta, Found),
    /// A model for the parameter set.
    Model {
        /// Its sizes.
        sizes: Sizes,
        /// The description of the model, as JSON.
        about: String,
    },
}

impl Body {
    /// The ciphertexts of the file, and what was asked with a question or an answer.
    pub fn sealed(&self) -> Option<(&CiphertextMeta, Option<&Asked>)> {
        match self {
            Body::Ciphertext(sealed) => Some((sealed, None)),
            Body::Question(sealed, asked) | Body::Answer(sealed, asked) => Some((sealed, Some(asked))),
            _ => None,
        }
    }
}

/// The small client whose questions the key lifts and whose answers the key lowers.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedMeta {
    /// The device's parameter set.
    pub spec: SpecBuf,
    /// The device's secret key.
    pub key: KeyId,
    /// Seeds of a: of the key to this ring, and of that back.
    pub seeds: [Seed; 2],
}

/// The encryption of a vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CiphertextMeta {
    /// The level.
    pub level: u8,
    /// Ciphertexts in the file.
    pub count: u16,
    /// Values of the vector, which fill the slots in order; the rest are zeros.
    pub values: u64,
    /// Seed of c1; `None` if c1 is stored.
    pub seed: Option<Seed>,
}

/// A typed header.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The parameter set.
    pub spec: SpecBuf,
    /// The secret key of the file; `None` for parameters and models.
    pub key: Option<KeyId>,
    /// The kind of the file, with its fields.
    pub body: Body,
}

impl Header {
    /// The kind of file.
    pub fn kind(&self) -> Kind {
        match self.body {
            Body::Params => Kind::Params,
            Body::SecretKey(_) => Kind::SecretKey,
            Body::PublicKey { .. } => Kind::PublicKey,
            Body::RelinKey { .. } => Kind::RelinKey,
            Body::GaloisKey { .. } => Kind::GaloisKey,
            Body::RaiseKey { .. } => Kind::RaiseKey,
            Body::DeviceKey(_) => Kind::DeviceKey,
            Body::Ciphertext(_) => Kind::Ciphertext,
            Body::Question(..) => Kind::Question,
            Body::Answer(..) => Kind::Answer,
            Body::Query(..) => Kind::Query,
            Body::Scores(..) => Kind::Scores,
            Body::Model { .. } => Kind::Model,
        }
    }

    /// Insists on the parameter set and key that another file has.
    ///
    /// # Errors
    /// `OtherParams` or `OtherKey`, with both names.
    pub fn expect_same(&self, other: &Self) -> Result<()> {
        if self.spec != other.spec {
            let name = |h: &Self| h.spec.label();
            return Err(FileError::OtherParams { expected: name(other), actual: name(self) });
        }
        if self.key == other.key {
            return Ok(());
        }
        let name = |key: Option<KeyId>| key.map_or("none".into(), |k| k.to_string());
        Err(FileError::OtherKey { expected: name(other.key), actual: name(self.key) })
    }

    /// Insists on a kind.
    ///
    /// # Errors
    /// `Kind`, with both kinds.
    pub fn expect_kind(&self, expected: Kind) -> Result<()> {
        let actual = self.kind();
        if actual == expected { Ok(()) } else { Err(FileError::Kind { expected, actual }) }
    }

    /// Ciphertexts in the file.
    pub fn count(&self) -> usize {
        self.body.sealed().map_or(0, |(sealed, _)| sealed.count as usize)
    }

    /// The tensors that such a file has, in file order.
    pub fn tensors(&self, params: &Params) -> Vec<Expected> {
        let residues = |name: &'static str, count: usize, basis: Basis| Expected {
            name: name.into(),
            shape: vec![count, basis.len(), params.n()],
            of: ElementType::Residues(basis),
        };
        match self.body {
            Body::Params => Vec::new(),
            Body::SecretKey(_) => vec![Expected { name: "seed".into(), shape: vec![32], of: ElementType::Bytes }],
            Body::PublicKey { .. } => vec![residues("b", 1, public_basis(params))],
            Body::RelinKey { level, .. } | Body::GaloisKey { level, .. } => {
                vec![residues("b", key_digits(params, level), key_basis(params, level))]
            }
            Body::RaiseKey { .. } => {
                let small = params.base().with(params.base().len() as u16); // sparse_basis, checked by the reader
                vec![residues("to_sparse", 1, small), residues("to_dense", 1, dense_basis(params))]
            }
            Body::DeviceKey(_) => {
                let small = params.base().with(1); // lower_basis, checked by the reader
                vec![residues("lift", 1, lift_basis(params)), residues("lower", params.base().len(), small)]
            }
            Body::Ciphertext(CiphertextMeta { level, count, seed, .. })
            | Body::Question(CiphertextMeta { level, count, seed, .. }, _)
            | Body::Answer(CiphertextMeta { level, count, seed, .. }, _)
            | Body::Query(CiphertextMeta { level, count, seed, .. }, _)
            | Body::Scores(CiphertextMeta { level, count, seed, .. }, _) => {
                let names: &[_] = if seed.is_some() { &["c0"] } else { &["c0", "c1"] };
                names.iter().map(|name| residues(name, count as usize, params.q(level))).collect()
            }
            Body::Model { sizes, .. } => sizes.tensors(),
        }
    }

    /// The format version: the oldest one that has the contents.
    pub fn version(&self) -> u32 {
        match &self.body {
            Body::Model { sizes, .. } if sizes.parts.is_none() => Kind::Model.oldest(),
            _ => self.kind().version(),
        }
    }

    /// The metadata without the digest.
    pub fn fields(&self) -> Fields {
        let mut out = Fields::new();
        let mut put = |key: &str, value: String| {
            out.insert(key.into(), value);
        };
        put("polyformer", self.version().to_string());
        put("kind", self.kind().to_string());
        put("params", self.spec.hash().to_hex().to_string());
        put("spec", self.spec.to_json());
        if let Some(key) = self.key {
            put("key", key.to_string());
        }
        match &self.body {
            Body::Params => {}
            Body::SecretKey(record) => record.put(&mut put),
            Body::PublicKey { seed } | Body::RaiseKey { seed } => put("seed", hex(seed)),
            Body::RelinKey { level, seed } => {
                put("level", level.to_string());
                put("seed", hex(seed));
            }
            Body::GaloisKey { galois, level, seed } => {
                put("galois", galois.to_string());
                put("level", level.to_string());
                put("seed", hex(seed));
            }
            Body::DeviceKey(of) => {
                put("device_spec", of.spec.to_json());
                put("device_key", of.key.to_string());
                put("seed", hex(of.seeds.as_flattened()));
            }
            Body::Ciphertext(s) | Body::Question(s, _) | Body::Answer(s, _) => {
                ciphertexts(s, &mut put);
                put("values", s.values.to_string());
                if let Some((_, Some(asked))) = self.body.sealed() {
                    asked.put(&mut put);
                }
            }
            Body::Query(s, sought) => {
                ciphertexts(s, &mut put);
                sought.put(&mut put);
            }
            Body::Scores(s, found) => {
                ciphertexts(s, &mut put);
                found.put(&mut put);
            }
            Body::Model { sizes, about } => {
                put("sizes", serde_json::to_string(sizes).unwrap_or_default()); // whole numbers and a name
                put("about", about.clone());
            }
        }
        out
    }

    /// Reads and checks metadata; the parameter set comes back checked, too.
    ///
    /// # Errors
    /// `Foreign`, `Version`, `Old`, `Field`, `Params` or `Model`: the first check that fails.
    pub fn parse(fields: &Fields) -> Result<(Self, Params)> {
        let version = fields.get("polyformer").ok_or(FileError::Foreign)?;
        let file = version.parse().map_err(|_| FileError::field("polyformer", Some(version), "a version number"))?;
        let kind: Kind = text(fields, "kind", Kind::LIST)
            .and_then(|kind| kind.parse().map_err(|()| FileError::field("kind", Some(kind), Kind::LIST)))?;
        let supported = kind.version();
        if file < kind.oldest() {
            return Err(FileError::Old { kind, file, supported });
        }
        if file > supported {
            return Err(FileError::Version { file, supported });
        }
        let spec = spec(fields, "spec")?;
        let (actual, hash) = (spec.hash().to_hex(), text(fields, "params", "a hash")?);
        if *hash != *actual {
            return Err(FileError::field("params", Some(hash), format!("{actual}, the hash of \"spec\"")));
        }
        let params = spec.params()?;
        let body = match kind {
            Kind::Params => Body::Params,
            Kind::SecretKey => Body::SecretKey(Record::parse(fields)?),
            Kind::PublicKey => Body::PublicKey { seed: bytes(fields, "seed")? },
            Kind::RelinKey => Body::RelinKey { level: level(fields, &params)?, seed: bytes(fields, "seed")? },
            Kind::GaloisKey => Body::GaloisKey {
                galois: galois(fields, &params)?,
                level: level(fields, &params)?,
                seed: bytes(fields, "seed")?,
            },
            Kind::RaiseKey => Body::RaiseKey { seed: bytes(fields, "seed")? },
            Kind::DeviceKey => Body::DeviceKey(Box::new(device(fields)?)),
            Kind::Ciphertext => Body::Ciphertext(sealed(fields, &params)?),
            Kind::Question => Body::Question(sealed(fields, &params)?, Asked::parse(fields)?),
            Kind::Answer => Body::Answer(sealed(fields, &params)?, Asked::parse(fields)?),
            Kind::Query => Body::Query(batch(fields, &params)?, Sought::parse(fields)?),
            Kind::Scores => Body::Scores(batch(fields, &params)?, Found::parse(fields)?),
            Kind::Model => Body::Model { sizes: sizes(fields)?, about: text(fields, "about", "JSON")?.clone() },
        };
        let key = if matches!(kind, Kind::Params | Kind::Model) { None } else { Some(KeyId(bytes(fields, "key")?)) };
        let header = Self { spec, key, body };
        if header.version() != file {
            let expected = format!("{}, the version of these contents", header.version());
            return Err(FileError::field("polyformer", Some(version), expected));
        }
        Ok((header, params))
    }
}

fn spec(fields: &Fields, field: &'static str) -> Result<SpecBuf> {
    let value = text(fields, field, "a parameter set")?;
    let bad = |e: serde_json::Error| FileError::field(field, Some(value), format!("a parameter set ({e})"));
    serde_json::from_str(value).map_err(bad)
}

fn device(fields: &Fields) -> Result<EmbeddedMeta> {
    let spec = spec(fields, "device_spec")?;
    let seeds: [u8; 64] = bytes(fields, "seed")?;
    let (lift, lower) = seeds.split_at(32);
    let mut out = EmbeddedMeta { spec, key: KeyId(bytes(fields, "device_key")?), seeds: [[0; 32]; 2] };
    out.seeds[0].copy_from_slice(lift);
    out.seeds[1].copy_from_slice(lower);
    Ok(out)
}

/// The rows of a public key: the rows of a ciphertext at the top message level.
pub fn public_basis(params: &Params) -> Basis {
    Basis { specials: 0, start: params.modulus_chain().start, end: params.q(params.max_message_level()).end }
}

fn level(fields: &Fields, params: &Params) -> Result<u8> {
    number(fields, "level", params.max_level() as u64)
}

fn galois(fields: &Fields, params: &Params) -> Result<u32> {
    let g: u32 = number(fields, "galois", 2 * params.n() as u64 - 1)?;
    if g % 2 == 1 { Ok(g) } else { Err(FileError::field("galois", Some(&g.to_string()), "an odd number")) }
}

/// The fields of ciphertexts, except the number of their values.
fn ciphertexts(s: &CiphertextMeta, put: &mut impl FnMut(&str, String)) {
    put("level", s.level.to_string());
    put("count", s.count.to_string());
    if let Some(seed) = s.seed {
        put("seed", hex(&seed));
    }
}

fn sealed(fields: &Fields, params: &Params) -> Result<CiphertextMeta> {
    let batch = batch(fields, params)?;
    let values = number(fields, "values", batch.count as u64 * params.slots() as u64)?;
    Ok(CiphertextMeta { values, ..batch })
}

/// Ciphertexts whose values are coefficients, which no field counts.
fn batch(fields: &Fields, params: &Params) -> Result<CiphertextMeta> {
    let level = level(fields, params)?;
    let count: u16 = number(fields, "count", u16::MAX as u64)?;
    if count == 0 {
        return Err(FileError::field("count", Some("0"), "at least one ciphertext"));
    }
    let seed = fields.contains_key("seed").then(|| bytes(fields, "seed")).transpose()?;
    Ok(CiphertextMeta { level, count, values: 0, seed })
}

fn sizes(fields: &Fields) -> Result<Sizes> {
    let value = text(fields, "sizes", "sizes of a model")?;
    let bad = |e: serde_json::Error| FileError::field("sizes", Some(value), format!("sizes of a model ({e})"));
    let sizes: Sizes = serde_json::from_str(value).map_err(bad)?;
    sizes.check()?;
    Ok(sizes)
}
