//! The layers hold: modules import from below, packages depend on what is listed, files are short, and `unsafe`
//! stays in the files that need it. Read from the sources, so that a crossing cannot be merged.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The layers of the kernel, from the bottom up. A module may import from the modules before it.
const KERNEL: [&str; 11] =
    ["error", "math", "arith", "ring", "backend", "params", "ckks", "eval", "circuits", "bootstrap", "nn"];

/// Each package that is held small, and all that it may depend on.
const PACKAGES: [(&str, &[&str]); 5] = [
    ("kernel", &["heapless", "libm", "half", "bytemuck", "rand_core", "rand_chacha", "zeroize", "subtle", "defmt"]),
    ("host-tools/catalogue", &["polyformer-kernel", "libm"]),
    ("backends/scalar", &["polyformer-kernel"]),
    ("backends/cpu", &["polyformer-kernel", "rayon", "bytemuck", "memmap2"]), // casts between words and lanes, huge pages
    ("backends/wgpu", &["polyformer-kernel", "polyformer-shaders", "wgpu", "bytemuck", "pollster"]), // pollster waits for a device to open
];

/// The longest that a file may be.
const LINES: usize = 400;

/// Where `unsafe` may stand: vector instructions, memory maps, for which no safe interface exists, and the stack and
/// faults of a bare board.
const UNSAFE: [&str; 5] = [
    "backends/cpu/src/avx2.rs",
    "backends/cpu/src/avx512.rs",
    "backends/cpu/src/neon.rs",
    "host-tools/src/files/map.rs",
    "examples/cortex-m/src/board.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every source file of the repository that git would track, by its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let from_root = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                files.push((from_root, fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(files.len() > 20, "only {} sources: looked in the wrong place", files.len());
    files.sort();
    files
}

/// The code of a file: no comments, no strings.
fn code(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let skip = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '"' => 1 + string_length(&rest[1..]),
            '\'' if rest.starts_with("'\"'") => 3,
            _ => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[skip..];
    }
    out
}

/// Bytes up to and including the quote that ends a string.
fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices() {
        match c {
            '"' if !escaped => return i + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

/// Code outside the file's test module, which may look anywhere.
fn without_tests(code: &str) -> &str {
    code.split("\nmod tests {").next().unwrap()
}

/// The first names after each `crate::`, groups in braces opened. Names that are not modules are re-exports of
/// `error`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let tree = &code[at + "crate::".len()..];
        let items = match tree.strip_prefix('{') {
            Some(group) => branches(group),
            None => vec![tree],
        };
        for item in items {
            let name: String = item.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name.starts_with(char::is_lowercase) {
                found.insert(name);
            }
        }
    }
    found
}

/// The comma-separated items up to the closing brace.
fn branches(group: &str) -> Vec<&str> {
    let (mut items, mut depth, mut start) = (Vec::new(), 0, 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' if depth == 0 => {
                items.push(&group[start..i]);
                start = i + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

/// The module of a source of the kernel: the first name below the folder of sources.
fn module(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("kernel/src/")?;
    let first = inside.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first)).filter(|m| *m != "lib")
}

/// What `module` imports that it may not.
fn crossings(module: &str, text: &str) -> Vec<String> {
    let layer = |name: &str| KERNEL.iter().position(|other| *other == name);
    let own = layer(module).unwrap_or_else(|| panic!("kernel module {module} has no layer: give it one here"));
    let code = code(text);
    let mut imports = imports(without_tests(&code));
    imports.retain(|name| layer(name).is_none_or(|other| other > own));
    imports.into_iter().collect()
}

/// Names under [dependencies] and the like, dev-dependencies apart.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            let listed = section.ends_with("dependencies") && !section.ends_with("dev-dependencies");
            let single = section.split_once("dependencies.");
            names.extend(single.filter(|(kind, _)| !kind.ends_with("dev-")).map(|(_, name)| name.to_string()));
            inside = listed;
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            names.push(line.split(['=', '.', ' ']).next().unwrap().to_string());
        }
    }
    names
}

#[test]
fn kernel_modules_import_from_below() {
    for (path, text) in sources() {
        if let Some(module) = module(&path) {
            assert_eq!(crossings(module, &text), [""; 0], "{path} crosses its layer");
        }
    }
}

#[test]
fn a_crossing_is_found_wherever_it_is_written() {
    let found = |text: &str| crossings("circuits", text);
    assert_eq!(found("use crate::{arith::Arithmetic, error::Result, nn::{self, Model}};"), ["nn"]);
    assert_eq!(found("fn f(x: crate::bootstrap::Order) {}"), ["bootstrap"]);
    assert_eq!(found("use crate::{Error, arith::{A, B}, circuits::poly,\n nn::Norm};"), ["nn"]);
    assert!(found("/// [`crate::nn`]\nlet s = \"crate::nn\";\n#[cfg(test)]\nmod tests { use crate::nn; }").is_empty());
    assert_eq!(crossings("ring", "use super::x; use crate::backend::Op;"), ["backend"]);
}

#[test]
fn packages_depend_on_what_is_listed() {
    for (package, allowed) in PACKAGES {
        let Ok(manifest) = fs::read_to_string(root().join(package).join("Cargo.toml")) else {
            continue; // not written yet
        };
        let mut extra = dependencies(&manifest);
        assert!(!extra.is_empty(), "{package}: no dependency was read");
        extra.retain(|name| !allowed.contains(&name.as_str()));
        assert_eq!(extra, [""; 0], "{package} depends on more than its layer may");
    }
}

#[test]
fn every_way_to_write_a_dependency_is_read() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\n# b = \"1\"\nc.workspace = true\n[dev-dependencies]\nd = \"1\"\n[target.'cfg(unix)'.dependencies]\ne = { version = \"1\" }\n[dependencies.f]\nversion = \"1\"\n[features]\ng = []\n";
    assert_eq!(dependencies(manifest), ["a", "c", "e", "f"]);
}

#[test]
fn files_are_short() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES, "{path} has {lines} lines, over {LINES}: it holds more than one idea");
    }
}

#[test]
fn unsafe_stays_where_it_is_needed() {
    let word = |code: &str| code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|w| w == "unsafe");
    assert!(word("unsafe { x }") && !word("#![forbid(unsafe_code)]"));
    for (path, text) in sources() {
        assert!(UNSAFE.contains(&path.as_str()) || !word(&code(&text)), "{path} has unsafe code");
    }
}
