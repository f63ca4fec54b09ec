//! Encodings, keys and fresh ciphertexts.

use super::{machine::Part, owner::Owner, record::Record};
use polyformer_kernel::{
    Result,
    arith::{Arithmetic, ComplexArithmetic},
    backend::Backend,
    ckks::{
        Ckks,
        keys::{EvaluationKey, Keys, SecretKey, SecretSeed, Switch},
        raise::SPARSE_WEIGHT,
    },
    math::complex::Complex,
    params::Params,
};
use polyformer_tests::client::scattered;

/// The scheme without evaluation.
pub struct Scheme {
    /// Whether evaluation keys are made, too.
    pub keys: bool,
}

/// A vector of complex slots that no structure helps with.
pub fn complex(slots: usize) -> Vec<Complex> {
    scattered(slots, 1).iter().zip(scattered(slots, 2)).map(|(a, b)| Complex { re: a.re, im: b.re }).collect()
}

/// A vector of real slots that no structure helps with.
pub fn real(slots: usize, seed: usize) -> Vec<f64> {
    scattered(slots, seed).iter().map(|z| z.re).collect()
}

impl Part for Scheme {
    fn run<B: Backend>(&self, params: &Params, mut be: B, out: &mut Record) -> Result<()> {
        let mut owner = Owner::new(&mut be, params, 3)?;
        out.limbs("secret", &mut be, &[owner.sk.limbs()])?;
        let (slots, top) = (params.slots(), params.max_message_level());
        let mut levels = vec![0, top / 2, top];
        levels.dedup();
        for level in levels.clone() {
            out.integers(&format!("encode/real@{level}"), &owner.encoded(&scattered(slots, 5), level)?);
            out.integers(&format!("encode/complex@{level}"), &owner.encoded(&complex(slots), level)?);
            out.integers(&format!("encode/period@{level}"), &owner.encoded(&complex(slots.min(8)), level)?);
        }
        let public = owner.public_key(&mut be)?;
        out.limbs("public_key", &mut be, &[&public.pair[0], &public.pair[1]])?;
        for level in levels {
            let x = owner.encrypt(&mut be, &complex(slots), level)?;
            out.ciphertext("encrypt/secret", &mut be, &x)?;
            let (coeffs, values) = owner.decrypt(&mut be, &x)?;
            out.integers(&format!("decrypt/secret@{level}"), &coeffs);
            out.complex(&format!("decode/secret@{level}"), &values);
            let x = owner.encrypt_public(&mut be, &public, &complex(slots), level)?;
            out.ciphertext("encrypt/public", &mut be, &x)?;
            out.integers(&format!("decrypt/public@{level}"), &owner.decrypt(&mut be, &x)?.0);
        }
        if self.keys {
            keys(params, &mut be, &mut owner, out)?;
        }
        let sparse = SecretSeed::take(&mut [22; 32]);
        let full = params.modulus_chain().with(params.specials());
        let sk =
            SecretKey::<B>::expand_sparse(&mut be, params, &sparse, SPARSE_WEIGHT, full, &mut vec![0; params.n()])?;
        out.limbs("sparse_secret", &mut be, &[sk.limbs()])?;
        plaintexts(params, be, out)
    }
}

/// Evaluation keys of several levels.
fn keys<B: Backend>(params: &Params, be: &mut B, owner: &mut Owner<'_, B>, out: &mut Record) -> Result<()> {
    let (top, highest) = (params.max_message_level(), params.max_level());
    let conjugate = Switch::Galois(params.galois_conjugate());
    let rotate = |k| Switch::Galois(params.galois(k));
    let wanted = [
        ("relin", Switch::Relinearize, top),
        ("relin", Switch::Relinearize, highest),
        ("rotation1", rotate(1), highest),
        ("rotation-3", rotate(-3), top / 2),
        ("conjugation", conjugate, top),
    ];
    for (i, (name, switch, level)) in wanted.into_iter().enumerate() {
        let key = owner.key(be, switch, level)?;
        record_key(&format!("key{i}/{name}"), be, &key, out)?;
    }
    if params.bootstrap().is_some() {
        let key = owner.raise_keys(be)?;
        let [b, a] = &key.to_sparse;
        out.limbs("key/to_sparse", be, &[b, a])?;
        let [b, a] = &key.to_dense;
        out.limbs("key/to_dense", be, &[b, a])?;
    }
    Ok(())
}

/// Every digit of a key.
pub fn record_key<B: Backend>(name: &str, be: &mut B, key: &EvaluationKey<B>, out: &mut Record) -> Result<()> {
    let halves: Vec<_> = key.digits.iter().flatten().collect();
    out.limbs(&format!("{name}@{}", key.level), be, &halves)
}

/// Plaintexts as the evaluator encodes them.
fn plaintexts<B: Backend>(params: &Params, be: B, out: &mut Record) -> Result<()> {
    let (slots, top) = (params.slots(), params.max_message_level());
    let mut ev = Ckks::new(be, params, Keys::default())?;
    for level in if top > 0 { vec![0, top] } else { vec![0] } {
        for period in [slots, slots.min(16)] {
            let p = ev.encode(&real(period, 7), level)?;
            out.limbs(&format!("plaintext/real{period}@{level}"), &mut ev.be, &[p.m.limbs()])?;
            if level > 0 {
                let p = ev.encode_diagonal(&real(period, 7), level)?;
                out.limbs(&format!("plaintext/diagonal{period}@{level}"), &mut ev.be, &[p.m.limbs()])?;
                let p = ev.encode_complex(&complex(period), level)?;
                out.limbs(&format!("plaintext/complex{period}@{level}"), &mut ev.be, &[p.m.limbs()])?;
            }
        }
    }
    Ok(())
}
