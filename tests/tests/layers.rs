//! The rules of the layers. Modules import from below, and files do not import each other in a circle. Packages depend
//! on listed packages only, files are short, and `unsafe` stays in listed files. The test reads the sources, so a
//! violation cannot be merged.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[path = "layers/graph.rs"]
mod graph;
#[path = "layers/planted.rs"]
mod planted;
#[path = "layers/source.rs"]
mod source;

use graph::Package;

/// The top modules of each package, from the bottom up. A module may import from the modules before it.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "kernel",
        &["error", "wipe", "math", "arith", "ring", "backend", "params", "ckks", "eval", "circuits", "bootstrap", "nn"],
    ),
    ("backends/scalar", &[]),
    (
        "backends/cpu",
        &[
            "lanes",
            "portable",
            "avx2",
            "avx512",
            "neon",
            "isa",
            "tables",
            "memory",
            "parallel",
            "state",
            "stages",
            "ntt",
            "intt",
            "rows",
            "dots",
            "convert",
            "extend",
            "key_switch",
            "mod_switch",
            "backend",
        ],
    ),
    (
        "backends/wgpu",
        &[
            "error",
            "shader",
            "adapter",
            "gpu",
            "memory",
            "table",
            "call",
            "element",
            "recorder",
            "constants",
            "state",
            "dispatch",
            "transform",
            "digits",
            "conversion",
            "sums",
            "products",
            "transfer",
            "fused",
            "giants",
            "backend",
        ],
    ),
    ("host-tools/catalogue", &["sample_numbers", "circuit", "entry", "lists"]),
    (
        "host-tools",
        &[
            "spec", "primes", "files", "error", "load", "machine", "keys", "plan", "model", "session", "search",
            "accuracy", "bench", "compare", "cli",
        ],
    ),
    (
        "tests",
        &[
            "command",
            "data",
            "chain",
            "client",
            "probe",
            "spread",
            "program",
            "oracle",
            "mutant",
            "approximations",
            "fake_bootstrap",
            "bootstrapping",
            "transformer",
            "encoder",
            "conformance",
        ],
    ),
];

/// The modules that the kernel's circuits may import, without tests. The evaluator decides what a run of a circuit
/// gives.
const CIRCUITS: [&str; 3] = ["arith", "math", "error"];

/// Each package, and its allowed dependencies, without dev-dependencies.
const PACKAGES: &[(&str, &[&str])] = &[
    ("kernel", &["heapless", "libm", "half", "rand_core", "rand_chacha", "zeroize", "defmt"]),
    ("backends/scalar", &["polyformer-kernel"]),
    ("backends/cpu", &["polyformer-kernel", "rayon", "bytemuck", "memmap2"]), // casts between words and lanes; pages
    ("backends/wgpu", &["polyformer-kernel", "polyformer-shaders", "wgpu", "bytemuck", "pollster"]),
    ("shaders", &[]),
    ("host-tools/catalogue", &["polyformer-kernel", "libm"]),
    (
        "host-tools",
        &[
            "polyformer-kernel",
            "polyformer-catalogue",
            "polyformer-scalar",
            "polyformer-cpu",
            "polyformer-wgpu",
            "blake3",
            "bytemuck",
            "half",
            "csv",
            "tokenizers",
            "clap",
            "clap_complete",
            "ctrlc",
            "getrandom",
            "indicatif",
            "libm",
            "memmap2",
            "rand_chacha",
            "rand_core",
            "rayon",
            "safetensors",
            "serde",
            "serde_json",
            "thiserror",
            "zeroize",
            "nix",
        ],
    ),
    (
        "tests",
        &["polyformer-kernel", "polyformer-catalogue", "polyformer-scalar", "num-bigint", "num-integer", "rand_chacha"],
    ),
    ("tests/memcheck", &["polyformer-kernel", "polyformer-cpu", "polyformer-tests", "rand_core"]),
    ("fuzz", &["polyformer", "polyformer-*", "bytemuck", "libfuzzer-sys"]),
    (
        "benches/peers",
        &["polyformer-cpu", "polyformer-kernel", "polyformer-tests", "nix", "poulpy-*", "rand_chacha", "tfhe-ntt"],
    ),
    (
        "examples/cortex-m",
        &[
            "polyformer-kernel",
            "polyformer-scalar",
            "cortex-m",
            "cortex-m-rt",
            "defmt",
            "defmt-semihosting",
            "rand_chacha",
            "semihosting",
            "rand_core",
            "half",
            "libm",
            "heapless",
            "safetensors",
            "serde_json",
        ],
    ),
];

/// The most lines of a file.
const LINES: usize = 400;

/// The files that may have `unsafe`: vector instructions, memory maps without a safe interface, the stack and faults of
/// a bare board, and requests to valgrind.
const UNSAFE: [&str; 7] = [
    "backends/cpu/src/avx2.rs",
    "backends/cpu/src/avx512.rs",
    "backends/cpu/src/neon.rs",
    "host-tools/src/files/map.rs",
    "examples/cortex-m/src/board.rs",
    "tests/memcheck/src/mark.rs",
    "host-tools/tests/released.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// (path from the root, text) of every source file that git would track.
fn sources() -> Vec<(String, String)> {
    let sources = files(|name| name.ends_with(".rs"));
    assert!(sources.len() > 20, "only {} sources: looked in the wrong place", sources.len());
    sources
}

/// (path from the root, text) of every file with a name that `wanted` accepts.
fn files(wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if wanted(&name) {
                let from_root = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                files.push((from_root, fs::read_to_string(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// The library of the package in `folder`.
fn package(folder: &str, sources: &[(String, String)]) -> Package {
    let inside = format!("{folder}/src/");
    Package::new(sources.iter().filter_map(|(path, text)| Some((path.strip_prefix(&inside)?, text.as_str()))))
}

/// Names under [dependencies] and the like, dev-dependencies apart.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.split(']').next().unwrap_or(section);
            let listed = section.ends_with("dependencies") && !section.ends_with("dev-dependencies");
            let single = section.split_once("dependencies.");
            names.extend(single.filter(|(kind, _)| !kind.ends_with("dev-")).map(|(_, name)| name.to_string()));
            inside = listed;
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            names.push(line.split(['=', '.', ' ']).next().unwrap_or(line).to_string());
        }
    }
    names
}

/// The dependencies of `manifest` that `allowed` does not list. A star at the end of a name stands for any ending.
fn unlisted(manifest: &str, allowed: &[&str]) -> Vec<String> {
    let listed = |name: &str| {
        allowed.iter().any(|known| known.strip_suffix('*').map_or(name == *known, |start| name.starts_with(start)))
    };
    let mut names = dependencies(manifest);
    names.retain(|name| !listed(name));
    names
}

/// Whether a file is too long for one idea: the number of lines of `text`, if over the limit.
fn too_long(text: &str) -> Option<usize> {
    Some(text.lines().count()).filter(|lines| *lines > LINES)
}

/// Whether `text` has unsafe code.
fn has_unsafe(text: &str) -> bool {
    source::words(&source::code(text)).any(|(_, word)| word == "unsafe")
}

#[test]
fn modules_import_from_below() {
    let sources = sources();
    for (folder, layers) in LAYERS {
        let package = package(folder, &sources);
        let (listed, found) = (layers.iter().copied().collect::<BTreeSet<_>>(), package.modules());
        assert_eq!(found, listed, "{folder}: each module has one place in the order");
        assert_eq!(package.upward(layers), [""; 0], "{folder}");
    }
}

#[test]
fn no_files_import_from_each_other_in_a_circle() {
    let sources = sources();
    for (folder, _) in LAYERS {
        assert_eq!(package(folder, &sources).circle(), None, "{folder}");
    }
}

#[test]
fn circuits_import_the_arithmetic_alone() {
    assert_eq!(package("kernel", &sources()).beyond("circuits", &CIRCUITS), [""; 0]);
}

#[test]
fn packages_depend_on_what_is_listed() {
    for (path, manifest) in files(|name| name == "Cargo.toml") {
        let Some(folder) = path.strip_suffix("/Cargo.toml") else { continue }; // the workspace
        let known = PACKAGES.iter().find(|(name, _)| *name == folder);
        let (_, allowed) = known.unwrap_or_else(|| panic!("{folder} is not listed: say what it may depend on"));
        assert_eq!(unlisted(&manifest, allowed), [""; 0], "{folder}");
    }
}

#[test]
fn files_are_short() {
    for (path, text) in sources() {
        assert_eq!(too_long(&text), None, "{path}: over {LINES} lines");
    }
}

#[test]
fn unsafe_stays_where_it_is_needed() {
    for (path, text) in sources() {
        assert!(UNSAFE.contains(&path.as_str()) || !has_unsafe(&text), "{path} has unsafe code");
    }
}
