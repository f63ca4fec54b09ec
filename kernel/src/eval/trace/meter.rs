//! The meter of a traced circuit: the vectors alive, and their words on ciphertexts. The words also include public
//! vectors and the temporary buffers of an operation. The meter does not count keys and the temporary buffers of key
//! switching.

use crate::params::{BATCH_WORDS, Params};
use alloc::{rc::Rc, vec::Vec};
use core::cell::Cell;

/// A number that rises and falls, with its maximum.
#[derive(Debug, Default)]
struct Gauge {
    now: Cell<usize>,
    most: Cell<usize>,
}

impl Gauge {
    fn add(&self, x: usize) {
        self.now.set(self.now.get() + x);
        self.most.set(self.most.get().max(self.now.get()));
    }

    fn sub(&self, x: usize) {
        self.now.set(self.now.get() - x);
    }
}

/// The current amounts, and their maxima.
#[derive(Debug, Default)]
pub(super) struct Meter {
    vectors: Gauge,
    words: Gauge,
    sizes: Vec<[usize; 2]>, // words of a polynomial over Q, and over P and Q, by level; none if nobody asked
    digits: Vec<usize>,     // of a polynomial, by level
    covered: Vec<u64>,      // of each level, those whose primes it has, a bit each
}

impl Meter {
    /// A meter with the sizes of polynomials.
    pub fn of(params: &Params) -> Self {
        let size = |level| [params.q(level), params.pq(level)].map(|basis| basis.len() * params.n());
        let levels = 0..=params.max_level();
        let covered =
            |from| levels.clone().filter(|to| params.q(from).covers(params.q(*to))).fold(0, |bits, to| bits | 1 << to);
        let (sizes, covered) = (levels.clone().map(size).collect(), levels.clone().map(covered).collect());
        let (k, alpha) = (params.specials(), params.alpha());
        let run = |m: u16| (m - k).checked_div(alpha);
        let digits = |level| {
            let q = params.q(level);
            run(q.end - 1).zip(run(q.start)).map_or(0, |(last, first)| 1 + (last - first) as usize)
        };
        let digits = levels.map(digits).collect();
        Self { sizes, digits, covered, ..Self::default() }
    }

    /// Words of a polynomial over Q of the level; 0 without parameters.
    pub fn q(&self, level: u8) -> usize {
        self.sizes.get(level as usize).map_or(0, |[q, _]| *q)
    }

    /// Words of a polynomial over P and Q of the level.
    pub fn pq(&self, level: u8) -> usize {
        self.sizes.get(level as usize).map_or(0, |[_, pq]| *pq)
    }

    /// Words of a batch of giant steps: the digits of each step over P and Q, or the limit of a batch.
    pub fn giant_steps(&self, level: u8, giant_steps: usize) -> usize {
        let digits = self.digits.get(level as usize).copied().unwrap_or(0);
        (giant_steps * digits * self.pq(level)).min(BATCH_WORDS)
    }

    /// Whether level `from` has every prime of level `to`. Without parameters, only for equal levels.
    pub fn covers(&self, from: u8, to: u8) -> bool {
        from == to || self.covered.get(from as usize).is_some_and(|bits| bits >> to & 1 == 1)
    }

    /// Temporary words of an operation, in addition to the words alive.
    pub fn temporary(&self, words: usize) {
        self.words.add(words);
        self.words.sub(words);
    }

    /// The most vectors alive at once.
    pub fn peak(&self) -> u32 {
        self.vectors.most.get() as u32
    }

    /// Words alive now.
    pub fn words_alive(&self) -> usize {
        self.words.now.get()
    }

    /// The most words alive at once.
    pub fn words(&self) -> usize {
        self.words.most.get()
    }
}

/// A count for the lifetime of the value.
#[derive(Debug)]
pub(super) struct Alive {
    meter: Rc<Meter>,
    vectors: usize,
    words: usize,
}

impl Alive {
    /// One vector of this many words.
    pub fn vector(meter: &Rc<Meter>, words: usize) -> Self {
        meter.vectors.add(1);
        meter.words.add(words);
        Self { meter: meter.clone(), vectors: 1, words }
    }

    /// Words that are no vector of a circuit.
    pub fn words(meter: &Rc<Meter>, words: usize) -> Self {
        meter.words.add(words);
        Self { meter: meter.clone(), vectors: 0, words }
    }

    /// Replaces the vector by a new one of this many words. Input and output exist during the operation, with
    /// `temporary` words in addition.
    pub fn becomes(mut self, words: usize, temporary: usize) -> Self {
        self.meter.temporary(words + temporary);
        self.resize(words);
        self
    }

    /// Has this many words from now on.
    pub fn resize(&mut self, words: usize) {
        self.meter.words.sub(self.words);
        self.meter.words.add(words);
        self.words = words;
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.meter.vectors.sub(self.vectors);
        self.meter.words.sub(self.words);
    }
}
