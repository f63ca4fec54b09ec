//! The adapters of this machine, and their properties.

use crate::{
    error::{Error, Result},
    shader::{OPERAND_BUFFERS, WideMul},
};

/// Bytes of immediates that a dispatch needs.
pub const IMMEDIATES: u32 = 128;
/// Bytes of workgroup memory that the transforms need.
const WORKGROUP: u32 = 4 * 4096;
/// Threads of a workgroup.
const THREADS: u32 = 256;
/// Storage buffers that a shader names.
const BUFFERS: u32 = 2 + OPERAND_BUFFERS as u32;

/// A GPU, or a software implementation of a GPU.
#[derive(Clone, Debug)]
pub struct Adapter {
    adapter: wgpu::Adapter,
    info: wgpu::AdapterInfo,
}

/// Every adapter, hardware before software.
pub fn adapters() -> Vec<Adapter> {
    reached_by(wgpu::Backends::PRIMARY)
}

fn reached_by(backends: wgpu::Backends) -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = backends;
    descriptor.backend_options.noop.enable = backends.contains(wgpu::Backends::NOOP);
    // A device that is nearly full refuses a buffer, where it could have been lost.
    descriptor.memory_budget_thresholds.for_resource_creation = Some(97);
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(backends));
    let mut adapters: Vec<_> = found.into_iter().map(|adapter| Adapter { info: adapter.get_info(), adapter }).collect();
    adapters.sort_by_key(|a| match a.info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    });
    adapters
}

impl Adapter {
    /// The first adapter whose name contains `name` in any case; without a name the first adapter. With the feature
    /// `noop`, the name `noop` selects an adapter that accepts all records and does nothing. Its bindings have any
    /// size.
    ///
    /// # Errors
    ///
    /// [`Error::NoAdapter`] if the system has none, [`Error::NotFound`] if no name matches.
    pub fn find(name: Option<&str>) -> Result<Self> {
        let idle = cfg!(feature = "noop") && name == Some("noop");
        let all = if idle { reached_by(wgpu::Backends::NOOP) } else { adapters() };
        if all.is_empty() {
            return Err(Error::NoAdapter);
        }
        let among = all.len();
        let Some(name) = name else { return all.into_iter().next().ok_or(Error::NoAdapter) };
        let like = |a: &Adapter| a.name().to_lowercase().contains(&name.to_lowercase());
        all.into_iter().find(like).ok_or_else(|| Error::NotFound { asked: name.into(), among })
    }

    /// The name of the adapter.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The kind of the adapter.
    pub fn kind(&self) -> &'static str {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete GPU",
            wgpu::DeviceType::IntegratedGpu => "integrated GPU",
            wgpu::DeviceType::VirtualGpu => "virtual GPU",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "other",
        }
    }

    /// True if the adapter is software on the processor.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// True if the adapter accepts work and does nothing.
    pub fn does_nothing(&self) -> bool {
        self.info.backend == wgpu::Backend::Noop
    }

    /// The programming interface of the adapter.
    pub fn interface(&self) -> String {
        self.info.backend.to_string()
    }

    /// The driver and its version.
    pub fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info).trim().into()
    }

    /// The faster of the supported arithmetics.
    pub fn arithmetic(&self) -> WideMul {
        if self.has_int64() { WideMul::Int64 } else { WideMul::Halves }
    }

    /// Whether shaders may use 64-bit integers.
    pub fn has_int64(&self) -> bool {
        self.adapter.features().contains(wgpu::Features::SHADER_INT64)
    }

    /// The largest buffer that a shader sees, in bytes.
    pub fn binding_bytes(&self) -> u64 {
        let limits = self.adapter.limits();
        limits.max_storage_buffer_binding_size.min(limits.max_buffer_size)
    }

    /// The workgroup memory, in bytes.
    pub fn workgroup_bytes(&self) -> u32 {
        self.adapter.limits().max_compute_workgroup_storage_size
    }

    /// Checks that the shaders can run.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] with the first limit that is too low.
    pub fn check(&self) -> Result<()> {
        let limits = self.adapter.limits();
        let immediates = self.adapter.features().contains(wgpu::Features::IMMEDIATES);
        let needs = [
            ("immediates", IMMEDIATES, if immediates { limits.max_immediate_size } else { 0 }),
            ("workgroup memory", WORKGROUP, limits.max_compute_workgroup_storage_size),
            ("threads of a workgroup", THREADS, limits.max_compute_invocations_per_workgroup),
            ("storage buffers of a shader", BUFFERS, limits.max_storage_buffers_per_shader_stage),
        ];
        let lacking = needs.into_iter().find(|(_, need, have)| need > have);
        lacking.map_or(Ok(()), |(limit, need, have)| {
            Err(Error::Limit { adapter: self.name().into(), limit, need: need.into(), have: have.into() })
        })
    }

    /// Opens the device.
    pub(crate) fn open(&self, arithmetic: WideMul) -> Result<(wgpu::Device, wgpu::Queue)> {
        self.check()?;
        let int64 = match arithmetic {
            WideMul::Int64 if !self.has_int64() => return Err(Error::NoInt64 { adapter: self.name().into() }),
            WideMul::Int64 => wgpu::Features::SHADER_INT64,
            WideMul::Halves => wgpu::Features::empty(),
        };
        let opened = self.adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("polyformer"),
            required_features: wgpu::Features::IMMEDIATES | int64,
            required_limits: self.adapter.limits(),
            ..Default::default()
        });
        let refused =
            |e: wgpu::RequestDeviceError| Error::Refused { adapter: self.name().into(), reason: e.to_string() };
        pollster::block_on(opened).map_err(refused)
    }
}
