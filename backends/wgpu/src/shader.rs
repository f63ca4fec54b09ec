//! The shaders: their WGSL text, assembled from the texts of `polyformer_shaders`, and the constants that specialise
//! the shaders.

use polyformer_kernel::ring::convert::MAX_SOURCES;
use polyformer_shaders as shaders;

/// Buffers of operands that every module binds (`m0` to `m5`), besides the ring and the table.
pub const OPERAND_BUFFERS: usize = 6;

/// The method of 64-bit products. Both methods give the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WideMul {
    /// With the 64-bit integers of the adapter.
    Int64,
    /// Out of 16-bit halves, on every adapter.
    Halves,
}

impl WideMul {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            WideMul::Int64 => "64-bit integers",
            WideMul::Halves => "16-bit halves",
        }
    }
}

/// A compute shader; `convert` is compiled for each number of sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    Load,
    Copy,
    Zip,
    Scalar,
    Dot,
    Tensor,
    Permute,
    Residues,
    Ntt,
    Intt,
    Convert { sources: u32, prepared: bool },
    KeySwitch,
}

impl Kernel {
    /// The shaders that are equal for every ring.
    const FIXED: [Kernel; 11] = [
        Kernel::Load,
        Kernel::Residues,
        Kernel::Ntt,
        Kernel::Copy,
        Kernel::Zip,
        Kernel::Scalar,
        Kernel::Intt,
        Kernel::KeySwitch,
        Kernel::Permute,
        Kernel::Dot,
        Kernel::Tensor,
    ];

    /// The shaders of a ring with this many special primes. They include conversions from a digit, from the special
    /// primes, and from the special primes plus the primes of up to two levels. Keys need the first ones.
    pub fn all(specials: u32) -> impl Iterator<Item = Kernel> {
        let convert = |sources| [false, true].map(|prepared| Kernel::Convert { sources, prepared });
        let most = (specials + 4).min(MAX_SOURCES as u32);
        Self::FIXED.into_iter().chain((1..=most).rev().flat_map(convert))
    }

    /// Its name, which is the name of its file.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Load => "load",
            Kernel::Copy => "copy",
            Kernel::Zip => "zip",
            Kernel::Scalar => "scalar",
            Kernel::Dot => "dot",
            Kernel::Tensor => "tensor",
            Kernel::Permute => "permute",
            Kernel::Residues => "residues",
            Kernel::Ntt => "ntt",
            Kernel::Intt => "intt",
            Kernel::Convert { .. } => "convert",
            Kernel::KeySwitch => "key_switch",
        }
    }

    /// Its own file.
    fn file(self) -> &'static str {
        match self {
            Kernel::Load => shaders::LOAD,
            Kernel::Copy => shaders::COPY,
            Kernel::Zip => shaders::ZIP,
            Kernel::Scalar => shaders::SCALAR,
            Kernel::Dot => shaders::DOT,
            Kernel::Tensor => shaders::TENSOR,
            Kernel::Permute => shaders::PERMUTE,
            Kernel::Residues => shaders::RESIDUES,
            Kernel::Ntt => shaders::NTT,
            Kernel::Intt => shaders::INTT,
            Kernel::Convert { .. } => shaders::CONVERT,
            Kernel::KeySwitch => shaders::KEY_SWITCH,
        }
    }

    /// The whole module.
    pub fn source(self, arithmetic: WideMul) -> String {
        let products = match arithmetic {
            WideMul::Int64 => shaders::MODULAR_U64,
            WideMul::Halves => shaders::MODULAR_U32,
        };
        let arguments = match self {
            Kernel::Convert { .. } => "", // has its own
            _ => shaders::CALL,
        };
        let shared = match self {
            Kernel::Ntt | Kernel::Intt => shaders::TRANSFORM,
            Kernel::Permute | Kernel::KeySwitch => shaders::AUTOMORPHISM,
            _ => "",
        };
        let layout = shaders::LAYOUT;
        let modular = shaders::MODULAR;
        [layout, arguments, products, modular, shared, self.file()].join("\n")
    }

    /// The constants that the pipeline is compiled with.
    pub fn overrides(self) -> Vec<(&'static str, f64)> {
        match self {
            Kernel::Convert { sources, prepared } => {
                vec![("SOURCES", sources.into()), ("PREPARED", f64::from(u8::from(prepared)))]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kernel, WideMul};
    use wgpu::naga::{
        front::wgsl,
        valid::{Capabilities, ValidationFlags, Validator},
    };

    fn valid(kernel: Kernel, arithmetic: WideMul, capabilities: Capabilities) -> Result<(), String> {
        let source = kernel.source(arithmetic);
        let module = wgsl::parse_str(&source).map_err(|e| e.emit_to_string(&source))?;
        let mut validator = Validator::new(ValidationFlags::all(), capabilities | Capabilities::IMMEDIATES);
        validator.validate(&module).map(|_| ()).map_err(|e| e.emit_to_string(&source))
    }

    #[test]
    fn shaders_of_halves_need_no_64_bit_integers() {
        for kernel in Kernel::all(1) {
            valid(kernel, WideMul::Halves, Capabilities::empty()).unwrap();
        }
        assert!(valid(Kernel::Zip, WideMul::Int64, Capabilities::empty()).is_err());
    }

    #[test]
    fn shaders_are_valid_with_64_bit_integers() {
        for kernel in Kernel::all(1) {
            valid(kernel, WideMul::Int64, Capabilities::SHADER_INT64).unwrap();
        }
    }
}
