//! What the file of a secret key keeps about the use of the key.

use super::{
    Budget, KeyId,
    fault::{FileError, Result},
    fields::{Fields, from_hex, hex},
};

/// What happened under a secret key. A copy of the file has the record of the moment of the copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The budget of published results, from the first result on.
    pub budget: Option<Budget>,
    /// The latest published results, at most [`MOST_RESULTS`].
    pub results: Vec<ResultId>,
    /// The secret keys of the small clients for which a key between the rings was made, in the order of the first time.
    pub small_clients: Vec<KeyId>,
}

/// The name of a published result.
pub type ResultId = [u8; 32];

const RESULTS: &str = "published_results";
const SMALL_CLIENTS: &str = "small_clients";
/// The most names of results that are kept. A result whose name is forgotten counts again.
pub const MOST_RESULTS: usize = 400;
/// The most small clients of a secret key, so that the header stays short.
const MOST: usize = 256;

impl Record {
    /// Adds the fields of a header.
    pub(super) fn put(&self, put: &mut impl FnMut(&str, String)) {
        if let Some(budget) = &self.budget {
            budget.put(put);
        }
        let mut list = |name: &str, all: Vec<String>| {
            if !all.is_empty() {
                put(name, all.join(","));
            }
        };
        list(RESULTS, self.results.iter().map(|id| hex(id)).collect());
        list(SMALL_CLIENTS, self.small_clients.iter().map(|key| hex(&key.0)).collect());
    }

    /// From the fields of a header.
    ///
    /// # Errors
    /// `Field` for a field that is wrong.
    pub(super) fn parse(fields: &Fields) -> Result<Self> {
        let results = list(fields, RESULTS, MOST_RESULTS, from_hex)?;
        let small_clients = list(fields, SMALL_CLIENTS, MOST, |text| from_hex(text).map(KeyId))?;
        Ok(Self { budget: Budget::parse(fields)?, results, small_clients })
    }

    /// Adds a published result.
    pub fn add_result(&mut self, id: ResultId) {
        self.results.push(id);
        self.results.drain(..self.results.len().saturating_sub(MOST_RESULTS));
    }

    /// A small client other than `client` that has a key between the rings.
    pub fn other_than(&self, client: KeyId) -> Option<KeyId> {
        self.small_clients.iter().copied().find(|known| *known != client)
    }

    /// Adds a small client, unless the record has it. Whether the record changed.
    ///
    /// # Errors
    /// `Field` for too many small clients.
    pub fn join(&mut self, client: KeyId) -> Result<bool> {
        if self.small_clients.contains(&client) {
            return Ok(false);
        }
        if self.small_clients.len() == MOST {
            let value = self.small_clients.len().to_string();
            return Err(FileError::field(SMALL_CLIENTS, Some(&value), format!("fewer than {MOST} ids")));
        }
        self.small_clients.push(client);
        Ok(true)
    }
}

/// A field with at most `most` items between commas; no items without the field.
fn list<T>(fields: &Fields, field: &'static str, most: usize, one: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let Some(value) = fields.get(field) else { return Ok(Vec::new()) };
    let list: Option<Vec<T>> = value.split(',').take(most + 1).map(one).collect();
    let expected = || format!("at most {most} names in hexadecimal, between commas");
    list.filter(|list| list.len() <= most).ok_or_else(|| FileError::field(field, Some(value), expected()))
}
