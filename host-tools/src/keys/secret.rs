//! The secret key on disk: 32 bytes, from which everything else is expanded, and their public name.

use crate::{
    error::{Error, Result, WithPath},
    files::{self, Body, FileError, Header, KeyId, Kind, Mapped, Output, Record, ResultId, View},
    keys::random,
    spec::SpecBuf,
};
use polyformer_kernel::{
    backend::Backend,
    ckks::{Client, keys::SecretSeed},
    params::{Params, Spec},
    wipe::SecretRng,
};
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// A secret key and its parameter set.
pub struct Secret {
    /// The seed to expand, in one place: a move of the key copies an address.
    pub seed: Box<SecretSeed>,
    /// The header of its file. [`Header::key`] is its name.
    pub header: Header,
    /// Its parameters.
    pub params: Params,
}

/// The name of a seed under a parameter set: half of a BLAKE3 derivation, which tells nothing about the seed.
fn key_id(seed: &SecretSeed, spec: &SpecBuf) -> KeyId {
    let mut h = blake3::Hasher::new_derive_key("polyformer key id 1");
    let hash = h.update(seed.expose()).update(spec.hash().as_bytes()).finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    h.zeroize();
    KeyId(id)
}

/// A seed of these 32 bytes, which go from their place to the heap and nowhere else.
fn copied(from: &[u8]) -> Box<SecretSeed> {
    let Ok(seed) = SecretSeed::boxed(|bytes| {
        bytes.copy_from_slice(from);
        Ok::<(), std::convert::Infallible>(())
    });
    seed
}

/// Refuses a key that other users of the machine may read.
#[cfg(unix)]
fn owner_alone(path: &Path) -> Result<()> {
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).with_path(path)?) & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display().to_string();
    let what = format!("mode {mode:04o} lets other users at this secret key; `chmod 600 {path}` makes it yours alone");
    Err(Error::usage(path, what))
}

/// Elsewhere the folder of the user protects the file.
#[cfg(not(unix))]
fn owner_alone(_: &Path) -> Result<()> {
    Ok(())
}

impl Secret {
    /// A fresh key.
    pub fn generate(spec: SpecBuf) -> Result<Self> {
        Self::of(spec, SecretSeed::boxed(|bytes| random::fill(bytes))?)
    }

    /// The key of a seed that somebody else drew.
    pub fn of(spec: SpecBuf, seed: Box<SecretSeed>) -> Result<Self> {
        let params = spec.params()?;
        let key = Some(key_id(&seed, &spec));
        Ok(Self { seed, header: Header { spec, key, body: Body::SecretKey(Record::default()) }, params })
    }

    /// A fresh key on any parameters. A ring without security is allowed here, for tests and examples; the files of such a
    /// ring are refused when they are read.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] for parameters that are refused.
    pub fn for_spec(spec: &Spec<'_>) -> Result<Self> {
        let seed = SecretSeed::boxed(|bytes| random::fill(bytes))?;
        let (params, spec) = (Params::new(spec)?, SpecBuf::from(spec));
        let key = Some(key_id(&seed, &spec));
        Ok(Self { seed, header: Header { spec, key, body: Body::SecretKey(Record::default()) }, params })
    }

    /// The kernel's client with this secret in the memory of a backend: to make keys without files.
    ///
    /// # Errors
    /// [`crate::Error::Kernel`] if the backend has too little memory; [`crate::Error::Usage`] if the operating system
    /// gives no randomness.
    pub fn client<B: Backend>(&self, be: &mut B) -> Result<Client<'_, B, SecretRng>> {
        let seed = copied(self.seed.expose());
        Ok(Client::with_secret(be, &self.params, seed, random::generator()?)?)
    }

    /// Reads a key file, and checks that the key has the name that the file says.
    ///
    /// # Errors
    /// [`Error::Usage`] for a missing file, with the command that makes the key, and on Unix if others than the owner may
    /// read or write the file. [`Error::File`] for another fault.
    pub fn read(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
            let what = "no secret key is there: `polyformer keygen --preset NAME --out FOLDER` makes one";
            return Err(Error::usage(path.display().to_string(), what));
        }
        let mapped = Mapped::open(path).with_path(path)?;
        let secret = Self::view(&mapped).map_err(|fault| fault.with_advice(|| Kind::SecretKey.again()));
        let secret = secret.with_path(path)?; // first: another kind of file may be for everybody
        owner_alone(path)?;
        Ok(secret)
    }

    fn view(mapped: &Mapped) -> files::Result<Self> {
        let view = View::parse(mapped.bytes())?;
        view.expect_kind(Kind::SecretKey)?;
        let seed = copied(view.bytes(0)); // 32 of them: the shape was checked
        let (View { header, params, .. }, actual) = (&view, key_id(&seed, &view.header.spec));
        match header.key {
            Some(key) if key == actual => Ok(Self { seed, header: header.clone(), params: params.clone() }),
            other => Err(FileError::OtherKey {
                expected: actual.to_string(),
                actual: other.map_or("none".into(), |key| key.to_string()),
            }),
        }
    }

    /// The generator for the noise of the published result with this name.
    pub fn noise_of(&self, result: &ResultId) -> SecretRng {
        let mut h = blake3::Hasher::new_derive_key("polyformer published noise 1");
        let hash = Zeroizing::new(*h.update(self.seed.expose()).update(result).finalize().as_bytes());
        h.zeroize();
        SecretRng::from_seed(&hash)
    }

    /// Writes the key file, for its owner alone. The file of another secret key is replaced only if `force` is set.
    ///
    /// # Errors
    /// Those of [`Output::at`] and of [`Output::file`].
    pub fn write(&self, path: &Path, force: bool) -> Result<()> {
        let output = Output::at(path, self.header.form(force), self.header.access(), &[]).with_path(path)?;
        output.file(&self.header, &self.params, &[self.seed.expose()]).with_path(path)
    }

    /// The header of another file that belongs to this key.
    pub fn header(&self, body: Body) -> Header {
        Header { body, ..self.header.clone() }
    }
}
