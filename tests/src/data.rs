//! Words for tests: canonical words with frequent edge values, and garbage in outputs before the first write.

use polyformer_kernel::{backend::Shape, ring::Ring};

/// A reproducible stream of words. [xorshift64*, Vigna, ACM TOMS 42, 2016]
#[derive(Clone, Debug)]
pub struct Stream {
    state: u64,
}

impl Stream {
    /// The stream of that seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// A reproducible stream of words for one ring.
#[derive(Debug)]
pub struct Data<'r> {
    ring: Ring<'r>,
    stream: Stream,
}

impl<'r> Data<'r> {
    /// The stream of that seed.
    pub fn new(ring: Ring<'r>, seed: u64) -> Self {
        Self { ring, stream: Stream::new(seed) }
    }

    /// The ring that the words are for.
    pub fn ring(&self) -> Ring<'r> {
        self.ring
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.stream.word()
    }

    /// An integer in [0, bound).
    pub fn below(&mut self, bound: usize) -> usize {
        (((self.word() >> 32) * bound as u64) >> 32) as usize
    }

    /// One canonical word: 0, 1, q - 1 or around q/2 one time in eight, else uniform.
    pub fn residue(&mut self, q: u32) -> u32 {
        let w = self.word();
        let edges = [0, 1, q - 1, q / 2, q / 2 + 1, q - 2, 2, 0];
        if w.is_multiple_of(8) { edges[(w >> 8) as usize % 8] } else { (((w >> 32) * q as u64) >> 32) as u32 }
    }

    /// Canonical words for `shape`.
    pub fn canonical(&mut self, shape: Shape) -> Vec<u32> {
        let mut words = Vec::with_capacity(shape.words());
        for _ in 0..shape.count {
            for m in shape.basis.iter() {
                let q = self.ring.modulus(m).q();
                words.extend((0..shape.cols).map(|_| self.residue(q)));
            }
        }
        words
    }

    /// Garbage for an output before its first write: words that are not canonical for any modulus.
    pub fn garbage(&mut self, shape: Shape) -> Vec<u32> {
        (0..shape.words()).map(|i| 0xDEAD_BEEF ^ (i as u32 & 0xFFFF)).collect()
    }

    /// Signed integers over the whole range of i64, its ends included.
    pub fn signed(&mut self, len: usize) -> Vec<i64> {
        const EDGES: [i64; 8] = [0, 1, -1, i64::MAX, i64::MIN, 1 << 32, -(1 << 32), i64::MIN + 1];
        let mut signed = |i: usize| {
            let w = self.word() as i64;
            if i < 8 { EDGES[i] } else { w >> (w & 63) }
        };
        (0..len).map(&mut signed).collect()
    }
}
