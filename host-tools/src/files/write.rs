//! Writing of the project's files: header, digest and tensors, through an [`Output`].

use super::{
    Kind,
    fault::{FileError, Result},
    header::Header,
    output::{Form, Output, Staged},
    temporary::Access,
};
use polyformer_kernel::params::Params;
use std::path::Path;

impl Header {
    /// What a file of this header may replace: its own older version. `force` also lets a key replace the same kind of
    /// key of another secret.
    pub fn form(&self, force: bool) -> Form<'static> {
        match self.kind() {
            kind @ (Kind::SecretKey
            | Kind::PublicKey
            | Kind::RelinKey
            | Kind::GaloisKey
            | Kind::RaiseKey
            | Kind::DeviceKey) => Form::Key { kind, key: self.key, force },
            kind => Form::File(kind),
        }
    }

    /// Who may read a file of this header.
    pub fn access(&self) -> Access {
        if self.kind() == Kind::SecretKey { Access::Private } else { Access::Shared }
    }
}

/// Writes a file of `header`'s kind with these tensors, in the order of [`Header::tensors`]. An older version is
/// replaced.
///
/// # Errors
///
/// Those of [`Output::at`] and of [`Output::file`].
pub fn write(path: &Path, header: &Header, params: &Params, tensors: &[&[u8]]) -> Result<()> {
    Output::at(path, header.form(false), header.access(), &[])?.file(header, params, tensors)
}

impl Output {
    /// Writes a file of `header`'s kind with these tensors, in the order of [`Header::tensors`].
    ///
    /// # Errors
    ///
    /// `HeaderSize` for a header that no reader accepts, `Space` if there is no room, and those of [`Output::write`].
    pub fn file(self, header: &Header, params: &Params, tensors: &[&[u8]]) -> Result<()> {
        self.stage_file(header, params, tensors)?.commit()
    }

    /// [`Output::file`] under a temporary name.
    ///
    /// # Errors
    ///
    /// `HeaderSize`, `Space`, and those of [`Output::stage`].
    pub fn stage_file(self, header: &Header, params: &Params, tensors: &[&[u8]]) -> Result<Staged> {
        let head = head(header, params, tensors)?;
        self.expect(8 + head.len() as u64 + tensors.iter().map(|t| t.len() as u64).sum::<u64>())?;
        self.stage(|file| {
            file.write_all(&(head.len() as u64).to_le_bytes())?;
            file.write_all(&head)?;
            tensors.iter().try_for_each(|data| file.write_all(data))
        })
    }
}

/// Bytes of a cache line, which no vector load of words should cross.
const LINE: usize = 64;

/// The JSON of a file with its digest, padded so that the words after it are aligned in a map.
fn head(header: &Header, params: &Params, tensors: &[&[u8]]) -> Result<Vec<u8>> {
    let expected = header.tensors(params);
    let mut fields = header.fields();
    let digest = super::digest(&fields, &expected, tensors, |_, _, _| ()).to_hex().to_string();
    fields.insert("digest".into(), digest);
    let mut json = serde_json::Map::new();
    json.insert("__metadata__".into(), serde_json::json!(fields));
    let mut at = 0;
    for (tensor, data) in expected.iter().zip(tensors) {
        let entry = serde_json::json!({"dtype": tensor.of.dtype(), "shape": tensor.shape, "data_offsets": [at, at + data.len()]});
        json.insert(tensor.name.to_string(), entry);
        at += data.len();
    }
    let mut head = serde_json::Value::Object(json).to_string().into_bytes();
    let length = (8 + head.len()).next_multiple_of(LINE) - 8; // after the length of the head
    head.resize(length, b' ');
    if head.len() as u64 > super::MAX_HEADER {
        return Err(FileError::HeaderSize { claimed: head.len() as u64, limit: super::MAX_HEADER });
    }
    Ok(head)
}
