//! Times a bootstrap of all real slots at N = 2^16, in Polyformer and in Poulpy on AVX-512 IFMA. The two run one after
//! the other, because both together do not fit in 24 GiB. The program uses Poulpy as Poulpy's own benchmarks do, with
//! Poulpy's presets. `ci` has one EvalMod for all coefficients, and `s2c` has one for the coefficients of real slots.

use polyformer_cpu::{Cpu, Isa};
use polyformer_kernel::{arith::Arithmetic, bootstrap::{Bootstrapped, Bootstrapper, Order, Recipe}, ckks::Ckks, eval::trace::Trace};
use polyformer_tests::client::{Client, scattered};
use peers::{Result, b16, least, median, pin, seconds};
use poulpy_ckks::{
    presets::bootstrapping::{n16_d35_k685_p19_s2c_ffr_ci, n16_d35_k733_p20_s2c},
    test_suite::presets::{BootstrappingPresetRun, preset_for_backend},
};
use poulpy_cpu_avx512::{NTT3x42CIIfma, NTT3x42Ifma};
use std::time::Instant;

const ROUNDS: usize = 5;

fn main() -> Result<()> {
    let which = std::env::args().nth(1).unwrap_or("ci".into());
    let processor = pin()?;
    eprintln!("processor {processor}");
    println!("| one thread | s of processor time, median | best | bits, mean and worst slot | peak GB | set-up, s |");
    println!("|---|---|---|---|---|---|");
    let start = Instant::now();
    let (name, mut run) = match which.as_str() {
        "ci" => {
            let preset = preset_for_backend::<NTT3x42Ifma, NTT3x42CIIfma>(&n16_d35_k685_p19_s2c_ffr_ci()?)?;
            (preset.name(), BootstrappingPresetRun::<NTT3x42Ifma>::setup_ci(preset))
        }
        "s2c" => {
            let preset = preset_for_backend::<NTT3x42Ifma, NTT3x42CIIfma>(&n16_d35_k733_p20_s2c()?)?;
            (preset.name(), BootstrappingPresetRun::<NTT3x42Ifma>::setup(preset).with_real_slots())
        }
        other => return Err(format!("{other}: ci or s2c").into()),
    };
    let setup = start.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(seconds(|| {
            run.bootstrap();
            Ok(())
        })?);
    }
    let (real, _) = run.precision();
    let bits = format!("{:.1}, {:.1}", real.avg_log2_prec, real.min_log2_prec);
    row(&format!("Poulpy 0.10, {name}"), &times, &bits, setup);
    drop(run);

    let start = Instant::now();
    let (params, twiddles) = b16()?;
    let recipe = Recipe::new(params.slots(), Order::SlotsToCoeffsFirst, 1.0);
    let mut trace = Trace::new(params.slots(), None);
    let bootstrapper = Bootstrapper::new(&mut trace, &params, &recipe)?;
    let mut trace = Bootstrapped::with(trace, bootstrapper)?;
    let x = trace.input(3);
    trace.refresh(x, 5)?;
    let mut be = Cpu::with(params.ring(&twiddles)?, Isa::detect(), 1);
    let mut client = Client::new(&mut be, &params, 1);
    let keys = client.keys(&mut be, trace.demand());
    let mut ev = Bootstrapped::new(Ckks::new(be, &params, keys)?);
    ev.prepare(params, &recipe)?;
    let setup = start.elapsed().as_secs_f64();
    let values: Vec<_> = scattered(params.slots(), 1).iter().map(|z| z.re.into()).collect();
    let x = client.encrypt(&mut ev.be, &values, 3);
    let (mut times, mut last) = (Vec::new(), None);
    for _ in 0..ROUNDS {
        let x = ev.copy(&x)?;
        times.push(seconds(|| {
            last = Some(ev.refresh(x, 5)?);
            Ok(())
        })?);
    }
    let Some(y) = last else { return Err("no round".into()) };
    let e = client.errors(&mut ev.be, &y, |i| values[i]);
    row("Polyformer, B16", &times, &format!("{:.1}, {:.1}", -e.mean.log2(), -e.worst.log2()), setup);
    Ok(())
}

/// Peak is of the process so far: only the first row's is its own, if it is the larger.
fn row(name: &str, times: &[f64], bits: &str, setup: f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).and_then(|l| l.split_whitespace().next());
    let peak: f64 = peak.and_then(|kib| kib.parse().ok()).unwrap_or(0.0) * 1024.0 / 1e9;
    let _ = std::fs::write("/proc/self/clear_refs", "5"); // the peak starts again
    println!("| {name} | {:.2} | {:.2} | {bits} | {peak:.1} | {setup:.0} |", median(times), least(times));
}
