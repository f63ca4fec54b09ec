//! `polyformer keygen`: makes a secret key, and a folder of keys for the server.

use super::{
    common::{RunOptions, Source, given, note, note_model, pretrained_for, print, print_json, progress},
    interrupt,
};
use crate::{
    Error, Result,
    error::WithPath,
    files::{self, Body, FolderLock, Form, Header, Mapped, View, input, output::check, space},
    keys::{KeyFolder, KeySpec, demand_of_bootstrapping, embedded, fingerprint, generate, record, secret::Secret},
    machine::Host,
    plan::model::{Lengths, ModelPlan, bucket},
};
use polyformer_kernel::{
    arith::cost::Demand,
    bootstrap::{Order, RotationStrategy},
    ckks::{keys::SecretSeed, ring_switch::lower_basis},
    nn::slot_engine::can_hide,
    params::Params,
};
use std::{
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const EXAMPLES: &str = "\
Examples:
  polyformer keygen --preset L14 --out keys
  polyformer keygen --preset B16 --rotations powers,-1 --bootstrap real --public --out keys
  polyformer keygen --secret keys/secret.safetensors --rotations 3,5 --out keys     (add keys, or go on)
  polyformer keygen --preset C12 --out small                                        (the secret key of a small client)
  polyformer keygen --preset B16 --infer 9 --embedded small/secret.safetensors --out keys

Writes
  keys/secret.safetensors        the secret key, mode 0600: keep it private
  keys/eval/relin.safetensors    products
  keys/eval/galois-G.safetensors one per rotation: G is 5^K mod 2N for the rotation by K
  keys/eval/public.safetensors   with --public: lets others encrypt for you
  keys/eval/raise.safetensors    with --bootstrap
  keys/eval/device-ID.safetensors with --embedded: between the ring of a small client and this one
Send only the folder keys/eval to the server.";

/// Make a secret key and the keys that a server needs to compute.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Make keys for this secret key instead of a new one. Existing keys are kept.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["preset", "params"])]
    secret: Option<PathBuf>,
    /// Output folder. The command creates a missing folder.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Rotations, as a list of numbers, ranges A..B (both included) and `powers` (1, 2, 4, up to half the slots).
    #[arg(long, value_name = "LIST", value_delimiter = ',', allow_hyphen_values = true)]
    rotations: Vec<String>,
    /// Also make all keys of bootstrapping, each for the levels of its uses.
    #[arg(long, value_enum, value_name = "SLOTS")]
    bootstrap: Option<Refresh>,
    /// Also make every key that the model in the program needs for questions of this many tokens, and for shorter questions
    /// whose number of tokens is hidden.
    #[arg(long, value_name = "TOKENS")]
    infer: Option<usize>,
    /// The model of --infer, a folder or a model file. The default is the model in the program.
    #[arg(long, value_name = "PATH", requires = "infer")]
    model: Option<PathBuf>,
    /// Make the keys of --rotations, --conjugation and products for levels up to this; lower ones are smaller. By
    /// default every message level.
    #[arg(long, value_name = "L")]
    level: Option<u8>,
    /// Also make the key of complex conjugation.
    #[arg(long)]
    conjugation: bool,
    /// Also make a public key.
    #[arg(long)]
    public: bool,
    /// Also make the key between the ring of a small client, whose secret key this file holds, and this ring. With --infer
    /// the other keys are for questions of that client.
    #[arg(long, alias = "device", value_name = "FILE")]
    embedded: Option<PathBuf>,
    /// Allow a second small client under one secret key. Each of them can read the other.
    #[arg(long, requires = "embedded")]
    same_owner: bool,
    /// Make the secret key from these 32 bytes, which a small client drew, instead of new ones.
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    seed: Option<PathBuf>,
    /// Refuse a parameter set of fewer bits of security: 128, 192 or 256.
    #[arg(long, value_name = "BITS")]
    require_security: Option<u16>,
    /// Replace an existing secret key. Everything encrypted under the old key is then lost.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    run: RunOptions,
}

/// The contents of the slots of a bootstrapped ciphertext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Refresh {
    /// Real numbers: half the work.
    Real,
    /// Complex numbers, or two real vectors.
    Complex,
    /// The same for ciphertexts at level 0, at less precision.
    Bottom,
}

#[derive(serde::Serialize)]
struct Summary {
    key: String,
    parameters: String,
    n: usize,
    log_qp: f64,
    security: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    secret: PathBuf,
    eval: PathBuf,
    files: Vec<String>,
    kept: usize,
    stale: usize,
    bytes: u64,
    seconds: f64,
}

/// Runs the command.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let target = args.run.compute.target()?.client();
    let layout = KeyFolder::new(&args.out);
    let mut secret = match (&args.secret, args.source.spec()?) {
        (Some(path), _) => Secret::read(path)?,
        (None, Some(spec)) => match &args.seed {
            Some(path) => Secret::of(spec, seed(path)?)?,
            None => Secret::generate(spec)?,
        },
        (None, None) => return Err(Error::usage("keygen", "one of --preset, --params and --secret is needed")),
    };
    let security = secret.header.spec.security;
    if let Some(least) = args.require_security.filter(|least| security < *least) {
        let name = secret.header.spec.label();
        return Err(Error::usage(
            format!("--require-security {least}"),
            format!("{name} has {security} bits of security"),
        ));
    }
    let small = args.embedded.as_deref().map(Secret::read).transpose()?;
    if let Some(small) = &small {
        lower_basis(&secret.params, &small.params)?; // before anything is made
        let place = args.secret.as_deref().unwrap_or(&layout.secret);
        if let (Body::SecretKey(record), Some(client)) = (&mut secret.header.body, small.header.key) {
            record::one_owner(place, record, client, args.same_owner)?;
            record.join(client).with_path(place)?;
        }
    }
    let mut wants = wants(args, &secret, small.as_ref())?;
    let asked = wants.len();
    let _lock = reserve(args, &layout, &secret, &wants)?;
    let start = std::time::Instant::now();
    wants.retain(|want| !want.is_met_by(&layout.eval.join(want.file_name()), &secret));
    let sizes = || wants.iter().map(|want| want.file_bytes(&secret.params));
    space::check(&layout.eval, sizes().sum(), sizes().max().unwrap_or(0)).with_path(&layout.eval)?;
    match (&args.secret, small.as_ref().and_then(|small| small.header.key)) {
        (None, _) => secret.write(&layout.secret, args.force)?,
        (Some(path), Some(client)) => record::join(path, &secret, client, args.same_owner)?,
        (Some(_), None) => {}
    }
    let again = interrupt::keygen_again(std::env::args_os(), args.secret.as_deref().unwrap_or(&layout.secret));
    let (all, eval) = (asked + small.is_some() as usize, layout.eval.display());
    let mut whole = asked - wants.len();
    let stays = |whole: usize| {
        interrupt::leaves(format!("{whole} of {all} keys are finished in {eval}; `{again}` makes the others"))
    };
    stays(whole);
    let host = Host::new(secret.params.clone());
    let bar = progress(wants.len(), "keys");
    generate(&host, target, &secret, &wants, (&layout.eval, args.force), || {
        bar.inc(1);
        whole += 1;
        stays(whole);
    })?;
    bar.finish_and_clear();
    let mut files: Vec<String> = wants.iter().map(|want| want.file_name()).collect();
    if let Some(small) = &small {
        embedded::generate(&host, target, &secret, small, (&layout.eval, args.force))?;
        files.extend(small.header.key.map(embedded::file_name));
    }
    let size = |name: &String| std::fs::metadata(layout.eval.join(name)).map_or(0, |m| m.len());
    let bytes = files.iter().map(size).sum();
    let stale = stale(&layout.eval, &secret.header).with_path(&layout.eval)?;
    let summary = Summary {
        stale,
        parameters: secret.header.spec.label(),
        n: secret.params.n(),
        log_qp: secret.params.log_qp(),
        security,
        public_key: fingerprint(&layout.eval, &secret.header)?,
        key: secret.header.key.map_or(String::new(), |key| key.to_string()),
        secret: args.secret.clone().unwrap_or(layout.secret),
        eval: layout.eval,
        kept: asked - wants.len(),
        bytes,
        files,
        seconds: start.elapsed().as_secs_f64(),
    };
    if args.run.json { print_json(out, &summary) } else { print(out, format_args!("{summary}")) }
}

/// The fingerprint of the folder's public key, if the folder has one of this secret.
fn fingerprint(folder: &Path, of: &Header) -> Result<Option<String>> {
    let path = folder.join(KeySpec::Public.file_name());
    if !path.exists() {
        return Ok(None);
    }
    let mapped = Mapped::open(&path).with_path(&path)?;
    let view = View::parse(mapped.bytes()).with_path(&path)?;
    Ok(fingerprint::of_public_key(&view).filter(|_| view.header.key == of.key))
}

/// Makes the folder, takes its lock, and tries every output before a key is made.
fn reserve(args: &Args, layout: &KeyFolder, secret: &Secret, wants: &[KeySpec]) -> Result<FolderLock> {
    let new = args.secret.is_none();
    let free = || match layout.secret.symlink_metadata() {
        Ok(_) if new && !args.force => {
            let what = "a secret key is there: `--secret FILE` makes the keys that it lacks, --force replaces it";
            let there = std::io::Error::new(ErrorKind::AlreadyExists, what);
            Err(there).with_path(&layout.secret)
        }
        _ => Ok(()),
    };
    free()?;
    std::fs::create_dir_all(&layout.eval).with_path(&layout.eval)?;
    let mut wait = || note("another process makes keys in this folder: this one waits");
    let lock = FolderLock::take(&args.out, if new { None } else { Some(&mut wait) }).with_path(&args.out)?;
    free()?; // another process may have been faster
    let inputs = given(&[
        args.secret.as_deref(),
        args.embedded.as_deref(),
        args.seed.as_deref(),
        args.model.as_deref(),
        args.source.params.as_deref(),
    ]);
    if new {
        check(&layout.secret, secret.header.form(args.force), &inputs).with_path(&layout.secret)?;
    }
    for want in wants {
        let path = layout.eval.join(want.file_name());
        let form = Form::Key { kind: want.kind(), key: secret.header.key, force: args.force };
        check(&path, form, &inputs).with_path(&path)?;
    }
    Ok(lock)
}

/// Files of the folder that belong to another key, left by an older secret.
fn stale(folder: &Path, of: &Header) -> files::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        count += View::peek(&entry?.path()).is_ok_and(|header| header.key != of.key) as usize;
    }
    Ok(count)
}

/// The bytes of a secret key from elsewhere: exactly 32 of them, and not all zero.
fn seed(path: &Path) -> Result<Box<SecretSeed>> {
    let mut bytes = Zeroizing::new([0; 33]);
    let (mut length, (mut file, _)) = (0, input::open(path).with_path(path)?);
    while length < bytes.len() {
        match file.read(&mut bytes[length..]).with_path(path)? {
            0 => break,
            more => length += more,
        }
    }
    let bad = |what: String| Err(Error::usage(path.display().to_string(), what));
    let zero = bytes.iter().fold(0, |all, byte| all | byte) == 0;
    match (bytes.first_chunk::<32>(), length, zero) {
        (Some(given), 32, false) => SecretSeed::boxed(|seed| {
            seed.copy_from_slice(given);
            Ok(())
        }),
        (_, 33, _) => bad("more than 32 bytes where 32 are needed".into()),
        (_, 32, _) => bad("32 zero bytes, which are no secret: draw them from a random generator".into()),
        _ => bad(format!("{length} bytes where 32 are needed")),
    }
}

fn wants(args: &Args, secret: &Secret, small: Option<&Secret>) -> Result<Vec<KeySpec>> {
    let (params, mut wants) = (&secret.params, Vec::new());
    let evaluates = params.specials() > 0;
    if !evaluates && (args.conjugation || !args.rotations.is_empty()) {
        return Err(Error::usage("keygen", "these parameters have no P: 0 rotations and no products are possible"));
    }
    if args.public {
        wants.push(KeySpec::Public);
    }
    if !evaluates {
        return Ok(wants);
    }
    let level = args.level.unwrap_or(params.max_message_level());
    if level > params.max_level() {
        return Err(Error::usage(format!("--level {level}"), format!("the highest is {}", params.max_level())));
    }
    let mut demand = Demand { relin: Some(level), conjugate: args.conjugation.then_some(level), ..Demand::default() };
    for item in &args.rotations {
        let steps = rotations(item, params.slots() as i64)?;
        demand.rotations.extend(steps.into_iter().map(|k| (k.rem_euclid(params.slots() as i32), level)));
    }
    if let Some(refresh) = args.bootstrap {
        demand.join(&bootstrapping(params, refresh, args.run.rotate.steps())?);
    }
    if let Some(tokens) = args.infer {
        let model = pretrained_for(args.model.as_deref(), &secret.header.spec)?;
        if !(1..=model.text.max_tokens()).contains(&tokens) {
            let what = format!("the model reads 1 to {}", model.text.max_tokens());
            return Err(Error::usage(format!("--infer {tokens}"), what));
        }
        let small = small.map(|small| &small.params);
        let steps = args.run.rotate.steps();
        demand.join(&ModelPlan::of(params, small, &model.model, &[tokens], steps)?.demand);
        if small.is_none() && can_hide(&model.model) {
            let most = bucket(tokens);
            for rows in (0..).map(|i| bucket(1) << i).take_while(|rows| *rows <= most) {
                let lengths = Lengths::AtMost(&[rows]);
                demand.join(&ModelPlan::asked(params, None, &model.model, lengths, steps)?.demand);
            }
        }
        note_model(&model);
    }
    demand.rotations.remove(&0); // the rotation by 0 needs no key
    wants.extend(KeySpec::all(params, &demand));
    Ok(wants)
}

/// The keys of bootstrapping full slots.
fn bootstrapping(params: &Params, refresh: Refresh, steps: RotationStrategy) -> Result<Demand> {
    let level = if refresh == Refresh::Bottom { 0 } else { params.max_message_level() };
    let order = Order::of(params, refresh != Refresh::Real, level);
    let none = "these parameters have no levels for it; B16 and those of `params --bootstrap` have";
    params.bootstrap().ok_or_else(|| Error::usage("--bootstrap", none))?;
    demand_of_bootstrapping(params, order, steps)
}

/// The rotations that one item of the list means.
fn rotations(item: &str, slots: i64) -> Result<Vec<i32>> {
    let number = |text: &str| match text.trim().parse::<i64>() {
        Ok(k) if k.abs() < slots => Ok(k as i32),
        Ok(k) => Err(Error::usage("--rotations", format!("{k} is no rotation of {slots} slots"))),
        Err(_) => Err(Error::usage("--rotations", format!("{item:?} is no number, range A..B or `powers`"))),
    };
    if item.trim() == "powers" {
        return Ok((0..slots.trailing_zeros()).map(|i| 1 << i).collect());
    }
    match item.split_once("..") {
        Some((a, b)) => Ok((number(a)?..=number(b)?).collect()),
        None => Ok(vec![number(item)?]),
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { parameters, n, log_qp, security, .. } = self;
        writeln!(f, "{parameters}  N = {n}, log2(QP) {log_qp:.1}, {security} bits of security")?;
        writeln!(f, "{}  the secret key {}: keep it to yourself", self.secret.display(), self.key)?;
        if let Some(fingerprint) = &self.public_key {
            writeln!(f, "public key {fingerprint}: whoever encrypts for you compares this")?;
        }
        let kept = if self.kept > 0 { format!(", {} kept", self.kept) } else { String::new() };
        let (made, megabytes) = (self.files.len(), self.bytes as f64 / 1e6);
        writeln!(
            f,
            "{}  {made} made{kept}, {megabytes:.1} MB, {:.1} s: for the server",
            self.eval.display(),
            self.seconds
        )?;
        match self.stale {
            0 => Ok(()),
            n => writeln!(f, "{}  {n} files of another key are left: they are of no use", self.eval.display()),
        }
    }
}
