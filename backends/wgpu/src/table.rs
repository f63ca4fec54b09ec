//! Constants of calls on the GPU: blocks of words, each stored once and found by a key. A full table is emptied. The
//! queue runs in order, so submitted work still reads the old words.

use polyformer_kernel::ring::Basis;
use std::collections::HashMap;

/// Words of the table.
pub const WORDS: usize = 1 << 20;

/// Additional words, for writes that must not empty the table.
const SPARE: usize = 1 << 10;

/// A basis as a hash key.
pub type Key3 = [u16; 3];

/// The contents of a block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// These words.
    Words(Vec<u32>),
    /// The final factors of `intt` over a basis, for rows of 2^log words.
    Inverse(Key3, u32),
    /// Conversions from a basis and as many more of as many primes, alpha apart.
    Convert(Key3, Key3, u16, u16),
    /// The final factors of `intt` over the dropped rows of a mod_switch, for rows of 2^log words.
    Dropped(Key3, Key3, u32),
    /// The conversion of a mod_switch.
    Quotient(Key3, Key3),
    /// The factors of the kept rows of a mod_switch.
    Kept(Key3, Key3),
    /// The final factors of `intt` for operands that are divided by P and then decomposed, for rows of 2^log words.
    Divided(Key3, u32),
    /// P modulo the rows of a basis, and 0 for the rows of P.
    Raised(Key3),
    /// `intt` of the digits of a basis, alpha primes each, for rows of 2^log words.
    Digits(Key3, u16, u32),
}

/// The basis as a key.
pub fn key3(basis: Basis) -> Key3 {
    [basis.specials, basis.start, basis.end]
}

/// The offsets of the blocks, and the words that the GPU does not have yet.
#[derive(Debug, Default)]
pub struct Table {
    blocks: HashMap<Key, u32>,
    used: usize,
    pending: Vec<u32>, // the last of the used words
}

impl Table {
    /// The offset of the block, or `None`.
    pub fn find(&self, key: &Key) -> Option<u32> {
        self.blocks.get(key).copied()
    }

    /// Whether `words` more words fit.
    pub fn fits(&self, words: usize) -> bool {
        self.used + words + SPARE <= WORDS
    }

    /// Inserts a block. The table must have room.
    pub fn insert(&mut self, key: Key, words: &[u32]) -> u32 {
        let at = self.push(words);
        self.blocks.insert(key, at);
        at
    }

    /// Appends a block without a key. The table must have room.
    pub fn push(&mut self, words: &[u32]) -> u32 {
        let at = self.used as u32;
        self.used += words.len();
        self.pending.extend_from_slice(words);
        at
    }

    /// The pending words and their offset. Write the words before the recorded work runs.
    pub fn take_pending(&mut self) -> Option<(usize, Vec<u32>)> {
        let words = core::mem::take(&mut self.pending);
        (!words.is_empty()).then(|| (self.used - words.len(), words))
    }

    /// Forgets every block. No word may be pending.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
