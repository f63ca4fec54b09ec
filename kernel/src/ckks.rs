//! RNS-CKKS: approximate arithmetic on encrypted vectors, over any backend.
//!
//! A ciphertext (c0, c1) decrypts to c0 + c1 s = scale(level) m + e modulo Q_level. The scale is a function of the
//! level ([`crate::params`]), so no type stores a scale. Read [`encode`], [`keys`], [`encrypt`], then the evaluator.
//! [`noise`] predicts the error of each operation.
//!
//! Plan first: a dry run of a circuit says which keys a server needs, and the level that the result has.
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use polyformer_kernel::{
//!     arith::Arithmetic,
//!     ckks::noise,
//!     eval::trace::Trace,
//!     params::{Params, presets},
//! };
//!
//! fn norm<A: Arithmetic>(ev: &mut A, x: &A::Slots) -> polyformer_kernel::Result<A::Slots> {
//!     let mut sum = ev.product(x, x)?;
//!     let turned = ev.rotate(&sum, 1)?;
//!     ev.add(&mut sum, &turned)?;
//!     Ok(sum) // x_i^2 + x_(i+1)^2
//! }
//!
//! let params = Params::new(&presets::L14)?;
//! let mut plan = Trace::new(params.slots(), None); // on ciphertexts: Ckks
//! let x = plan.input(2);
//! let y = norm(&mut plan, &x)?;
//! assert_eq!((plan.level(&y), plan.cost().key_switch), (1, 2));
//! assert_eq!((plan.demand().relin, plan.demand().rotations.get(&1)), (Some(2), Some(&1)));
//! assert!(noise::key_switch(&params, 2) / params.scale(1) < 1e-6); // the error of a relinearisation
//! # }
//! # Ok::<(), polyformer_kernel::Error>(())
//! ```

#[cfg(feature = "alloc")]
mod arithmetic;

#[cfg(feature = "alloc")]
mod client;
mod derive;
pub mod embedded;
pub mod encode;
#[cfg(feature = "alloc")]
mod encoder;
pub mod encrypt;
#[cfg(feature = "alloc")]
mod evaluation_keys;
#[cfg(feature = "alloc")]
mod evaluator;
#[cfg(feature = "alloc")]
pub mod expand;
mod gadget;
#[cfg(feature = "alloc")]
mod generate;
pub mod hazmat;
mod hedge;
#[cfg(feature = "alloc")]
mod hoist;
pub mod keys;
pub mod noise;
mod public_key;
#[cfg(feature = "alloc")]
pub mod raise;
#[cfg(feature = "alloc")]
pub mod ring_switch;
#[cfg(feature = "alloc")]
pub mod scores;
mod secret;
#[cfg(feature = "alloc")]
mod transform;
#[cfg(feature = "alloc")]
mod wide;

#[cfg(feature = "alloc")]
pub use client::Client;
#[cfg(feature = "alloc")]
pub use encoder::Encoder;
#[cfg(feature = "alloc")]
pub(crate) use evaluator::alignment;
#[cfg(feature = "alloc")]
pub use evaluator::{Ckks, Plaintext};
#[cfg(feature = "alloc")]
pub use hoist::Hoisted;
#[cfg(feature = "alloc")]
pub use wide::Wide;

use crate::{
    backend::{
        Backend,
        poly::{Eval, Poly},
    },
    ring::sample::Seed,
};

/// (c0, c1) with c0 + c1 s = scale(level) m + e, both over Q of the level; perhaps a batch of them.
pub struct Ciphertext<B: Backend> {
    /// The two polynomials.
    pub c: [Poly<Eval, B>; 2],
    /// The level.
    pub level: u8,
}

/// A fresh public seed. Each caller uses a seed for one thing, so no seed comes from outside.
fn public_seed(rng: &mut impl rand_core::CryptoRng) -> Seed {
    let mut seed = Seed::default();
    rng.fill_bytes(&mut seed);
    seed
}
