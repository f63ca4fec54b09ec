//! Every operation of the scheme on every backend of this machine, at N = 2^14: `cargo bench` prints the median time of
//! each. Words on the command line choose the operations whose names contain one of them: `cargo bench -- rotate`.

use polyformer::{
    Result,
    bench::{BenchSpec, Op, run, select},
    machine::{BackendKind, ComputeTarget, Host, gpu},
    spec::SpecBuf,
};
use polyformer_kernel::bootstrap::RotationStrategy;
use std::time::Duration;

/// The parameter set: seven levels, and a special prime for each digit of three primes.
const PRESET: &str = "L14";

/// Time for each operation, its preparation apart.
const BUDGET: Duration = Duration::from_millis(300);

fn name(op: Op) -> String {
    serde_json::to_string(&op).unwrap_or_default().trim_matches('"').into()
}

/// The backends of this machine, with a line about a backend that is missing.
fn targets() -> Vec<ComputeTarget> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let one = ComputeTarget::cpu(1);
    let mut all = vec![ComputeTarget { backend: BackendKind::Scalar, ..one }, one];
    if threads > 1 {
        all.push(ComputeTarget::cpu(threads));
    }
    match gpu::pick(None, None) {
        Ok(gpu) => all.push(ComputeTarget { backend: BackendKind::Wgpu, gpu, ..one }),
        Err(why) => println!("no GPU is measured: {why}"),
    }
    all
}

fn main() -> Result<()> {
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let Some(spec) = SpecBuf::preset(PRESET) else { return Ok(()) };
    let host = Host::new(spec.params()?);
    let level = host.params().max_message_level();
    let mut ops = select(&[], host.params(), level)?;
    ops.retain(|op| filters.is_empty() || filters.iter().any(|part| name(*op).contains(part)));
    for on in targets() {
        println!("{PRESET}, level {level}, {} ({}), {} thread(s)", on.backend, on.isa(), on.uses());
        let spec = BenchSpec { ops: &ops, level, budget: BUDGET, steps: RotationStrategy::Hoisted };
        run(&host, on, &spec, |m| {
            println!(
                "  {:<20} {:>10.4} ms {:>7.2} GB/s",
                name(m.op),
                m.seconds * 1e3,
                m.bytes as f64 / m.seconds / 1e9
            );
            Ok(())
        })?;
    }
    Ok(())
}
