//! An open GPU with its compiled shaders, shared by all backends on the GPU.

use crate::{
    adapter::{Adapter, IMMEDIATES},
    error::Result,
    shader::{Kernel, OPERAND_BUFFERS, WideMul},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// The smallest piece of memory that [`Gpu::room`] tries, in bytes.
const SMALLEST: u64 = 1 << 24;

/// Limits and choices; the default takes all that the adapter offers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The arithmetic.
    pub arithmetic: Option<WideMul>,
    /// The most words of a buffer that a shader can bind, if less than the adapter allows. A larger buffer is split.
    pub binding_words: Option<usize>,
    /// The most words of device memory to use.
    pub memory_words: Option<usize>,
}

/// An open GPU. Clones share the GPU.
#[derive(Clone)]
pub struct Gpu(Arc<Inner>);

struct Inner {
    name: String,
    device: wgpu::Device,
    queue: wgpu::Queue,
    arithmetic: WideMul,
    binding_words: usize,
    memory_words: usize,
    constants: wgpu::BindGroupLayout,
    operands: wgpu::BindGroupLayout,
    layout: wgpu::PipelineLayout,
    pipelines: Mutex<HashMap<Kernel, Arc<OnceLock<wgpu::ComputePipeline>>>>,
    lost: Arc<Fault>,
}

/// The reason of the loss of the GPU.
#[derive(Default)]
struct Fault(OnceLock<String>);

impl Fault {
    /// Notes the first reason; later reasons are dropped.
    fn note(&self, reason: String) {
        let _ = self.0.set(reason); // there is one already
    }
}

fn storage(binding: usize, read_only: bool) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}

fn bind_whole(binding: u32, buffer: &wgpu::Buffer) -> wgpu::BindGroupEntry<'_> {
    wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }
}

impl Gpu {
    /// Opens the device of an adapter.
    ///
    /// # Errors
    ///
    /// A limit is too low, the adapter lacks the 64-bit integers that `options` ask for, or the driver refuses.
    pub fn open(adapter: &Adapter, options: Options) -> Result<Self> {
        let arithmetic = options.arithmetic.unwrap_or(adapter.arithmetic());
        let (device, queue) = adapter.open(arithmetic)?;
        let lost = Arc::new(Fault::default());
        let fault = lost.clone();
        device.set_device_lost_callback(move |_, reason| fault.note(reason));
        // After the loss of a device its operations are errors, which submit and download report.
        let fault = lost.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| fault.note(error.to_string())));
        let group = |entries: &[wgpu::BindGroupLayoutEntry]| {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries })
        };
        let constants = group(&[storage(0, true), storage(1, true)]);
        let operands = group(&core::array::from_fn::<_, OPERAND_BUFFERS, _>(|i| storage(i, false)));
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&constants), Some(&operands)],
            immediate_size: IMMEDIATES,
        });
        let binding_words = (adapter.binding_bytes() / 4).min(1 << 30) as usize; // offsets are words in u32
        Ok(Self(Arc::new(Inner {
            name: adapter.name().into(),
            device,
            queue,
            arithmetic,
            binding_words: options.binding_words.unwrap_or(usize::MAX).min(binding_words),
            memory_words: options.memory_words.unwrap_or(usize::MAX),
            constants,
            operands,
            layout,
            pipelines: Mutex::default(),
            lost,
        })))
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The arithmetic of its kernels.
    pub fn arithmetic(&self) -> WideMul {
        self.0.arithmetic
    }

    /// True if the device is lost.
    pub fn is_lost(&self) -> bool {
        self.0.lost.0.get().is_some()
    }

    /// The reason of the loss, or `None`.
    pub fn fault(&self) -> Option<&str> {
        self.0.lost.0.get().map(String::as_str)
    }

    /// Closes the GPU. Every later use reports a lost device.
    pub fn destroy(&self) {
        self.0.lost.note("given up".into());
        self.0.device.destroy();
    }

    pub(crate) fn device(&self) -> &wgpu::Device {
        &self.0.device
    }

    pub(crate) fn queue(&self) -> &wgpu::Queue {
        &self.0.queue
    }

    /// Words of the largest buffer that a shader sees.
    pub(crate) fn binding_words(&self) -> usize {
        self.0.binding_words
    }

    /// Words of device memory that may be used.
    pub(crate) fn memory_words(&self) -> usize {
        self.0.memory_words
    }

    /// A buffer of `words` words, or `None` without enough memory.
    pub(crate) fn buffer(&self, words: usize, usage: wgpu::BufferUsages) -> Option<wgpu::Buffer> {
        let scope = self.0.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let size = 4 * words as u64;
        let buffer = self.0.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        });
        match pollster::block_on(scope.pop()) {
            None => Some(buffer),
            Some(_) => None,
        }
    }

    fn bind(&self, layout: &wgpu::BindGroupLayout, buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
        let entries: Vec<_> = (0..).zip(buffers).map(|(i, b)| bind_whole(i, b)).collect();
        self.0.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries })
    }

    /// Bytes of GPU memory that can be allocated now, up to `most`. The function allocates and frees the memory.
    pub fn room(&self, most: u64) -> u64 {
        let (mut held, mut bytes) = (Vec::new(), 0);
        let usage = wgpu::BufferUsages::STORAGE;
        let mut piece = most.min(4 * self.binding_words() as u64) / 4 * 4;
        while bytes < most && piece >= SMALLEST {
            match self.buffer((piece.min(most - bytes) / 4) as usize, usage) {
                Some(buffer) => {
                    bytes += buffer.size();
                    held.push(buffer);
                }
                None => piece = piece / 8 * 4,
            }
        }
        held.iter().for_each(wgpu::Buffer::destroy);
        bytes
    }

    /// The bind group of the constants, group 0 of every dispatch.
    pub(crate) fn bind_constants(&self, ring: &wgpu::Buffer, table: &wgpu::Buffer) -> wgpu::BindGroup {
        self.bind(&self.0.constants, &[ring, table])
    }

    /// The bind group of the operands, group 1 of a dispatch.
    pub(crate) fn bind_operands(&self, buffers: [&wgpu::Buffer; OPERAND_BUFFERS]) -> wgpu::BindGroup {
        self.bind(&self.0.operands, &buffers)
    }

    /// The shader, compiled at the first request.
    pub(crate) fn pipeline(&self, kernel: Kernel) -> wgpu::ComputePipeline {
        let mut pipelines = self.0.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let pipeline = pipelines.entry(kernel).or_default().clone();
        drop(pipelines); // others are compiled meanwhile
        pipeline.get_or_init(|| self.compile(kernel)).clone()
    }

    /// Compiles the shaders of a ring with this many special primes, until `stop`. Call the function on another thread,
    /// so that no operation waits for its shader.
    pub fn prepare(&self, specials: u16, stop: &AtomicBool) {
        for kernel in Kernel::all(specials.into()) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            self.pipeline(kernel);
        }
    }

    fn compile(&self, kernel: Kernel) -> wgpu::ComputePipeline {
        let module = self.0.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(kernel.source(self.0.arithmetic).into()),
        });
        let compilation_options = wgpu::PipelineCompilationOptions {
            constants: &kernel.overrides(),
            zero_initialize_workgroup_memory: false, // every word is written before it is read
        };
        self.0.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&self.0.layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options,
            cache: None,
        })
    }
}

impl core::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Gpu")
            .field("name", &self.0.name)
            .field("arithmetic", &self.0.arithmetic)
            .finish_non_exhaustive()
    }
}
