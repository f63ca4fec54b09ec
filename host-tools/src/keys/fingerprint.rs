//! The fingerprint of a public key: what two people compare over the telephone before one encrypts for the other. The
//! id in the header of a file is a claim of the file; the fingerprint follows from the key itself.

use crate::files::{Body, View, hex};

/// 16 bytes of BLAKE3 over the hash of the parameter set, the seed and the words of the key, in hexadecimal groups; `None`
/// for a file of another kind.
pub fn of_public_key(view: &View<'_>) -> Option<String> {
    let Body::PublicKey { seed } = view.header.body else { return None };
    let mut h = blake3::Hasher::new_derive_key("polyformer public key fingerprint 1");
    h.update(view.header.spec.hash().as_bytes()).update(&seed).update_rayon(view.bytes(0));
    let groups: Vec<String> = h.finalize().as_bytes()[..16].chunks(2).map(hex).collect();
    Some(groups.join("-"))
}
