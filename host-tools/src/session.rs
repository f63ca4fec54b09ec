//! A private question: the [`Client`] holds the secret and the words, the [`Server`] the model and the evaluation keys.
//! What passes between them is ciphertexts and the [`crate::plan::model::ModelPlan`], which both derive from the number of tokens.

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
