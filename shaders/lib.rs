//! The WGSL compute shaders of Polyformer, as text. `polyformer-wgpu` compiles the shaders.
//!
//! A shader module is the concatenation of these texts:
//!
//! 1. [`LAYOUT`],
//! 2. [`CALL`], except for [`CONVERT`],
//! 3. [`MODULAR_U64`] or [`MODULAR_U32`],
//! 4. [`MODULAR`],
//! 5. the shared part of the kernel: [`TRANSFORM`], [`AUTOMORPHISM`] or nothing,
//! 6. the kernel.
//!
//! Each kernel has one entry point, `main`. A kernel computes the same words as the function of the same name in
//! `polyformer_kernel::ring::limb`.
#![no_std]
#![forbid(unsafe_code)]

/// Declarations that every kernel shares: bindings and addresses of rows. The first part of every module.
pub const LAYOUT: &str = include_str!("layout.wgsl");
/// The arguments of a call, for every kernel except [`CONVERT`], which declares its own.
pub const CALL: &str = include_str!("call.wgsl");
/// Arithmetic modulo q < 2^30, over the products of [`MODULAR_U64`] or [`MODULAR_U32`].
pub const MODULAR: &str = include_str!("modular.wgsl");
/// 64-bit products from 16-bit halves, for adapters without 64-bit integers.
pub const MODULAR_U32: &str = include_str!("modular_u32.wgsl");
/// 64-bit products with the 64-bit integers of the adapter.
pub const MODULAR_U64: &str = include_str!("modular_u64.wgsl");
/// The part that [`NTT`] and [`INTT`] share: passes over a tile of a row.
pub const TRANSFORM: &str = include_str!("transform.wgsl");
/// The column permutation of X -> X^g, for [`PERMUTE`] and [`KEY_SWITCH`].
pub const AUTOMORPHISM: &str = include_str!("automorphism.wgsl");
/// Copies runs of words from the table to their places.
pub const LOAD: &str = include_str!("load.wgsl");
/// out = a.
pub const COPY: &str = include_str!("copy.wgsl");
/// out = a op b, or out = out + a b.
pub const ZIP: &str = include_str!("zip.wgsl");
/// out = a op c, one constant a row.
pub const SCALAR: &str = include_str!("scalar.wgsl");
/// Sums of products, one for each result.
pub const DOT: &str = include_str!("dot.wgsl");
/// The three parts of a product of two ciphertexts.
pub const TENSOR: &str = include_str!("tensor.wgsl");
/// out = a(X^g), or out = out + a(X^g).
pub const PERMUTE: &str = include_str!("permute.wgsl");
/// Signed 64-bit integers to residues.
pub const RESIDUES: &str = include_str!("residues.wgsl");
/// Forward number-theoretic transform, one pass.
pub const NTT: &str = include_str!("ntt.wgsl");
/// Inverse number-theoretic transform, one pass.
pub const INTT: &str = include_str!("intt.wgsl");
/// Fast basis conversion.
pub const CONVERT: &str = include_str!("convert.wgsl");
/// Sums of gadget products.
pub const KEY_SWITCH: &str = include_str!("key_switch.wgsl");
