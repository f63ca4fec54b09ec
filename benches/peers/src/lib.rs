//! The common part of the comparisons: one pinned processor, alternating rounds, processor time, medians, table rows.

use polyformer_kernel::{params::{Params, presets}, ring::tables};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};
use std::time::{Duration, Instant};

/// Every failure ends the program with its message.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Keeps this thread, and those it starts, on the last processor that it may use.
pub fn pin() -> Result<usize> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let last = (0..CpuSet::count()).rev().find(|i| allowed.is_set(*i).unwrap_or(false)).ok_or("no processor")?;
    let mut one = CpuSet::new();
    one.set(last)?;
    sched_setaffinity(Pid::from_raw(0), &one)?;
    Ok(last)
}

/// Our parameters and their twiddle factors.
pub fn b16() -> Result<(Params, Vec<u32>)> {
    let params = Params::new(&presets::B16)?;
    let mut twiddles = vec![0; tables::words(params.n(), params.moduli().len())];
    tables::fill(params.n(), params.moduli(), &mut twiddles);
    Ok((params, twiddles))
}

/// Times of two contenders that took turns.
#[derive(Clone, Debug, Default)]
pub struct Duel {
    /// Seconds of each round of ours.
    pub ours: Vec<f64>,
    /// Seconds of each round of theirs.
    pub theirs: Vec<f64>,
}

impl Duel {
    /// One round of each in turn after one that warms up, at least `rounds` of them and for `budget`.
    pub fn fight(
        rounds: usize,
        budget: Duration,
        mut ours: impl FnMut() -> Result<f64>,
        mut theirs: impl FnMut() -> Result<f64>,
    ) -> Result<Self> {
        ours()?;
        theirs()?;
        let (start, mut duel) = (Instant::now(), Self::default());
        while duel.ours.len() < rounds || start.elapsed() < budget {
            duel.ours.push(ours()?);
            duel.theirs.push(theirs()?);
        }
        Ok(duel)
    }

    /// A row of a table: both medians and both best rounds in `unit` seconds, and theirs / ours of each.
    pub fn row(&self, name: &str, unit: f64) -> String {
        let (ours, theirs) = (median(&self.ours) / unit, median(&self.theirs) / unit);
        let (best, their_best) = (least(&self.ours) / unit, least(&self.theirs) / unit);
        format!(
            "| {name} | {ours:.1} | {theirs:.1} | {:.2} | {best:.1} | {their_best:.1} | {:.2} | {} |",
            theirs / ours,
            their_best / best,
            self.ours.len()
        )
    }
}

/// The head of a table of [`Duel::row`].
pub fn head(them: &str, unit: &str) -> String {
    format!(
        "| one thread, {unit} of processor time | Polyformer, median | {them}, median | ratio | Polyformer, best | {them}, best | ratio | rounds |\n\
         |---|---|---|---|---|---|---|---|"
    )
}

/// Seconds of processor time that `f` takes, over all threads: others on the machine do not count, though the
/// caches that they share do.
pub fn seconds<T>(f: impl FnOnce() -> Result<T>) -> Result<f64> {
    let start = Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
    let out = std::hint::black_box(f()?);
    let end = Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
    drop(out);
    Ok((end - start).as_secs_f64())
}

/// The middle one.
pub fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The smallest.
pub fn least(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}
