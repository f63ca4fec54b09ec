//! A private question. The [`Client`] holds the secret and the words, and the [`Server`] holds the model and the
//! evaluation keys. Client and server exchange ciphertexts. Both derive the [`crate::plan::model::ModelPlan`] from the
//! number of tokens.
//!
//! [`Asker`] is the whole flow with keys in files. The parts by hand, here with a vector in place of a question:
//!
//! ```
//! use polyformer::{
//!     files::Body,
//!     keys::secret::Secret,
//!     machine::{ComputeTarget, Host},
//!     session::{cipher::{EncryptionKey, decrypt_words, encrypt}, private::hazmat},
//!     spec::SpecBuf,
//! };
//! use polyformer_kernel::params::presets;
//!
//! let secret = Secret::generate(SpecBuf::from(&presets::C12))?;
//! let (host, target) = (Host::new(secret.params.clone()), ComputeTarget::cpu(1));
//! let x = encrypt(&host, target, &EncryptionKey::Secret(&secret), &[0.5, -0.25], 0, &|| ())?;
//!
//! let Body::Ciphertext(meta) = x.header.body else { panic!("a ciphertext") };
//! let words: Vec<&[u32]> = x.tensors.iter().map(|t| &t[..]).collect();
//! let values = decrypt_words(&host, target, &secret, &words, meta, &|| ())?;
//! assert!((hazmat::expose(&values)[1] + 0.25).abs() < 1e-5);
//! # Ok::<(), polyformer::Error>(())
//! ```

mod admission;
pub mod answer;
mod asker;
pub mod cipher;
mod client;
mod clock;
mod inference;
mod many;
mod padding;
pub mod private;
pub mod progress;
pub mod publish;
mod remote_ring;
mod server;
mod watch;

pub use admission::Admission;
pub use asker::{Answer, Asker};
pub use client::Client;
pub use clock::Clocked;
pub use inference::{Inference, Response};
pub use many::{Answers, Ranking, classify, embed};
pub use padding::{Padding, Shown, why_shown};
pub use remote_ring::{RingBridge, encode_answer, header, is_answer, parse_question};
pub use server::{Executed, Server, load_keys};
pub use watch::Watched;
