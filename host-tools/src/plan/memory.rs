//! The memory of a run on its compute target, computed before the run. The memory is the evaluation keys, the temporary
//! buffers of key switching, and the words of a tracer. A compute target with too little memory gets the plan with
//! fewer keys, or an error with both numbers.

use crate::{
    Error, Result,
    keys::KeySpec,
    machine::{ComputeTarget, Host},
};
use polyformer_kernel::{Error::DeviceMemory, bootstrap::RotationStrategy, params::Params};
use std::io::Write;

/// Words of a polynomial over P and the whole modulus chain.
pub fn polynomial(params: &Params) -> usize {
    params.moduli().len() * params.n()
}

/// Words of the temporaries of key switching: the digits, extended, and two more.
pub fn temporaries(params: &Params) -> usize {
    (params.digits() + 2) * polynomial(params)
}

/// Words of these keys, of temporary buffers, and of a trace ([`polyformer_kernel::eval::trace::Trace::words`]).
pub fn words(params: &Params, wants: &[KeySpec], traced: usize) -> usize {
    let keys: usize = wants.iter().map(|want| want.words(params)).sum();
    keys + temporaries(params) + traced
}

/// The result of `plan` for the requested rotations, or for few keys (min-KS) if the GPU has less memory. A line on
/// standard error reports the second case. `words` returns the words of a plan.
///
/// # Errors
/// The errors of `plan`; [`DeviceMemory`] if few keys do not fit either.
pub fn fit_to_memory<P>(
    host: &Host,
    on: ComputeTarget,
    rotations: RotationStrategy,
    plan: impl Fn(RotationStrategy) -> Result<P>,
    words: impl Fn(&P) -> usize,
) -> Result<P> {
    let first = plan(rotations)?;
    match host.check(on, words(&first)) {
        Err(error @ Error::Kernel(DeviceMemory { .. })) if rotations != RotationStrategy::MinKs => {
            let few = plan(RotationStrategy::MinKs)?;
            host.check(on, words(&few))?;
            let gib = words(&few) as f64 / (1 << 28) as f64;
            // nobody to tell if standard error is closed
            let _ = writeln!(std::io::stderr(), "--backend wgpu: {error}: fewer keys (min-KS), {gib:.2} GiB");
            Ok(few)
        }
        fits => fits.map(|()| first),
    }
}
