//! Constants of the programs, computed here from the kernel and the demo model's files and linked in flash.

use polyformer_kernel::{
    math::{complex::Complex, embedding::fill_roots},
    params::{Params, Spec, presets},
    ring::tables,
};
use std::{env, fmt::Write, fs, path::PathBuf};

mod model;

/// The programs that print. The logger is linked in each of them.
const LOGGING: [&str; 7] = ["c12", "c12_stored", "c12_computed", "c13", "refusals", "constant_time", "plain"];

fn main() {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut text = String::new();
    for (name, spec) in [("12", presets::C12), ("13", presets::C13)] {
        tables(&mut text, name, &spec);
    }
    model::write(&mut text, &out);
    fs::write(out.join("constants.rs"), text).expect("OUT_DIR can be written");
    fs::write(out.join("memory.x"), include_bytes!("../memory.x")).expect("OUT_DIR can be written");
    println!("cargo::rustc-link-search={}", out.display());
    for program in LOGGING {
        println!("cargo::rustc-link-arg-bin={program}=-Tdefmt.x");
    }
    println!("cargo::rerun-if-changed=memory.x");
    println!("cargo::rerun-if-changed=build");
}

/// The tables of a client: roots of the embedding, twiddles of the transforms.
fn tables(text: &mut String, name: &str, spec: &Spec<'_>) {
    let params = Params::new(spec).expect("a preset");
    let mut roots = vec![Complex::default(); params.slots()];
    fill_roots(&mut roots);
    let mut twiddles = vec![0; tables::words(params.n(), params.moduli().len())];
    tables::fill(params.n(), params.moduli(), &mut twiddles);
    let entries: String = roots
        .iter()
        .map(|z| format!("Complex{{re:f64::from_bits({}),im:f64::from_bits({})}},", z.re.to_bits(), z.im.to_bits()))
        .collect();
    let (slots, words) = (roots.len(), twiddles.len());
    write!(
        text,
        "use polyformer_kernel::math::complex::Complex as Complex{name};\n\
         /// Roots of the embedding at degree 2^{name}.\n\
         pub static ROOTS_{name}: [Complex{name}; {slots}] = [{}];\n\
         /// Twiddles of both primes at degree 2^{name}.\n\
         pub static TWIDDLES_{name}: [u32; {words}] = {twiddles:?};\n",
        entries.replace("Complex{", &format!("Complex{name}{{"))
    )
    .expect("a string takes anything");
}
