//! Memory: page-aligned buffers that return to a free list on drop. A program in steady state therefore touches no new
//! page. A recycled buffer holds the words of its last owner. Words of another owner are used where they lie, and copied
//! before the first write.

use memmap2::MmapMut;
use polyformer_kernel::{Error, Result};
use std::{
    alloc::{Layout, handle_alloc_error},
    collections::BTreeMap,
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Free blocks by their length in words.
type Free = BTreeMap<usize, Vec<MmapMut>>;

/// The source of buffers. A dropped buffer returns to the pool.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Free>>);

/// A buffer of words. A drop returns the buffer.
#[derive(Debug)]
pub struct Words {
    block: Block,
    words: usize,
    pool: Pool,
}

/// Where words lie.
enum Block {
    /// In pages of the pool.
    Pages(MmapMut),
    /// In the memory of another owner, who is held.
    Held(Box<dyn AsRef<[u32]> + Send + Sync>),
    /// Nowhere: the buffer was dropped.
    Nowhere,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pages(_) => "Pages",
            Self::Held(_) => "Held",
            Self::Nowhere => "Nowhere",
        })
    }
}

/// Words a page.
const PAGE: usize = 1024;

impl Pool {
    /// `words` words, contents unspecified: a free block at most twice as many pages long, or a new one.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if the system has no pages left.
    pub fn take(&self, words: usize) -> Result<Words> {
        let whole = words.max(1).next_multiple_of(PAGE); // of what length blocks are, or a short one is never found
        let recycled = self.free().range_mut(whole..=2 * whole).find_map(|(_, blocks)| blocks.pop());
        let block = match recycled {
            Some(block) => block,
            None => fresh(whole).map_err(|_| Error::OutOfMemory { words })?,
        };
        Ok(Words { block: Block::Pages(block), words, pool: self.clone() })
    }

    /// The words of `owner`, where they lie.
    pub fn hold(&self, owner: impl AsRef<[u32]> + Send + Sync + 'static) -> Words {
        Words { words: owner.as_ref().len(), block: Block::Held(Box::new(owner)), pool: self.clone() }
    }

    /// Overwrites the free blocks.
    pub fn wipe(&self) {
        for block in self.free().values_mut().flatten() {
            block.fill(0);
            std::hint::black_box(&mut block[..]); // the block may be unmapped next
        }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// [`Pool::take`] during recorded work, which cannot report a failure. The function aborts without memory, like
    /// every small allocation.
    pub fn scratch(&self, words: usize) -> Words {
        self.take(words).unwrap_or_else(|_| handle_alloc_error(Layout::new::<[u32; 1 << 20]>()))
    }
}

/// Plain pages. Huge pages were tried on a virtual machine that backs them late. The first touch took up to five times
/// as long, and a rotation gained 2 %.
fn fresh(words: usize) -> std::io::Result<MmapMut> {
    let block = MmapMut::map_anon(4 * words)?;
    #[cfg(target_os = "linux")]
    let _ = block.advise(memmap2::Advice::NoHugePage); // advice: without it the program is right, only slower
    Ok(block)
}

impl Deref for Words {
    type Target = [u32];
    fn deref(&self) -> &[u32] {
        match &self.block {
            Block::Pages(pages) => &bytemuck::cast_slice(&pages[..])[..self.words],
            Block::Held(owner) => (**owner).as_ref(),
            Block::Nowhere => &[],
        }
    }
}

impl DerefMut for Words {
    fn deref_mut(&mut self) -> &mut [u32] {
        if let Block::Held(owner) = &self.block {
            let mut own = self.pool.scratch(self.words);
            own.copy_from_slice((**owner).as_ref());
            *self = own;
        }
        match &mut self.block {
            Block::Pages(pages) => &mut bytemuck::cast_slice_mut(&mut pages[..])[..self.words],
            _ => &mut [],
        }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if let Block::Pages(block) = std::mem::replace(&mut self.block, Block::Nowhere) {
            self.pool.free().entry(block.len() / 4).or_default().push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;
    use std::sync::Arc;

    #[test]
    fn a_wiped_pool_has_no_word_of_a_dropped_block() {
        let pool = Pool::default();
        let (mut dropped, mut held) = (pool.take(3000).unwrap(), pool.take(9000).unwrap());
        dropped.fill(7);
        held.fill(7);
        let at = dropped.as_ptr();
        drop(dropped);
        pool.wipe();
        let again = pool.take(3000).unwrap();
        assert_eq!(again.as_ptr(), at);
        assert!(again.iter().all(|word| *word == 0) && held.iter().all(|word| *word == 7));
    }

    #[test]
    fn words_of_another_owner_stay_where_they_lie_until_they_are_written() {
        let (pool, owner) = (Pool::default(), Arc::new([5u32, 6, 7]));
        struct Share(Arc<[u32; 3]>);
        impl AsRef<[u32]> for Share {
            fn as_ref(&self) -> &[u32] {
                &self.0[..]
            }
        }
        let mut held = pool.hold(Share(owner.clone()));
        assert_eq!((held.as_ptr(), Arc::strong_count(&owner)), (owner.as_ptr(), 2));
        held[1] = 9;
        assert_eq!((&held[..], *owner, Arc::strong_count(&owner)), (&[5, 9, 7][..], [5, 6, 7], 1));
        drop(pool.hold(Share(owner.clone())));
        assert_eq!(Arc::strong_count(&owner), 1);
    }

    #[test]
    fn blocks_of_every_length_come_back() {
        let pool = Pool::default();
        for words in [0, 1, 8, 1023, 1024, 1025, 5000, 1 << 16] {
            let block = pool.take(words).unwrap();
            assert_eq!(block.len(), words);
            let at = block.as_ptr();
            drop(block);
            assert_eq!(pool.take(words).unwrap().as_ptr(), at, "{words} words");
        }
    }
}
