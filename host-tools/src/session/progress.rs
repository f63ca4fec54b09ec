//! The reports of a running session to its caller: progress, and seconds by stage.

use super::Shown;
use crate::{Result, keys::store::KeyEvent};
use std::time::Instant;

/// An event of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Some tokens of the question are not in the vocabulary of the model.
    UnknownTokens {
        /// How many.
        unknown: usize,
        /// The total number.
        tokens: usize,
    },
    /// Another process makes keys in the folder; this process waits.
    WaitingForKeys,
    /// A file of the key folder is damaged, and its key is made again.
    DamagedKey {
        /// The name of the file.
        file: String,
    },
    /// What the server learns about the number of tokens, before the question is encrypted.
    ServerLearns(Shown),
    /// The server learns the number of tokens of each text, before the texts are encrypted.
    ServerLearnsEach {
        /// Texts in one group of ciphertexts.
        texts: usize,
    },
    /// Keys are made that the folder does not have yet.
    MakingKeys {
        /// Keys made so far.
        done: usize,
        /// Keys to make.
        total: usize,
    },
    /// Keys go into the memory of the server.
    LoadingKeys {
        /// Keys loaded so far.
        done: usize,
        /// Keys to load.
        total: usize,
    },
    /// A part of the model has run on ciphertexts.
    Part {
        /// Its name.
        name: &'static str,
        /// Seconds of the stage.
        seconds: f64,
    },
}

impl From<KeyEvent<'_>> for Progress {
    fn from(event: KeyEvent<'_>) -> Self {
        match event {
            KeyEvent::Waiting(_) => Progress::WaitingForKeys,
            KeyEvent::Damaged(path) => Progress::DamagedKey { file: path.display().to_string() },
            KeyEvent::Made { done, total } => Progress::MakingKeys { done, total },
        }
    }
}

/// Seconds by stage, in the order in which the stages began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timings(Vec<(&'static str, f64)>);

impl Timings {
    /// Adds to a stage.
    pub fn add(&mut self, stage: &'static str, seconds: f64) {
        match self.0.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, sum)) => *sum += seconds,
            None => self.0.push((stage, seconds)),
        }
    }

    /// Does some work, and adds its seconds to a stage.
    pub fn time<T>(&mut self, stage: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let out = work();
        self.add(stage, start.elapsed().as_secs_f64());
        out
    }

    /// Adds every stage of `other`.
    pub fn join(&mut self, other: &Self) {
        other.iter().for_each(|(stage, seconds)| self.add(stage, seconds));
    }

    /// Stages and seconds.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        self.0.iter().copied()
    }

    /// Seconds of all stages.
    pub fn total(&self) -> f64 {
        self.0.iter().map(|(_, seconds)| seconds).sum()
    }
}
