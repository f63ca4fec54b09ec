//! The meter of a traced circuit: the vectors alive, and their words on ciphertexts. The words also include public
//! vectors and the temporary buffers of an operation. The meter does not count keys and the temporary buffers of key
//! switching.

use crate::params::{BATCH_WORDS, Params};
use alloc::{rc::Rc, vec::Vec};
use core::cell::Cell;

/// A number that goes up and down, and the largest that it has been.
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

/// How much is alive, and how much has been at most.
#[derive(Debug, Default)]
pub(super) struct Meter {
    vectors: Gauge,
    words: Gauge,
    sizes: Vec<[usize; 2]>, // words of a polynomial over Q, and over P and Q, by level; none if nobody asked
    digits: Vec<usize>,     // of a polynomial, by level
    covered: Vec<u64>,      // of each level, those whose primes it has, a bit each
}

impl Meter {
    /// One that knows how large polynomials are.
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

    /// Words of a polynomial over Q of the level; 0 if nobody asked.
    pub fn q(&self, level: u8) -> usize {
        self.sizes.get(level as usize).map_or(0, |[q, _]| *q)
    }

    /// Words of a polynomial over P and Q of the level.
    pub fn pq(&self, level: u8) -> usize {
        self.sizes.get(level as usize).map_or(0, |[_, pq]| *pq)
    }

    /// Words that a batch of giant steps takes: the digits of each of them over P and Q, or what there is for a batch.
    pub fn giant_steps(&self, level: u8, giant_steps: usize) -> usize {
        let digits = self.digits.get(level as usize).copied().unwrap_or(0);
        (giant_steps * digits * self.pq(level)).min(BATCH_WORDS)
    }

    /// Whether level `from` has every prime of level `to`; only of itself if nobody asked.
    pub fn covers(&self, from: u8, to: u8) -> bool {
        from == to || self.covered.get(from as usize).is_some_and(|bits| bits >> to & 1 == 1)
    }

    /// Words beside what is alive, for the time of an operation.
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

/// Counts while it exists.
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

    /// The vector made anew with this many words: both are there until it is done, and `temporary` words beside.
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
