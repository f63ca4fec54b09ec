//! A private question. The [`Client`] holds the secret and the words, and the [`Server`] holds the model and the
//! evaluation keys. Client and server exchange ciphertexts. Both derive the [`crate::plan::model::ModelPlan`] from the
//! number of tokens.

pub mod cipher;
mod client;
mod clock;
pub mod private;
mod remote_ring;
mod server;
mod watch;

pub use client::Client;
pub use clock::Clocked;
pub use remote_ring::{RingBridge, asked, header, told};
pub use server::{Executed, Server, load_keys};
pub use watch::Watched;
