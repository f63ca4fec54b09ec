//! GPUs: the list, the selected GPU, and the choice of `auto`. A build without the feature `wgpu` has no GPUs and says
//! so.

use crate::{Error, Result};

/// A selected GPU and its method of multiplication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdapterChoice {
    /// Its place among [`list`].
    pub adapter: usize,
    /// Out of 16-bit halves, not with 64-bit integers.
    pub halves: bool,
    /// The most bytes of GPU memory to use; `None` for all.
    pub memory: Option<u64>,
}

/// The GPU's method of 64-bit products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WideMul {
    /// With its 64-bit integers.
    Int64,
    /// Out of 16-bit halves.
    Halves,
}

/// The properties of an adapter.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Discrete GPU, integrated GPU, virtual GPU, software or other.
    pub kind: &'static str,
    /// Vulkan, Metal or Direct3D 12.
    pub interface: String,
    /// The driver and its version.
    pub driver: String,
    /// Bytes of device memory that are free; a software adapter has the machine's.
    pub memory_bytes: Option<u64>,
    /// Whether shaders have 64-bit integers.
    pub int64: bool,
    /// Bytes of the largest buffer that a shader can bind. A larger buffer is split.
    pub binding_bytes: u64,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Which limit is too low for the shaders, if one is.
    pub lacks: Option<String>,
    /// Whether a processor does its work.
    pub software: bool,
}

fn refused(what: impl ToString) -> Error {
    Error::usage("--backend wgpu", what.to_string())
}

/// The GPU with `name` in its name, the first of all without a name.
///
/// # Errors
///
/// No adapter has the name, the adapter lacks a limit or the 64-bit integers, or the program has no GPU support.
pub fn pick(name: Option<&str>, arithmetic: Option<WideMul>) -> Result<AdapterChoice> {
    let all = list()?;
    let like = |a: &Listed| name.is_none_or(|name| a.name.to_lowercase().contains(&name.to_lowercase()));
    let found = all.iter().position(like);
    let Some((adapter, listed)) = found.and_then(|i| all.get(i).map(|a| (i, a))) else {
        return Err(refused(match name {
            Some(name) => format!("none of {} adapters is named like {name}", all.len()),
            None => "no adapter".into(),
        }));
    };
    if let Some(lacks) = &listed.lacks {
        return Err(refused(lacks));
    }
    if arithmetic == Some(WideMul::Int64) && !listed.int64 {
        return Err(refused(format!("{} has no 64-bit integers", listed.name)));
    }
    let halves = arithmetic == Some(WideMul::Halves) || !listed.int64;
    Ok(AdapterChoice { adapter, halves, memory: None })
}

/// The first GPU that is not software and can run the shaders, or the reason why no GPU qualifies.
///
/// # Errors
///
/// The reason to use the CPU.
pub fn auto() -> std::result::Result<(AdapterChoice, String), String> {
    let all = list().map_err(|error| error.to_string())?;
    let good = |a: &Listed| !a.software && a.lacks.is_none();
    match all.iter().enumerate().find(|(_, a)| good(a)) {
        Some((adapter, a)) => Ok((AdapterChoice { adapter, halves: !a.int64, memory: None }, a.name.clone())),
        None => Err(match all.first() {
            None => "no adapter".into(),
            Some(a) if a.software => format!("{} is software, which the CPU backend outruns", a.name),
            Some(a) => a.lacks.clone().unwrap_or_default(),
        }),
    }
}

#[cfg(feature = "wgpu")]
mod with {
    use super::{AdapterChoice, Listed, refused};
    use crate::Result;
    use polyformer_wgpu::{Gpu, Options, WideMul, adapters};
    use std::sync::OnceLock;

    /// A GPU after its first use.
    #[derive(Clone, Debug, Default)]
    pub struct Opened(OnceLock<Gpu>);

    impl Opened {
        /// The device of `pick`, the same each time.
        ///
        /// # Errors
        ///
        /// The adapter is gone, or the driver refuses to open the device.
        pub fn get(&self, pick: AdapterChoice) -> Result<&Gpu> {
            if let Some(gpu) = self.0.get() {
                return Ok(gpu);
            }
            let adapter = adapters().into_iter().nth(pick.adapter).ok_or_else(|| refused("no adapter"))?;
            let arithmetic = pick.halves.then_some(WideMul::Halves);
            let memory_words = pick.memory.map(|bytes| (bytes / 4) as usize);
            let options = Options { arithmetic, memory_words, ..Options::default() };
            let gpu = Gpu::open(&adapter, options).map_err(refused)?;
            Ok(self.0.get_or_init(|| gpu))
        }
    }

    /// The memory of each adapter, tried out.
    pub fn measure(listed: &mut [Listed]) {
        for (a, listed) in adapters().iter().zip(listed).filter(|(a, _)| !a.is_software()) {
            listed.memory_bytes = Gpu::open(a, Options::default()).ok().map(|gpu| gpu.room(1 << 42));
        }
    }

    /// Every adapter, its memory not measured.
    ///
    /// # Errors
    ///
    /// The program has no GPU support.
    pub fn list() -> Result<Vec<Listed>> {
        let listed = adapters().into_iter().map(|a| Listed {
            name: a.name().into(),
            kind: a.kind(),
            interface: a.interface(),
            driver: a.driver(),
            memory_bytes: None,
            int64: a.has_int64(),
            binding_bytes: a.binding_bytes(),
            workgroup_bytes: a.workgroup_bytes(),
            lacks: a.check().err().map(|e| e.to_string()),
            software: a.is_software(),
        });
        Ok(listed.collect())
    }
}

#[cfg(not(feature = "wgpu"))]
mod with {
    use super::{Listed, refused};
    use crate::Result;

    /// Measures nothing in a build without GPUs.
    pub fn measure(_: &mut [Listed]) {}

    /// An error: nobody can look.
    ///
    /// # Errors
    ///
    /// The program has no GPU support.
    pub fn list() -> Result<Vec<Listed>> {
        Err(refused("this program was built without GPUs; cargo build --release --features wgpu makes one with"))
    }
}

#[cfg(feature = "wgpu")]
pub use with::Opened;
pub use with::{list, measure};
