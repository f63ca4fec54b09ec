//! A backend that holds secrets for a while.

use crate::backend::Backend;
use core::ops::{Deref, DerefMut};

/// A backend whose free memory is overwritten at the end of the scope, whichever way the scope ends. Buffers that are
/// declared after the value are dropped before the end, and are overwritten too.
#[derive(Debug)]
pub struct Wiping<B: Backend>(B);

impl<B: Backend> Wiping<B> {
    /// `be` until the end of the scope.
    pub fn new(be: B) -> Self {
        Self(be)
    }
}

impl<B: Backend> Deref for Wiping<B> {
    type Target = B;
    fn deref(&self) -> &B {
        &self.0
    }
}

impl<B: Backend> DerefMut for Wiping<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.0
    }
}

impl<B: Backend> Drop for Wiping<B> {
    fn drop(&mut self) {
        let _ = self.0.wipe(); // a lost device has no memory that could be read
    }
}
