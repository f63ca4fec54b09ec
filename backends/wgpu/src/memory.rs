//! GPU memory: a few large buffers (slabs), from which ranges are served. A range returns when its [`Words`] are
//! dropped. The next owner of the range finds the old words. Work runs in the order of recording, so all work on the
//! old range ends before the work of the next owner.

use crate::{gpu::Gpu, shader::OPERAND_BUFFERS};
use polyformer_kernel::{Error, Result, backend::Shape};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Words to which ranges are rounded: the alignment of copies and of cache lines.
const GRAIN: usize = 64;
/// Words of the first slab. Each later slab doubles the total, up to the binding limit of a shader.
const FIRST: usize = 1 << 20;

/// The source of ranges. Clones share the memory.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Mutex<Slabs>>);

#[derive(Debug)]
struct Slabs {
    gpu: Gpu,
    slabs: Vec<Slab>,
    used: usize, // words
    most: usize, // that they have been
}

#[derive(Debug)]
struct Slab {
    buffer: wgpu::Buffer,
    words: usize,
    free: BTreeMap<usize, usize>, // offset to length, no two of them adjacent
}

/// A range of a slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The slab.
    pub slab: u16,
    /// Its first word.
    pub offset: usize,
    /// Words, rounded up.
    words: usize,
}

/// A buffer: whole items of a batch in one or more ranges. A drop returns the ranges.
#[derive(Debug)]
pub struct Words {
    parts: Vec<Range>,
    per_part: usize, // items
    memory: Memory,
}

impl Words {
    /// The range that holds `item`, and the offset of the item in the range. `words` is the size of an item.
    pub fn place(&self, item: usize, words: usize) -> (u16, usize) {
        let part = self.parts.get(item / self.per_part);
        part.map_or((0, 0), |p| (p.slab, p.offset + item % self.per_part * words))
    }

    /// Slab, offset and words of the first piece.
    pub fn first(&self) -> (u16, usize, usize) {
        self.parts.first().map_or((0, 0, 0), |p| (p.slab, p.offset, p.words))
    }

    /// The number of ranges.
    pub fn ranges(&self) -> usize {
        self.parts.len()
    }

    /// Whether all items lie one after the other.
    pub fn is_whole(&self) -> bool {
        self.parts.len() <= 1
    }

    /// (slab, offset, items) of each part of `count` items of `words` words.
    pub fn parts(&self, count: usize, words: usize) -> impl Iterator<Item = (u16, usize, usize)> {
        let items = move |i: usize| (count - i * self.per_part).min(self.per_part) * words;
        self.parts.iter().enumerate().map(move |(i, p)| (p.slab, p.offset, items(i)))
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        let mut slabs = self.memory.lock();
        for part in self.parts.drain(..) {
            slabs.give_back(part);
        }
    }
}

impl Memory {
    /// A memory without a slab.
    pub fn new(gpu: &Gpu) -> Self {
        Self(Arc::new(Mutex::new(Slabs { gpu: gpu.clone(), slabs: Vec::new(), used: 0, most: 0 })))
    }

    fn lock(&self) -> MutexGuard<'_, Slabs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allocates the words of a shape.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceMemory`] if the device has no room.
    pub fn take(&self, shape: Shape) -> Result<Words> {
        let item = shape.basis.len() * shape.cols as usize;
        self.take_items(shape.count.into(), item)
    }

    /// Allocates `count` items of `words` words.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceMemory`] if one item is larger than a slab may be, or if the device has no room.
    pub fn take_items(&self, count: usize, words: usize) -> Result<Words> {
        let mut slabs = self.lock();
        let largest = slabs.gpu.binding_words() / GRAIN * GRAIN;
        let per_part = largest.checked_div(words).unwrap_or(count.max(1));
        if per_part == 0 {
            return Err(Error::DeviceMemory { words, room: largest });
        }
        let mut buffer = Words { parts: Vec::new(), per_part, memory: self.clone() };
        for first in (0..count).step_by(per_part).take_while(|_| words > 0) {
            match slabs.take(per_part.min(count - first) * words) {
                Ok(part) => buffer.parts.push(part),
                Err(error) => {
                    drop(slabs); // the parts go back
                    return Err(error);
                }
            }
        }
        Ok(buffer)
    }

    /// Words in use, and the most that have been at once.
    pub fn used(&self) -> (usize, usize) {
        let slabs = self.lock();
        (slabs.used, slabs.most)
    }

    /// Words of all slabs.
    pub fn reserved(&self) -> usize {
        self.lock().reserved()
    }

    /// Allocates slabs until `words` words exist.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceMemory`] with the number of words that could be allocated.
    pub fn reserve(&self, words: usize) -> Result<()> {
        let mut slabs = self.lock();
        while slabs.reserved() < words {
            let missing = (words - slabs.reserved()).min(slabs.gpu.binding_words()) / GRAIN * GRAIN;
            if !slabs.grow(missing.max(GRAIN)) {
                return Err(Error::DeviceMemory { words, room: slabs.reserved() });
            }
        }
        Ok(())
    }

    /// Every range that no buffer holds: the slab's buffer, the first word, the number of words.
    pub fn free(&self) -> Vec<(wgpu::Buffer, usize, usize)> {
        let slabs = self.lock();
        let ranges =
            |slab: &Slab| slab.free.iter().map(|(at, words)| (slab.buffer.clone(), *at, *words)).collect::<Vec<_>>();
        slabs.slabs.iter().flat_map(ranges).collect()
    }

    /// The buffers of some slabs.
    pub fn buffers(&self, slabs: [u16; OPERAND_BUFFERS]) -> [wgpu::Buffer; OPERAND_BUFFERS] {
        let all = self.lock();
        slabs.map(|slab| all.slabs[slab as usize].buffer.clone())
    }

    /// The buffer of a slab.
    pub fn buffer(&self, slab: u16) -> wgpu::Buffer {
        self.lock().slabs[slab as usize].buffer.clone()
    }
}

impl Slabs {
    fn reserved(&self) -> usize {
        self.slabs.iter().map(|s| s.words).sum()
    }

    /// One more slab, unless the device is full.
    fn grow(&mut self, words: usize) -> bool {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        if self.slabs.len() > u16::MAX.into() || self.reserved() + words > self.gpu.memory_words() {
            return false;
        }
        let Some(buffer) = self.gpu.buffer(words, usage) else { return false };
        self.slabs.push(Slab { buffer, words, free: BTreeMap::from([(0, words)]) });
        true
    }

    /// The first range that is large enough, in a new slab if necessary.
    fn take(&mut self, words: usize) -> Result<Range> {
        let words = words.next_multiple_of(GRAIN);
        if let Some(range) = self.find(words) {
            return Ok(range);
        }
        let (held, largest) = (self.reserved(), self.gpu.binding_words() / GRAIN * GRAIN);
        let roomy = held.max(FIRST).clamp(words, largest.max(words));
        if self.grow(roomy) || self.grow(words) {
            return self.find(words).ok_or(Error::OutOfMemory { words });
        }
        Err(Error::DeviceMemory { words: held + words, room: held })
    }

    fn find(&mut self, words: usize) -> Option<Range> {
        for (slab, s) in self.slabs.iter_mut().enumerate() {
            if let Some((&offset, &length)) = s.free.iter().find(|(_, length)| **length >= words) {
                s.free.remove(&offset);
                if length > words {
                    s.free.insert(offset + words, length - words);
                }
                self.used += words;
                self.most = self.most.max(self.used);
                return Some(Range { slab: slab as u16, offset, words });
            }
        }
        None
    }

    fn give_back(&mut self, range: Range) {
        let free = &mut self.slabs[range.slab as usize].free;
        let (mut offset, mut words) = (range.offset, range.words);
        self.used -= words;
        if let Some(after) = free.remove(&(offset + words)) {
            words += after;
        }
        if let Some((&before, &length)) = free.range(..offset).next_back()
            && before + length == offset
        {
            (offset, words) = (before, length + words);
        }
        free.insert(offset, words);
    }
}
