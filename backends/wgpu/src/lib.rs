//! The GPU backend of Polyformer. Each operation records one or more dispatches of a compute shader. A ciphertext stays
//! in device memory until [`download`](polyformer_kernel::backend::Backend::download).
//!
//! The WGSL texts are in the crate `polyformer-shaders`, one kernel a file. A kernel computes the same words as the
//! function of the same name in [`polyformer_kernel::ring::limb`].
//!
//! The modules, from the bottom up:
//!
//! 1. [`shader`]: the kernels and their WGSL modules; [`error`]: why a device cannot be opened.
//! 2. [`adapter`]: the GPUs of the machine; [`gpu`]: an open device with its compiled kernels.
//! 3. [`memory`]: ranges of device buffers (slabs); [`table`]: the words that calls read, each block stored once.
//! 4. [`call`]: the arguments of a dispatch; [`element`]: element-wise calls that share a dispatch.
//! 5. [`recorder`]: command buffers; [`constants`]: the blocks of the table for transforms and conversions.
//! 6. [`state`]: [`Wgpu`], the backend's state; [`dispatch`]: dispatches over rows and items.
//! 7. [`transform`], [`digits`], [`conversion`], [`sums`], [`products`], [`transfer`]: one kind of dispatch each.
//! 8. [`fused`] and [`giants`]: key switching, switching of moduli, giant steps; [`backend`]: the contract.
#![forbid(unsafe_code)]

mod adapter;
mod backend;
mod call;
mod constants;
mod conversion;
mod digits;
mod dispatch;
mod element;
mod error;
mod fused;
mod giants;
mod gpu;
mod memory;
mod products;
mod recorder;
mod shader;
mod state;
mod sums;
mod table;
mod transfer;
mod transform;

pub use adapter::{Adapter, adapters};
pub use error::{Error, Result};
pub use gpu::{Gpu, Options};
pub use memory::Words;
pub use shader::WideMul;
pub use state::Wgpu;
