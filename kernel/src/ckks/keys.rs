//! Re-exports of all keys: the secret ([`SecretSeed`], [`SecretKey`]), the public key, and the key-switching keys of a
//! server ([`EvaluationKey`], [`Keys`]).

pub use super::{
    derive::{UniformHalf, uniform},
    gadget::{KeyDigits, Switch, inverse_galois, key_basis, key_digits},
    public_key::PublicKey,
    secret::{SecretKey, SecretSeed},
};
#[cfg(feature = "alloc")]
pub use super::{evaluation_keys::Keys, gadget::EvaluationKey};
