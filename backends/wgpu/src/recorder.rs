//! Recording of work: one encoder and one compute pass at a time. A copy or a submission ends the pass. New words of the table
//! are written just before the submission; the queue keeps the order, so each dispatch finds its words.

use crate::{
    call::{Call, LISTED, Operand},
    element::Element,
    gpu::Gpu,
    memory::Memory,
    shader::{Kernel, OPERAND_BUFFERS},
    table::{self, Key, Table},
};
use polyformer_kernel::{
    Error, Result,
    math::modular::Modulus,
    ring::{Basis, MAX_MODULI, Ring, tables},
};
use std::collections::HashMap;

/// Dispatches after which recorded work is submitted, so that the device starts before the recording ends. An idle device gets
/// the smallest batch; each later batch is twice as large, up to the largest.
const BATCHES: core::ops::RangeInclusive<u32> = 16..=128;

/// Words before the twiddles in the buffer `ring` of the shaders.
const TWIDDLES: usize = 5 * MAX_MODULI;

/// Records work, and submits the work.
pub struct Recorder {
    gpu: Gpu,
    memory: Memory,
    table: Table,
    table_buffer: wgpu::Buffer,
    constants: wgpu::BindGroup,
    groups: HashMap<[u16; OPERAND_BUFFERS], wgpu::BindGroup>,
    pipelines: HashMap<Kernel, (wgpu::ComputePipeline, u64)>, // and its dispatches
    encoder: Option<wgpu::CommandEncoder>,
    pass: Option<wgpu::ComputePass<'static>>,
    set: (Option<Kernel>, Option<[u16; OPERAND_BUFFERS]>), // in the pass
    recorded: u32,                                         // since the last submission
    batch: u32,                                            // until the next
    waiting: Vec<Element>,                                 // calls of a kind; none while loads wait
    loads: Vec<Load>,                                      // words in the table that wait to be copied
    written: usize,                                        // words that wait in the queue for a submission
}

impl Recorder {
    /// Uploads the constants of `ring`.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceMemory`] if the device has no room for the constants.
    pub fn new(gpu: &Gpu, ring: &Ring<'_>) -> Result<Self> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let words = TWIDDLES + tables::words(ring.n(), ring.moduli().len());
        let buffer = |words| gpu.buffer(words, usage).ok_or(Error::DeviceMemory { words, room: gpu.binding_words() });
        if words > gpu.binding_words() {
            return Err(Error::DeviceMemory { words, room: gpu.binding_words() });
        }
        let (ring_buffer, table_buffer) = (buffer(words)?, buffer(table::WORDS)?);
        let mut header = [0; TWIDDLES];
        for (words, q) in header.as_chunks_mut::<4>().0.iter_mut().zip(ring.moduli()) {
            *words = words_of(*q);
        }
        header[4 * MAX_MODULI] = ring.n().trailing_zeros();
        gpu.queue().write_buffer(&ring_buffer, 0, bytemuck::cast_slice(&header));
        for m in 0..ring.moduli().len() {
            for (half, twiddles) in [ring.twiddles(m), ring.inv_twiddles(m)].into_iter().enumerate() {
                let at = 4 * (TWIDDLES + (2 * m + half) * ring.n()) as u64;
                gpu.queue().write_buffer(&ring_buffer, at, bytemuck::cast_slice(twiddles));
            }
        }
        Ok(Self {
            gpu: gpu.clone(),
            memory: Memory::new(gpu),
            table: Table::default(),
            constants: gpu.bind_constants(&ring_buffer, &table_buffer),
            table_buffer,
            groups: HashMap::new(),
            pipelines: HashMap::new(),
            encoder: None,
            pass: None,
            set: (None, None),
            recorded: 0,
            batch: *BATCHES.start(),
            waiting: Vec::new(),
            loads: Vec::new(),
            written: 0,
        })
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Its memory.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The number of recorded dispatches.
    pub fn dispatches(&self) -> u64 {
        self.pipelines.values().map(|(_, count)| count).sum()
    }

    /// The number of dispatches of each kernel.
    pub fn kernels(&self) -> impl Iterator<Item = (Kernel, u64)> {
        self.pipelines.iter().map(|(kernel, (_, count))| (*kernel, *count))
    }

    /// The offset of the block of `key` in the table. `make` computes a missing block.
    pub fn block(&mut self, key: Key, make: impl FnOnce() -> Vec<u32>) -> u32 {
        if let Some(at) = self.table.find(&key) {
            return at;
        }
        let words = make();
        if !self.table.fits(words.len()) {
            self.flush();
            self.table.clear();
        }
        self.table.insert(key, &words)
    }

    /// Empties the table if the blocks of one operation do not fit, so that these blocks are in the table together.
    pub fn make_room(&mut self) {
        if !self.table.fits(ROOM) {
            self.flush();
            self.table.clear();
        }
    }

    /// The offset of a block with these words.
    pub fn words(&mut self, words: &[u32]) -> u32 {
        self.block(Key::Words(words.to_vec()), || words.to_vec())
    }

    /// The first items of `operands` as one operand, by their distance or by a list of offsets. Every two operands must satisfy
    /// [`Operand::joins`].
    pub fn joined(&mut self, operands: &[Operand]) -> Operand {
        if let Some(even) = Operand::evenly(operands) {
            return even;
        }
        let starts: Vec<u32> = operands.iter().map(|o| o.offset).collect();
        Operand { offset: self.words(&starts), stride: LISTED, ..operands[0] }
    }

    /// Records one dispatch of `grid` workgroups on operands in these slabs.
    pub fn dispatch(&mut self, kernel: Kernel, slabs: &[u16], call: &Call, grid: [u32; 3]) {
        if grid.contains(&0) {
            return;
        }
        self.settle();
        self.record(kernel, slabs, call, grid);
        if self.recorded >= self.batch {
            self.flush();
        }
    }

    /// Records a call on one item. Consecutive calls that can be merged become one dispatch.
    pub fn element(&mut self, element: Element) {
        if !self.loads.is_empty() || !element.joins(&self.waiting) {
            self.settle();
        }
        self.waiting.push(element);
    }

    /// Records the pending calls.
    fn settle(&mut self) {
        self.load();
        let Some(Element { kernel, call, grid, .. }) = self.waiting.first().copied() else { return };
        let operands = Element::operands(&self.waiting);
        let call = Call { arguments: Call::new(call.over, &operands).arguments, ..call };
        let grid = [grid[0], grid[1], self.waiting.len() as u32];
        self.waiting.clear();
        self.record(kernel, &operands.map(|o| o.slab), &call, grid);
        if self.recorded >= self.batch {
            self.flush();
        }
    }

    fn record(&mut self, kernel: Kernel, slabs: &[u16], call: &Call, grid: [u32; 3]) {
        let slabs: [u16; OPERAND_BUFFERS] =
            core::array::from_fn(|i| slabs.get(i).or(slabs.first()).copied().unwrap_or(0));
        let (pipeline, count) = self.pipelines.entry(kernel).or_insert_with(|| (self.gpu.pipeline(kernel), 0));
        *count += 1;
        let group =
            self.groups.entry(slabs).or_insert_with(|| self.gpu.bind_operands(self.memory.buffers(slabs).each_ref()));
        let pass = self.pass.get_or_insert_with(|| {
            let encoder =
                self.encoder.get_or_insert_with(|| self.gpu.device().create_command_encoder(&Default::default()));
            let mut pass = encoder.begin_compute_pass(&Default::default()).forget_lifetime();
            pass.set_bind_group(0, &self.constants, &[]);
            self.set = (None, None);
            pass
        });
        if self.set.0 != Some(kernel) {
            pass.set_pipeline(pipeline);
        }
        if self.set.1 != Some(slabs) {
            pass.set_bind_group(1, &*group, &[]);
        }
        self.set = (Some(kernel), Some(slabs));
        pass.set_immediates(0, bytemuck::cast_slice(&call.immediates()));
        pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
        self.recorded += 1;
    }

    /// Records a copy from a slab, after all recorded work.
    pub fn copy_out(&mut self, from: (u16, usize), to: &wgpu::Buffer, at: usize, words: usize) {
        self.settle();
        self.pass = None;
        let encoder = self.encoder.get_or_insert_with(|| self.gpu.device().create_command_encoder(&Default::default()));
        let buffer = self.memory.buffer(from.0);
        encoder.copy_buffer_to_buffer(&buffer, 4 * from.1 as u64, to, 4 * at as u64, 4 * words as u64);
        self.recorded += 1;
    }

    /// Writes host words to a slab, after all recorded work. A few words travel through the table.
    pub fn write(&mut self, (slab, offset): (u16, usize), words: &[u32]) {
        if !self.waiting.is_empty() {
            self.settle();
        }
        if self.recorded > 0 && words.len() <= FEW {
            self.make_room();
            let load = Load { slab, to: offset as u32, from: self.table.push(words), words: words.len() as u32 };
            if self.loads.len() == LOADS || self.loads.iter().any(|other| other.meets(&load)) {
                self.load();
            }
            return self.loads.push(load);
        }
        // A write to the queue happens before all later submissions.
        if self.recorded > 0 || self.written > WRITES {
            self.flush();
        }
        self.written += words.len();
        self.gpu.queue().write_buffer(&self.memory.buffer(slab), 4 * offset as u64, bytemuck::cast_slice(words));
    }

    /// Records the pending copies out of the table: one dispatch a slab.
    fn load(&mut self) {
        if self.loads.is_empty() {
            return;
        }
        let mut loads = core::mem::take(&mut self.loads);
        loads.sort_by_key(|load| load.slab);
        for loads in loads.chunk_by(|x, y| x.slab == y.slab) {
            let words: Vec<u32> = loads.iter().flat_map(|load| [load.to, load.from, load.words]).collect();
            let most = loads.iter().map(|load| load.words).max().unwrap_or(0);
            let call = Call { constants: self.table.push(&words), ..Call::new(Basis::span(0, 0), &[]) };
            let grid = [most.div_ceil(THREADS), loads.len() as u32, 1];
            self.record(Kernel::Load, &[loads[0].slab], &call, grid);
        }
    }

    /// Submits all recorded work.
    pub fn flush(&mut self) {
        self.settle();
        self.pass = None;
        if let Some((at, words)) = self.table.take_pending() {
            self.gpu.queue().write_buffer(&self.table_buffer, 4 * at as u64, bytemuck::cast_slice(&words));
        }
        self.gpu.queue().submit(self.encoder.take().map(|encoder| encoder.finish()));
        (self.recorded, self.written) = (0, 0);
        self.batch = (2 * self.batch).min(*BATCHES.end());
    }

    /// Notes that the device is idle.
    pub fn rest(&mut self) {
        self.batch = *BATCHES.start();
    }

    /// Submits all recorded work, then zeroes the table and the words that no buffer holds. Waits for the device, whose
    /// queue keeps written words until then.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceLost`] if the device is gone.
    pub fn wipe(&mut self) -> Result<()> {
        self.flush();
        self.table.clear();
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        encoder.clear_buffer(&self.table_buffer, 0, None);
        for (buffer, offset, words) in self.memory.free() {
            encoder.clear_buffer(&buffer, 4 * offset as u64, Some(4 * words as u64));
        }
        self.gpu.queue().submit([encoder.finish()]);
        let waited = self.gpu.device().poll(wgpu::PollType::wait_indefinitely());
        self.rest();
        if waited.is_err() || self.gpu.is_lost() { Err(Error::DeviceLost) } else { Ok(()) }
    }

    /// Submits all recorded work, if any.
    ///
    /// # Errors
    ///
    /// [`Error::DeviceLost`] if the device is gone.
    pub fn submit(&mut self) -> Result<()> {
        self.settle();
        if self.recorded > 0 || self.written > 0 {
            self.flush();
        }
        if self.gpu.is_lost() { Err(Error::DeviceLost) } else { Ok(()) }
    }
}

/// Words written to the queue after which the queue is submitted. Written words occupy memory of the host until then.
const WRITES: usize = 1 << 24;

/// The most words of the blocks of one operation: 32 conversions of 16 to 64 primes.
const ROOM: usize = 1 << 16;

/// Words of the table on their way to a slab.
struct Load {
    slab: u16,
    to: u32,
    from: u32,
    words: u32,
}

impl Load {
    /// Whether the two calls write a common word.
    fn meets(&self, other: &Self) -> bool {
        self.slab == other.slab && self.to < other.to + other.words && other.to < self.to + self.words
    }
}

/// Runs of words that one dispatch copies.
const LOADS: usize = 64;

/// The most words of a write through the table.
const FEW: usize = 1 << 14;
/// Threads of a workgroup.
const THREADS: u32 = 256;

/// The words of `Modulus` in layout.wgsl.
fn words_of(q: Modulus) -> [u32; 4] {
    [q.q(), q.neg_q_inv(), q.one(), q.to_mont(q.one())]
}
