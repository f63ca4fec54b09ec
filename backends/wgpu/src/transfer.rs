//! Transfers of words between host and GPU.

use crate::{
    call::{Call, Operand},
    memory::Words,
    shader::Kernel,
    state::Wgpu,
};
use polyformer_kernel::{
    Error, Result,
    backend::{Limbs, Shape},
    error::same_length,
    ring::{
        MAX_MODULI,
        sample::{self, Seed},
    },
};

impl Wgpu<'_> {
    pub(crate) fn write(&mut self, dst: &Limbs<Words>, src: &[u32]) -> Result<()> {
        same_length(dst.shape.words(), src.len())?;
        let (count, item) = (dst.shape.count as usize, dst.shape.basis.len() * dst.shape.cols as usize);
        let mut rest = src;
        for (slab, offset, words) in dst.buf.parts(count, item) {
            let (part, after) = rest.split_at(words);
            self.recorder.write((slab, offset), part);
            rest = after;
        }
        if self.gpu().is_lost() { Err(Error::DeviceLost) } else { Ok(()) }
    }

    /// Sends the integers once. The device reduces the integers modulo each modulus.
    pub(crate) fn write_signed(&mut self, dst: &Limbs<Words>, coeffs: &[i64]) -> Result<()> {
        let Shape { count, basis, cols } = dst.shape;
        same_length(count as usize * cols as usize, coeffs.len())?;
        let integers = self.recorder.memory().take_items(count.into(), 2 * cols as usize)?;
        let mut words: Vec<u32> = coeffs.iter().flat_map(|c| [*c as u32, (*c >> 32) as u32]).collect();
        let mut rest = &words[..];
        for (slab, offset, words) in integers.parts(count.into(), 2 * cols as usize) {
            let (part, after) = rest.split_at(words);
            self.recorder.write((slab, offset), part);
            rest = after;
        }
        words.fill(0); // the integers may be a secret, and the memory goes back to the heap
        std::hint::black_box(&mut words);
        for item in 0..count as usize {
            let (slab, offset) = integers.place(item, 2 * cols as usize);
            let a = Operand { slab, offset: offset as u32, ..Operand::NONE };
            let out = Operand::new(dst, item);
            let grid = [self.columns(cols), basis.len() as u32, 1];
            self.recorder.dispatch(Kernel::Residues, &[out.slab, slab], &Call::new(basis, &[out, a]), grid);
        }
        if self.gpu().is_lost() { Err(Error::DeviceLost) } else { Ok(()) }
    }

    /// Uniform words, expanded by the host's threads, because a rejected word moves all later words.
    pub(crate) fn write_uniform(&mut self, dst: &Limbs<Words>, seed: &Seed, stream: u64) -> Result<()> {
        let Shape { count, basis, cols } = dst.shape;
        let mut words = vec![0; dst.shape.words()];
        let places = (0..count as u64).flat_map(|item| basis.iter().map(move |m| (item, m)));
        let mut rows: Vec<_> = places.zip(words.chunks_exact_mut(cols.max(1) as usize)).collect();
        let ring = self.ring;
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let share = rows.len().div_ceil(threads).max(1);
        let fill = |rows: &mut [((u64, usize), &mut [u32])]| {
            for ((item, m), row) in rows {
                sample::uniform(ring.modulus(*m), seed, MAX_MODULI as u64 * (stream + *item) + *m as u64, row);
            }
        };
        if words_are_few(rows.len(), cols) {
            fill(&mut rows);
        } else {
            std::thread::scope(|scope| rows.chunks_mut(share).for_each(|rows| drop(scope.spawn(move || fill(rows)))));
        }
        self.write(dst, &words)
    }

    pub(crate) fn read(&mut self, src: &Limbs<Words>, dst: &mut [u32]) -> Result<()> {
        same_length(src.shape.words(), dst.len())?;
        self.downloads += 1;
        if dst.is_empty() {
            return self.recorder.submit();
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let words = dst.len();
        let back = self.gpu().buffer(words, usage).ok_or(Error::OutOfMemory { words })?;
        let (count, item) = (src.shape.count as usize, src.shape.basis.len() * src.shape.cols as usize);
        let mut at = 0;
        for (slab, offset, words) in src.buf.parts(count, item) {
            self.recorder.copy_out((slab, offset), &back, at, words);
            at += words;
        }
        self.recorder.submit()?;
        let (sender, mapped) = std::sync::mpsc::channel();
        back.map_async(wgpu::MapMode::Read, .., move |result| {
            let _ = sender.send(result.is_ok()); // the receiver lives until it has the answer
        });
        let waited = self.gpu().device().poll(wgpu::PollType::wait_indefinitely());
        // Another thread that polls the device may call back.
        if waited.is_err() || self.gpu().is_lost() || mapped.recv() != Ok(true) {
            return Err(Error::DeviceLost);
        }
        self.recorder.rest();
        let view = back.get_mapped_range(..).map_err(|_| Error::DeviceLost)?;
        dst.copy_from_slice(bytemuck::cast_slice(&view));
        Ok(())
    }
}

/// Whether threads would cost more time than the work that the threads share.
fn words_are_few(rows: usize, cols: u32) -> bool {
    rows * (cols as usize) < 1 << 16
}
