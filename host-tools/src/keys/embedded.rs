//! The keys between the ring of a small client and the server's ring. Only a party that knows both secrets can draw
//! these keys.

use super::random;
use crate::{
    Result,
    error::WithPath,
    files::{Body, EmbeddedMeta, KeyId, Output},
    keys::secret::Secret,
    machine::{ComputeTarget, Host, Job},
};
use polyformer_kernel::{
    backend::{Backend, Wiping},
    ckks::{
        keys::SecretKey,
        ring_switch::{LiftKey, LowerKey},
    },
    ring::sample::Seed,
};
use std::path::{Path, PathBuf};

/// Its file name.
pub fn file_name(device: KeyId) -> String {
    format!("device-{:.8}.safetensors", device.to_string())
}

/// Makes the key of `device` and writes it into `folder`. Fails if the rings do not fit each other, or a key under the
/// device's secret would be over the bound of its ring. With `force` the key of another secret is replaced.
pub fn generate(
    host: &Host,
    on: ComputeTarget,
    secret: &Secret,
    device: &Secret,
    (folder, force): (&Path, bool),
) -> Result<PathBuf> {
    let key = device.header.key.unwrap_or(KeyId([0; 16])); // a secret has one
    let path = folder.join(file_name(key));
    let (seeds, [lift, lower]) = host.run_client(on, Draw { host, secret, device })?;
    let of = EmbeddedMeta { spec: device.header.spec.clone(), key, seeds };
    let header = secret.header(Body::DeviceKey(Box::new(of)));
    let tensors = [&lift, &lower].map(|words| bytemuck::cast_slice(&words[..]));
    let output = Output::at(&path, header.form(force), header.access(), &[]).with_path(&path)?;
    output.file(&header, host.params(), &tensors).with_path(&path)?;
    Ok(path)
}

/// Both keys.
pub fn draw<B: Backend>(
    be: &mut B,
    host: &Host,
    secret: &Secret,
    device: &Secret,
) -> Result<(LiftKey<B>, LowerKey<B>)> {
    let (params, small) = (host.params(), &device.params);
    let (mut scratch, mut rng) = (vec![0; params.n()], random::generator()?);
    let basis = params.base().with(params.specials());
    let sk = SecretKey::expand(be, params, &secret.seed, basis, &mut scratch)?;
    let of_device = SecretKey::expand_small(be, small, &device.seed, basis, &mut scratch)?;
    let lift = LiftKey::generate(be, params, small, [&of_device, &sk], &mut rng, &mut scratch);
    let lower = LowerKey::generate(be, params, small, [&sk, &of_device], &mut rng, &mut scratch);
    sk.wipe(be)?;
    of_device.wipe(be)?;
    Ok((lift?, lower?))
}

struct Draw<'a> {
    host: &'a Host,
    secret: &'a Secret,
    device: &'a Secret,
}

impl Job for Draw<'_> {
    type Output = ([Seed; 2], [Vec<u32>; 2]);

    /// The seeds, and the stored halves in the layout of the file.
    fn run<B: Backend>(self, be: B) -> Result<Self::Output> {
        let mut guard = Wiping::new(be);
        let be = &mut *guard;
        let (lift, lower) = draw(be, self.host, self.secret, self.device)?;
        let mut out = [Vec::new(), Vec::new()];
        for (words, b) in std::iter::once((0, &lift.pair[0])).chain(lower.digits.iter().map(|pair| (1, &pair[0]))) {
            let mut row = vec![0; b.shape.words()];
            be.download(b, &mut row)?;
            out[words].extend(row);
        }
        Ok(([lift.seed, lower.seed], out))
    }
}
