//! Measurement of single operations, with the same names, definitions and units on every backend and machine.

mod client;
mod evaluator;
mod memory;

use crate::{
    Error, Result,
    machine::{ComputeTarget, Host, Job, peak},
};
use polyformer_catalogue::SampleNumbers;
use polyformer_kernel::{
    backend::{Backend, Shape},
    bootstrap::{Bootstrapped, RotationStrategy},
    ckks::{
        Ckks,
        keys::{Keys, SecretKey, SecretSeed},
    },
    params::Params,
    ring::Basis,
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Op {
    /// Coeff to Eval, seconds a limb.
    NttForward,
    /// Eval to Coeff, seconds a limb.
    NttInverse,
    /// Full slots of reals to a plaintext.
    Encode,
    /// Coefficients to full slots.
    Decode,
    /// An encoded message under the secret key, c1 expanded from its seed.
    EncryptSk,
    /// An encoded message under the public key.
    EncryptPk,
    /// To coefficients.
    Decrypt,
    /// Ciphertext plus ciphertext.
    Add,
    /// Ciphertext times plaintext, not rescaled.
    MulPlain,
    /// Ciphertext times ciphertext, relinearised, rescaled.
    MulRelinRescale,
    /// A product with a plaintext, rescaled.
    Rescale,
    /// One polynomial switched to another key, divided by P.
    KeySwitch,
    /// One rotation.
    Rotate,
    /// Eight rotations of one ciphertext.
    #[value(name = "rotate_hoisted_8")]
    #[serde(rename = "rotate_hoisted_8")]
    RotateHoisted8,
    /// One rotation key, in memory.
    KeygenGalois,
    /// All real slots from the lowest possible level to the top.
    Bootstrap,
    /// Two real vectors in one bootstrap.
    BootstrapPair,
}

impl Op {
    /// Whether the parameters allow the operation at `level`.
    pub fn possible(self, params: &Params, level: u8) -> bool {
        match self {
            Op::MulRelinRescale => params.specials() > 0 && level > 0,
            Op::MulPlain | Op::Rescale => level > 0,
            Op::KeySwitch | Op::Rotate | Op::RotateHoisted8 | Op::KeygenGalois => params.specials() > 0,
            Op::Bootstrap | Op::BootstrapPair => params.bootstrap().is_some(),
            Op::EncryptPk => level <= params.max_message_level(),
            _ => true,
        }
    }
}

/// One line of the output. The fields are stable.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The operation.
    pub op: Op,
    /// The backend.
    pub backend: String,
    /// The instruction set.
    pub isa: &'static str,
    /// The name of the preset, or the hash of another parameter set.
    pub preset: String,
    /// Ring degree.
    pub n: usize,
    /// The level.
    pub level: u8,
    /// Primes of Q at the level.
    pub limbs: usize,
    /// Threads.
    pub threads: usize,
    /// Median time of one operation; of one limb for the transforms.
    pub seconds: f64,
    /// Bytes of the operands, keys and results of one operation.
    pub bytes: usize,
    /// Largest resident size of the process during the measurement.
    pub peak_bytes: usize,
    /// Of a bootstrap, its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Part>,
}

/// A stage of bootstrapping; its fields are stable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Its name.
    pub stage: &'static str,
    /// Seconds, of the middle one of three runs that are stopped after each stage.
    pub seconds: f64,
    /// Key switches.
    pub key_switches: u32,
    /// Bytes of keys that the stage reads. A key counts at every use.
    pub key_bytes: u64,
}

/// The operations to measure.
pub struct BenchSpec<'a> {
    /// Operations, in order.
    pub ops: &'a [Op],
    /// The level.
    pub level: u8,
    /// Time to spend on each.
    pub budget: Duration,
    /// The rotation strategy of bootstrapping.
    pub steps: RotationStrategy,
}

/// Measures, and calls `report` after each operation.
///
/// # Errors
/// The errors of the backend, for example a GPU with too little memory, and the errors of `report`.
pub fn run(
    host: &Host,
    on: ComputeTarget,
    plan: &BenchSpec<'_>,
    report: impl FnMut(Measured) -> Result<()>,
) -> Result<()> {
    let params = host.params();
    let words = plan.ops.iter().try_fold(0, |most, op| {
        let words = memory::words(*op, params, level_of(*op, params, plan.level), plan.steps)?;
        Ok::<_, Error>(words.max(most))
    })?;
    host.run(on, Bench { host, plan, words, report })
}

/// The level of the measurement. Bootstrapping starts at the level of its input.
fn level_of(op: Op, params: &Params, asked: u8) -> u8 {
    match (op, params.bootstrap()) {
        (Op::Bootstrap | Op::BootstrapPair, Some(b)) => b.slots_to_coeffs(),
        _ => asked,
    }
}

/// The result of one operation.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The operation.
    pub op: Op,
    /// The level of its operands.
    pub level: u8,
    /// As [`Record::seconds`].
    pub seconds: f64,
    /// As [`Record::bytes`].
    pub bytes: usize,
    /// As [`Record::peak_bytes`].
    pub peak_bytes: usize,
    /// As [`Record::stages`].
    pub stages: Vec<Part>,
}

struct Bench<'a, R> {
    host: &'a Host,
    plan: &'a BenchSpec<'a>,
    words: usize,
    report: R,
}

impl<R: FnMut(Measured) -> Result<()>> Job for Bench<'_, R> {
    type Output = ();

    fn words(&self) -> usize {
        self.words
    }

    fn run<B: Backend>(mut self, be: B) -> Result<()> {
        let params = self.host.params();
        let mut ckks = Bootstrapped::new(Ckks::new(be, params, Keys::default())?);
        let seed = SecretSeed::boxed(|bytes| crate::keys::random::fill(bytes))?;
        let mut scratch = vec![0; params.n()];
        let full = params.full();
        let sk = SecretKey::expand(&mut ckks.be, params, &seed, full, &mut scratch)?;
        let mut bench = Harness {
            ckks,
            sk,
            params,
            level: self.plan.level,
            budget: self.plan.budget,
            steps: self.plan.steps,
            scratch,
            stages: Vec::new(),
        };
        for op in self.plan.ops {
            peak::reset();
            let level = level_of(*op, params, self.plan.level);
            bench.level = level;
            let (seconds, bytes) = bench.measure(*op)?;
            (self.report)(Measured {
                op: *op,
                level,
                seconds,
                bytes,
                peak_bytes: peak::bytes(),
                stages: bench.stages.split_off(0),
            })?;
        }
        Ok(())
    }
}

/// The operands of the measurements.
struct Harness<'p, B: Backend> {
    ckks: Bootstrapped<Ckks<'p, B>>,
    sk: SecretKey<B>,
    params: &'p Params,
    level: u8,
    budget: Duration,
    steps: RotationStrategy,
    scratch: Vec<i64>,
    stages: Vec<Part>,
}

impl<B: Backend> Harness<'_, B> {
    /// Seconds and bytes of one operation.
    fn measure(&mut self, op: Op) -> Result<(f64, usize)> {
        match op {
            Op::NttForward => self.transform(|be, over, x| be.ntt(over, x)),
            Op::NttInverse => self.transform(|be, over, x| be.intt(over, x)),
            Op::Encode => self.encode(),
            Op::Decode => self.decode(),
            Op::EncryptSk => self.encrypt_sk(),
            Op::EncryptPk => self.encrypt_pk(),
            Op::Decrypt => self.decrypt(),
            Op::Add => self.add(),
            Op::MulPlain => self.mul_plain(),
            Op::MulRelinRescale => self.mul_relin_rescale(),
            Op::Rescale => self.rescale(),
            Op::KeySwitch => self.key_switch(),
            Op::Rotate => self.rotate(),
            Op::RotateHoisted8 => self.rotate_hoisted_8(),
            Op::KeygenGalois => self.keygen_galois(),
            Op::Bootstrap => self.bootstrap(false),
            Op::BootstrapPair => self.bootstrap(true),
        }
    }

    /// Over the rows of the level one after the other, as an evaluator would; the time of one.
    fn transform(
        &mut self,
        f: impl Fn(&mut B, Basis, &mut polyformer_kernel::backend::Limbs<B::Buf>),
    ) -> Result<(f64, usize)> {
        let (basis, n) = (self.params.q(self.level), self.params.n());
        let be = &mut self.ckks.be;
        let mut x = be.alloc(Shape { count: 1, basis, cols: n as u32 })?;
        be.upload_uniform(&mut x, &[1; 32], 0)?;
        finish(be)?;
        let seconds = median(self.budget, || {
            let start = Instant::now();
            f(be, basis, &mut x);
            finish(be)?;
            Ok(start.elapsed())
        })?;
        Ok((seconds / basis.len() as f64, 8 * n))
    }

    /// Bytes of `polys` polynomials at the level.
    fn bytes(&self, polys: usize) -> usize {
        polys * self.params.q(self.level).len() * self.params.n() * 4
    }

    /// Numbers in [-1, 1], the same every time.
    fn values(&self) -> Vec<f64> {
        let mut numbers = SampleNumbers::new(1);
        (0..self.params.slots()).map(|_| numbers.signed_unit()).collect()
    }
}

/// Waits for everything recorded so far, by a download of one word.
///
/// # Errors
/// The errors of the backend: no memory for a word, or a lost device.
pub fn finish<B: Backend>(be: &mut B) -> Result<()> {
    let last = be.ring().modulus_chain().end as usize;
    let word = be.alloc(Shape { count: 1, basis: Basis::span(last - 1, last), cols: 1 })?;
    Ok(be.download(&word, &mut [0])?)
}

/// The median of at least five runs after one that warms up, and as many more as the budget has time for.
fn median(budget: Duration, mut run: impl FnMut() -> Result<Duration>) -> Result<f64> {
    run()?;
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 5 || (start.elapsed() < budget && times.len() < 10_000) {
        times.push(run()?);
    }
    times.sort();
    Ok(times[times.len() / 2].as_secs_f64())
}

/// The level whose log2(Q) is nearest to `log_q`.
pub fn level_near(params: &Params, log_q: f64) -> u8 {
    let distance = |level: &u8| (params.log_product(params.q(*level)) - log_q).abs();
    (0..=params.max_level()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
}

/// The requested operations, or all possible operations but bootstrapping, which must first make gigabytes of keys.
///
/// # Errors
/// `Usage` with the first operation that is not possible at `level`.
pub fn select(asked: &[Op], params: &Params, level: u8) -> Result<Vec<Op>> {
    if let Some(op) = asked.iter().find(|op| !op.possible(params, level)) {
        let name = serde_json::to_string(op).unwrap_or_default();
        return Err(Error::usage(format!("--op {}", name.trim_matches('"')), format!("not possible at level {level}")));
    }
    let all = <Op as clap::ValueEnum>::value_variants();
    let small = |op: &Op| !matches!(op, Op::Bootstrap | Op::BootstrapPair);
    let possible = || all.iter().copied().filter(|op| op.possible(params, level) && small(op)).collect();
    Ok(if asked.is_empty() { possible() } else { asked.to_vec() })
}
