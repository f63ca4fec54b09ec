//! Times encode, multiply-relinearise-rescale and rotate at N = 2^16 and log2 Q near 1164, in Polyformer and in Poulpy
//! on AVX-512 IFMA.
//!
//! Poulpy's modulus is a power of two. Its product drops the bits of one scale, which is its rescale. Its plaintexts
//! are integers of their own width; Polyformer's encoder converts to every prime of the level.

use polyformer_cpu::{Cpu, Isa};
use polyformer_kernel::{arith::Arithmetic, ckks::{Ciphertext, Ckks, encode, encrypt, keys::{EvaluationKey, Keys, SecretKey, SecretSeed, Switch}}, math::{complex::Complex, embedding::fill_roots}, params::Params};
use peers::{Duel, Result, b16, head, pin, seconds};
use poulpy_ckks::prelude::*;
use poulpy_core::{
    GLWEAutomorphismKeyEncryptSk, GLWETensorKeyEncryptSk,
    api::{
        GLWEAutomorphismKeyPreparedFactory, GLWESecretPreparedFactory, GLWESecretSampling, GLWETensorKeyPreparedFactory,
    },
    layouts::{
        GLWEAutomorphismKeyAlloc, GLWEAutomorphismKeyLayout, GLWELayout, GLWESecretAlloc, GLWETensorKeyAlloc,
        GLWETensorKeyLayout, Rank,
    },
};
use poulpy_cpu_avx512::NTT3x42Ifma;
use poulpy_hal::{
    api::{ScratchOwnedAlloc, ScratchOwnedBorrow},
    layouts::{Module, ScratchOwned},
    source::Source,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{collections::HashMap, time::Duration};

const N: usize = 1 << 16;
const LOG_Q: f64 = 1164.0;
const BUDGET: Duration = Duration::from_secs(8); // a row
const ROUNDS: usize = 7;

const BASE2K: usize = 52;
const DNUM: usize = 3;
const LOG_DELTA: usize = 45;
const WEIGHT: usize = 1024; // of the secret, as in its presets at this degree
const K: usize = LOG_Q as usize;
const DIGIT: usize = K.div_ceil(DNUM).div_ceil(BASE2K) * BASE2K; // whole words
const GUARD: usize = DIGIT + N.ilog2() as usize; // as its documentation proposes

/// Ours, at the level whose modulus is nearest.
struct Ours<'p> {
    ckks: Ckks<'p, Cpu<'p>>,
    params: &'p Params,
    sk: SecretKey<Cpu<'p>>,
    level: u8,
    rng: ChaCha20Rng,
}

impl<'p> Ours<'p> {
    fn new(params: &'p Params, twiddles: &'p [u32]) -> Result<Self> {
        let be = Cpu::with(params.ring(twiddles)?, Isa::detect(), 1);
        let mut ckks = Ckks::new(be, params, Keys::default())?;
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let secret = SecretSeed::generate(&mut rng);
        let full = params.full();
        let sk = SecretKey::expand(&mut ckks.be, params, &secret, full, &mut vec![0; N])?;
        let distance = |level: &u8| (params.log_product(params.q(*level)) - LOG_Q).abs();
        let level = (0..=params.max_level()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
        Ok(Self { ckks, params, sk, level, rng })
    }

    fn key(&mut self, switch: Switch) -> Result<EvaluationKey<Cpu<'p>>> {
        let (at, be) = ((switch, self.level), &mut self.ckks.be);
        Ok(EvaluationKey::generate(be, self.params, &self.sk, at, &mut self.rng, &mut vec![0; N])?)
    }

    fn encrypt(&mut self, values: &[f64]) -> Result<Ciphertext<Cpu<'p>>> {
        let mut roots = vec![Complex::default(); N / 2];
        fill_roots(&mut roots);
        let mut slots: Vec<Complex> = values.iter().copied().map(Complex::from).collect();
        let (scale, mut coeffs) = (self.params.scale(self.level), vec![0; N]);
        encode::encode(&roots, &mut slots, scale, encode::MAX_BITS, &mut coeffs)?;
        let (be, level) = (&mut self.ckks.be, self.level);
        Ok(encrypt::encrypt(be, self.params, &self.sk, level, &mut coeffs, &mut self.rng)?)
    }
}

fn main() -> Result<()> {
    let processor = pin()?;
    let values: Vec<f64> = (0..N / 2).map(|i| ((i * 7919) % 1009) as f64 / 504.0 - 1.0).collect();

    let (params, twiddles) = b16()?;
    let mut us = Ours::new(&params, &twiddles)?;
    let relin = us.key(Switch::Relinearize)?;
    let galois = params.galois(1);
    let turn = us.key(Switch::Galois(galois))?;
    us.ckks.keys_mut().0.relin = Some(relin);
    us.ckks.keys_mut().0.galois.insert(galois, turn);
    let (x, y) = (us.encrypt(&values)?, us.encrypt(&values)?);

    let module = Module::<NTT3x42Ifma>::new(N as u64);
    let glwe = GLWELayout { n: N.into(), base2k: BASE2K.into(), k: K.into(), rank: Rank(1) };
    let tensor = GLWETensorKeyLayout {
        n: N.into(),
        base2k: BASE2K.into(),
        k_aux: GUARD.into(),
        rank: Rank(1),
        k_digit: DIGIT.into(),
        dnum: DNUM.into(),
    };
    let turning = GLWEAutomorphismKeyLayout {
        n: N.into(),
        base2k: BASE2K.into(),
        k_aux: GUARD.into(),
        rank: Rank(1),
        k_digit: DIGIT.into(),
        dnum: DNUM.into(),
    };
    let (mut xs, mut xa, mut xe) = (Source::new([5; 32]), Source::new([6; 32]), Source::new([7; 32]));
    let mut raw = module.glwe_secret_alloc_from_infos(&glwe);
    module.glwe_secret_fill_ternary_hw(&mut raw, WEIGHT, &mut xs);
    let mut sk = module.glwe_secret_prepared_alloc_from_infos(&glwe);
    module.glwe_secret_prepare(&mut sk, &raw);
    let infos = module.ckks_ciphertext_alloc_from_glwe_infos(&glwe);
    let bytes = module.ckks_all_ops_with_atk_tmp_bytes(&infos, &infos, &tensor, &turning);
    let mut scratch = ScratchOwned::<NTT3x42Ifma>::alloc(bytes);
    let mut key = module.glwe_tensor_key_alloc_from_infos(&tensor);
    module.glwe_tensor_key_encrypt_sk(&mut key, &raw, &mut xa, &mut xe, &mut scratch.borrow());
    let mut tensor_key = module.glwe_tensor_key_prepared_alloc_from_infos(&tensor);
    module.glwe_tensor_key_prepare(&mut tensor_key, &key, &mut scratch.borrow());
    let element = module.ckks_galois_element(1);
    let mut key = module.glwe_automorphism_key_alloc_from_infos(&turning);
    module.glwe_automorphism_key_encrypt_sk(&mut key, element, &raw, &mut xa, &mut xe, &mut scratch.borrow());
    let mut turning_key = module.glwe_automorphism_key_prepared_alloc_from_infos(&turning);
    module.glwe_automorphism_key_prepare(&mut turning_key, &key, &mut scratch.borrow());
    let turning_keys = HashMap::from([(element, turning_key)]);

    let zeros = vec![0.0; N / 2];
    let meta = GLWEPlaintextMeta { scale: Scale::Log(LOG_DELTA), slots: SlotsKind::Complex, log_sparsity: 0 };
    let mut plain = module.ckks_plaintext_alloc_from_slots(N / 2, BASE2K.into(), (LOG_DELTA + 7).into());
    plain.set_meta(meta);
    module.ckks_encode_slots_host_into(&mut plain, &values, &zeros, &mut scratch.borrow())?;
    let mut encrypted = || -> Result<_> {
        let mut ct = module.ckks_ciphertext_alloc(BASE2K.into(), K.into());
        module.ckks_encrypt_sk(&mut ct, &plain, &sk, &mut xe, &mut xa, &mut scratch.borrow())?;
        Ok(ct)
    };
    let (a, b) = (encrypted()?, encrypted()?);
    let mut product = module.ckks_ciphertext_alloc(BASE2K.into(), (K - LOG_DELTA).into());
    let mut turned = module.ckks_ciphertext_alloc(BASE2K.into(), K.into());

    let (log_q, limbs) = (params.log_product(params.q(us.level)), params.q(us.level).len());
    eprintln!(
        "processor {processor}, {}; level {}, {limbs} limbs, log2 Q {log_q:.0}",
        us.ckks.be.isa().name(),
        us.level
    );
    eprintln!("Poulpy: log2 Q {K}, {DNUM} digits of {DIGIT} bits, keys of {} bits", DNUM * DIGIT + GUARD);
    println!("{}", head("Poulpy 0.10", "ms"));
    let level = us.level;
    let encode = Duel::fight(
        ROUNDS,
        BUDGET,
        || seconds(|| Ok(us.ckks.encode(&values, level)?)),
        || seconds(|| Ok(module.ckks_encode_slots_host_into(&mut plain, &values, &zeros, &mut scratch.borrow())?)),
    )?;
    println!("{}", encode.row("encode; Poulpy to 52 bits", 1e-3));
    let mut wide = module.ckks_plaintext_alloc_from_slots(N / 2, BASE2K.into(), K.into());
    wide.set_meta(meta);
    let encode_wide = Duel::fight(
        ROUNDS,
        BUDGET,
        || seconds(|| Ok(us.ckks.encode(&values, level)?)),
        || seconds(|| Ok(module.ckks_encode_slots_host_into(&mut wide, &values, &zeros, &mut scratch.borrow())?)),
    )?;
    println!("{}", encode_wide.row("encode, over all of Q", 1e-3));
    let by_plain = Duel::fight(
        ROUNDS,
        BUDGET,
        || {
            seconds(|| {
                let p = us.ckks.encode(&values, level)?;
                let w = us.ckks.mul_plain(&x, &p)?;
                Ok(us.ckks.rescale(w)?)
            })
        },
        || {
            seconds(|| {
                module.ckks_encode_slots_host_into(&mut plain, &values, &zeros, &mut scratch.borrow())?;
                Ok(module.ckks_mul_pt_vec_into(&mut product, &a, &plain, &mut scratch.borrow())?)
            })
        },
    )?;
    println!("{}", by_plain.row("encode, multiply, rescale", 1e-3));
    let multiply = Duel::fight(
        ROUNDS,
        BUDGET,
        || seconds(|| Ok(us.ckks.product(&x, &y)?)),
        || seconds(|| Ok(module.ckks_mul_into(&mut product, &a, &b, &tensor_key, &mut scratch.borrow())?)),
    )?;
    println!("{}", multiply.row("multiply, relinearise, rescale", 1e-3));
    let rotate = Duel::fight(
        ROUNDS,
        BUDGET,
        || seconds(|| Ok(us.ckks.rotate(&x, 1)?)),
        || seconds(|| Ok(module.ckks_rotate_into(1, &mut turned, &a, &turning_keys, &mut scratch.borrow())?)),
    )?;
    println!("{}", rotate.row("rotate", 1e-3));

    let worst = |ct, want: &dyn Fn(usize) -> f64, scratch: &mut ScratchOwned<NTT3x42Ifma>| -> Result<f64> {
        let ct: &CKKSCiphertext<_, _, _> = ct;
        let mut out = module.ckks_plaintext_alloc_from_slots(N / 2, BASE2K.into(), (LOG_DELTA + 7).into());
        out.set_meta(meta);
        module.ckks_decrypt(&mut out, ct, &sk, &mut scratch.borrow())?;
        let (mut re, mut im) = (vec![0.0f64; N / 2], vec![0.0f64; N / 2]);
        module.ckks_decode_slots_host_into(&out, &mut re, &mut im, &mut scratch.borrow())?;
        Ok(re.iter().enumerate().map(|(i, v)| (v - want(i)).abs()).fold(0.0, f64::max))
    };
    let of_product = worst(&product, &|i| values[i] * values[i], &mut scratch)?;
    let of_turn = worst(&turned, &|i| values[(i + 1) % (N / 2)], &mut scratch)?;
    eprintln!("Poulpy's worst errors: product {of_product:.1e}, rotation {of_turn:.1e}");
    if of_product.max(of_turn) < 1e-4 { Ok(()) } else { Err("its results are wrong".into()) }
}
