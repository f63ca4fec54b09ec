//! The speed of a machine for each kind of a backend's work, and the predicted seconds of a plan. The kinds are
//! measured on uniform words at a few levels, through the evaluator of the circuits. Between the levels the prediction
//! is linear.

use crate::{
    Error, Result,
    error::WithPath,
    files::{Access, Form, Output, input},
    keys::random,
    machine::{ComputeTarget, Host, Job},
    spec::SpecBuf,
};
use polyformer_kernel::{
    arith::{
        Arithmetic, ComplexArithmetic, Transform,
        cost::{Tally, Work},
    },
    backend::{Backend, Limbs, Pair, Shape, poly::Poly},
    ckks::{
        Ciphertext, Ckks,
        keys::{EvaluationKey, Keys, key_basis, key_digits},
        raise::{RaiseKeys, dense_basis, sparse_basis},
    },
    params::Params,
    ring::{Basis, sample::Seed},
};
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Instant};

/// Seconds of one piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    work: String,
    level: u8,
    seconds: f64,
}

/// The figures of a machine, for one parameter set, backend and number of threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    /// Hash of the parameter set.
    pub params: String,
    /// The backend.
    pub backend: String,
    /// Its instructions.
    pub isa: String,
    /// Its threads.
    pub threads: usize,
    figures: Vec<Entry>,
}

/// Periods at which encoding is timed.
const PERIODS: [u32; 3] = [128, 2048, 32768];
/// Polynomials whose memory is touched for the first time.
const POLYNOMIALS: usize = 24;
/// Rotations that share a mod_up.
const STEPS: [i32; 4] = [1, 2, 3, 4];

fn name(work: Work) -> String {
    match work {
        Work::ModUp => "mod_up".into(),
        Work::Gadget => "gadget".into(),
        Work::ModDown => "mod_down".into(),
        Work::Term => "term".into(),
        Work::Tensor => "tensor".into(),
        Work::Rescale => "rescale".into(),
        Work::Pass => "pass".into(),
        Work::Encode(slots) => format!("encode_{slots}"),
        Work::Raise => "raise".into(),
        Work::Fresh => "fresh".into(),
    }
}

/// Linear interpolation through the nearest two of the sorted `points`, at x; at least 0.
fn between(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let above = points.iter().position(|p| p.0 >= x).unwrap_or(points.len()).clamp(1, points.len().max(2) - 1);
    match points.get(above - 1..=above) {
        Some(&[(x0, y0), (x1, y1)]) => Some((y0 + (y1 - y0) * (x - x0) / (x1 - x0)).max(0.0)),
        _ => points.first().map(|p| p.1),
    }
}

impl Speed {
    /// Times everything on this machine: about a quarter of a minute for B16.
    ///
    /// # Errors
    /// The errors of the backend: no memory, or a lost device.
    pub fn measure(host: &Host, on: ComputeTarget, spec: &SpecBuf, step: &dyn Fn()) -> Result<Self> {
        let figures = host.run(on, Measure { host, step })?;
        Ok(Self {
            params: spec.hash().to_hex().to_string(),
            backend: on.backend.to_string(),
            isa: on.isa().into(),
            threads: on.uses(),
            figures,
        })
    }

    /// Levels that are timed.
    pub fn levels(params: &Params) -> Vec<u8> {
        let (top, highest) = (params.max_message_level(), params.max_level());
        let mut levels: Vec<u8> = (1..=top).step_by(4).chain([top]).chain((top..=highest).step_by(6)).collect();
        levels.push(highest);
        levels.sort();
        levels.dedup();
        levels
    }

    /// Reads a file of [`Speed::write`], which must be of this parameter set.
    ///
    /// # Errors
    /// The path with what is wrong: a file that cannot be read, or is no file of figures. `Usage` for figures of
    /// another parameter set.
    pub fn read(path: &Path, spec: &SpecBuf) -> Result<Self> {
        let bytes = input::read(path, input::MAX_TEXT).with_path(path)?;
        let speed: Self = serde_json::from_slice(&bytes).map_err(std::io::Error::from).with_path(path)?;
        let (actual, expected) = (&speed.params, spec.hash().to_hex());
        if **actual != *expected {
            let short = |hash: &str| hash.get(..16).unwrap_or(hash).to_string();
            let what = format!("figures of parameter set {}, {} is needed", short(actual), short(&expected));
            return Err(Error::usage(path.display().to_string(), what));
        }
        Ok(speed)
    }

    /// Reserves the file of [`Speed::write`] before the measurement.
    ///
    /// # Errors
    /// Those of [`Output::reserve`].
    pub fn reserve(path: &Path, inputs: &[&Path]) -> Result<Output> {
        let own = |_: &std::fs::Metadata, bytes: &[u8]| serde_json::from_slice::<Self>(bytes).is_ok();
        let form = Form::Other { what: "a file of figures", text: true, own: &own };
        Output::reserve(path, form, Access::Shared, inputs).with_path(path)
    }

    /// Writes the figures.
    ///
    /// # Errors
    /// Those of [`Output::write`].
    pub fn write(&self, out: Output) -> crate::files::Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        out.write(|file| file.write_all(text.as_bytes()))
    }

    /// Seconds of this much work.
    pub fn seconds(&self, tally: &Tally) -> f64 {
        tally.iter().map(|((work, level), count)| *count as f64 * self.one(*work, *level)).sum()
    }

    fn one(&self, work: Work, level: u8) -> f64 {
        let Work::Encode(slots) = work else { return self.at(&name(work), level).unwrap_or(0.0) };
        let periods = PERIODS.iter().filter_map(|p| Some((*p as f64, self.at(&name(Work::Encode(*p)), level)?)));
        between(&periods.collect::<Vec<_>>(), slots as f64).unwrap_or(0.0)
    }

    fn at(&self, name: &str, level: u8) -> Option<f64> {
        let figures = self.figures.iter().filter(|f| f.work == name);
        let mut points: Vec<(f64, f64)> = figures.map(|f| (f.level as f64, f.seconds)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        between(&points, level as f64)
    }
}

struct Measure<'a> {
    host: &'a Host,
    step: &'a dyn Fn(),
}

/// Seconds of `work` on the result of `make`: the lower quartile, which other programs disturb least.
fn time<S, T, O>(
    s: &mut S,
    mut make: impl FnMut(&mut S) -> Result<T>,
    mut work: impl FnMut(&mut S, T) -> Result<O>,
) -> Result<f64> {
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < 9 || (begin.elapsed().as_secs_f64() < 0.2 && times.len() < 40) {
        let x = make(s)?;
        let start = Instant::now();
        let out = work(s, x)?;
        times.push(start.elapsed().as_secs_f64());
        drop(out);
    }
    times.remove(0); // the first touches new memory
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 4])
}

fn nothing<S>(_: &mut S) -> Result<()> {
    Ok(())
}

/// Uniform words.
fn uniform<B: Backend>(be: &mut B, basis: Basis) -> Result<Limbs<B::Buf>> {
    let mut words = be.alloc(Shape { count: 1, basis, cols: be.ring().n() as u32 })?;
    be.upload_uniform(&mut words, &random::bytes()?, 0)?;
    Ok(words)
}

/// Two halves of uniform words. For measurements of time such words are as good as a key.
fn pair<B: Backend>(be: &mut B, basis: Basis) -> Result<Pair<B::Buf>> {
    Ok([uniform(be, basis)?, uniform(be, basis)?])
}

impl Job for Measure<'_> {
    type Output = Vec<Entry>;

    fn run<B: Backend>(self, mut be: B) -> Result<Vec<Entry>> {
        let params = self.host.params();
        if params.specials() == 0 {
            return Err(Error::usage("calibrate", "these parameters have no P: nothing is computed under them"));
        }
        let highest = params.max_level();
        let fresh = Entry { work: name(Work::Fresh), level: highest, seconds: fresh(&mut be, params)? };
        let mut keys = Keys::default();
        for step in STEPS {
            let digits = (0..key_digits(params, highest)).map(|_| pair(&mut be, key_basis(params, highest)));
            let key = EvaluationKey { level: highest, seed: Seed::default(), digits: digits.collect::<Result<_>>()? };
            keys.galois.insert(params.galois(step), key);
        }
        if params.bootstrap().is_some() {
            let (to_sparse, to_dense) = (pair(&mut be, sparse_basis(params)?)?, pair(&mut be, dense_basis(params))?);
            keys.raise = Some(RaiseKeys { seed: Seed::default(), to_sparse, to_dense });
        }
        let mut ev = Ckks::new(be, params, keys)?;
        let mut out = vec![fresh];
        for level in Speed::levels(params) {
            for (work, seconds) in at_level(&mut ev, level)? {
                out.push(Entry { work: name(work), level, seconds });
            }
            (self.step)();
        }
        if params.bootstrap().is_some() {
            let low = |ev: &mut Ckks<'_, B>| ciphertext(ev, 0);
            let seconds = time(&mut ev, low, |ev, x| Ok(ev.mod_raise(x, highest)?))?;
            out.push(Entry { work: name(Work::Raise), level: highest, seconds });
        }
        Ok(out)
    }
}

/// Additional seconds of a polynomial over P and the modulus chain whose memory is touched for the first time. The
/// backend must not have returned any memory before.
fn fresh<B: Backend>(be: &mut B, params: &Params) -> Result<f64> {
    let basis = params.full();
    let x = uniform(be, basis)?;
    let (mut held, mut times) = (Vec::new(), Vec::new());
    for _ in 0..POLYNOMIALS {
        let mut y = be.alloc(x.shape)?;
        let mut copied = || -> Result<f64> {
            let start = Instant::now();
            be.copy(basis, &mut y, &x);
            be.submit()?;
            Ok(start.elapsed().as_secs_f64())
        };
        let first = copied()?;
        times.push((first - copied()?).max(0.0));
        held.push(y); // or the next would not be fresh
    }
    Ok(times.iter().sum::<f64>() / times.len() as f64)
}

fn ciphertext<B: Backend>(ev: &mut Ckks<'_, B>, level: u8) -> Result<Ciphertext<B>> {
    let basis = ev.params().q(level);
    Ok(Ciphertext { c: pair(&mut ev.be, basis)?.map(Poly::assume), level })
}

/// Every kind of work at one level.
fn at_level<B: Backend>(ev: &mut Ckks<'_, B>, level: u8) -> Result<Vec<(Work, f64)>> {
    let x = ciphertext(ev, level)?;
    let one = time(ev, nothing, |ev, ()| Ok(ev.hoist(&x, &STEPS[..1])?))?;
    let all = time(ev, nothing, |ev, ()| Ok(ev.hoist(&x, &STEPS)?))?;
    let gadget = ((all - one) / (STEPS.len() - 1) as f64).max(0.0);
    let h = ev.hoist(&x, &STEPS)?;
    let down = time(ev, nothing, |ev, ()| Ok(ev.hoisted(&h, 1)?))?;
    let plain = ev.encode_diagonal(&[1.0; 128], level)?;
    let terms = vec![Some(&plain); STEPS.len()];
    let map = Transform { baby_steps: &STEPS, giant_steps: &[0], plain: &terms };
    let term = time(ev, nothing, |ev, ()| Ok(ev.transform(&h, &map)?))?;
    let tensor = time(ev, nothing, |ev, ()| Ok(ev.mul(&x, &x)?))?;
    let pass = time(ev, nothing, |ev, ()| Ok(ev.mul_const(&x, 1.5)?))?;
    let rescale = time(ev, |ev| Ok(ev.mul_const(&x, 1.5)?), |ev, w| Ok(ev.rescale(w)?))?;
    let mut out = vec![
        (Work::ModUp, (one - gadget).max(0.0)),
        (Work::Gadget, gadget),
        (Work::ModDown, down / 2.0),
        (Work::Term, term / STEPS.len() as f64),
        (Work::Tensor, tensor),
        (Work::Pass, pass),
        (Work::Rescale, rescale / 2.0),
    ];
    let slots = ev.params().slots();
    for period in PERIODS.into_iter().filter(|p| *p as usize <= slots) {
        let values: Vec<f64> = (0..period).map(|i| (i % 7) as f64 / 7.0).collect();
        out.push((Work::Encode(period), time(ev, nothing, |ev, ()| Ok(ev.encode_diagonal(&values, level)?))?));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{Entry, Speed, Tally, Work, between};

    #[test]
    fn seconds_lie_on_straight_lines_between_measured_levels() {
        assert_eq!(between(&[(1.0, 2.0), (3.0, 6.0), (5.0, 6.0)], 2.0), Some(4.0));
        assert_eq!(between(&[(1.0, 2.0), (3.0, 6.0)], 4.0), Some(8.0));
        assert_eq!((between(&[(1.0, 2.0)], 4.0), between(&[], 4.0)), (Some(2.0), None));
        let entry = |work: &str, level, seconds| Entry { work: work.into(), level, seconds };
        let figures = vec![
            entry("gadget", 1, 1.0),
            entry("gadget", 5, 3.0),
            entry("encode_128", 1, 0.5),
            entry("encode_2048", 1, 8.0),
        ];
        let speed = Speed { params: "".into(), backend: "".into(), isa: "".into(), threads: 1, figures };
        let tally: Tally = [((Work::Gadget, 3), 10), ((Work::Encode(1088), 4), 2)].into();
        assert_eq!(speed.seconds(&tally), 20.0 + 8.5);
    }
}
