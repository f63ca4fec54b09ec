//! Encryption and decryption of encoded messages. Needs no allocator: whoever holds the memory of a limb or two can
//! be a client, by calling these over one modulus at a time.

use super::{
    Ciphertext,
    keys::{PublicKey, SecretKey},
};
use crate::{
    backend::{Backend, Op, Shape},
    error::{Error, Result},
    modular::Modulus,
    params::Params,
    poly::{Coeff, Eval, Poly},
    ring::{
        Basis,
        sample::{self, Seed},
    },
};
use zeroize::Zeroize;

/// Symmetric encryption (b, a) over `basis` of a message that already carries its error: b = noisy - a s, a expanded
/// from `seed`, stream `stream`, which never serve twice. A small device calls this over one modulus at a time, with
/// the same `noisy` and `seed`: the rows are those of one call over all of them.
pub fn symmetric<B: Backend>(
    be: &mut B,
    sk: &SecretKey<B>,
    basis: Basis,
    noisy: &[i64],
    seed: &Seed,
    stream: u64,
) -> Result<[Poly<Eval, B>; 2]> {
    let shape = Shape { count: 1, basis, cols: be.ring().n() as u32 };
    let mut b = Poly::<Coeff, B>::from_signed(be, shape, noisy)?.ntt(be);
    let (mut a, mut tmp) = (Poly::<Eval, B>::alloc(be, shape)?, be.alloc(shape)?);
    be.upload_uniform(a.limbs_mut(), seed, stream)?;
    be.zip(Op::Mul, basis, &mut tmp, a.limbs(), sk.limbs());
    be.zip_assign(Op::Sub, basis, b.limbs_mut(), &tmp);
    Ok([b, a])
}

/// Symmetric encryption of encoded coefficients at `level`: adds [`sample::error`] to `coeffs`, encrypts, and wipes
/// them. `seed` is public and fresh: whoever has it and c0 has the ciphertext.
///
/// Noise: [`super::noise::fresh_symmetric`].
pub fn encrypt<B: Backend>(
    be: &mut B,
    params: &Params,
    sk: &SecretKey<B>,
    level: u8,
    coeffs: &mut [i64],
    seed: &Seed,
    rng: &mut impl rand_core::CryptoRng,
) -> Result<Ciphertext<B>> {
    sample::error(rng, coeffs);
    let c = symmetric(be, sk, params.q(level), coeffs, seed, 0);
    coeffs.zeroize();
    Ok(Ciphertext { c: c?, level })
}

/// Public-key encryption at `level`: (b v + m + e0, a v + e1) with a fresh ternary v. `pk` covers the level.
/// `scratch` holds n integers; it and `coeffs` are wiped.
///
/// Noise: [`super::noise::fresh_public`], 2^8 times that of [`encrypt`] at N = 2^16, and twice the upload.
pub fn encrypt_public<B: Backend>(
    be: &mut B,
    params: &Params,
    pk: &PublicKey<B>,
    level: u8,
    coeffs: &mut [i64],
    rng: &mut impl rand_core::CryptoRng,
    scratch: &mut [i64],
) -> Result<Ciphertext<B>> {
    let basis = params.q(level);
    let shape = Shape { count: 1, basis, cols: params.n() as u32 };
    sample::ternary(rng, scratch);
    let v = Poly::<Coeff, B>::from_signed(be, shape, scratch)?.ntt(be);
    sample::error(rng, coeffs);
    let mut c0 = Poly::<Coeff, B>::from_signed(be, shape, coeffs)?.ntt(be);
    coeffs.zeroize();
    scratch.fill(0);
    sample::error(rng, scratch);
    let mut c1 = Poly::<Coeff, B>::from_signed(be, shape, scratch)?.ntt(be);
    scratch.zeroize();
    be.mul_add(basis, c0.limbs_mut(), &pk.pair[0], v.limbs());
    be.mul_add(basis, c1.limbs_mut(), &pk.pair[1], v.limbs());
    Ok(Ciphertext { c: [c0, c1], level })
}

/// Decrypts item `item` of a batch to the centred coefficients of scale(level) m + e. Only the base primes are
/// needed, since messages fit there at every level. `sk` covers the base; `words` holds base.len() x n words for
/// each item of the batch, `coeffs` n integers.
///
/// The result carries noise that depends on the secret: it is private to the key's owner (PARAMETERS §6).
pub fn decrypt<B: Backend>(
    be: &mut B,
    params: &Params,
    sk: &SecretKey<B>,
    ct: &Ciphertext<B>,
    item: u16,
    words: &mut [u32],
    coeffs: &mut [i64],
) -> Result<()> {
    let (basis, n) = (params.base(), params.n());
    let count = ct.c[0].shape().count;
    let shape = Shape { count, basis, cols: n as u32 };
    if coeffs.len() != n {
        return Err(Error::Length { expected: n, actual: coeffs.len() });
    }
    if item >= count {
        return Err(Error::Length { expected: count as usize, actual: item as usize });
    }
    let mut m = Poly::<Eval, B>::alloc(be, shape)?;
    be.zip(Op::Mul, basis, m.limbs_mut(), ct.c[1].limbs(), sk.limbs());
    be.zip_assign(Op::Add, basis, m.limbs_mut(), ct.c[0].limbs());
    let m = m.intt(be);
    be.download(m.limbs(), words)?;
    let words = &words[shape.at(item as usize, basis.start as usize)..][..basis.len() * n];
    let q0 = params.moduli()[basis.start as usize];
    match basis.len() {
        1 => coeffs.iter_mut().zip(words).for_each(|(c, x)| *c = centered(*x as u64, q0.q() as u64)),
        _ => garner(coeffs, words, q0, params.moduli()[basis.start as usize + 1]),
    }
    Ok(())
}

/// Two residues to the centred integer modulo q0 q1 < 2^60.
fn garner(coeffs: &mut [i64], words: &[u32], q0: Modulus, q1: Modulus) {
    let product = q0.q() as u64 * q1.q() as u64;
    let inverse = q1.to_mont(q1.inv(q1.reduce(q0.q())));
    let (low, high) = words.split_at(coeffs.len());
    for ((c, x0), x1) in coeffs.iter_mut().zip(low).zip(high) {
        let k = q1.mul(q1.sub(*x1, q1.reduce(*x0)), inverse); // x = x0 + k q0
        *c = centered(*x0 as u64 + k as u64 * q0.q() as u64, product);
    }
}

/// The representative of x in [-q/2, q/2), without a branch.
fn centered(x: u64, q: u64) -> i64 {
    let above = ((q / 2).wrapping_sub(x) >> 63) as i64; // 1 if x > q/2
    x as i64 - above * q as i64
}
