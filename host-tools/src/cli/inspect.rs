//! `polyformer inspect`: checks everything in a file and prints a description.

use super::common::{print, print_json};
use crate::{
    Result,
    error::WithPath,
    files::{Asked, Body, Budget, Found, Kind, Mapped, Sought, View, hex, input},
    keys::advice::rotation,
    model::{Digest, Pretrained, Summary},
};
use serde::Serialize;
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Check a file or the folder of a model completely and describe it. Never prints a secret.
#[derive(clap::Args)]
pub struct Args {
    /// The file, the folder of a model, or - for standard input.
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// The description of a file. The JSON omits fields that the kind does not have.
#[derive(Serialize)]
struct Facts {
    file: PathBuf,
    kind: String,
    version: u32,
    bytes: usize,
    preset: Option<&'static str>,
    params: String,
    n: usize,
    slots: usize,
    security: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>, // of a model
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Summary>,
    #[serde(flatten)]
    more: More,
    tensors: Vec<Tensor>,
}

#[derive(Serialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
}

#[derive(Default, Serialize)]
#[serde(default)]
struct More {
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale_bits: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_q: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seeded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    galois: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    space: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vectors: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    small_clients: Vec<String>,
    #[serde(flatten)]
    asked: Option<About>,
}

/// A question, or the question of an answer.
#[derive(Serialize)]
struct About {
    tokens: String,
    model: String,
    nonce: String,
}

impl About {
    fn new(asked: &Asked) -> Self {
        Self { tokens: asked.lengths(), model: hex(&asked.model), nonce: hex(&asked.nonce) }
    }
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let name = input::named(&args.file);
    if args.file.is_dir() {
        let model = Pretrained::read(&args.file)?.summary();
        return match args.json {
            true => print_json(out, &model),
            false => print(out, format_args!("{}: the folder of a model\n{model}", name.display())),
        };
    }
    let mapped = Arc::new(Mapped::input(&args.file).with_path(name)?);
    let view = View::parse(mapped.bytes()).with_path(name)?;
    let mut facts = facts(name, mapped.bytes().len(), &view);
    if view.header.kind() == Kind::Model {
        facts.model = Some(Pretrained::mapped(&mapped).with_path(name)?.summary());
    }
    if args.json { print_json(out, &facts) } else { print(out, format_args!("{facts}")) }
}

fn facts(file: &Path, bytes: usize, view: &View<'_>) -> Facts {
    let (header, params) = (&view.header, &view.params);
    let more = match &header.body {
        Body::Params | Body::Model { .. } => More::default(),
        Body::SecretKey(record) => {
            let say = |b: &Budget| format!("{} of {} results at {} bits", b.published, b.results, b.bits);
            let clients = record.small_clients.iter().map(|key| key.to_string()).collect();
            More { published: record.budget.as_ref().map(say), small_clients: clients, ..More::default() }
        }
        Body::PublicKey { .. } | Body::RaiseKey { .. } | Body::DeviceKey(_) => {
            More { seeded: Some(true), ..More::default() }
        }
        Body::RelinKey { level, .. } => More { seeded: Some(true), level: Some(*level), ..More::default() },
        Body::GaloisKey { galois, level, .. } => More {
            seeded: Some(true),
            level: Some(*level),
            galois: Some(*galois),
            rotation: rotation(params, *galois),
            ..More::default()
        },
        Body::Query(s, Sought { space, width, .. })
        | Body::Scores(s, Found { sought: Sought { space, width, .. }, .. }) => More {
            level: Some(s.level),
            count: Some(s.count),
            seeded: Some(s.seed.is_some()),
            space: Some(space.clone()),
            width: Some(*width),
            vectors: if let Body::Scores(_, found) = &header.body { Some(found.vectors) } else { None },
            ..More::default()
        },
        Body::Ciphertext(s) | Body::Question(s, _) | Body::Answer(s, _) => More {
            level: Some(s.level),
            scale_bits: Some(params.scale(s.level).log2()),
            log_q: Some(params.log_product(params.q(s.level))),
            count: Some(s.count),
            values: Some(s.values),
            seeded: Some(s.seed.is_some()),
            asked: header.body.sealed().and_then(|(_, asked)| asked).map(About::new),
            ..More::default()
        },
    };
    Facts {
        file: file.into(),
        kind: header.kind().to_string(),
        version: header.version(),
        bytes,
        preset: header.spec.name(),
        params: header.spec.hash().to_hex().to_string(),
        n: params.n(),
        slots: params.slots(),
        security: header.spec.security,
        key: header.key.map(|key| key.to_string()),
        digest: (header.kind() == Kind::Model).then(|| Digest(view.digest).to_string()),
        model: None,
        more,
        tensors: header.tensors(params).into_iter().map(|t| Tensor { name: t.name.into(), shape: t.shape }).collect(),
    }
}

impl std::fmt::Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{}: {}, format version {}, {} bytes, digest and words checked",
            self.file.display(),
            self.kind,
            self.version,
            self.bytes
        )?;
        let name = self.preset.unwrap_or("not a preset");
        writeln!(f, "parameters: {name}, N = {}, {} slots, {} bits of security", self.n, self.slots, self.security)?;
        writeln!(f, "            hash {}", self.params)?;
        if let Some(key) = &self.key {
            writeln!(f, "key:        {key}")?;
        }
        if let Some(model) = &self.model {
            write!(f, "{model}")?;
        }
        let m = &self.more;
        if let (Some(level), Some(scale), Some(log_q), Some(values), Some(count)) =
            (m.level, m.scale_bits, m.log_q, m.values, m.count)
        {
            writeln!(f, "level:      {level}, log2(Q) {log_q:.1}, scale 2^{scale:.2}")?;
            writeln!(f, "values:     {values} in {count} ciphertext(s)")?;
        } else if let (Some(level), None) = (m.level, &m.space) {
            writeln!(f, "serves:     levels up to {level}")?;
        }
        if let (Some(space), Some(width), Some(count)) = (&m.space, m.width, m.count) {
            let of = m.vectors.map_or(String::new(), |vectors| format!(", scores of {vectors} vectors"));
            writeln!(f, "search:     {count} ciphertext(s), vectors of {width} numbers in space {space}{of}")?;
        }
        match (m.galois, m.rotation) {
            (Some(g), Some(k)) => writeln!(f, "galois:     X -> X^{g}, the rotation by {k}")?,
            (Some(g), None) if g == 2 * self.n as u32 - 1 => writeln!(f, "galois:     X -> X^{g}, conjugation")?,
            (Some(g), None) => writeln!(f, "galois:     X -> X^{g}")?,
            _ => {}
        }
        if let Some(seeded) = m.seeded {
            writeln!(f, "seeded:     {}", if seeded { "yes, the uniform half is a 32-byte seed" } else { "no" })?;
        }
        if let Some(published) = &m.published {
            writeln!(f, "published:  {published}")?;
        }
        for client in &m.small_clients {
            writeln!(f, "made for:   the small client {client}")?;
        }
        if let Some(About { tokens, model, nonce }) = &m.asked {
            writeln!(f, "question:   {nonce}, {tokens} tokens, for model {model}")?;
        }
        for t in &self.tensors {
            writeln!(f, "tensor:     {} {:?}", t.name, t.shape)?;
        }
        Ok(())
    }
}
