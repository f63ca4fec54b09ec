//! Polynomials with their domain (coefficients or evaluations) in the type.

use crate::{
    backend::{Backend, Limbs, Shape},
    error::Result,
    ring::Basis,
};
use core::marker::PhantomData;

mod sealed {
    pub trait Sealed {}
}

/// Which representation the words are in.
pub trait Domain: sealed::Sealed {}

/// Coefficients: plain residues, natural order.
#[derive(Debug)]
pub enum Coeff {}

/// Values at the odd powers of psi: Montgomery residues, bit-reversed order.
#[derive(Debug)]
pub enum Eval {}

impl sealed::Sealed for Coeff {}
impl sealed::Sealed for Eval {}
impl Domain for Coeff {}
impl Domain for Eval {}

/// A batch of polynomials over the moduli of their basis, in domain `D`, held by backend `B`.
#[derive(Debug)]
pub struct Poly<D: Domain, B: Backend> {
    limbs: Limbs<B::Buf>,
    domain: PhantomData<D>,
}

impl<D: Domain, B: Backend> Poly<D, B> {
    /// Claims that the words of `limbs` are in domain `D`.
    pub fn assume(limbs: Limbs<B::Buf>) -> Self {
        Self { limbs, domain: PhantomData }
    }

    /// Memory for a polynomial, its words not yet set.
    ///
    /// # Errors
    ///
    /// As [`Backend::alloc`].
    pub fn alloc(be: &mut B, shape: Shape) -> Result<Self> {
        Ok(Self::assume(be.alloc(shape)?))
    }

    /// Uploads `shape.words()` host words.
    ///
    /// # Errors
    ///
    /// As [`Backend::alloc`] and [`Backend::upload`].
    pub fn from_words(be: &mut B, shape: Shape, words: &[u32]) -> Result<Self> {
        let mut limbs = be.alloc(shape)?;
        be.upload(&mut limbs, words)?;
        Ok(Self::assume(limbs))
    }

    /// Its moduli.
    pub fn basis(&self) -> Basis {
        self.limbs.shape.basis
    }

    /// Its layout.
    pub fn shape(&self) -> Shape {
        self.limbs.shape
    }

    /// The words, for backends and evaluators.
    pub fn limbs(&self) -> &Limbs<B::Buf> {
        &self.limbs
    }

    /// The words, for backends and evaluators.
    pub fn limbs_mut(&mut self) -> &mut Limbs<B::Buf> {
        &mut self.limbs
    }

    /// Gives the words back.
    pub fn into_limbs(self) -> Limbs<B::Buf> {
        self.limbs
    }
}

impl<B: Backend> Poly<Coeff, B> {
    /// The residues of signed integers, count x cols of them.
    ///
    /// # Errors
    ///
    /// As [`Backend::alloc`] and [`Backend::upload_signed`].
    pub fn from_signed(be: &mut B, shape: Shape, coeffs: &[i64]) -> Result<Self> {
        let mut limbs = be.alloc(shape)?;
        be.upload_signed(&mut limbs, coeffs)?;
        Ok(Self::assume(limbs))
    }

    /// Consumes the coefficients, yields the values; in place.
    pub fn ntt(mut self, be: &mut B) -> Poly<Eval, B> {
        be.ntt(self.basis(), &mut self.limbs);
        Poly::assume(self.limbs)
    }
}

impl<B: Backend> Poly<Eval, B> {
    /// Inverse of [`Poly::ntt`].
    pub fn intt(mut self, be: &mut B) -> Poly<Coeff, B> {
        be.intt(self.basis(), &mut self.limbs);
        Poly::assume(self.limbs)
    }
}
