//! The client of a small device, and the way of its words to the server's ring and back.

use super::{
    machine::Part,
    owner::{Owner, SECRET},
    record::Record,
    scheme::complex,
};
use polyformer_kernel::{
    Result,
    backend::Backend,
    ckks::{
        Ckks,
        embedded::{EmbeddedClient, Tables},
        keys::{Keys, SecretKey, SecretSeed, UniformHalf, uniform},
        ring_switch::{LiftKey, LowerKey, receive},
    },
    math::{
        complex::Complex,
        embedding::{ComputedRoots, Roots, fill_roots},
    },
    params::{Params, Spec, presets},
    ring::{
        entropy,
        sample::Seed,
        tables,
        twiddles::{Computed, Twiddles},
    },
};
use polyformer_tests::chain::Chain;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// A small ring of degree 2^`log_m` and the ring of the part.
pub struct Rings {
    /// log2 of the small degree.
    pub log_m: u8,
}

fn secret() -> SecretSeed {
    SecretSeed::take(&mut { SECRET })
}

/// A public seed and c0 of `values`, limb by limb.
fn ask<R: Roots, T: Twiddles>(small: &Params, plan: Tables<R, T>, values: &[Complex]) -> Result<(Seed, Vec<u32>)> {
    let device = EmbeddedClient::new(small, plan)?;
    let mut rng = entropy::generator(&mut ChaCha20Rng::from_seed([1; 32]))?;
    let (mut slots, mut limb, mut words) = (values.to_vec(), vec![0; small.n()], Vec::new());
    let secret = secret();
    let mut message = device.hide(device.encode(&mut slots)?, &secret, &mut rng);
    for i in 0..device.limbs() {
        device.encrypt(i, &mut message, &mut limb)?;
        words.extend(&limb);
    }
    Ok((*message.seed(), words))
}

/// The small client's reading of an answer.
fn read<R: Roots, T: Twiddles>(small: &Params, plan: Tables<R, T>, [c0, c1]: &[Vec<u32>; 2]) -> Result<Vec<Complex>> {
    let device = EmbeddedClient::new(small, plan)?;
    let (n, mut slots, mut limb) = (small.n(), vec![Complex::default(); small.slots()], vec![0; small.n()]);
    let mut opening = device.open(&mut slots)?;
    for i in 0..device.limbs() {
        let pairs = c0[i * n..].iter().copied().zip(c1[i * n..].iter().copied());
        device.decrypt(&mut opening, &secret(), pairs, &mut limb)?;
    }
    Ok(device.close(opening)?.to_vec())
}

/// The words of the client at its own degree, with every choice of stored tables.
pub fn device(spec: &Spec<'_>, out: &mut Record) -> Result<()> {
    let small = Params::new(spec)?;
    let mut roots = vec![Complex::default(); small.slots()];
    fill_roots(&mut roots);
    let mut twiddles = vec![0; tables::words(small.n(), small.moduli().len())];
    tables::fill(small.n(), small.moduli(), &mut twiddles);
    let (values, roots, twiddles) = (complex(small.slots()), &roots[..], &twiddles[..]);
    let (seed, words) = ask(&small, Tables { roots, twiddles }, &values)?;
    out.words("stored", &words);
    out.words("stored_roots", &ask(&small, Tables { roots, twiddles: Computed }, &values)?.1);
    out.words("stored_twiddles", &ask(&small, Tables { roots: ComputedRoots, twiddles }, &values)?.1);
    out.words("computed", &ask(&small, Tables { roots: ComputedRoots, twiddles: Computed }, &values)?.1);
    let key = uniform(&small, UniformHalf::Ciphertext, 0, &seed);
    let a = small.base().iter().flat_map(|m| {
        let mut row = vec![0; small.n()];
        polyformer_kernel::ring::sample::uniform(small.moduli()[m], &key, m as u64, &mut row);
        row
    });
    let answer = [words, a.collect()];
    out.words("uniform", &answer[1]);
    out.complex("read/stored", &read(&small, Tables { roots, twiddles }, &answer)?);
    out.complex("read/computed", &read(&small, Tables { roots: ComputedRoots, twiddles: Computed }, &answer)?);
    Ok(())
}

impl Part for Rings {
    fn run<B: Backend>(&self, params: &Params, mut be: B, out: &mut Record) -> Result<()> {
        let small = &Chain::new(&presets::C12, self.log_m).params;
        let mut owner = Owner::new(&mut be, params, 8)?;
        let (scratch, rng) = (&mut vec![0; params.n()], &mut ChaCha20Rng::from_seed([9; 32]));
        let all = params.modulus_chain().with(params.specials());
        let device = SecretKey::expand_small(&mut be, small, &secret(), all, scratch)?;
        out.limbs("small_secret", &mut be, &[device.limbs()])?;
        let lift = LiftKey::generate(&mut be, params, small, [&device, &owner.sk], rng, scratch)?;
        let lower = LowerKey::generate(&mut be, params, small, [&owner.sk, &device], rng, scratch)?;
        out.limbs("key/lift", &mut be, &lift.pair.iter().collect::<Vec<_>>())?;
        out.limbs("key/lower", &mut be, &lower.digits.iter().flatten().collect::<Vec<_>>())?;

        let plan = Tables { roots: ComputedRoots, twiddles: Computed };
        let (seed, words) = ask(small, plan, &complex(small.slots()))?;
        out.words("question", &words);
        let other = owner.encrypt(&mut be, &complex(params.slots()), 0)?;
        let mut ev = Ckks::new(be, params, Keys::default())?;
        let question = receive(&mut ev.be, params, small, &words, &seed)?;
        let lifted = ev.lift(&lift, &question)?;
        out.ciphertext("lifted", &mut ev.be, &lifted)?;
        for (name, x) in [("lifted", &lifted), ("other", &other)] {
            let answer = ev.lower(&lower, small, x)?;
            out.words(&format!("{name}/lowered"), &answer.concat());
            out.complex(&format!("{name}/read"), &read(small, plan, &answer)?);
        }
        Ok(())
    }
}
