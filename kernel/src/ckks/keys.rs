//! Re-exports of all keys: the secret ([`SecretSeed`], [`SecretKey`]), the public key, and the key-switching keys of a
//! server ([`EvaluationKey`], [`Keys`]).

#[cfg(feature = "alloc")]
pub use super::{evaluation_keys::Keys, gadget::EvaluationKey};
pub use super::{
    gadget::{Switch, gadget_pair, inverse_galois, key_basis, key_digits, switching_digit},
    public_key::PublicKey,
    secret::{SecretKey, SecretSeed},
};
