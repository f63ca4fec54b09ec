//! The client of a small device: the same code as on the board, compiled for this machine.

use crate::{
    client::secret_bytes,
    mark::{defined, undefined},
};
use polyformer_kernel::{
    ckks::{
        embedded::{EmbeddedClient, Tables},
        keys::{self, SecretSeed, UniformHalf},
    },
    math::{complex::Complex, embedding::ComputedRoots},
    params::{Params, presets::C12},
    ring::{sample, twiddles::Computed},
    wipe::SecretRng,
};

pub fn run() {
    let params = Params::new(&C12).unwrap();
    let client = EmbeddedClient::new(&params, Tables { roots: ComputedRoots, twiddles: Computed }).unwrap();
    let secret = SecretSeed::take(&mut secret_bytes(9));
    let mut rng = SecretRng::from_seed(&secret_bytes(5));

    let mut slots: Vec<Complex> = (0..params.slots()).map(|i| Complex { re: (i as f64).sin(), im: 0.25 }).collect();
    undefined(&slots);
    let (mut words, mut c0) = (vec![0; params.n()], Vec::new());
    let message = client.encode(&mut slots).unwrap();
    let mut masked = client.hide(message, &secret, &mut rng);
    defined(std::slice::from_ref(&masked)); // its public seed; coefficients and secret are behind addresses
    for limb in 0..client.limbs() {
        client.encrypt(limb, &mut masked, &mut words).unwrap();
        c0.extend_from_slice(&words);
    }
    let uniform = keys::uniform(&params, UniformHalf::Ciphertext, 0, masked.seed());
    drop(masked);

    let mut opening = client.open(&mut slots).unwrap();
    for (limb, c0) in c0.chunks_exact(params.n()).enumerate() {
        let mut a = vec![0; params.n()];
        sample::uniform(params.moduli()[limb], &uniform, limb as u64, &mut a);
        client.decrypt(&mut opening, &secret, c0.iter().copied().zip(a), &mut words).unwrap();
    }
    let values = client.close(opening).unwrap();
    defined(values);
    let worst = values.iter().enumerate().map(|(i, z)| (z.re - (i as f64).sin()).abs().max((z.im - 0.25).abs()));
    assert!(worst.fold(0.0, f64::max) < 1e-3, "a wrong result proves nothing");
}
