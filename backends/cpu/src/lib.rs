//! The CPU backend of Polyformer: SIMD compute kernels, and threads over rows.
//!
//! A compute kernel is written once, over eight [`lanes`]. [`Isa`] chooses the instruction set once, at run time. An
//! operation is one parallel region over rows, and a fused operation is two.
//!
//! The modules, from the bottom up:
//!
//! 1. [`lanes`]: the operations of compute kernels; [`portable`] and, on x86-64, `avx2` and `avx512`: the instruction
//!    sets.
//! 2. [`isa`]: the choice of an instruction set; [`tables`]: factors of the transforms.
//! 3. [`memory`]: recycled buffers; [`parallel`]: rows and threads; [`state`]: [`Cpu`], the backend's state.
//! 4. [`stages`], [`ntt`], [`intt`]: transforms; [`rows`], [`dots`]: element-wise operations and sums of products.
//! 5. [`convert`], [`extend`]: basis conversion, alone and between transforms.
//! 6. [`key_switch`], [`mod_switch`]: the fused operations; [`backend`]: the contract.
#![deny(unsafe_code)]

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
mod backend;
mod convert;
mod dots;
mod extend;
mod intt;
mod isa;
mod key_switch;
mod lanes;
mod memory;
mod mod_switch;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
mod neon;
mod ntt;
mod parallel;
mod portable;
mod rows;
mod stages;
mod state;
mod tables;

pub use isa::Isa;
pub use memory::Words;
pub use state::Cpu;
