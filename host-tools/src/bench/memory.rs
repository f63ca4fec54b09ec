//! The memory that the measurement of an operation needs on its compute target.

use super::Op;
use crate::{
    Result,
    keys::KeySpec,
    plan::{dry_run::DryRun, memory},
};
use polyformer_kernel::{
    arith::Arithmetic,
    bootstrap::{Order, Recipe, RotationStrategy},
    params::Params,
};

/// Words of the operation's keys, of temporaries, and of all that is alive.
pub(super) fn words(op: Op, params: &Params, level: u8, steps: RotationStrategy) -> Result<usize> {
    let mut dry = DryRun::new(params);
    let mut tr = dry.trace();
    let x = tr.input(level);
    let mut wants = Vec::new();
    match op {
        Op::NttForward | Op::NttInverse | Op::Decode | Op::Decrypt | Op::EncryptSk => {}
        Op::EncryptPk => wants.push(KeySpec::Public),
        Op::Encode => drop(tr.encode(&[1.0], level)?),
        Op::Add => drop(tr.copy(&x)?),
        Op::MulPlain | Op::Rescale => {
            let p = tr.encode(&[1.0], level)?;
            let w = tr.mul_plain(&x, &p)?;
            drop(tr.rescale(w)?);
        }
        Op::MulRelinRescale => {
            let y = tr.copy(&x)?;
            drop(tr.product(&x, &y)?);
        }
        Op::KeySwitch | Op::Rotate => drop(tr.rotate(&x, 1)?),
        Op::RotateHoisted8 => {
            let h = tr.hoist(&x, &[1, 2, 3, 4, 5, 6, 7, 8])?;
            drop(tr.hoisted(&h, 1)?);
        }
        Op::KeygenGalois => wants.push(KeySpec::Galois(params.galois(1), level)),
        Op::Bootstrap | Op::BootstrapPair => {
            let recipe = Recipe::new(params.slots(), Order::SlotsToCoeffsFirst, 1.0).with(steps);
            let bootstrapper = dry.bootstrapper(&recipe)?;
            let y = tr.copy(&x)?;
            if op == Op::Bootstrap {
                bootstrapper.refresh(&mut tr, y)?;
            } else {
                let second = tr.copy(&x)?;
                bootstrapper.refresh_pair(&mut tr, [y, second])?;
            }
        }
    }
    let taken = dry.finish(&tr);
    wants.extend(KeySpec::all(params, &taken.demand));
    let one = memory::polynomial(params);
    let own = if op == Op::KeySwitch { memory::temporaries(params) } else { 0 };
    // the secret, and what encryption and key generation draw
    Ok(3 * one + own + memory::words(params, &wants, taken.traced))
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use super::words;
    use crate::{
        Error, Result,
        bench::{BenchSpec, run, select},
        machine::{BackendKind, ComputeTarget, Host, gpu},
        spec::SpecBuf,
    };
    use polyformer_kernel::{Error::DeviceMemory, bootstrap::RotationStrategy};
    use std::time::Duration;

    #[test]
    fn every_operation_is_measured_within_the_memory_that_was_planned() {
        if gpu::list().unwrap().is_empty() {
            assert!(std::env::var_os("POLYFORMER_REQUIRE_GPU").is_none_or(|v| v != "1"), "no adapter");
            return println!("skipped: no adapter");
        }
        let params = SpecBuf::preset("L14").unwrap().params().unwrap();
        let level = params.max_message_level();
        let within = |op, words: usize| -> Result<()> {
            let pick = gpu::AdapterChoice { memory: Some(4 * words as u64), ..gpu::pick(None, None)? };
            let on = ComputeTarget { backend: BackendKind::Wgpu, gpu: pick, ..ComputeTarget::cpu(1) };
            let plan = BenchSpec { ops: &[op], level, budget: Duration::ZERO, steps: RotationStrategy::Hoisted };
            run(&Host::new(params.clone()), on, &plan, |_| Ok(()))
        };
        for op in select(&[], &params, level).unwrap() {
            let need = words(op, &params, level, RotationStrategy::Hoisted).unwrap().next_multiple_of(64); // as ranges are
            assert!(within(op, need).is_ok(), "{op:?} in {need} words");
            let less = within(op, need - 64).unwrap_err();
            assert!(matches!(less, Error::Kernel(DeviceMemory { words, .. }) if words <= need), "{op:?}: {less}");
        }
    }
}
