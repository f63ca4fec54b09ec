//! Rows of buffers, and the distribution of rows over threads.

use crate::memory::Words;
use polyformer_kernel::{backend::Limbs, ring::Basis};
use rayon::prelude::*;

/// Which row of which item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Item of the batch.
    pub item: usize,
    /// Prime index.
    pub m: usize,
}

/// A row that is being written.
pub type RowMut<'a> = (Place, &'a mut [u32]);

/// Whether prime index `m` is in `basis`.
pub fn contains(basis: Basis, m: usize) -> bool {
    m < basis.specials as usize || (basis.start as usize..basis.end as usize).contains(&m)
}

/// The row of prime index `p.m` in item `p.item`.
pub fn row(x: &Limbs<Words>, p: Place) -> &[u32] {
    &x.buf[x.shape.range(p.item, p.m)]
}

/// Rows `over` of every item of `x`, in the order of the basis.
pub fn rows_mut(x: &mut Limbs<Words>, over: Basis) -> Vec<RowMut<'_>> {
    let (basis, cols) = (x.shape.basis, x.shape.cols as usize);
    let places = (0..x.shape.count as usize).flat_map(|item| basis.iter().map(move |m| Place { item, m }));
    let all = places.zip(x.buf.chunks_exact_mut(cols));
    all.filter(|(p, _)| contains(over, p.m)).collect()
}

/// `all` in runs of `len`.
pub fn chunks<T>(all: Vec<T>, len: usize) -> Vec<Vec<T>> {
    let mut all = all.into_iter();
    let mut runs = Vec::new();
    while all.len() > 0 {
        runs.push(all.by_ref().take(len).collect());
    }
    runs
}

/// The threads of a backend.
#[derive(Debug)]
pub struct Threads(Option<rayon::ThreadPool>);

impl Threads {
    /// `count` threads. With one thread, or without threads of the system, the caller's thread does the work.
    pub fn new(count: usize) -> Self {
        Self((count > 1).then(|| rayon::ThreadPoolBuilder::new().num_threads(count).build().ok()).flatten())
    }

    /// The number of threads.
    pub fn count(&self) -> usize {
        self.0.as_ref().map_or(1, |pool| pool.current_num_threads())
    }

    /// The number of tasks per group, for `tasks` equal tasks, so that each thread has some. The group has at most
    /// `limit` tasks, and a multiple of `unit` if possible.
    pub fn group(&self, tasks: usize, limit: usize, unit: usize) -> usize {
        limit.min(tasks.div_ceil(self.count()).next_multiple_of(unit))
    }

    /// `f` of every task; of `small` ones on the caller's thread, for waking another takes longer.
    pub fn each<T: Send>(&self, small: bool, tasks: Vec<T>, f: impl Fn(T) + Sync + Send) {
        match &self.0 {
            Some(pool) if tasks.len() > 1 && !small => {
                pool.install(|| tasks.into_par_iter().with_max_len(1).for_each(f))
            }
            _ => tasks.into_iter().for_each(f),
        }
    }
}
