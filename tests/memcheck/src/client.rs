//! A client on a backend: every operation with a secret, an error or a message.

use crate::mark::{defined, undefined};
use polyformer_cpu::{Cpu, Isa};
use polyformer_kernel::{
    backend::Backend,
    ckks::{
        Encoder,
        encrypt::{self, Encryptor},
        keys::{KeyDigits, PublicKey, SecretKey, SecretSeed, Switch},
        raise::RaiseKeys,
    },
    math::complex::Complex,
    params::Params,
    wipe::SecretRng,
};
use polyformer_tests::chain::Chain;
use rand_core::{TryCryptoRng, TryRng};
use std::convert::Infallible;

const LOG_N: u8 = 8;

/// Bytes that count as secret.
pub fn secret_bytes(value: u8) -> [u8; 32] {
    let bytes = [value; 32];
    undefined(&bytes);
    bytes
}

/// A generator under a secret seed. What it fills at the first `public` requests for bytes is public: seeds that are sent.
struct Generator {
    rng: SecretRng,
    public: usize,
}

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.rng.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.rng.try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.rng.try_fill_bytes(out)?;
        if self.public > 0 {
            defined(out);
            self.public -= 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Generator {}

pub fn on_scalar() {
    let (params, mut be) = Chain::b16(LOG_N).into_scalar(60);
    run(params, &mut be);
}

/// The widest instructions that valgrind knows.
pub fn on_cpu() {
    let chain = Chain::b16(LOG_N);
    run(&chain.params, &mut Cpu::with(chain.ring(), Isa::detect(), 1));
}

fn run<B: Backend>(params: &Params, be: &mut B) {
    let seed = SecretSeed::take(&mut secret_bytes(7));
    let rng = |public| Generator { rng: SecretRng::from_seed(&secret_bytes(5)), public };
    let mut scratch = vec![0; params.n()];

    let sk = SecretKey::expand(be, params, &seed, params.full(), &mut scratch).unwrap();
    let public = PublicKey::generate(be, params, &sk, params.modulus_chain(), &mut rng(1), &mut scratch).unwrap();
    for switch in [Switch::Relinearize, Switch::Galois(5)] {
        let mut digits = KeyDigits::new(params, &sk, (switch, 2), &mut rng(1));
        digits.draw(be, &mut rng(0), &mut scratch).unwrap();
    }
    RaiseKeys::generate(be, params, &sk, &mut rng(1), &mut scratch).unwrap();

    let slots: Vec<Complex> = (0..params.slots()).map(|i| Complex { re: (i as f64).sin(), im: 0.25 }).collect();
    undefined(&slots);
    let mut encoder = Encoder::new(params);
    let coeffs = encoder.encode(slots.iter().copied(), params.scale(2)).unwrap();
    let mut copy = coeffs.to_vec();
    let mut encryptor = Encryptor::new(params, &mut rng(1));
    let ours = encryptor.encrypt(be, &sk, 2, coeffs, &mut rng(0)).unwrap();
    let theirs = encrypt::encrypt_public(be, params, &public, 2, &mut copy, &mut rng(0), &mut scratch).unwrap();

    let (mut words, mut out) = (vec![0; params.base().len() * params.n()], vec![0; params.n()]);
    for ciphertext in [&ours, &theirs] {
        encrypt::decrypt(be, params, &sk, ciphertext, 0, &mut words, &mut out).unwrap();
        let values = encoder.decode(&out, params.scale(2)).unwrap();
        defined(&values);
        let worst = values.iter().enumerate().map(|(i, z)| (z.re - (i as f64).sin()).abs().max((z.im - 0.25).abs()));
        assert!(worst.fold(0.0, f64::max) < 1e-3, "a wrong result proves nothing");
    }
    sk.wipe(be).unwrap();
    be.wipe().unwrap();
}
