//! Replacements of softmax: attention weights as values of one trait, [`AttentionWeights`]. [`Variant`] holds any
//! variant. A model names its variant, and both engines of [`crate::nn`] run the variant.
//!
//! Every variant has four steps:
//!
//! 1. A score is a dot product or a squared distance ([`Similarity`]), times a public factor.
//! 2. [`AttentionWeights::numerators`] is a function of each score, and in some variants also of the row's moments.
//! 3. A public factor follows, which is 0 where the mask hides a key.
//! 4. Some variants divide by the sum of the row ([`Normaliser`]).
//!
//! The engines fold the public factors into plaintexts that are multiplied by anyway.
//!
//! The row circuits of [`power`], [`pointwise`] and [`softmax`] compute the same for rows that are alone in their
//! vectors. Each circuit replaces `xs` by the weights. [`super::reduce::RowLayout`] states the layout of a row.

use crate::{arith::Arithmetic, error::Result};

mod bpmax;
mod cgf;
mod exponential;
mod fields;
mod gaussian;
pub mod pointwise;
pub mod power;
mod sigma;
pub mod softmax;
mod weights;

pub use bpmax::PublicBpMax;
pub use exponential::ExponentialSoftmax;
pub use fields::{FieldError, Fields, FromFields};
pub use gaussian::GaussianKernel;
pub use power::PowerSoftmax;
pub use sigma::ScaledSigma;
pub use softmax::Cgf;
pub use weights::{AttentionWeights, Normaliser, Similarity, moments};

/// 1 if token `query` attends to token `key`, else 0. Causal attention sees no later token.
pub fn causal(query: usize, key: usize) -> f64 {
    (key <= query) as u8 as f64
}

/// Makes [`Variant`] of a list of types, each an [`AttentionWeights`] that can be read from fields.
macro_rules! variants {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Any of the attention weights.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "there is one a layer, and no allocator on a small device")]
        pub enum Variant {
            $($(#[$doc])* $name($name),)*
        }

        $(impl From<$name> for Variant {
            fn from(weights: $name) -> Self {
                Self::$name(weights)
            }
        })*

        impl Variant {
            /// The names that model files know.
            pub const NAMES: &'static [&'static str] = &[$($name::NAME),*];

            /// The variant that is called `name`, with the parameters that a model file gives.
            ///
            /// # Errors
            /// [`FieldError::Unknown`] if no variant has the name; a field that is missing or wrong.
            pub fn from_fields(name: &str, fields: &impl Fields) -> core::result::Result<Self, FieldError> {
                match name {
                    $($name::NAME => $name::from_fields(fields).map(Self::$name),)*
                    _ => Err(FieldError::Unknown),
                }
            }
        }

        impl AttentionWeights for Variant {
            fn name(&self) -> &'static str {
                match self { $(Self::$name(w) => AttentionWeights::name(w),)* }
            }
            fn similarity(&self) -> Similarity {
                match self { $(Self::$name(w) => AttentionWeights::similarity(w),)* }
            }
            fn score_factor(&self, visible: usize) -> f64 {
                match self { $(Self::$name(w) => AttentionWeights::score_factor(w, visible),)* }
            }
            fn range(&self) -> Option<(f64, f64)> {
                match self { $(Self::$name(w) => AttentionWeights::range(w),)* }
            }
            fn moment_factors(&self) -> Option<[f64; 2]> {
                match self { $(Self::$name(w) => AttentionWeights::moment_factors(w),)* }
            }
            fn numerators<A: Arithmetic>(
                &self,
                ev: &mut A,
                x: A::Slots,
                moments: Option<[&A::Slots; 2]>,
            ) -> Result<A::Slots> {
                match self { $(Self::$name(w) => AttentionWeights::numerators(w, ev, x, moments),)* }
            }
            fn numerator_depth(&self) -> u8 {
                match self { $(Self::$name(w) => AttentionWeights::numerator_depth(w),)* }
            }
            fn weight_factor(&self, visible: usize) -> f64 {
                match self { $(Self::$name(w) => AttentionWeights::weight_factor(w, visible),)* }
            }
            fn hides_by_itself(&self) -> bool {
                match self { $(Self::$name(w) => AttentionWeights::hides_by_itself(w),)* }
            }
            fn normaliser(&self) -> Option<Normaliser<'_>> {
                match self { $(Self::$name(w) => AttentionWeights::normaliser(w),)* }
            }
            fn define(&self, row: &mut [f64]) {
                match self { $(Self::$name(w) => AttentionWeights::define(w, row),)* }
            }
            fn error(&self) -> f64 {
                match self { $(Self::$name(w) => AttentionWeights::error(w),)* }
            }
            fn whole_numerators<A: Arithmetic>(
                &self,
                ev: &mut A,
                x: A::Slots,
                visible: usize,
                moments: Option<[&A::Slots; 2]>,
            ) -> Result<A::Slots> {
                match self { $(Self::$name(w) => AttentionWeights::whole_numerators(w, ev, x, visible, moments),)* }
            }
        }
    };
}

variants! {
    /// PowerSoftmax, in any form.
    PowerSoftmax,
    /// Scaled σ-attention.
    ScaledSigma,
    /// The Gaussian kernel.
    GaussianKernel,
    /// BPMax.
    PublicBpMax,
    /// Softmax by cumulants.
    Cgf,
    /// Softmax: an exponential and a division.
    ExponentialSoftmax,
}
