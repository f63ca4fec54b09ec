//! Key generation. A few workers draw keys one by one, and one writer writes finished keys at the same time. Memory
//! holds a few keys, whatever the number of keys.
//!
//! ```
//! use polyformer::{keys::{KeyFolder, KeySpec, store::KeyEvent}, machine::{ComputeTarget, Host}, spec::SpecBuf};
//! use polyformer_kernel::params::presets;
//!
//! let (folder, spec) = (tempfile::tempdir().expect("a folder"), SpecBuf::from(&presets::L13));
//! let (keys, host) = (KeyFolder::new(folder.path()), Host::new(spec.params()?));
//! let wants = [KeySpec::Relin(1), KeySpec::Galois(host.params().galois(3), 1)]; // products, and the rotation by 3
//! let mut events = Vec::new();
//! for _ in 0..2 {
//!     keys.complete(&host, ComputeTarget::cpu(1), &spec, &wants, &mut |event| match event {
//!         KeyEvent::Made { done, total } => events.push((done, total)),
//!         _ => panic!("the folder is new, and nobody else works here"),
//!     })?;
//! }
//! assert_eq!(events, [(0, 2), (1, 2), (2, 2), (0, 0)]); // the second call finds both keys
//! # Ok::<(), polyformer::Error>(())
//! ```

pub mod advice;
pub mod budget;
pub mod embedded;
pub mod fingerprint;
pub mod random;
pub mod record;
pub mod secret;
pub mod store;

use secret::Secret;

use crate::{
    error::{Result, WithPath},
    files::{Body, Header, Kind, Mapped, Output, View, public_basis},
    machine::{ComputeTarget, Host, Job},
};
use polyformer_kernel::{
    arith::cost::Demand,
    backend::{Backend, Wiping},
    bootstrap::{Bootstrapper, Order, Recipe, RotationStrategy},
    ckks::{
        keys::{KeyDigits, PublicKey, SecretKey, Switch, key_basis, key_digits},
        raise::{RaiseKeys, dense_basis},
    },
    eval::trace::Trace,
    params::Params,
    ring::{Basis, sample::Seed},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

/// A key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySpec {
    /// The public key.
    Public,
    /// The relinearisation key, for levels up to this.
    Relin(u8),
    /// The key of X -> X^g, for levels up to this.
    Galois(u32, u8),
    /// The keys of ModRaise.
    Raise,
}

impl KeySpec {
    /// The keys that `demand` names.
    pub fn all(params: &Params, demand: &Demand) -> Vec<Self> {
        let rotations = demand.rotations.iter().map(|(k, level)| (params.galois(*k), *level));
        let conjugate = demand.conjugate.map(|level| (params.galois_conjugate(), level));
        let galois = rotations.chain(conjugate).map(|(g, level)| KeySpec::Galois(g, level));
        demand
            .relin
            .map(KeySpec::Relin)
            .into_iter()
            .chain(demand.raise.then_some(KeySpec::Raise))
            .chain(galois)
            .collect()
    }

    /// Words in the memory of the server, both halves.
    pub fn words(self, params: &Params) -> usize {
        let over = |basis: Basis| 2 * basis.len() * params.n();
        match self {
            KeySpec::Public => over(public_basis(params)),
            KeySpec::Relin(level) | KeySpec::Galois(_, level) => {
                key_digits(params, level) * over(key_basis(params, level))
            }
            KeySpec::Raise => over(dense_basis(params)) + over(params.base().with(params.base().len() as u16)),
        }
    }

    /// Bytes of its file: one half, and a header.
    pub fn file_bytes(self, params: &Params) -> u64 {
        2 * self.words(params) as u64 + 4096
    }

    /// The kind of its file.
    pub fn kind(self) -> Kind {
        match self {
            KeySpec::Public => Kind::PublicKey,
            KeySpec::Relin(_) => Kind::RelinKey,
            KeySpec::Galois(..) => Kind::GaloisKey,
            KeySpec::Raise => Kind::RaiseKey,
        }
    }

    /// Its file name.
    pub fn file_name(self) -> String {
        match self {
            KeySpec::Public => "public.safetensors".into(),
            KeySpec::Relin(_) => "relin.safetensors".into(),
            KeySpec::Galois(g, _) => format!("galois-{g}.safetensors"),
            KeySpec::Raise => "raise.safetensors".into(),
        }
    }

    /// Whether the file at `path` is this key already, under the same secret, for these levels or more.
    pub fn is_met_by(self, path: &Path, secret: &Secret) -> bool {
        let Ok(mapped) = Mapped::open(path) else { return false };
        View::parse(mapped.bytes()).is_ok_and(|view| self.is_named_by(&view.header, &secret.header))
    }

    /// Whether the header of the file at `path` names this key. The contents are not read.
    pub fn is_claimed_by(self, path: &Path, of: &Header) -> bool {
        View::peek(path).is_ok_and(|header| self.is_named_by(&header, of))
    }

    /// Whether a header is that of this key: of the secret key of `of`, and for these levels or more.
    pub fn is_named_by(self, header: &Header, of: &Header) -> bool {
        let same = (&header.spec, header.key) == (&of.spec, of.key);
        same && match (self, &header.body) {
            (KeySpec::Public, Body::PublicKey { .. }) | (KeySpec::Raise, Body::RaiseKey { .. }) => true,
            (KeySpec::Relin(need), Body::RelinKey { level, .. }) => *level >= need,
            (KeySpec::Galois(g, need), Body::GaloisKey { galois, level, .. }) => *galois == g && *level >= need,
            _ => false,
        }
    }

    /// The body of its file, with the seed of its uniform halves.
    fn body(self, seed: Seed) -> Body {
        match self {
            KeySpec::Public => Body::PublicKey { seed },
            KeySpec::Relin(level) => Body::RelinKey { level, seed },
            KeySpec::Galois(galois, level) => Body::GaloisKey { galois, level, seed },
            KeySpec::Raise => Body::RaiseKey { seed },
        }
    }
}

/// The most keys that are drawn at once, each on its share of the threads. Some steps of a key use one thread.
const MOST_WORKERS: usize = 4;

/// The keys of bootstrapping full slots, without the keys of ModRaise.
pub fn demand_of_bootstrapping(params: &Params, order: Order, steps: RotationStrategy) -> Result<Demand> {
    let mut trace = Trace::new(params.slots(), None);
    let recipe = Recipe::new(params.slots(), order, 1.0).with(steps);
    let bootstrapper = Bootstrapper::new(&mut trace, params, &recipe)?;
    Ok(bootstrapper.demand(params.slots())?)
}

/// A drawn key on its way to its file.
struct Drawn {
    path: PathBuf,
    header: Header,
    words: Vec<u32>,
}

/// The data that workers and the writer share.
struct Shared<'a> {
    host: &'a Host,
    secret: &'a Secret,
    wants: &'a [KeySpec],
    folder: &'a Path,
    next: AtomicUsize,
}

/// Makes `wants` and writes them into `folder`; `on_key` is called after each file. With `force` a key replaces the key of
/// another secret, and a damaged file.
///
/// # Errors
/// Those of the backend and of the outputs.
pub fn generate(
    host: &Host,
    on: ComputeTarget,
    secret: &Secret,
    wants: &[KeySpec],
    (folder, force): (&Path, bool),
    mut on_key: impl FnMut(),
) -> Result<()> {
    let (workers, each) = on.split(MOST_WORKERS);
    let shared = Shared { host, secret, wants, folder, next: AtomicUsize::new(0) };
    let (send, receive) = mpsc::sync_channel::<Drawn>(1);
    let (give_back, spare) = mpsc::channel::<Vec<u32>>();
    for _ in 0..workers + 2 {
        let _ = give_back.send(Vec::new()); // the receiver lives until the end of this function
    }
    let spare = std::sync::Mutex::new(spare);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers)
            .map(|_| {
                let worker = Worker { shared: &shared, send: send.clone(), spare: &spare };
                scope.spawn(|| host.run_client(each, worker))
            })
            .collect();
        drop(send);
        let written = receive.into_iter().try_for_each(|drawn| {
            let Drawn { path, header, words } = drawn;
            let tensors = split(&words, &header, host.params());
            let output = Output::at(&path, header.form(force), header.access(), &[]).with_path(&path)?;
            output.file(&header, host.params(), &tensors).with_path(&path)?;
            let _ = give_back.send(words); // nobody is left to take it when all is drawn
            on_key();
            Ok(())
        });
        shared.next.store(wants.len(), Ordering::Relaxed); // a failed writer stops the workers
        drop(give_back);
        let drawn = handles.into_iter().try_for_each(|h| match h.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        written.and(drawn)
    })
}

struct Worker<'a> {
    shared: &'a Shared<'a>,
    send: mpsc::SyncSender<Drawn>,
    spare: &'a std::sync::Mutex<mpsc::Receiver<Vec<u32>>>,
}

impl Job for Worker<'_> {
    type Output = ();

    fn run<B: Backend>(self, be: B) -> Result<()> {
        let mut guard = Wiping::new(be);
        let be = &mut *guard;
        let Shared { host, secret, wants, folder, next } = self.shared;
        let params = host.params();
        let mut scratch = vec![0; params.n()];
        let full = params.full();
        let sk = SecretKey::expand(be, params, &secret.seed, full, &mut scratch)?;
        while let Some(want) = wants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let spare = self.spare.lock().map(|spare| spare.recv());
            let Ok(Ok(mut words)) = spare else { break }; // the writer stopped
            let seed = draw(be, params, &sk, *want, &mut words, &mut scratch)?;
            let (path, header) = (folder.join(want.file_name()), secret.header(want.body(seed)));
            let drawn = Drawn { path, header, words };
            if self.send.send(drawn).is_err() {
                break;
            }
        }
        Ok(sk.wipe(be)?)
    }
}

/// The words of each tensor.
fn split<'a>(mut words: &'a [u32], header: &Header, params: &Params) -> Vec<&'a [u8]> {
    let expected = header.tensors(params);
    let tensors = expected.iter().map(|tensor| {
        let (head, tail) = words.split_at(tensor.shape.iter().product::<usize>().min(words.len()));
        words = tail;
        bytemuck::cast_slice(head)
    });
    tensors.collect()
}

/// Draws a key: its stored halves into `words`, in the layout of its file, and the seed of its uniform halves.
fn draw<B: Backend>(
    be: &mut B,
    params: &Params,
    sk: &SecretKey<B>,
    want: KeySpec,
    words: &mut Vec<u32>,
    scratch: &mut [i64],
) -> Result<Seed> {
    let mut rng = random::generator()?;
    let (switch, level) = match want {
        KeySpec::Relin(level) => (Switch::Relinearize, level),
        KeySpec::Galois(galois, level) => (Switch::Galois(galois), level),
        KeySpec::Raise => {
            let keys = RaiseKeys::generate(be, params, sk, &mut rng, scratch)?;
            let ([small, _], [large, _]) = (&keys.to_sparse, &keys.to_dense);
            let at = small.shape.words();
            words.resize(at + large.shape.words(), 0);
            be.download(small, &mut words[..at])?;
            be.download(large, &mut words[at..])?;
            return Ok(keys.seed);
        }
        KeySpec::Public => {
            let pk = PublicKey::generate(be, params, sk, public_basis(params), &mut rng, scratch)?;
            words.resize(pk.pair[0].shape.words(), 0);
            be.download(&pk.pair[0], words)?;
            return Ok(pk.seed);
        }
    };
    let digit_words = key_basis(params, level).len() * params.n();
    words.resize(key_digits(params, level) * digit_words, 0);
    let mut digits = KeyDigits::new(params, sk, (switch, level), &mut rng);
    for words in words.chunks_exact_mut(digit_words) {
        if let Some([b, _]) = digits.draw(be, &mut rng, scratch)? {
            be.download(&b, words)?;
        }
    }
    Ok(*digits.seed())
}

/// The folder of keygen: the secret key, and a folder to send to a server.
#[derive(Clone, Debug)]
pub struct KeyFolder {
    /// The secret key.
    pub secret: PathBuf,
    /// The evaluation keys and the public key.
    pub eval: PathBuf,
}

impl KeyFolder {
    /// Below `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { secret: folder.join("secret.safetensors"), eval: folder.join("eval") }
    }
}
