//! A private question. The [`Client`] holds the secret and the words, and the [`Server`] holds the model and the
//! evaluation keys. Client and server exchange ciphertexts. Both derive the [`crate::plan::model::ModelPlan`] from the
//! number of tokens.

mod asker;
pub mod cipher;
mod client;
mod clock;
mod inference;
pub mod private;
pub mod progress;
mod remote_ring;
mod server;
mod watch;

pub use asker::{Answer, Asker};
pub use client::Client;
pub use clock::Clocked;
pub use inference::{Inference, Response};
pub use remote_ring::{RingBridge, encode_answer, header, parse_question};
pub use server::{Executed, Server, load_keys};
pub use watch::Watched;
