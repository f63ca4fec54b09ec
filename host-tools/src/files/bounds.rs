//! The bound on the modulus of each key of a file, by the secret that the key is under.

use super::{
    fault::Result,
    header::{Body, public_basis},
};
use polyformer_kernel::{
    ckks::{
        keys::key_basis,
        raise::{dense_basis, sparse_basis},
        ring_switch::{lift_basis, lower_basis},
    },
    params::{KeySecret, Params},
};

/// Every modulus of a key is within the bound of the secret that the key is under.
///
/// # Errors
/// `Params` with the numbers that disagree.
pub fn check(body: &Body, params: &Params) -> Result<()> {
    let dense = |basis| params.check_key(KeySecret::Dense, basis);
    match body {
        Body::PublicKey { .. } => dense(public_basis(params))?,
        Body::RelinKey { level, .. } | Body::GaloisKey { level, .. } => dense(key_basis(params, *level))?,
        Body::RaiseKey { .. } => {
            sparse_basis(params)?;
            dense(dense_basis(params))?;
        }
        Body::DeviceKey(of) => {
            lower_basis(params, &of.spec.params()?)?;
            dense(lift_basis(params))?;
        }
        Body::Params | Body::SecretKey(_) | Body::Model { .. } => {}
        Body::Ciphertext(_) | Body::Question(..) | Body::Answer(..) | Body::Query(..) | Body::Scores(..) => {}
    }
    Ok(())
}
